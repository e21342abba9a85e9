//! The status of an object, written as Flux's controllers write it.
//!
//! A pass ends with one JSON merge patch of `/status`, and only when something changed. It has explicit nulls for the fields that
//! are gone, and the `resourceVersion` that the pass has read, so that it counts only if nobody wrote in between. Server-side
//! apply would not do: the entry in `managedFields` that an earlier controller left owns its fields, and an apply that
//! leaves one of them out would not remove it.
//!
//! [`write()`] makes one try. [`update`] reads the object again when somebody was faster, and has the status computed again.
//!
//! Needs the verb `patch` on `KIND/status`; [`update`] needs `get` on the kind as well, and asks with it only after a conflict.

mod diff;

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use serde_json::{Value, json};

pub use self::diff::diff;
pub use crate::write::{PATIENCE, Target, Written};

use crate::error::Error;
use crate::object::Object;

/// How often [`update`] tries, when others write the same object.
pub const TRIES: u32 = 5;

/// The pause after the first conflict; each next one is twice as long, and up to as much again is added by chance.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Writes a status in the place of the one that was read with this `resourceVersion`.
///
/// # Errors
/// We may not, or the server does not answer, or wants to be left alone for longer than [`PATIENCE`].
pub async fn write(target: Target<'_>, resource_version: &str, old: &Value, new: &Value) -> Result<Written, Error> {
    match diff(old, new) {
        None => Ok(Written::Unchanged),
        Some(change) => {
            let patch = json!({"metadata": {"resourceVersion": resource_version}, "status": change});
            target.patch(Some("status"), &patch).await
        }
    }
}

/// Writes the status that `compute` finds for the object as it is. When somebody was faster, the object is read again and the
/// status computed again, at most [`TRIES`] times; then it is a conflict. An object of the same name that was made since is
/// another one, so that ours is gone.
///
/// # Errors
/// As [`write()`]; or we may not read the object.
pub async fn update(
    target: Target<'_>,
    object: &Object,
    mut compute: impl FnMut(&Object) -> Value,
) -> Result<Written, Error> {
    let mut again: Option<Object> = None;
    for tried in 0..TRIES {
        let current = again.as_ref().unwrap_or(object);
        let (old, new) = (current.status(), compute(current));
        match write(target, &current.resource_version, &old, &new).await? {
            Written::Conflict => {}
            written => return Ok(written),
        }
        tokio::time::sleep(pause(tried)).await;
        match target.read().await? {
            Some(found) if found.uid == object.uid => again = Some(found),
            _ => return Ok(Written::Gone),
        }
    }
    Ok(Written::Conflict)
}

/// The pause after so many conflicts and one more.
fn pause(tried: u32) -> Duration {
    let pause = FIRST_PAUSE.saturating_mul(1 << tried.min(TRIES));
    // Whoever met once should not meet again: a thousandth of it, up to a thousand times, by chance.
    let chance = u32::try_from(RandomState::new().hash_one(tried) % 1000).unwrap_or(0);
    pause + pause / 1000 * chance
}
