//! Writes selections into marked fields: only the bytes of the scalars change, and every edit is verified.
//!
//! ```
//! use tagwright::edit::{self, Selection, Selections};
//! use tagwright::{image::Reference, marker};
//!
//! let text = b"image: ghcr.io/org/app:1.0   # {\"$imagepolicy\": \"default:app\"}\n";
//! let mut selections = Selections::new();
//! selections.insert("default:app", Selection::Selected(Reference::parse("ghcr.io/org/app:1.1")?));
//!
//! let edited = edit::apply(text, &marker::scan(text), &selections);
//! assert_eq!(edited.bytes.as_deref(), Some(&b"image: ghcr.io/org/app:1.1   # {\"$imagepolicy\": \"default:app\"}\n"[..]));
//! assert_eq!((edited.changes[0].old.as_str(), edited.changes[0].line), ("ghcr.io/org/app:1.0", 1));
//! # Ok::<(), tagwright::image::Error>(())
//! ```

use std::collections::BTreeMap;

use crate::change::{Change, Code, Diagnostic};
use crate::edit::patch::Patch;
use crate::edit::value::Absent;
use crate::edit::verify::{Expected, Refusal};
use crate::image::Reference;
use crate::marker::{self, Marker, Scan};

mod advice;
#[cfg(test)]
mod cases;
mod patch;
mod quote;
mod value;
pub(crate) mod verify;

/// What a policy came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// The reference to write; it should have a tag.
    Selected(Reference),
    /// Nothing was selected, and why; the fields stay as they are.
    NoSelection(String),
}

/// The policies in scope, by `namespace:name`. A marker that names another policy sets nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selections(BTreeMap<String, Selection>);

impl Selections {
    /// No policies at all.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a policy, `namespace:name`, or replaces what it came to.
    pub fn insert(&mut self, policy: impl Into<String>, selection: Selection) {
        self.0.insert(policy.into(), selection);
    }

    /// What a policy came to; `None` if it is not in scope.
    #[must_use]
    pub fn get(&self, policy: &str) -> Option<&Selection> {
        self.0.get(policy)
    }

    /// All policies in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Selection)> {
        self.0.iter().map(|(policy, selection)| (policy.as_str(), selection))
    }
}

impl<P: Into<String>> FromIterator<(P, Selection)> for Selections {
    fn from_iter<I: IntoIterator<Item = (P, Selection)>>(selections: I) -> Self {
        Self(selections.into_iter().map(|(policy, selection)| (policy.into(), selection)).collect())
    }
}

/// What [`apply`] made of one file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edited {
    /// The whole new file; `None` if nothing changes.
    pub bytes: Option<Vec<u8>>,
    /// The fields that have another value now, in the order of the text; `file` is empty.
    pub changes: Vec<Change>,
    /// The markers that were passed over, in the order of the text; `file` is empty. Those of the scan are not repeated.
    pub diagnostics: Vec<Diagnostic>,
}

/// One field that is to have another value.
struct Edit<'s> {
    marker: &'s Marker,
    value: String,
}

/// Gives the marked fields of a file the values that the selections ask for.
///
/// `scan` must be of these very bytes. A field changes if and only if its decoded value differs. The result is verified
/// with a second parser and by scanning it again; if anything but the marked values would change, the file is left alone
/// and a diagnostic says why.
#[must_use]
pub fn apply(bytes: &[u8], scan: &Scan, selections: &Selections) -> Edited {
    let mut edited = Edited::default();
    let edits = edits(scan, selections, &mut edited.diagnostics);
    if edits.is_empty() {
        return edited;
    }
    match write(bytes, scan, &edits) {
        Ok(text) => {
            edited.bytes = Some(text.into_bytes());
            edited.changes = changes(scan, &edits);
        }
        Err(refusal) => {
            let message = format!("the file is left alone, because its edit could not be verified: {refusal}");
            edited.diagnostics.push(diagnostic(edits[0].marker, Code::EditRefused, message));
        }
    }
    edited
}

/// The fields to change; what stands in the way of the others goes to `diagnostics`.
fn edits<'s>(scan: &'s Scan, selections: &Selections, diagnostics: &mut Vec<Diagnostic>) -> Vec<Edit<'s>> {
    let mut advice = advice::Advice::new(selections);
    let mut edits = Vec::new();
    for marker in &scan.markers {
        let (code, message) = match selections.get(marker.policy()) {
            None => (Code::UnknownPolicy, advice.unknown(marker).to_owned()),
            Some(Selection::NoSelection(reason)) => {
                (Code::NoSelection, format!("policy {:?} has no selection: {reason}", marker.policy()))
            }
            Some(Selection::Selected(reference)) => match value::of(marker, reference) {
                Ok(value) => {
                    if value != marker.value {
                        edits.push(Edit { marker, value });
                    }
                    continue;
                }
                Err(Absent::Tag) => (Code::NoSelection, format!("policy {:?} has no tag", marker.policy())),
                Err(Absent::Digest) => {
                    let message =
                        format!("the selection of policy {:?} has no digest; the field stays", marker.policy());
                    (Code::NoDigest, message)
                }
            },
        };
        diagnostics.push(diagnostic(marker, code, message));
    }
    edits
}

fn diagnostic(marker: &Marker, code: Code, message: String) -> Diagnostic {
    Diagnostic { file: String::new(), line: marker.line, column: marker.column, code, message }
}

fn write(bytes: &[u8], scan: &Scan, edits: &[Edit<'_>]) -> Result<String, Refusal> {
    let old = std::str::from_utf8(bytes).map_err(|_| Refusal::Lost)?;
    let mut patches = Vec::with_capacity(edits.len());
    for edit in edits {
        patch::push(&mut patches, old, edit.marker, &edit.value);
    }
    let new = patch::apply(old, &patches);
    verify_documents(old, &new, scan, edits, &patches)?;
    verify_markers(&new, scan, edits)?;
    Ok(new)
}

/// Lets the second parser look at each edited document.
fn verify_documents(old: &str, new: &str, scan: &Scan, edits: &[Edit<'_>], patches: &[Patch]) -> Result<(), Refusal> {
    let mut patches = patches.iter().peekable();
    let mut growth = 0_isize;
    for edits in edits.chunk_by(|a, b| a.marker.site.document == b.marker.site.document) {
        let span = &scan.documents[edits[0].marker.site.document].span;
        let start = span.start.saturating_add_signed(growth);
        while let Some(patch) = patches.next_if(|patch| patch.span.start < span.end) {
            growth += patch.text.len().cast_signed() - patch.span.len().cast_signed();
        }
        let end = span.end.saturating_add_signed(growth);
        let expected: Vec<Expected<'_>> = edits.iter().map(expected).collect();
        verify::verify(&old[span.clone()], new.get(start..end).ok_or(Refusal::Lost)?, &expected)?;
    }
    Ok(())
}

fn expected<'e>(edit: &'e Edit<'_>) -> Expected<'e> {
    let Edit { marker, value } = edit;
    let untagged = patch::removes_tag(marker, value);
    Expected { ordinal: marker.site.ordinal, old: &marker.value, new: value, untagged }
}

/// Checks that the new text has the same markers, with the new values: editing twice is editing once.
fn verify_markers(new: &str, scan: &Scan, edits: &[Edit<'_>]) -> Result<(), Refusal> {
    let again = marker::scan(new.as_bytes());
    if again.markers.len() != scan.markers.len() {
        return Err(Refusal::Lost);
    }
    let mut edits = edits.iter().peekable();
    for (old, new) in scan.markers.iter().zip(&again.markers) {
        let edit = edits.next_if(|edit| std::ptr::eq(edit.marker, old));
        let value = edit.map_or(&old.value, |edit| &edit.value);
        if new.setter != old.setter || new.value != *value {
            return Err(Refusal::Lost);
        }
    }
    Ok(())
}

fn changes(scan: &Scan, edits: &[Edit<'_>]) -> Vec<Change> {
    let mut changes = Vec::with_capacity(edits.len());
    for edits in edits.chunk_by(|a, b| a.marker.site.document == b.marker.site.document) {
        let edited: BTreeMap<usize, &str> =
            edits.iter().map(|edit| (edit.marker.site.ordinal, edit.value.as_str())).collect();
        for Edit { marker, value } in edits {
            let object = &scan.documents[marker.site.document].objects[marker.site.object];
            changes.push(Change {
                file: String::new(),
                line: marker.line,
                object: object.identity(|ordinal| edited.get(&ordinal).copied()),
                old: marker.value.clone(),
                new: value.clone(),
                setter: marker.setter.clone(),
            });
        }
    }
    changes
}
