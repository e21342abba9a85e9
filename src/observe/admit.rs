//! The admission walk: candidates of a policy are asked for what it requires, from the best downwards, until one is admitted.
//!
//! A policy that requires something of the image behind a tag ([`ImagePolicy::asks`]) cannot tell from the list of tags what it
//! selects. So its candidates are walked: the digest of a tag is asked for, and held against what can be told without
//! asking ([`guard::admit`]), and then against each further [check](Walk::check), which may ask the registry. The first image that is
//! admitted is selected. Each one before it is passed over, with the reason.
//!
//! - **What a tag had before** comes after what it has now, where the policy writes digests: a tag that was pushed again still
//!   stands for the image that was there, as long as the registry has it.
//! - **Nothing is asked twice.** What is known of digests is kept ([`Known`]): since when each is known, and what was answered
//!   about it, which holds for as long as the digest does. Policies of one repository share what one poll was told.
//! - **At most [`MAX_ASKED`] tags** are asked for in one poll of a policy. Where a digest has to be known for a while, new tags
//!   are asked for as they come, the best first, so that their wait begins, and those that are known to wait are not asked for
//!   again but for the best few. Otherwise the walk ends there, and selects nothing.
//! - A registry that does not answer for a tag on which the selection depends makes the policy select nothing in this poll, and
//!   never something worse. What was selected before stays.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use image::{Digest, Repository, Tag};
use jiff::Timestamp;
use tagwright_core::automation::{ImagePolicy, ImageRepository, ObjectName, Platform};
use tagwright_core::guard::{self, Candidate, PassedOver, Refusal, Sighting};
use tagwright_core::policy::Order;

use super::digests::{Answer, Digests};
use super::hurry::Hurry;
use super::lane::Lane;
use super::newest::Sorted;
use super::told::{nothing, passed_over, tell};
use super::{contents, tags, verify};
use crate::run::{Context, Error, MovedTag, PolicyReport};
use crate::store::{Digests as Known, Switch};

/// How many tags of a policy are asked for their digest in one poll.
const MAX_ASKED: usize = 32;

/// How many of the best are asked for at every poll, though it is known that they have to wait: they may have moved.
const FRESH: usize = 8;

/// How many images are admitted of a policy that moves together with others.
const MAX_ADMITTED: usize = 16;

/// How many candidates of a policy are looked at, the best first.
pub(super) const MAX_WALKED: usize = 1_000;

/// How many images that a tag had one after the other are compared.
const MAX_SAME: usize = 16;

/// A candidate as the list of tags has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranked {
    /// The tag.
    pub tag: Tag,
    /// The value by which it has its place.
    pub value: String,
    /// When it was pushed, where the registry says so in its list.
    pub pushed: Option<Timestamp>,
    /// What that is about, where the list says so.
    pub digest: Option<Digest>,
    /// When it was first listed.
    pub seen: Option<Timestamp>,
    /// Whether it was not, in a list before.
    pub arrived: bool,
}

/// What is asked in a walk, and of whom.
pub(super) struct Walk<'w> {
    pub(super) client: &'w registry::Client,
    pub(super) now: Timestamp,
    /// What is known of the repository's digests.
    pub(super) known: Known,
    /// What was told in this poll.
    pub(super) told: Digests,
    /// What else could not be asked.
    failures: Vec<Error>,
    /// What need not become older, of the policy that is walked for.
    hurry: Option<Hurry>,
    /// What documents say that it fixes, of that policy.
    pub(super) lane: Lane,
    /// When the first image that it waits for comes of age.
    wakes: Option<Timestamp>,
    /// Tags of releases that point to something else than they did.
    moved: Vec<MovedTag>,
}

/// Whether a tag points to an image, or did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Now,
    Before,
}

/// What a policy came to that requires something of an image, for who explains it.
#[derive(Debug)]
pub struct Admission {
    /// The image that is selected, or in one sentence, why none is. It has a digest, which is written if the policy says so.
    pub selected: Result<(Tag, Digest), String>,
    /// Those that were better, each with the reason.
    pub passed_over: Vec<PassedOver>,
    /// What else is to say about the selection: by which clock it is the newest, by whose word it need not become older.
    pub remarks: Vec<String>,
    /// The candidates from the newest on, where that is the order.
    pub order: Option<Vec<Tag>>,
    /// Those of them that came after the selected one, and others that are not listed any more.
    pub newer: Vec<String>,
}

/// Walks the candidates of a policy, best first, with what is known of digests, and keeps nothing.
pub async fn admission(
    client: &registry::Client,
    policy: &ImagePolicy,
    ranked: &[Ranked],
    known: Known,
    hurried: Option<&Switch>,
    now: Timestamp,
) -> Admission {
    let (mut walk, mut passed_over) = (Walk::new(client, known, now), Vec::new());
    walk.hurry = hurried.map(Hurry::of);
    let Came { walked, sorted } = walk.walk(policy, ranked, &mut passed_over).await;
    let (mut remarks, mut newer) = (Vec::new(), Vec::new());
    let selected = match walked {
        Walked::Admitted(tag, digest, _) => {
            passed_over.iter_mut().for_each(|passed| passed.moved = passed.tag == tag.as_str());
            remarks.extend(sorted.as_ref().and_then(|sorted| sorted.remark(&tag)));
            remarks.extend(walk.hurried(policy, &digest));
            newer = sorted.as_ref().map(|sorted| walk.newer(policy, sorted, &tag)).unwrap_or_default();
            Ok((tag, digest))
        }
        Walked::Nothing => Err(nothing(&passed_over, ranked.len())),
        Walked::Undated(reason) | Walked::TooMany(reason) | Walked::NoAnswer(_, reason) => Err(reason),
    };
    let order = sorted.map(|sorted| sorted.tags().cloned().collect());
    Admission { selected, passed_over, remarks, order, newer }
}

/// What a walk came to, and in which order it went, where that is by time.
struct Came {
    walked: Walked,
    sorted: Option<Sorted>,
}

/// What a walk came to.
pub(super) enum Walked {
    /// This image is admitted, as the best of these.
    Admitted(Tag, Digest, Vec<(Tag, Digest)>),
    /// None is.
    Nothing,
    /// It is not known yet of all of them when they came; the reason in one sentence.
    Undated(String),
    /// It cannot be known of so many when they came; the reason in one sentence.
    TooMany(String),
    /// The registry did not answer, for this tag.
    NoAnswer(Tag, String),
}

/// Selects an image for each policy that requires something of it, in place of the tag that its report has; `ranked` are the
/// candidates of each policy, best first. Returns why some could not be asked for.
pub(super) async fn admit(
    context: Context<'_>,
    policies: &[Arc<ImagePolicy>],
    reports: &mut [PolicyReport],
    ranked: Vec<Vec<Ranked>>,
    hurries: &BTreeMap<String, Hurry>,
) -> Vec<Error> {
    let asking = |policy: &Arc<ImagePolicy>, report: &PolicyReport| policy.asks() && report.selection.is_ok();
    let first = policies.iter().zip(&*reports).find(|(policy, report)| asking(policy, report));
    let Some((first, _)) = first else { return Vec::new() };
    let kept = Kept::of(context, &first.repository).await;
    let mut walk = kept.walk();
    for ((policy, report), ranked) in policies.iter().zip(reports).zip(&ranked) {
        if asking(policy, report) {
            let mut passed = Vec::new();
            walk.hurry = hurries.get(&policy.id.marker()).cloned();
            walk.wakes = None;
            walk.moved.clear();
            let Came { walked, sorted } = walk.walk(policy, ranked, &mut passed).await;
            if let Walked::Admitted(tag, digest, _) = &walked {
                report.hurried = walk.hurried(policy, digest);
                report.dated = sorted.as_ref().and_then(|sorted| sorted.remark(tag));
                report.newer = sorted.as_ref().map(|sorted| walk.newer(policy, sorted, tag)).unwrap_or_default();
            }
            report.wakes = walk.wakes;
            report.moved.clone_from(&walk.moved);
            tell(policy, report, walked, passed);
        }
    }
    kept.end(walk, policies)
}

/// Looks again at the one tag that a policy selects, between two polls: what it has now, if that is admitted; none if the
/// selection stays.
pub(super) async fn again(
    context: Context<'_>,
    policy: &Arc<ImagePolicy>,
    tag: &Tag,
    failures: &mut Vec<Error>,
) -> Result<Option<Digest>, String> {
    let kept = Kept::of(context, &policy.repository).await;
    let mut walk = kept.walk();
    walk.hurry = Hurry::all(context, std::iter::once(&**policy)).await.into_values().next();
    let one =
        [Ranked { tag: tag.clone(), value: String::new(), pushed: None, digest: None, seen: None, arrived: false }];
    let walked = walk.along(policy, &one, &mut Vec::new()).await;
    failures.extend(kept.end(walk, std::slice::from_ref(policy)));
    match walked {
        Walked::Admitted(_, digest, _) => Ok(Some(digest)),
        Walked::Nothing => Ok(None),
        Walked::Undated(reason) | Walked::TooMany(reason) | Walked::NoAnswer(_, reason) => Err(reason),
    }
}

/// Takes note of digests that were asked for anyway, so that what is required of them one day can be told from what was before.
pub(super) async fn note(
    context: Context<'_>,
    asked: &[(&Arc<ImagePolicy>, Tag)],
    told: &Digests,
) -> Vec<(ObjectName, MovedTag)> {
    let Some((first, _)) = asked.first() else { return Vec::new() };
    let kept = Kept::of(context, &first.repository).await;
    let (mut walk, mut moved) = (kept.walk(), Vec::new());
    for (policy, tag) in asked {
        if let Some(Answer::Digest(digest)) = told.answer(&policy.repository, tag) {
            let before = walk.moved.len();
            walk.see(policy, tag, digest, None);
            moved.extend(walk.moved[before..].iter().map(|one| (policy.id.clone(), one.clone())));
        }
    }
    let policies: Vec<_> = asked.iter().map(|(policy, _)| Arc::clone(policy)).collect();
    kept.end(walk, &policies);
    moved
}

/// What is kept of a repository's digests, while a walk adds to it.
struct Kept<'k> {
    context: Context<'k>,
    key: String,
    /// As it was; none where it could not be read, and nothing must take its place.
    before: Option<Known>,
}

impl<'k> Kept<'k> {
    async fn of(context: Context<'k>, repository: &ImageRepository) -> Self {
        let key = tags::key(repository);
        let before = context.digests(&key).await;
        Self { context, key, before }
    }

    fn walk(&self) -> Walk<'k> {
        let Context { edges, now, .. } = self.context;
        Walk::new(&edges.registry, self.before.clone().unwrap_or_default(), now)
    }

    /// Keeps what is known now, if it is anything new; returns what failed.
    fn end(self, mut walk: Walk<'_>, policies: &[Arc<ImagePolicy>]) -> Vec<Error> {
        let ages: Vec<_> = policies.iter().filter_map(|policy| policy.digest_age()).collect();
        walk.known.sightings.thin(&ages, walk.now);
        walk.known.trim();
        if self.before.is_some_and(|before| before != walk.known) {
            self.context.memory.keep_digests(self.key, walk.known);
        }
        let mut failures = walk.told.into_failures();
        failures.append(&mut walk.failures);
        failures
    }
}

impl<'w> Walk<'w> {
    pub(super) fn new(client: &'w registry::Client, mut known: Known, now: Timestamp) -> Self {
        known.sightings.not_after(now);
        let (told, lane, failures, moved) = (Digests::default(), Lane::default(), Vec::new(), Vec::new());
        Self { client, now, known, told, failures, hurry: None, lane, wakes: None, moved }
    }

    /// Walks the candidates of a policy: as they are ranked, or the newest first.
    async fn walk(&mut self, policy: &ImagePolicy, ranked: &[Ranked], passed: &mut Vec<PassedOver>) -> Came {
        self.lane = Lane::of(policy, ranked);
        if policy.policy.order != Order::Newest {
            return Came { walked: self.along(policy, ranked, passed).await, sorted: None };
        }
        match Box::pin(self.by_time(policy, ranked)).await {
            Ok(sorted) => {
                let walked = self.along(policy, sorted.ranked(), passed).await;
                Came { walked, sorted: Some(sorted) }
            }
            Err(walked) => Came { walked, sorted: None },
        }
    }

    async fn along(&mut self, policy: &ImagePolicy, ranked: &[Ranked], passed: &mut Vec<PassedOver>) -> Walked {
        let mut asked = self.ask_ahead(policy, ranked).await;
        let wanted = if policy.guards.together.is_some() { MAX_ADMITTED } else { 1 };
        let mut admitted: Vec<(Tag, Digest)> = Vec::new();
        for candidate in ranked.iter().take(MAX_WALKED) {
            let tag = &candidate.tag;
            if self.told.answer(&policy.repository, tag).is_none() {
                if let Some(refused) = self.known_to_wait(policy, tag) {
                    passed.extend(Some(refused).filter(|_| admitted.is_empty()));
                    continue;
                }
                if asked >= MAX_ASKED && !admitted.is_empty() {
                    break;
                }
                if asked >= MAX_ASKED {
                    passed.push(passed_over(tag, None, Refusal::NotAsked { asked }));
                    // An image that nobody has seen waits anyway, so that what is known goes on to count.
                    if policy.digest_age().is_some() {
                        continue;
                    }
                    break;
                }
                asked += 1;
                self.ask(policy, std::slice::from_ref(candidate)).await;
            }
            match self.told.answer(&policy.repository, tag) {
                Some(Answer::Digest(_)) => {}
                Some(Answer::NoImage(_)) => {
                    passed.extend(Some(passed_over(tag, None, Refusal::NoImage)).filter(|_| admitted.is_empty()));
                    continue;
                }
                Some(Answer::Failed(_)) if !admitted.is_empty() => break,
                Some(Answer::Failed(reason)) => return Walked::NoAnswer(tag.clone(), reason.clone()),
                None => continue,
            }
            // Of what is worse than the first that is admitted, nothing is told.
            let told = if admitted.is_empty() { &mut *passed } else { &mut Vec::new() };
            match self.image(policy, tag, told).await {
                Ok(Some(digest)) => admitted.push((tag.clone(), digest)),
                Ok(None) if told.last().is_some_and(|passed| passed.refusal.holds()) => break,
                Ok(None) => {}
                Err(_) if !admitted.is_empty() => break,
                Err(reason) => return Walked::NoAnswer(tag.clone(), reason),
            }
            if admitted.len() >= wanted {
                break;
            }
        }
        match admitted.first().cloned() {
            Some((tag, digest)) => Walked::Admitted(tag, digest, admitted),
            None => Walked::Nothing,
        }
    }

    /// The first image of a tag that is admitted: what it has now, or where digests are written, what it had before. What only
    /// adds to the one before comes after that, where the policy says so.
    async fn image(
        &mut self,
        policy: &ImagePolicy,
        tag: &Tag,
        passed: &mut Vec<PassedOver>,
    ) -> Result<Option<Digest>, String> {
        let most = if policy.writes_digests() { usize::MAX } else { 1 };
        let sightings: Vec<_> = self.known.sightings.of(tag.as_str()).take(most).cloned().collect();
        let same = match policy.guards.ignore_attestation_only {
            true => self.only_added(policy, &sightings).await?,
            false => 0,
        };
        for place in (0..=same).rev().chain(same + 1..sightings.len()) {
            let Some(sighting) = sightings.get(place) else { continue };
            let candidate = Candidate { tag: tag.as_str(), sighting };
            let now = if place == 0 { Place::Now } else { Place::Before };
            match self.hold_against(policy, candidate, now).await? {
                Ok(()) => {
                    if let Some(first) = sightings.first().filter(|_| (1..=same).contains(&place)) {
                        passed.push(passed_over(tag, Some(&first.digest), Refusal::OnlyAdded));
                    }
                    return Ok(Some(sighting.digest.clone()));
                }
                // What a tag had before is not better than what it has.
                Err(refusal) if place == 0 => {
                    let holds = refusal.holds();
                    passed.push(passed_over(tag, Some(&sighting.digest), refusal));
                    if holds {
                        break;
                    }
                }
                Err(_) => {}
            }
        }
        Ok(None)
    }

    /// Holds an image against all that the policy requires: what can be told at once first, then what somebody is asked for. One that
    /// is too young may yet be old by the time of its signature, or need not become older.
    async fn hold_against(
        &mut self,
        policy: &ImagePolicy,
        candidate: Candidate<'_>,
        place: Place,
    ) -> Result<Result<(), Refusal>, String> {
        let digest = &candidate.sighting.digest;
        match self.admit(policy, candidate) {
            Ok(()) => {}
            Err(Refusal::TooYoung { .. }) if self.is_older(policy, candidate).await? => {}
            Err(Refusal::TooYoung { .. })
                if place == Place::Now && self.passes(policy, candidate.tag, digest).await? => {}
            Err(refusal) => return Ok(Err(refusal)),
        }
        self.check(policy, digest, place).await
    }

    /// Whether an image that seems too young is old enough by the time of its signature, which is looked for once.
    async fn is_older(&mut self, policy: &ImagePolicy, candidate: Candidate<'_>) -> Result<bool, String> {
        let digest = &candidate.sighting.digest;
        let Some(asked) = verify::question(policy).map(|question| format!("looked for {question}")) else {
            return Ok(false);
        };
        if self.known.answer(digest, &asked).is_some() {
            return Ok(false);
        }
        let verified = Box::pin(verify::check(self.client, &mut self.known, policy, digest)).await;
        let verified = verified.map_err(|error| self.failed(error))?;
        self.known.keep(digest, &asked, String::new());
        Ok(verified.is_ok() && self.admit(policy, candidate).is_ok())
    }

    /// How many images that a tag had one after the other, the newest first, only add to the one before them.
    async fn only_added(&mut self, policy: &ImagePolicy, sightings: &[Sighting]) -> Result<usize, String> {
        let mut same = 0;
        for pair in sightings.windows(2).take(MAX_SAME) {
            let [newer, older] = pair else { break };
            let (Some(newer), Some(older)) =
                (self.runnable(policy, &newer.digest).await?, self.runnable(policy, &older.digest).await?)
            else {
                break;
            };
            if older.is_empty() || !older.is_subset(&newer) {
                break;
            }
            same += 1;
        }
        Ok(same)
    }

    /// What runs of an image: the images of its index without attestations. None where the registry has it no more.
    async fn runnable(&mut self, policy: &ImagePolicy, digest: &Digest) -> Result<Option<BTreeSet<String>>, String> {
        const QUESTION: &str = "runs";
        if let Some(kept) = self.known.answer(digest, QUESTION) {
            return Ok(Some(kept.split_whitespace().map(str::to_owned).collect()));
        }
        let found = Box::pin(contents::runnable(self.client, &policy.repository, digest)).await;
        let found = match found {
            Ok(found) => found,
            Err(error) if super::digests::lacks(&error) => return Ok(None),
            Err(error) => return Err(self.failed(error)),
        };
        let text: Vec<&str> = found.iter().map(Digest::as_str).collect();
        self.known.keep(digest, QUESTION, text.join(" "));
        Ok(Some(text.into_iter().map(str::to_owned).collect()))
    }

    /// Holds an image against what can be told without asking anybody. It is as old as its signature is, where the time of that is
    /// known.
    fn admit(&mut self, policy: &ImagePolicy, candidate: Candidate<'_>) -> Result<(), Refusal> {
        let Sighting { digest, since } = candidate.sighting;
        let signed = verify::time(&self.known, policy, digest);
        let since = signed.map_or(*since, |signed| signed.min(*since));
        let since = Hurry::since(self.hurry.as_ref(), Some(since)).unwrap_or(since);
        let sighting = &Sighting { digest: digest.clone(), since };
        let admitted = guard::admit(policy, Candidate { sighting, ..candidate }, self.now);
        if let Some(until) = admitted.as_ref().err().and_then(Refusal::until) {
            self.wakes = Some(self.wakes.map_or(until, |wakes| wakes.min(until)));
        }
        admitted
    }

    /// By whose word an image did not have to become older.
    fn hurried(&self, policy: &ImagePolicy, digest: &Digest) -> Option<String> {
        let since = self.known.sightings.since(digest);
        let by_hand = || self.hurry.as_ref()?.told(since, policy.digest_age(), self.now);
        self.lane.told(digest).or_else(by_hand)
    }

    /// Holds an image against what the registry, or what is in it, has to say: the place for each further check. What was
    /// answered about a digest is looked for in [`Known::answer`] first, and kept there.
    ///
    /// # Errors
    /// In one sentence, why that could not be found out; the image is then neither admitted nor passed over.
    async fn check(
        &mut self,
        policy: &ImagePolicy,
        digest: &Digest,
        place: Place,
    ) -> Result<Result<(), Refusal>, String> {
        // What a tag points to is there; what it pointed to before may be gone.
        if place == Place::Before && !self.has(policy, &policy.repository.image, digest).await? {
            return Ok(Err(Refusal::NoImage));
        }
        if !policy.guards.platforms.is_empty() {
            let platforms = self.platforms(policy, digest).await?;
            if let Err(refusal) = guard::for_platforms(policy, &platforms) {
                return Ok(Err(refusal));
            }
        }
        let verified = Box::pin(verify::check(self.client, &mut self.known, policy, digest)).await;
        match verified.map_err(|error| self.failed(error))? {
            Ok(()) => self.pullable(policy, digest).await,
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    /// The platforms that an image is for; as its index says, or where it has none, as it says itself.
    async fn platforms(&mut self, policy: &ImagePolicy, digest: &Digest) -> Result<Vec<Platform>, String> {
        const QUESTION: &str = "platforms";
        if let Some(kept) = self.known.answer(digest, QUESTION) {
            return Ok(kept.split_whitespace().filter_map(|text| Platform::parse(text).ok()).collect());
        }
        let found = Box::pin(contents::platforms(self.client, &policy.repository, digest)).await;
        let found = found.map_err(|error| self.failed(error))?;
        let text: Vec<String> = found.iter().map(Platform::to_string).collect();
        self.known.keep(digest, QUESTION, text.join(" "));
        Ok(found)
    }

    /// Whether all of an image is where the policy says that it must be. That it is, is kept; that it is not, may change.
    async fn pullable(&mut self, policy: &ImagePolicy, digest: &Digest) -> Result<Result<(), Refusal>, String> {
        let Some(pullable) = &policy.guards.pullable else { return Ok(Ok(())) };
        for repository in std::iter::once(&policy.repository.image).chain(&pullable.mirrors) {
            let question = format!("pullable from {}", repository.canonical());
            if self.known.answer(digest, &question).is_some() {
                continue;
            }
            let mut parts = vec![digest.clone()];
            if self.has(policy, repository, digest).await? {
                let images = Box::pin(contents::images(self.client, &policy.repository, digest)).await;
                parts = images.map_err(|error| self.failed(error))?;
            }
            for part in parts {
                if !self.has(policy, repository, &part).await? {
                    return Ok(Err(Refusal::NotPullable(repository.name().to_owned())));
                }
            }
            self.known.keep(digest, &question, String::new());
        }
        Ok(Ok(()))
    }

    /// Whether a repository has an image.
    async fn has(&mut self, policy: &ImagePolicy, repository: &Repository, digest: &Digest) -> Result<bool, String> {
        let found = Box::pin(self.client.has(repository, digest, &policy.repository.access)).await;
        found.map_err(|source| self.failed(contents::failed(repository, digest, source)))
    }

    /// What could not be asked.
    pub(super) fn into_failures(self) -> Vec<Error> {
        let mut failures = self.told.into_failures();
        failures.extend(self.failures);
        failures
    }

    /// Takes note of a failure, and says what it was.
    pub(super) fn failed(&mut self, error: Error) -> String {
        let text = error.chain();
        self.failures.push(error);
        text
    }

    /// Asks for tags together that will be needed; says for how many. Where digests have to be known for a while, those are the
    /// best few and as many as may be of those that nobody has asked for.
    async fn ask_ahead(&mut self, policy: &ImagePolicy, ranked: &[Ranked]) -> usize {
        let is_waited_for = policy.digest_age().is_some();
        let is_new = |candidate: &Ranked| self.known.sightings.of(candidate.tag.as_str()).next().is_none();
        let wanted = |(place, candidate): &(usize, &Ranked)| *place < FRESH || is_new(candidate);
        let most = if is_waited_for { MAX_ASKED } else { 1 };
        let ahead: Vec<Ranked> = ranked
            .iter()
            .take(MAX_WALKED)
            .enumerate()
            .filter(wanted)
            .map(|(_, candidate)| candidate.clone())
            .take(most)
            .collect();
        self.ask(policy, &ahead).await;
        ahead.len()
    }

    /// Asks for the digests of tags, and takes note of them.
    pub(super) async fn ask(&mut self, policy: &ImagePolicy, candidates: &[Ranked]) {
        let repository: &ImageRepository = &policy.repository;
        let wanted = candidates.iter().map(|candidate| (repository, &candidate.tag)).collect();
        self.told.look_for(self.client, wanted).await;
        for Ranked { tag, pushed, digest: listed, .. } in candidates {
            if let Some(Answer::Digest(digest)) = self.told.answer(repository, tag).cloned() {
                // One that was pushed between the list and the question must not have the time of the one before.
                let is_about = match listed {
                    Some(listed) => *listed == digest,
                    None => self.known.sightings.of(tag.as_str()).next().is_some_and(|last| last.digest == digest),
                };
                self.see(policy, tag, &digest, pushed.filter(|_| is_about));
            }
        }
    }

    /// Takes note of what a tag points to now. That of a release should not move.
    fn see(&mut self, policy: &ImagePolicy, tag: &Tag, digest: &Digest, pushed: Option<Timestamp>) {
        let before = self.known.sightings.of(tag.as_str()).next().map(|last| last.digest.clone());
        self.known.sightings.see(tag.as_str(), digest, pushed, self.now);
        if let Some(before) = before.filter(|before| before != digest && guard::looks_immutable(tag.as_str())) {
            let (image, now) = (policy.repository.image.name().to_owned(), digest.clone());
            let moved = MovedTag { image, tag: tag.clone(), before, now };
            tracing::warn!(
                image.repository = moved.image,
                image.tag = tag.as_str(),
                image.digest = digest.as_str(),
                "{moved}"
            );
            self.moved.push(moved);
        }
    }

    /// Why a tag is passed over without asking again: every image that it is known to have had waits. What it may have by now
    /// waits longer.
    fn known_to_wait(&mut self, policy: &ImagePolicy, tag: &Tag) -> Option<PassedOver> {
        policy.digest_age()?;
        let mut newest = None;
        let sightings: Vec<Sighting> = self.known.sightings.of(tag.as_str()).cloned().collect();
        for sighting in &sightings {
            let candidate = Candidate { tag: tag.as_str(), sighting };
            let refusal = self.admit(policy, candidate).err()?;
            if newest.is_none() && self.may_pass(policy, tag, &sighting.digest) {
                return None;
            }
            newest.get_or_insert_with(|| passed_over(tag, Some(&sighting.digest), refusal));
        }
        newest
    }
}
