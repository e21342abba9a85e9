//! A policy that is tried: what `select --output json` prints.

use serde::Serialize;

/// The document.
#[derive(Debug, Serialize)]
pub(crate) struct Select {
    /// The selected tag; null when none is.
    pub(crate) selected: Option<String>,
    /// The tags that the policy can order, best first.
    pub(crate) candidates: Vec<String>,
    /// The tags that are no candidates.
    pub(crate) rejected: Vec<Rejected>,
}

/// A tag that is no candidate.
#[derive(Debug, Serialize)]
pub(crate) struct Rejected {
    /// The tag as it was given.
    pub(crate) tag: String,
    /// The reason why it is no candidate, as `--explain` writes it.
    pub(crate) reason: String,
}
