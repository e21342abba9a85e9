//! Container registries: which tags a repository has, and to which digest a tag points.
//!
//! An edge: it talks to the network, and to the machine's Docker configuration, and decides nothing. It implements the
//! parts of the OCI distribution specification that polling needs: `tags/list` with `Link` pagination, Basic and Bearer
//! authentication with the token flow, and `HEAD` of manifests.
//!
//! Everything a registry sends is untrusted. Sizes and counts have bounds ([`Limits`]), one deadline covers a whole poll,
//! only tags that OCI allows come out, and credentials go to the registry they are for and to the token server it names,
//! never along a redirect.
//!
//! | file | subject |
//! |---|---|
//! | `endpoint`, `mirror`, `scheme` | where a request goes |
//! | `login`, `machine`, `helper` | which credentials belong to it |
//! | `transport`, `exchange` | connections, bounds, redirects |
//! | `session`, `habit`, `challenge`, `token`, `grant` | what is shown to a registry |
//! | `poll`, `retry` | whom to ask, and when to ask again |
//! | `error`, `remote` | what is said about failures |
//! | `listing`, `link`, `manifest` | tags, pages, digests |
//! | `validator`, `pushed` | whether a list has changed, and when tags were pushed |

mod challenge;
mod endpoint;
mod error;
mod exchange;
mod grant;
mod habit;
mod helper;
mod link;
mod listing;
mod login;
mod machine;
mod manifest;
mod mirror;
mod poll;
mod pushed;
mod remote;
mod retry;
mod scheme;
mod session;
mod settings;
mod token;
mod transport;
mod validator;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use image::{Digest, Repository, Tag};
use jiff::Timestamp;

use endpoint::Endpoint;
use exchange::Exchange;
use habit::Habits;
use machine::Machine;
use poll::{DigestOf, Poll, Question, TagList};
use retry::{ATTEMPTS, Patience};
use scheme::Schemes;
use session::Shared;
use token::Tokens;
use transport::{Common, Transports};

pub use error::{Error, Kind, Sent};
pub use machine::DockerConfig;
pub use mirror::Mirror;
pub use settings::{
    CONNECT_TIMEOUT, HELPER_TIMEOUT, Limits, PER_HOST, PROBE_TIMEOUT, READ_TIMEOUT, RETRY_WAIT, Settings,
};
pub use web::MAX_RETRY_AFTER;

/// A longer deadline is none, and would not fit into a clock.
const MAX_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The tags of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// The tags that OCI allows, each once, in the registry's order.
    pub tags: Vec<String>,
    /// How many other tags the registry sent.
    pub refused: usize,
    /// Some of those, escaped and shortened, to be shown to people.
    pub refused_sample: Vec<String>,
    /// When tags were pushed, where the registry says so in the list; Google's do. Times are the registry's own, not what an
    /// image claims of itself.
    pub pushed: BTreeMap<String, Timestamp>,
    /// What this list can be recognised by in [`Client::tags_since`], where the registry gave something of the kind.
    pub validator: Option<String>,
}

/// What became of a list that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fresh {
    /// It is as it was.
    Unchanged,
    /// It is another one now, or the registry cannot tell.
    Listing(Listing),
}

/// Asks registries. One client serves any number of repositories at once, and shares connections, tokens and what it
/// learnt about hosts between them.
#[derive(Debug)]
pub struct Client {
    settings: Settings,
    machine: Machine,
    schemes: Schemes,
    shared: Shared,
}

impl Client {
    /// Creates a client. Nothing is read and nobody is asked yet.
    ///
    /// # Errors
    /// None at present; settings that cannot work may become errors.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        let common = Common {
            user_agent: settings.user_agent.clone(),
            connect_timeout: settings.connect_timeout,
            read_timeout: settings.read_timeout,
            idle_per_host: settings.per_host,
        };
        let exchange = Exchange::new(Transports::new(common), settings.per_host, settings.pauses.clone());
        let machine = Machine::new(settings.docker_config.clone(), settings.helper_timeout);
        let shared = Shared { exchange, tokens: Tokens::default(), habits: Habits::default() };
        Ok(Self { settings, machine, schemes: Schemes::default(), shared })
    }

    /// Returns all tags of a repository.
    ///
    /// # Errors
    /// The registry cannot be reached, denies access, does not have the repository, or breaks the protocol; or the
    /// configuration cannot work. [`Error::kind`] tells which. A list is complete or an error, never a part.
    pub async fn tags(&self, repository: &Repository, access: &access::Registry) -> Result<Listing, Error> {
        match self.tags_since(repository, access, None).await? {
            Fresh::Listing(listing) => Ok(listing),
            Fresh::Unchanged => {
                let reason = "304, without having been asked whether anything has changed".to_owned();
                Err(Error::Malformed { url: repository.name().to_owned(), reason })
            }
        }
    }

    /// Returns all tags of a repository, unless the list still is the one that a validator was given with. The registry is
    /// asked in any case. Where it has mirrors, it is always asked for the whole list: a validator is a word between us and
    /// one server.
    ///
    /// # Errors
    /// As [`Client::tags`].
    pub async fn tags_since(
        &self,
        repository: &Repository,
        access: &access::Registry,
        validator: Option<&str>,
    ) -> Result<Fresh, Error> {
        let start = Instant::now();
        let has_mirror = self.settings.mirrors.iter().any(|mirror| mirror.stands_for(repository.registry()));
        let known = validator.filter(|_| !has_mirror).and_then(validator::header);
        let mut fresh = self.poll(repository, access, &TagList { limits: &self.settings.limits, known }).await?;
        if let (Fresh::Listing(listing), true) = (&mut fresh, has_mirror) {
            listing.validator = None;
        }
        let counts = match &fresh {
            Fresh::Listing(listing) => Some((listing.tags.len(), listing.refused)),
            Fresh::Unchanged => None,
        };
        tracing::debug!(
            image.repository = repository.name(),
            tags = counts.map(|(tags, _)| tags),
            refused = counts.map(|(_, refused)| refused),
            unchanged = counts.is_none(),
            duration_ms = start.elapsed().as_millis(),
            "listed tags"
        );
        Ok(fresh)
    }

    /// Returns the digest to which a tag points; for an image of several platforms that of its index.
    ///
    /// # Errors
    /// As [`Client::tags`].
    pub async fn digest(&self, repository: &Repository, tag: &Tag, access: &access::Registry) -> Result<Digest, Error> {
        let start = Instant::now();
        let digest = self.poll(repository, access, &DigestOf { tag }).await?;
        tracing::debug!(
            image.repository = repository.name(),
            image.tag = tag.as_str(),
            image.digest = digest.as_str(),
            duration_ms = start.elapsed().as_millis(),
            "looked up digest"
        );
        Ok(digest)
    }

    async fn poll<Q: Question>(
        &self,
        repository: &Repository,
        access: &access::Registry,
        question: &Q,
    ) -> Result<Q::Answer, Error> {
        let endpoints = Endpoint::all(repository, &self.settings.mirrors, access.insecure)?;
        let deadline = tokio::time::Instant::now() + access.timeout.min(MAX_TIMEOUT);
        let patience = Patience { attempts: ATTEMPTS, first_wait: self.settings.retry_wait, deadline };
        let poll = Poll { client: self, repository, access, question, patience };
        let answer = tokio::time::timeout_at(deadline, poll.run(&endpoints)).await;
        answer.unwrap_or_else(|_| Err(Error::Timeout { name: repository.name().to_owned(), after: access.timeout }))
    }
}
