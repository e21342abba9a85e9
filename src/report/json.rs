//! The JSON shapes that `--output json` prints and `message --changes` reads. They are documented in the README.

pub mod history;

use serde::{Deserialize, Serialize};
use tagwright_core::{change, guard};

use crate::run::{AutomationReport, Error, Outcome, PolicyReport, Report};

/// One field that has, or would have, another value.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Change {
    /// The file.
    #[serde(default)]
    pub file: String,
    /// The line in the old text, from 1.
    #[serde(default)]
    pub line: usize,
    /// `apiVersion` of the document.
    #[serde(default, rename = "apiVersion")]
    pub api_version: String,
    /// `kind` of the document.
    #[serde(default)]
    pub kind: String,
    /// `metadata.namespace` of the document.
    #[serde(default)]
    pub namespace: String,
    /// `metadata.name` of the document.
    #[serde(default)]
    pub name: String,
    /// The value before.
    #[serde(default)]
    pub old: String,
    /// The value after.
    #[serde(default)]
    pub new: String,
    /// The marker's whole value.
    #[serde(default)]
    pub policy: String,
}

impl From<&change::Change> for Change {
    fn from(change: &change::Change) -> Self {
        let change::ObjectIdentity { api_version, kind, name, namespace } = change.object.clone();
        Self {
            file: change.file.clone(),
            line: change.line,
            api_version,
            kind,
            namespace,
            name,
            old: change.old.clone(),
            new: change.new.clone(),
            policy: change.setter.clone(),
        }
    }
}

impl From<Change> for change::Change {
    fn from(change: Change) -> Self {
        let Change { file, line, api_version, kind, namespace, name, old, new, policy } = change;
        let object = change::ObjectIdentity { api_version, kind, name, namespace };
        Self { file, line, object, old, new, setter: policy }
    }
}

/// A finding about a place in a file.
#[derive(Debug, Clone, Serialize)]
pub struct Diagnostic {
    file: String,
    line: usize,
    column: usize,
    code: &'static str,
    message: String,
}

impl From<&change::Diagnostic> for Diagnostic {
    fn from(diagnostic: &change::Diagnostic) -> Self {
        Self {
            file: diagnostic.file.clone(),
            line: diagnostic.line,
            column: diagnostic.column,
            code: diagnostic.code.as_str(),
            message: diagnostic.message.clone(),
        }
    }
}

/// What `set` did.
#[derive(Debug, Serialize)]
pub struct Set {
    /// The fields changed, or to change with `--check`.
    pub changes: Vec<Change>,
    /// What was noticed.
    pub diagnostics: Vec<Diagnostic>,
}

/// What `select` found.
#[derive(Debug, Serialize)]
pub struct Select {
    /// The selected tag.
    pub selected: Option<String>,
    /// The tags that the policy can order, best first.
    pub candidates: Vec<String>,
    /// The others.
    pub rejected: Vec<Rejected>,
}

/// A tag that is no candidate.
#[derive(Debug, Serialize)]
pub struct Rejected {
    /// The tag.
    pub tag: String,
    /// Why.
    pub reason: String,
}

/// What `run --once` did.
#[derive(Debug, Serialize)]
pub struct Run {
    policies: Vec<Policy>,
    automations: Vec<Automation>,
}

#[derive(Debug, Serialize)]
struct Policy {
    namespace: String,
    name: String,
    image: String,
    tag: String,
    digest: String,
    hold: Option<Hold>,
    error: String,
}

impl From<&PolicyReport> for Policy {
    fn from(report: &PolicyReport) -> Self {
        let (selected, error) = match &report.selection {
            Ok(reference) => (Some(reference), String::new()),
            Err(reason) => (None, reason.clone()),
        };
        let tag = selected.and_then(|reference| reference.tag.as_ref()).map(ToString::to_string);
        let digest = selected.and_then(|reference| reference.digest.as_ref()).map(ToString::to_string);
        Self {
            namespace: report.id.namespace.clone(),
            name: report.id.name.clone(),
            image: report.image.clone(),
            tag: tag.unwrap_or_default(),
            digest: digest.unwrap_or_default(),
            hold: report.hold.as_ref().map(Hold::from),
            error,
        }
    }
}

/// Why something is not written.
#[derive(Debug, Serialize)]
struct Hold {
    code: &'static str,
    reason: String,
}

impl From<&guard::Hold> for Hold {
    fn from(hold: &guard::Hold) -> Self {
        Self { code: hold.code(), reason: hold.to_string() }
    }
}

/// A field that keeps its value, though another one is selected.
#[derive(Debug, Serialize)]
struct Held {
    file: String,
    line: usize,
    policy: String,
    current: String,
    wanted: String,
    #[serde(flatten)]
    hold: Hold,
}

impl From<&guard::Held> for Held {
    fn from(held: &guard::Held) -> Self {
        Self {
            file: held.file.clone(),
            line: held.line,
            policy: held.setter.clone(),
            current: held.current.clone(),
            wanted: held.wanted.clone(),
            hold: Hold::from(&held.hold),
        }
    }
}

#[derive(Debug, Serialize)]
struct Automation {
    namespace: String,
    name: String,
    outcome: &'static str,
    commit: String,
    branch: String,
    changes: Vec<Change>,
    holds: Vec<Held>,
    diagnostics: Vec<Diagnostic>,
    error: String,
}

impl From<&Report> for Run {
    fn from(report: &Report) -> Self {
        Self {
            policies: report.policies.iter().map(|policy| Policy::from(&**policy)).collect(),
            automations: report.automations.iter().map(Automation::from).collect(),
        }
    }
}

impl From<&AutomationReport> for Automation {
    fn from(report: &AutomationReport) -> Self {
        let (commit, error) = match &report.outcome {
            Outcome::Pushed { commit, missed } => {
                (commit.clone(), missed.as_ref().map(Error::chain).unwrap_or_default())
            }
            Outcome::Failed(error) => (String::new(), error.chain()),
            Outcome::Held { reason } => (String::new(), reason.clone()),
            Outcome::Unchanged | Outcome::WouldPush => (String::new(), String::new()),
        };
        Self {
            namespace: report.id.namespace.clone(),
            name: report.id.name.clone(),
            outcome: report.outcome.as_str(),
            commit,
            branch: report.branch.clone(),
            changes: report.edits.iter().flat_map(|edit| &edit.changes).map(Change::from).collect(),
            holds: report.holds.iter().map(Held::from).collect(),
            diagnostics: report.diagnostics.iter().map(Diagnostic::from).collect(),
            error,
        }
    }
}

/// What `check` found.
#[derive(Debug, Serialize)]
pub struct Check {
    /// The findings, in the order of files and lines.
    pub findings: Vec<Finding>,
    /// How many files with markers were checked.
    #[serde(rename = "markedFiles")]
    pub marked_files: usize,
}

/// One finding of `check`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    code: &'static str,
    name: &'static str,
    severity: &'static str,
    remote: String,
    file: String,
    line: usize,
    column: usize,
    end_column: usize,
    message: String,
    hint: String,
}

impl From<&super::check::Entry> for Finding {
    fn from(entry: &super::check::Entry) -> Self {
        let finding = &entry.finding;
        Self {
            code: finding.code.as_str(),
            name: finding.code.name(),
            severity: finding.severity().as_str(),
            remote: entry.remote.clone(),
            file: finding.location.file.clone(),
            line: finding.location.line,
            column: finding.location.column,
            end_column: finding.location.end_column(),
            message: finding.message.clone(),
            hint: finding.hint.clone().unwrap_or_default(),
        }
    }
}
