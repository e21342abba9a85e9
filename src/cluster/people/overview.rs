//! What the objects say of policies and automations, as rows.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;
use tagwright_core::automation::ObjectName;

use super::{Found, What};
use crate::cluster::orders::HOLD;
use crate::wire::objects::{AutomationObject, Objects, PolicyObject};
use crate::wire::status::Ready;

/// The rows of objects. Images of an `ImageAutomation` are policies, too, which its own status tells of.
pub(crate) fn overview(objects: &[Found]) -> Objects {
    let mut rows = Objects::default();
    for found in objects {
        let status = found.object.status();
        match found.what {
            What::Policy => rows.policies.push(policy(found, &status)),
            What::Automation => rows.automations.push(automation(found, &status, "lastAutomationRunTime")),
            What::Native => {
                rows.policies.extend(images(found, &status));
                rows.automations.push(automation(found, &status, "lastRunTime"));
            }
            _ => {}
        }
    }
    rows.policies.sort_by(|one, other| (&one.namespace, &one.name).cmp(&(&other.namespace, &other.name)));
    rows.automations.sort_by(|one, other| (&one.namespace, &one.name).cmp(&(&other.namespace, &other.name)));
    rows
}

fn policy(found: &Found, status: &Value) -> PolicyObject {
    let ObjectName { namespace, name } = found.name();
    let latest = status.get("latestRef").unwrap_or(&Value::Null);
    let (ready, message) = ready(status);
    PolicyObject {
        namespace,
        name,
        automation: None,
        image: text(latest, "name"),
        tag: text(latest, "tag"),
        digest: text(latest, "digest"),
        ready,
        suspended: found.is_suspended(),
        held: held(found, status),
        message,
    }
}

fn images(found: &Found, status: &Value) -> Vec<PolicyObject> {
    let spec = found.object.spec();
    let images = spec.get("images").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let observed: BTreeMap<&str, &Value> = status
        .get("observedPolicies")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, image)| (name.as_str(), image))
        .collect();
    let of = found.name();
    let (ready, message) = ready(status);
    let row = |image: &Value| {
        let name = text(image, "name")?;
        let latest = observed.get(name.as_str()).copied().unwrap_or(&Value::Null);
        Some(PolicyObject {
            namespace: of.namespace.clone(),
            automation: Some(of.to_string()),
            image: text(latest, "name").or_else(|| text(image, "image")),
            tag: text(latest, "tag"),
            digest: text(latest, "digest"),
            // What was selected, was; otherwise the automation says why nothing was.
            ready: if latest.is_null() { ready } else { Ready::True },
            suspended: found.is_suspended(),
            held: None,
            message: if latest.is_null() { message.clone() } else { format!("an image of the automation {of}") },
            name,
        })
    };
    images.iter().filter_map(row).collect()
}

fn automation(found: &Found, status: &Value, last_run: &str) -> AutomationObject {
    let ObjectName { namespace, name } = found.name();
    let (ready, message) = ready(status);
    AutomationObject {
        kind: found.what.kind().name.to_owned(),
        namespace,
        name,
        last_run: text(status, last_run).and_then(|time| time.parse::<Timestamp>().ok()),
        last_commit: text(status, "lastPushCommit"),
        ready,
        suspended: found.is_suspended(),
        reason: found.why_suspended().filter(|_| found.is_suspended()).map(str::to_owned),
        held: held(found, status),
        findings: condition(status, flux::FINDINGS).and_then(|it| text(it, "message")),
        message,
    }
}

/// What keeps updates back: as whoever works on the object says, or, while there is no update to keep back, as was ordered.
fn held(found: &Found, status: &Value) -> Option<String> {
    let said = condition(status, flux::HELD).filter(|it| text(it, "status").as_deref() == Some("True"));
    let said = said.and_then(|it| text(it, "message"));
    said.or_else(|| {
        let reason = found.object.annotations.get(HOLD)?.trim();
        let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
        Some(format!("held by hand{reason}"))
    })
}

fn ready(status: &Value) -> (Ready, String) {
    let Some(condition) = condition(status, "Ready") else {
        return (Ready::Unknown, "no bot has worked on it yet".to_owned());
    };
    let ready = match text(condition, "status").as_deref() {
        Some("True") => Ready::True,
        Some("False") => Ready::False,
        _ => Ready::Unknown,
    };
    (ready, text(condition, "message").unwrap_or_default())
}

fn condition<'s>(status: &'s Value, kind: &str) -> Option<&'s Value> {
    let conditions = status.get("conditions")?.as_array()?;
    conditions.iter().find(|condition| condition.get("type").and_then(Value::as_str) == Some(kind))
}

fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}
