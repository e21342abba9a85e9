//! Git remotes, their mirrors, and commits made without a work tree.
//!
//! A [`Git`] is shared by the whole process. [`Git::open`] gives a [`Mirror`] of one remote, which asks for references
//! ([`Mirror::ask_for`]), fetches ([`Mirror::fetch`]), reads ([`Mirror::snapshot`], [`Mirror::history`]) and pushes
//! ([`Mirror::push`]).
//!
//! # The wire
//!
//! The pack protocol is spoken here. Version 2, where the remote has it, gives the references that are asked for and no others:
//! one request, which is all that a run with nothing to do costs, since what the remote can be asked is remembered
//! (`offer`). Version 0 gives all of them. Smart HTTP goes over reqwest; ssh and local folders go through a child process, `ssh` or `git`. libgit2 is
//! the object database alone: it reads objects, builds packs to send, and never opens a connection. It cannot push from a
//! shallow repository, and its transports know neither authorities of one remote nor atomic pushes. Packs that arrive are
//! indexed here (`pack`), within bounds.
//!
//! Pushes compare and swap: each names the id that the reference must still have, which the remote checks itself.
//!
//! # The disk
//!
//! `<data_dir>/mirrors/<hash of the URL>` is a bare, shallow repository. A [`Mirror`] takes its lock when it first needs the
//! disk and keeps it until dropped, so a mirror should live as long as one run. New blobs, trees and commits stay in memory
//! until they were pushed.
//!
//! # What the machine contributes
//!
//! [`Settings::environment`] is the only source: git's configuration (see the list in `rules`), `TAGWRIGHT_GIT_USERNAME` and
//! `TAGWRIGHT_GIT_TOKEN` (to whom it goes is in `token`), `~/.netrc`, git's credential helpers, the ssh agent, keys and known hosts. Credentials never appear in
//! arguments, URLs, errors or logs, and go to the host they are for.

mod advertisement;
mod api;
mod build;
mod capabilities;
mod checkout;
mod clean;
mod command;
mod commit;
mod credential;
mod error;
mod facts;
mod fetch;
mod history;
mod id;
mod names;
mod netrc;
mod notes;
mod object;
mod offer;
mod pack;
mod packet;
mod problem;
mod push;
mod rules;
mod search;
mod settings;
mod snapshot;
mod ssh;
mod store;
mod token;
mod transport;
mod tree;
mod url;
mod visits;

use std::collections::{BTreeSet, HashSet};
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use command::Service;
use offer::Offers;
use store::{Lease, Store};
use transport::{Ask, Connection, Logins};

pub use advertisement::{Advertised, Advertisement};
pub use build::{Author, CommitTime, Edit, NewCommit, Signer};
pub use checkout::{LocalCheckout, LocalCommit, export, local_checkout, read_commits};
pub use commit::CommitFacts;
pub use error::{Error, Kind};
pub use fetch::{Fetched, MAX_GENERATIONS, Want};
pub use history::{Ahead, End, Interest, MAX_TOUCH_BYTES, Moved, Origin, Touch, Visit, Walked};
pub use id::{CommitId, ObjectId};
pub use names::{Names, in_words};
pub use pack::Excess;
pub use problem::{Lack, ObjectProblem, Problem, RedirectProblem, UrlProblem};
pub use push::{Expected, Outcome, Pushed, RefUpdate, UpdateResult};
pub use search::{Criteria, Found, FoundFile, SkipReason, Skipped};
pub use settings::Settings;
pub use snapshot::Snapshot;
pub use url::{Url, is_same_repository};
pub use visits::Visits;

/// What the packs of one remote may take in memory unless [`MEMORY`] says otherwise: 96 MiB, which leave the rest of what a bot
/// needs in a container of 256 MiB.
const PACK_MEMORY: usize = 96 << 20;

/// The variable that says how many MiB the packs of one remote may take.
const MEMORY: &str = "TAGWRIGHT_GIT_MEMORY";

/// The most that it may say: 16 GiB.
const MAX_MEMORY: usize = 16 << 10;

/// How long a connection to a child process is kept between the references and the fetch.
const CONNECTION_LIFE: Duration = Duration::from_secs(30);

/// What all remotes share: HTTP clients, git's configuration, the folder of the mirrors. Cheap to clone.
#[derive(Clone)]
pub struct Git {
    shared: Arc<Shared>,
}

struct Shared {
    settings: Settings,
    rules: rules::Rules,
    clients: web::Clients,
    logins: Logins,
    offers: Offers,
    token_hosts: token::Hosts,
    /// What was sent as proof.
    sent: web::Sent,
    clean: Arc<clean::Kept>,
    bounds: pack::Bounds,
    /// Held while a large pack is indexed.
    large: Arc<Mutex<()>>,
    /// When remotes were asked, fetched from and pushed to.
    visited: visits::Visited,
}

impl Git {
    /// Reads git's configuration.
    ///
    /// # Errors
    ///
    /// [`Error::Rules`] when it cannot be read.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        // Packs are verified when they arrive, and damage on the disk shows when objects are inflated. Hashing every object
        // again at every reading would be most of the work of a search. The switch is libgit2's and process-wide.
        git2::opts::strict_hash_verification(false);
        // Trees are read once, or kept here; libgit2 would keep up to 256 MiB of them, and whoever has many may fill that.
        git2::opts::enable_caching(false);
        let bounds = pack::Bounds { memory: memory(&settings)? };
        let rules = rules::Rules::read(&settings)?;
        Ok(Self {
            shared: Arc::new(Shared {
                clients: transport::clients(&settings),
                settings,
                rules,
                logins: Logins::default(),
                offers: Offers::default(),
                token_hosts: token::Hosts::default(),
                sent: web::Sent::of_machine(),
                clean: Arc::default(),
                bounds,
                large: Arc::default(),
                visited: visits::Visited::default(),
            }),
        })
    }

    /// Takes in which remotes the configuration names, in place of those before. If they have one host, `TAGWRIGHT_GIT_TOKEN` is
    /// for that one where `TAGWRIGHT_GIT_HOST` does not say otherwise; before, it is for nobody.
    pub fn configure<'u>(&self, urls: impl IntoIterator<Item = &'u str>) {
        let rules = &self.shared.rules;
        let both = urls.into_iter().flat_map(|url| [rules.fetch_url(url), rules.push_url(url)]);
        let remotes: Vec<Url> = both.filter_map(|url| Url::parse(&url).ok()).collect();
        self.shared.token_hosts.set(&remotes);
    }

    /// Returns how many bytes the mirrors take on the disk, as far as they can be looked at. Blocks, for a time that grows with the
    /// number of their files.
    #[must_use]
    pub fn mirrors_bytes(&self) -> u64 {
        bytes_below(self.shared.settings.mirrors())
    }

    /// Returns how many bytes the mirror of a remote takes on the disk; none where it has none. Blocks, as
    /// [`Git::mirrors_bytes`] does.
    #[must_use]
    pub fn mirror_bytes(&self, url: &str) -> Option<u64> {
        let folder = self.shared.settings.mirrors().join(folder_name(&self.fetch_url(url).ok()?));
        folder.is_dir().then(|| bytes_below(folder))
    }

    /// Returns when a remote was last asked, fetched from and pushed to by this process.
    #[must_use]
    pub fn visits(&self, url: &str) -> Visits {
        self.fetch_url(url).map(|url| self.shared.visited.of(&folder_name(&url))).unwrap_or_default()
    }
}

/// How many bytes files below a folder take.
fn bytes_below(folder: PathBuf) -> u64 {
    let mut folders = vec![folder];
    let mut bytes: u64 = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            // Of a link, its own size counts: what it leads to is elsewhere.
            let Ok(metadata) = entry.metadata() else { continue };
            match metadata.is_dir() {
                true => folders.push(entry.path()),
                false => bytes = bytes.saturating_add(metadata.len()),
            }
        }
    }
    bytes
}

impl Git {
    /// Returns the mirror of a remote. Nothing is connected, locked or written yet.
    ///
    /// `insteadOf` and `pushInsteadOf` of git's configuration are applied to `url`.
    ///
    /// # Errors
    ///
    /// [`Error::Url`].
    pub fn open(&self, url: &str, access: &access::Git) -> Result<Mirror, Error> {
        let shared = Arc::clone(&self.shared);
        let fetch = self.fetch_url(url)?;
        let push = Url::parse(&shared.rules.push_url(url))?;
        let folder = shared.settings.mirrors().join(folder_name(&fetch));
        let state = Arc::new(Mutex::new(None));
        let idle = tokio::sync::Mutex::new(None);
        Ok(Mirror { inner: Arc::new(Inner { git: shared, fetch, push, access: access.clone(), folder, state, idle }) })
    }

    /// Deletes the mirrors of all remotes but these, and what killed processes have left. Mirrors that are in use stay until
    /// the next time. Returns how many were deleted.
    ///
    /// Of processes that share a data folder, each has to name what all of them need; a mirror too few costs a fetch.
    ///
    /// # Errors
    ///
    /// [`Error::File`].
    pub async fn retain(&self, urls: &[String]) -> Result<usize, Error> {
        // What is no URL has no mirror.
        let kept = urls.iter().filter_map(|url| self.fetch_url(url).ok()).map(|url| folder_name(&url)).collect();
        let mirrors = self.shared.settings.mirrors();
        let task = tokio::task::spawn_blocking(move || store::retain(&mirrors, &kept));
        task.await.map_err(|_| Error::Task)?
    }

    fn fetch_url(&self, url: &str) -> Result<Url, Error> {
        Url::parse(&self.shared.rules.fetch_url(url))
    }
}

/// The local copy of one remote. Cheap to clone; all clones share the lock and what was built.
#[derive(Clone)]
pub struct Mirror {
    inner: Arc<Inner>,
}

struct Inner {
    git: Arc<Shared>,
    fetch: Url,
    push: Url,
    access: access::Git,
    folder: PathBuf,
    /// Opened when first needed. libgit2's repositories must not be used by two threads at once.
    state: Arc<Mutex<Option<Store>>>,
    /// A connection whose references were read and that can still be used for a fetch.
    idle: tokio::sync::Mutex<Option<(Connection, Instant)>>,
}

impl Mirror {
    /// Returns the remote without secrets, after `insteadOf`.
    #[must_use]
    pub fn remote(&self) -> String {
        self.inner.remote()
    }

    /// Returns the mirror's folder, which may not exist yet.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
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
    /// [`MAX_GENERATIONS`]: one request, and none where they are there. A history that is shorter comes whole; a remote that
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
    fn remote(&self) -> String {
        self.fetch.to_string()
    }

    fn indexing(&self) -> pack::Indexing {
        let (bounds, large) = (self.git.bounds, Arc::clone(&self.git.large));
        pack::Indexing { bounds, given_up: Arc::default(), large }
    }

    fn facts(&self) -> PathBuf {
        self.folder.join("tagwright-facts")
    }

    fn notes(&self) -> PathBuf {
        self.folder.join("tagwright-notes")
    }

    async fn within<T>(
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
    async fn ask_for(&self, names: &Names) -> Result<(Connection, Advertisement), Error> {
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

    async fn connect(&self, ask: Ask<'_>) -> Result<(Connection, Advertisement), Error> {
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
    fn visited(&self, visits: Visits) {
        self.git.visited.note(&folder_name(&self.fetch), visits);
    }

    async fn keep_connection(&self, connection: Option<Connection>) {
        *self.idle.lock().await = connection.map(|connection| (connection, Instant::now()));
    }

    async fn take_connection(&self) -> Option<Connection> {
        let (connection, since) = self.idle.lock().await.take()?;
        (since.elapsed() < CONNECTION_LIFE).then_some(connection)
    }

    /// Runs `work` with the store, opened and locked when it is not yet, on a thread that may block.
    async fn with_store<T: Send + 'static>(
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

/// What the packs of one remote may take, in bytes.
fn memory(settings: &Settings) -> Result<usize, Error> {
    let Some(text) = settings.variable(MEMORY) else { return Ok(PACK_MEMORY) };
    let mib = text.to_str().and_then(|text| text.parse().ok()).filter(|mib| (1..=MAX_MEMORY).contains(mib));
    let value = || web::words::one_line(&text.to_string_lossy(), 100);
    mib.map(|mib| mib << 20).ok_or_else(|| Error::Memory { value: value(), most: MAX_MEMORY })
}

/// The first half of the hash of the URL without login.
fn folder_name(url: &Url) -> String {
    Sha256::digest(url.to_string()).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
