//! Where the mirror's history ends.
//!
//! One rule holds at every moment, killed or not: a commit that is in the mirror has all its parents there, with all that is
//! in them, or is in the file `shallow`. The file is therefore extended before a pack is stored, and cut back after. It
//! follows that a commit whose parents are there continues into them, whatever a remote says: where we ask for less history
//! than we have, it calls commits shallow that are not.

use std::collections::{BTreeSet, HashSet, VecDeque};

use git2::{ErrorCode, Odb, OdbLookupFlags, Oid};

use crate::error::Error;
use crate::id::ObjectId;
use crate::pack;
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
        if let Some(parents) = parents(&odb, commit.oid()).map_err(|source| store.damaged(source))?
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
fn odb(store: &Store) -> Result<Odb<'_>, Error> {
    let fresh = store.repository.odb().and_then(|odb| odb.refresh().map(|()| odb));
    fresh.map_err(|source| store.damaged(source))
}

/// What was built and not pushed is gone when the process ends.
fn is_stored(store: &Store, odb: &Odb<'_>, oid: Oid) -> bool {
    !store.built.contains(&oid) && odb.exists_ext(oid, OdbLookupFlags::NO_REFRESH)
}

/// Whether `old` is among the ancestors of `new` that the mirror has.
pub(super) fn continues(store: &Store, new: ObjectId, old: ObjectId) -> Result<bool, Error> {
    let odb = odb(store)?;
    let mut left = VecDeque::from([new.oid()]);
    let mut seen = HashSet::new();
    while let Some(oid) = left.pop_front() {
        if oid == old.oid() {
            return Ok(true);
        }
        if seen.len() < MAX_SEARCHED && seen.insert(oid) {
            left.extend(parents(&odb, oid).map_err(|source| store.damaged(source))?.into_iter().flatten());
        }
    }
    Ok(false)
}

/// Whether the mirror has all commits that are fewer than `generations` steps away from `tip`.
pub(super) fn reaches(store: &Store, tip: ObjectId, generations: u32) -> Result<bool, Error> {
    let odb = odb(store)?;
    let mut seen = HashSet::new();
    let mut generation = vec![tip.oid()];
    for _ in 0..generations {
        let mut older = Vec::new();
        for oid in generation {
            if !seen.insert(oid) {
                continue;
            }
            match parents(&odb, oid).map_err(|source| store.damaged(source))? {
                Some(parents) => older.extend(parents),
                None => return Ok(false),
            }
        }
        generation = older;
    }
    Ok(true)
}

/// Returns the parents of a commit; None when the mirror does not have it.
fn parents(odb: &Odb<'_>, commit: Oid) -> Result<Option<Vec<Oid>>, git2::Error> {
    if !odb.exists_ext(commit, OdbLookupFlags::NO_REFRESH) {
        return Ok(None);
    }
    match odb.read(commit) {
        Ok(object) => Ok(Some(pack::parents(object.data()).collect())),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
