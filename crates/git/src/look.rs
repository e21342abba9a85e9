//! What is at many paths of a commit, each folder read once for all of them.

use std::collections::HashMap;

use super::error::Error;
use super::id::{ObjectFormat, ObjectId};
use super::object::{self, Objects};
use super::search;
use super::snapshot::blob;
use super::store::Store;
use super::tree::{self, Class};

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum At {
    /// Nothing.
    Nothing,
    /// Nothing, but what is at this path: it differs in case alone, or is a file where the path has a folder.
    Alike(String),
    /// A file.
    File(Vec<u8>),
    /// A folder, a link, a submodule, a file that is too large, or one of several of its name.
    Other,
}

/// How many entries of folders are kept for the next paths.
const MAX_KEPT: usize = 100_000;

/// One folder: each name, and all that are the same in lower case.
struct Names {
    entries: HashMap<String, Vec<(String, Class, ObjectId)>>,
}

/// The folders that were read, and how many names they have.
#[derive(Default)]
struct Folders {
    known: HashMap<ObjectId, Names>,
    names: usize,
}

pub(super) fn look(
    store: &Store,
    root: ObjectId,
    paths: &[String],
    (limit, total): (usize, usize),
) -> Result<Vec<At>, Error> {
    let odb = store.odb()?;
    let mut folders = Folders::default();
    let mut left = total;
    let mut found = Vec::with_capacity(paths.len());
    for path in paths {
        let at = one((store, &odb), root, path, (limit, &mut left), &mut folders)?;
        found.push(at);
    }
    Ok(found)
}

fn one(
    (store, odb): (&Store, &Objects<'_>),
    root: ObjectId,
    path: &str,
    (limit, left): (usize, &mut usize),
    folders: &mut Folders,
) -> Result<At, Error> {
    let components = search::components(path);
    let mut folder = root;
    for (depth, name) in components.iter().enumerate() {
        if !folders.known.contains_key(&folder) {
            let tree = object::tree(store, odb, folder)?;
            folders.keep(folder, Names::of(tree.data(), folder.format()));
        }
        let Some(names) = folders.known.get(&folder) else { return Ok(At::Other) };
        let Some(alike) = names.entries.get(&name.to_lowercase()) else { return Ok(At::Nothing) };
        let mut same = alike.iter().filter(|(known, ..)| known == name);
        let (first, more) = (same.next(), same.next());
        let shown = |known: &str| {
            let before = components[..depth].iter().map(String::as_str);
            before.chain([known]).collect::<Vec<_>>().join("/")
        };
        let is_last = depth + 1 == components.len();
        match (first, more) {
            (Some(_), Some(_)) => return Ok(At::Other),
            (Some((_, Class::File, id)), None) if is_last => {
                let bytes = blob(odb, *id, limit.min(*left)).map_err(|source| store.damaged(source))?;
                return Ok(bytes.map_or(At::Other, |bytes| {
                    *left -= bytes.len();
                    At::File(bytes)
                }));
            }
            (Some(_), None) if is_last => return Ok(At::Other),
            (Some((_, Class::Folder, id)), None) => folder = *id,
            (Some((known, ..)), None) => return Ok(At::Alike(shown(known))),
            (None, _) => {
                let known = alike.first().map(|(known, ..)| known.as_str()).unwrap_or_default();
                return Ok(At::Alike(shown(known)));
            }
        }
    }
    Ok(At::Other)
}

impl Folders {
    fn keep(&mut self, folder: ObjectId, names: Names) {
        if self.names > MAX_KEPT {
            *self = Self::default();
        }
        self.names += names.entries.len();
        self.known.insert(folder, names);
    }
}

impl Names {
    fn of(bytes: &[u8], format: ObjectFormat) -> Self {
        let mut entries: HashMap<String, Vec<(String, Class, ObjectId)>> = HashMap::new();
        for entry in tree::entries(bytes, format).flatten() {
            let name = String::from_utf8_lossy(entry.name).into_owned();
            entries.entry(name.to_lowercase()).or_default().push((name, entry.class(), entry.id));
        }
        Self { entries }
    }
}
