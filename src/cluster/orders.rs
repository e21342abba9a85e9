//! What people order by annotations: they are seen by everybody who looks at the objects, and outlive every pod.
//!
//! | annotation | does |
//! |---|---|
//! | `tagwright.dev/hold: REASON` | fields keep their values until the annotation is gone |
//! | `tagwright.dev/release: TEXT` | what people have taken back until now may be written again |
//! | `tagwright.dev/suspended: REASON` | says why `spec.suspend` is true |
//!
//! On an `ImagePolicy` they are about it, on an `ImageAutomation` about all of its images. Automations are suspended by
//! `spec.suspend`, as in Flux.
//!
//! Every process keeps holds. A release is about what the branches hold now, so it is kept by the process that runs an automation of
//! the policy, and taken off as soon as it is: no later pod obeys it again.

use jiff::Timestamp;
use kubernetes::{Key, Object};
use serde_json::Value;
use tagwright_core::automation::ObjectName;

use super::objects::News;
use super::what::{Id, What};
use crate::schedule::{Handle, Trigger};
use crate::store::{Error, Store};

/// The annotation that holds a policy.
pub(crate) const HOLD: &str = "tagwright.dev/hold";

/// The annotation that releases a policy.
pub(crate) const RELEASE: &str = "tagwright.dev/release";

/// The annotation that tells why an automation is suspended; nobody but people goes by it.
pub(crate) const SUSPENDED: &str = "tagwright.dev/suspended";

/// Holds what an object's annotation says, or holds it no longer.
pub(super) fn hold(handle: &Handle, news: &News) {
    let of = |object: Option<&Object>| object?.annotations.get(HOLD).map(|reason| reason.trim().to_owned());
    let (before, now) = (of(news.before.as_deref()), of(news.now.as_deref()));
    if news.before.is_some() && before == now {
        return;
    }
    let Some(object) = news.now.as_deref().or(news.before.as_deref()) else { return };
    for policy in policies(&news.id, object) {
        match keep(handle.store(), &policy.marker(), now.as_deref()) {
            Ok(true) => drop(handle.trigger(&Trigger::Policy(policy))),
            Ok(false) => {}
            Err(error) => tracing::error!(policy.name = policy.marker(), %error, "an order cannot be kept"),
        }
    }
}

/// Keeps whether a policy is held; returns whether that is another than it was.
fn keep(store: &Store, policy: &str, hold: Option<&str>) -> Result<bool, Error> {
    let switches = store.switches()?;
    let kept = switches.held.get(policy).map(|switch| switch.reason.as_deref().unwrap_or_default());
    if kept == hold {
        return Ok(false);
    }
    match hold {
        Some(reason) => {
            tracing::info!(policy.name = policy, reason, "held");
            store.hold(policy, Some(reason).filter(|reason| !reason.is_empty()), Timestamp::now())?;
        }
        None => {
            tracing::info!(policy.name = policy, "no longer held");
            store.unhold(policy)?;
        }
    }
    Ok(true)
}

/// The policies that an object's annotation releases, and its text; none where it has none.
pub(super) fn to_release(id: &Id, object: &Object) -> Option<(Vec<ObjectName>, String)> {
    let text = object.annotations.get(RELEASE)?.clone();
    Some((policies(id, object), text))
}

/// Releases policies. Returns whether that is kept. A hold that stands beside it goes on.
pub(super) fn release(handle: &Handle, policies: &[ObjectName], object: &Object) -> bool {
    let store = handle.store();
    for policy in policies {
        let name = policy.marker();
        let kept = store.release(&name, Timestamp::now());
        let hold = object.annotations.get(HOLD).map(|reason| reason.trim());
        if let Err(error) = kept.and_then(|_| keep(store, &name, hold)) {
            tracing::error!(policy.name = name, %error, "an order cannot be kept");
            return false;
        }
        tracing::info!(policy.name = name, "released");
        handle.trigger(&Trigger::Policy(policy.clone()));
    }
    true
}

/// The policies that orders on an object are about.
fn policies((what, key): &Id, object: &Object) -> Vec<ObjectName> {
    let Key { namespace, name } = key;
    let named = |name: &str| ObjectName { namespace: namespace.clone(), name: name.to_owned() };
    match what {
        What::Policy => vec![named(name)],
        What::Native => {
            let spec = object.spec();
            let images = spec.get("images").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            images.iter().filter_map(|image| image.get("name")?.as_str()).map(named).collect()
        }
        _ => Vec::new(),
    }
}
