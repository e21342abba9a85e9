//! Why a policy selects what it selects, and what becomes of the fields that it sets.
//!
//! [`funnel`] puts every tag of a repository into the first group that keeps it out, in the order in which tags fall
//! away: not allowed by OCI, excluded by a pattern of the repository or by the policy, rejected by the policy, too young. What
//! remains are the candidates, best first. [`fields()`] says of every field that names the policy what it is and what it would be.
//!
//! ```
//! use tagwright_core::explain::{self, Cause, Fate, Tags};
//! use tagwright_core::policy::{Order, Policy};
//! use gotext::version::Range;
//!
//! let policy = Policy { filter: None, order: Order::Semver(Range::parse("6.x")?) };
//! let tags = Tags::read(["6.1.0", "6.0.0", "5.0.0", "latest", "a b"]);
//! let funnel = explain::funnel(&policy, &[], &tags);
//! assert_eq!((funnel.listed, funnel.selected()), (5, Some("6.1.0")));
//! assert_eq!(funnel.dropped[0].cause, Cause::NotAllowed);
//! assert_eq!(funnel.fate("6.0.0"), Fate::Candidate { place: 2 });
//! # Ok::<(), gotext::version::Error>(())
//! ```

mod fields;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use gotext::pattern::Pattern;
use image::Tag;
use jiff::Timestamp;

use crate::automation::{Deny, ImagePolicy};
use crate::guard::{self, PassedOver, Refusal};
use crate::policy::{Candidate, Policy, Reason, Rejection};

pub use self::fields::{Field, Fields, fields};

/// How many tags that OCI does not allow are kept to be shown.
pub const MAX_REFUSED_SAMPLE: usize = 10;

/// How much of a tag that OCI does not allow is kept, in characters.
const MAX_REFUSED_LENGTH: usize = 150;

/// The tags of a repository, as they were listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags {
    /// Those that OCI allows.
    pub allowed: Vec<Tag>,
    /// How many others there are.
    pub refused: usize,
    /// Some of those, escaped and shortened.
    pub refused_sample: Vec<String>,
}

impl Tags {
    /// Sorts out what OCI does not allow.
    pub fn read<'t>(tags: impl IntoIterator<Item = &'t str>) -> Self {
        let mut read = Self::default();
        for tag in tags {
            if let Ok(tag) = Tag::parse(tag) {
                read.allowed.push(tag);
                continue;
            }
            read.refused += 1;
            if read.refused_sample.len() < MAX_REFUSED_SAMPLE {
                read.refused_sample.push(escaped(tag));
            }
        }
        read
    }
}

/// A text that may be anything, as it can be shown.
#[must_use]
pub fn escaped(text: &str) -> String {
    words::one_line(text, MAX_REFUSED_LENGTH)
}

/// The tags of a repository, sorted into those that could be selected and those that each rule drops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Funnel<'t> {
    /// How many tags there are, those included that OCI does not allow; each counts once.
    pub listed: usize,
    /// The tags that fall away, by cause, in the order in which they do; no group is empty.
    pub dropped: Vec<Dropped<'t>>,
    /// The tags that could be selected, best first.
    pub candidates: Vec<Candidate<'t>>,
}

/// Tags that fall away for one cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped<'t> {
    /// The rule that dropped them.
    pub cause: Cause,
    /// The number of tags that fall to it, each counted at the first rule that it fails.
    pub count: usize,
    /// The tags, in descending order of their bytes; of [`Cause::NotAllowed`] only a sample.
    pub tags: Vec<DroppedTag<'t>>,
}

/// A tag that falls away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DroppedTag<'t> {
    /// The tag as the registry lists it.
    pub tag: &'t str,
    /// The policy's own reason, if the tag got that far.
    pub reason: Option<Reason>,
    /// From when on it counts, if it is too young and that is known.
    pub from: Option<Timestamp>,
    /// What the image behind it lacks, if it got so far.
    pub refusal: Option<Refusal>,
}

impl<'t> DroppedTag<'t> {
    fn new(tag: &'t str) -> Self {
        Self { tag, reason: None, from: None, refusal: None }
    }
}

/// Why tags fall away, in the order in which they do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// OCI allows no such tag.
    NotAllowed,
    /// An exclusion of the image repository: its number and its pattern.
    Excluded(usize, String),
    /// The policy excludes it: the number of the item, and its text.
    Denied(usize, String),
    /// It belongs to another image of the repository.
    NoImage,
    /// The filter does not match.
    NotMatched,
    /// What was extracted is no version.
    NotAVersion,
    /// It is a version with fewer than two dots.
    TooFewDots,
    /// The version is not in the range.
    OutOfRange,
    /// The version is a pre-release, which the range does not ask for.
    Prerelease,
    /// What was extracted is not in the format.
    NotInFormat,
    /// What was extracted is no number.
    NotANumber,
    /// The number is too large.
    NumberTooLarge,
    /// Another tag has the same extracted value.
    Collides,
    /// It could be selected, but is not known for long enough.
    TooYoung,
    /// It could be selected, but the image behind it lacks what the policy requires: the code of the refusal.
    PassedOver(&'static str),
}

impl From<&Reason> for Cause {
    fn from(reason: &Reason) -> Self {
        match reason {
            Reason::NoImage => Self::NoImage,
            Reason::NotMatched => Self::NotMatched,
            Reason::NotAVersion { .. } => Self::NotAVersion,
            Reason::TooFewDots { .. } => Self::TooFewDots,
            Reason::OutOfRange { .. } => Self::OutOfRange,
            Reason::Prerelease { .. } => Self::Prerelease,
            Reason::NotInFormat { .. } => Self::NotInFormat,
            Reason::NotANumber { .. } => Self::NotANumber,
            Reason::NumberTooLarge { .. } => Self::NumberTooLarge,
            Reason::Collides { .. } => Self::Collides,
        }
    }
}

/// The place of one tag among the candidates, or the rule that drops it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate<'f> {
    /// It could be selected; the first place is.
    Candidate {
        /// From 1.
        place: usize,
    },
    /// It falls away.
    Dropped {
        /// The rule that drops it.
        cause: &'f Cause,
        /// The policy's own reason, if the tag got that far.
        reason: Option<&'f Reason>,
        /// From when on it counts, if it is too young and that is known.
        from: Option<Timestamp>,
        /// What the image behind it lacks, if it got so far.
        refusal: Option<&'f Refusal>,
    },
    /// It is not listed.
    Absent,
}

impl<'t> Funnel<'t> {
    /// The tag that the policy selects; none where no tag is left.
    #[must_use]
    pub fn selected(&self) -> Option<&'t str> {
        self.candidates.first().map(|candidate| candidate.tag)
    }

    /// The tags that rank equal to the selected one, as [`Policy::as_good_as`] tells them.
    #[must_use]
    pub fn as_good(&self, policy: &Policy) -> Vec<&'t str> {
        let Some(selected) = self.selected() else { return Vec::new() };
        let collided = self.dropped.iter().filter(|group| group.cause == Cause::Collides);
        let collided = collided.flat_map(|group| group.tags.iter().map(|dropped| dropped.tag));
        let tags: Vec<&str> = self.candidates.iter().map(|candidate| candidate.tag).chain(collided).collect();
        policy.as_good_as(selected, &tags)
    }

    /// Puts the candidates into another order; what is not named stays at the end.
    pub fn sort_by<'o>(&mut self, order: impl IntoIterator<Item = &'o str>) {
        let places: HashMap<&str, usize> = order.into_iter().enumerate().map(|(place, tag)| (tag, place)).collect();
        self.candidates.sort_by_key(|candidate| places.get(candidate.tag).copied().unwrap_or(usize::MAX));
    }

    /// Takes out the candidates that an admission walk passed over. One of which an earlier image is selected stays.
    pub fn pass_over(&mut self, passed_over: &[PassedOver]) {
        let mut groups: BTreeMap<&'static str, Vec<DroppedTag<'t>>> = BTreeMap::new();
        let by_tag: HashMap<&str, &Refusal> =
            passed_over.iter().filter(|it| !it.moved).map(|it| (it.tag.as_str(), &it.refusal)).collect();
        self.candidates.retain(|candidate| {
            let Some(refusal) = by_tag.get(candidate.tag) else { return true };
            let dropped = DroppedTag { refusal: Some((*refusal).clone()), ..DroppedTag::new(candidate.tag) };
            groups.entry(refusal.code()).or_default().push(dropped);
            false
        });
        self.dropped.extend(groups.into_iter().map(|(code, mut tags)| {
            tags.sort_by(|a, b| b.tag.cmp(a.tag));
            Dropped { cause: Cause::PassedOver(code), count: tags.len(), tags }
        }));
    }

    /// Looks up a tag that OCI allows.
    #[must_use]
    pub fn fate(&self, tag: &str) -> Fate<'_> {
        if let Some(index) = self.candidates.iter().position(|candidate| candidate.tag == tag) {
            return Fate::Candidate { place: index + 1 };
        }
        let all = self.dropped.iter().filter(|group| group.cause != Cause::NotAllowed);
        let mut all = all.flat_map(|group| group.tags.iter().map(move |dropped| (&group.cause, dropped)));
        match all.find(|(_, dropped)| dropped.tag == tag) {
            Some((cause, DroppedTag { reason, from, refusal, .. })) => {
                Fate::Dropped { cause, reason: reason.as_ref(), from: *from, refusal: refusal.as_ref() }
            }
            None => Fate::Absent,
        }
    }
}

/// Since when tags are known, for a policy that asks for a minimum age.
#[derive(Clone, Copy)]
pub struct Ages<'a> {
    /// Since when a tag is known.
    pub since: &'a dyn Fn(&str) -> Option<Timestamp>,
    /// The time from which ages are counted.
    pub now: Timestamp,
}

/// Says of every tag what a policy makes of it, guards left out.
#[must_use]
pub fn funnel<'t>(policy: &Policy, exclusions: &[Pattern], tags: &'t Tags) -> Funnel<'t> {
    let mut sieve = Sieve::new(exclusions, &[], tags);
    let evaluation = policy.evaluate(&sieve.kept);
    sieve.reject(evaluation.rejected);
    sieve.funnel(evaluation.candidates)
}

/// Says of every tag what a policy makes of it: [`guard::choose`] with reasons. Without ages, a minimum age is not looked at.
///
/// Of a tag that is too young and could not be selected anyway, the latter is said.
#[must_use]
pub fn guarded<'t>(policy: &ImagePolicy, tags: &'t Tags, ages: Option<Ages<'_>>) -> Funnel<'t> {
    let minimum_age = policy.tag_age();
    let (policy, guards) = ((&policy.policy, &policy.repository.exclusions), &policy.guards);
    let mut sieve = Sieve::new(policy.1, &guards.deny, tags);
    let young = match minimum_age.zip(ages) {
        Some((minimum, Ages { since, now })) => sieve.young(&|tag| match guard::counts_from(since(tag), minimum) {
            Some(from) if from <= now => None,
            from => Some(from),
        }),
        None => Vec::new(),
    };
    let evaluation = policy.0.evaluate(&sieve.kept);
    sieve.reject(evaluation.rejected);
    for (tag, from) in young {
        let alone = policy.0.evaluate(&[tag]);
        match alone.selected {
            Some(_) => sieve.drop(Cause::TooYoung, DroppedTag { from, ..DroppedTag::new(tag) }),
            None => sieve.reject(alone.rejected),
        }
    }
    sieve.funnel(evaluation.candidates)
}

/// Tags that are being sorted.
struct Sieve<'t> {
    tags: &'t Tags,
    listed: usize,
    kept: Vec<&'t str>,
    groups: BTreeMap<Cause, Vec<DroppedTag<'t>>>,
}

impl<'t> Sieve<'t> {
    /// Drops what is excluded and what is denied.
    fn new(exclusions: &[Pattern], deny: &[Deny], tags: &'t Tags) -> Self {
        let mut distinct: Vec<&str> = tags.allowed.iter().map(Tag::as_str).collect();
        distinct.sort_unstable_by(|a, b| b.cmp(a));
        distinct.dedup();
        let listed = distinct.len() + tags.refused;
        let mut sieve = Self { tags, listed, kept: Vec::with_capacity(distinct.len()), groups: BTreeMap::new() };
        for tag in distinct {
            let excluded = exclusions.iter().position(|pattern| pattern.is_match(tag));
            let denied = || deny.iter().position(|deny| deny.applies(tag));
            match (excluded, denied) {
                (Some(number), _) => {
                    sieve.drop(Cause::Excluded(number, exclusions[number].as_str().to_owned()), DroppedTag::new(tag));
                }
                (None, denied) => match denied() {
                    Some(number) => sieve.drop(Cause::Denied(number, deny[number].text()), DroppedTag::new(tag)),
                    None => sieve.kept.push(tag),
                },
            }
        }
        sieve
    }

    /// Takes out the tags that are too young, with the time from which on they count.
    fn young(&mut self, is_young: &dyn Fn(&str) -> Option<Option<Timestamp>>) -> Vec<(&'t str, Option<Timestamp>)> {
        let mut young = Vec::new();
        self.kept.retain(|tag| {
            let from = is_young(tag);
            young.extend(from.map(|from| (*tag, from)));
            from.is_none()
        });
        young
    }

    fn reject(&mut self, rejected: Vec<Rejection<'t>>) {
        for Rejection { tag, reason } in rejected {
            self.drop(Cause::from(&reason), DroppedTag { reason: Some(reason), ..DroppedTag::new(tag) });
        }
    }

    fn drop(&mut self, cause: Cause, dropped: DroppedTag<'t>) {
        self.groups.entry(cause).or_default().push(dropped);
    }

    fn funnel(self, candidates: Vec<Candidate<'t>>) -> Funnel<'t> {
        let group = |(cause, mut tags): (_, Vec<DroppedTag<'t>>)| {
            tags.sort_by(|a, b| b.tag.cmp(a.tag));
            Dropped { cause, count: tags.len(), tags }
        };
        let sample = self.tags.refused_sample.iter().map(|tag| DroppedTag::new(tag)).collect();
        let refused = Dropped { cause: Cause::NotAllowed, count: self.tags.refused, tags: sample };
        let refused = Some(refused).filter(|refused| refused.count > 0);
        let dropped = refused.into_iter().chain(self.groups.into_iter().map(group)).collect();
        Funnel { listed: self.listed, dropped, candidates }
    }
}
