//! The trees and blobs of a mirror that are known to hold no match.
//!
//! A blob is clean when its bytes do not match, a tree when nothing beneath it does and nothing beneath it has to be
//! reported. Ids name contents, so that this stays true for ever; only the rule that decides can change, and its name is in
//! the file. The file is a header and the sorted ids; one that is broken in any way is as good as none.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::id::ObjectId;
use super::store::replace;

/// The first bytes of the file, with the version of its form.
const MAGIC: &[u8; 8] = b"twclean1";

/// The most ids: 20 MB. Beyond that, the set starts again with what the last search saw.
const MAX_IDS: usize = 1_000_000;

const HEADER: usize = MAGIC.len() + 32;

/// A set of object ids.
pub(super) struct CleanSet {
    rule: [u8; 32],
    sorted: Vec<[u8; 20]>,
    added: HashSet<[u8; 20]>,
}

impl CleanSet {
    /// Reads the set for the rule with this name; an empty one where there is none.
    pub(super) fn load(path: &Path, rule: &str) -> Self {
        let rule = name(rule);
        let sorted = fs::read(path).ok().and_then(|bytes| parse(&bytes, &rule)).unwrap_or_default();
        Self { rule, sorted, added: HashSet::new() }
    }

    pub(super) fn is_for(&self, rule: &str) -> bool {
        self.rule == name(rule)
    }

    pub(super) fn contains(&self, id: ObjectId) -> bool {
        self.sorted.binary_search(&id.0).is_ok() || (!self.added.is_empty() && self.added.contains(&id.0))
    }

    pub(super) fn insert(&mut self, id: ObjectId) {
        self.added.insert(id.0);
    }

    /// Writes the set, where something was added since it was read.
    pub(super) fn save(&mut self, path: &Path) -> io::Result<()> {
        if self.added.is_empty() {
            return Ok(());
        }
        if self.sorted.len() + self.added.len() > MAX_IDS {
            self.sorted.clear();
        }
        self.sorted.extend(self.added.drain().take(MAX_IDS));
        self.sorted.sort_unstable();
        self.sorted.dedup();
        let mut bytes = Vec::with_capacity(HEADER + self.sorted.len() * 20);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&self.rule);
        bytes.extend_from_slice(self.sorted.as_flattened());
        replace(path, &bytes)
    }
}

fn name(rule: &str) -> [u8; 32] {
    Sha256::digest(rule).into()
}

fn parse(bytes: &[u8], rule: &[u8; 32]) -> Option<Vec<[u8; 20]>> {
    let ids = bytes.strip_prefix(MAGIC)?.strip_prefix(rule)?;
    let (ids, rest) = ids.as_chunks::<20>();
    (rest.is_empty() && ids.len() <= MAX_IDS && ids.is_sorted_by(|a, b| a < b)).then(|| ids.to_vec())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn id(n: u8) -> ObjectId {
        ObjectId([n; 20])
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
        let mut unsorted = whole.clone();
        unsorted[HEADER] = 200;
        assert!(!has(&unsorted, "rule 1"));
    }
}
