//! Tries an edit on a file: would the second parser confirm it, and what would change?
//!
//! The tags written are samples, the ones in use with their last number counted up, so that they look like the next
//! ones.

use std::collections::BTreeMap;

use image::{Digest, Reference, Repository, Tag};

use super::scope::Scope;
use super::text::MarkedText;
use super::{Checked, Finding};
use crate::automation::DigestReflection;
use crate::change::Code;
use crate::edit::{self, Selection, Selections, value};
use crate::marker::Marker;

/// A tag where none is in use.
pub(super) const TAG: &str = "1.0.1";

/// A repository where no policy gives one.
const REPOSITORY: &str = "registry.example.com/image";

/// A digest of the right shape.
pub(super) const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Reports an edit that would be refused; remembers what would change.
pub(super) fn edit(marked: &MarkedText<'_>, scope: Option<&Scope<'_>>, checked: &mut Checked) {
    let scan = &marked.file.scan;
    if scan.markers.is_empty() {
        return;
    }
    let edited = edit::apply(&marked.file.bytes, scan, &selections(&scan.markers, scope));
    for refusal in edited.diagnostics.iter().filter(|diagnostic| diagnostic.code == Code::EditRefused) {
        let at = scan.markers.iter().find(|it| (it.line, it.column) == (refusal.line, refusal.column));
        let location = at.map_or_else(Default::default, |marker| marked.value(marker));
        let finding = Finding::new(Code::EditRefused, location, refusal.message.clone());
        checked.findings.push(finding.hint("write the document in a simpler way, and please report it"));
    }
    let Some(scope) = scope else { return };
    for automation in &scope.automations {
        for change in &edited.changes {
            if !checked.usage.wants_sample(&automation.id) {
                break;
            }
            let known = automation.policies.iter().find(|policy| policy.id.marker() == change.policy());
            let Some(policy) = known else { continue };
            let images = BTreeMap::from([(policy.id.marker(), change.new.clone())]);
            let mut change = change.clone();
            change.file.clone_from(&marked.file.path);
            checked.usage.sample(&automation.id, change, &images);
        }
    }
}

/// A sample for each policy that the markers name and that is in scope.
fn selections(markers: &[Marker], scope: Option<&Scope<'_>>) -> Selections {
    let mut samples: BTreeMap<&str, Reference> = BTreeMap::new();
    let mut current: BTreeMap<&str, String> = BTreeMap::new();
    for marker in markers {
        if let Some(tag) = tag(marker) {
            current.entry(marker.policy()).or_insert(tag);
        }
    }
    for marker in markers {
        if samples.contains_key(marker.policy()) {
            continue;
        }
        let (repository, digest) = match scope.map(|scope| scope.policy(marker.policy())) {
            None => (Repository::parse(REPOSITORY).ok(), true),
            Some(None) => continue,
            Some(Some(policy)) => (Some(policy.repository.image.clone()), policy.digest != DigestReflection::Never),
        };
        if let Some(repository) = repository {
            let digest = if digest { Digest::parse(DIGEST).ok() } else { None };
            let tag = current.get(marker.policy()).and_then(|tag| next(tag)).or_else(|| Tag::parse(TAG).ok());
            samples.insert(marker.policy(), Reference { repository, tag, digest });
        }
    }
    samples.into_iter().map(|(policy, reference)| (policy, Selection::Selected(reference))).collect()
}

/// The tag that a field has.
fn tag(marker: &Marker) -> Option<String> {
    let current = value::current(marker).ok()?;
    current.tag.map(|tag| tag.as_str().to_owned())
}

/// A tag with its last number counted up.
fn next(tag: &str) -> Option<Tag> {
    let end = tag.rfind(|c: char| c.is_ascii_digit())? + 1;
    let start = tag[..end].trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let number: u64 = tag[start..end].parse().ok()?;
    let number = number.checked_add(1)?;
    let width = end - start;
    Tag::parse(&format!("{}{number:0width$}{}", &tag[..start], &tag[end..])).ok()
}

#[cfg(test)]
mod tests {
    use super::next;

    #[test]
    fn the_last_number_is_counted_up() {
        let check = |tag: &str, expect: Option<&str>| {
            assert_eq!(next(tag).as_ref().map(|tag| tag.as_str()), expect, "{tag}");
        };
        check("1.2.3", Some("1.2.4"));
        check("v09", Some("v10"));
        check("main-5ae91c3-1656569909", Some("main-5ae91c3-1656569910"));
        check("1.2.3-alpine", Some("1.2.4-alpine"));
        check("007", Some("008"));
        check("latest", None);
        check("99999999999999999999", None);
        check("é1", None);
    }
}
