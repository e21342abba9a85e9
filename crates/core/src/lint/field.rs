//! What is wrong with one marked field: its policy, and the value that it has.

use image::{Digest, Reference, Repository, Tag};

use super::scope::{Scope, Scopes};
use super::text::MarkedText;
use super::{Checked, Finding};
use crate::automation::{DigestReflection, ImagePolicy};
use crate::change::Code;
use crate::edit::value;
use crate::marker::{Field, Marker};

/// Checks every marked field of a file.
pub(super) fn check(marked: &MarkedText<'_>, scope: &Scope<'_>, scopes: &mut Scopes<'_>, checked: &mut Checked) {
    for marker in &marked.file.scan.markers {
        let policy = marker.policy();
        match scope.policy(policy) {
            Some(found) => {
                checked.usage.name(policy);
                known(marked, marker, found, checked);
            }
            None => {
                let message = format!("no policy {policy:?} is in scope");
                let finding = Finding::new(Code::UnknownPolicy, marked.policy(marker), message);
                checked.findings.push(match scopes.hint(marker, scope) {
                    hint if hint.is_empty() => finding,
                    hint => finding.hint(hint),
                });
            }
        }
    }
}

fn known(marked: &MarkedText<'_>, marker: &Marker, policy: &ImagePolicy, checked: &mut Checked) {
    let name = marker.policy();
    if let Some(who) = suspended(policy) {
        let message = format!("policy {name:?} selects nothing: {who} is suspended");
        checked.findings.push(Finding::new(Code::NoSelection, marked.policy(marker), message));
    }
    if marker.field == Field::Digest && policy.digest == DigestReflection::Never {
        let message = format!("policy {name:?} gives no digest; the field stays");
        let finding = Finding::new(Code::NoDigest, marked.policy(marker), message);
        checked.findings.push(finding.hint("set `digestReflectionPolicy: IfNotPresent` in the policy"));
    }
    match read(marker) {
        Ok(None) => {}
        Ok(Some(Value { repository, tag })) => {
            let strange = repository.filter(|it| it.canonical() != policy.repository.image.canonical());
            if let Some(repository) = strange {
                checked.findings.push(other_image(marked, marker, &repository, policy));
            }
            if let Some(tag) = tag {
                let reason = refused(policy, tag.as_str());
                checked.usage.show(name, tag.as_str(), reason.is_none());
                checked.findings.extend(reason.map(|reason| never_chosen(marked, marker, tag.as_str(), &reason)));
            }
        }
        Err(noun) => {
            let message = format!("this is no {noun} that OCI allows: {:?}", marker.value);
            let finding = Finding::new(Code::InvalidReference, marked.value(marker), message);
            checked.findings.push(finding.hint("the next update writes over it"));
        }
    }
}

/// Names the suspended object that keeps a policy from selecting: the policy itself or its repository.
pub(super) fn suspended(policy: &ImagePolicy) -> Option<String> {
    if policy.suspended {
        return Some("it".to_owned());
    }
    policy.repository.suspended.then(|| format!("its image repository {}", policy.repository.id))
}

/// What a marked value says, as far as it is known.
struct Value {
    repository: Option<Repository>,
    tag: Option<Tag>,
}

/// Reads a marked value by its field, or says what it should be. An empty one says nothing, because some write it to be
/// filled in.
fn read(marker: &Marker) -> Result<Option<Value>, &'static str> {
    if marker.value.is_empty() {
        return Ok(None);
    }
    Ok(Some(match marker.field {
        Field::Image => {
            let reference = Reference::parse(&marker.value[value::kept_prefix(marker).len()..]).map_err(|_| "image")?;
            Value { repository: Some(reference.repository), tag: reference.tag }
        }
        Field::Name => {
            Value { repository: Some(Repository::parse(&marker.value).map_err(|_| "image name")?), tag: None }
        }
        Field::Tag => Value { repository: None, tag: Some(Tag::parse(&marker.value).map_err(|_| "tag")?) },
        Field::Digest => {
            Digest::parse(&marker.value).map_err(|_| "digest")?;
            return Ok(None);
        }
    }))
}

/// Why a policy would never choose a tag; none when it could.
fn refused(policy: &ImagePolicy, tag: &str) -> Option<String> {
    if let Some(pattern) = policy.repository.exclusions.iter().find(|pattern| pattern.is_match(tag)) {
        return Some(format!("excluded by the pattern '{}'", pattern.as_str()));
    }
    let evaluation = policy.policy.evaluate(&[tag]);
    evaluation.rejected.first().map(|rejection| rejection.reason.to_string())
}

fn never_chosen(marked: &MarkedText<'_>, marker: &Marker, tag: &str, reason: &str) -> Finding {
    let message = format!("policy {:?} would never choose {tag:?}: {reason}", marker.policy());
    let finding = Finding::new(Code::UnreachableValue, marked.value(marker), message);
    finding.hint("the next update leaves this tag for good; if it is right, change the policy")
}

fn other_image(marked: &MarkedText<'_>, marker: &Marker, repository: &Repository, policy: &ImagePolicy) -> Finding {
    let image = policy.repository.image.name();
    let message =
        format!("policy {:?} would never choose {:?}: its image is {image:?}", marker.policy(), repository.name());
    let finding = Finding::new(Code::UnreachableValue, marked.value(marker), message);
    finding.hint("the next update replaces the image; perhaps the marker is of another policy")
}
