//! A policy explained: what `explain --output json` prints.

use serde::Serialize;
use utoipa::ToSchema;

use super::edit::Diagnostic;

/// The document for a policy.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Document {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) source: String,
    pub(crate) selected: String,
    pub(crate) digest: String,
    /// What else is to say about the selection, such as by which clock it is the newest.
    pub(crate) remarks: Vec<String>,
    pub(crate) held: String,
    pub(crate) listed: usize,
    pub(crate) dropped: Vec<Group>,
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) places: Vec<AutomationFields>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Group {
    pub(crate) cause: &'static str,
    pub(crate) pattern: String,
    pub(crate) count: usize,
    pub(crate) tags: Vec<Tag>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Tag {
    pub(crate) tag: String,
    pub(crate) reason: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Candidate {
    pub(crate) tag: String,
    pub(crate) value: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AutomationFields {
    pub(crate) automation: String,
    pub(crate) fields: Vec<Field>,
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) error: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Field {
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) marker: String,
    pub(crate) old: String,
    pub(crate) new: String,
    pub(crate) why: String,
    pub(crate) hold: &'static str,
    /// What changes in the image, each in a few words.
    pub(crate) details: Vec<String>,
}

/// The document of `explain --tag`, for one tag.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct One {
    pub(crate) tag: String,
    pub(crate) selected: bool,
    pub(crate) cause: &'static str,
    pub(crate) sentence: String,
}
