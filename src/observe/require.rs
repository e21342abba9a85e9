//! What a policy requires of one image: what a tag has, or had, is held against it, one thing after the other.

use std::collections::BTreeSet;

use image::{Digest, Repository, Tag};
use tagwright_core::automation::{ImagePolicy, Platform};
use tagwright_core::guard::{self, Candidate, PassedOver, Refusal, Sighting};

use super::admit::Walk;
use super::hurry::Hurry;
use super::told::passed_over;
use super::{contents, verify};

/// How many images that a tag had one after the other are compared.
const MAX_SAME: usize = 16;

/// Whether a tag points to an image, or did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Now,
    Before,
}

impl Walk<'_> {
    /// The first image of a tag that is admitted: what it has now, or where digests are written, what it had before. What only
    /// adds to the one before comes after that, where the policy says so.
    pub(super) async fn image(
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
    pub(super) fn admit(&mut self, policy: &ImagePolicy, candidate: Candidate<'_>) -> Result<(), Refusal> {
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
    pub(super) fn hurried(&self, policy: &ImagePolicy, digest: &Digest) -> Option<String> {
        let since = self.known.sightings.since(digest);
        let by_hand = || self.hurry.as_ref()?.told(since, policy.digest_age(), self.now);
        self.lane.told(digest).or_else(by_hand)
    }

    /// Holds an image against what the registry, or what is in it, has to say: the place for each further check. What was
    /// answered about a digest is looked for in what is known of it first, and kept there.
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
}
