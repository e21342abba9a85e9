//! How a run ended, for each automation and each policy.

use std::sync::Arc;

use gotext::template;
use image::Reference;
use tagwright_core::automation::{ImagePolicy, ObjectName};
use tagwright_core::change::Diagnostic;
use tagwright_core::guard::{Held, Hold};
use tagwright_core::plan::FileEdit;
use thiserror::Error;

use crate::failure::Failure;

pub use crate::failure::Kind;

/// Why an automation or a poll failed.
#[derive(Debug, Error)]
pub enum Error {
    /// The registry did not give what was asked for.
    #[error("cannot poll {image}")]
    Registry {
        /// The image repository's name.
        image: String,
        /// The failure of the registry's client.
        source: registry::Error,
    },
    /// The Git remote could not be read or written.
    #[error("cannot {doing} {url}")]
    Git {
        /// What was being done: `fetch from`, `push to`.
        doing: &'static str,
        /// The remote, without credentials.
        url: String,
        /// Why; shared by the automations of one remote.
        source: Arc<git::Error>,
    },
    /// The message template failed on the changes at hand.
    #[error("cannot render the commit message")]
    Message(#[source] template::RenderError),
    /// The checkout is no branch, and no push branch is given.
    #[error("no push branch is given, and none can be inferred from the checkout reference")]
    NoPushBranch,
    /// No tag of the remote is in the checkout range.
    #[error("no tag of {url} is in the range {range}")]
    NoTagInRange {
        /// The Git remote, without credentials.
        url: String,
        /// The range as written.
        range: String,
    },
    /// The remote refused the push.
    #[error("{url} refused the push to {reference}: {}{}", reason.replace('\n', "; "), quoted(words))]
    Declined {
        /// The Git remote, without credentials.
        url: String,
        /// The reference that was not updated.
        reference: String,
        /// The remote's reason.
        reason: String,
        /// What the remote wrote for the user, safe to print.
        words: String,
    },
    /// The checkout commit is no full hash.
    #[error("{text:?} is no commit id; it has forty hexadecimal digits")]
    NotACommitId {
        /// The text as configured.
        text: String,
    },
    /// The refspec's source is neither the push branch nor a reference of the remote.
    #[error("the source of the refspec {refspec} does not exist on {url}")]
    NoRefspecSource {
        /// The Git remote, without credentials.
        url: String,
        /// The refspec as written.
        refspec: String,
    },
    /// The second destination has commits that ours does not build on.
    #[error("{destination} of {url} has moved on its own; a refspec that starts with '+' would overwrite it")]
    Diverged {
        /// The Git remote, without credentials.
        url: String,
        /// The destination of the refspec.
        destination: String,
    },
    /// The branch moved during every attempt.
    #[error("{reference} of {url} moved during each of {attempts} attempts to push")]
    RaceLost {
        /// The Git remote, without credentials.
        url: String,
        /// The full name of the push branch.
        reference: String,
        /// How many pushes were tried.
        attempts: usize,
    },
}

impl Error {
    /// A failure of the Git edge, with what was being done.
    pub(crate) fn git(doing: &'static str, url: &str, source: git::Error) -> Self {
        Self::Git { doing, url: url.to_owned(), source: source.into() }
    }

    /// What this failure calls for.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Registry { source, .. } => source.kind().into(),
            Self::Git { source, .. } => source.kind().into(),
            Self::Message(_)
            | Self::NoPushBranch
            | Self::NoTagInRange { .. }
            | Self::NotACommitId { .. }
            | Self::NoRefspecSource { .. } => Kind::Config,
            // The commit is on the push branch already, so this is no configuration with which nothing happened.
            Self::Declined { .. } | Self::Diverged { .. } => Kind::Denied,
            Self::RaceLost { .. } => Kind::Transient,
        }
    }

    /// The whole story on one line: this error and what caused it.
    #[must_use]
    pub fn chain(&self) -> String {
        Failure::from(self).line()
    }
}

/// The remote's words on one line: a line of theirs must not look like one of ours.
fn quoted(words: &str) -> String {
    let lines: Vec<&str> = words.lines().collect();
    if lines.is_empty() { String::new() } else { format!(" (remote: {})", lines.join("; ")) }
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        let hint = match error {
            Error::Registry { source, .. } => return Self::from(source).under(error.to_string()),
            Error::Git { source, .. } => return Self::from(&**source).under(error.to_string()),
            Error::Message(_) => Some("`tagwright message` renders a template with changes of your own"),
            Error::NoPushBranch => Some("name the branch that commits go to: `push.branch`"),
            Error::RaceLost { .. } => Some("nothing was pushed; the next run tries again"),
            Error::NoTagInRange { .. }
            | Error::Declined { .. }
            | Error::NotACommitId { .. }
            | Error::NoRefspecSource { .. }
            | Error::Diverged { .. } => None,
        };
        Self::of(error.kind(), error).with_hint(hint)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}

/// How one automation ended.
#[derive(Debug)]
pub enum Outcome {
    /// A commit was pushed.
    Pushed {
        /// Its full hash.
        commit: String,
        /// Why the second destination did not get it, where there is one that did not. The next run tries again.
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

/// What happened to one automation.
#[derive(Debug)]
pub struct AutomationReport {
    /// The namespace and the name of the automation.
    pub id: ObjectName,
    /// The Git remote, without credentials.
    pub url: String,
    /// The push branch; empty when it could not be told.
    pub branch: String,
    /// How it ended.
    pub outcome: Outcome,
    /// The files edited, or to edit in a dry run.
    pub edits: Vec<FileEdit>,
    /// The commit message, if there is a commit.
    pub message: String,
    /// What was noticed in the files.
    pub diagnostics: Vec<Diagnostic>,
    /// The fields that would have another value, and keep theirs.
    pub holds: Vec<Held>,
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
    /// In one sentence, which listed tags were dropped because OCI does not allow them; safe to print.
    pub refused: Option<String>,
    /// The selection, or in one sentence why there is none.
    pub selection: Result<Reference, String>,
    /// Tags that rank equal to the selected one, so that where one of them is in use it is selected in its place.
    pub as_good: Vec<String>,
    /// What stands in the way of another selection: a tag that is too young, or a list that is not believed yet.
    pub hold: Option<Hold>,
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
    /// The gravest failure, if anything failed.
    #[must_use]
    pub fn worst(&self) -> Option<Kind> {
        let automations = self.automations.iter().filter_map(|automation| automation.outcome.error()).map(Error::kind);
        self.failures.iter().map(Error::kind).chain(automations).max()
    }
}
