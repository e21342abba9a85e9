//! The admission walk: candidates of a policy are asked for what it requires, from the best downwards, until one is admitted.
//!
//! A policy that requires something of the image behind a tag ([`ImagePolicy::asks`]) cannot tell from the list of tags what it
//! selects. So its candidates are walked: the digest of a tag is asked for, and held against what can be told without
//! asking ([`guard::admit`]), and then against each further [`check`], which may ask the registry. The first image that is
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

use std::sync::Arc;

use image::{Digest, Reference, Tag};
use jiff::Timestamp;
use tagwright_core::automation::{ImagePolicy, ImageRepository};
use tagwright_core::guard::{self, Candidate, Hold, PassedOver, Refusal};

use super::digests::{Answer, Digests};
use super::tags;
use crate::run::{Context, Error, Lack, PolicyReport, Short};
use crate::store::Digests as Known;

/// How many tags of a policy are asked for their digest in one poll.
const MAX_ASKED: usize = 32;

/// How many of the best are asked for at every poll, though it is known that they have to wait: they may have moved.
const FRESH: usize = 8;

/// How many candidates of a policy are looked at, the best first.
pub(super) const MAX_WALKED: usize = 1_000;

/// How many that are passed over are told.
const MAX_TOLD: usize = 16;

/// A candidate as the list of tags has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ranked {
    pub(super) tag: Tag,
    /// When it was pushed, where the registry says so in its list.
    pub(super) pushed: Option<Timestamp>,
}

/// What is asked in a walk, and of whom.
struct Walk<'w> {
    context: Context<'w>,
    /// What is known of the repository's digests.
    known: Known,
    /// What was known before.
    before: Known,
    /// Whether that could be read.
    is_kept: bool,
    /// What was told in this poll.
    told: Digests,
    /// What else could not be found out.
    failures: Vec<Error>,
}

/// What a walk came to.
enum Walked {
    /// This image is admitted.
    Admitted(Tag, Digest),
    /// None is.
    Nothing,
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
) -> Vec<Error> {
    let asking = |policy: &Arc<ImagePolicy>, report: &PolicyReport| policy.asks() && report.selection.is_ok();
    let Some(repository) = policies.iter().zip(&*reports).find(|(policy, report)| asking(policy, report)) else {
        return Vec::new();
    };
    let key = tags::key(&repository.0.repository);
    let mut walk = Walk::begin(context, &key).await;
    for ((policy, report), ranked) in policies.iter().zip(reports).zip(&ranked) {
        if asking(policy, report) {
            let mut passed = Vec::new();
            let walked = walk.along(policy, ranked, &mut passed).await;
            tell(policy, report, walked, passed);
        }
    }
    walk.end(key, policies)
}

/// Looks again at the one tag that a policy selects, between two polls: what it has now, if that is admitted; none if the
/// selection stays.
pub(super) async fn again(
    context: Context<'_>,
    policy: &Arc<ImagePolicy>,
    tag: &Tag,
    failures: &mut Vec<Error>,
) -> Result<Option<Digest>, String> {
    let key = tags::key(&policy.repository);
    let mut walk = Walk::begin(context, &key).await;
    let one = [Ranked { tag: tag.clone(), pushed: None }];
    let walked = walk.along(policy, &one, &mut Vec::new()).await;
    failures.extend(walk.end(key, std::slice::from_ref(policy)));
    match walked {
        Walked::Admitted(_, digest) => Ok(Some(digest)),
        Walked::Nothing => Ok(None),
        Walked::NoAnswer(_, reason) => Err(reason),
    }
}

/// Takes note of digests that were asked for anyway, so that what is required of them one day can be told from what was before.
pub(super) async fn note(context: Context<'_>, asked: &[(&Arc<ImagePolicy>, Tag)], told: &Digests) {
    let Some((first, _)) = asked.first() else { return };
    let key = tags::key(&first.repository);
    let mut walk = Walk::begin(context, &key).await;
    for (policy, tag) in asked {
        if let Some(Answer::Digest(digest)) = told.answer(&policy.repository, tag) {
            see(&mut walk.known, tag, digest, None, context.now);
        }
    }
    let policies: Vec<_> = asked.iter().map(|(policy, _)| Arc::clone(policy)).collect();
    walk.end(key, &policies);
}

impl<'w> Walk<'w> {
    async fn begin(context: Context<'w>, key: &str) -> Self {
        let found = context.digests(key).await;
        let is_kept = found.is_some();
        let before = found.unwrap_or_default();
        let mut known = before.clone();
        known.sightings.not_after(context.now);
        Self { context, known, before, is_kept, told: Digests::default(), failures: Vec::new() }
    }

    fn end(mut self, key: String, policies: &[Arc<ImagePolicy>]) -> Vec<Error> {
        let ages: Vec<_> = policies.iter().filter_map(|policy| policy.digest_age()).collect();
        self.known.sightings.thin(&ages, self.context.now);
        self.known.trim();
        if self.is_kept && self.known != self.before {
            self.context.memory.keep_digests(key, self.known);
        }
        let mut failures = self.told.into_failures();
        failures.extend(self.failures);
        failures
    }

    async fn along(&mut self, policy: &ImagePolicy, ranked: &[Ranked], passed: &mut Vec<PassedOver>) -> Walked {
        let mut asked = self.ask_ahead(policy, ranked).await;
        for candidate in ranked.iter().take(MAX_WALKED) {
            let tag = &candidate.tag;
            if self.told.answer(&policy.repository, tag).is_none() {
                if let Some(refused) = self.known_to_wait(policy, tag) {
                    passed.push(refused);
                    continue;
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
                    passed.push(passed_over(tag, None, Refusal::NoImage));
                    continue;
                }
                Some(Answer::Failed(reason)) => return Walked::NoAnswer(tag.clone(), reason.clone()),
                None => continue,
            }
            match self.image(policy, tag, passed).await {
                Ok(Some(digest)) => return Walked::Admitted(tag.clone(), digest),
                Ok(None) if passed.last().is_some_and(|passed| passed.refusal.holds()) => return Walked::Nothing,
                Ok(None) => {}
                Err(reason) => return Walked::NoAnswer(tag.clone(), reason),
            }
        }
        Walked::Nothing
    }

    /// The first image of a tag that is admitted: what it has now, or where digests are written, what it had before.
    async fn image(
        &mut self,
        policy: &ImagePolicy,
        tag: &Tag,
        passed: &mut Vec<PassedOver>,
    ) -> Result<Option<Digest>, String> {
        let most = if policy.writes_digests() { usize::MAX } else { 1 };
        let sightings: Vec<_> = self.known.sightings.of(tag.as_str()).take(most).cloned().collect();
        for (place, sighting) in sightings.iter().enumerate() {
            let candidate = Candidate { tag: tag.as_str(), sighting };
            let admitted = match guard::admit(policy, candidate, self.context.now) {
                Ok(()) => self.check(policy, &sighting.digest).await?,
                Err(refusal) => Err(refusal),
            };
            match admitted {
                Ok(()) => return Ok(Some(sighting.digest.clone())),
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

    /// Holds an image against what the registry, or what is in it, has to say: the place for each further check. What was
    /// answered about a digest is looked for in [`Known::answer`] first, and kept there.
    ///
    /// # Errors
    /// In one sentence, why that could not be found out; the image is then neither admitted nor passed over.
    async fn check(&mut self, policy: &ImagePolicy, digest: &Digest) -> Result<Result<(), Refusal>, String> {
        let client = &self.context.edges.registry;
        super::verify::check(client, &mut self.known, policy, digest).await.map_err(|error| {
            let reason = error.chain();
            self.failures.push(error);
            reason
        })
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
    async fn ask(&mut self, policy: &ImagePolicy, candidates: &[Ranked]) {
        let repository: &ImageRepository = &policy.repository;
        let wanted = candidates.iter().map(|candidate| (repository, &candidate.tag)).collect();
        self.told.look_for(&self.context.edges.registry, wanted).await;
        for Ranked { tag, pushed } in candidates {
            if let Some(Answer::Digest(digest)) = self.told.answer(repository, tag) {
                see(&mut self.known, tag, digest, *pushed, self.context.now);
            }
        }
    }

    /// Why a tag is passed over without asking again: every image that it is known to have had waits. What it may have by now
    /// waits longer.
    fn known_to_wait(&self, policy: &ImagePolicy, tag: &Tag) -> Option<PassedOver> {
        policy.digest_age()?;
        let mut newest = None;
        for sighting in self.known.sightings.of(tag.as_str()) {
            let candidate = Candidate { tag: tag.as_str(), sighting };
            let refusal = guard::admit(policy, candidate, self.context.now).err()?;
            newest.get_or_insert_with(|| passed_over(tag, Some(&sighting.digest), refusal));
        }
        newest
    }
}

/// Takes note of what a tag has. A time of the registry's list counts once the list is known to be about this digest: one that
/// was pushed between the list and the question must not have the time of the one before.
pub(super) fn see(known: &mut Known, tag: &Tag, digest: &Digest, pushed: Option<Timestamp>, now: Timestamp) {
    let is_known = known.sightings.of(tag.as_str()).next().is_some_and(|last| last.digest == *digest);
    known.sightings.see(tag.as_str(), digest, pushed.filter(|_| is_known), now);
}

fn passed_over(tag: &Tag, digest: Option<&Digest>, refusal: Refusal) -> PassedOver {
    PassedOver { tag: tag.as_str().to_owned(), digest: digest.cloned(), moved: false, refusal }
}

/// Writes into the report of a policy what its walk came to.
fn tell(policy: &ImagePolicy, report: &mut PolicyReport, walked: Walked, mut passed: Vec<PassedOver>) {
    let listed = report.tags.unwrap_or_default();
    report.as_good = Vec::new();
    report.short = None;
    match walked {
        Walked::Admitted(tag, digest) => {
            passed.iter_mut().for_each(|passed| passed.moved = passed.tag == tag.as_str());
            let digest = Some(digest).filter(|_| policy.writes_digests());
            let repository = policy.repository.image.clone();
            report.selection = Ok(Reference { repository, tag: Some(tag), digest });
        }
        Walked::Nothing => {
            let waits = passed.iter().any(|passed| passed.refusal.until().is_some() || passed.refusal.holds());
            let sentence = nothing(&passed, listed);
            report.selection = Err(if waits { Lack::Waiting(sentence) } else { Lack::NoTag(sentence) });
        }
        Walked::NoAnswer(tag, reason) => {
            report.short = Some(Short::WithoutDigest(tag.as_str().to_owned()));
            report.selection = Err(Lack::NoAnswer(reason));
        }
    }
    report.hold = passed.first().map(|best| Hold::PassedOver(Box::new(best.clone())));
    passed.truncate(MAX_TOLD);
    report.passed_over = passed;
}

/// Says in one sentence why no image is admitted.
fn nothing(passed: &[PassedOver], listed: usize) -> String {
    let mut reasons: Vec<(&PassedOver, usize)> = Vec::new();
    for one in passed {
        let kind = std::mem::discriminant(&one.refusal);
        match reasons.iter_mut().find(|(first, _)| std::mem::discriminant(&first.refusal) == kind) {
            Some((_, count)) => *count += 1,
            None => reasons.push((one, 1)),
        }
    }
    let reasons: Vec<String> = reasons.iter().map(|(first, count)| first.counted(*count)).collect();
    let of = if listed == 1 {
        "the only tag cannot be selected".to_owned()
    } else {
        format!("none of {listed} tags can be selected")
    };
    format!("{of}: {}", reasons.join("; "))
}
