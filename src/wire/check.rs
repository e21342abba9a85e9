//! Findings: what `check --output json` prints.

use serde::Serialize;

/// What `check` found.
#[derive(Debug, Serialize)]
pub(crate) struct Check {
    /// The findings, in the order of files and lines.
    pub(crate) findings: Vec<Finding>,
    /// How many files with markers were checked.
    #[serde(rename = "markedFiles")]
    pub(crate) marked_files: usize,
}

/// One finding of `check`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Finding {
    pub(crate) code: &'static str,
    pub(crate) name: &'static str,
    pub(crate) severity: &'static str,
    pub(crate) remote: String,
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) end_column: usize,
    pub(crate) message: String,
    pub(crate) hint: String,
}
