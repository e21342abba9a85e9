//! Edits of a directory: what `set --output json` prints, and the changes that `message --changes` reads.

use serde::{Deserialize, Serialize};
use tagwright_core::change;
use utoipa::ToSchema;

/// One field that has, or would have, another value. What no message can do without has to be there.
#[derive(Debug, Clone, Serialize, ToSchema, Deserialize)]
pub(crate) struct Change {
    /// The file, relative to the directory or the automation's path.
    pub(crate) file: String,
    /// The line in the old text, from 1.
    #[serde(default)]
    pub(crate) line: usize,
    /// `apiVersion` of the document.
    #[serde(default, rename = "apiVersion")]
    pub(crate) api_version: String,
    /// `kind` of the document.
    #[serde(default)]
    pub(crate) kind: String,
    /// `metadata.namespace` of the document.
    #[serde(default)]
    pub(crate) namespace: String,
    /// `metadata.name` of the document.
    #[serde(default)]
    pub(crate) name: String,
    /// The value before.
    pub(crate) old: String,
    /// The value after.
    pub(crate) new: String,
    /// The marker's whole value.
    pub(crate) policy: String,
}

impl From<&change::Change> for Change {
    fn from(change: &change::Change) -> Self {
        let change::ObjectIdentity { api_version, kind, name, namespace } = change.object.clone();
        Self {
            file: change.file.clone(),
            line: change.line,
            api_version,
            kind,
            namespace,
            name,
            old: change.old.clone(),
            new: change.new.clone(),
            policy: change.setter.clone(),
        }
    }
}

impl From<Change> for change::Change {
    fn from(change: Change) -> Self {
        let Change { file, line, api_version, kind, namespace, name, old, new, policy } = change;
        let object = change::ObjectIdentity { api_version, kind, name, namespace };
        Self { file, line, object, old, new, setter: policy }
    }
}

/// A finding about a place in a file.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Diagnostic {
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl From<&change::Diagnostic> for Diagnostic {
    fn from(diagnostic: &change::Diagnostic) -> Self {
        Self {
            file: diagnostic.file.clone(),
            line: diagnostic.line,
            column: diagnostic.column,
            code: diagnostic.code.as_str(),
            message: diagnostic.message.clone(),
        }
    }
}

/// The document of `set`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Set {
    /// The fields changed, or to change with `--check`.
    pub(crate) changes: Vec<Change>,
    /// The findings in the files and in the selections.
    pub(crate) diagnostics: Vec<Diagnostic>,
}
