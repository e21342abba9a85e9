//! How a run ended, for each automation and each policy.

use std::fmt;
use std::sync::Arc;

use image::{Digest, Reference, Tag};
use jiff::Timestamp;
use tagwright_core::automation::{ImagePolicy, ObjectName};
use tagwright_core::change::Code;
use tagwright_core::guard::{Hold, PassedOver};
use tagwright_core::moves;
use thiserror::Error;

use super::ended::AutomationReport;
use super::error::Error;
use crate::failure::Kind;

/// How one automation ended.
#[derive(Debug)]
pub enum Outcome {
    /// A commit was pushed.
    Pushed {
        /// Its full hash.
        commit: String,
        /// Why the second destination did not get it, or why its pull request is not as it should be. The next run tries again.
        missed: Option<Error>,
    },
    /// Every marked field has its value already.
    Unchanged,
    /// Nothing was tried, on purpose.
    Held {
        /// The reason in one sentence.
        reason: String,
    },
    /// A dry run that found something to commit.
    WouldPush,
    /// Nothing was pushed, since something failed.
    Failed(Error),
}

impl Outcome {
    /// The word for this outcome in JSON and logs.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Pushed { .. } => "pushed",
            Self::Unchanged => "unchanged",
            Self::Held { .. } => "held",
            Self::WouldPush => "would-push",
            Self::Failed(_) => "failed",
        }
    }

    /// What failed: all of it, or the second destination of a commit that was pushed.
    #[must_use]
    pub const fn error(&self) -> Option<&Error> {
        match self {
            Self::Failed(error) => Some(error),
            Self::Pushed { missed, .. } => missed.as_ref(),
            Self::Unchanged | Self::Held { .. } | Self::WouldPush => None,
        }
    }
}

/// Why a policy selects nothing, in one sentence each.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Error)]
pub enum Lack {
    /// The registry gave no answer, which is a failure of its own.
    #[error("{0}")]
    NoAnswer(String),
    /// Nobody wants it to: the policy or its image repository is suspended.
    #[error("{0}")]
    Suspended(String),
    /// It will once others can, with which it moves together.
    #[error("{0}")]
    Apart(String),
    /// It will in a while: tags are too young.
    #[error("{0}")]
    Waiting(String),
    /// The list of tags is not believed yet.
    #[error("{0}")]
    Doubted(String),
    /// None of the tags that there are can be selected.
    #[error("{0}")]
    NoTag(String),
}

/// What one policy made of its repository's tags.
#[derive(Debug, Clone)]
pub struct PolicyReport {
    /// The policy's name.
    pub id: ObjectName,
    /// The policy as it was.
    pub policy: Arc<ImagePolicy>,
    /// The image repository's name.
    pub image: String,
    /// How many tags were listed, after exclusions; none when the poll failed.
    pub tags: Option<usize>,
    /// Among how many of them it selects: those neither denied nor too young; none when the poll failed.
    pub considered: Option<usize>,
    /// In one sentence, which listed tags were dropped because OCI does not allow them; safe to print.
    pub refused: Option<String>,
    /// The selection, or why there is none.
    pub selection: Result<Reference, Lack>,
    /// Tags that rank equal to the selected one, so that where one of them is in use it is selected in its place.
    pub as_good: Vec<String>,
    /// What stands in the way of another selection: a tag that is too young, an image that is passed over, or a list that is
    /// not believed yet.
    pub hold: Option<Hold>,
    /// Better images than the selected one, best first, as far as there are not very many, and why each is passed over.
    pub passed_over: Vec<PassedOver>,
    /// When the next of them comes of age, perhaps one that a tag had before, so that it is looked at again then.
    pub wakes: Option<Timestamp>,
    /// By whose word the selection did not have to become older first, in one sentence; none where it did not have to.
    pub hurried: Option<String>,
    /// By which clock the selection is the newest, in one sentence, where that is the order.
    pub dated: Option<String>,
    /// Tags that came after the selected one, where that is the order.
    pub newer: Vec<String>,
    /// Tags of releases that were found to have moved.
    pub moved: Vec<MovedTag>,
    /// What else it could select where it moves together with others, best first: the selection, and as many as they may need.
    pub alternatives: Vec<Reference>,
    /// How far the tags came of which none is selected.
    pub short: Option<Short>,
}

/// How far the tags came of which none is selected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Short {
    /// There are none.
    Empty,
    /// The filter matches none of them.
    Filtered,
    /// None has a place in the order, as one that is not in the range of versions.
    Unordered,
    /// This one is no number, and the others are none either.
    NotANumber(String),
    /// This one would be selected, and its digest could not be had.
    WithoutDigest(String),
}

/// A tag that names a release, and points to something else than it did. Printed, it is one sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedTag {
    /// The image repository's name.
    pub image: String,
    /// The tag.
    pub tag: Tag,
    /// What it pointed to.
    pub before: Digest,
    /// What it points to.
    pub now: Digest,
}

impl fmt::Display for MovedTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { image, tag, before, now } = self;
        write!(f, "{image}:{tag} moved from {} to {}, though tags like it name one release", short(before), short(now))
    }
}

/// A digest with the first twelve digits of its hash.
fn short(digest: &Digest) -> &str {
    let text = digest.as_str();
    text.find(':').and_then(|colon| text.get(..colon + 13)).unwrap_or(text)
}

impl PolicyReport {
    /// What else is to say about the selection, each in one sentence.
    #[must_use]
    pub fn remarks(&self) -> Vec<String> {
        let about_it = self.dated.iter().chain(&self.hurried).cloned();
        let moved = moves::moved(&self.policy.repository.image);
        about_it.chain(self.moved.iter().map(MovedTag::to_string)).chain(moved).collect()
    }

    /// What a policy selects according to somebody else.
    pub(crate) fn published(policy: &Arc<ImagePolicy>, selection: &Reference) -> Self {
        Self { alternatives: vec![selection.clone()], ..Self::of(policy, Ok(selection.clone())) }
    }

    /// A selection, of which nothing else is known.
    pub(crate) fn of(policy: &Arc<ImagePolicy>, selection: Result<Reference, Lack>) -> Self {
        Self {
            id: policy.id.clone(),
            policy: Arc::clone(policy),
            image: policy.repository.image.name().to_owned(),
            tags: None,
            considered: None,
            refused: None,
            selection,
            as_good: Vec::new(),
            hold: None,
            passed_over: Vec::new(),
            wakes: None,
            hurried: None,
            dated: None,
            newer: Vec::new(),
            moved: Vec::new(),
            alternatives: Vec::new(),
            short: None,
        }
    }
}

/// What a run did.
#[derive(Debug, Default)]
pub struct Report {
    /// The policies that were evaluated, in the configuration's order.
    pub policies: Vec<Arc<PolicyReport>>,
    /// Polls and digest look-ups that failed.
    pub failures: Vec<Error>,
    /// The automations, in the configuration's order.
    pub automations: Vec<AutomationReport>,
}

impl Report {
    /// How many findings say that something will never be done as things are, with the policies of which no tag can be
    /// selected.
    #[must_use]
    pub fn dead_ends(&self) -> usize {
        // That a policy selects nothing is a finding at each of its fields, whatever the reason; it counts once, by its reason.
        let findings =
            self.automations.iter().flat_map(|automation| &automation.diagnostics).map(|finding| finding.code);
        let findings = findings.filter(|code| code.is_dead_end() && *code != Code::NoSelection).count();
        findings + self.policies.iter().filter(|policy| matches!(policy.selection, Err(Lack::NoTag(_)))).count()
    }

    /// The gravest failure, if anything failed.
    #[must_use]
    pub fn worst(&self) -> Option<Kind> {
        let automations = self.automations.iter().filter_map(|automation| automation.outcome.error()).map(Error::kind);
        self.failures.iter().map(Error::kind).chain(automations).max()
    }
}
