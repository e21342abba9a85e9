//! Writes selections into marked fields: only the bytes of the scalars change, and every edit is verified.
//!
//! ```
//! use tagwright_core::edit::{self, Selection, Selections};
//! use tagwright_core::marker;
//! use image::Reference;
//!
//! let text = b"image: ghcr.io/org/app:1.0   # {\"$imagepolicy\": \"default:app\"}\n";
//! let mut selections = Selections::new();
//! selections.insert("default:app", Selection::Selected(Reference::parse("ghcr.io/org/app:1.1")?));
//!
//! let edited = edit::apply(text, &marker::scan(text), &selections);
//! assert_eq!(edited.bytes.as_deref(), Some(&b"image: ghcr.io/org/app:1.1   # {\"$imagepolicy\": \"default:app\"}\n"[..]));
//! assert_eq!((edited.changes[0].old.as_str(), edited.changes[0].line), ("ghcr.io/org/app:1.0", 1));
//! # Ok::<(), image::Error>(())
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use image::{Digest, Reference};
use yamlspan::patch::{self, Patch};
use yamlspan::verify::{self, Expected, Refusal};

use crate::change::{Change, Code, Diagnostic};
use crate::edit::kept::Kept;
use crate::edit::piece::{EmbeddedEdit, Piece};
use crate::marker::{self, Field, Marker, Scan};

pub(crate) mod advice;
pub(crate) mod frame;
pub(crate) mod kept;
mod piece;
pub(crate) mod pin;
#[cfg(test)]
mod tests;
pub(crate) mod value;
pub(crate) mod variables;

pub use advice::meant;

/// The outcome of a policy, as the editor needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// The reference to write; it should have a tag.
    Selected(Reference),
    /// Nothing was selected, and why; the fields stay as they are.
    NoSelection(String),
    /// What it selects is not known, since its registry gave no answer or is not to be asked. The fields stay as they are, and
    /// the reason is told once, of the policy.
    Open,
    /// The policy is another automation's; its fields stay as they are, which is nothing to report.
    Elsewhere,
}

/// The policies in scope, by `namespace:name`. A marker that names another policy sets nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selections {
    own: BTreeMap<String, Selection>,
    /// Names of policies that are [`Selection::Elsewhere`], unless they are own. Automations of one remote share them.
    elsewhere: Arc<BTreeSet<String>>,
    /// Which tag a digest belongs to that stands in a file without one, as far as it was asked for.
    behind: BTreeMap<String, TagsBehind>,
}

/// The tags to which digests belong.
pub type TagsBehind = BTreeMap<Digest, String>;

impl Selections {
    /// No policies at all.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// No policies but those of other automations.
    #[must_use]
    pub fn among(elsewhere: Arc<BTreeSet<String>>) -> Self {
        Self { own: BTreeMap::new(), elsewhere, behind: BTreeMap::new() }
    }

    /// Adds a policy, `namespace:name`, or replaces what it came to.
    pub fn insert(&mut self, policy: impl Into<String>, selection: Selection) {
        self.own.insert(policy.into(), selection);
    }

    /// Keeps which tags digests belong to that fields of a policy have, where these say no tag.
    pub fn tell_tags(&mut self, policy: impl Into<String>, behind: TagsBehind) {
        if !behind.is_empty() {
            self.behind.insert(policy.into(), behind);
        }
    }

    /// The tag that a digest belongs to, if that was asked for.
    #[must_use]
    pub fn tag_behind(&self, policy: &str, digest: &Digest) -> Option<&str> {
        self.behind.get(policy)?.get(digest).map(String::as_str)
    }

    /// The outcome of a policy; `None` if it is not in scope.
    #[must_use]
    pub fn get(&self, policy: &str) -> Option<&Selection> {
        self.own.get(policy).or_else(|| self.elsewhere.contains(policy).then_some(&Selection::Elsewhere))
    }

    /// All policies: those that came to something in the order of their names, then those of other automations.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Selection)> {
        let others = self.elsewhere.iter().filter(|policy| !self.own.contains_key(*policy));
        let others = others.map(|policy| (policy.as_str(), &Selection::Elsewhere));
        self.own().chain(others)
    }

    /// The policies that came to something, in the order of their names.
    pub fn own(&self) -> impl Iterator<Item = (&str, &Selection)> {
        self.own.iter().map(|(policy, selection)| (policy.as_str(), selection))
    }
}

impl<P: Into<String>> FromIterator<(P, Selection)> for Selections {
    fn from_iter<I: IntoIterator<Item = (P, Selection)>>(selections: I) -> Self {
        let own = selections.into_iter().map(|(policy, selection)| (policy.into(), selection)).collect();
        Self { own, ..Self::default() }
    }
}

/// The outcome of [`apply`] for one file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edited {
    /// The whole new file; `None` if nothing changes.
    pub bytes: Option<Vec<u8>>,
    /// The fields that have another value now, in the order of the text; `file` is empty.
    pub changes: Vec<Change>,
    /// For each change, the index of its marker in the scan.
    pub changed: Vec<usize>,
    /// The fields that were to be left alone and would have another value: the indices of their markers, and the values.
    pub held: Vec<(usize, String)>,
    /// The fields that stay because they are pinned to a digest, which the selection lacks: the indices of their markers, and
    /// the values without it.
    pub pinned: Vec<(usize, String)>,
    /// The markers that were passed over, in the order of the text; `file` is empty. Those of the scan are not
    /// repeated.
    pub diagnostics: Vec<Diagnostic>,
}

/// Gives the marked fields of a file the values that the selections ask for.
///
/// `scan` must be of these very bytes, otherwise nothing changes. A field changes if and only if its decoded value
/// differs. The result is verified with a second parser and, where lines were joined or a tag was removed, by scanning
/// it again; if anything but the marked values would change, the file is left alone and a diagnostic says why.
#[must_use]
pub fn apply(bytes: &[u8], scan: &Scan, selections: &Selections) -> Edited {
    apply_unless(bytes, scan, selections, |_| false)
}

/// As [`apply`], and leaves fields alone, by the index of their marker in the scan.
#[must_use]
pub fn apply_unless(bytes: &[u8], scan: &Scan, selections: &Selections, is_held: impl Fn(usize) -> bool) -> Edited {
    let mut edited = Edited::default();
    let mut fields = fields(scan, selections, &mut edited);
    for (index, field) in fields.iter_mut().enumerate().filter(|(index, _)| is_held(*index)) {
        edited.held.extend(field.new.take().map(|new| (index, new)));
    }
    let Some(first) = fields.iter().find(|field| field.new.is_some()) else { return edited };
    match write(bytes, scan, &fields) {
        Ok(text) => {
            edited.bytes = Some(text.into_bytes());
            edited.changes = changes(scan, &fields);
            edited.changed =
                (0..).zip(&fields).filter(|(_, field)| field.new.is_some()).map(|(index, _)| index).collect();
        }
        Err(refusal) => {
            let message = format!("the file is left alone, because its edit could not be verified: {refusal}");
            edited.diagnostics.push(diagnostic(first.marker, Code::EditRefused, message));
        }
    }
    edited
}

/// A marked field and the value it is to have, if that is another one.
struct MarkedField<'s> {
    marker: &'s Marker,
    new: Option<String>,
}

impl MarkedField<'_> {
    fn value(&self) -> &str {
        self.new.as_deref().unwrap_or(&self.marker.value)
    }
}

/// All marked fields; why some are passed over goes to `edited`.
fn fields<'s>(scan: &'s Scan, selections: &Selections, edited: &mut Edited) -> Vec<MarkedField<'s>> {
    let mut advice = advice::Advice::new(selections);
    let wanted: Vec<Result<String, Passed>> =
        scan.markers.iter().map(|marker| new_value(marker, selections, &mut advice)).collect();
    let stuck = stuck(scan, &wanted);
    let mut field = |(index, (marker, wanted)): (usize, (&'s Marker, Result<String, Passed>))| {
        let beside = stuck.get(&Parts::of(marker)).filter(|_| marker.field != Field::Image);
        // Two tags in one mapping are of two images.
        let beside = beside.and_then(|parts| parts.iter().find(|(field, _)| *field != marker.field));
        let (new, passed) = match (wanted, beside) {
            (Ok(value), _) if value == marker.value => (None, None),
            (Ok(_), Some((_, kept))) => (None, Some((kept.code(), kept.beside(marker.policy())))),
            (Ok(value), None) => (Some(value), None),
            (Err(Passed::Silent), _) => (None, None),
            (Err(Passed::With(code, message)), _) => (None, Some((code, message))),
            (Err(Passed::Kept(kept)), _) => {
                let passed = (kept.code(), kept.sentence(marker.policy()));
                if let Kept::Pinned(wanted) = kept {
                    edited.pinned.push((index, wanted));
                }
                (None, Some(passed))
            }
        };
        edited.diagnostics.extend(passed.map(|(code, message)| diagnostic(marker, code, message)));
        MarkedField { marker, new }
    };
    scan.markers.iter().zip(wanted).enumerate().map(&mut field).collect()
}

/// What makes two fields parts of one image: the mapping that both are in, and their policy.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Parts<'s> {
    document: usize,
    embedded: Option<usize>,
    mapping: Option<usize>,
    policy: &'s str,
}

impl<'s> Parts<'s> {
    fn of(marker: &'s Marker) -> Self {
        let scalar = &marker.scalar;
        let (document, embedded, mapping) = (scalar.document, scalar.embedded, scalar.mapping);
        Self { document, embedded, mapping, policy: marker.policy() }
    }
}

/// The images of which a part cannot be written, so that the others have to stay, too: a tag without the digest that belongs
/// to it would run something else than it says. A digest that has no tag beside it is taken for that of every tag of its
/// policy in the file.
fn stuck<'s>(scan: &'s Scan, wanted: &[Result<String, Passed>]) -> BTreeMap<Parts<'s>, Vec<(Field, Kept)>> {
    let mut stuck: BTreeMap<_, Vec<_>> = BTreeMap::new();
    let tags: BTreeSet<Parts<'s>> =
        scan.markers.iter().filter(|marker| marker.field == Field::Tag).map(Parts::of).collect();
    let mut without_tag: BTreeMap<&str, Kept> = BTreeMap::new();
    for (marker, wanted) in scan.markers.iter().zip(wanted).filter(|(marker, _)| marker.field != Field::Image) {
        let Err(Passed::Kept(kept)) = wanted else { continue };
        if !kept.holds_others(marker) {
            continue;
        }
        let parts = Parts::of(marker);
        if marker.field == Field::Digest && !tags.contains(&parts) {
            without_tag.entry(marker.policy()).or_insert_with(|| kept.clone());
        }
        // One of each kind is enough, however many there are.
        let kinds = stuck.entry(parts).or_default();
        if kinds.iter().all(|(field, _)| *field != marker.field) {
            kinds.push((marker.field, kept.clone()));
        }
    }
    for tag in tags {
        let kept = without_tag.get(tag.policy).map(|kept| (Field::Digest, kept.clone()));
        stuck.entry(tag).or_default().extend(kept);
    }
    stuck
}

/// Why a marker is passed over.
enum Passed {
    /// It is another automation's, or what its policy selects is not known.
    Silent,
    /// With this finding.
    With(Code, String),
    /// Its value cannot be what is selected.
    Kept(Kept),
}

fn new_value(marker: &Marker, selections: &Selections, advice: &mut advice::Advice<'_>) -> Result<String, Passed> {
    let policy = marker.policy();
    match selections.get(policy) {
        None => Err(Passed::With(Code::UnknownPolicy, advice.unknown(marker).to_owned())),
        Some(Selection::Elsewhere | Selection::Open) => Err(Passed::Silent),
        Some(Selection::NoSelection(reason)) => {
            Err(Passed::With(Code::NoSelection, format!("policy {policy:?} has no selection: {reason}")))
        }
        Some(Selection::Selected(reference)) => value::of(marker, reference).map_err(Passed::Kept),
    }
}

fn diagnostic(marker: &Marker, code: Code, message: String) -> Diagnostic {
    Diagnostic { file: String::new(), line: marker.line, column: marker.column, code, message }
}

/// The new text, verified.
fn write(bytes: &[u8], scan: &Scan, fields: &[MarkedField<'_>]) -> Result<String, Refusal> {
    let old = std::str::from_utf8(bytes).ok().filter(|old| is_of(scan, old)).ok_or(Refusal::OtherText)?;
    let (_, new, in_line) = rewrite(old, scan, fields)?;
    if !in_line {
        verify_markers(&new, scan, fields)?;
    }
    Ok(new)
}

/// The patches of a file or of embedded YAML, the new text, its documents verified, and whether every value stays within
/// its line.
fn rewrite(old: &str, scan: &Scan, fields: &[MarkedField<'_>]) -> Result<(Vec<Patch>, String, bool), Refusal> {
    let mut patches = Vec::with_capacity(fields.len());
    let mut in_line = true;
    let mut pieces = Vec::with_capacity(fields.len());
    for chunk in fields
        .chunk_by(|a, b| a.marker.scalar.embedded.is_some() && a.marker.scalar.embedded == b.marker.scalar.embedded)
    {
        let piece = match chunk[0].marker.scalar.embedded {
            Some(block) => Piece::Block(EmbeddedEdit::of(&scan.blocks[block], chunk)?),
            None => Piece::Field(&chunk[0]),
        };
        match &piece {
            Piece::Field(MarkedField { new: None, .. }) => {}
            Piece::Field(MarkedField { marker, new: Some(value) }) => {
                in_line &= patch::stays_in_line(old, &marker.slot(), value);
                patch::push(&mut patches, old, &marker.slot(), value);
            }
            Piece::Block(edit) => {
                in_line &= edit.in_line;
                patches.extend_from_slice(&edit.patches);
            }
        }
        pieces.push(piece);
    }
    if patches.iter().any(|patch| old.get(patch.span.clone()).is_none()) {
        return Err(Refusal::OtherText);
    }
    let new = patch::apply(old, &patches);
    verify_documents(old, &new, scan, &pieces, &patches)?;
    Ok((patches, new, in_line))
}

/// Whether a scan can be of a text: all its spans are slices of it.
fn is_of(scan: &Scan, text: &str) -> bool {
    let of_marker = |marker: &Marker| {
        let tag = marker.scalar.tag.as_ref().map(|tag| &tag.span);
        let mut spans = [Some(&marker.span), marker.scalar.header.as_ref(), tag].into_iter().flatten();
        spans.all(|span| text.get(span.clone()).is_some())
    };
    scan.documents.iter().all(|document| text.get(document.span.clone()).is_some())
        && scan.markers.iter().all(of_marker)
}

/// Lets the second parser look at each edited document.
fn verify_documents(
    old: &str,
    new: &str,
    scan: &Scan,
    pieces: &[Piece<'_, '_>],
    patches: &[Patch],
) -> Result<(), Refusal> {
    let mut patches = patches.iter().peekable();
    let mut growth = 0_isize;
    for pieces in pieces.chunk_by(|a, b| a.document() == b.document()) {
        let document = &scan.documents[pieces[0].document()];
        let start = document.span.start.saturating_add_signed(growth);
        while let Some(patch) = patches.next_if(|patch| patch.span.start < document.span.end) {
            growth += patch.text.len().cast_signed() - patch.span.len().cast_signed();
        }
        let end = document.span.end.saturating_add_signed(growth);
        if pieces.iter().any(Piece::changes) {
            let (old, new) = (&old[document.span.clone()], new.get(start..end).ok_or(Refusal::Lost)?);
            let expected: Vec<Expected<'_>> = pieces.iter().map(Piece::expected).collect();
            verify::verify(old, new, document.fingerprint, &expected)?;
        }
    }
    Ok(())
}

/// Checks that the new text has the same markers, with the new values: editing twice is editing once.
///
/// Only an edit that joins lines or removes a tag can move a comment from one scalar to another.
fn verify_markers(new: &str, scan: &Scan, fields: &[MarkedField<'_>]) -> Result<(), Refusal> {
    let marking = marker::Marking { embedded: scan.embedded, targets: Arc::clone(&scan.targets) };
    let again = marker::scan_with(new.as_bytes(), marking).markers;
    let same = |(field, marker): (&MarkedField<'_>, &Marker)| {
        marker.setter == field.marker.setter && marker.value == field.value()
    };
    if again.len() == fields.len() && fields.iter().zip(&again).all(same) { Ok(()) } else { Err(Refusal::Lost) }
}

fn changes(scan: &Scan, fields: &[MarkedField<'_>]) -> Vec<Change> {
    let mut changes = Vec::new();
    for fields in fields.chunk_by(|a, b| a.marker.scalar.document == b.marker.scalar.document) {
        let own = fields.iter().filter(|field| field.marker.scalar.embedded.is_none());
        let values: BTreeMap<usize, &str> = own.map(|field| (field.marker.scalar.ordinal, field.value())).collect();
        for MarkedField { marker, new } in fields {
            let Some(new) = new else { continue };
            let object = &scan.documents[marker.scalar.document].objects[marker.scalar.object];
            changes.push(Change {
                file: String::new(),
                line: marker.line,
                object: object.identity(|ordinal| values.get(&ordinal).copied()),
                old: marker.value.clone(),
                new: new.clone(),
                setter: marker.setter.clone(),
            });
        }
    }
    changes
}
