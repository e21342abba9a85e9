//! Container registries: which tags a repository has, and to which digest a tag points.
//!
//! A [`Client`] asks two questions: [`Client::tags`] and [`Client::digest`]. [`Client::tags_since`] is the first again, for
//! one who knows the list and wants to know whether it has changed. What is behind a digest is read by [`Client::manifest`],
//! [`Client::images`], [`Client::config`] and [`Client::blob`], and what others have said of it by [`Client::referrers`] and
//! [`Client::attached`]. What differs between repositories, such as logins,
//! certificates and the deadline, comes with each question as an [`access::Registry`].
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use image::Repository;
//! use registry::{Client, Settings};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new(Settings::default())?;
//! let tls = access::Tls::default();
//! let timeout = Duration::from_secs(30);
//! let access = access::Registry { logins: Vec::new(), provider: None, account: None, tls, proxy: None, insecure: false, timeout };
//! let repository = Repository::parse("ghcr.io/stefanprodan/podinfo")?;
//! for tag in client.tags(&repository, &access).await?.tags {
//!     let digest = client.digest(&repository, &tag, &access).await?;
//!     println!("{tag} {}", digest.as_str());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! It talks to the network and to the machine's Docker configuration, and decides nothing. Of OCI's distribution
//! specification it has what polling needs: `tags/list` with `Link` pagination, Basic and Bearer authentication with the token
//! flow, `HEAD` and `GET` of manifests, `GET` of blobs, and the list of referrers. It never writes.
//!
//! # Promises
//!
//! - A list is complete or an error, never a part; only tags that OCI allows come out, each once, in the registry's order.
//! - What is read of a manifest or a blob has the digest that it was asked for by, and nobody else's bytes are ever returned.
//! - A credential goes to the registry it is for and to the token server that this registry names, never along a redirect, to
//!   a mirror, or to the next page on another server; a client certificate to the registry alone. The rule is [`web::Trail`]'s,
//!   which Git keeps too.
//! - A token server may be on any host of the web, since nobody but the registry knows where its own is (Docker Hub's is
//!   elsewhere); not on a private address, unless the registry is on a private network, too, and not at plain HTTP, unless the
//!   registry is; or where an operator says so ([`TokenServers`]).
//! - HTTPS unless plain HTTP is allowed; a server that is not trusted is never asked in the open instead.
//! - A registry that asks for time gets it, for everything that is asked of that host, at most an hour ([`MAX_RETRY_AFTER`]), and one
//!   that refuses requests as too many is asked more slowly. Nothing of that slows another host.
//! - Of one host, no more is asked at once and in any second than its [`Budget`] says.
//! - No message holds a secret, and what a registry says in one is short and escaped ([`Error`]).
//!
//! # The way of a question
//!
//! 1. `endpoint` and `mirror` say where to ask: the mirrors, then the registry. `scheme` finds out what is spoken there.
//! 2. `login` looks for credentials, in the configuration and else in what `machine` and `helper` have; or a [`cloud`] gives
//!    them out, for its own registries alone.
//! 3. `poll` asks the endpoints in turn, `retry` asks again: three times at most, after about 1 and 3 seconds.
//! 4. `session` sends what the registry wanted the last time (`habit`); meets its `challenge`, perhaps with a `token` that
//!    `grant` gets where `realm` allows it.
//! 5. `exchange` sends one request, when its host's `budget` has a place, takes down what `allowance` the host says is left, and
//!    follows redirects; [`web`] has the connections.
//! 6. `listing` puts the pages together. `size` asks for them in a size that the registry can give; `next` is where a `link`
//!    leads, and `truncation` finds what is behind a full page without one; `page` reads each. `manifest` finds the digest.
//!    `pushed` and `validator` read what some registries add: when tags were pushed, and by what a list is recognised.
//!    `artifact` reads what has a digest, and checks it; `contents` has the questions about it.
//! 7. `error` says what a failure calls for ([`Error::kind`]), `envelope` what the registry had to say.
//!
//! # Limits
//!
//! | what | at most |
//! |---|---|
//! | one question, with all pages, tokens, retries and waits but that for room | [`access::Registry::timeout`] |
//! | a connection, TLS included | 10 s |
//! | silence, before an answer or in the middle of it | 30 s |
//! | a credential helper | 20 s |
//! | one page, unpacked | 32 MiB |
//! | pages of one list, and tags in it | 10,000 and 1,000,000 |
//! | a manifest, and an image's configuration | 4 MiB |
//! | entries of an index, layers of an image, referrers of a digest | 1,000 |
//! | indexes one within the other, and such in all of one image | 3 and 16 |
//! | pages of a list of referrers | 20 |
//! | a blob | what the caller says |
//! | an answer of a token server | 1 MiB |
//! | what a message repeats of an answer | 200 characters |
//! | redirects of one request | 5 |
//! | requests to one host, at once and in any second | 16 and 100 ([`Budget`]) |
//! | questions with an answer of over 1 MiB, or with a list of over 20,000 tags, at once | 1 ([`Place`]) |

mod allowance;
mod artifact;
mod budget;
mod challenge;
mod contents;
mod endpoint;
mod envelope;
mod error;
mod exchange;
mod gate;
mod grant;
mod habit;
mod helper;
mod layout;
mod link;
mod listing;
mod login;
mod machine;
mod manifest;
mod mirror;
mod next;
mod page;
mod pair;
mod poll;
mod pushed;
mod realm;
mod retry;
mod room;
mod scheme;
mod session;
mod settings;
mod size;
mod token;
mod traffic;
mod truncation;
mod validator;
mod waits;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use image::{Digest, Repository, Tag};
use jiff::Timestamp;
use web::Clients;

use endpoint::Endpoint;
use exchange::Exchange;
use habit::Habits;
use machine::Machine;
use poll::{DigestOf, Poll, Question, TagList};
use retry::{ATTEMPTS, Patience};
use scheme::Schemes;
use session::Shared;
use token::Tokens;
use waits::Waits;

pub use allowance::Allowance;
pub use artifact::{By, Config, Content, Descriptor, Manifest, Platform};
pub use budget::{Budget, Budgets, HostPace};
pub use error::{Error, Kind, Sent};
pub use machine::DockerConfig;
pub use mirror::Mirror;
pub use realm::TokenServers;
pub use room::Place;
pub use settings::{Limits, Settings};
pub use traffic::{Answered, OTHERS, Traffic};
pub use web::MAX_RETRY_AFTER;

/// A longer deadline is none, and would not fit into a clock.
const MAX_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The tags of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// The tags that OCI allows, each once, in the registry's order.
    pub tags: Vec<Tag>,
    /// How many other tags the registry sent.
    pub refused: usize,
    /// Some of those, escaped and shortened, to be shown to people.
    pub refused_sample: Vec<String>,
    /// When tags were pushed, where the registry says so in the list; Google's do. Times are the registry's own, not what an
    /// image claims of itself.
    pub pushed: BTreeMap<Tag, Timestamp>,
    /// What those tags point to, in the same lists.
    pub digests: BTreeMap<Tag, Digest>,
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
        let clients = Clients::new(settings.connections());
        let exchange = Exchange::new(clients, settings.budgets.clone(), settings.pauses.clone());
        let machine = Machine::new(settings.docker_config.clone(), settings.helper_timeout);
        let token_servers = settings.token_servers.clone();
        let (tokens, habits, waits) = (Tokens::default(), Habits::default(), Waits::default());
        let shared = Shared { exchange, token_servers, tokens, habits, waits };
        Ok(Self { settings, machine, schemes: Schemes::default(), shared })
    }

    /// Takes so many parts of so many of all budgets, since other processes have the rest.
    pub fn take_part(&self, ours: usize, of: usize) {
        self.shared.exchange.take_part(ours, of);
    }

    /// Returns what hosts have last said is left of what they allow, by authority.
    #[must_use]
    pub fn allowances(&self) -> BTreeMap<String, Allowance> {
        self.shared.exchange.allowances.all()
    }

    /// Returns the host that has a repository, as other answers name it.
    #[must_use]
    pub fn host(&self, repository: &Repository) -> String {
        endpoint::canonical_host(repository.registry())
    }

    /// Returns how a host would be asked that was not asked lately.
    #[must_use]
    pub fn pace(&self, host: &str) -> HostPace {
        self.shared.exchange.pace(host)
    }

    /// Returns how each host is asked that was asked lately, by authority.
    #[must_use]
    pub fn paces(&self) -> BTreeMap<String, HostPace> {
        self.shared.exchange.paces()
    }

    /// Returns how much was asked of each host since the client was made, by authority; of many hosts, those beyond the first
    /// hundred together.
    #[must_use]
    pub fn traffic(&self) -> BTreeMap<String, Traffic> {
        self.shared.exchange.traffic.all()
    }

    /// Returns all tags of a repository.
    ///
    /// # Errors
    /// The registry cannot be reached, denies access, does not have the repository, or breaks the protocol; or the
    /// configuration cannot work. [`Error::kind`] tells which. A list is complete or an error, never a part.
    pub async fn tags(&self, repository: &Repository, access: &access::Registry) -> Result<Listing, Error> {
        match self.tags_since(repository, access, None, &self.place()).await? {
            Fresh::Listing(listing) => Ok(listing),
            Fresh::Unchanged => {
                let reason = "304, without having been asked whether anything has changed".to_owned();
                Err(Error::Malformed { url: repository.name().to_owned(), reason })
            }
        }
    }

    /// Returns a place for a question whose answer may be large ([`Place`]). It is taken when the answer is, and stays so
    /// until the place is dropped.
    #[must_use]
    pub fn place(&self) -> Place {
        Place::new(&self.shared.exchange.room)
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
        place: &Place,
    ) -> Result<Fresh, Error> {
        if let Some(folder) = repository.layout() {
            return layout::tags(folder, &self.settings.limits).await.map(Fresh::Listing);
        }
        let start = Instant::now();
        let has_mirror = self.settings.mirrors.iter().any(|mirror| mirror.stands_for(repository.registry()));
        let known = validator.filter(|_| !has_mirror).and_then(validator::header);
        let question = TagList { limits: &self.settings.limits, known };
        let mut fresh = self.poll(repository, access, &question, place).await?;
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
        if let Some(folder) = repository.layout() {
            return layout::digest(folder, tag, &self.settings.limits).await;
        }
        let start = Instant::now();
        let digest = self.poll(repository, access, &DigestOf { by: By::Tag(tag) }, &self.place()).await?;
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
        place: &Place,
    ) -> Result<Q::Answer, Error> {
        // The login of a cloud does not go over plain HTTP.
        let insecure = access.insecure && access.provider.is_none();
        let endpoints = Endpoint::all(repository, &self.settings.mirrors, insecure)?;
        let deadline = tokio::time::Instant::now() + access.timeout.min(MAX_TIMEOUT);
        let patience =
            Patience { attempts: ATTEMPTS, first_wait: self.settings.retry_wait, deadline, told: &self.shared.waits };
        let poll = Poll { client: self, repository, access, question, patience, place };
        let answer = place.within(deadline, Box::pin(poll.run(&endpoints))).await;
        answer.unwrap_or_else(|| Err(Error::Timeout { name: repository.name().to_owned(), after: access.timeout }))
    }
}
