//! A run: what `run --once --output json` prints.

use serde::Serialize;
use tagwright_core::guard;
use utoipa::ToSchema;

use super::edit::{Change, Diagnostic};

/// The document: policies and automations in the order of the configuration.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Run {
    pub(crate) policies: Vec<Policy>,
    pub(crate) automations: Vec<Automation>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Policy {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) image: String,
    pub(crate) tag: String,
    pub(crate) digest: String,
    pub(crate) hold: Option<Hold>,
    #[serde(rename = "passedOver")]
    pub(crate) passed_over: Vec<PassedOver>,
    /// What else is to say about the selection: by which clock it is the newest, why it need not become older, which tags moved.
    pub(crate) remarks: Vec<String>,
    pub(crate) error: String,
}

/// A better image than the selected one, and why it is not selected.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PassedOver {
    pub(crate) tag: String,
    pub(crate) digest: String,
    pub(crate) code: &'static str,
    pub(crate) reason: String,
}

impl From<&guard::PassedOver> for PassedOver {
    fn from(passed: &guard::PassedOver) -> Self {
        Self {
            tag: passed.tag.clone(),
            digest: passed.digest.as_ref().map(ToString::to_string).unwrap_or_default(),
            code: passed.refusal.code(),
            reason: passed.to_string(),
        }
    }
}

/// Why something is not written.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Hold {
    pub(crate) code: &'static str,
    pub(crate) reason: String,
}

impl From<&guard::Hold> for Hold {
    fn from(hold: &guard::Hold) -> Self {
        Self { code: hold.code(), reason: hold.to_string() }
    }
}

/// A field that keeps its value, though another one is selected.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Held {
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) policy: String,
    pub(crate) current: String,
    pub(crate) wanted: String,
    #[serde(flatten)]
    pub(crate) hold: Hold,
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

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Automation {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) outcome: &'static str,
    pub(crate) commit: String,
    pub(crate) branch: String,
    pub(crate) changes: Vec<Change>,
    pub(crate) holds: Vec<Held>,
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) request: String,
    pub(crate) groups: Vec<ChangeGroup>,
    pub(crate) error: String,
}

/// What became of one group of an automation's changes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChangeGroup {
    pub(crate) name: String,
    pub(crate) outcome: &'static str,
    pub(crate) commit: String,
    pub(crate) branch: String,
    pub(crate) changes: Vec<Change>,
    pub(crate) request: String,
    pub(crate) error: String,
}
