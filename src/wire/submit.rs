//! What became of resources that were submitted: what `submit --output json` prints, and `POST /api/v1/submit` answers.

use serde::{Deserialize, Serialize};
use tagwright_core::submit::{Change, Kept};
use utoipa::{IntoParams, ToSchema};

/// The document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Submitted {
    /// Whom it was submitted to, `namespace/name`.
    pub sync: String,
    /// `pushed`, `unchanged`, `held`, `would-push` or `failed`.
    pub outcome: String,
    /// The full hash of the commit; empty where there is none.
    pub commit: String,
    /// The remote, without credentials.
    pub url: String,
    /// The branch that was pushed to.
    pub branch: String,
    /// The message of the commit; empty where there is none.
    pub message: String,
    /// The files that came.
    pub created: Vec<File>,
    /// The files that changed.
    pub updated: Vec<File>,
    /// The files that went.
    pub removed: Vec<File>,
    /// The files that would have gone, and are left to somebody.
    pub kept: Vec<KeptFile>,
    /// How many files said the same already.
    pub unchanged: usize,
    /// What was done of the pull request.
    pub request: String,
    /// Why it failed, or is held.
    pub error: String,
}

/// A file, and the resource in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct File {
    /// The path from the root of the repository.
    pub file: String,
    /// The `apiVersion` of the resource; empty where nobody can read it any more.
    #[serde(rename = "apiVersion")]
    pub api_version: String,
    /// Its `kind`.
    pub kind: String,
    /// Its namespace; empty where it has none.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Whether somebody had changed the file since it was written.
    #[serde(default)]
    pub edited: bool,
}

/// A file that is left to somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeptFile {
    /// The path from the root of the repository.
    pub file: String,
    /// Why it is not deleted.
    pub reason: String,
}

/// What a request says beside its body.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SubmitQuery {
    /// The GitSync of the configuration, `NAMESPACE/NAME`, or `NAME` in `default`.
    pub sync: String,
    /// Change nothing, and tell what would be done.
    #[serde(default)]
    pub dry_run: bool,
    /// Go on with no resource at all.
    #[serde(default)]
    pub allow_empty: bool,
}

impl From<&Change> for File {
    fn from(change: &Change) -> Self {
        let id = change.resource.clone();
        let (api_version, kind, namespace, name) =
            id.map(|id| (id.api_version, id.kind, id.namespace, id.name)).unwrap_or_default();
        Self { file: change.path.clone(), api_version, kind, namespace, name, edited: change.edited }
    }
}

impl From<&Kept> for KeptFile {
    fn from(kept: &Kept) -> Self {
        Self { file: kept.path.clone(), reason: kept.reason.to_owned() }
    }
}
