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
mod look;
mod mirror;
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

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};

use mirror::Inner;
use offer::Offers;
use transport::Logins;

pub use advertisement::{Advertised, Advertisement};
pub use build::{Author, CommitTime, Edit, NewCommit, Signer};
pub use checkout::{LocalCheckout, LocalCommit, export, local_checkout, read_commits};
pub use commit::CommitFacts;
pub use error::{Error, Kind};
pub use fetch::{Fetched, MAX_GENERATIONS, Want};
pub use history::{Ahead, Change, Content, End, Interest, MAX_TOUCH_BYTES, Moved, Origin, Touch, Visit, Walked};
pub use id::{CommitId, ObjectFormat, ObjectId};
pub use look::At;
pub use mirror::Mirror;
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
        Ok(Mirror::new(shared, fetch, push, access))
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
