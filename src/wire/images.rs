//! The images that Git references, as JSON: what `images --output json` prints.

use jiff::Timestamp;
use serde::Serialize;

/// The document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Images {
    /// In the order of image, tag and digest.
    pub(crate) images: Vec<UsedImage>,
    /// How many tags were found in the newest commits whose image could not be told.
    pub(crate) unknown: usize,
    /// How many commits were read, of all branches.
    pub(crate) commits: usize,
}

/// An image that is referenced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UsedImage {
    /// The image repository, with its registry.
    pub(crate) image: String,
    /// The tag; empty where a digest alone is written.
    pub(crate) tag: String,
    /// The digest; empty where there is none.
    pub(crate) digest: String,
    /// Whether the newest commit of a branch references it.
    pub(crate) now: bool,
    /// The newest commit that does.
    pub(crate) commit: String,
    /// Its time.
    pub(crate) time: Timestamp,
    /// Its remote, without credentials.
    pub(crate) remote: String,
    /// Its branch.
    pub(crate) branch: String,
    /// A file in which it stands there.
    pub(crate) file: String,
    /// The line.
    pub(crate) line: usize,
}
