//! A policy that is tried: what `select --output json` prints.

use serde::Serialize;

/// What `select` found.
#[derive(Debug, Serialize)]
pub(crate) struct Select {
    /// The selected tag.
    pub(crate) selected: Option<String>,
    /// The tags that the policy can order, best first.
    pub(crate) candidates: Vec<String>,
    /// The others.
    pub(crate) rejected: Vec<Rejected>,
}

/// A tag that is no candidate.
#[derive(Debug, Serialize)]
pub(crate) struct Rejected {
    /// The tag.
    pub(crate) tag: String,
    /// Why.
    pub(crate) reason: String,
}
