//! Finding the few files of a commit that matter, at the cost of what is new.
//!
//! First the trees are walked, depth first, past everything known to be clean; then the blobs are read, each once however many
//! names it has, by several threads when they are many; then what turned out clean is remembered. A folder without anything to
//! read or to report is known to be clean as soon as it was walked, so that one that contains the same folders again and again
//! costs what it takes on the disk. Symbolic links are reported and never followed, other repositories (submodules) and anything
//! named `.git` are passed over.
//!
//! What a commit makes of a few kilobytes has no bound of its own: paths multiply with the folders they lead through, and one
//! blob can have a thousand names. What a search keeps is counted, and a search that keeps too much ends in an error.

mod blobs;
mod links;
mod walk;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use self::blobs::{Distinct, Verdict, read_all};
use self::walk::{Walk, remember};
use super::clean::CleanSet;
use super::error::Error;
use super::id::ObjectId;
use super::object::Objects;
use super::snapshot;
use super::store::Store;

/// The most candidates that are named as not looked into; the others are counted.
const MAX_SKIPPED: usize = 1_000;

/// The longest path of one that is named, in bytes.
const MAX_SKIPPED_PATH: usize = 1_000;

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
    /// The most bytes of all files together, those with the same content counted each.
    pub max_total: usize,
}

/// What a search found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The files that match, sorted by path.
    pub files: Vec<FoundFile>,
    /// The files that were known to match and not read: path and blob, sorted by path.
    pub known: Vec<(String, ObjectId)>,
    /// Candidates that could not be looked into, sorted by path: at most 1,000.
    pub skipped: Vec<Skipped>,
    /// How many more there are.
    pub more_skipped: usize,
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
    /// Its bytes, shared by all files that have the same.
    pub bytes: Arc<[u8]>,
}

/// A candidate that was not looked into.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Skipped {
    /// From the root of the tree; bytes that are no UTF-8 are replaced, and of a very long one the end is cut.
    pub path: String,
    /// Why.
    pub reason: SkipReason,
}

/// Why a candidate was not looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SkipReason {
    /// It is a symbolic link, and leads to a file that matches.
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
    /// Its name is empty or has a slash in it, which no file can have.
    NameNotAllowed,
    /// Another entry of the same folder has this name, so that nobody can say which is meant.
    SeveralOfName,
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
    known: &dyn Fn(ObjectId) -> Option<usize>,
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
    known: &dyn Fn(ObjectId) -> Option<usize>,
    clean: &mut CleanSet,
) -> Result<Found, Error> {
    let odb = store.odb()?;
    let mut walk = Walk::new(store, &odb, criteria, clean, known);
    let mut found = Found::default();
    for (components, given) in distinct(paths) {
        match snapshot::find(store, root, &components)? {
            Some((class, id)) => walk.start(class, id, &components)?,
            None => found.missing.push(given),
        }
    }
    let Walk { mut folders, blobs, mut skipped, more_skipped, passed, matches, .. } = walk;
    found.known = passed;
    found.known.sort_unstable();
    let distinct = Distinct::of(blobs.iter().map(|blob| blob.id));
    found.blobs_read = distinct.blobs.len();
    let verdicts = read_all(store, &odb, &distinct.blobs, criteria, &AtomicUsize::new(matches))?;
    let mut skip = |skipped: &mut Vec<Skipped>, path: &str, reason| match skipped.len() {
        0..MAX_SKIPPED => skipped.push(Skipped { path: short(path), reason }),
        _ => found.more_skipped += 1,
    };
    for blob in blobs {
        let verdict = &verdicts[distinct.at[&blob.id]];
        if let Verdict::Clean = verdict {
            clean.insert(blob.id);
            continue;
        }
        if let Some(folder) = blob.folder {
            folders[folder].dirty = true;
        }
        match verdict {
            Verdict::Match(bytes) => {
                found.files.push(FoundFile { path: blob.path, id: blob.id, bytes: Arc::clone(bytes) });
            }
            Verdict::TooLarge(bytes) => skip(&mut skipped, &blob.path, SkipReason::TooLarge { bytes: *bytes }),
            Verdict::Clean => {}
        }
    }
    found.more_skipped += more_skipped;
    let mut skipped = without_idle_links(store, &odb, root, skipped, criteria)?;
    remember(&mut folders, clean);
    found.files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    skipped.sort_unstable();
    skipped.dedup();
    found.skipped = skipped;
    Ok(found)
}

/// Leaves out the links in whose place a file would not have matched either. Of those that were only counted nobody knows.
fn without_idle_links(
    store: &Store,
    odb: &Objects<'_>,
    root: ObjectId,
    skipped: Vec<Skipped>,
    criteria: Criteria,
) -> Result<Vec<Skipped>, Error> {
    let mut kept = Vec::with_capacity(skipped.len());
    for it in skipped {
        let is_link = it.reason == SkipReason::SymbolicLink;
        if !is_link || links::leads_to_match(store, odb, root, &it.path, criteria)? {
            kept.push(it);
        }
    }
    Ok(kept)
}

/// A path that is shown, cut where it is very long.
fn short(path: &str) -> String {
    path[..path.floor_char_boundary(MAX_SKIPPED_PATH)].to_owned()
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
