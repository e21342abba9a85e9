//! What is wrong with policies and automations, once all files have been seen.

use std::collections::BTreeSet;

use super::{Finding, Rules, Usage, View, message};
use crate::automation::{Automation, Element, ImagePolicy, ObjectName};
use crate::change::Code;
use crate::moves;
use crate::policy::Order;

/// From how many tags on it is no accident that a policy can choose none of them.
const MIN_SHOWN: usize = 2;

/// How many tags a message repeats.
const MAX_LISTED: usize = 3;

/// Checks policies and automations; `usage` is what all files of all their repositories use, `missing` the paths that
/// do not exist, and `seen` the automations whose repository was read, with how much of it.
#[must_use]
pub fn configuration(
    rules: &Rules<'_>,
    usage: &Usage,
    missing: &[(ObjectName, String)],
    seen: impl Fn(&ObjectName) -> Option<View>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for policy in rules.policies {
        findings.extend(unused(rules, policy, usage, missing, &seen));
        findings.extend(nothing_matches(rules, policy, usage));
        findings.extend(moved(rules, policy));
    }
    for automation in rules.automations.iter().filter(|automation| seen(&automation.id).is_some()) {
        for (_, path) in missing.iter().filter(|(id, _)| *id == automation.id) {
            findings.push(super::path_missing(rules, &automation.id, path, usage));
        }
        if seen(&automation.id) == Some(View::Whole) {
            findings.extend(nothing_marked(rules, automation, usage, missing));
        }
        findings.extend(message::check(automation, usage.samples.get(&automation.id), rules.origins));
    }
    findings.sort_by(|a, b| (&a.location.file, super::key(a)).cmp(&(&b.location.file, super::key(b))));
    findings
}

/// An image repository that is known to have moved gets no new images.
fn moved(rules: &Rules<'_>, policy: &ImagePolicy) -> Option<Finding> {
    let location = rules.origins.of(Element::Policy(policy.id.clone()));
    let sentence = moves::moved(&policy.repository.image)?;
    Some(
        Finding::new(Code::MovedRepository, location, sentence)
            .hint("follow the new one, and change the image in the files"),
    )
}

fn unused(
    rules: &Rules<'_>,
    policy: &ImagePolicy,
    usage: &Usage,
    missing: &[(ObjectName, String)],
    seen: &impl Fn(&ObjectName) -> Option<View>,
) -> Option<Finding> {
    let name = policy.id.marker();
    if usage.policies.contains_key(&name) {
        return None;
    }
    let location = rules.origins.of(Element::Policy(policy.id.clone()));
    let finding = |message: String| Finding::new(Code::UnusedPolicy, location.clone(), message);
    if rules.automations.is_empty() {
        return Some(finding(format!("no marker names policy {name:?}")));
    }
    let applies = |automation: &&Automation| automation.policies.iter().any(|it| it.id == policy.id);
    let automations: Vec<&Automation> = rules.automations.iter().map(|it| &**it).filter(applies).collect();
    if automations.is_empty() {
        let hint = "an automation of Flux applies the policies of its own namespace that its `policySelector` matches";
        return Some(finding(format!("no automation applies policy {name:?}")).hint(hint));
    }
    // Its markers may be where a path was meant to lead.
    let lacks_path = |automation: &&Automation| missing.iter().any(|(id, _)| *id == automation.id);
    let is_seen = |automation: &&Automation| seen(&automation.id) == Some(View::Whole);
    if !automations.iter().all(is_seen) || automations.iter().any(lacks_path) {
        return None;
    }
    let image = policy.repository.image.name();
    let hint = format!("put `# {{\"$imagepolicy\": \"{name}\"}}` behind the image {image}, or remove the policy");
    Some(finding(format!("no marker names policy {name:?}")).hint(hint))
}

/// A range that is empty, or a policy that can choose nothing of what is in use.
fn nothing_matches(rules: &Rules<'_>, policy: &ImagePolicy, usage: &Usage) -> Option<Finding> {
    let name = policy.id.marker();
    let location = || rules.origins.of(Element::Order(policy.id.clone()));
    if let Order::Semver(range) = &policy.policy.order
        && range.sample().is_none()
    {
        let message = format!("policy {name:?} can never select anything: no version is in the range '{range}'");
        let hint = "comparisons in a row must all hold; `||` stands between alternatives";
        return Some(Finding::new(Code::NothingMatches, location(), message).hint(hint));
    }
    let shown = usage.policies.get(&name)?;
    if shown.len() < MIN_SHOWN || shown.values().any(|chosen| *chosen) {
        return None;
    }
    let listed: BTreeSet<&str> = shown.keys().map(String::as_str).take(MAX_LISTED).collect();
    let listed: Vec<String> = listed.iter().map(|tag| format!("{tag:?}")).collect();
    let more = if shown.len() > MAX_LISTED { ", …" } else { "" };
    let message = format!(
        "policy {name:?} could choose none of the {} tags that its fields have: {}{more}",
        shown.len(),
        listed.join(", ")
    );
    let hint = "try it with `tagwright select --explain` and these tags";
    Some(Finding::new(Code::NothingMatches, location(), message).hint(hint))
}

/// The paths of an automation that exist and hold no marker.
fn nothing_marked(
    rules: &Rules<'_>,
    automation: &Automation,
    usage: &Usage,
    missing: &[(ObjectName, String)],
) -> Vec<Finding> {
    let id = &automation.id;
    let whole = [String::new()];
    let paths = if automation.paths.is_empty() { &whole[..] } else { &automation.paths };
    let is_bare = |path: &&String| {
        let key = (id.clone(), (*path).clone());
        !usage.marked.contains(&key) && !missing.contains(&key)
    };
    let hint = "put markers behind the images, as `tagwright mark` does";
    let finding = |path: &String| {
        let location = rules.origins.of(Element::Path(id.clone(), path.clone()));
        let message = match path.as_str() {
            "" => format!("no file that automation {id} reads has a marker"),
            path => format!("no file below the path {path:?} of automation {id} has a marker"),
        };
        Finding::new(Code::NothingMarked, location, message).hint(hint)
    };
    paths.iter().filter(is_bare).map(finding).collect()
}
