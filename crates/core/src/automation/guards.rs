//! What may stand between a selection and a commit, as configured. What these mean is in [`crate::guard`].

use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use gotext::pattern::Pattern;
use image::Digest;
use jiff::{SignedDuration, Timestamp};
use trust::Verifier;

use super::{Cron, FastLane, Platform, Pullable};

/// The guards of one policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Guards {
    /// Tags that are never selected.
    pub deny: Vec<Deny>,
    /// Digests that are never selected, whatever tag has them.
    pub deny_digests: BTreeSet<Digest>,
    /// How long a tag has to be known before it is selected, or its digest, where that is written; never zero.
    pub minimum_age: Option<Duration>,
    /// What need not wait for its age.
    pub fast_lane: Option<FastLane>,
    /// Whether a digest is no update that has the same images as the one before, and perhaps more.
    pub ignore_attestation_only: bool,
    /// Whose signature the image behind a tag needs.
    pub verify: Option<Verify>,
    /// What an image must be for, all of it.
    pub platforms: Vec<Platform>,
    /// Where an image must be, if that is looked at.
    pub pullable: Option<Pullable>,
    /// The name of the group of policies that move only together, all to the same tag.
    pub together: Option<String>,
    /// Whether a field may go back to a tag that ranks below the one it has.
    pub allow_downgrade: bool,
}

/// Whose signature an image needs, and what becomes of one without.
#[derive(Debug, Clone)]
pub struct Verify {
    /// Judges signatures.
    pub verifier: Arc<Verifier>,
    /// What becomes of an image that is not verified.
    pub on_unverified: OnUnverified,
}

impl PartialEq for Verify {
    fn eq(&self, other: &Self) -> bool {
        self.verifier.fingerprint() == other.verifier.fingerprint() && self.on_unverified == other.on_unverified
    }
}

impl Eq for Verify {}

impl Hash for Verify {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.verifier.fingerprint().hash(state);
        self.on_unverified.hash(state);
    }
}

/// What becomes of an image that is not verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OnUnverified {
    /// It is passed over, and the next one is asked.
    #[default]
    Next,
    /// Nothing is selected until it is verified.
    Hold,
}

impl Guards {
    /// What denies a tag, if anything does.
    pub(crate) fn denial(&self, tag: &str) -> Option<&Deny> {
        self.deny.iter().find(|deny| deny.applies(tag))
    }
}

/// Tags that are never selected.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Deny {
    /// This very tag.
    Tag(String),
    /// Those in which the pattern matches somewhere.
    Pattern(Pattern),
}

impl Deny {
    /// Whether it applies to a tag.
    #[must_use]
    pub fn applies(&self, tag: &str) -> bool {
        match self {
            Self::Tag(denied) => denied == tag,
            Self::Pattern(pattern) => pattern.is_match(tag),
        }
    }

    /// As it is written in a configuration: a pattern stands between slashes.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Tag(denied) => denied.clone(),
            Self::Pattern(pattern) => format!("/{}/", pattern.as_str()),
        }
    }
}

/// The changes that share one commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Batch {
    /// Those of one automation.
    #[default]
    PerAutomation,
    /// Those of all automations that are due together and push to the same branch.
    PerBranch,
}

/// How long a change waits for others that arrive close to it. Both are zero by default, which is not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Gather {
    /// The change is made once nothing new has arrived for this long.
    pub quiet_period: Duration,
    /// It is made in any case this long after the first; never less than the quiet period.
    pub max_delay: Duration,
}

/// A time in which commits may be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// The moments at which it opens.
    pub opens: Cron,
    /// How long it stays open; never zero.
    pub duration: Duration,
}

impl Window {
    /// Whether it is open: from the moment it opens until just before its duration is over. One that opens again while it is
    /// open stays open.
    pub(crate) fn is_open(&self, now: Timestamp) -> bool {
        let Some(opened) = self.opens.last_until(now) else { return false };
        let closes =
            SignedDuration::try_from(self.duration).ok().and_then(|duration| opened.checked_add(duration).ok());
        // What closes beyond the calendar does not close.
        closes.is_none_or(|closes| now < closes)
    }
}
