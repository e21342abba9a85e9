//! Orders: what is written to an object, and what is said of it.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Found, People};
use crate::cluster::orders::{HOLD, RELEASE, RELEASE_NOW, SUSPENDED};
use crate::failure::Result;
use crate::wire::request::{Obeyed, Order};

impl People {
    /// Writes an order to an object. Ordered twice is as good as once.
    ///
    /// # Errors
    /// It may not be written, or the server does not answer.
    pub(crate) async fn order(&self, order: Order, found: &Found, reason: Option<&str>) -> Result<Obeyed> {
        let (patch, obeyed) = obey(order, found, reason, Timestamp::now());
        if let Some(patch) = patch {
            self.patch(found, &patch).await?;
        }
        Ok(obeyed)
    }
}

/// The patch that carries an order out, none where there is nothing to do, and what is to be said.
fn obey(order: Order, found: &Found, reason: Option<&str>, now: Timestamp) -> (Option<Value>, Obeyed) {
    let annotations = &found.object.annotations;
    let said = |annotation: &str| annotations.get(annotation).map(|text| text.trim());
    // Said again without another reason, it is no other order.
    let same = |annotation: &str| reason.is_none_or(|reason| said(annotation).unwrap_or_default() == reason);
    let (was_held, was_suspended) = (said(HOLD).is_some(), found.is_suspended());
    let (patch, changed) = match order {
        Order::Hold if was_held && same(HOLD) => (None, false),
        Order::Hold => (Some(annotate(&[(HOLD, Some(reason.unwrap_or_default()))])), true),
        // Whoever obeys a release takes it off; each one is another, so that one that waits counts until now, too.
        Order::Release => (Some(annotate(&[(HOLD, None), (RELEASE, Some(&now.to_string()))])), true),
        Order::Hurry => {
            let text = format!("{now:.0} {}", reason.unwrap_or_default());
            (Some(annotate(&[(RELEASE_NOW, Some(&text))])), true)
        }
        Order::Suspend if was_suspended && same(SUSPENDED) => (None, false),
        Order::Suspend => (Some(suspend(true, reason)), true),
        // A reason may be left when somebody else has resumed it.
        Order::Resume if !was_suspended && said(SUSPENDED).is_none() => (None, false),
        Order::Resume => (Some(suspend(false, None)), was_suspended),
    };
    let was_held = order.is_for_policies() && was_held;
    (patch, Obeyed { order, name: found.what.written(&found.name()), changed, was_held })
}

/// Sets annotations, and takes off those without a text.
pub(super) fn annotate(annotations: &[(&str, Option<&str>)]) -> Value {
    let fields: Map<String, Value> =
        annotations.iter().map(|(name, text)| ((*name).to_owned(), text.map_or(Value::Null, Value::from))).collect();
    json!({"metadata": {"annotations": fields}})
}

fn suspend(suspend: bool, reason: Option<&str>) -> Value {
    let mut patch = annotate(&[(SUSPENDED, reason)]);
    patch["spec"] = json!({"suspend": suspend});
    patch
}

#[cfg(test)]
mod tests {
    use kubernetes::{Key, Object};

    use super::*;
    use crate::cluster::what::What;

    fn found(what: What, annotations: &[(&str, &str)], spec: &str) -> Found {
        let key = Key { namespace: "shop".to_owned(), name: "web".to_owned() };
        let object = Object {
            annotations: annotations.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect(),
            spec: spec.into(),
            ..crate::cluster::what::object(what, key, &Value::Null)
        };
        Found { what, object }
    }

    /// What is written, whether something changes, and whether it was held.
    fn check(order: Order, found: &Found, reason: Option<&str>, expect: (Value, bool, bool)) {
        let (patch, obeyed) = obey(order, found, reason, Timestamp::UNIX_EPOCH);
        assert_eq!((patch.unwrap_or_default(), obeyed.changed, obeyed.was_held), expect, "{order:?} {found:?}");
    }

    #[test]
    fn a_hold_is_an_annotation_with_its_reason() {
        let held = |reason: &str| json!({"metadata": {"annotations": {HOLD: reason}}});
        let free = found(What::Policy, &[], "{}");
        check(Order::Hold, &free, Some("broken"), (held("broken"), true, false));
        check(Order::Hold, &free, None, (held(""), true, false));
        let broken = found(What::Policy, &[(HOLD, " broken ")], "{}");
        check(Order::Hold, &broken, None, (Value::Null, false, true));
        check(Order::Hold, &broken, Some("broken"), (Value::Null, false, true));
        check(Order::Hold, &broken, Some("worse"), (held("worse"), true, true));
        let silent = found(What::Policy, &[(HOLD, "")], "{}");
        check(Order::Hold, &silent, None, (Value::Null, false, true));
    }

    #[test]
    fn a_release_ends_the_hold_and_is_always_something_new() {
        let patch = json!({"metadata": {"annotations": {HOLD: null, RELEASE: "1970-01-01T00:00:00Z"}}});
        check(Order::Release, &found(What::Policy, &[(HOLD, "")], "{}"), None, (patch.clone(), true, true));
        check(Order::Release, &found(What::Native, &[], "{}"), None, (patch, true, false));
    }

    #[test]
    fn a_hurry_has_its_time_and_its_reason() {
        let text = "1970-01-01T00:00:00Z fixes CVE-2026-1234";
        let patch = json!({"metadata": {"annotations": {RELEASE_NOW: text}}});
        let reason = Some("fixes CVE-2026-1234");
        check(Order::Hurry, &found(What::Policy, &[], "{}"), reason, (patch, true, false));
    }

    #[test]
    fn a_suspension_is_a_field_and_says_why() {
        let patch =
            |on: bool, why: Value| json!({"metadata": {"annotations": {SUSPENDED: why}}, "spec": {"suspend": on}});
        let runs = found(What::Automation, &[], r#"{"suspend":false}"#);
        check(Order::Suspend, &runs, Some("moving"), (patch(true, json!("moving")), true, false));
        check(Order::Suspend, &runs, None, (patch(true, json!(null)), true, false));
        check(Order::Resume, &runs, None, (Value::Null, false, false));
        let stands = found(What::Native, &[(SUSPENDED, "moving")], r#"{"suspend":true}"#);
        check(Order::Suspend, &stands, None, (Value::Null, false, false));
        check(Order::Suspend, &stands, Some("the fair"), (patch(true, json!("the fair")), true, false));
        check(Order::Resume, &stands, None, (patch(false, json!(null)), true, false));
        // Resumed by somebody who knows nothing of the reason.
        let resumed = found(What::Automation, &[(SUSPENDED, "moving")], "{}");
        check(Order::Resume, &resumed, None, (patch(false, json!(null)), false, false));
        check(Order::Suspend, &resumed, None, (patch(true, json!(null)), true, false));
    }

    #[test]
    fn names_are_written_as_the_kinds_are() {
        let written = |what| obey(Order::Hold, &found(what, &[], "{}"), None, Timestamp::UNIX_EPOCH).1.name;
        assert_eq!([What::Policy, What::Native].map(written), ["shop:web", "shop/web"]);
    }
}
