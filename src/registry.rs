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
//! | `session`, `challenge`, `token` | what is shown to a registry |
//! | `retry` | when to try again |
//! | `listing`, `link`, `manifest` | tags, pages, digests |

mod challenge;
mod endpoint;
mod error;
mod exchange;
mod helper;
mod link;
mod listing;
mod login;
mod machine;
mod manifest;
mod mirror;
mod retry;
mod scheme;
mod session;
mod token;
mod transport;

use std::time::{Duration, Instant};

pub use error::{Error, Kind, Sent};
pub use machine::DockerConfig;
pub use mirror::Mirror;

use crate::access;
use crate::image::{Digest, Repository, Tag};

use endpoint::{Endpoint, Role};
use exchange::Exchange;
use login::Credential;
use machine::Machine;
use retry::{ATTEMPTS, Patience};
use scheme::Schemes;
use session::{Habits, Session, Shared};
use token::Tokens;
use transport::{Common, Transports};

/// How many requests are under way at once to one host.
pub const PER_HOST: usize = 16;
/// How long a connection, TLS included, may take.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a registry may be silent in the middle of an answer, or before it.
pub const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a host may take to show whether it speaks HTTPS, where plain HTTP is allowed too.
pub const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a credential helper may take.
pub const HELPER_TIMEOUT: Duration = Duration::from_secs(20);
/// The wait before the second attempt; the one before the third is three times as long.
pub const RETRY_WAIT: Duration = Duration::from_secs(1);

/// How a [`Client`] works; what differs between repositories is in [`access::Registry`].
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where requests for some registries go first.
    pub mirrors: Vec<Mirror>,
    /// The credentials for repositories that have none of their own.
    pub docker_config: DockerConfig,
    /// What the `User-Agent` header says.
    pub user_agent: String,
    /// How much of what a registry sends is read.
    pub limits: Limits,
    /// How many requests are under way at once to one host. Default: [`PER_HOST`].
    pub per_host: usize,
    /// Default: [`CONNECT_TIMEOUT`].
    pub connect_timeout: Duration,
    /// Default: [`READ_TIMEOUT`].
    pub read_timeout: Duration,
    /// Default: [`PROBE_TIMEOUT`].
    pub probe_timeout: Duration,
    /// Default: [`HELPER_TIMEOUT`].
    pub helper_timeout: Duration,
    /// Default: [`RETRY_WAIT`].
    pub retry_wait: Duration,
}

impl Default for Settings {
    /// No mirrors, and the machine's Docker configuration.
    fn default() -> Self {
        Self {
            mirrors: Vec::new(),
            docker_config: DockerConfig::machine(),
            user_agent: concat!("tagwright/", env!("CARGO_PKG_VERSION")).to_owned(),
            limits: Limits::default(),
            per_host: PER_HOST,
            connect_timeout: CONNECT_TIMEOUT,
            read_timeout: READ_TIMEOUT,
            probe_timeout: PROBE_TIMEOUT,
            helper_timeout: HELPER_TIMEOUT,
            retry_wait: RETRY_WAIT,
        }
    }
}

/// How much of what a registry sends is read. More is an error, since half a list would look like a smaller one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one page, unpacked. Default: 32 MiB, since older registries send all tags in one page.
    pub page_bytes: usize,
    /// Pages of one listing. Default: 10,000.
    pub pages: usize,
    /// Tags of one repository. Default: 1,000,000.
    pub tags: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { page_bytes: 32 * 1024 * 1024, pages: 10_000, tags: 1_000_000 }
    }
}

/// The tags of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// The tags that OCI allows, each once, in the registry's order.
    pub tags: Vec<String>,
    /// How many other tags the registry sent.
    pub refused: usize,
    /// Some of those, escaped and shortened, to be shown to people.
    pub refused_sample: Vec<String>,
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
        let exchange = Exchange::new(Transports::new(common), settings.per_host);
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
        let start = Instant::now();
        let listing = self.poll(repository, access, &TagList { limits: &self.settings.limits }).await?;
        tracing::debug!(
            image.repository = repository.name(),
            tags = listing.tags.len(),
            refused = listing.refused,
            duration_ms = start.elapsed().as_millis(),
            "listed tags"
        );
        Ok(listing)
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

/// A longer deadline is none, and would not fit into a clock.
const MAX_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// What is asked of a repository.
trait Question: Sync {
    type Answer: Send;

    /// Names what does not exist if the answer is 404.
    fn subject(&self, repository: &Repository) -> String;

    fn ask(&self, session: &Session<'_>) -> impl Future<Output = Result<Self::Answer, Error>> + Send;
}

struct TagList<'q> {
    limits: &'q Limits,
}

impl Question for TagList<'_> {
    type Answer = Listing;

    fn subject(&self, repository: &Repository) -> String {
        format!("repository '{repository}'")
    }

    async fn ask(&self, session: &Session<'_>) -> Result<Listing, Error> {
        listing::list(session, self.limits).await
    }
}

struct DigestOf<'q> {
    tag: &'q Tag,
}

impl Question for DigestOf<'_> {
    type Answer = Digest;

    fn subject(&self, repository: &Repository) -> String {
        format!("tag '{repository}:{}'", self.tag)
    }

    async fn ask(&self, session: &Session<'_>) -> Result<Digest, Error> {
        manifest::digest(session, self.tag).await
    }
}

/// One question under way.
struct Poll<'p, Q> {
    client: &'p Client,
    repository: &'p Repository,
    access: &'p access::Registry,
    question: &'p Q,
    patience: Patience,
}

impl<Q: Question> Poll<'_, Q> {
    /// Asks the endpoints in order. Without a mirror each request is tried several times; with one it is the round
    /// through all of them that is, so that a mirror that is down costs no wait.
    async fn run(&self, endpoints: &[Endpoint]) -> Result<Q::Answer, Error> {
        match endpoints {
            [only] => self.ask(only, self.patience).await,
            several => self.patience.retry(|_| self.round(several)).await,
        }
    }

    async fn round(&self, endpoints: &[Endpoint]) -> Result<Q::Answer, Error> {
        let once = Patience { attempts: 1, ..self.patience };
        let mut mirror: Option<Error> = None;
        for endpoint in endpoints {
            match (self.ask(endpoint, once).await, mirror.take(), endpoint.role) {
                (Err(error), earlier, Role::Mirror) if is_passed_over(&error) => {
                    tracing::debug!(image.repository = self.repository.name(), %error, "passes over a mirror");
                    mirror = Some(earlier.unwrap_or(error));
                }
                (Err(error), Some(mirror), Role::Registry) => {
                    return Err(Error::Behind { mirror: Box::new(mirror), upstream: Box::new(error) });
                }
                (settled, ..) => return settled,
            }
        }
        // The registry itself is the last endpoint, and always settles it.
        Err(Error::Name { name: self.repository.name().to_owned() })
    }

    async fn ask(&self, endpoint: &Endpoint, patience: Patience) -> Result<Q::Answer, Error> {
        let (credential, origin) = self.credential(endpoint).await?;
        let (shared, access) = (&self.client.shared, self.access);
        let probe = self.client.settings.probe_timeout;
        let settle = |_| self.client.schemes.settle(&shared.exchange, access, endpoint, probe);
        let settled = patience.retry(settle).await?;
        let subject = self.question.subject(self.repository);
        let session = Session { shared, access, endpoint: &settled, credential: &credential, patience, subject };
        let answer = self.question.ask(&session).await;
        match &answer {
            Err(Error::Denied { sent: Sent::Credentials, .. }) if origin == Origin::Machine => {
                self.client.machine.forget(&endpoint.authority).await;
            }
            Err(Error::Network { .. } | Error::Tls { .. }) => self.client.schemes.forget(endpoint).await,
            _ => {}
        }
        answer
    }

    /// Returns the credentials for an endpoint. A mirror belongs to the machine rather than to the repository, so what
    /// the repository's secrets do not have may come from the machine's configuration.
    async fn credential(&self, endpoint: &Endpoint) -> Result<(Credential, Origin), Error> {
        let Endpoint { authority, scope_name, .. } = endpoint;
        if let Some(entry) = login::matching(&self.access.logins, authority, scope_name) {
            return Ok((Credential::of(entry), Origin::Configured));
        }
        match self.access.logins.is_empty() || endpoint.role == Role::Mirror {
            true => Ok((self.client.machine.credential(authority, scope_name).await?, Origin::Machine)),
            false => Ok((Credential::Anonymous, Origin::Configured)),
        }
    }
}

/// Where credentials come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Configured,
    Machine,
}

/// Whether a mirror's failure leaves the question to the registry itself.
fn is_passed_over(error: &Error) -> bool {
    matches!(error, Error::NotFound { .. }) || error.kind() == Kind::Transient
}
