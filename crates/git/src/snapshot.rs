//! One commit of a mirror, and what can be read from it.

use std::sync::Arc;

use super::Inner;
use super::build::{self, Edit, NewCommit};
use super::commit::CommitFacts;
use super::error::Error;
use super::id::{CommitId, ObjectId};
use super::look::{self, At};
use super::object::{self, Objects};
use super::search::{self, Criteria, Found, FoundFile};
use super::store::Store;
use super::tree::{self, Class, LARGE, Large};

/// A commit whose files can be read. It stays the same when the mirror moves on.
#[derive(Clone)]
pub struct Snapshot {
    inner: Arc<Inner>,
    commit: CommitId,
    tree: ObjectId,
}

pub(super) async fn open(inner: Arc<Inner>, commit: CommitId) -> Result<Snapshot, Error> {
    let tree = inner
        .with_store(move |store| {
            let odb = store.odb()?;
            Ok(object::commit(store, &odb, commit)?.tree)
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
                let odb = store.odb()?;
                object::commit(store, &odb, id)
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
        self.search_new(paths, criteria, |_| None).await
    }

    /// Does the same, but for blobs that are `known` from earlier searches with these criteria, with their size in bytes: they
    /// are not read again, and their files are in [`Found::known`].
    ///
    /// # Errors
    ///
    /// As [`Snapshot::search`].
    pub async fn search_new(
        &self,
        paths: &[String],
        criteria: Criteria,
        known: impl Fn(ObjectId) -> Option<usize> + Send + 'static,
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
        Ok(self.file(path, limit).await?.map(|file| file.bytes.to_vec()))
    }

    /// Does the same, and tells its blob.
    ///
    /// # Errors
    ///
    /// [`Error::Mirror`].
    pub async fn file(&self, path: &str, limit: usize) -> Result<Option<FoundFile>, Error> {
        let (tree, path) = (self.tree, path.to_owned());
        self.inner
            .with_store(move |store| match find(store, tree, &search::components(&path))? {
                Some((Class::File, id)) => {
                    let bytes = read_blob(store, id, limit)?;
                    Ok(bytes.map(|bytes| FoundFile { path, id, bytes: bytes.into() }))
                }
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
        self.commit_changes(edits, Vec::new(), details).await
    }

    /// Does the same, and takes files away; a folder with nothing left in it goes with them. What is not there is no error.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::commit_edits`].
    pub async fn commit_changes(
        &self,
        edits: Vec<Edit>,
        removals: Vec<String>,
        details: NewCommit,
    ) -> Result<Option<CommitId>, Error> {
        let tree = self.tree;
        self.inner.with_store(move |store| build::commit(store, tree, edits, removals, &details)).await
    }

    /// Looks at many paths at once, in their order: what is there, and what would be in the way of a file on a system that does not tell
    /// upper from lower case. Files of more than `limit` bytes, and all that would make more than `total` together, are
    /// [`At::Other`].
    ///
    /// # Errors
    ///
    /// [`Error::Mirror`].
    pub async fn look(&self, paths: Vec<String>, limit: usize, total: usize) -> Result<Vec<At>, Error> {
        let tree = self.tree;
        self.inner.with_store(move |store| look::look(store, tree, &paths, (limit, total))).await
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
    let odb = store.odb()?;
    blob(&odb, id, limit).map_err(|source| store.damaged(source))
}

/// Reads a blob; None when it is larger than `limit`.
pub(super) fn blob(odb: &Objects<'_>, id: ObjectId, limit: usize) -> Result<Option<Vec<u8>>, git2::Error> {
    let (size, _) = odb.head(id)?;
    match size > limit {
        true => Ok(None),
        false => odb.read(id).map(|blob| Some(blob.data().to_vec())),
    }
}

/// Follows `components` from `root`. None when something on the way is missing or no folder.
///
/// Thousands of automations look for their own folder in the same one. A large one is read once for all of them.
pub(super) fn find(store: &Store, root: ObjectId, components: &[String]) -> Result<Option<(Class, ObjectId)>, Error> {
    let odb = store.odb()?;
    let mut at = (Class::Folder, root);
    for component in components {
        if at.0 != Class::Folder || tree::is_reserved(component.as_bytes()) {
            return Ok(None);
        }
        let name = component.as_bytes();
        let known = store.large.borrow().as_ref().filter(|large| large.id == at.1).map(|large| large.find_only(name));
        let found = match known {
            Some(found) => found,
            None => in_tree(store, object::tree(store, &odb, at.1)?.data(), at.1, name),
        };
        match found {
            Some(found) => at = found,
            None => return Ok(None),
        }
    }
    Ok(Some(at))
}

fn in_tree(store: &Store, bytes: &[u8], id: ObjectId, name: &[u8]) -> Option<(Class, ObjectId)> {
    if LARGE.contains(&bytes.len()) {
        let large = Large::of(id, bytes);
        let found = large.find_only(name);
        store.large.replace(Some(large));
        return found;
    }
    tree::find_only(bytes, id.format(), name).map(|entry| (entry.class(), entry.id))
}
