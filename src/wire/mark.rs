//! New markers and policies: what `mark --output json` prints.

use serde::Serialize;

/// The document, whether the files were written or not.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Document {
    /// Whether files were written.
    pub(crate) written: bool,
    pub(crate) policies: Vec<Policy>,
    pub(crate) left_alone: Vec<LeftAlone>,
    /// The number of images that had a marker before.
    pub(crate) marked_before: usize,
    /// The unified diff of the marked files.
    pub(crate) diff: String,
    /// The document with the new policies; null when there are none, or no Git URL is known.
    pub(crate) document: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Policy {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) image: String,
    /// The lowest tag in use.
    pub(crate) tag: String,
    pub(crate) filter_tags: Option<FilterTags>,
    pub(crate) policy: Choice,
    pub(crate) digest_reflection_policy: &'static str,
    pub(crate) explanation: String,
    /// Whether the policy existed before.
    pub(crate) known: bool,
    /// The tag that it would select now; null when that is not known.
    pub(crate) selected: Option<String>,
    /// Why nothing would be selected, or why that is not known.
    pub(crate) problem: Option<String>,
    pub(crate) fields: Vec<MarkedField>,
    /// How many places the policy names itself, as they have no room for a marker.
    pub(crate) targets: usize,
}

#[derive(Debug, Serialize)]
pub(crate) struct FilterTags {
    pub(crate) pattern: String,
    pub(crate) extract: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Choice {
    Semver { range: String },
    Calver { format: String },
    Newest {},
    Numerical { order: &'static str },
    Alphabetical { order: &'static str },
}

#[derive(Debug, Serialize)]
pub(crate) struct MarkedField {
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) field: &'static str,
}

#[derive(Debug, Serialize)]
pub(crate) struct LeftAlone {
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) image: String,
    pub(crate) tag: String,
    pub(crate) reason: String,
}
