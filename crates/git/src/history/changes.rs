//! What one commit has otherwise than another one: each file with its mode and its content.

use std::collections::BTreeMap;

use super::compare::Trees;
use crate::error::Error;
use crate::id::{CommitId, ObjectId};
use crate::object;
use crate::snapshot::blob;
use crate::store::Store;
use crate::tree::{self, Class, Entry};

/// The most paths that are told, and the most folders that are compared.
const MAX_PATHS: usize = 1_000;

/// A path at which a commit has something else than another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// From the root, with `/` between folders.
    pub path: String,
    /// What is there; none where nothing is any more.
    pub now: Option<Content>,
}

/// A file, or a symbolic link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Its mode, as six octal digits.
    pub mode: String,
    /// What is in it, or where it leads.
    pub bytes: Vec<u8>,
}

/// What the commit `new` has otherwise than `old`; none where that are too many paths or more than `limit` bytes, or something that is
/// neither a file nor a link.
pub(crate) fn changes(store: &Store, old: CommitId, new: CommitId, limit: usize) -> Result<Option<Vec<Change>>, Error> {
    let odb = store.odb()?;
    let mut trees = Trees::new(store, &odb);
    let tree_of = |id| Ok::<_, Error>(Some(object::commit(store, &odb, id)?.tree));
    let mut folders = vec![(String::new(), tree_of(old)?, tree_of(new)?)];
    let (mut found, mut left, mut compared) = (Vec::new(), limit, 0);
    while let Some((folder, old, new)) = folders.pop() {
        compared += 1;
        if compared > MAX_PATHS || found.len() > MAX_PATHS {
            return Ok(None);
        }
        let (old, new) = (trees.read(old)?, trees.read(new)?);
        let mut both: BTreeMap<&[u8], (Option<Entry<'_>>, Option<Entry<'_>>)> = BTreeMap::new();
        for entry in tree::entries(&old, trees.format).flatten() {
            both.entry(entry.name).or_default().0 = Some(entry);
        }
        for entry in tree::entries(&new, trees.format).flatten() {
            both.entry(entry.name).or_default().1 = Some(entry);
        }
        for (name, (was, is)) in both.into_iter().filter(|(_, (was, is))| was != is) {
            let Ok(name) = std::str::from_utf8(name) else { return Ok(None) };
            let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
            let sides = [folder_of(was), folder_of(is)];
            let now = match is.map(|entry| (entry.class(), entry)) {
                Some((Class::File | Class::Link, entry)) => {
                    let bytes = blob(&odb, entry.id, left).map_err(|source| store.damaged(source))?;
                    let Some(bytes) = bytes else { return Ok(None) };
                    left -= bytes.len();
                    Some(Content { mode: String::from_utf8_lossy(entry.mode).into_owned(), bytes })
                }
                Some((Class::Other, _)) => return Ok(None),
                Some((Class::Folder, _)) | None => None,
            };
            if now.is_some() || was.is_some_and(|was| was.class() != Class::Folder) {
                found.push(Change { path: path.clone(), now });
            }
            if sides.iter().any(Option::is_some) {
                folders.push((path, sides[0], sides[1]));
            }
        }
    }
    Ok(Some(found))
}

fn folder_of(entry: Option<Entry<'_>>) -> Option<ObjectId> {
    entry.filter(|entry| entry.class() == Class::Folder).map(|entry| entry.id)
}
