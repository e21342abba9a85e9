//! The trees and blobs of a mirror that are known to hold no match.
//!
//! A blob is clean when its bytes do not match, a tree when nothing beneath it does and nothing beneath it has to be
//! reported. Ids name contents, so that this stays true for ever; only the rule that decides can change, and its name is in
//! the file. The file is a header, the sorted ids, and the ids that came after, to which a few more are appended without
//! writing all. A part that is lost or broken is as good as none: bytes that are no id of ours match nothing.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::id::ObjectId;
use super::store::replace;

/// The first bytes of the file, with the version of its form.
const MAGIC: &[u8; 8] = b"twclean2";

/// The most ids: 20 MB. Beyond that, the set starts again with what the last search saw.
const MAX_IDS: usize = 1_000_000;

/// The most ids in all sets that are kept in memory between two uses of their mirrors: 20 MB.
const MAX_KEPT: usize = 1_000_000;

/// How many ids may follow the sorted ones before all are sorted again, or an eighth of these where that is more.
const MAX_TAIL: usize = 4_096;

/// The length of an id. Of the longer ones of SHA-256 it is the first bytes, which are as good for telling contents apart.
const ID: usize = 20;

type Id = [u8; ID];

/// A set of object ids.
pub(super) struct CleanSet {
    rule: [u8; 32],
    sorted: Vec<Id>,
    /// What is not among the sorted.
    tail: HashSet<Id>,
    /// What is not in the file.
    unsaved: Vec<Id>,
    /// The file that holds the rest.
    file: Option<Stamp>,
}

/// What changes when a file does.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let of = fs::metadata(path).ok()?;
        Some(Self { inode: of.ino(), bytes: of.len(), modified: (of.mtime(), of.mtime_nsec()) })
    }
}

impl CleanSet {
    /// Reads the set for the rule with this name; an empty one where there is none.
    pub(super) fn load(path: &Path, rule: &str) -> Self {
        let rule = name(rule);
        let file = Stamp::of(path);
        match read(path, &rule) {
            Ok((sorted, tail)) => Self { rule, sorted, tail: tail.into_iter().collect(), unsaved: Vec::new(), file },
            Err(_) => Self { rule, sorted: Vec::new(), tail: HashSet::new(), unsaved: Vec::new(), file: None },
        }
    }

    pub(super) fn is_for(&self, rule: &str) -> bool {
        self.rule == name(rule)
    }

    pub(super) fn contains(&self, id: ObjectId) -> bool {
        let id = id.first();
        self.sorted.binary_search(&id).is_ok() || (!self.tail.is_empty() && self.tail.contains(&id))
    }

    pub(super) fn insert(&mut self, id: ObjectId) {
        let id = id.first();
        if self.sorted.binary_search(&id).is_err() && self.tail.insert(id) {
            self.unsaved.push(id);
        }
    }

    /// Writes what was added since the set was read.
    pub(super) fn save(&mut self, path: &Path) -> io::Result<()> {
        if self.unsaved.is_empty() {
            return Ok(());
        }
        let is_known = self.file.is_some() && self.file == Stamp::of(path);
        match is_known && self.len() <= MAX_IDS && self.tail.len() <= MAX_TAIL.max(self.sorted.len() / 8) {
            true => OpenOptions::new().append(true).open(path)?.write_all(self.unsaved.as_flattened())?,
            false => self.write_all(path)?,
        }
        self.unsaved.clear();
        self.file = Stamp::of(path);
        Ok(())
    }

    fn write_all(&mut self, path: &Path) -> io::Result<()> {
        if self.len() > MAX_IDS {
            self.sorted.clear();
            self.tail = self.unsaved.drain(..).take(MAX_IDS).collect();
        }
        self.sorted.extend(self.tail.drain());
        self.sorted.sort_unstable();
        let count = (self.sorted.len() as u64).to_le_bytes();
        replace(path, &[MAGIC, self.rule.as_slice(), &count, self.sorted.as_flattened()].concat())
    }

    fn len(&self) -> usize {
        self.sorted.len() + self.tail.len()
    }
}

fn name(rule: &str) -> [u8; 32] {
    Sha256::digest(rule).into()
}

/// Reads the sorted ids and those after them.
fn read(path: &Path, rule: &[u8; 32]) -> io::Result<(Vec<Id>, Vec<Id>)> {
    let mut file = File::open(path)?;
    let mut header = [0; MAGIC.len() + 32 + 8];
    file.read_exact(&mut header)?;
    let count = header.strip_prefix(MAGIC).and_then(|rest| rest.strip_prefix(rule)).and_then(|rest| rest.first_chunk());
    let count = count.map(|bytes| u64::from_le_bytes(*bytes)).and_then(|count| usize::try_from(count).ok());
    let ids = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX).saturating_sub(header.len());
    let count = count.filter(|count| *count <= ids / ID && ids / ID <= 2 * MAX_IDS && ids % ID == 0);
    let count = count.ok_or_else(|| io::Error::other("no set for this rule"))?;
    let (mut sorted, mut tail) = (vec![[0; ID]; count], vec![[0; ID]; ids / ID - count]);
    file.read_exact(sorted.as_flattened_mut())?;
    file.read_exact(tail.as_flattened_mut())?;
    Ok((sorted, tail))
}

/// The sets of mirrors that are not in use, so that they need not be read again.
#[derive(Default)]
pub(super) struct Kept(Mutex<Vec<(PathBuf, CleanSet)>>);

impl Kept {
    /// Returns the set for the rule with this name, from memory where the file is the one it was.
    pub(super) fn take(&self, path: &Path, rule: &str) -> CleanSet {
        let mut sets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = sets.iter().position(|(of, _)| of == path);
        let kept = at.map(|at| sets.remove(at).1);
        drop(sets);
        let is_current = |set: &CleanSet| set.is_for(rule) && set.file.is_some() && set.file == Stamp::of(path);
        kept.filter(is_current).unwrap_or_else(|| CleanSet::load(path, rule))
    }

    /// Keeps a set; those that were used longest ago give way.
    pub(super) fn put(&self, path: PathBuf, set: CleanSet) {
        let mut sets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sets.retain(|(of, _)| *of != path);
        sets.push((path, set));
        let mut room = MAX_KEPT;
        let fit = sets.iter().rev().take_while(|(_, set)| {
            let is_room = set.len() <= room;
            room = room.saturating_sub(set.len());
            is_room
        });
        let surplus = sets.len() - fit.count();
        sets.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn id(n: u32) -> ObjectId {
        let bytes: [u8; 20] = std::array::from_fn(|at| n.to_be_bytes()[at % 4]);
        ObjectId::from_bytes(&bytes).unwrap()
    }

    #[test]
    fn a_set_survives_and_a_broken_file_is_as_good_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clean");
        let mut set = CleanSet::load(&path, "rule 1");
        assert!(!set.contains(id(7)));
        [9, 7, 8].into_iter().for_each(|n| set.insert(id(n)));
        assert!(set.contains(id(7)));
        set.save(&path).unwrap();

        let whole = fs::read(&path).unwrap();
        let has = |bytes: &[u8], rule: &str| {
            fs::write(&path, bytes).unwrap();
            CleanSet::load(&path, rule).contains(id(8))
        };
        assert!(has(&whole, "rule 1"));
        assert!(!has(&whole, "rule 2"));
        assert!(!has(&whole[..whole.len() - 1], "rule 1"));
        assert!(!has(&[], "rule 1"));
        let mut other_form = whole.clone();
        other_form[7] = b'1';
        assert!(!has(&other_form, "rule 1"));
        let mut too_many = whole.clone();
        too_many[MAGIC.len() + 32 + 7] = 0xff;
        assert!(!has(&too_many, "rule 1"));
    }

    #[test]
    fn a_few_more_are_appended_and_many_are_sorted_in() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clean");
        let mut set = CleanSet::load(&path, "rule");
        (0..1_000).for_each(|n| set.insert(id(n)));
        set.save(&path).unwrap();
        let first = Stamp::of(&path).unwrap();
        (990..1_010).for_each(|n| set.insert(id(n)));
        set.save(&path).unwrap();
        let appended = Stamp::of(&path).unwrap();
        assert_eq!((appended.inode, appended.bytes), (first.inode, first.bytes + 10 * 20));
        let mut read = CleanSet::load(&path, "rule");
        assert!((0..1_010).all(|n| read.contains(id(n))) && !read.contains(id(1_010)));
        (1_010..6_000).for_each(|n| read.insert(id(n)));
        read.save(&path).unwrap();
        assert_ne!(Stamp::of(&path).unwrap().inode, first.inode);
        assert!((0..6_000).all(|n| read.contains(id(n)) && CleanSet::load(&path, "rule").contains(id(0))));
        // Someone else's file is not appended to, and an interrupted one is written anew.
        fs::write(&path, &fs::read(&path).unwrap()[..1_001]).unwrap();
        read.insert(id(6_000));
        read.save(&path).unwrap();
        let again = CleanSet::load(&path, "rule");
        assert!((0..=6_000).all(|n| again.contains(id(n))));
    }

    #[test]
    fn a_full_set_starts_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clean");
        let mut set = CleanSet { sorted: vec![id(1).first(); MAX_IDS], ..CleanSet::load(&path, "rule") };
        set.insert(id(1_000_000));
        set.save(&path).unwrap();
        assert!(set.contains(id(1_000_000)) && !set.contains(id(1)));
        let read = CleanSet::load(&path, "rule");
        assert!(read.contains(id(1_000_000)) && !read.contains(id(1)));
    }

    #[test]
    fn sets_are_kept_while_their_file_stays_and_there_is_room() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let kept = Kept::default();
        let fill = |name: &str, count| {
            let mut set = CleanSet { sorted: vec![id(1).first(); count], ..CleanSet::load(&path(name), "rule") };
            set.insert(id(2));
            set.save(&path(name)).unwrap();
            kept.put(path(name), set);
        };
        let is_kept = |name: &str| kept.0.lock().unwrap().iter().any(|(of, _)| *of == path(name));
        fill("a", 10);
        assert!(is_kept("a"));
        let set = kept.take(&path("a"), "rule");
        assert!(set.contains(id(1)) && !is_kept("a"));
        kept.put(path("a"), set);
        assert!(!kept.take(&path("a"), "other").contains(id(1)));

        fill("a", 10);
        let mut other = CleanSet::load(&path("a"), "rule");
        other.insert(id(77));
        other.save(&path("a")).unwrap();
        assert!(kept.take(&path("a"), "rule").contains(id(77)));

        fill("b", 600_000);
        fill("c", 10);
        fill("d", 500_000);
        assert!(!is_kept("b") && is_kept("c") && is_kept("d"));
    }
}
