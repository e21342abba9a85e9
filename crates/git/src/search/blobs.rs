//! Reading the candidates of a search: each content once, on two threads where there are many.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use git2::Repository;

use super::Criteria;
use crate::error::Error;
use crate::id::ObjectId;
use crate::object::Objects;
use crate::store::Store;

/// From how many blobs on a second thread pays.
const BLOBS_PER_THREAD: usize = 1_000;

/// The most threads that read blobs.
const MAX_THREADS: usize = 2;

/// The largest blob that is read at all, to find out whether it matches: 32 MiB.
const MAX_READ: usize = 32 << 20;

/// The blobs to read, each once.
pub(super) struct Distinct {
    /// With how many names each has.
    pub(super) blobs: Vec<(ObjectId, usize)>,
    pub(super) at: HashMap<ObjectId, usize>,
}

impl Distinct {
    pub(super) fn of(ids: impl Iterator<Item = ObjectId>) -> Self {
        let mut distinct = Self { blobs: Vec::new(), at: HashMap::new() };
        for id in ids {
            let at = *distinct.at.entry(id).or_insert(distinct.blobs.len());
            match distinct.blobs.get_mut(at) {
                Some((_, names)) => *names += 1,
                None => distinct.blobs.push((id, 1)),
            }
        }
        distinct
    }
}

pub(super) fn within(matches: usize, limit: usize) -> Result<(), Error> {
    match matches > limit {
        true => Err(Error::TooMany { what: "the size of the marked files below the paths, in bytes", limit }),
        false => Ok(()),
    }
}

/// What a blob turned out to be.
pub(super) enum Verdict {
    Clean,
    Match(Arc<[u8]>),
    TooLarge(usize),
}

/// Reads all blobs. Beside this thread, others open the repository for themselves; they do not see what was built in
/// memory, so what they miss is left to this one. `matches` is what the files take that match, of all names.
pub(super) fn read_all(
    store: &Store,
    odb: &Objects<'_>,
    blobs: &[(ObjectId, usize)],
    criteria: Criteria,
    matches: &AtomicUsize,
) -> Result<Vec<Verdict>, Error> {
    let look = |blob: &(ObjectId, usize)| {
        let verdict = read(odb, blob.0, criteria).map_err(|source| store.damaged(source))?;
        count(&verdict, blob.1, matches, criteria.max_total).map(|()| verdict)
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = cores.min(MAX_THREADS).min(1 + blobs.len() / BLOBS_PER_THREAD);
    if threads == 1 {
        return blobs.iter().map(look).collect();
    }
    let folder: &Path = store.folder();
    let (mine, theirs) = blobs.split_at(blobs.len() / 2);
    std::thread::scope(|scope| {
        let other = scope.spawn(move || {
            let repository = Repository::open_bare(folder).ok()?;
            let odb = Objects::of(&repository).ok()?;
            let look = |blob: &(ObjectId, usize)| {
                let verdict = read(&odb, blob.0, criteria).ok()?;
                count(&verdict, blob.1, matches, criteria.max_total).ok().map(|()| verdict)
            };
            let is_within = || matches.load(Ordering::Relaxed) <= criteria.max_total;
            Some(theirs.iter().map_while(|blob| is_within().then(|| look(blob))).collect::<Vec<_>>())
        });
        let mut verdicts: Vec<Verdict> = mine.iter().map(look).collect::<Result<_, _>>()?;
        let others = other.join().ok().flatten().unwrap_or_default();
        within(matches.load(Ordering::Relaxed), criteria.max_total)?;
        let mut others = others.into_iter();
        for blob in theirs {
            match others.next().flatten() {
                Some(verdict) => verdicts.push(verdict),
                None => verdicts.push(look(blob)?),
            }
        }
        Ok(verdicts)
    })
}

/// Counts what a file takes that matches, with all its names.
fn count(verdict: &Verdict, names: usize, matches: &AtomicUsize, limit: usize) -> Result<(), Error> {
    let Verdict::Match(bytes) = verdict else { return Ok(()) };
    // More than the limit is too much, however much.
    let more = bytes.len().saturating_mul(names).min(limit.saturating_add(1));
    within(matches.fetch_add(more, Ordering::Relaxed).saturating_add(more), limit)
}

pub(super) fn read(odb: &Objects<'_>, id: ObjectId, criteria: Criteria) -> Result<Verdict, git2::Error> {
    let (size, _) = odb.head(id)?;
    if size > MAX_READ {
        return Ok(Verdict::TooLarge(size));
    }
    let blob = odb.read(id)?;
    let bytes = blob.data();
    Ok(match (criteria.contains)(bytes) {
        false => Verdict::Clean,
        true if bytes.len() > criteria.max_bytes => Verdict::TooLarge(bytes.len()),
        true => Verdict::Match(bytes.into()),
    })
}
