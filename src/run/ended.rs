//! What happened to one automation, and to the groups of its changes.

use tagwright_core::automation::ObjectName;
use tagwright_core::change::{Change, Diagnostic};
use tagwright_core::guard::Held;
use tagwright_core::plan::FileEdit;
use tagwright_core::submit::Planned;

use super::outcome::Outcome;

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
    /// Why what is selected for them did not have to become older, each in one sentence that begins with the policy.
    pub remarks: Vec<String>,
    /// The commit message, if there is a commit.
    pub message: String,
    /// What was noticed in the files.
    pub diagnostics: Vec<Diagnostic>,
    /// The fields that would have another value, and keep theirs.
    pub holds: Vec<Held>,
    /// How many of its policies the registries gave no answer for.
    pub unanswered: usize,
    /// The commit that decided what there was to do, where it got so far.
    pub read: Option<String>,
    /// Why nothing can ever be written as things are, in one sentence.
    pub idle: Option<String>,
    /// What was done of its pull request, or noticed about it: `pull request #12 was opened, https://…`.
    pub request: Option<String>,
    /// What became of what was submitted, where something was.
    pub submitted: Option<Planned>,
    /// What became of each group of its changes, where these are proposed in groups; `edits` and `message` are theirs then.
    pub groups: Vec<GroupReport>,
}

/// What happened to one group of the changes of an automation.
#[derive(Debug)]
pub struct GroupReport {
    /// Which group: `policy shop:web`.
    pub name: String,
    /// Its branch.
    pub branch: String,
    /// How it ended, in the word for that ([`Outcome::as_str`]).
    pub outcome: &'static str,
    /// The commit that was pushed, a full hash.
    pub commit: Option<String>,
    /// The files edited, or to edit in a dry run.
    pub edits: Vec<FileEdit>,
    /// As those of the automation.
    pub remarks: Vec<String>,
    /// The commit message, if there is a commit.
    pub message: String,
    /// What was done of its pull request, or noticed about it.
    pub request: Option<String>,
    /// What failed, or what holds it; empty if nothing did.
    pub error: String,
}

impl AutomationReport {
    /// The report of an automation that has not begun, with its remote as it is shown.
    #[must_use]
    pub fn new(id: ObjectName, url: String) -> Self {
        Self {
            id,
            url,
            branch: String::new(),
            outcome: Outcome::Unchanged,
            edits: Vec::new(),
            remarks: Vec::new(),
            message: String::new(),
            diagnostics: Vec::new(),
            holds: Vec::new(),
            unanswered: 0,
            read: None,
            idle: None,
            request: None,
            submitted: None,
            groups: Vec::new(),
        }
    }

    /// The files edited, or to edit in a dry run, of each commit.
    pub fn commits(&self) -> impl Iterator<Item = &[FileEdit]> {
        std::iter::once(self.edits.as_slice()).chain(self.groups.iter().map(|group| group.edits.as_slice()))
    }

    /// What changes, in the order of commits.
    pub fn changes(&self) -> impl Iterator<Item = &Change> {
        self.commits().flatten().flat_map(|edit| &edit.changes)
    }

    /// Whether the repository was looked into, so that what it has no finding or hold of is not there.
    #[must_use]
    pub fn has_looked(&self) -> bool {
        match &self.outcome {
            Outcome::Pushed { .. } | Outcome::Unchanged | Outcome::WouldPush => true,
            // One that is suspended has none.
            Outcome::Held { .. } => !self.holds.is_empty(),
            // A push may have failed, after all was seen.
            Outcome::Failed(_) => !self.holds.is_empty() || !self.diagnostics.is_empty(),
        }
    }
}
