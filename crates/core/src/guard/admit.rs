//! Whether a candidate may be selected: what a policy requires of the image behind a tag, and why one is passed over.
//!
//! A policy ranks tags. From the best downwards each is held against what the policy requires of the image behind it; the first
//! that is admitted is selected. Of a tag that was moved, the digests that it had before come next, the newest first: they are
//! as good as they were, and can be written with their digest. Who asks registries for all this is the program; here is what
//! their answers mean.

use std::fmt;
use std::time::Duration;

use image::Digest;
use jiff::Timestamp;
use words::one_line;

use super::choose::counts_from;
use super::hold::{MAX_QUOTED, length, moment};
use super::sightings::Sighting;
use crate::automation::{Guards, ImagePolicy, Platform};
use crate::policy::Order;

/// An image that could be selected: a tag, and a digest that it has or had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate<'c> {
    /// The tag.
    pub tag: &'c str,
    /// The digest, and since when it is known.
    pub sighting: &'c Sighting,
}

/// Why a candidate is passed over. Printed, it is the second half of a sentence whose first half names the tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// `excludeDigests` names its digest.
    Denied,
    /// Its digest is not known for long enough.
    TooYoung {
        /// How long it has to be known.
        minimum: Duration,
        /// From when on it counts; none where that is beyond the calendar.
        until: Option<Timestamp>,
    },
    /// It is not signed as the policy requires, or not built where it must be.
    Unverified {
        /// Why: the rest of a sentence about the image.
        reason: String,
        /// Whether nothing worse may be selected in its place.
        holds: bool,
    },
    /// It has what the one before has, and perhaps more platforms or attestations, which is no update.
    OnlyAdded,
    /// The registry lists the tag and has no image behind it.
    NoImage,
    /// It is not for these platforms.
    LacksPlatforms(Vec<Platform>),
    /// This repository has not got it, or not all of it.
    NotPullable(String),
    /// So many better ones were asked for in this poll that it was not.
    NotAsked {
        /// How many were.
        asked: usize,
    },
}

/// A candidate that is passed over, with the reason. Printed, it is a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOver {
    /// The tag.
    pub tag: String,
    /// The digest, where it is known.
    pub digest: Option<Digest>,
    /// Whether an earlier image of the same tag is selected in its place.
    pub moved: bool,
    /// The reason.
    pub refusal: Refusal,
}

impl Refusal {
    /// The word for it in JSON and logs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Denied => "denied-digest",
            Self::TooYoung { .. } => "too-young",
            Self::Unverified { .. } => "unverified",
            Self::OnlyAdded => "only-added",
            Self::NoImage => "not-there",
            Self::LacksPlatforms(_) => "lacks-platform",
            Self::NotPullable(_) => "not-pullable",
            Self::NotAsked { .. } => "not-asked",
        }
    }

    /// Whether nothing worse may be selected in its place.
    #[must_use]
    pub const fn holds(&self) -> bool {
        matches!(self, Self::Unverified { holds: true, .. })
    }

    /// When it ends by itself, where that is known.
    #[must_use]
    pub const fn until(&self) -> Option<Timestamp> {
        match self {
            Self::TooYoung { until, .. } => *until,
            Self::Denied
            | Self::Unverified { .. }
            | Self::OnlyAdded
            | Self::NoImage
            | Self::LacksPlatforms(_)
            | Self::NotPullable(_)
            | Self::NotAsked { .. } => None,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied => f.write_str("is named by `excludeDigests`"),
            Self::TooYoung { minimum, until: Some(until) } => {
                let (minimum, until) = (length(*minimum), moment(*until));
                write!(f, "has not been known for {minimum} yet; it counts from {until} on")
            }
            Self::TooYoung { minimum, until: None } => write!(f, "has to be known for {}", length(*minimum)),
            Self::Unverified { reason, .. } => write!(f, "is not verified: {reason}"),
            Self::OnlyAdded => f.write_str(
                "has the same images as before and only adds platforms or attestations, which `ignoreAttestationOnly` says is no update",
            ),
            Self::NoImage => f.write_str("is listed by the registry, which has no image behind it"),
            Self::LacksPlatforms(platforms) => {
                let platforms: Vec<String> = platforms.iter().map(Platform::to_string).collect();
                write!(f, "is not there for {}", platforms.join(" and "))
            }
            Self::NotPullable(repository) => {
                write!(f, "cannot be pulled from {} yet", one_line(repository, MAX_QUOTED))
            }
            Self::NotAsked { asked } => write!(
                f,
                "is asked for at one of the next polls, since {asked} better tags were asked for in this one and none may be \
                 selected"
            ),
        }
    }
}

impl fmt::Display for PassedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tag = one_line(&self.tag, MAX_QUOTED);
        match (&self.digest, self.moved) {
            (Some(digest), true) => {
                write!(f, "{tag} points to {} now, which {}", short(digest), self.refusal)
            }
            (Some(digest), false) => write!(f, "{tag} is better, but {} {}", short(digest), self.refusal),
            (None, _) => write!(f, "{tag} is better, but it {}", self.refusal),
        }
    }
}

impl PassedOver {
    /// Says of so many that are passed over for one kind of reason that they are, with this one as the example.
    #[must_use]
    pub fn counted(&self, count: usize) -> String {
        let tag = one_line(&self.tag, MAX_QUOTED);
        let image = match &self.digest {
            Some(digest) => format!("{tag} ({})", short(digest)),
            None => tag,
        };
        match count {
            1 => format!("{image} {}", self.refusal),
            _ => format!("{count} are passed over, such as {image}, which {}", self.refusal),
        }
    }
}

/// A digest with the first twelve digits of its hash.
fn short(digest: &Digest) -> &str {
    let text = digest.as_str();
    let end = text.find(':').map_or(text.len(), |colon| colon + 13);
    text.get(..end).unwrap_or(text)
}

impl ImagePolicy {
    /// How long a tag has to be known before it counts; none where a digest has to be, or nothing.
    #[must_use]
    pub fn tag_age(&self) -> Option<Duration> {
        self.guards.minimum_age.filter(|_| !self.ages_by_digest())
    }

    /// How long a digest has to be known before it counts.
    #[must_use]
    pub fn digest_age(&self) -> Option<Duration> {
        self.guards.minimum_age.filter(|_| self.ages_by_digest())
    }

    /// A fast lane is for the image that a tag has, so that its age is, too.
    fn ages_by_digest(&self) -> bool {
        self.writes_digests() || self.guards.fast_lane.is_some()
    }

    /// Whether something is required of the image behind a tag, so that a registry has to be asked before one is selected.
    #[must_use]
    pub fn asks(&self) -> bool {
        let Guards { deny_digests, platforms, pullable, together, verify, ignore_attestation_only, .. } = &self.guards;
        // Each tag that all could select has to have its digest.
        let is_together = together.is_some() && self.writes_digests();
        is_together
            || self.policy.order == Order::Newest
            || *ignore_attestation_only && self.writes_digests()
            || self.digest_age().is_some()
            || !deny_digests.is_empty()
            || !platforms.is_empty()
            || pullable.is_some()
            || verify.is_some()
    }
}

/// Holds the platforms that an image is for against those that a policy requires.
///
/// # Errors
/// It lacks some, and which.
pub fn for_platforms(policy: &ImagePolicy, platforms: &[Platform]) -> Result<(), Refusal> {
    let lacks = |wanted: &&Platform| !platforms.iter().any(|platform| wanted.is_met_by(platform));
    let lacking: Vec<Platform> = policy.guards.platforms.iter().filter(lacks).cloned().collect();
    if lacking.is_empty() { Ok(()) } else { Err(Refusal::LacksPlatforms(lacking)) }
}

/// Holds a candidate against everything that can be told without asking anybody.
///
/// # Errors
/// It may not be selected, and why.
pub fn admit(policy: &ImagePolicy, candidate: Candidate<'_>, now: Timestamp) -> Result<(), Refusal> {
    let Sighting { digest, since } = candidate.sighting;
    if policy.guards.deny_digests.contains(digest) {
        return Err(Refusal::Denied);
    }
    if let Some(minimum) = policy.digest_age() {
        let until = counts_from(Some(*since), minimum);
        if until.is_none_or(|until| until > now) {
            return Err(Refusal::TooYoung { minimum, until });
        }
    }
    Ok(())
}
