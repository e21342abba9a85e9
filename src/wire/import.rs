//! What was read of other image updaters: what `import --output json` prints.

use serde::Serialize;

/// The document, whether files were written or not.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Document {
    /// Whether files were written.
    pub(crate) written: bool,
    pub(crate) policies: Vec<Policy>,
    pub(crate) notes: Vec<Note>,
    /// The unified diff of the marked files.
    pub(crate) diff: String,
    /// The documents with the policies; null when there are none, or no Git URL is known.
    pub(crate) document: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Policy {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) image: String,
    pub(crate) automation: String,
    /// Order, filter and digests, in a few words.
    pub(crate) follows: String,
    pub(crate) source: String,
    /// Where it was said.
    pub(crate) file: String,
    pub(crate) line: usize,
    /// How many places are in the policy, as they have no marker.
    pub(crate) targets: usize,
}

/// A setting that has no counterpart or means something else, and what to do about it.
#[derive(Debug, Serialize)]
pub(crate) struct Note {
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) source: String,
    pub(crate) setting: String,
    pub(crate) reason: String,
}
