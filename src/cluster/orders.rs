//! What people order by annotations: they are seen by everybody who looks at the objects, and outlive every pod.
//!
//! | annotation | does |
//! |---|---|
//! | `tagwright.dev/hold: REASON` | fields keep their values until the annotation is gone |
//! | `tagwright.dev/release: TEXT` | what people have taken back until now may be written again |
//! | `tagwright.dev/release-now: TIME REASON` | what was there at the time need not be known for longer, until the annotation is gone |
//! | `tagwright.dev/suspended: REASON` | says why `spec.suspend` is true |
//! | `tagwright.dev/freeze: REASON` | nothing is written until the annotation is gone, or `tagwright.dev/freeze-until: TIME` is past |
//! | `tagwright.dev/break-glass: REASON` | is written all the same until `tagwright.dev/break-glass-until: TIME`, which it takes |
//!
//! On an `ImagePolicy` they are about it, on an `ImageAutomation` about all of its images. Automations are suspended by
//! `spec.suspend`, as in Flux. Policies and automations can be frozen.
//!
//! Every process keeps holds and freezes. A release is about what the branches hold now, so it is kept by the process that runs an automation of
//! the policy, and taken off as soon as it is: no later pod obeys it again.

use jiff::Timestamp;
use kubernetes::{Key, Object};
use serde_json::Value;
use tagwright_core::automation::ObjectName;
use tagwright_core::freeze::Selector;

use super::objects::News;
use super::what::{Id, What};
use crate::schedule::freeze::{self, Error as Refused, Given};
use crate::schedule::{Handle, Trigger};
use crate::store::{Error, MAX_REASON_BYTES, Store};
use crate::wire::freeze::{Freeze, Unfreeze};

/// The annotation that holds a policy.
pub(crate) const HOLD: &str = "tagwright.dev/hold";

/// The annotation that releases a policy.
pub(crate) const RELEASE: &str = "tagwright.dev/release";

/// The annotation that lets a policy select what is too young.
pub(crate) const RELEASE_NOW: &str = "tagwright.dev/release-now";

/// The annotation that tells why an automation is suspended; nobody but people goes by it.
pub(crate) const SUSPENDED: &str = "tagwright.dev/suspended";

/// The annotation that freezes an object.
pub(crate) const FREEZE: &str = "tagwright.dev/freeze";

/// When that ends by itself.
pub(crate) const FREEZE_UNTIL: &str = "tagwright.dev/freeze-until";

/// The annotation that lets an object be written although it is frozen.
pub(crate) const BREAK_GLASS: &str = "tagwright.dev/break-glass";

/// When that ends.
pub(crate) const BREAK_GLASS_UNTIL: &str = "tagwright.dev/break-glass-until";

/// How much of a reason is kept, in characters; each has at most four bytes.
const MAX_REASON: usize = MAX_REASON_BYTES / 4;

/// What an annotation says of a freeze, or of an exception.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    reason: String,
    /// As it stands there.
    until: Option<String>,
}

impl Said {
    fn of(object: Option<&Object>, (reason, until): (&str, &str)) -> Option<Self> {
        let annotations = &object?.annotations;
        let text = |name: &str| annotations.get(name).map(|text| text.trim().to_owned());
        Some(Self {
            reason: words::one_line(&text(reason)?, MAX_REASON),
            until: text(until).filter(|until| !until.is_empty()),
        })
    }

    fn end(&self) -> Option<Result<Timestamp, jiff::Error>> {
        self.until.as_deref().map(str::parse)
    }
}

/// Freezes what an object's annotations say, or freezes it no longer; the same for exceptions.
pub(super) fn freeze(handle: &Handle, news: &News) {
    let Some(selector) = selector(&news.id) else { return };
    let kept = |names: (&str, &str), keep: fn(&Handle, &Selector, Option<&Said>) -> Result<bool, Refused>| {
        let (before, now) = (Said::of(news.before.as_deref(), names), Said::of(news.now.as_deref(), names));
        if news.before.is_some() && before == now {
            return;
        }
        match keep(handle, &selector, now.as_ref()) {
            Ok(true) => drop(handle.look_at(&selector)),
            Ok(false) => {}
            Err(error) => tracing::error!(subject = %selector, %error, "an order cannot be kept"),
        }
    };
    kept((FREEZE, FREEZE_UNTIL), keep_freeze);
    kept((BREAK_GLASS, BREAK_GLASS_UNTIL), keep_exception);
}

/// What orders about freezes on an object are about.
fn selector((what, key): &Id) -> Option<Selector> {
    let name = ObjectName { namespace: key.namespace.clone(), name: key.name.clone() };
    match what {
        What::Policy => Some(Selector::Policy(name)),
        What::Automation | What::Native => Some(Selector::Automation(name)),
        _ => None,
    }
}

/// Keeps whether something is frozen; returns whether that is another than it was.
fn keep_freeze(handle: &Handle, selector: &Selector, said: Option<&Said>) -> Result<bool, Refused> {
    let (store, now) = (handle.store(), Timestamp::now());
    let calendar = handle.calendar();
    let given = Given { by: "", calendar: &calendar, now };
    let freezes = store.switches()?.freezes;
    let kept = freezes.frozen.get(selector).filter(|order| order.is_at(now));
    // An end that cannot be read is none: nothing is written too early.
    let until = said.and_then(|said| match said.end()? {
        Ok(until) => Some(until),
        Err(error) => {
            tracing::error!(subject = %selector, %error, "{FREEZE_UNTIL} is not a time, so the freeze has no end");
            None
        }
    });
    let wanted = said.filter(|_| until.is_none_or(|until| now < until));
    let selectors = vec![selector.to_string()];
    match (wanted, kept) {
        (None, None) => return Ok(false),
        (Some(said), Some(order))
            if order.until == until && order.reason.as_deref().unwrap_or_default() == said.reason =>
        {
            return Ok(false);
        }
        (Some(said), _) => {
            let wish = Freeze { selectors, until, reason: Some(said.reason.clone()) };
            freeze::freeze(store, &wish, given)?;
            tracing::info!(subject = %selector, reason = said.reason, "frozen");
        }
        (None, Some(_)) => {
            freeze::unfreeze(store, &Unfreeze { selectors, ..Unfreeze::default() }, given)?;
            tracing::info!(subject = %selector, "no longer frozen");
        }
    }
    Ok(true)
}

/// Keeps an exception to freezes; returns whether that is another than it was. One that is taken back ends at once.
fn keep_exception(handle: &Handle, selector: &Selector, said: Option<&Said>) -> Result<bool, Refused> {
    let (store, now) = (handle.store(), Timestamp::now());
    let calendar = handle.calendar();
    let given = Given { by: "", calendar: &calendar, now };
    let freezes = store.switches()?.freezes;
    let kept = freezes.exceptions.get(selector).filter(|order| order.is_at(now));
    let Some(said) = said else {
        if kept.is_some() {
            store.change_freezes(now, |freezes| freezes.exceptions.remove(selector))?;
        }
        return Ok(kept.is_some());
    };
    let Some(Ok(until)) = said.end() else {
        tracing::error!(subject = %selector, "{BREAK_GLASS} takes {BREAK_GLASS_UNTIL} with a time, and is not obeyed without");
        return Ok(false);
    };
    if until <= now || kept.is_some_and(|order| order.until == Some(until)) {
        return Ok(false);
    }
    let (selectors, reason) = (vec![selector.to_string()], Some(said.reason.clone()));
    let wish = Unfreeze { selectors, break_glass: true, until: Some(until), reason, ..Unfreeze::default() };
    freeze::unfreeze(store, &wish, given)?;
    tracing::warn!(subject = %selector, reason = said.reason, "the glass is broken");
    Ok(true)
}

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

/// Lets what was there be selected before it is old enough, as an object's annotation says, or no longer.
pub(super) fn hurry(handle: &Handle, news: &News) {
    let of = |object: Option<&Object>| object?.annotations.get(RELEASE_NOW).map(|text| text.trim().to_owned());
    let (before, now) = (of(news.before.as_deref()), of(news.now.as_deref()));
    if news.before.is_some() && before == now {
        return;
    }
    let Some(object) = news.now.as_deref().or(news.before.as_deref()) else { return };
    let wanted = now.as_deref().and_then(|text| {
        let order = hurried(text, Timestamp::now());
        if order.is_none() {
            tracing::error!(
                text,
                "{RELEASE_NOW} takes a time that is past, a blank and the reason, and is not obeyed otherwise"
            );
        }
        order
    });
    for policy in policies(&news.id, object) {
        match keep_hurried(handle.store(), &policy.marker(), wanted.as_ref()) {
            Ok(true) => drop(handle.trigger(&Trigger::Policy(policy))),
            Ok(false) => {}
            Err(error) => tracing::error!(policy.name = policy.marker(), %error, "an order cannot be kept"),
        }
    }
}

/// The time and the reason of an order to hurry. It stays on the object, so that one without a time would be given anew by every process.
fn hurried(text: &str, now: Timestamp) -> Option<(Timestamp, String)> {
    let (time, reason) = text.split_once(' ')?;
    let time: Timestamp = time.parse().ok()?;
    let reason = words::one_line(reason.trim(), MAX_REASON);
    (time <= now && !reason.is_empty()).then_some((time, reason))
}

/// Keeps whether a policy is hurried; returns whether that is another than it was.
fn keep_hurried(store: &Store, policy: &str, wanted: Option<&(Timestamp, String)>) -> Result<bool, Error> {
    let switches = store.switches()?;
    let kept = switches.hurried.get(policy).map(|switch| (switch.since, switch.reason.as_deref().unwrap_or_default()));
    match wanted {
        // Most never were, and nothing is to be written down for each of thousands that are new.
        None if kept.is_none() => Ok(false),
        None => store.unhurry(policy),
        // Times are kept to the millisecond.
        Some((time, reason)) if kept.is_some_and(|kept| kept.0.as_second() == time.as_second() && kept.1 == reason) => {
            Ok(false)
        }
        Some((time, reason)) => {
            tracing::info!(policy.name = policy, reason, "hurried");
            store.hurry(policy, Some(reason), *time).map(|()| true)
        }
    }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::store::Opened;

    /// Thousands of policies are new at a start, and the disk would be waited for as often.
    #[test]
    fn who_was_never_hurried_is_not_written_down() {
        let folder = tempfile::tempdir().unwrap();
        let Opened::Ready { store, .. } = Store::open(folder.path()) else { panic!("no store") };
        let files = || {
            let files = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path());
            let mut files: Vec<_> = files.map(|path| (std::fs::read(&path).unwrap_or_default(), path)).collect();
            files.sort();
            files
        };
        let order = (Timestamp::UNIX_EPOCH, "fixes it".to_owned());
        let keep = |wanted| keep_hurried(&store, "shop:app", wanted).unwrap();
        let before = files();
        assert!(!keep(None));
        assert!(before == files(), "something was written");
        assert!(keep(Some(&order)) && !keep(Some(&order)));
        assert!(before != files());
        assert!(keep(None) && !keep(None));
    }

    #[test]
    fn an_order_to_hurry_has_a_time_and_a_reason() {
        let now: Timestamp = "2026-11-27T12:00:00Z".parse().unwrap_or_default();
        let check = |text: &str, expect: Option<&str>| {
            let reason = hurried(text, now).map(|(_, reason)| reason);
            assert_eq!(reason.as_deref(), expect, "{text:?}");
        };
        check("2026-11-27T11:00:00Z fixes CVE-2026-1234", Some("fixes CVE-2026-1234"));
        check("2026-11-27T12:00:00Z   x", Some("x"));
        for wrong in
            ["", "now", "fixes it", "2026-11-27T11:00:00Z", "2026-11-27T11:00:00Z ", "2027-01-01T00:00:00Z later"]
        {
            check(wrong, None);
        }
    }
}
