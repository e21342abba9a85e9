//! Where a file was before a commit moved it.
//!
//! As `git log --follow` does: of the files that the commit took away, the one with the same content; or else the only one of
//! the same name; or else the most similar one, if at least half of its lines are the same.

use std::collections::HashSet;

use super::MAX_TOUCH_BYTES;
use super::compare::{Trees, changed, of};
use crate::error::Error;
use crate::id::{CommitId, ObjectId};
use crate::object::{self, Objects};
use crate::snapshot;
use crate::store::Store;
use crate::tree::{Class, find};

/// The most files that a commit takes away and that are looked at; of one that takes away more, nothing was moved.
const MAX_VANISHED: usize = 1_000;

/// How many of them are read.
const MAX_READ: usize = 50;

/// The most folders that are looked into.
const MAX_FOLDERS: usize = 10_000;

/// How deep folders are looked into.
const MAX_DEPTH: usize = 64;

/// A file at a path that the commit before does not have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// What it is; none if it is larger than [`MAX_TOUCH_BYTES`], or no file.
    pub content: Option<Vec<u8>>,
    /// Where it was before; none if it is new, or was too large.
    pub moved: Option<Moved>,
}

/// Where a file was before a commit moved it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The first parent of the commit.
    pub parent: CommitId,
    /// Where the file is there.
    pub path: String,
    /// What it is there.
    pub content: Vec<u8>,
}

/// Finds where a file was in the first parent of a commit that has it at `path`.
pub(crate) fn origin(store: &Store, commit: CommitId, path: &str) -> Result<Origin, Error> {
    let odb = store.odb()?;
    let damaged = |source| store.damaged(source);
    let commit = object::commit(store, &odb, commit)?;
    let mut trees = Trees::new(store, &odb);
    let Some(id) = blob(&mut trees, commit.tree, path)? else { return Ok(Origin::default()) };
    let content = snapshot::blob(&odb, id, MAX_TOUCH_BYTES).map_err(damaged)?;
    let parent = match commit.parents.first().filter(|parent| odb.exists(parent.object())) {
        Some(parent) => object::commit(store, &odb, *parent).ok(),
        None => None,
    };
    let moved = match (&content, parent) {
        (Some(content), Some(parent)) => {
            let mut vanished = Vanished::default();
            if blob(&mut trees, parent.tree, path)?.is_none() {
                vanished.collect(&mut trees, (Some(parent.tree), Some(commit.tree)), "", 0)?;
            }
            let source = source(&odb, vanished.files, path, (id, content)).map_err(damaged)?;
            source.map(|(path, content)| Moved { parent: parent.id, path, content })
        }
        _ => None,
    };
    Ok(Origin { content, moved })
}

/// The blob at a path of a tree.
pub(super) fn blob(trees: &mut Trees<'_>, tree: ObjectId, path: &str) -> Result<Option<ObjectId>, Error> {
    let mut at = tree;
    let mut components = path.split('/').filter(|component| !component.is_empty()).peekable();
    while let Some(name) = components.next() {
        let tree = trees.read(Some(at))?;
        let wanted = if components.peek().is_some() { Class::Folder } else { Class::File };
        let entry = find(&tree, trees.format, name.as_bytes()).filter(|entry| entry.class() == wanted);
        let Some(entry) = entry else { return Ok(None) };
        at = entry.id;
        if wanted == Class::File {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

/// The files that are in the old tree and not in the new one.
#[derive(Default)]
struct Vanished {
    files: Vec<(String, ObjectId)>,
    folders: usize,
}

impl Vanished {
    fn collect(
        &mut self,
        trees: &mut Trees<'_>,
        (old, new): (Option<ObjectId>, Option<ObjectId>),
        folder: &str,
        depth: usize,
    ) -> Result<(), Error> {
        self.folders += 1;
        if old == new || depth > MAX_DEPTH || self.files.len() > MAX_VANISHED || self.folders > MAX_FOLDERS {
            return Ok(());
        }
        let (old, new) = (trees.read(old)?, trees.read(new)?);
        let mut differing: Vec<_> = changed(&old, &new, trees.format).into_iter().collect();
        differing.sort_unstable_by_key(|(name, _)| *name);
        for (name, (was, is)) in differing {
            let Ok(name) = std::str::from_utf8(name) else { continue };
            let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
            if let (Some(id), None) = (of(was, Class::File), of(is, Class::File)) {
                self.files.push((path, id));
            } else if let Some(id) = of(was, Class::Folder) {
                self.collect(trees, (Some(id), of(is, Class::Folder)), &path, depth + 1)?;
            }
            if self.files.len() > MAX_VANISHED || self.folders > MAX_FOLDERS {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Chooses the file that became the one at `path`; returns where it was, and what.
fn source(
    odb: &Objects<'_>,
    vanished: Vec<(String, ObjectId)>,
    path: &str,
    (after, content): (ObjectId, &[u8]),
) -> Result<Option<(String, Vec<u8>)>, git2::Error> {
    if vanished.len() > MAX_VANISHED {
        return Ok(None);
    }
    let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let wanted = name(path);
    let (same, others): (Vec<_>, Vec<_>) = vanished.into_iter().partition(|(_, id)| *id == after);
    if let Some((path, _)) = same.iter().find(|(path, _)| name(path) == wanted).or(same.first()) {
        return Ok(Some((path.clone(), content.to_owned())));
    }
    let (named, others): (Vec<_>, Vec<_>) = others.into_iter().partition(|(path, _)| name(path) == wanted);
    if let [(path, id)] = named.as_slice() {
        return Ok(snapshot::blob(odb, *id, MAX_TOUCH_BYTES)?.map(|before| (path.clone(), before)));
    }
    let lines: HashSet<&[u8]> = content.split(|byte| *byte == b'\n').collect();
    let mut best = None;
    for (path, id) in named.into_iter().chain(others).take(MAX_READ) {
        let Some(before) = snapshot::blob(odb, id, MAX_TOUCH_BYTES)? else { continue };
        let (mut all, mut kept) = (0, 0);
        for line in before.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            all += 1;
            kept += usize::from(lines.contains(line));
        }
        if kept * 2 >= all && kept > 0 && best.as_ref().is_none_or(|(most, _)| kept > *most) {
            best = Some((kept, (path, before)));
        }
    }
    Ok(best.map(|(_, found)| found))
}
