//! The admission walk: candidates of a policy are asked for what it requires, from the best downwards, until one is admitted.
//!
//! A policy that requires something of the image behind a tag ([`ImagePolicy::asks`]) cannot tell from the list of tags what it
//! selects. So its candidates are walked: the digest of a tag is asked for, and held against what can be told without
//! asking ([`guard::admit`]), and then against whatever else the policy requires, which may ask the registry (`require`). The first image that is
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

use std::collections::BTreeMap;
use std::sync::Arc;

use image::{Digest, Tag};
use jiff::Timestamp;
use tagwright_core::automation::{ImagePolicy, ImageRepository, ObjectName};
use tagwright_core::guard::{self, Candidate, PassedOver, Refusal, Sighting};
use tagwright_core::policy::Order;

use super::digests::{Answer, Digests};
use super::hurry::Hurry;
use super::lane::Lane;
use super::newest::Sorted;
use super::tags;
use super::told::{nothing, passed_over, tell};
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
    pub(super) hurry: Option<Hurry>,
    /// What documents say that it fixes, of that policy.
    pub(super) lane: Lane,
    /// When the first image that it waits for comes of age.
    pub(super) wakes: Option<Timestamp>,
    /// Tags of releases that point to something else than they did.
    moved: Vec<MovedTag>,
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
