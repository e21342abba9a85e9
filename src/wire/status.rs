//! The status of a bot: one row for each policy and each automation, and the state of its configuration.
//!
//! The same document is served to those who ask a running bot and kept in its data directory for when none runs. Times are
//! points in time, not ages; what is absent is not known, or will not happen.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tagwright_core::automation::ObjectName;
use tagwright_core::change::Diagnostic;
use utoipa::ToSchema;

use super::HeldField;
use super::freeze::FreezeStatus;
use super::machinery::RegistryStatus;

/// How many findings of an automation are shown.
pub const MAX_FINDINGS: usize = 100;

/// The document of a bot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The version of the program.
    pub version: String,
    /// When the bot started.
    pub started: Timestamp,
    /// When this was true.
    pub written: Timestamp,
    /// The configuration it works with.
    pub configuration: ConfigurationStatus,
    /// Why the data directory cannot be used, if it cannot: what is learnt meanwhile is known until the bot ends.
    #[serde(default)]
    pub data_failure: Option<String>,
    /// Every policy of an automation, in the configuration's order.
    pub policies: Vec<PolicyStatus>,
    /// Every automation, in the configuration's order.
    pub automations: Vec<AutomationStatus>,
    /// What is frozen, what is written all the same, and what the calendar has next.
    #[serde(default)]
    pub freezes: Vec<FreezeStatus>,
    /// The hosts that images and their logins come from, with what may be asked of them.
    #[serde(default)]
    pub registries: Vec<RegistryStatus>,
    /// The polls and runs that are under way.
    pub work: Vec<WorkStatus>,
}

/// The configuration a bot works with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigurationStatus {
    /// When it was read.
    pub loaded: Timestamp,
    /// The fault of a newer one, which is therefore not used.
    pub failure: Option<ConfigurationFailure>,
}

/// Why the configuration as it stands now is not used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigurationFailure {
    /// The moment since which it cannot be used.
    pub since: Timestamp,
    /// The report, which may have several lines.
    pub message: String,
}

/// Whether something does what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema, Deserialize)]
pub enum Ready {
    /// The last attempt went well.
    True,
    /// The last attempt failed.
    False,
    /// There was no attempt yet.
    Unknown,
}

impl Ready {
    /// The word for it in tables and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// The row of one policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyStatus {
    /// The namespace; `default` where none was given.
    pub namespace: String,
    /// The name as configured.
    pub name: String,
    /// The image repository's name.
    pub image: String,
    /// The selected tag; the one before if the last poll failed.
    pub tag: Option<String>,
    /// When the registry was last asked, for tags or for a digest alone, with whatever result.
    pub last_poll: Option<Timestamp>,
    /// When it is asked next.
    pub next: Option<Timestamp>,
    /// Whether the last poll went well and a tag is selected.
    pub ready: Ready,
    /// Whether the policy, its image repository or every automation that applies it is suspended.
    pub suspended: bool,
    /// The result of the last poll, or the reason why a better tag waits, in one sentence.
    pub message: String,
}

impl PolicyStatus {
    /// Its namespace and its name.
    pub(crate) fn id(&self) -> ObjectName {
        ObjectName { namespace: self.namespace.clone(), name: self.name.clone() }
    }
}

/// The row of one automation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AutomationStatus {
    /// The namespace; `default` where none was given.
    pub namespace: String,
    /// The name as configured.
    pub name: String,
    /// The Git remote, without credentials.
    pub remote: String,
    /// The push branch; empty until it is known.
    pub branch: String,
    /// When it last ran, with whatever result.
    pub last_run: Option<Timestamp>,
    /// The last commit that it pushed since the bot started, a full hash.
    pub last_commit: Option<String>,
    /// When it runs next.
    pub next: Option<Timestamp>,
    /// Whether the last run went well, and something could be written.
    pub ready: Ready,
    /// Whether it is suspended, in the configuration or by `tagwright suspend`.
    pub suspended: bool,
    /// The updates that wait for something.
    pub holds: Vec<HeldField>,
    /// What is wrong in its files or with its paths, the first [`MAX_FINDINGS`].
    #[serde(default)]
    pub findings: Vec<AutomationFinding>,
    /// How many more there are.
    #[serde(default)]
    pub more_findings: usize,
    /// The result of the last run, in one sentence.
    pub message: String,
}

impl AutomationStatus {
    /// Its namespace and its name.
    pub(crate) fn id(&self) -> ObjectName {
        ObjectName { namespace: self.namespace.clone(), name: self.name.clone() }
    }
}

/// Something that is wrong at a place of an automation's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AutomationFinding {
    /// The code, such as `TW001`.
    pub code: String,
    /// The file or the path, from the root of the repository; empty when it is about none.
    pub file: String,
    /// The line, from 1; 0 when it is about the whole file.
    pub line: usize,
    /// The column in characters, from 1; 0 when it is about the whole line.
    pub column: usize,
    /// One sentence.
    pub message: String,
    /// What to do about it; empty where that is not known.
    pub hint: String,
}

impl From<&Diagnostic> for AutomationFinding {
    fn from(diagnostic: &Diagnostic) -> Self {
        let Diagnostic { file, line, column, code, message } = diagnostic.clone();
        let (hint, code) = (code.hint().unwrap_or_default().to_owned(), code.as_str().to_owned());
        Self { code, file, line, column, message, hint }
    }
}

impl AutomationFinding {
    /// `TW001 apps/web.yaml:11`.
    #[must_use]
    pub fn place(&self) -> String {
        match (self.file.as_str(), self.line) {
            ("", _) => self.code.clone(),
            (file, 0) => format!("{} {file}", self.code),
            (file, line) => format!("{} {file}:{line}", self.code),
        }
    }
}

/// Something under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkStatus {
    /// The image repository or the Git remote.
    pub subject: String,
    /// The stage, such as `fetch` or `push`.
    pub stage: String,
    /// The image repository, automation or address that it is about, without credentials.
    pub what: String,
    /// Since when this has been done; nothing moved since.
    pub since: Timestamp,
}
