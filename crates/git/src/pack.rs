//! Packs in and out of a mirror, through libgit2's indexer and pack builder.

use std::collections::HashSet;
use std::io::Write;

use git2::{Buf, ObjectType, Oid};
use tokio::sync::mpsc::Receiver;

use super::commit;
use super::error::Error;
use super::id::{CommitId, ObjectId};
use super::problem::Problem;
use super::store::Store;
use super::tree;

/// `PACK`, the version, and the number of objects.
const HEADER: usize = 12;

/// The most objects of one push.
const MAX_OBJECTS: usize = 2_000_000;

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
    let odb = store.odb()?;
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
pub(super) fn build(store: &Store, commits: &[CommitId]) -> Result<Outgoing, Error> {
    let objects = needed(store, commits)?;
    let damaged = |source| store.damaged(source);
    let mut builder = store.repository.packbuilder().map_err(damaged)?;
    builder.set_threads(1);
    for oid in &objects {
        builder.insert_object(*oid, None).map_err(damaged)?;
    }
    let mut buffer = Buf::new();
    builder.write_buf(&mut buffer).map_err(damaged)?;
    Ok(Outgoing { bytes: buffer.to_vec(), objects: objects.into_iter().collect() })
}

/// Walks from `commits` as far as objects were built here. Commits come first, then trees, each before what is in it.
fn needed(store: &Store, commits: &[CommitId]) -> Result<Vec<Oid>, Error> {
    let odb = store.odb()?;
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
fn links(bytes: &[u8]) -> impl Iterator<Item = Oid> {
    commit::ids(bytes, b"tree ").chain(commit::parents(bytes)).map(ObjectId::oid)
}

/// A pack that the mirror refuses, as an error of the remote that sent it.
pub(super) fn refused(remote: &str) -> Error {
    Error::Protocol { remote: remote.to_owned(), problem: Problem::Pack }
}
