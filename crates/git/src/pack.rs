//! Packs in and out of a mirror: in through libgit2's indexer, out by hand.

use std::collections::{HashMap, HashSet};
use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use git2::{ObjectType, Oid};
use sha1::{Digest, Sha1};
use tokio::sync::mpsc::Receiver;

use super::delta;
use super::error::Error;
use super::id::{CommitId, ObjectId};
use super::problem::Problem;
use super::store::Store;
use super::tree;

/// `PACK`, the version, and the number of objects.
const HEADER: usize = 12;

/// The most objects of one push.
const MAX_OBJECTS: usize = 2_000_000;

/// How an entry says that it is what differs from the object whose id follows.
const REF_DELTA: u8 = 7;

/// How many differences may stand one on the other; git's own packs go as deep.
const MAX_CHAIN: usize = 50;

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
    /// It was not complete; nothing remains of it.
    GivenUp,
    /// libgit2 refuses it: it is broken, or leans on an object that the mirror should have and has not.
    Refused,
}

/// Stores a pack as it arrives. Blocks until the channel closes.
pub(super) fn store(store: &Store, mut pieces: Receiver<Piece>) -> Result<Stored, Error> {
    let odb = store.repository.odb().map_err(|source| store.damaged(source))?;
    let mut writer = odb.packwriter().map_err(|source| store.damaged(source))?;
    let mut start = Vec::new();
    while let Some(piece) = pieces.blocking_recv() {
        let Piece::Data(data) = piece else {
            // libgit2 does not take a pack without objects, which is what a remote sends that has nothing new.
            if objects(&start) == Some(0) {
                return Ok(Stored::Yes);
            }
            return Ok(if writer.commit().is_ok() { Stored::Yes } else { Stored::Refused });
        };
        if start.len() < HEADER {
            start.extend_from_slice(&data[..data.len().min(HEADER - start.len())]);
        }
        if writer.write_all(&data).is_err() {
            return Ok(Stored::Refused);
        }
    }
    Ok(Stored::GivenUp)
}

/// Stores a pack that is there as a whole.
pub(super) fn store_whole(store: &Store, pack: &[u8]) -> Result<(), git2::Error> {
    if objects(pack) == Some(0) {
        return Ok(());
    }
    let odb = store.repository.odb()?;
    let mut writer = odb.packwriter()?;
    writer.write_all(pack).map_err(|error| git2::Error::from_str(&error.to_string()))?;
    writer.commit().map(drop)
}

fn objects(pack: &[u8]) -> Option<u32> {
    let count = pack.strip_prefix(b"PACK")?.get(4..8)?;
    Some(u32::from_be_bytes(count.try_into().ok()?))
}

/// A pack to send.
pub(super) struct Outgoing {
    pub(super) bytes: Vec<u8>,
    pub(super) objects: HashSet<Oid>,
}

/// Packs what was built here and is needed by `commits`, and nothing else: all else is in commits the remote gave us.
///
/// A new tree or file is written as what differs from the one that it was made of ([`delta`]), which the remote has, or which is in
/// the pack as well: five hundred commits to one large folder would be five hundred large folders otherwise. Only a remote that
/// does not take a thin pack gets no reference to what is not in it.
pub(super) fn build(store: &Store, commits: &[CommitId], thin: bool) -> Result<Outgoing, Error> {
    let order = needed(store, commits)?;
    let damaged = |source| store.damaged(source);
    let odb = store.repository.odb().map_err(damaged)?;
    let objects: HashSet<Oid> = order.iter().copied().collect();
    let mut depths: HashMap<Oid, usize> = HashMap::new();
    let mut bytes = [b"PACK".as_slice(), &2_u32.to_be_bytes()].concat();
    bytes.extend_from_slice(&u32::try_from(order.len()).unwrap_or(u32::MAX).to_be_bytes());
    for oid in &order {
        let object = odb.read(*oid).map_err(damaged)?;
        let base = base(store, *oid, &objects).filter(|base| {
            let depth = if objects.contains(base) { depths.get(base).copied() } else { Some(0).filter(|_| thin) };
            depth.is_some_and(|depth| depth < MAX_CHAIN)
        });
        let delta = match base {
            Some(base) => {
                let old = odb.read(base).map_err(damaged)?;
                delta::between(object.kind(), old.data(), object.data()).map(|delta| (base, delta))
            }
            None => None,
        };
        match delta {
            Some((base, delta)) => {
                depths.insert(*oid, 1 + depths.get(&base).copied().unwrap_or(0));
                header_of(&mut bytes, REF_DELTA, delta.len());
                bytes.extend_from_slice(base.as_bytes());
                deflate(&mut bytes, &delta);
            }
            None => {
                depths.insert(*oid, 0);
                header_of(&mut bytes, kind_number(object.kind()), object.data().len());
                deflate(&mut bytes, object.data());
            }
        }
    }
    let hash = Sha1::digest(&bytes);
    bytes.extend_from_slice(&hash);
    Ok(Outgoing { bytes, objects })
}

/// The nearest of what an object was made of that is in the pack or that the remote has.
fn base(store: &Store, oid: Oid, objects: &HashSet<Oid>) -> Option<Oid> {
    let mut base = *store.made_of.get(&oid)?;
    while store.built.contains(&base) && !objects.contains(&base) {
        base = *store.made_of.get(&base)?;
    }
    Some(base)
}

const fn kind_number(kind: ObjectType) -> u8 {
    match kind {
        ObjectType::Commit => 1,
        ObjectType::Tree => 2,
        ObjectType::Tag => 4,
        _ => 3,
    }
}

/// Writes the kind and the size of an entry: four bits of the size, then seven at a time.
fn header_of(out: &mut Vec<u8>, kind: u8, size: usize) {
    let mut byte = kind << 4 | size.to_le_bytes()[0] & 0x0f;
    let mut rest = size >> 4;
    while rest > 0 {
        out.push(byte | 0x80);
        byte = rest.to_le_bytes()[0] & 0x7f;
        rest >>= 7;
    }
    out.push(byte);
}

fn deflate(out: &mut Vec<u8>, data: &[u8]) {
    let mut encoder = ZlibEncoder::new(&mut *out, Compression::default());
    // Writing to memory does not fail.
    let _never = encoder.write_all(data).and_then(|()| encoder.finish().map(drop));
}

/// Walks from `commits` as far as objects were built here. Commits come first, then trees, each before what is in it.
fn needed(store: &Store, commits: &[CommitId]) -> Result<Vec<Oid>, Error> {
    let odb = store.repository.odb().map_err(|source| store.damaged(source))?;
    let mut seen = HashSet::new();
    let mut order = Vec::new();
    let mut left: Vec<Oid> = commits.iter().map(|commit| commit.oid()).collect();
    while let Some(oid) = left.pop() {
        if !store.built.contains(&oid) || !seen.insert(oid) {
            continue;
        }
        if order.len() == MAX_OBJECTS {
            return Err(Error::TooMany { what: "the number of new objects", limit: MAX_OBJECTS });
        }
        order.push(oid);
        let object = odb.read(oid).map_err(|source| store.damaged(source))?;
        match object.kind() {
            ObjectType::Commit => left.extend(links(object.data())),
            ObjectType::Tree => left.extend(tree::entries(object.data()).flatten().map(|entry| entry.id.oid())),
            _ => {}
        }
    }
    Ok(order)
}

/// The tree and the parents of a commit.
fn links(commit: &[u8]) -> impl Iterator<Item = Oid> {
    header(commit, b"tree ").chain(parents(commit))
}

/// The parents of a commit, given as its bytes or its header alone.
pub(super) fn parents(commit: &[u8]) -> impl Iterator<Item = Oid> {
    header(commit, b"parent ")
}

/// The ids in those lines of a commit's header that begin with `name`.
fn header<'a>(commit: &'a [u8], name: &'static [u8]) -> impl Iterator<Item = Oid> + 'a {
    let lines = commit.split(|byte| *byte == b'\n').take_while(|line| !line.is_empty());
    lines.filter_map(|line| ObjectId::from_hex(line.strip_prefix(name)?).map(ObjectId::oid))
}

/// A pack that the mirror refuses, as an error of the remote that sent it.
pub(super) fn refused(remote: &str) -> Error {
    Error::Protocol { remote: remote.to_owned(), problem: Problem::Pack }
}
