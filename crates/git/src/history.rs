//! Who wrote what: from a commit backwards through what the mirror has.
//!
//! For each path the walk goes where `git log --full-history` goes: a commit that differs from all its parents at the path wrote
//! it, one that has a parent with the same content did not, and either way all parents are followed. Of a merge that has what one
//! side had, the other side counts too: what was written and taken back there has left no trace in the content. Commits come
//! newest first by committer time, each after those that have it as a parent.
//!
//! The mirror is shallow. A path stops where it would have to be compared with a parent that the mirror lacks; that is no
//! change. A merge of which one parent is there and has the same content is passed all the same, into those that are there.

mod ahead;
mod changes;
mod compare;
mod moved;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

pub use self::ahead::Ahead;
pub(super) use self::ahead::{ahead, same};
pub(super) use self::changes::changes;
pub use self::changes::{Change, Content};
use self::compare::{Difference, Path, Trees};
pub(super) use self::moved::origin;
pub use self::moved::{Moved, Origin};
use super::commit::CommitFacts;
use super::error::Error;
use super::id::{CommitId, ObjectId};
use super::object::{self, Objects};
use super::search;
use super::snapshot;
use super::store::Store;

/// The largest content that is handed out: 4 MiB.
pub const MAX_TOUCH_BYTES: usize = 4 << 20;

/// The most parents of one commit that are looked at; the history is cut at a commit that has more.
const MAX_PARENTS: usize = 100;

/// Something that a walk has come to.
pub enum Visit<'a> {
    /// A commit, before what it did to the paths. Commits that did nothing to them come too, and so do those of branches
    /// that no path is followed into, as long as a path is followed in older ones.
    Commit(&'a CommitFacts),
    /// A commit that gave a path another content.
    Touch(&'a Touch<'a>),
}

/// A commit that gave a path another content.
#[derive(Debug, Clone, Copy)]
pub struct Touch<'a> {
    /// The path as it was asked for.
    pub path: &'a str,
    /// The commit.
    pub commit: CommitId,
    /// What the commit says about itself.
    pub facts: &'a CommitFacts,
    /// What its first parent has at the path. None where that is no file, or one of more than [`MAX_TOUCH_BYTES`].
    pub before: Option<&'a [u8]>,
    /// What the commit has at the path. None as above.
    pub after: Option<&'a [u8]>,
}

/// What a visitor still wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// Older commits too.
    Keep,
    /// After a touch: nothing more of this path. After a commit: nothing more at all.
    Drop,
}

/// How a walk went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Walked {
    /// Why it ended.
    pub ended: End,
    /// How many commits were visited.
    pub commits: usize,
}

/// Why a walk ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Nothing is of interest any more.
    Done,
    /// There is no older commit.
    Root,
    /// Older commits are not in the mirror.
    Boundary,
    /// As many commits as allowed were visited.
    Limit,
}

/// Walks from `tip` through at most `most` commits. Without any path, it is the commits alone that are visited.
pub(super) fn walk(
    store: &Store,
    tip: CommitId,
    paths: Vec<String>,
    most: usize,
    mut visit: impl FnMut(Visit<'_>) -> Interest,
) -> Result<Walked, Error> {
    let odb = store.odb()?;
    let mut walk = Walk::new(store, &odb, paths);
    let ended = walk.run(tip, most, &mut visit)?;
    Ok(Walked { ended, commits: walk.seen.len() })
}

/// Paths by their numbers, ascending.
type Numbers = Vec<u32>;

/// A commit to visit: the newest first, and of those with the same time the one that was found first.
type Turn = (i64, Reverse<usize>, CommitId);

struct Walk<'a> {
    store: &'a Store,
    trees: Trees<'a>,
    /// As they were asked for.
    texts: Vec<String>,
    /// Sorted by their components; a path's number is its place here and in the others.
    paths: Vec<Path>,
    wanted: Vec<bool>,
    /// Whether commits are visited for their own sake.
    commits_alone: bool,
    queue: BinaryHeap<Turn>,
    queued: usize,
    /// For each commit in the queue, the paths that are followed into it.
    waiting: HashMap<CommitId, Numbers>,
    /// For each commit that was visited, the paths that were followed into it.
    seen: HashMap<CommitId, Numbers>,
    /// The paths that ended where the mirror does.
    cut: HashSet<u32>,
    /// Whether a commit without its parents was visited.
    cut_any: bool,
}

impl<'a> Walk<'a> {
    fn new(store: &'a Store, odb: &'a Objects<'a>, paths: Vec<String>) -> Self {
        let mut sorted: Vec<_> = paths.into_iter().map(|text| (search::components(&text), text)).collect();
        sorted.sort_unstable();
        let (paths, texts): (Vec<_>, Vec<_>) =
            (0..).zip(sorted).map(|(number, (components, text))| (Path { components, number }, text)).unzip();
        Self {
            store,
            trees: Trees::new(store, odb),
            wanted: vec![true; paths.len()],
            commits_alone: paths.is_empty(),
            texts,
            paths,
            queue: BinaryHeap::new(),
            queued: 0,
            waiting: HashMap::new(),
            seen: HashMap::new(),
            cut: HashSet::new(),
            cut_any: false,
        }
    }

    fn run(&mut self, tip: CommitId, most: usize, visit: &mut impl FnMut(Visit<'_>) -> Interest) -> Result<End, Error> {
        let tip = object::commit(self.store, self.trees.odb, tip)?;
        self.enqueue(&tip, self.paths.iter().map(|path| path.number).collect());
        loop {
            if !self.commits_alone && !self.wanted.contains(&true) {
                return Ok(End::Done);
            }
            let Some((_, _, id)) = self.queue.pop().filter(|_| self.is_awaited()) else { break };
            let mut numbers = self.waiting.remove(&id).unwrap_or_default();
            let known = self.seen.get(&id);
            numbers.retain(|n| self.wanted[*n as usize] && !known.is_some_and(|known| known.contains(n)));
            if known.is_none() && self.seen.len() == most {
                return Ok(End::Limit);
            }
            let is_new = known.is_none();
            self.seen.entry(id).or_default().extend(&numbers);
            let facts = object::commit(self.store, self.trees.odb, id)?;
            if is_new && visit(Visit::Commit(&facts)) == Interest::Drop {
                return Ok(End::Done);
            }
            self.step(&facts, numbers, visit)?;
        }
        let is_cut = match self.commits_alone {
            true => self.cut_any,
            false => self.cut.iter().any(|n| self.wanted[*n as usize]),
        };
        Ok(if is_cut { End::Boundary } else { End::Root })
    }

    /// Whether a commit in the queue can still bring something.
    fn is_awaited(&self) -> bool {
        let mut followed = self.waiting.values().flatten();
        self.commits_alone || followed.any(|number| self.wanted[*number as usize])
    }

    fn enqueue(&mut self, commit: &CommitFacts, numbers: Numbers) {
        let id = commit.id;
        if let Some(waiting) = self.waiting.get_mut(&id) {
            waiting.extend(numbers);
            waiting.sort_unstable();
            waiting.dedup();
        } else if !numbers.is_empty() || !self.seen.contains_key(&id) {
            self.waiting.insert(id, numbers);
            self.queue.push((commit.time, Reverse(self.queued), id));
            self.queued += 1;
        }
    }

    /// Finds out what a commit did to the paths, and which parents they are followed into.
    fn step(
        &mut self,
        facts: &CommitFacts,
        mut numbers: Numbers,
        visit: &mut impl FnMut(Visit<'_>) -> Interest,
    ) -> Result<(), Error> {
        let parents = self.parents(facts)?;
        let tree = facts.tree;
        let mut written = match facts.parents.is_empty() {
            true => Some(self.compare(None, tree, &numbers)?),
            false => None,
        };
        // Of the paths, those that differ from every parent so far.
        let mut changed = numbers.clone();
        for parent in &parents {
            let differences = self.compare(Some(parent.tree), tree, &numbers)?;
            changed.retain(|n| differences.binary_search_by_key(n, |difference| difference.number).is_ok());
            written.get_or_insert(differences);
        }
        match parents.len() == facts.parents.len() {
            true => {
                let mut written = written.unwrap_or_default();
                written.retain(|difference| changed.binary_search(&difference.number).is_ok());
                self.touch(facts, &written, visit)?;
            }
            false => {
                self.cut_any = true;
                self.cut.extend(&changed);
                numbers.retain(|n| changed.binary_search(n).is_err());
            }
        }
        for parent in &parents {
            self.enqueue(parent, numbers.clone());
        }
        Ok(())
    }

    /// Returns those parents that the mirror has and that can be read, of at most [`MAX_PARENTS`].
    fn parents(&self, facts: &CommitFacts) -> Result<Vec<CommitFacts>, Error> {
        let mut found = Vec::new();
        for parent in facts.parents.iter().take(MAX_PARENTS).filter(|id| self.trees.odb.exists(id.object())) {
            match object::commit(self.store, self.trees.odb, *parent) {
                Ok(parent) => found.push(CommitFacts { message: String::new(), ..parent }),
                Err(Error::Object { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    fn compare(&mut self, old: Option<ObjectId>, new: ObjectId, numbers: &[u32]) -> Result<Vec<Difference>, Error> {
        let paths: Vec<&Path> = numbers.iter().map(|number| &self.paths[*number as usize]).collect();
        self.trees.differences(old, Some(new), &paths)
    }

    fn touch(
        &mut self,
        facts: &CommitFacts,
        written: &[Difference],
        visit: &mut impl FnMut(Visit<'_>) -> Interest,
    ) -> Result<(), Error> {
        for difference in written {
            let number = difference.number as usize;
            let before = self.content(difference.old)?;
            let after = self.content(difference.new)?;
            let touch = Touch {
                path: &self.texts[number],
                commit: facts.id,
                facts,
                before: before.as_deref(),
                after: after.as_deref(),
            };
            if visit(Visit::Touch(&touch)) == Interest::Drop {
                self.wanted[number] = false;
            }
        }
        Ok(())
    }

    fn content(&self, id: Option<ObjectId>) -> Result<Option<Vec<u8>>, Error> {
        let blob = id.map_or(Ok(None), |id| snapshot::blob(self.trees.odb, id, MAX_TOUCH_BYTES));
        blob.map_err(|source| self.store.damaged(source))
    }
}
