//! Objects of a mirror, read within bounds.
//!
//! An object says how large it is before it is read, and libgit2 reads it as a whole: a tree of 700 MB fits into a pack of a few
//! kilobytes. What is larger than its kind may be is an error of the remote, and so is what cannot be understood, since packs
//! are verified when they arrive. The mirror is to blame for neither, and is not fetched anew for it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use git2::{ObjectType, Odb, OdbLookupFlags, OdbObject, Repository};

use super::commit::{self, CommitFacts};
use super::error::Error;
use super::id::{CommitId, ObjectFormat, ObjectId};
use super::problem::ObjectProblem;
use super::store::Store;

/// The largest tree that is read: 8 MiB, which are more than a hundred thousand entries of one folder.
pub(super) const MAX_TREE: usize = 8 << 20;

/// The largest commit or annotated tag that is read: 8 MiB.
const MAX_TEXT: usize = 8 << 20;

/// How many annotated tags may stand for each other before one stands for a commit.
const MAX_TAGS: usize = 5_000;

/// The object database of a mirror. An id of another object format is that of no object.
pub(super) struct Objects<'r> {
    odb: Odb<'r>,
    format: ObjectFormat,
}

impl<'r> Objects<'r> {
    pub(super) fn of(repository: &'r Repository) -> Result<Self, git2::Error> {
        Ok(Self { odb: repository.odb()?, format: ObjectFormat::of(repository.object_format()) })
    }

    /// Whether there is an object. Looks for no new packs.
    pub(super) fn exists(&self, id: ObjectId) -> bool {
        id.oid(self.format).is_ok_and(|oid| self.odb.exists_ext(oid, OdbLookupFlags::NO_REFRESH))
    }

    /// Returns the size of an object, and what it is, without reading it.
    pub(super) fn head(&self, id: ObjectId) -> Result<(usize, ObjectType), git2::Error> {
        let oid = id.oid(self.format)?;
        // The binding has no word for a kind that does not exist, which only a damaged pack has, and panics.
        let read = catch_unwind(AssertUnwindSafe(|| self.odb.read_header(oid)));
        read.unwrap_or_else(|_| Err(git2::Error::from_str("an object of no kind that there is")))
    }

    /// Reads an object as a whole, however large it is.
    pub(super) fn read(&self, id: ObjectId) -> Result<OdbObject<'_>, git2::Error> {
        self.odb.read(id.oid(self.format)?)
    }

    pub(super) fn write(&self, kind: ObjectType, bytes: &[u8]) -> Result<ObjectId, git2::Error> {
        self.odb.write(kind, bytes).map(ObjectId::of)
    }

    /// Looks for new packs.
    pub(super) fn refresh(&self) -> Result<(), git2::Error> {
        self.odb.refresh()
    }
}

/// Reads a tree.
pub(super) fn tree<'o>(store: &Store, odb: &'o Objects<'_>, id: ObjectId) -> Result<OdbObject<'o>, Error> {
    read(store, odb, id, ObjectType::Tree, MAX_TREE)
}

/// Reads a commit.
pub(super) fn commit(store: &Store, odb: &Objects<'_>, id: CommitId) -> Result<CommitFacts, Error> {
    let object = read(store, odb, id.object(), ObjectType::Commit, MAX_TEXT)?;
    let facts = CommitFacts::parse(id.object(), object.data());
    facts.ok_or_else(|| malformed("commit", id.object()))
}

/// Whether a tree is there and is one that is read.
pub(super) fn check_tree(store: &Store, odb: &Objects<'_>, id: ObjectId) -> Result<(), Error> {
    header(store, odb, id, ObjectType::Tree, MAX_TREE)
}

/// Follows annotated tags to a commit; none where they lead to something else, or nowhere.
pub(super) fn peel(store: &Store, odb: &Objects<'_>, id: ObjectId) -> Result<Option<CommitId>, Error> {
    let mut at = id;
    for _ in 0..MAX_TAGS {
        let (_, kind) = odb.head(at).map_err(|source| store.damaged(source))?;
        match kind {
            ObjectType::Commit => return Ok(Some(CommitId(at))),
            ObjectType::Tag => {}
            _ => return Ok(None),
        }
        let tag = read(store, odb, at, ObjectType::Tag, MAX_TEXT)?;
        match commit::ids(tag.data(), b"object ", at.format()).next() {
            Some(next) => at = next,
            None => return Err(malformed("tag", at)),
        }
    }
    Ok(None)
}

/// The parents of a commit. None when the mirror does not have it, or it is none that can be read: then the history ends there.
pub(super) fn parents(store: &Store, odb: &Objects<'_>, id: ObjectId) -> Result<Option<Vec<ObjectId>>, Error> {
    if !odb.exists(id) {
        return Ok(None);
    }
    match read(store, odb, id, ObjectType::Commit, MAX_TEXT) {
        Ok(object) => Ok(Some(commit::parents(object.data(), id.format()).collect())),
        Err(Error::Object { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn read<'o>(
    store: &Store,
    odb: &'o Objects<'_>,
    id: ObjectId,
    kind: ObjectType,
    limit: usize,
) -> Result<OdbObject<'o>, Error> {
    header(store, odb, id, kind, limit)?;
    odb.read(id).map_err(|source| store.damaged(source))
}

/// Whether an object is there, of this kind, and no larger than it may be.
fn header(store: &Store, odb: &Objects<'_>, id: ObjectId, kind: ObjectType, limit: usize) -> Result<(), Error> {
    let (bytes, found) = odb.head(id).map_err(|source| store.damaged(source))?;
    match (found == kind, bytes > limit) {
        (true, false) => Ok(()),
        (true, true) => Err(error(kind.str(), id, ObjectProblem::TooLarge { bytes, limit })),
        (false, _) => Err(error(kind.str(), id, ObjectProblem::OtherKind)),
    }
}

/// Says that an object of the remote cannot be understood.
pub(super) fn malformed(kind: &'static str, id: ObjectId) -> Error {
    error(kind, id, ObjectProblem::Malformed)
}

fn error(kind: &'static str, id: ObjectId, problem: ObjectProblem) -> Error {
    Error::Object { kind, id: id.to_string(), problem }
}
