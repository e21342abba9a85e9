//! What is wrong with one marked field: its policy, and the value that it has.

use image::{Digest, Reference, Repository, Tag};

use super::scope::{Scope, Scopes};
use super::text::MarkedText;
use super::{Checked, Finding};
use crate::automation::{DigestReflection, ImagePolicy};
use crate::change::Code;
use crate::edit::kept::{Kept, Seal};
use crate::edit::value::{self, Current, Unread};
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
    match read(marker, policy) {
        Ok(current) => {
            if current.pinned && marker.field != Field::Digest && !can_pin(marker, policy) {
                checked.findings.push(pinned(marked, marker));
            }
            let strange = current.repository.filter(|it| is_strange(marker, it, policy));
            // Of one that lacks `:tag` that was said.
            if let Some(repository) = strange.filter(|_| !marker.scalar.lacks_field) {
                checked.findings.push(other_image(marked, marker, &repository, policy));
            }
            if let Some(tag) = current.tag {
                let reason = refused(policy, tag.as_str());
                checked.usage.show(name, tag.as_str(), reason.is_none());
                checked.findings.extend(reason.map(|reason| never_chosen(marked, marker, tag.as_str(), &reason)));
            }
        }
        // That is said of every field, whether its policy is known or not.
        Err(Unread::Variable(_) | Unread::Sealed) => {}
        Err(Unread::Malformed) => {
            let message = format!("this is not {} that OCI allows: {:?}", with_article(marker.field), marker.value);
            let finding = Finding::new(Code::InvalidReference, marked.value(marker), message);
            let stays = sample(marker, policy).is_err();
            let what = resembles(marker.field, &marker.value).map_or_else(String::new, |what| format!("{what}; "));
            let then = if stays { "no update writes over it; write it anew" } else { "the next update writes over it" };
            checked.findings.push(finding.hint(format!("{what}{then}")));
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

/// Reads a marked value by its field. An empty one says nothing, because some write it to be filled in.
fn read(marker: &Marker, policy: &ImagePolicy) -> Result<Current, Unread> {
    if marker.value.is_empty() {
        return Ok(Current::default());
    }
    value::read(marker, &marker.value, Some(&policy.repository.image))
}

/// What a value is that cannot be what the marker sets, where that can be told.
fn resembles(field: Field, value: &str) -> Option<&'static str> {
    let behind_at = value.split_once('@').map(|(_, digest)| digest);
    let is_image = || value.contains('/') && Reference::parse(value).is_ok();
    match field {
        _ if value.contains(":sha256:") && behind_at.is_none() => Some("a digest stands behind `@`, not behind `:`"),
        Field::Digest if behind_at.is_some_and(is_digest) => {
            Some("it is an image with a digest: a marker without `:digest` sets both")
        }
        _ if behind_at.is_some_and(|digest| !is_digest(digest)) => {
            Some("what stands behind `@` is not a whole digest, `sha256:` and 64 hexadecimal digits")
        }
        Field::Name | Field::Tag if is_image() => {
            Some("it is a whole image: a marker without `:name` and `:tag` sets all of it")
        }
        Field::Digest if image::is_tag(value) => Some("it is a tag: the marker for that ends in `:tag`"),
        _ => None,
    }
}

fn is_digest(text: &str) -> bool {
    Digest::parse(text).is_ok()
}

fn with_article(field: Field) -> &'static str {
    match field {
        Field::Image => "an image",
        Field::Name => "an image name",
        Field::Tag => "a tag",
        Field::Digest => "a digest",
    }
}

/// What an update of a field to a sample would write.
fn sample(marker: &Marker, policy: &ImagePolicy) -> Result<String, Kept> {
    let digest = Digest::parse(super::trial::DIGEST).ok().filter(|_| policy.digest != DigestReflection::Never);
    let tag = Tag::parse(super::trial::TAG).ok();
    value::of(marker, &Reference { repository: policy.repository.image.clone(), tag, digest })
}

/// Whether an update of a pinned value can keep the pin.
fn can_pin(marker: &Marker, policy: &ImagePolicy) -> bool {
    !matches!(sample(marker, policy), Err(Kept::Pinned(_)))
}

fn pinned(marked: &MarkedText<'_>, marker: &Marker) -> Finding {
    let message = format!(
        "the value is pinned to a digest, and policy {:?} gives none that fits; the field stays",
        marker.policy()
    );
    let finding = Finding::new(Code::PinnedValue, marked.value(marker), message);
    finding.hint("set `digestReflectionPolicy: IfNotPresent` in the policy, or write the value without its digest")
}

/// Finds the values with a variable that has no default.
pub(super) fn variables(marked: &MarkedText<'_>) -> Vec<Finding> {
    let variable = |marker: &Marker| match value::current(marker) {
        Err(Unread::Variable(variable)) => Some(has_variable(marked, marker, &variable)),
        _ => None,
    };
    marked.file.scan.markers.iter().filter_map(variable).collect()
}

/// Finds the values that SOPS keeps from being written.
pub(super) fn sealed(marked: &MarkedText<'_>) -> Vec<Finding> {
    let sealed = |marker: &Marker| {
        let seal = Seal::of(marker)?;
        let finding = Finding::new(Code::Sealed, marked.value(marker), seal.sentence());
        Some(match seal {
            Seal::Mac => {
                finding.hint("encrypt the file with `mac_only_encrypted: true`, or move the value to a file of its own")
            }
            Seal::Value => finding.hint("leave the value out of what is encrypted, with `encrypted_regex` or the like"),
        })
    };
    marked.file.scan.markers.iter().filter_map(sealed).collect()
}

fn has_variable(marked: &MarkedText<'_>, marker: &Marker, variable: &str) -> Finding {
    let message = format!("the value has the variable {variable}, which is never written over; the field stays");
    let finding = Finding::new(Code::Variable, marked.value(marker), message);
    finding.hint("give it a default that can be updated, such as `${TAG:-1.4.2}`, or mark the value where it is set")
}

/// Whether a name is of another repository than the policy's; one that is right without the registry beside it is not.
fn is_strange(marker: &Marker, repository: &Repository, policy: &ImagePolicy) -> bool {
    let own = &policy.repository.image;
    let reference = Reference { repository: own.clone(), tag: None, digest: None };
    let stays = marker.field == Field::Name && value::of(marker, &reference).is_ok_and(|name| name == marker.value);
    !stays && !value::is_same(repository, own)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_wrong_value_is() {
        let digest = "sha256:4b6ad3a68d34da29bf7c8ccb5d355ba8b4babcad1f99798204e7abb43e54ee3d";
        for (field, value, says) in [
            (Field::Image, format!("acme/web:{digest}"), "behind `@`, not"),
            (Field::Image, "acme/web@1.2.3".to_owned(), "not a whole digest"),
            (Field::Tag, "1.2.3@sha256:abc".to_owned(), "not a whole digest"),
            (Field::Tag, "acme/web:1.2.3".to_owned(), "it is a whole image"),
            (Field::Name, "acme/web:1.2.3".to_owned(), "it is a whole image"),
            (Field::Digest, format!("acme/web@{digest}"), "an image with a digest"),
            (Field::Digest, "1.2.3".to_owned(), "it is a tag"),
        ] {
            let told = resembles(field, &value).unwrap_or_default();
            assert!(told.contains(says), "{value}: {told:?}");
        }
        for (field, value) in
            [(Field::Tag, "1.4.2+build"), (Field::Image, "ghcr.io/Acme/web:1.4.2"), (Field::Name, "A")]
        {
            assert_eq!(resembles(field, value), None, "{value}");
        }
    }
}
