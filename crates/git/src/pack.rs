//! Packs in and out of a mirror.
//!
//! What arrives is indexed here and not by libgit2, which reads a whole object for each difference, however large it says it
//! becomes, keeps what two of them have in common, looks at all of them again for each base that a pack leaves out, and cannot be
//! stopped. Here an object is in memory when others are made out from it, those that may be are bounded ([`Bounds`]), and whoever
//! waits may give up. Packs to send are libgit2's work.

mod delta;
mod index;
mod intake;
mod resolve;

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use git2::{Buf, ObjectType};
use tokio::sync::mpsc::Receiver;

use self::intake::{Arrived, Intake};
use super::commit;
use super::error::Error;
use super::id::{CommitId, ObjectFormat, ObjectId};
use super::object::Objects;
use super::problem::Problem;
use super::store::Store;
use super::tree;

/// The most objects of one push.
const MAX_OBJECTS: usize = 2_000_000;

/// What an object of a pack takes in memory while it is indexed, generously.
const PER_OBJECT: usize = 256;

/// From how many objects on a pack is indexed while no other large one is: so many take 8 MiB. Small ones wait for nobody.
const MANY: usize = (8 << 20) / PER_OBJECT;

/// The same of what a difference makes, or is from.
const LARGE: u64 = 8 << 20;

/// What the packs of one remote may cost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// In bytes of memory.
    pub(super) memory: usize,
}

impl Bounds {
    /// The most objects of one pack.
    const fn objects(self) -> usize {
        self.memory / PER_OBJECT
    }

    /// Whether an object may be in memory. Three are at once: what a difference is from, the difference, and what it makes.
    const fn object(self, bytes: u64) -> Result<(), Failure> {
        match bytes > (self.memory / 3) as u64 {
            true => Err(Failure::Costly(Excess::Difference { bytes })),
            false => Ok(()),
        }
    }
}

/// What of a pack takes more memory than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Excess {
    /// It has too many objects.
    Objects {
        /// How many.
        count: u32,
    },
    /// An object comes as a difference from another, and one of the two, or the difference, is too large.
    Difference {
        /// How large it says it is.
        bytes: u64,
    },
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Objects { count } => write!(f, "a pack of {count} objects"),
            Self::Difference { bytes } => write!(f, "a difference between objects, one of {bytes} bytes"),
        }
    }
}

/// Why a pack cannot be stored.
#[derive(Debug)]
enum Failure {
    Broken,
    Costly(Excess),
    GivenUp,
    Disk(io::Error),
    /// Of the mirror that it leans on.
    Mirror(Error),
}

/// A part of a pack that arrives.
pub(super) enum Piece {
    /// The next bytes.
    Data(Vec<u8>),
    /// The pack is complete. A channel that closes without this was given up.
    Done,
}

/// What became of a pack.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// It is in the mirror.
    Yes,
    /// It was not complete, or nobody waits for it any more; nothing remains of it.
    GivenUp,
    /// It is broken, or leans on an object that the mirror should have and has not.
    Refused,
    /// It takes more memory than it may.
    Costly(Excess),
}

/// What is shared with whoever waits for a pack to be stored.
#[derive(Clone)]
pub(super) struct Indexing {
    pub(super) bounds: Bounds,
    /// Nobody waits any more.
    pub(super) given_up: Arc<AtomicBool>,
    /// Held while a large pack is indexed, so that one at a time is.
    pub(super) large: Arc<Mutex<()>>,
}

/// Tells that nobody waits any more when it is dropped.
pub(super) struct Waiting(pub(super) Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Stores a pack as it arrives. Blocks until the channel closes.
pub(super) fn store(store: &Store, mut pieces: Receiver<Piece>, indexing: &Indexing) -> Result<Stored, Error> {
    let mut intake =
        Intake::new(&store.packs(), store.format(), indexing.bounds).map_err(|source| disk(store, source))?;
    while let Some(piece) = pieces.blocking_recv() {
        // What waits may be large once it is inflated.
        if indexing.given_up.load(Ordering::Relaxed) {
            break;
        }
        let taken = match piece {
            Piece::Data(data) => intake.take(&data),
            Piece::Done => return verdict(store, intake.finish().and_then(|pack| keep(store, pack, indexing))),
        };
        if taken.is_err() {
            return verdict(store, taken);
        }
    }
    Ok(Stored::GivenUp)
}

/// Stores a pack that is there as a whole.
pub(super) fn store_whole(store: &Store, pack: &[u8], indexing: &Indexing) -> Result<Stored, Error> {
    let mut intake =
        Intake::new(&store.packs(), store.format(), indexing.bounds).map_err(|source| disk(store, source))?;
    let kept = intake.take(pack).and_then(|()| intake.finish()).and_then(|pack| keep(store, pack, indexing));
    verdict(store, kept)
}

fn verdict(store: &Store, kept: Result<(), Failure>) -> Result<Stored, Error> {
    match kept {
        Ok(()) => Ok(Stored::Yes),
        Err(Failure::Broken) => Ok(Stored::Refused),
        Err(Failure::Costly(excess)) => Ok(Stored::Costly(excess)),
        Err(Failure::GivenUp) => Ok(Stored::GivenUp),
        Err(Failure::Disk(source)) => Err(disk(store, source)),
        Err(Failure::Mirror(error)) => Err(error),
    }
}

fn disk(store: &Store, source: io::Error) -> Error {
    Error::File { what: "write a pack into", path: store.packs(), source }
}

/// Finds out what is in a pack, and puts it beside the others with its index.
fn keep(store: &Store, pack: Option<Arrived>, indexing: &Indexing) -> Result<(), Failure> {
    let Some(mut pack) = pack else { return Ok(()) };
    let is_large = pack.objects.len() > MANY || pack.largest > LARGE;
    let _alone = is_large.then(|| indexing.large.lock().unwrap_or_else(PoisonError::into_inner));
    let odb = store.odb().map_err(Failure::Mirror)?;
    let outside = |id: ObjectId| outside(store, &odb, id, indexing.bounds);
    resolve::resolve(&mut pack, indexing.bounds, &indexing.given_up, outside)?;
    let Arrived { file, mut objects, checksum, .. } = pack;
    let folder = store.packs();
    let mut written = tempfile::Builder::new().prefix("tmp_idx_").tempfile_in(&folder).map_err(Failure::Disk)?;
    index::write(io::BufWriter::new(&mut written), &mut objects, checksum).map_err(Failure::Disk)?;
    // The index comes last: a pack without one is swept away, an index without its pack would be looked into.
    place(file, &folder.join(format!("pack-{checksum}.pack"))).map_err(Failure::Disk)?;
    place(written, &folder.join(format!("pack-{checksum}.idx"))).map_err(Failure::Disk)?;
    odb.refresh().map_err(|source| Failure::Mirror(store.damaged(source)))
}

/// Gives a file its name. The same pack may be there already.
fn place(file: tempfile::NamedTempFile, path: &Path) -> io::Result<()> {
    match fs::exists(path)? {
        true => Ok(()),
        false => file.persist(path).map(drop).map_err(|error| error.error),
    }
}

/// Reads an object that a pack leans on; none where the mirror does not have it.
fn outside(store: &Store, odb: &Objects<'_>, id: ObjectId, bounds: Bounds) -> Result<Option<(u8, Vec<u8>)>, Failure> {
    let damaged = |source| Failure::Mirror(store.damaged(source));
    if store.built.contains(&id) || !odb.exists(id) {
        return Ok(None);
    }
    let (bytes, _) = odb.head(id).map_err(damaged)?;
    bounds.object(bytes as u64)?;
    let object = odb.read(id).map_err(damaged)?;
    let kind = match object.kind() {
        ObjectType::Commit => 1,
        ObjectType::Tree => 2,
        ObjectType::Blob => 3,
        ObjectType::Tag => 4,
        ObjectType::Any => return Ok(None),
    };
    Ok(Some((kind, object.data().to_vec())))
}

/// A pack to send.
pub(super) struct Outgoing {
    pub(super) bytes: Vec<u8>,
    pub(super) objects: HashSet<ObjectId>,
}

/// Packs what was built here and is needed by `commits`, and nothing else: all else is in commits the remote gave us.
pub(super) fn build(store: &Store, commits: &[CommitId]) -> Result<Outgoing, Error> {
    let objects = needed(store, commits)?;
    let damaged = |source| store.damaged(source);
    let mut builder = store.repository.packbuilder().map_err(damaged)?;
    builder.set_threads(1);
    for id in &objects {
        id.oid(store.format()).and_then(|oid| builder.insert_object(oid, None)).map_err(damaged)?;
    }
    let mut buffer = Buf::new();
    builder.write_buf(&mut buffer).map_err(damaged)?;
    Ok(Outgoing { bytes: buffer.to_vec(), objects: objects.into_iter().collect() })
}

/// Walks from `commits` as far as objects were built here. Commits come first, then trees, each before what is in it.
fn needed(store: &Store, commits: &[CommitId]) -> Result<Vec<ObjectId>, Error> {
    let odb = store.odb()?;
    let mut seen = HashSet::new();
    let mut order = Vec::new();
    let mut left: Vec<ObjectId> = commits.iter().map(|commit| commit.object()).collect();
    while let Some(id) = left.pop() {
        if !store.built.contains(&id) || !seen.insert(id) {
            continue;
        }
        if order.len() == MAX_OBJECTS {
            return Err(Error::TooMany { what: "the number of new objects", limit: MAX_OBJECTS });
        }
        order.push(id);
        let object = odb.read(id).map_err(|source| store.damaged(source))?;
        match object.kind() {
            ObjectType::Commit => left.extend(links(object.data(), id.format())),
            ObjectType::Tree => left.extend(tree::entries(object.data(), id.format()).flatten().map(|entry| entry.id)),
            _ => {}
        }
    }
    Ok(order)
}

/// The tree and the parents of a commit.
fn links(bytes: &[u8], format: ObjectFormat) -> impl Iterator<Item = ObjectId> {
    commit::ids(bytes, b"tree ", format).chain(commit::parents(bytes, format))
}

/// A pack that the mirror refuses, as an error of the remote that sent it.
pub(super) fn refused(remote: &str) -> Error {
    Error::Protocol { remote: remote.to_owned(), problem: Problem::Pack }
}
