//! Facts about what is in a mirror, kept beside it as hashes.
//!
//! What a fact says is its owner's business. It has to be a hash over everything that it depends on, the commit included, so
//! that it stays true for ever. The file is a header and the hashes, the newest last; one that is broken is as good as none.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::Path;

use super::store::replace;

/// The first bytes of the file, with the version of its form.
const MAGIC: &[u8; 8] = b"twfacts1";

/// The most facts: 32 kB. The oldest go first.
const MAX_FACTS: usize = 1_000;

/// A hash.
pub(super) type Fact = [u8; 32];

/// Returns all facts in the file.
pub(super) fn all(path: &Path) -> HashSet<Fact> {
    read(path).into_iter().collect()
}

/// Adds facts to the file.
pub(super) fn add_all(path: &Path, new: &[Fact]) -> io::Result<()> {
    let mut facts = read(path);
    let known: HashSet<&Fact> = new.iter().collect();
    facts.retain(|fact| !known.contains(fact));
    facts.extend(new);
    let newest = &facts[facts.len().saturating_sub(MAX_FACTS)..];
    replace(path, &[MAGIC, newest.as_flattened()].concat())
}

fn read(path: &Path) -> Vec<Fact> {
    let facts = |bytes: Vec<u8>| {
        let (facts, rest) = bytes.strip_prefix(MAGIC)?.as_chunks::<32>();
        rest.is_empty().then(|| facts.to_vec())
    };
    fs::read(path).ok().and_then(facts).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn has(path: &Path, fact: Fact) -> bool {
        all(path).contains(&fact)
    }

    fn add(path: &Path, fact: Fact) -> io::Result<()> {
        add_all(path, &[fact])
    }

    #[test]
    fn the_newest_facts_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("facts");
        let fact = |n: usize| std::array::from_fn(|at| n.to_le_bytes()[at % 8]);
        assert!(!has(&path, fact(0)));
        (0..=MAX_FACTS).for_each(|n| add(&path, fact(n)).unwrap());
        assert!(!has(&path, fact(0)));
        assert!(has(&path, fact(1)) && has(&path, fact(MAX_FACTS)));
        add(&path, fact(1)).unwrap();
        add(&path, fact(0)).unwrap();
        assert!(has(&path, fact(1)) && !has(&path, fact(2)));

        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        assert!(!has(&path, fact(1)));
    }
}
