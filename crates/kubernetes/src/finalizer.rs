//! Finalizers: who wants to be asked before an object goes.
//!
//! They are a list, which a merge patch replaces whole, so each write has the `resourceVersion` of the object that was read: no
//! finalizer of others is lost or comes back.
//!
//! Needs the verb `patch` on the kind.

use serde_json::json;

use crate::error::Error;
use crate::object::Object;
use crate::write::{Target, Written};

/// Adds a finalizer. Nothing is sent when it is there, or when the object is being deleted, since then nobody may add one.
///
/// # Errors
/// We may not, or the server does not answer.
pub async fn add(target: Target<'_>, object: &Object, finalizer: &str) -> Result<Written, Error> {
    if object.deleting || object.finalizers.iter().any(|other| other == finalizer) {
        return Ok(Written::Unchanged);
    }
    let mut finalizers = object.finalizers.clone();
    finalizers.push(finalizer.to_owned());
    write(target, object, &finalizers).await
}

/// Removes a finalizer. Nothing is sent when it is not there. An object that is being deleted is [gone](Written::Gone) when
/// it has no other.
///
/// # Errors
/// We may not, or the server does not answer.
pub async fn remove(target: Target<'_>, object: &Object, finalizer: &str) -> Result<Written, Error> {
    let finalizers: Vec<String> = object.finalizers.iter().filter(|other| *other != finalizer).cloned().collect();
    if finalizers.len() == object.finalizers.len() {
        return Ok(Written::Unchanged);
    }
    match write(target, object, &finalizers).await? {
        Written::Stored(object) if object.deleting && object.finalizers.is_empty() => Ok(Written::Gone),
        written => Ok(written),
    }
}

async fn write(target: Target<'_>, object: &Object, finalizers: &[String]) -> Result<Written, Error> {
    let metadata = json!({"resourceVersion": object.resource_version, "finalizers": finalizers});
    target.patch(None, &json!({"metadata": metadata})).await
}
