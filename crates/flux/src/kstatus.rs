//! What readers make of a status: `kubectl wait`, `flux`, Argo CD and the commands of this program agree on these rules.

use serde_json::Value;

use crate::condition::{self, READY, RECONCILING, STALLED};

/// How an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It is as its specification wants it.
    Current,
    /// It is not yet, but somebody is at it; also while failed tries are made again.
    InProgress,
    /// It will not be before somebody changes it.
    Failed,
}

/// Returns how an object of this generation and with this status is.
///
/// ```
/// use flux::kstatus::{Progress, progress};
/// use serde_json::json;
///
/// let status = json!({"observedGeneration": 2, "conditions": [{"type": "Ready", "status": "True"}]});
/// assert_eq!(progress(2, &status), Progress::Current);
/// assert_eq!(progress(3, &status), Progress::InProgress);
/// ```
#[must_use]
pub fn progress(generation: i64, status: &Value) -> Progress {
    let observed = status.get("observedGeneration").and_then(Value::as_i64);
    let conditions = conditions(status);
    if observed.is_some_and(|observed| observed != generation) {
        Progress::InProgress
    } else if condition::is_true(conditions, STALLED) {
        Progress::Failed
    } else if !condition::is_true(conditions, RECONCILING) && condition::is_true(conditions, READY) {
        Progress::Current
    } else {
        Progress::InProgress
    }
}

/// Returns what the condition `Ready` says; none if there is no such condition yet.
#[must_use]
pub fn message(status: &Value) -> Option<&str> {
    condition::find(conditions(status), READY).and_then(condition::message)
}

fn conditions(status: &Value) -> &[Value] {
    status.get("conditions").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
