//! One commit of a mirror, and what can be read from it.

use std::sync::Arc;

use git2::{Commit, ObjectType, Odb};

use super::Inner;
use super::build::{self, Edit, NewCommit};
use super::error::Error;
use super::id::{CommitId, ObjectId};
use super::pack;
use super::search::{self, Criteria, Found};
use super::store::Store;
use super::tree::{self, Class};

/// A commit whose files can be read. It stays the same when the mirror moves on.
#[derive(Clone)]
pub struct Snapshot {
    inner: Arc<Inner>,
    commit: CommitId,
    tree: ObjectId,
}

/// What a commit says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitFacts {
    /// Its id.
    pub id: CommitId,
    /// Its tree.
    pub tree: ObjectId,
    /// Its parents, of which a shallow mirror need not have any.
    pub parents: Vec<CommitId>,
    /// The author's name.
    pub author_name: String,
    /// The author's mail address.
    pub author_email: String,
    /// The committer's time in seconds since 1970.
    pub time: i64,
    /// The whole message.
    pub message: String,
}

impl CommitFacts {
    pub(super) fn of(commit: &Commit<'_>) -> Self {
        let author = commit.author();
        Self {
            id: CommitId::of(commit.id()),
            tree: ObjectId::of(commit.tree_id()),
            // What libgit2 says of parents leaves out those that the mirror does not have.
            parents: pack::parents(commit.raw_header_bytes()).map(CommitId::of).collect(),
            author_name: String::from_utf8_lossy(author.name_bytes()).into_owned(),
            author_email: String::from_utf8_lossy(author.email_bytes()).into_owned(),
            time: commit.time().seconds(),
            message: String::from_utf8_lossy(commit.message_raw_bytes()).into_owned(),
        }
    }
}

pub(super) async fn open(inner: Arc<Inner>, commit: CommitId) -> Result<Snapshot, Error> {
    let tree = inner
        .with_store(move |store| {
            let commit = store.repository.find_commit(commit.oid()).map_err(|source| store.damaged(source))?;
            Ok(ObjectId::of(commit.tree_id()))
        })
        .await?;
    Ok(Snapshot { inner, commit, tree })
}

impl Snapshot {
    /// Returns the commit.
    #[must_use]
    pub const fn commit(&self) -> CommitId {
        self.commit
    }

    /// Returns what the commit says about itself. Text that is not UTF-8 has replacement characters.
    ///
    /// # Errors
    ///
    /// [`Error::Mirror`].
    pub async fn facts(&self) -> Result<CommitFacts, Error> {
        let id = self.commit;
        self.inner
            .with_store(move |store| {
                let commit = store.repository.find_commit(id.oid()).map_err(|source| store.damaged(source))?;
                Ok(CommitFacts::of(&commit))
            })
            .await
    }

    /// Finds the files below `paths` whose name and bytes meet `criteria`; below everything when there are no paths.
    ///
    /// Paths have `/` between folders and cannot leave the tree: `..` stops at the root.
    ///
    /// # Errors
    ///
    /// [`Error::Mirror`] when an object is missing or broken, [`Error::TooMany`].
    pub async fn search(&self, paths: &[String], criteria: Criteria) -> Result<Found, Error> {
        self.search_new(paths, criteria, |_| false).await
    }

    /// Does the same, but for blobs that are `known` from earlier searches with these criteria: they are not read again, and
    /// their files are in [`Found::known`].
    ///
    /// # Errors
    ///
    /// As [`Snapshot::search`].
    pub async fn search_new(
        &self,
        paths: &[String],
        criteria: Criteria,
        known: impl Fn(ObjectId) -> bool + Send + 'static,
    ) -> Result<Found, Error> {
        let (tree, paths) = (self.tree, paths.to_vec());
        self.inner.with_store(move |store| search::search(store, tree, &paths, criteria, &known)).await
    }

    /// Reads one file of at most `limit` bytes; None when there is no file at this path, or a larger one.
    ///
    /// # Errors
    ///
    /// [`Error::Mirror`].
    pub async fn read(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>, Error> {
        let (tree, path) = (self.tree, path.to_owned());
        self.inner
            .with_store(move |store| match find(store, tree, &search::components(&path))? {
                Some((Class::File, id)) => read_blob(store, id, limit),
                _ => Ok(None),
            })
            .await
    }

    /// Builds a commit with this one's files and `edits` on top, in memory. None when the edits change nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Edit`] when a path is no file, and [`Error::Mirror`].
    pub async fn commit_edits(&self, edits: Vec<Edit>, details: NewCommit) -> Result<Option<CommitId>, Error> {
        let tree = self.tree;
        self.inner.with_store(move |store| build::commit(store, tree, edits, &details)).await
    }

    /// Builds a commit with this one's files and other parents, author and message, in memory. It is how several commits that
    /// were built one on the other become one.
    ///
    /// # Errors
    ///
    /// [`Error::Mirror`].
    pub async fn retell(&self, details: NewCommit) -> Result<CommitId, Error> {
        let tree = self.tree;
        self.inner.with_store(move |store| build::retell(store, tree, &details)).await
    }
}

fn read_blob(store: &Store, id: ObjectId, limit: usize) -> Result<Option<Vec<u8>>, Error> {
    let odb = store.repository.odb().map_err(|source| store.damaged(source))?;
    blob(&odb, id, limit).map_err(|source| store.damaged(source))
}

/// Reads a blob; None when it is larger than `limit`.
pub(super) fn blob(odb: &Odb<'_>, id: ObjectId, limit: usize) -> Result<Option<Vec<u8>>, git2::Error> {
    let (size, _) = odb.read_header(id.oid())?;
    match size > limit {
        true => Ok(None),
        false => odb.read(id.oid()).map(|blob| Some(blob.data().to_vec())),
    }
}

/// Follows `components` from `root`. None when something on the way is missing or no folder.
pub(super) fn find(store: &Store, root: ObjectId, components: &[String]) -> Result<Option<(Class, ObjectId)>, Error> {
    let damaged = |source| store.damaged(source);
    let odb = store.repository.odb().map_err(damaged)?;
    let mut at = (Class::Folder, root);
    for component in components {
        if at.0 != Class::Folder || tree::is_reserved(component.as_bytes()) {
            return Ok(None);
        }
        let object = odb.read(at.1.oid()).map_err(damaged)?;
        let entry =
            (object.kind() == ObjectType::Tree).then(|| tree::find(object.data(), component.as_bytes())).flatten();
        match entry {
            Some(entry) => at = (entry.class(), entry.id),
            None => return Ok(None),
        }
    }
    Ok(Some(at))
}
