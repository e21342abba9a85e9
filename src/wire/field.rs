//! One field of a repository: that it was changed, or that it keeps its value. The same in the status, the history and the store.

use serde::{Deserialize, Serialize};
use tagwright_core::change::Change;
use tagwright_core::guard::Held;
use utoipa::ToSchema;

/// A field that was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema, Deserialize)]
pub struct ChangedField {
    /// The policy, `namespace:name`.
    pub policy: String,
    /// The file, from the root of the repository.
    pub file: String,
    /// The line, from 1; 0 where it is not known.
    pub line: usize,
    /// The value before.
    pub old: String,
    /// The value after.
    pub new: String,
}

impl From<&Change> for ChangedField {
    fn from(change: &Change) -> Self {
        Self {
            policy: change.policy().to_owned(),
            file: change.file.clone(),
            line: change.line,
            old: change.old.clone(),
            new: change.new.clone(),
        }
    }
}

/// A field that keeps its value, although the policy selects another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema, Deserialize)]
pub struct HeldField {
    /// The policy, `namespace:name`.
    pub policy: String,
    /// The file, from the root of the repository.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The value that stays.
    pub current: String,
    /// The value that was selected.
    pub wanted: String,
    /// The guard that holds it, in one word: `manual`, `downgrade`, …
    pub code: String,
    /// Why it is held and what lifts that, in one sentence.
    pub reason: String,
}

impl From<&Held> for HeldField {
    fn from(held: &Held) -> Self {
        Self {
            policy: held.policy().to_owned(),
            file: held.file.clone(),
            line: held.line,
            current: held.current.clone(),
            wanted: held.wanted.clone(),
            code: held.hold.code().to_owned(),
            reason: held.hold.to_string(),
        }
    }
}
