//! The mirror of one remote: asking, fetching, reading and pushing, each within its deadline.

use std::collections::{BTreeSet, HashSet};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::advertisement::Advertisement;
use super::command::Service;
use super::error::Error;
use super::fetch::{self, Fetched, Want};
use super::history::{self, Ahead, Change, Interest, Origin, Visit, Walked};
use super::id::CommitId;
use super::names::Names;
use super::push::{self, Pushed, RefUpdate};
use super::snapshot::{self, Snapshot};
use super::store::{Lease, Store};
use super::transport::{self, Ask, Connection};
use super::url::Url;
use super::visits::Visits;
use super::{Shared, facts, folder_name, notes, pack};

/// How long a connection to a child process is kept between the references and the fetch.
const CONNECTION_LIFE: Duration = Duration::from_secs(30);

/// The local copy of one remote. Cheap to clone; all clones share the lock and what was built.
#[derive(Clone)]
pub struct Mirror {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) git: Arc<Shared>,
    pub(crate) fetch: Url,
    pub(crate) push: Url,
    pub(crate) access: access::Git,
    pub(crate) folder: PathBuf,
    /// Opened when first needed. libgit2's repositories must not be used by two threads at once.
    state: Arc<Mutex<Option<Store>>>,
    /// A connection whose references were read and that can still be used for a fetch.
    idle: tokio::sync::Mutex<Option<(Connection, Instant)>>,
}

impl Mirror {
    pub(crate) fn new(git: Arc<Shared>, fetch: Url, push: Url, access: &access::Git) -> Self {
        let folder = git.settings.mirrors().join(folder_name(&fetch));
        let (state, idle) = (Arc::default(), tokio::sync::Mutex::new(None));
        Self { inner: Arc::new(Inner { git, fetch, push, access: access.clone(), folder, state, idle }) }
    }

    /// Returns the remote without secrets, after `insteadOf`.
    #[must_use]
    pub fn remote(&self) -> String {
        self.inner.remote()
    }

    /// Returns the mirror's folder, which may not exist yet.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.inner.folder
    }

    /// Asks the remote for all its references: one request, no disk.
    ///
    /// # Errors
    ///
    /// Of the connection and the login.
    pub async fn advertise(&self) -> Result<Advertisement, Error> {
        self.ask_for(&Names::all()).await
    }

    /// Asks the remote for these references, and gets no others where it speaks version 2 of the protocol. That is one request,
    /// or two as long as the mirror does not know that it does.
    ///
    /// # Errors
    ///
    /// Of the connection and the login.
    pub async fn ask_for(&self, names: &Names) -> Result<Advertisement, Error> {
        let inner = &self.inner;
        inner
            .within("ref advertisement", async {
                let (connection, advertisement) = inner.ask_for(names).await?;
                inner.keep_connection(Some(connection)).await;
                Ok(advertisement)
            })
            .await
    }

    /// Looks whether the remote has what is wanted, as [`Mirror::fetch`] does before it asks for anything: no request, no disk. A
    /// commit that no reference names is taken to be there.
    ///
    /// # Errors
    ///
    /// [`Error::EmptyRemote`], [`Error::ReferenceMissing`].
    pub fn look_for(&self, advertisement: &Advertisement, want: &Want) -> Result<(), Error> {
        fetch::look_for(&self.inner, advertisement, want)
    }

    /// Returns the hashes that [`Mirror::learn`] was called with, in this process or in an earlier one, as far as they are
    /// kept. Takes no lock.
    pub async fn facts(&self) -> HashSet<[u8; 32]> {
        let path = self.inner.facts();
        tokio::task::spawn_blocking(move || facts::all(&path)).await.unwrap_or_default()
    }

    /// Keeps hashes over things that were found out about commits and stay true, until the mirror is built anew or too many
    /// others came after them. That they cannot be written costs time, nothing else.
    pub async fn learn(&self, facts: Vec<[u8; 32]>) {
        let path = self.inner.facts();
        let written = self.inner.with_store(move |_| Ok(facts::add_all(&path, &facts).is_ok())).await;
        tracing::trace!(git.remote = self.remote(), written = written.unwrap_or(false), "learnt facts");
    }

    /// Returns what [`Mirror::note`] was given in this form, by this process or an earlier one. Takes no lock.
    pub async fn notes(&self, form: [u8; 32]) -> Option<Vec<u8>> {
        let path = self.inner.notes();
        tokio::task::spawn_blocking(move || notes::read(&path, form)).await.unwrap_or_default()
    }

    /// Keeps bytes with what was found out about contents of the mirror, in place of those before, at most 32 MiB, until it is
    /// built anew. The form is a hash over what they depend on, so that no other program takes them for its own. That they
    /// cannot be written costs time, nothing else.
    pub async fn note(&self, form: [u8; 32], bytes: Vec<u8>) {
        let path = self.inner.notes();
        let written = self.inner.with_store(move |_| Ok(notes::write(&path, form, &bytes).is_ok())).await;
        tracing::trace!(git.remote = self.remote(), written = written.unwrap_or(false), "wrote notes");
    }

    /// Brings what is wanted into the mirror, in the order asked for. What is there already costs no request.
    ///
    /// # Errors
    ///
    /// [`Error::EmptyRemote`], [`Error::ReferenceMissing`], [`Error::CommitMissing`], [`Error::NotACommit`], and those of the
    /// connection and the disk. A damaged mirror is built anew once before it is an error.
    pub async fn fetch(&self, advertisement: &Advertisement, wants: &[Want]) -> Result<Vec<Fetched>, Error> {
        self.inner.within("fetch", fetch::fetch(&self.inner, advertisement, wants)).await
    }

    /// Brings the history of what is wanted to at least so many generations, the tip's own included, at most
    /// [`MAX_GENERATIONS`](crate::MAX_GENERATIONS): one request, and none where they are there. A history that is shorter comes whole; a remote that
    /// cannot do shallow fetches has given the whole already. One that would take more memory than the packs of a remote may does not
    /// come, which is no error.
    ///
    /// # Errors
    ///
    /// As [`Mirror::fetch`].
    pub async fn deepen(&self, advertisement: &Advertisement, want: &Want, generations: u32) -> Result<(), Error> {
        self.inner.within("fetch", fetch::deepen(&self.inner, advertisement, want, generations)).await
    }

    /// Opens a commit that was fetched or built.
    ///
    /// # Errors
    ///
    /// [`Error::Mirror`] when it is not there.
    pub async fn snapshot(&self, commit: CommitId) -> Result<Snapshot, Error> {
        snapshot::open(Arc::clone(&self.inner), commit).await
    }

    /// Walks from a commit backwards through what the mirror has, and shows `visit` the commits, at most `most` of them, and
    /// what they did to `paths`; see [`Visit`]. Without paths, the commits alone.
    ///
    /// `visit` runs on a thread that may block, while nobody else can use the mirror.
    ///
    /// # Errors
    ///
    /// [`Error::Mirror`] when `tip` is not there, or an object is missing or broken.
    pub async fn history(
        &self,
        tip: CommitId,
        paths: Vec<String>,
        most: usize,
        visit: impl FnMut(Visit<'_>) -> Interest + Send + 'static,
    ) -> Result<Walked, Error> {
        self.inner.with_store(move |store| history::walk(store, tip, paths, most, visit)).await
    }

    /// Finds what the commit `ours` has that `theirs` has not, as far as the mirror's history goes.
    ///
    /// # Errors
    ///
    /// [`Error::Mirror`] when one of them is not there, or an object is missing or broken.
    pub async fn ahead(&self, ours: CommitId, theirs: CommitId) -> Result<Ahead, Error> {
        self.inner.with_store(move |store| history::ahead(store, ours, theirs)).await
    }

    /// Whether two commits have the same at all of these paths.
    ///
    /// # Errors
    ///
    /// As [`Mirror::ahead`].
    pub async fn same(&self, one: CommitId, other: CommitId, paths: BTreeSet<String>) -> Result<bool, Error> {
        self.inner.with_store(move |store| history::same(store, one, other, &paths)).await
    }

    /// Finds what a commit has otherwise than another one, file by file, with its content. None where that are more than about a thousand
    /// paths or more than `limit` bytes, or something that is neither a file nor a link.
    ///
    /// # Errors
    ///
    /// As [`Mirror::ahead`].
    pub async fn changes(&self, old: CommitId, new: CommitId, limit: usize) -> Result<Option<Vec<Change>>, Error> {
        self.inner.with_store(move |store| history::changes(store, old, new, limit)).await
    }

    /// Finds where a file was in the first parent of a commit that has it at `path`.
    ///
    /// # Errors
    ///
    /// [`Error::Mirror`] when the commit is not there, or an object is missing or broken.
    pub async fn origin(&self, commit: CommitId, path: String) -> Result<Origin, Error> {
        self.inner.with_store(move |store| history::origin(store, commit, &path)).await
    }

    /// Asks with the login of a push whether the remote would take one: reads what it tells about its references to whoever may
    /// write, and sends nothing. A remote may still refuse a branch or a commit; that is known only when it is pushed.
    ///
    /// # Errors
    ///
    /// Of the connection and the login.
    pub async fn may_push(&self) -> Result<(), Error> {
        self.inner.within("push", push::ask(&self.inner)).await
    }

    /// Pushes commits that were fetched or built, with `options` as `key=value` push options (`key` alone where the value is
    /// empty). Several updates are atomic where the remote can do that.
    ///
    /// That the remote says no to an update is a result, not an error.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] when there are options and the remote takes none, and those of the connection. After
    /// [`Error::Deadline`] or a broken connection it is not known whether the push has happened.
    pub async fn push(&self, updates: &[RefUpdate], options: &[(String, String)]) -> Result<Pushed, Error> {
        let pushed = self.inner.within("push", push::push(&self.inner, updates, options)).await;
        pushed.map(|pushed| pushed.hiding(&self.inner.git.sent))
    }
}

impl Inner {
    pub(crate) fn remote(&self) -> String {
        self.fetch.to_string()
    }

    pub(crate) fn indexing(&self) -> pack::Indexing {
        let (bounds, large) = (self.git.bounds, Arc::clone(&self.git.large));
        pack::Indexing { bounds, given_up: Arc::default(), large }
    }

    pub(crate) fn facts(&self) -> PathBuf {
        self.folder.join("tagwright-facts")
    }

    pub(crate) fn notes(&self) -> PathBuf {
        self.folder.join("tagwright-notes")
    }

    pub(crate) async fn within<T>(
        &self,
        operation: &'static str,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let after = self.access.timeout;
        match tokio::time::timeout(after, work).await {
            Ok(done) => done.map_err(|error| error.hiding(&self.git.sent)),
            Err(_) => Err(Error::Deadline { remote: self.remote(), operation, after }),
        }
    }

    /// Asks for references to fetch, at once where it is known how the remote can be asked.
    pub(crate) async fn ask_for(&self, names: &Names) -> Result<(Connection, Advertisement), Error> {
        let (ask, offers) = (Ask::Fetch(names), &self.git.offers);
        if let Some(offered) = offers.read(&self.folder).await.filter(|_| !names.is_all()) {
            let asked = transport::reconnect(&self.git, &self.access, &self.fetch, ask, offered).await?;
            if let Some(done) = asked {
                self.visited(Visits::asked_now());
                return Ok(done);
            }
            offers.forget(&self.folder).await;
        }
        self.connect(ask).await
    }

    pub(crate) async fn connect(&self, ask: Ask<'_>) -> Result<(Connection, Advertisement), Error> {
        let url = match ask.service() {
            Service::Upload => &self.fetch,
            Service::Receive => &self.push,
        };
        let (connection, advertisement) = transport::connect(&self.git, &self.access, url, ask).await?;
        self.git.offers.note(&self.folder, advertisement.capabilities()).await;
        self.visited(Visits::asked_now());
        Ok((connection, advertisement))
    }

    /// Takes down that something was done with the remote.
    pub(crate) fn visited(&self, visits: Visits) {
        self.git.visited.note(&folder_name(&self.fetch), visits);
    }

    pub(crate) async fn keep_connection(&self, connection: Option<Connection>) {
        *self.idle.lock().await = connection.map(|connection| (connection, Instant::now()));
    }

    pub(crate) async fn take_connection(&self) -> Option<Connection> {
        let (connection, since) = self.idle.lock().await.take()?;
        (since.elapsed() < CONNECTION_LIFE).then_some(connection)
    }

    /// Runs `work` with the store, opened and locked when it is not yet, on a thread that may block.
    pub(crate) async fn with_store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (state, folder, clean) = (Arc::clone(&self.state), self.folder.clone(), Arc::clone(&self.git.clean));
        // Less than the deadline of the whole, so that the answer names the lock.
        let patience = self.access.timeout * 3 / 4;
        let task = tokio::task::spawn_blocking(move || {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            let store = match state.take() {
                Some(store) => store,
                None => Store::open(&folder, Lease::acquire(&folder, patience)?, clean)?,
            };
            work(state.insert(store))
        });
        task.await.map_err(|_| Error::Task)?
    }
}
