//! The order in which images came, for policies that select the newest.
//!
//! Most of it is known without asking anybody: the registry's list says when tags were pushed, or the bot has seen them come. Of
//! those that were there before, it is asked what the images say of themselves, once for each digest: at most [`MAX_DATED`] in one
//! poll, and nothing is selected before all are known. Tags can move, so that the digests of the newest are asked for at each
//! poll, and those of some others in turn.

use std::cmp::Reverse;

use image::{Digest, Tag};
use jiff::Timestamp;
use tagwright_core::automation::ImagePolicy;
use tagwright_core::guard::{Moment, Told};

use super::admit::{Ranked, Walk, Walked};
use super::digests::Answer;
use super::verify;
use crate::run::Error;

/// How many images are asked in one poll when they were created.
const MAX_DATED: usize = 32;

/// How many images may have to be asked in all.
pub const MAX_UNDATED: usize = 1_000;

/// The digests of so many that came last are asked for at each poll.
const FRESH: usize = 8;

/// The digests of so many others are, in turn.
const IN_TURN: usize = 16;

/// How many that came at the same time are asked when they were created.
const MAX_TIED: usize = 16;

/// How many that came after the selected one are told.
const MAX_NEWER: usize = 64;

/// Candidates, the newest first.
#[derive(Debug)]
pub(super) struct Sorted {
    ranked: Vec<Ranked>,
    moments: Vec<Option<Moment>>,
}

impl Sorted {
    pub(super) fn ranked(&self) -> &[Ranked] {
        &self.ranked
    }

    pub(super) fn tags(&self) -> impl Iterator<Item = &Tag> {
        self.ranked.iter().map(|ranked| &ranked.tag)
    }

    fn moment(&self, tag: &Tag) -> Option<Moment> {
        let place = self.ranked.iter().position(|ranked| ranked.tag == *tag)?;
        self.moments[place]
    }

    /// By which clock a tag has its place, in one sentence.
    pub(super) fn remark(&self, tag: &Tag) -> Option<String> {
        Some(match self.moment(tag) {
            Some(moment) => moment.to_string(),
            None => "nothing tells when it came, and of no other tag either".to_owned(),
        })
    }
}

impl Walk<'_> {
    /// Sorts candidates by when they came.
    ///
    /// # Errors
    /// That is not known of all, and what the walk comes to therefore.
    pub(super) async fn by_time(&mut self, policy: &ImagePolicy, ranked: &[Ranked]) -> Result<Sorted, Walked> {
        let mut ranked = ranked.to_vec();
        self.sort(policy, &mut ranked);
        self.look_again(policy, &ranked).await;
        let open: Vec<Ranked> = ranked.iter().filter(|it| self.is_open(policy, it)).cloned().collect();
        if open.len() > MAX_UNDATED {
            return Err(Walked::TooMany(format!(
                "of {} tags nothing tells when they came, and no more than {MAX_UNDATED} are asked; let `filterTags` \
                 match fewer",
                open.len()
            )));
        }
        let asked = &open[..open.len().min(MAX_DATED)];
        self.ask(policy, asked).await;
        for candidate in asked {
            let digest = match self.told.answer(&policy.repository, &candidate.tag) {
                Some(Answer::Digest(digest)) => digest.clone(),
                Some(Answer::Failed(reason)) => return Err(Walked::NoAnswer(candidate.tag.clone(), reason.clone())),
                Some(Answer::NoImage(_)) | None => continue,
            };
            if let Err(reason) = self.claims(policy, &digest).await {
                return Err(Walked::NoAnswer(candidate.tag.clone(), reason));
            }
        }
        if open.len() > asked.len() {
            let left = open.len() - asked.len();
            return Err(Walked::Undated(format!(
                "it is not known yet when {left} of {} tags came; {MAX_DATED} are asked at each poll, and nothing is \
                 selected before all are known",
                ranked.len()
            )));
        }
        self.verify_newest(policy, &mut ranked).await?;
        self.untie(policy, &mut ranked).await?;
        let moments = ranked.iter().map(|it| self.moment(policy, it)).collect();
        Ok(Sorted { ranked, moments })
    }

    /// Tags that came after the selected one, also those that are not listed any more.
    pub(super) fn newer(&self, policy: &ImagePolicy, sorted: &Sorted, selected: &Tag) -> Vec<String> {
        let Some(moment) = sorted.moment(selected) else { return Vec::new() };
        let is_newer = |other: Option<Moment>| other.is_some_and(|other| other.time > moment.time);
        let listed = sorted.ranked.iter().zip(&sorted.moments).filter(|(_, other)| is_newer(**other));
        let mut newer: Vec<String> = listed.map(|(ranked, _)| ranked.tag.as_str().to_owned()).collect();
        let is_listed = |tag: &str| sorted.tags().any(|listed| listed.as_str() == tag);
        let gone = self.known.sightings.tags().filter(|(tag, _)| !is_listed(tag) && policy.could_select(tag));
        newer.extend(gone.filter(|(tag, _)| is_newer(self.moment_of_gone(policy, tag))).map(|(tag, _)| tag.to_owned()));
        newer.truncate(MAX_NEWER);
        newer
    }

    /// The newest first; of those that came together, the one that says that it was created last; then by name.
    fn sort(&self, policy: &ImagePolicy, ranked: &mut [Ranked]) {
        ranked.sort_by_cached_key(|candidate| {
            let time = self.moment(policy, candidate).map(|moment| moment.time);
            let created = self.digest(candidate).and_then(|digest| self.kept_claims(policy, &digest)?.created);
            Reverse((time, created, candidate.tag.clone()))
        });
    }

    /// Asks for the digests of those that came last, and of some others in turn, as far as they are known.
    async fn look_again(&mut self, policy: &ImagePolicy, ranked: &[Ranked]) {
        let known: Vec<&Ranked> = ranked.iter().filter(|it| !self.is_open(policy, it)).collect();
        let (fresh, rest) = known.split_at(known.len().min(FRESH));
        let mut rest: Vec<&Ranked> = rest.to_vec();
        rest.sort_by(|left, right| left.tag.cmp(&right.tag));
        let begin = match &self.known.turn {
            Some(last) => rest.partition_point(|it| it.tag.as_str() <= last.as_str()),
            None => 0,
        };
        let begin = begin.min(rest.len());
        rest.rotate_left(begin);
        rest.truncate(IN_TURN);
        if let Some(last) = rest.last() {
            self.known.turn = Some(last.tag.as_str().to_owned());
        }
        let asked: Vec<Ranked> = fresh.iter().copied().chain(rest).cloned().collect();
        self.ask(policy, &asked).await;
    }

    /// Has the signatures of those that came last verified, so that the time of theirs counts from the begin.
    async fn verify_newest(&mut self, policy: &ImagePolicy, ranked: &mut [Ranked]) -> Result<(), Walked> {
        self.sort(policy, ranked);
        if verify::question(policy).is_none() {
            return Ok(());
        }
        for candidate in ranked.iter().take(FRESH) {
            let Some(digest) = self.digest(candidate) else { continue };
            let verified = Box::pin(verify::check(self.client, &mut self.known, policy, &digest)).await;
            if let Err(error) = verified {
                return Err(Walked::NoAnswer(candidate.tag.clone(), self.failed(error)));
            }
        }
        self.sort(policy, ranked);
        Ok(())
    }

    /// Asks those that came last and together when they were created.
    async fn untie(&mut self, policy: &ImagePolicy, ranked: &mut [Ranked]) -> Result<(), Walked> {
        let Some(first) = ranked.first().and_then(|first| self.moment(policy, first)) else { return Ok(()) };
        let is_tied = |it: &&Ranked| self.moment(policy, it).is_some_and(|other| other.time == first.time);
        let tied: Vec<Ranked> = ranked.iter().take_while(is_tied).take(MAX_TIED).cloned().collect();
        if tied.len() < 2 {
            return Ok(());
        }
        self.ask(policy, &tied).await;
        for candidate in tied {
            let Some(digest) = self.digest(&candidate) else { continue };
            if let Err(reason) = self.claims(policy, &digest).await {
                return Err(Walked::NoAnswer(candidate.tag, reason));
            }
        }
        self.sort(policy, ranked);
        Ok(())
    }

    /// Whether an image has to be asked when it came.
    fn is_open(&self, policy: &ImagePolicy, candidate: &Ranked) -> bool {
        let has_said = || self.digest(candidate).is_some_and(|digest| self.kept_claims(policy, &digest).is_some());
        self.moment(policy, candidate).is_none() && !has_said()
    }

    /// What a tag pointed to when it was asked for last, or as the list says.
    fn digest(&self, candidate: &Ranked) -> Option<Digest> {
        let known = || self.known.sightings.of(candidate.tag.as_str()).next().map(|last| last.digest.clone());
        known().or_else(|| candidate.digest.clone())
    }

    /// When what a tag has came, as far as it is known.
    fn moment(&self, policy: &ImagePolicy, candidate: &Ranked) -> Option<Moment> {
        let mut sightings = self.known.sightings.of(candidate.tag.as_str());
        let (last, before) = (sightings.next(), sightings.next());
        let is_about = match (&candidate.digest, last) {
            (Some(listed), Some(last)) => *listed == last.digest,
            _ => true,
        };
        let (seen, arrived) = match (last, before) {
            // It was pushed again, and that was seen.
            (Some(last), Some(_)) => (Some(last.since), true),
            (Some(last), None) => {
                (Some(candidate.seen.map_or(last.since, |seen| seen.min(last.since))), candidate.arrived)
            }
            (None, _) => (candidate.seen, candidate.arrived),
        };
        let digest = last.map(|last| &last.digest).or(candidate.digest.as_ref());
        Moment::of(&Told {
            signed: digest.and_then(|digest| verify::time(&self.known, policy, digest)),
            pushed: candidate.pushed.filter(|_| is_about),
            seen,
            arrived,
            claimed: digest.and_then(|digest| self.kept_claims(policy, digest)?.created),
        })
    }

    /// When what a tag had came that is not listed any more.
    fn moment_of_gone(&self, policy: &ImagePolicy, tag: &str) -> Option<Moment> {
        let mut sightings = self.known.sightings.of(tag);
        let (last, before) = (sightings.next()?, sightings.next());
        let claimed = self.kept_claims(policy, &last.digest).and_then(|claims| claims.created);
        Moment::of(&Told {
            signed: verify::time(&self.known, policy, &last.digest),
            pushed: None,
            seen: Some(last.since),
            arrived: before.is_some() || claimed.is_none(),
            claimed,
        })
    }
}

/// Sorts tags of a repository by when their images say that they were created, the newest first, for who has no bot that saw them
/// come. `pushed` is when they were pushed, where the list says so.
///
/// # Errors
/// They are too many, or the registry does not answer for one.
pub async fn newest(
    client: &registry::Client,
    policy: &ImagePolicy,
    ranked: &[Ranked],
    now: Timestamp,
) -> Result<Vec<(Tag, Option<Moment>)>, String> {
    let mut walk = Walk::new(client, crate::store::Digests::default(), now);
    // Nobody waits for the next poll.
    for _ in 0..MAX_UNDATED.div_ceil(MAX_DATED) {
        match walk.by_time(policy, ranked).await {
            Ok(sorted) => return Ok(sorted.ranked.into_iter().map(|it| it.tag).zip(sorted.moments).collect()),
            Err(Walked::Undated(_)) => {}
            Err(Walked::TooMany(reason) | Walked::NoAnswer(_, reason)) => return Err(reason),
            Err(Walked::Admitted(..) | Walked::Nothing) => break,
        }
    }
    let errors: Vec<String> = walk.into_failures().iter().map(Error::chain).collect();
    Err(errors.join("; "))
}
