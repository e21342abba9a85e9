//! Conditions: which there are in the end, in which order, and since when.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::remarks::{FINDINGS, HELD};

/// The most bytes of a condition's message; a longer one is cut, and ends with three dots.
pub const MAX_MESSAGE: usize = 32_768;

/// The type of the condition that is true of a failure which only a change of the object mends.
pub(crate) const STALLED: &str = "Stalled";
/// The type of the condition that is true while an object is worked on.
pub(crate) const RECONCILING: &str = "Reconciling";
/// The type of the condition that tells how the object is.
pub(crate) const READY: &str = "Ready";

/// The types that are written here, in the order in which they stand in front; the last two among those of others.
const OURS: [&str; 5] = [STALLED, RECONCILING, READY, HELD, FINDINGS];

/// A condition as it is to be.
pub(crate) struct Condition {
    kind: &'static str,
    status: &'static str,
    reason: String,
    message: String,
}

impl Condition {
    /// A condition that is true.
    pub(crate) fn yes(kind: &'static str, reason: impl Into<String>, message: &str) -> Self {
        Self { kind, status: "True", reason: reason.into(), message: cut(message) }
    }

    /// A condition that is false.
    pub(crate) fn no(kind: &'static str, reason: impl Into<String>, message: &str) -> Self {
        Self { status: "False", ..Self::yes(kind, reason, message) }
    }

    /// Its message, as it is stored.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Its reason.
    pub(crate) fn reason(&self) -> &str {
        &self.reason
    }

    /// Tells whether a stored condition says the same.
    pub(crate) fn says(&self, stored: &Value) -> bool {
        text(stored, "status") == Some(self.status)
            && text(stored, "reason") == Some(&self.reason)
            && text(stored, "message") == Some(&self.message)
    }

    fn value(&self, since: Value, generation: i64) -> Value {
        json!({
            "type": self.kind,
            "status": self.status,
            "observedGeneration": generation,
            "lastTransitionTime": since,
            "reason": self.reason,
            "message": self.message,
        })
    }
}

/// Returns the first stored condition of a type.
pub(crate) fn find<'a>(stored: &'a [Value], kind: &str) -> Option<&'a Value> {
    stored.iter().find(|condition| text(condition, "type") == Some(kind))
}

/// Returns the message of a stored condition.
pub(crate) fn message(condition: &Value) -> Option<&str> {
    text(condition, "message")
}

/// Tells whether the first stored condition of a type is true.
pub(crate) fn is_true(stored: &[Value], kind: &str) -> bool {
    find(stored, kind).is_some_and(|condition| text(condition, "status") == Some("True"))
}

/// Returns the conditions to be stored: the new ones, and of the stored ones those whose types are not `owned`.
///
/// A new one that says what the stored one of its type says is as old as that. What is no condition is dropped.
pub(crate) fn merged(
    stored: &[Value],
    owned: &[&str],
    new: &[Condition],
    generation: i64,
    now: Timestamp,
) -> Vec<Value> {
    let mut merged: Vec<Value> = Vec::new();
    for condition in stored {
        let Some(kind) = text(condition, "type") else { continue };
        let again = OURS.contains(&kind) && find(&merged, kind).is_some();
        if !owned.contains(&kind) && !again {
            merged.push(condition.clone());
        }
    }
    for condition in new {
        let previous = find(stored, condition.kind).filter(|previous| condition.says(previous));
        let since = previous.and_then(since).unwrap_or_else(|| crate::time(now));
        merged.push(condition.value(since, generation));
    }
    merged.sort_by(|one, other| place(one).cmp(&place(other)));
    merged
}

/// Where a condition stands: the three of Flux in front as they come, the others by their types.
fn place(condition: &Value) -> (bool, &str) {
    match text(condition, "type").unwrap_or_default() {
        STALLED | RECONCILING | READY => (false, ""),
        other => (true, other),
    }
}

/// Since when a stored condition says what it says, where that is a time.
fn since(condition: &Value) -> Option<Value> {
    let since = condition.get("lastTransitionTime")?;
    since.as_str()?.parse::<Timestamp>().ok()?;
    Some(since.clone())
}

fn text<'a>(condition: &'a Value, key: &str) -> Option<&'a str> {
    condition.get(key).and_then(Value::as_str)
}

/// Cuts a message that is too long, and says so by three dots, as Flux does; but between two characters.
fn cut(message: &str) -> String {
    const DOTS: &str = "...";
    if message.len() <= MAX_MESSAGE {
        return message.to_owned();
    }
    let end = message.floor_char_boundary(MAX_MESSAGE - DOTS.len());
    message[..end].to_owned() + DOTS
}
