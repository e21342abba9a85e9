//! What a submission changes in a repository.

use std::collections::{BTreeSet, HashMap};

use super::index::{Index, hash};
use super::resource::Identity;
use super::{GitSync, MAX_FILE_BYTES, Refused, Submission, read, write};
use crate::plan::FileEdit;

/// What is at a path of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// Nothing, but this path, which differs in case alone, or is a file where a folder has to be.
    Alike(String),
    /// A file.
    File(Vec<u8>),
    /// Something that is no file, or a file larger than any that is written.
    Other,
}

/// Where the files of a submission are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Paths {
    /// That of each resource, from the folder, in their order.
    pub(super) of_resources: Vec<String>,
    /// Those that have to be looked at, from the root of the repository, each once; without the list.
    pub looked_at: Vec<String>,
}

/// What a repository has of what a submission is held against.
#[derive(Debug, Clone)]
pub struct There {
    /// What is at [`GitSync::index`].
    pub list: Found,
    /// The lists of the other submitters in the folder, where something may be deleted.
    pub others: Vec<Index>,
    /// What is at each of [`Paths::looked_at`].
    pub files: HashMap<String, Found>,
}

impl There {
    /// Whether another submitter has this path from the folder in its list.
    fn is_others(&self, path: &str) -> bool {
        self.others.iter().any(|list| list.files.contains_key(path))
    }
}

/// A file that changes, and the resource in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The path from the root.
    pub path: String,
    /// The resource; none where what is deleted can no longer be read.
    pub resource: Option<Identity>,
    /// Whether somebody had changed it since it was written.
    pub edited: bool,
}

/// A file that would be deleted, and is left to somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The path from the root.
    pub path: String,
    /// Why, in a few words.
    pub reason: &'static str,
}

/// What a submission changes: nothing where there are no edits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Planned {
    /// The files with their old and new content, the list among them; what is deleted has none.
    pub edits: Vec<FileEdit>,
    /// The paths of those that are deleted.
    pub deleted: BTreeSet<String>,
    /// Files that come.
    pub created: Vec<Change>,
    /// Files that change.
    pub updated: Vec<Change>,
    /// Files that go.
    pub removed: Vec<Change>,
    /// Files that would go, and stay.
    pub kept: Vec<Kept>,
    /// How many files say the same already.
    pub unchanged: usize,
}

impl Planned {
    /// What becomes of files, in words: `2 new, 9 changed, 1 removed`; none of what there is none of.
    #[must_use]
    pub fn tally(&self) -> Vec<String> {
        let parts = [(&self.created, "new"), (&self.updated, "changed"), (&self.removed, "removed")];
        let some = parts.iter().filter(|(changes, _)| !changes.is_empty());
        some.map(|(changes, what)| format!("{} {what}", changes.len())).collect()
    }

    /// Takes in that all of it is there already, on the branch of an open pull request.
    pub fn is_there(&mut self) {
        let files = [&mut self.created, &mut self.updated, &mut self.removed];
        self.unchanged += files[0].len() + files[1].len();
        files.into_iter().for_each(Vec::clear);
        self.edits.clear();
        self.deleted.clear();
    }
}

/// Plans a submission, whose paths [`GitSync::paths`] gives.
///
/// # Errors
/// What cannot be written, or is somebody else's.
pub fn plan(sync: &GitSync, submission: &Submission, paths: &Paths, there: &There) -> Result<Planned, Refused> {
    let There { list, files: found, .. } = there;
    let paths = &paths.of_resources;
    let index = sync.list(list)?;
    let mut next = index.clone();
    let mut planned = Planned::default();
    let submitted: BTreeSet<&String> = paths.iter().collect();
    for (path, resource) in paths.iter().zip(&submission.resources) {
        let full = sync.below(path);
        let in_the_way = |reason: String| Refused::InTheWay { path: full.clone(), reason };
        let old = match found.get(&full).unwrap_or(&Found::Nothing) {
            Found::Other => return Err(in_the_way("it is no file, or a very large one".to_owned())),
            Found::Alike(other) if gives_way(sync, &submitted, &index, there, (&full, other)) => None,
            Found::Alike(other) => return Err(in_the_way(format!("{} is there", words::one_line(other, 200)))),
            Found::Nothing => None,
            Found::File(bytes) => Some(bytes),
        };
        let is_ours = index.files.contains_key(path);
        if let Some(old) = old
            && read::only(old).is_some_and(|there| there.means(&resource.node))
        {
            planned.unchanged += 1;
            if sync.adopt && !is_ours {
                next.files.insert(path.clone(), hash(old));
            }
            continue;
        }
        if old.is_some() && !is_ours && !sync.adopt {
            return Err(Refused::Foreign { path: full, id: Box::new(resource.id.clone()) });
        }
        let new = write::document(&resource.node)
            .map_err(|source| Refused::Write { id: Box::new(resource.id.clone()), source })?;
        if new.len() > MAX_FILE_BYTES {
            return Err(Refused::TooLarge { id: Box::new(resource.id.clone()), most: MAX_FILE_BYTES });
        }
        next.files.insert(path.clone(), hash(new.as_bytes()));
        let edited = old.is_some_and(|old| index.files.get(path).is_some_and(|written| hash(old) != *written));
        let change = Change { path: full.clone(), resource: Some(resource.id.clone()), edited };
        if old.is_some() {
            planned.updated.push(change)
        } else {
            planned.created.push(change)
        }
        planned.edits.push(edit(full, old.cloned().unwrap_or_default(), new.into_bytes()));
    }
    if sync.prune {
        prune(sync, &submitted, &index, there, (&mut planned, &mut next));
    }
    if next != index {
        let old = if let Found::File(bytes) = list { bytes.clone() } else { Vec::new() };
        planned.edits.push(edit(sync.index(), old, next.written(&sync.automation.id).into_bytes()));
    }
    planned.edits.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(planned)
}

impl GitSync {
    /// The list of what this submitter has written, as it was found at [`GitSync::index`].
    ///
    /// # Errors
    /// What is there is something else.
    pub fn list(&self, found: &Found) -> Result<Index, Refused> {
        match found {
            Found::Nothing => Ok(Index::default()),
            Found::File(bytes) => Index::read(bytes).ok_or_else(|| Refused::Index { path: self.index() }),
            Found::Alike(_) | Found::Other => Err(Refused::Index { path: self.index() }),
        }
    }
}

/// Whether a file that differs from another in case alone is deleted by the same commit.
fn gives_way(
    sync: &GitSync,
    submitted: &BTreeSet<&String>,
    index: &Index,
    there: &There,
    (full, other): (&str, &str),
) -> bool {
    let is_same = full.to_lowercase() == other.to_lowercase();
    let of_folder = if sync.folder.is_empty() {
        Some(other)
    } else {
        other.strip_prefix(&sync.folder).and_then(|path| path.strip_prefix('/'))
    };
    let Some(path) = of_folder.filter(|_| sync.prune && is_same).map(str::to_owned) else { return false };
    let written = index.files.get(&path);
    let is_ours = matches!(there.files.get(other), Some(Found::File(old)) if Some(&hash(old)) == written);
    is_ours && !submitted.contains(&path) && !there.is_others(&path)
}

/// Deletes what the list has and the submission has not, as it was written.
fn prune(
    sync: &GitSync,
    submitted: &BTreeSet<&String>,
    index: &Index,
    there: &There,
    (planned, next): (&mut Planned, &mut Index),
) {
    for (path, written) in index.files.iter().filter(|(path, _)| !submitted.contains(path)) {
        let full = sync.below(path);
        let mut keep = |reason| planned.kept.push(Kept { path: full.clone(), reason });
        match there.files.get(&full) {
            // Somebody has deleted it, or made another name of it.
            Some(Found::Nothing | Found::Alike(_)) => drop(next.files.remove(path)),
            Some(Found::File(_)) if there.is_others(path) => {
                next.files.remove(path);
                keep("another submitter has taken it over");
            }
            Some(Found::File(old)) if hash(old) == *written => {
                next.files.remove(path);
                let resource = read::only(old).and_then(|node| identity(&node));
                planned.removed.push(Change { path: full.clone(), resource, edited: false });
                planned.deleted.insert(full.clone());
                planned.edits.push(edit(full, old.clone(), Vec::new()));
            }
            Some(Found::File(_)) => keep("somebody has changed it since it was written"),
            Some(Found::Other) => keep("it is no file any more"),
            // The list has a path that no layout gives.
            None => keep("its path is not allowed"),
        }
    }
}

fn identity(node: &super::Node) -> Option<Identity> {
    let text = |node: Option<&super::Node>| node.and_then(|node| node.text()).map(str::to_owned);
    let metadata = node.get("metadata")?;
    Some(Identity {
        api_version: text(node.get("apiVersion"))?,
        kind: text(node.get("kind"))?,
        namespace: text(metadata.get("namespace")).unwrap_or_default(),
        name: text(metadata.get("name"))?,
    })
}

fn edit(path: String, old: Vec<u8>, new: Vec<u8>) -> FileEdit {
    FileEdit { path, old, new, changes: Vec::new(), changed: Vec::new() }
}
