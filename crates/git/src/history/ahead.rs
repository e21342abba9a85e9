//! What one commit has that another one has not.

use std::collections::{BTreeSet, BinaryHeap, HashMap};

use super::compare::{Trees, changed, of};
use super::moved::blob;
use crate::commit::CommitFacts;
use crate::error::Error;
use crate::id::{CommitId, ObjectId};
use crate::object;
use crate::store::Store;
use crate::tree::Class;

/// The most commits that are looked at.
const MAX_COMMITS: usize = 2_000;

/// The most paths in which a branch may differ from where it began, and the most folders that are compared.
const MAX_PATHS: usize = 1_000;

/// What a branch has that another one has not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ahead {
    /// Its own commits, newest first.
    pub commits: Vec<CommitFacts>,
    /// Whether the other one has commits of its own, too.
    pub is_behind: bool,
    /// Whether the mirror has enough history to tell. If not, there may be fewer commits on either side.
    pub is_known: bool,
    /// The paths in which the branch differs from the newest commit that both have; none if there is no such commit, or there
    /// are too many.
    pub paths: Option<BTreeSet<String>>,
}

/// From which of the two a commit can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct From {
    ours: bool,
    theirs: bool,
}

impl From {
    fn is_both(self) -> bool {
        self.ours && self.theirs
    }
}

/// Compares two commits by what leads to them.
pub(crate) fn ahead(store: &Store, ours: CommitId, theirs: CommitId) -> Result<Ahead, Error> {
    let odb = store.odb()?;
    let (mut from, mut facts): (HashMap<CommitId, From>, HashMap<CommitId, CommitFacts>) = Default::default();
    let mut queue: BinaryHeap<(i64, CommitId)> = BinaryHeap::new();
    let mut is_known = true;
    for (id, is_ours) in [(ours, true), (theirs, false)] {
        let of = from.entry(id).or_default();
        (of.ours, of.theirs) = (of.ours || is_ours, of.theirs || !is_ours);
        let commit = object::commit(store, &odb, id)?;
        queue.push((commit.time, id));
        facts.insert(id, commit);
    }
    // Until what is left is common to both; dates that go wrong make more commits look like a side's own, never fewer.
    while queue.iter().any(|(_, id)| !from[id].is_both()) {
        let Some((_, id)) = queue.pop() else { break };
        let (reached, parents) = (from[&id], facts[&id].parents.clone());
        for parent in parents {
            if !odb.exists(parent.object()) || facts.len() >= MAX_COMMITS {
                is_known &= reached.is_both();
                continue;
            }
            let known = from.entry(parent).or_default();
            let now = From { ours: known.ours || reached.ours, theirs: known.theirs || reached.theirs };
            if now != *known {
                *known = now;
                let commit = match facts.get(&parent) {
                    Some(commit) => commit.clone(),
                    None => object::commit(store, &odb, parent)?,
                };
                queue.push((commit.time, parent));
                facts.insert(parent, commit);
            }
        }
    }
    // By dates that go wrong, or are the same, a commit may have been passed before it was known that both lead to it.
    let mut common: Vec<CommitId> = from.iter().filter(|(_, from)| from.is_both()).map(|(id, _)| *id).collect();
    while let Some(id) = common.pop() {
        for parent in &facts[&id].parents {
            if let Some(known) = from.get_mut(parent).filter(|known| !known.is_both()) {
                *known = From { ours: true, theirs: true };
                common.push(*parent);
            }
        }
    }
    let base = from.iter().filter(|(_, from)| from.is_both()).map(|(id, _)| (facts[id].time, *id)).max();
    let mut commits: Vec<CommitFacts> =
        facts.into_values().filter(|commit| from[&commit.id] == From { ours: true, theirs: false }).collect();
    commits.sort_by_key(|commit| (std::cmp::Reverse(commit.time), commit.id));
    let is_behind = from.values().any(|from| from.theirs && !from.ours);
    let paths = match base {
        Some((_, base)) => differing(store, base, ours)?,
        None => None,
    };
    Ok(Ahead { commits, is_behind, is_known, paths })
}

/// Whether two commits have the same at all of these paths.
pub(crate) fn same(store: &Store, one: CommitId, other: CommitId, paths: &BTreeSet<String>) -> Result<bool, Error> {
    let odb = store.odb()?;
    let mut trees = Trees::new(store, &odb);
    let (one, other) = (object::commit(store, &odb, one)?.tree, object::commit(store, &odb, other)?.tree);
    for path in paths {
        if blob(&mut trees, one, path)? != blob(&mut trees, other, path)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The paths in which two commits differ; none if there are too many.
fn differing(store: &Store, one: CommitId, other: CommitId) -> Result<Option<BTreeSet<String>>, Error> {
    let odb = store.odb()?;
    let mut trees = Trees::new(store, &odb);
    let (one, other) = (object::commit(store, &odb, one)?.tree, object::commit(store, &odb, other)?.tree);
    let mut paths = BTreeSet::new();
    let mut folders = vec![(String::new(), Some(one), Some(other))];
    let mut compared = 0;
    while let Some((folder, one, other)) = folders.pop() {
        if one == other {
            continue;
        }
        compared += 1;
        let (old, new) = (trees.read(one)?, trees.read(other)?);
        for (name, (was, is)) in changed(&old, &new, trees.format) {
            let Ok(name) = std::str::from_utf8(name) else { return Ok(None) };
            let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
            let sides = [of(was, Class::Folder), of(is, Class::Folder)];
            let is_folder = |side: Option<(Class, ObjectId)>| side.is_none_or(|(class, _)| class == Class::Folder);
            if !is_folder(was) || !is_folder(is) {
                paths.insert(path.clone());
            }
            if sides.iter().any(Option::is_some) {
                folders.push((path, sides[0], sides[1]));
            }
            if paths.len() > MAX_PATHS || compared > MAX_PATHS {
                return Ok(None);
            }
        }
    }
    Ok(Some(paths))
}
