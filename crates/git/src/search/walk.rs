//! The walk through the trees of a search, which finds what is to be read.

use std::collections::HashSet;

use super::blobs::within;
use super::{Criteria, MAX_SKIPPED, SkipReason, Skipped, short};
use crate::clean::CleanSet;
use crate::error::Error;
use crate::id::ObjectId;
use crate::object::{self, Objects};
use crate::store::Store;
use crate::tree::{self, Class, MAX_DEPTH};

/// The most files and folders looked at in one search.
const MAX_ENTRIES: usize = 5_000_000;

/// The most memory that the paths of one search take: 32 MiB, which is enough for two hundred thousand files that have to be read.
const MAX_PATHS: usize = 32 << 20;

/// About what a path takes beside its text.
const BESIDE_PATH: usize = 96;

/// A folder that may be clean once the blobs beneath it were read.
pub(super) struct Folder {
    id: ObjectId,
    parent: Option<usize>,
    /// Whether anything beneath must be looked at again next time.
    pub(super) dirty: bool,
}

/// A file to read.
pub(super) struct Blob {
    pub(super) id: ObjectId,
    pub(super) path: String,
    pub(super) folder: Option<usize>,
}

/// A folder that is being walked.
struct Level {
    id: ObjectId,
    /// From the root of the tree.
    path: String,
    /// The folders in it that are still to be walked, the last first.
    left: Vec<(String, ObjectId)>,
    /// Its place among the folders of the walk, once there is something to read or to report in it.
    folder: Option<usize>,
    /// What its path and the names in `left` take.
    bytes: usize,
}

pub(super) struct Walk<'a> {
    store: &'a Store,
    odb: &'a Objects<'a>,
    criteria: Criteria,
    clean: &'a mut CleanSet,
    known: &'a dyn Fn(ObjectId) -> Option<usize>,
    /// From the given path to where the walk is.
    levels: Vec<Level>,
    /// How deep the given path is.
    depth: usize,
    pub(super) folders: Vec<Folder>,
    pub(super) blobs: Vec<Blob>,
    /// Files that are known to match.
    pub(super) passed: Vec<(String, ObjectId)>,
    pub(super) skipped: Vec<Skipped>,
    pub(super) more_skipped: usize,
    entries: usize,
    /// What the paths take.
    bytes: usize,
    /// What the files take that are known to match.
    pub(super) matches: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        store: &'a Store,
        odb: &'a Objects<'a>,
        criteria: Criteria,
        clean: &'a mut CleanSet,
        known: &'a dyn Fn(ObjectId) -> Option<usize>,
    ) -> Self {
        Self {
            store,
            odb,
            criteria,
            clean,
            known,
            levels: Vec::new(),
            depth: 0,
            folders: Vec::new(),
            blobs: Vec::new(),
            passed: Vec::new(),
            skipped: Vec::new(),
            more_skipped: 0,
            entries: 0,
            bytes: 0,
            matches: 0,
        }
    }

    /// Walks what one of the given paths leads to.
    pub(super) fn start(&mut self, class: Class, id: ObjectId, components: &[String]) -> Result<(), Error> {
        let path = components.join("/");
        match (class, components.last()) {
            (Class::Folder, _) if !self.clean.contains(id) => {
                self.depth = components.len();
                self.enter(id, path)?;
                self.run()?;
            }
            (Class::File, Some(name)) if (self.criteria.is_candidate)(name) && !self.clean.contains(id) => {
                self.file(id, path)?;
            }
            (Class::Link, _) => self.skip(&path, SkipReason::SymbolicLink),
            _ => {}
        }
        Ok(())
    }

    fn run(&mut self) -> Result<(), Error> {
        while let Some(level) = self.levels.last_mut() {
            match level.left.pop() {
                // The same folder may have been walked since it was put there.
                Some((_, id)) if self.clean.contains(id) => {}
                Some((name, id)) => {
                    let path = join(&level.path, &name);
                    self.enter(id, path)?;
                }
                None => self.leave(),
            }
        }
        Ok(())
    }

    /// Takes in what is in a folder: files are noted, folders wait for their turn.
    fn enter(&mut self, id: ObjectId, path: String) -> Result<(), Error> {
        let tree = object::tree(self.store, self.odb, id)?;
        let entries: Option<Vec<tree::Entry<'_>>> = tree::entries(tree.data(), id.format()).collect();
        let entries = entries.ok_or_else(|| object::malformed("tree", id))?;
        self.entries += entries.len();
        if self.entries > MAX_ENTRIES {
            return Err(Error::TooMany { what: "the number of files below the paths", limit: MAX_ENTRIES });
        }
        let bytes = path.len() + BESIDE_PATH;
        self.levels.push(Level { id, path, left: Vec::new(), folder: None, bytes });
        self.keep(bytes)?;
        let several = several(&entries);
        entries.iter().try_for_each(|entry| self.take(entry, &several))
    }

    /// A folder without anything to read or to report is clean.
    fn leave(&mut self) {
        if let Some(level) = self.levels.pop() {
            self.bytes -= level.bytes;
            if level.folder.is_none() {
                self.clean.insert(level.id);
            }
        }
    }

    fn take(&mut self, entry: &tree::Entry<'_>, several: &HashSet<&[u8]>) -> Result<(), Error> {
        let class = entry.class();
        if class == Class::Other || (class != Class::Link && self.clean.contains(entry.id)) {
            return Ok(());
        }
        let name = String::from_utf8_lossy(entry.name);
        let is_folder = class == Class::Folder;
        let concerns = is_folder || (self.criteria.is_candidate)(&name);
        let odd = match std::str::from_utf8(entry.name) {
            _ if entry.is_reserved() && !entry.is_odd() => return Ok(()),
            _ if !concerns => return Ok(()),
            _ if entry.is_odd() => Some(SkipReason::NameNotAllowed),
            _ if several.contains(entry.name) => Some(SkipReason::SeveralOfName),
            Err(_) => Some(SkipReason::NameNotText),
            Ok(_) if is_folder && self.depth + self.levels.len() > MAX_DEPTH => Some(SkipReason::TooDeep),
            Ok(_) if class == Class::Link => Some(SkipReason::SymbolicLink),
            Ok(_) => None,
        };
        let Some(level) = self.levels.last_mut() else { return Ok(()) };
        match (odd, is_folder) {
            (Some(reason), _) => {
                let path = join(&level.path, &name);
                self.skip(&path, reason);
                Ok(())
            }
            (None, true) => {
                let bytes = name.len() + BESIDE_PATH;
                level.bytes += bytes;
                level.left.push((name.into_owned(), entry.id));
                self.keep(bytes)
            }
            (None, false) => {
                let path = join(&level.path, &name);
                self.file(entry.id, path)
            }
        }
    }

    fn file(&mut self, id: ObjectId, path: String) -> Result<(), Error> {
        self.keep(path.len() + BESIDE_PATH)?;
        let folder = self.folder();
        let Some(bytes) = (self.known)(id) else {
            self.blobs.push(Blob { id, path, folder });
            return Ok(());
        };
        if let Some(folder) = folder {
            self.folders[folder].dirty = true;
        }
        self.passed.push((path, id));
        self.matches += bytes;
        within(self.matches, self.criteria.max_total)
    }

    fn skip(&mut self, path: &str, reason: SkipReason) {
        if let Some(folder) = self.folder() {
            self.folders[folder].dirty = true;
        }
        match self.skipped.len() {
            0..MAX_SKIPPED => self.skipped.push(Skipped { path: short(path), reason }),
            _ => self.more_skipped += 1,
        }
    }

    /// The place of the folder that is being walked among the folders that are not clean yet, with those that it is in.
    fn folder(&mut self) -> Option<usize> {
        let mut parent = None;
        for level in &mut self.levels {
            let at = level.folder.unwrap_or_else(|| {
                self.folders.push(Folder { id: level.id, parent, dirty: false });
                self.folders.len() - 1
            });
            level.folder = Some(at);
            parent = Some(at);
        }
        parent
    }

    /// Counts what is kept.
    fn keep(&mut self, bytes: usize) -> Result<(), Error> {
        self.bytes += bytes;
        match self.bytes > MAX_PATHS {
            true => {
                Err(Error::TooMany { what: "the size of the paths of the files to read, in bytes", limit: MAX_PATHS })
            }
            false => Ok(()),
        }
    }
}

/// Folders come after what they are in, so that going backwards carries every stain up to the top.
pub(super) fn remember(folders: &mut [Folder], clean: &mut CleanSet) {
    for n in (0..folders.len()).rev() {
        match (folders[n].dirty, folders[n].parent) {
            (true, Some(parent)) => folders[parent].dirty = true,
            (true, None) => {}
            (false, _) => clean.insert(folders[n].id),
        }
    }
}

/// The names that more than one entry has.
fn several<'t>(entries: &[tree::Entry<'t>]) -> HashSet<&'t [u8]> {
    let mut names = HashSet::with_capacity(entries.len());
    entries.iter().filter(|entry| !names.insert(entry.name)).map(|entry| entry.name).collect()
}

fn join(folder: &str, name: &str) -> String {
    match folder {
        "" => name.to_owned(),
        folder => [folder, name].join("/"),
    }
}
