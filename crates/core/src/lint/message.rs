//! Tries the commit message of an automation on a sample.

use std::collections::BTreeMap;

use super::Finding;
use super::usage::Sample;
use crate::automation::{Automation, Element, Origins};
use crate::change::{Change, Code, ObjectIdentity};
use crate::message::{self, Facts};

/// Reports a message that fails on what the automation may change, or on an invented change.
pub(super) fn check(automation: &Automation, sample: Option<&Sample>, origins: &Origins) -> Option<Finding> {
    let invented;
    let sample = match sample {
        Some(sample) => sample,
        None => {
            invented = invent(automation)?;
            &invented
        }
    };
    let facts = Facts {
        automation_namespace: &automation.id.namespace,
        automation_name: &automation.id.name,
        group: "",
        values: &automation.commit.values,
        changes: &sample.changes,
        images: &sample.images,
        differences: &BTreeMap::new(),
    };
    let error = message::render(&automation.commit.message, &facts).err()?;
    let location = origins.of(Element::Message(automation.id.clone(), error.line()));
    let message = format!("the commit message of automation {} fails on a sample change: {error}", automation.id);
    let advice = message::advice(&error).map(|advice| format!("{advice}; "));
    let advice = advice.unwrap_or_default();
    let hint = format!(
        "{advice}docs/reference/commit-messages.md lists what a message sees; `tagwright message` tries it out"
    );
    Some(Finding::new(Code::MessageFails, location, message).hint(hint))
}

/// A change of the first policy; none when there is no policy, and so never a commit.
fn invent(automation: &Automation) -> Option<Sample> {
    let policy = automation.policies.first()?;
    let image = policy.repository.image.name();
    let change = Change {
        file: "deployment.yaml".to_owned(),
        line: 1,
        object: ObjectIdentity {
            api_version: "apps/v1".to_owned(),
            kind: "Deployment".to_owned(),
            name: policy.id.name.clone(),
            namespace: policy.id.namespace.clone(),
        },
        old: format!("{image}:1.0.0"),
        new: format!("{image}:1.0.1"),
        setter: policy.id.marker(),
    };
    let images = BTreeMap::from([(change.setter.clone(), change.new.clone())]);
    Some(Sample { changes: vec![change], images })
}
