//! What one automation would do, as a value: the edits, the changes and the message of one commit.
//!
//! Pure: markers and selections go in, a [`Plan`] comes out. A plan with no edits means that nothing is to be done.

mod guards;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gotext::template;
use image::{Digest, Reference, Repository, Tag};

use crate::automation::Automation;
use crate::change::{Change, Code, Diagnostic};
use crate::difference::Differences;
use crate::edit::{self, Selection, Selections, TagsBehind, value};
use crate::group::Group;
use crate::guard::{self, Held, Hold};
use crate::marker::{self, Embedded, Field, Marker, Marking, Scan};
use crate::message::{self, Facts};
use crate::proposal::{Content, Proposal};

pub use self::guards::{FieldId, Guards};

/// A file of the repository that mentions the marker's token. Cheap to clone.
#[derive(Debug, Clone)]
pub struct MarkedFile {
    /// The path from the root of the repository, with `/` between folders.
    pub path: String,
    /// The file as it is in the repository.
    pub bytes: Arc<[u8]>,
    /// The markers in them, found by [`marker::scan`].
    pub scan: Arc<Scan>,
}

impl MarkedFile {
    /// Scans the bytes of a file; markers in embedded YAML count where an object asks for it.
    #[must_use]
    pub fn new(path: String, bytes: Vec<u8>) -> Self {
        Self::with(path, bytes, Embedded::Annotated)
    }

    /// Scans the bytes of a file, with a say in what counts as marked.
    #[must_use]
    pub fn with(path: String, bytes: impl Into<Arc<[u8]>>, marking: impl Into<Marking>) -> Self {
        let bytes = bytes.into();
        let scan = marker::scan_with(&bytes, marking);
        Self { path, bytes, scan: scan.into() }
    }

    /// The same content at another path.
    #[must_use]
    pub fn at(&self, path: String) -> Self {
        Self { path, ..self.clone() }
    }
}

/// One file with its new content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEdit {
    /// The path from the root of the repository.
    pub path: String,
    /// The whole file as it was.
    pub old: Vec<u8>,
    /// The whole file as it will be.
    pub new: Vec<u8>,
    /// The changes in this file; `file` is the path from the root.
    pub changes: Vec<Change>,
    /// For each change, the index of its marker in the file's scan.
    pub changed: Vec<usize>,
}

/// The edits to make, and what was noticed on the way.
#[derive(Debug, Default)]
pub struct Plan {
    /// The files to write, by path.
    pub edits: Vec<FileEdit>,
    /// The fields that would have a better value, and keep theirs; by path, in the order of the text.
    pub holds: Vec<Held>,
    /// Findings in files that mention a marker, by path.
    pub diagnostics: Vec<Diagnostic>,
}

impl Plan {
    /// Every change, in the order of files and documents.
    pub fn changes(&self) -> impl Iterator<Item = &Change> {
        self.edits.iter().flat_map(|edit| &edit.changes)
    }
}

/// Plans the edits of marked files, whatever they are; their order in the plan is that of their paths.
#[must_use]
pub fn edits<'f>(files: impl IntoIterator<Item = &'f MarkedFile>, selections: &Selections) -> Plan {
    guarded(files, selections, &Guards::default())
}

/// As [`edits`], and leaves alone what a guard holds.
#[must_use]
pub fn guarded<'f>(
    files: impl IntoIterator<Item = &'f MarkedFile>,
    selections: &Selections,
    guards: &Guards<'_>,
) -> Plan {
    let mut files: Vec<&MarkedFile> = files.into_iter().collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let policies = guards.by_name();
    let mut plan = Plan::default();
    for file in files {
        let mut holds = guards.of(file, selections, &policies);
        let edited = edit::apply_unless(&file.bytes, &file.scan, selections, |index| holds.contains_key(&index));
        let backwards = |(index, _): &(usize, String)| matches!(holds.get(index), Some(Hold::Downgrade { .. }));
        // What is pinned and would go backwards besides is held, too.
        let pinned: Vec<_> = edited.pinned.into_iter().filter(backwards).collect();
        let mut kept: Vec<_> = edited.held.into_iter().chain(pinned).collect();
        kept.sort_by_key(|(index, _)| *index);
        plan.holds.extend(kept.into_iter().filter_map(|(index, wanted)| {
            let hold = holds.remove(&index).filter(|hold| !matches!(hold, Hold::Equal { .. }))?;
            Some(held(&file.path, &file.scan.markers[index], wanted, hold))
        }));
        let named = |mut diagnostic: Diagnostic| {
            diagnostic.file.clone_from(&file.path);
            diagnostic
        };
        plan.diagnostics.extend(file.scan.diagnostics.iter().cloned().chain(edited.diagnostics).map(named));
        if let Some(new) = edited.bytes {
            let changes =
                edited.changes.into_iter().map(|change| Change { file: file.path.clone(), ..change }).collect();
            let (old, changed) = (file.bytes.to_vec(), edited.changed);
            plan.edits.push(FileEdit { path: file.path.clone(), old, new, changes, changed });
        }
    }
    plan.diagnostics.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    plan
}

fn held(path: &str, marker: &Marker, wanted: String, hold: Hold) -> Held {
    let (setter, current) = (marker.setter.clone(), marker.value.clone());
    Held { file: path.to_owned(), line: marker.line, setter, current, wanted, hold }
}

/// The share of one automation in a commit.
#[derive(Debug, Clone, Copy)]
pub struct Contribution<'p> {
    /// The automation, whose folder, template and values count.
    pub automation: &'p Automation,
    /// Which of its changes they are, where that is not all.
    pub group: Option<&'p Group>,
    /// Its edits.
    pub edits: &'p [FileEdit],
    /// The selections of its policies.
    pub selections: &'p Selections,
    /// What changed between images, as far as it was asked for.
    pub differences: &'p Differences,
}

/// Renders the message of a commit with at least one change. One that several automations share has the template, the
/// namespace and the name of the first, the changes of all, and the trailers of each, then the sign-off of the author.
///
/// Templates see file names relative to the automation's base folder, as Flux shows them relative to `update.path`.
///
/// A template that exceeds a limit on the changes of one automation is no failure: the message says so instead.
///
/// # Errors
/// The template failed on these changes.
pub fn message(first: Contribution<'_>, others: &[Contribution<'_>]) -> Result<String, template::RenderError> {
    let all = || std::iter::once(&first).chain(others);
    let changes: Vec<Change> = all().flat_map(Contribution::changes).collect();
    let images = all().flat_map(|it| selected_images(it.selections)).collect();
    let differences: Differences =
        all().flat_map(|it| it.differences).map(|(key, it)| (key.clone(), it.clone())).collect();
    let text = match message::render(&first.automation.commit.message, &first.facts(&changes, &images, &differences)) {
        Ok(text) => text,
        Err(error) if others.is_empty() && error.is_limit() => message::in_place_of(&error),
        Err(error) => return Err(error),
    };
    let commit = &first.automation.commit;
    let text = match commit.trailers {
        false => text,
        true => {
            let changes: Vec<Vec<Change>> = all().map(|it| it.changes().collect()).collect();
            let facts = all().zip(&changes).map(|(it, changes)| it.facts(changes, &images, &differences));
            message::with_trailers_of_each(&text, facts)
        }
    };
    // Automations that share a commit have one author.
    Ok(if commit.signed_off { message::with_sign_off(&text, &commit.author) } else { text })
}

impl<'p> Contribution<'p> {
    fn changes(&self) -> impl Iterator<Item = Change> + use<'p> {
        let base = &self.automation.base;
        let change = |change: &'p Change| Change { file: relative(base, &change.file), ..change.clone() };
        self.edits.iter().flat_map(|edit| &edit.changes).map(change)
    }

    fn facts<'f>(
        &self,
        changes: &'f [Change],
        images: &'f BTreeMap<String, String>,
        differences: &'f Differences,
    ) -> Facts<'f>
    where
        'p: 'f,
    {
        Facts {
            automation_namespace: &self.automation.id.namespace,
            automation_name: &self.automation.id.name,
            group: self.group.map_or("", |group| &group.name),
            values: &self.automation.commit.values,
            changes,
            images,
            differences,
        }
    }
}

/// Makes of what an automation would commit, with this message, what it proposes to a branch.
///
/// # Errors
/// A template of the automation failed on these changes.
pub fn proposal(of: Contribution<'_>, base: &str, message: &str) -> Result<Proposal, template::RenderError> {
    let changes: Vec<Change> = of.changes().collect();
    let images = selected_images(of.selections);
    Proposal::of(Content {
        automation: of.automation,
        group: of.group,
        base,
        message,
        changes: &changes,
        images: &images,
        differences: of.differences,
    })
}

/// Returns `namespace:policy` with the full reference selected, for policies that selected one.
fn selected_images(selections: &Selections) -> BTreeMap<String, String> {
    let selected = |(name, selection): (&str, &Selection)| match selection {
        Selection::Selected(reference) => Some((name.to_owned(), reference.to_string())),
        Selection::NoSelection(_) | Selection::Open | Selection::Elsewhere => None,
    };
    selections.own().filter_map(selected).collect()
}

/// The path below `base`; a path that **is** the base gives its last part.
fn relative(base: &str, path: &str) -> String {
    if base.is_empty() {
        return path.to_owned();
    }
    match path.strip_prefix(base) {
        Some("") => path.rsplit('/').next().unwrap_or(path).to_owned(),
        Some(rest) => rest.strip_prefix('/').unwrap_or(path).to_owned(),
        None => path.to_owned(),
    }
}

/// Returns the selection of a policy for fields in these files: of tags that rank equal the one in use, so that other fields go
/// where it is and not past it. Where several are in use, the selected one comes first, then the byte-greatest.
///
/// `as_good` are the listed tags that rank equal to the selected one ([`crate::policy::Policy::as_good_as`]), and `behind` the tags of
/// digests that stand in files without one ([`bare_digests`]).
#[must_use]
pub fn in_use<'f>(
    files: impl IntoIterator<Item = &'f MarkedFile>,
    policy: &str,
    selected: &Reference,
    as_good: &[String],
    behind: &TagsBehind,
) -> Reference {
    if as_good.is_empty() {
        return selected.clone();
    }
    let markers = files.into_iter().flat_map(|file| &file.scan.markers).filter(|marker| marker.policy() == policy);
    let tags = markers.filter_map(|marker| guard::tag_of(marker, &marker.value, &selected.repository));
    let tags = tags.chain(behind.values().cloned());
    let rank = |tag: &String| match selected.tag.as_ref().is_some_and(|selected| selected.as_str() == tag) {
        true => Some(usize::MAX),
        false => as_good.iter().rev().position(|equal| equal == tag),
    };
    let best = tags.filter_map(|tag| Some((rank(&tag)?, tag))).max();
    match best.and_then(|(rank, tag)| Tag::parse(&tag).ok().filter(|_| rank < usize::MAX)) {
        Some(tag) => Reference { repository: selected.repository.clone(), tag: Some(tag), digest: None },
        None => selected.clone(),
    }
}

/// Returns the digests in fields of a policy, in files where these say no tag.
#[must_use]
pub fn bare_digests(files: &[MarkedFile], policy: &str, repository: &Repository) -> BTreeSet<Digest> {
    guard::bare_digests(files.iter().map(|file| &*file.scan), policy, repository)
}

/// Returns the digest that marked fields already hold for a selected tag, if they agree on one, and say that tag somewhere.
///
/// This is what `digestReflectionPolicy: IfNotPresent` keeps without a store: a field `name:tag@digest` with the selected
/// tag, or fields `tag` and `digest`, or `tag@digest`, of one policy in one file where every tag is the selected one.
#[must_use]
pub fn held_digest<'f>(
    files: impl IntoIterator<Item = &'f MarkedFile>,
    policy: &str,
    selected: &Reference,
) -> Option<Digest> {
    let (mut digests, mut says_the_tag) = (BTreeSet::new(), false);
    for file in files {
        let mut tags_agree = true;
        let mut separate = BTreeSet::new();
        for marker in file.scan.markers.iter().filter(|marker| marker.policy() == policy) {
            let held = value::read(marker, &marker.value, Some(&selected.repository)).unwrap_or_default();
            match marker.field {
                Field::Image => match held.repository {
                    Some(repository)
                        if held.tag == selected.tag && value::is_same(&repository, &selected.repository) =>
                    {
                        digests.insert(held.digest?);
                        says_the_tag = true;
                    }
                    _ => return None,
                },
                Field::Digest => {
                    separate.insert(held.digest?);
                }
                Field::Tag => {
                    tags_agree &= held.tag == selected.tag;
                    says_the_tag |= held.tag == selected.tag;
                    separate.extend(held.digest);
                }
                Field::Name => {}
            }
        }
        if !separate.is_empty() {
            if !tags_agree {
                return None;
            }
            digests.extend(separate);
        }
    }
    if digests.len() == 1 && says_the_tag { digests.into_iter().next() } else { None }
}

/// A finding about a path of the automation, not about a place in a file.
#[must_use]
pub fn about_path(path: &str, code: Code, message: &str) -> Diagnostic {
    Diagnostic { file: path.to_owned(), line: 0, column: 0, code, message: message.to_owned() }
}
