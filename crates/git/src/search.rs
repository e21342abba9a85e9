//! Finding the few files of a commit that matter, at the cost of what is new.
//!
//! First the trees are walked, past everything known to be clean; then the blobs are read, by several threads when they are
//! many; then what turned out clean is remembered. Symbolic links are reported and never followed, other repositories
//! (submodules) and anything named `.git` are passed over.

use std::collections::BTreeSet;
use std::path::Path;

use git2::{ObjectType, Odb, Repository};

use super::clean::CleanSet;
use super::error::Error;
use super::id::ObjectId;
use super::snapshot;
use super::store::Store;
use super::tree::{self, Class, MAX_DEPTH};

/// The most files and folders looked at in one search.
const MAX_ENTRIES: usize = 5_000_000;

/// From how many blobs on a second thread pays.
const BLOBS_PER_THREAD: usize = 1_000;

/// The most threads that read blobs.
const MAX_THREADS: usize = 2;

/// The largest blob that is read at all, to find out whether it matches: 32 MiB.
const MAX_READ: usize = 32 << 20;

/// What is searched for.
#[derive(Clone, Copy)]
pub struct Criteria {
    /// Names the two functions below. What is known of files is kept under this name, so it has to change with them.
    pub rule: &'static str,
    /// Whether a file with this name, without folders, comes into question.
    pub is_candidate: fn(&str) -> bool,
    /// Whether a file with these bytes matches.
    pub contains: fn(&[u8]) -> bool,
    /// The largest file returned, in bytes; larger ones that match are among the skipped.
    pub max_bytes: usize,
}

/// What a search found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The files that match, sorted by path.
    pub files: Vec<FoundFile>,
    /// The files that were known to match and not read: path and blob, sorted by path.
    pub known: Vec<(String, ObjectId)>,
    /// Candidates that could not be looked into, sorted by path.
    pub skipped: Vec<Skipped>,
    /// Those of the given paths where nothing is, as given.
    pub missing: Vec<String>,
    /// How many blobs had to be read. It tells how much was known before.
    pub blobs_read: usize,
}

/// A file that matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFile {
    /// From the root of the tree, with `/` between folders.
    pub path: String,
    /// Its blob.
    pub id: ObjectId,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A candidate that was not looked into.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Skipped {
    /// From the root of the tree; bytes that are no UTF-8 are replaced.
    pub path: String,
    /// Why.
    pub reason: SkipReason,
}

/// Why a candidate was not looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SkipReason {
    /// It is a symbolic link.
    SymbolicLink,
    /// It matches and is larger than the limit; or it is so large that it was not even read.
    TooLarge {
        /// Its size in bytes.
        bytes: usize,
    },
    /// It is a folder nested more deeply than 128 levels.
    TooDeep,
    /// Its name is not UTF-8.
    NameNotText,
}

/// Splits a path, with `.` left out and `..` taken back as far as there is something to take back.
pub(super) fn components(path: &str) -> Vec<String> {
    let mut components = Vec::new();
    for component in path.split('/') {
        match component {
            "" | "." => {}
            ".." => drop(components.pop()),
            name => components.push(name.to_owned()),
        }
    }
    components
}

pub(super) fn search(
    store: &mut Store,
    root: ObjectId,
    paths: &[String],
    criteria: Criteria,
    known: &dyn Fn(ObjectId) -> bool,
) -> Result<Found, Error> {
    let mut clean = store.take_clean(criteria.rule);
    let found = search_with(store, root, paths, criteria, known, &mut clean);
    store.put_clean(clean);
    found
}

fn search_with(
    store: &Store,
    root: ObjectId,
    paths: &[String],
    criteria: Criteria,
    known: &dyn Fn(ObjectId) -> bool,
    clean: &mut CleanSet,
) -> Result<Found, Error> {
    let damaged = |source| store.damaged(source);
    let odb = store.repository.odb().map_err(damaged)?;
    let mut walk = Walk::new(&odb, criteria, clean, known);
    let mut found = Found::default();
    for (components, given) in distinct(paths) {
        match snapshot::find(store, root, &components)? {
            Some((class, id)) => walk.start(class, id, &components).map_err(|stop| stop.into_error(store))?,
            None => found.missing.push(given),
        }
    }
    walk.run().map_err(|stop| stop.into_error(store))?;
    let Walk { mut folders, blobs, mut skipped, passed, .. } = walk;
    found.known = passed;
    found.known.sort_unstable();
    found.blobs_read = blobs.len();
    let verdicts = read_all(store.folder(), &odb, &blobs, criteria).map_err(damaged)?;
    for (blob, verdict) in blobs.into_iter().zip(verdicts) {
        if let Verdict::Clean = verdict {
            clean.insert(blob.id);
            continue;
        }
        if let Some(folder) = blob.folder {
            folders[folder].dirty = true;
        }
        match verdict {
            Verdict::Match(bytes) => found.files.push(FoundFile { path: blob.path, id: blob.id, bytes }),
            Verdict::TooLarge(bytes) => {
                skipped.push(Skipped { path: blob.path, reason: SkipReason::TooLarge { bytes } })
            }
            Verdict::Clean => {}
        }
    }
    remember(&mut folders, clean);
    found.files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    skipped.sort_unstable();
    found.skipped = skipped;
    Ok(found)
}

/// Folders come after what they are in, so that going backwards carries every stain up to the top.
fn remember(folders: &mut [Folder], clean: &mut CleanSet) {
    for n in (0..folders.len()).rev() {
        match (folders[n].dirty, folders[n].parent) {
            (true, Some(parent)) => folders[parent].dirty = true,
            (true, None) => {}
            (false, _) => clean.insert(folders[n].id),
        }
    }
}

/// Returns the paths without those that lie in another of them, each with its text as given.
fn distinct(paths: &[String]) -> Vec<(Vec<String>, String)> {
    if paths.is_empty() {
        return vec![(Vec::new(), String::new())];
    }
    let all: BTreeSet<_> = paths.iter().map(|path| (components(path), path.clone())).collect();
    let mut kept: Vec<(Vec<String>, String)> = Vec::new();
    for (components, given) in all {
        // In sorted order a folder comes right before everything in it.
        if !kept.last().is_some_and(|(last, _)| components.starts_with(last)) {
            kept.push((components, given));
        }
    }
    kept
}

/// A folder on the way.
struct Folder {
    id: ObjectId,
    parent: Option<usize>,
    path: String,
    depth: usize,
    /// Whether anything beneath must be looked at again next time.
    dirty: bool,
}

/// A file to read.
struct Blob {
    id: ObjectId,
    path: String,
    folder: Option<usize>,
}

struct Walk<'a> {
    odb: &'a Odb<'a>,
    criteria: Criteria,
    clean: &'a CleanSet,
    known: &'a dyn Fn(ObjectId) -> bool,
    folders: Vec<Folder>,
    blobs: Vec<Blob>,
    /// Files that are known to match.
    passed: Vec<(String, ObjectId)>,
    skipped: Vec<Skipped>,
    entries: usize,
}

/// Why a walk ends early.
enum Stop {
    Git(git2::Error),
    TooMany,
}

impl Stop {
    fn into_error(self, store: &Store) -> Error {
        match self {
            Self::Git(source) => store.damaged(source),
            Self::TooMany => Error::TooMany { what: "the number of files below the paths", limit: MAX_ENTRIES },
        }
    }
}

impl<'a> Walk<'a> {
    fn new(odb: &'a Odb<'a>, criteria: Criteria, clean: &'a CleanSet, known: &'a dyn Fn(ObjectId) -> bool) -> Self {
        let (folders, blobs, passed, skipped) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { odb, criteria, clean, known, folders, blobs, passed, skipped, entries: 0 }
    }

    /// Takes in what one of the given paths leads to.
    fn start(&mut self, class: Class, id: ObjectId, components: &[String]) -> Result<(), Stop> {
        let path = components.join("/");
        match (class, components.last()) {
            (Class::Folder, _) if !self.clean.contains(id) => {
                self.folders.push(Folder { id, parent: None, path, depth: components.len(), dirty: false });
            }
            (Class::File, Some(name)) if (self.criteria.is_candidate)(name) && !self.clean.contains(id) => {
                self.file(id, path, None);
            }
            (Class::Link, _) => self.skipped.push(Skipped { path, reason: SkipReason::SymbolicLink }),
            _ => {}
        }
        Ok(())
    }

    /// Walks everything below the folders taken in. The list grows while it is walked, which is the recursion.
    fn run(&mut self) -> Result<(), Stop> {
        let mut n = 0;
        while n < self.folders.len() {
            let object = self.odb.read(self.folders[n].id.oid()).map_err(Stop::Git)?;
            if object.kind() != ObjectType::Tree {
                return Err(Stop::Git(git2::Error::from_str("an object that should be a tree is none")));
            }
            for entry in tree::entries(object.data()) {
                let entry = entry.ok_or_else(|| Stop::Git(git2::Error::from_str("a tree that cannot be read")))?;
                self.entries += 1;
                if self.entries > MAX_ENTRIES {
                    return Err(Stop::TooMany);
                }
                self.take(n, &entry);
            }
            n += 1;
        }
        Ok(())
    }

    fn take(&mut self, folder: usize, entry: &tree::Entry<'_>) {
        let class = entry.class();
        if entry.is_reserved() || class == Class::Other || (class != Class::Link && self.clean.contains(entry.id)) {
            return;
        }
        let Ok(name) = std::str::from_utf8(entry.name) else {
            let name = String::from_utf8_lossy(entry.name).into_owned();
            if class == Class::Folder || (self.criteria.is_candidate)(&name) {
                self.skip(folder, &name, SkipReason::NameNotText);
            }
            return;
        };
        match class {
            Class::Folder if self.folders[folder].depth >= MAX_DEPTH => self.skip(folder, name, SkipReason::TooDeep),
            Class::Folder => {
                let (path, depth) = (self.path(folder, name), self.folders[folder].depth + 1);
                self.folders.push(Folder { id: entry.id, parent: Some(folder), path, depth, dirty: false });
            }
            _ if !(self.criteria.is_candidate)(name) => {}
            Class::Link => self.skip(folder, name, SkipReason::SymbolicLink),
            _ => {
                let path = self.path(folder, name);
                self.file(entry.id, path, Some(folder));
            }
        }
    }

    fn file(&mut self, id: ObjectId, path: String, folder: Option<usize>) {
        if !(self.known)(id) {
            self.blobs.push(Blob { id, path, folder });
            return;
        }
        if let Some(folder) = folder {
            self.folders[folder].dirty = true;
        }
        self.passed.push((path, id));
    }

    fn skip(&mut self, folder: usize, name: &str, reason: SkipReason) {
        self.folders[folder].dirty = true;
        let path = self.path(folder, name);
        self.skipped.push(Skipped { path, reason });
    }

    fn path(&self, folder: usize, name: &str) -> String {
        match self.folders[folder].path.as_str() {
            "" => name.to_owned(),
            parent => [parent, name].join("/"),
        }
    }
}

/// What a blob turned out to be.
enum Verdict {
    Clean,
    Match(Vec<u8>),
    TooLarge(usize),
}

/// Reads all blobs. Beside this thread, others open the repository for themselves; they do not see what was built in
/// memory, so what they miss is left to this one.
fn read_all(folder: &Path, odb: &Odb<'_>, blobs: &[Blob], criteria: Criteria) -> Result<Vec<Verdict>, git2::Error> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = cores.min(MAX_THREADS).min(1 + blobs.len() / BLOBS_PER_THREAD);
    if threads == 1 {
        return blobs.iter().map(|blob| read(odb, blob.id, criteria)).collect();
    }
    let (mine, theirs) = blobs.split_at(blobs.len() / 2);
    std::thread::scope(|scope| {
        let other = scope.spawn(move || {
            let repository = Repository::open_bare(folder).ok()?;
            let odb = repository.odb().ok()?;
            Some(theirs.iter().map(|blob| read(&odb, blob.id, criteria).ok()).collect::<Vec<_>>())
        });
        let mut verdicts: Vec<Verdict> =
            mine.iter().map(|blob| read(odb, blob.id, criteria)).collect::<Result<_, _>>()?;
        let others = other.join().ok().flatten().unwrap_or_default();
        let mut others = others.into_iter();
        for blob in theirs {
            match others.next().flatten() {
                Some(verdict) => verdicts.push(verdict),
                None => verdicts.push(read(odb, blob.id, criteria)?),
            }
        }
        Ok(verdicts)
    })
}

fn read(odb: &Odb<'_>, id: ObjectId, criteria: Criteria) -> Result<Verdict, git2::Error> {
    let (size, _) = odb.read_header(id.oid())?;
    if size > MAX_READ {
        return Ok(Verdict::TooLarge(size));
    }
    let blob = odb.read(id.oid())?;
    let bytes = blob.data();
    Ok(match (criteria.contains)(bytes) {
        false => Verdict::Clean,
        true if bytes.len() > criteria.max_bytes => Verdict::TooLarge(bytes.len()),
        true => Verdict::Match(bytes.to_vec()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_cannot_leave_the_tree() {
        let check = |path: &str, expect: &[&str]| assert_eq!(components(path), expect, "{path}");
        check("", &[]);
        check("./", &[]);
        check("a//b/./c/", &["a", "b", "c"]);
        check("/abs", &["abs"]);
        check("../../etc", &["etc"]);
        check("a/../../b", &["b"]);
    }

    #[test]
    fn paths_in_other_paths_count_once() {
        let check = |paths: &[&str], expect: &[&str]| {
            let paths: Vec<_> = paths.iter().map(|path| (*path).to_owned()).collect();
            let kept: Vec<_> = distinct(&paths).into_iter().map(|(components, _)| components.join("/")).collect();
            assert_eq!(kept, expect, "{paths:?}");
        };
        check(&[], &[""]);
        check(&["a", "a/b", "ab"], &["a", "ab"]);
        check(&["a/b", "./a/b/", "."], &[""]);
        check(&["b", "a"], &["a", "b"]);
    }
}
