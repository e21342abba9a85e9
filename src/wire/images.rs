//! The images that Git references, as JSON: what `images --output json` prints, and a bot answers.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// How many commits of each branch are read when it is not said.
pub(crate) const COMMITS: usize = 50;

/// The most that can be asked for.
pub(crate) const MAX_COMMITS: usize = 10_000;

/// The images that Git references.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Images {
    /// In the order of image, tag and digest.
    pub(crate) images: Vec<UsedImage>,
    /// How many tags were found in the newest commits whose image could not be told.
    pub(crate) unknown: usize,
    /// How many commits were read, of all branches.
    pub(crate) commits: usize,
    /// What could not be read, each in a sentence. Where there is anything, the list is not whole.
    pub(crate) missing: Vec<String>,
}

impl Images {
    /// Leaves out those of other registries.
    pub(crate) fn keep(&mut self, registry: &str) {
        self.images.retain(|it| it.image.split_once('/').is_some_and(|(host, _)| host == registry));
    }
}

/// An image that is referenced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
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
