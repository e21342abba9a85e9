//! Where the mirror's history ends.
//!
//! One rule holds at every moment, killed or not: a commit that is in the mirror has all its parents there, with all that is
//! in them, or is in the file `shallow`. The file is therefore extended before a pack is stored, and cut back after. It
//! follows that a commit whose parents are there continues into them, whatever a remote says: where we ask for less history
//! than we have, it calls commits shallow that are not.

use std::collections::{BTreeSet, HashSet, VecDeque};

use crate::error::Error;
use crate::id::ObjectId;
use crate::object::{self, Objects};
use crate::store::Store;

/// How many commits are looked at to find out whether a branch continues what it was.
const MAX_SEARCHED: usize = 5_000;

/// Returns where the history ends, after whatever a killed process has left: a remote believes that we have what we call
/// shallow.
pub(super) fn ends(store: &Store) -> Result<BTreeSet<ObjectId>, Error> {
    settle(store, &store.shallow())
}

/// Writes down at which of `candidates` the history ends, and returns them.
pub(super) fn settle(store: &Store, candidates: &BTreeSet<ObjectId>) -> Result<BTreeSet<ObjectId>, Error> {
    let odb = odb(store)?;
    let mut ends = BTreeSet::new();
    for commit in candidates {
        if let Some(parents) = object::parents(store, &odb, *commit)?
            && !parents.iter().all(|parent| is_stored(store, &odb, *parent))
        {
            ends.insert(*commit);
        }
    }
    if ends != store.shallow() {
        store.set_shallow(&ends)?;
    }
    Ok(ends)
}

/// Looks for new packs once, so that the many questions after need not.
fn odb(store: &Store) -> Result<Objects<'_>, Error> {
    let fresh = Objects::of(&store.repository).and_then(|odb| odb.refresh().map(|()| odb));
    fresh.map_err(|source| store.damaged(source))
}

/// What was built and not pushed is gone when the process ends.
fn is_stored(store: &Store, odb: &Objects<'_>, id: ObjectId) -> bool {
    !store.built.contains(&id) && odb.exists(id)
}

/// Whether `old` is among the ancestors of `new` that the mirror has.
pub(super) fn continues(store: &Store, new: ObjectId, old: ObjectId) -> Result<bool, Error> {
    let odb = odb(store)?;
    let mut left = VecDeque::from([new]);
    let mut seen = HashSet::new();
    while let Some(id) = left.pop_front() {
        if id == old {
            return Ok(true);
        }
        if seen.len() < MAX_SEARCHED && seen.insert(id) {
            left.extend(object::parents(store, &odb, id)?.into_iter().flatten());
        }
    }
    Ok(false)
}

/// Whether the mirror has all commits that are fewer than `generations` steps away from `tip`.
pub(super) fn reaches(store: &Store, tip: ObjectId, generations: u32) -> Result<bool, Error> {
    let odb = odb(store)?;
    let mut seen = HashSet::new();
    let mut generation = vec![tip];
    for _ in 0..generations {
        let mut older = Vec::new();
        for id in generation {
            if !seen.insert(id) {
                continue;
            }
            match object::parents(store, &odb, id)? {
                Some(parents) => older.extend(parents),
                None => return Ok(false),
            }
        }
        generation = older;
    }
    Ok(true)
}
