//! Webhooks: requests by which registries tell what was pushed to them, and forges what was pushed to a branch.
//!
//! A [`Receiver`] belongs to one sender. [`Receiver::read`] tells whether a request is the sender's (in constant time), and what it says:
//! image repositories with their tags, addresses of Git repositories, and comments on requests of these. Nothing is asked of anybody. Whatever a request says is a
//! hint and no more: it makes somebody look, and what they find decides.
//!
//! | source | proof | says |
//! |---|---|---|
//! | `dockerhub`, `quay` | the token in the path, since the sender can do nothing else | a repository and its tags |
//! | `acr`, `ecr`, `distribution`, `cdevents`, `generic` | the token in the path, or in `Authorization` | the same; several repositories of `distribution` |
//! | `gcr` | a token of Google's in `Authorization`, for the audience and the account that the receiver names | a push subscription of Pub/Sub: an image |
//! | `harbor` | `Authorization` is the token | each resource |
//! | `github` | `X-Hub-Signature-256`: HMAC-SHA-256 of the body by the token | a package of ghcr.io, a push, or a comment |
//! | `gitea` (Forgejo) | `X-Gitea-Signature`, or GitHub's | a package of its own, a push, or a comment |
//! | `gitlab` | `X-Gitlab-Token` is the token | a push, or a comment |
//! | `bitbucket` | `X-Hub-Signature`: HMAC-SHA-256 | a push, or a comment |
//! | `nexus` | `X-Nexus-Webhook-Signature`: HMAC-SHA-1 | a component, whose registry it does not name |
//! | `jfrog` | `X-JFrog-Event-Auth`: HMAC-SHA-256, or the token | an image |
//! | `generic-hmac` | `X-Signature`: HMAC with SHA-1, SHA-256 or SHA-512 | as `generic` |
//! | `generic-oidc` | a token of the issuer that the receiver names in `Authorization`, with what its claims have to say | as `generic` |

mod payload;
mod proof;
mod receivers;

use std::fmt;

use access::Secret;
use oidc::{Condition, Expected, Keys};
use sha2::{Digest as _, Sha256};

pub use proof::Proof;
pub use receivers::Receivers;

/// How many image repositories and tags of one request count.
const MAX_PUSHED: usize = 1_000;

/// The largest request that is looked at, in bytes: 1 MiB. GitHub sends up to 25 MiB of a push with thousands of commits, of which
/// nothing but the address would count.
pub const MAX_BODY: usize = 1 << 20;

/// Who sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// Azure Container Registry.
    Acr,
    /// Bitbucket, Cloud and Data Center.
    Bitbucket,
    /// CDEvents, as CloudEvents over HTTP.
    CdEvents,
    /// CNCF Distribution, `docker-registry`.
    Distribution,
    /// Docker Hub.
    DockerHub,
    /// Amazon ECR, by an API destination of EventBridge.
    Ecr,
    /// Google's Artifact Registry, by a push subscription of Pub/Sub.
    Gcr,
    /// Whoever can send JSON.
    Generic,
    /// Whoever can send JSON with a signature.
    GenericHmac,
    /// Whoever can send JSON with a token of an OpenID Connect issuer: pipelines, workloads.
    GenericOidc,
    /// Gitea and Forgejo.
    Gitea,
    /// GitHub, with ghcr.io.
    GitHub,
    /// GitLab.
    GitLab,
    /// Harbor.
    Harbor,
    /// JFrog Artifactory.
    JFrog,
    /// Sonatype Nexus.
    Nexus,
    /// Quay.
    Quay,
}

impl Source {
    /// All of them, in the order of their words.
    pub const ALL: [Self; 17] = [
        Self::Acr,
        Self::Bitbucket,
        Self::CdEvents,
        Self::Distribution,
        Self::DockerHub,
        Self::Ecr,
        Self::Gcr,
        Self::Generic,
        Self::GenericHmac,
        Self::GenericOidc,
        Self::Gitea,
        Self::GitHub,
        Self::GitLab,
        Self::Harbor,
        Self::JFrog,
        Self::Nexus,
        Self::Quay,
    ];

    /// The word for it in configurations, logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Acr => "acr",
            Self::Bitbucket => "bitbucket",
            Self::CdEvents => "cdevents",
            Self::Distribution => "distribution",
            Self::DockerHub => "dockerhub",
            Self::Ecr => "ecr",
            Self::Gcr => "gcr",
            Self::Generic => "generic",
            Self::GenericHmac => "generic-hmac",
            Self::GenericOidc => "generic-oidc",
            Self::Gitea => "gitea",
            Self::GitHub => "github",
            Self::GitLab => "gitlab",
            Self::Harbor => "harbor",
            Self::JFrog => "jfrog",
            Self::Nexus => "nexus",
            Self::Quay => "quay",
        }
    }

    /// Whether two requests with the same body are the same request, however far apart: it has a time or a number of its own.
    #[must_use]
    pub const fn is_unique(self) -> bool {
        !matches!(self, Self::Generic | Self::GenericHmac | Self::GenericOidc | Self::Quay | Self::JFrog)
    }
}

/// One sender, with what proves that it is the one.
pub struct Receiver {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// Who sends.
    pub source: Source,
    /// What sender and receiver know, and nobody else; empty where the sender shows tokens of an issuer alone.
    pub token: Secret,
    /// The events that count, as the sender names them in a header; all if there are none.
    pub events: Vec<String>,
    /// What it is about; everything if nothing is said.
    pub scope: Option<Scope>,
    /// Whose tokens count, where the sender shows tokens of an issuer.
    pub identity: Option<Identity>,
}

/// Whose tokens of an issuer count. Whoever has an account there gets tokens, so that they have to be for an audience, and to say more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The issuer, by its URL; its keys are asked for there.
    pub issuer: String,
    /// The other name that it goes by in `iss`, if it has one.
    pub alias: Option<String>,
    /// For whom the tokens are.
    pub audience: String,
    /// What they say, each of it. None is nobody.
    pub conditions: Vec<Condition>,
}

impl Identity {
    /// Google, as an issuer.
    pub const GOOGLE: &'static str = "https://accounts.google.com";

    /// An account of Google, by the address that Google has verified.
    #[must_use]
    pub fn of_google(email: &str, audience: String) -> Self {
        let conditions = vec![Condition::new("email", email), Condition::new("email_verified", "true")];
        let alias = Some("accounts.google.com".to_owned());
        Self { issuer: Self::GOOGLE.to_owned(), alias, audience, conditions }
    }

    /// Whether a token is such a one.
    fn check(&self, token: &str, keys: &Keys, now: i64) -> Result<(), Refused> {
        const WRONG: Refused =
            Refused::Unproven("`Authorization` has no token that the issuer has signed for this receiver");
        let issuers: Vec<&str> =
            [Some(&self.issuer), self.alias.as_ref()].into_iter().flatten().map(String::as_str).collect();
        let expected = Expected { issuers: &issuers, audience: &self.audience, now };
        let claims = keys.check(token, &expected).map_err(|_| WRONG)?;
        let is_theirs = !self.conditions.is_empty() && self.conditions.iter().all(|condition| condition.holds(&claims));
        is_theirs.then_some(()).ok_or(WRONG)
    }
}

/// What a receiver is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// Image repositories, by namespace and name; `*` is all of the namespace.
    pub repositories: Vec<(String, String)>,
    /// URLs of Git remotes.
    pub remotes: Vec<String>,
}

/// A request.
pub struct Request<'r> {
    /// The value of a header, by its name in lower case.
    pub header: &'r dyn Fn(&str) -> Option<String>,
    /// The body.
    pub body: &'r [u8],
    /// Whether the path had the token ([`Receiver::digest`]).
    pub by_path: bool,
    /// The public keys of the issuer, where the sender shows tokens of one.
    pub keys: Option<&'r Keys>,
    /// Now, in seconds since 1970.
    pub now: i64,
}

/// What the head of a request shows, before its body is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// It is the sender's.
    Proven,
    /// There is a signature, and whether it is the sender's the body has to tell.
    ByBody,
}

/// The token in the value of `Authorization`, behind `Bearer`.
#[must_use]
pub fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Why a request says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It does not show that it comes from the sender.
    Unproven(&'static str),
    /// It is not what the sender sends.
    Malformed(&'static str),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Unproven(why) | Self::Malformed(why)) = self;
        f.write_str(why)
    }
}

/// What a request tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Image repositories with the tags that were pushed.
    pub pushed: Vec<Pushed>,
    /// Addresses of a Git repository that was pushed to: one repository by all its addresses.
    pub remotes: Vec<String>,
    /// Comments on requests of a repository that may be orders.
    pub comments: Vec<Comment>,
    /// Whether it says that something has happened, and not what.
    pub is_bare: bool,
}

/// A comment on a pull request. What it says, and who has written it, is to be asked of the forge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// The addresses of the request's Git repository.
    pub remotes: Vec<String>,
    /// The number of the request.
    pub number: u64,
    /// The number of the comment.
    pub id: u64,
}

/// An image repository with the tags that were pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The registry, `host[:port]`, as canonical names have it; none where the sender does not say.
    pub registry: Option<String>,
    /// The path below it.
    pub path: String,
    /// The tags.
    pub tags: Vec<image::Tag>,
}

impl Receiver {
    /// What stands in the path `/hook/DIGEST`, as Flux derives it: SHA-256 of token, name and namespace, in hexadecimal digits.
    #[must_use]
    pub fn digest(&self) -> String {
        use access::ExposeSecret as _;
        let text = format!("{}{}{}", self.token.expose_secret(), self.name, self.namespace);
        Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether sender and receiver know a token; otherwise the sender shows tokens of an issuer alone.
    #[must_use]
    pub fn has_token(&self) -> bool {
        use access::ExposeSecret as _;
        !self.token.expose_secret().is_empty()
    }

    /// The same receiver, about this alone.
    #[must_use]
    pub fn within(&self, scope: Scope) -> Self {
        let Self { namespace, name, source, token, events, identity, .. } = self;
        Self {
            namespace: namespace.clone(),
            name: name.clone(),
            source: *source,
            token: token.clone(),
            events: events.clone(),
            scope: Some(scope),
            identity: identity.clone(),
        }
    }

    /// Looks at the head of a request alone, so that nobody has to read what strangers send; its body is not looked at.
    ///
    /// # Errors
    /// It is not the sender's, whatever the body is.
    pub fn shown(&self, request: &Request<'_>) -> Result<Shown, Refused> {
        match Proof::of(self.source) {
            Proof::Issuer => self.check_issuer(request).map(|()| Shown::Proven),
            Proof::Signature(headers) if headers.iter().any(|(name, _)| (request.header)(name).is_some()) => {
                Ok(Shown::ByBody)
            }
            proof => proof.check(&self.token, request).map(|()| Shown::Proven),
        }
    }

    /// Reads a request. What the sender says and nobody asked for is an empty [`Delivery`].
    ///
    /// # Errors
    /// It is not the sender's, or not what the sender sends.
    pub fn read(&self, request: &Request<'_>) -> Result<Delivery, Refused> {
        match Proof::of(self.source) {
            Proof::Issuer => self.check_issuer(request)?,
            proof => proof.check(&self.token, request)?,
        }
        if !self.wants(request) {
            return Ok(Delivery::default());
        }
        let mut delivery = payload::read(self.source, request)?;
        delivery.pushed.truncate(MAX_PUSHED);
        delivery.pushed.iter_mut().for_each(|pushed| pushed.tags.truncate(MAX_PUSHED));
        Ok(delivery)
    }

    fn check_issuer(&self, request: &Request<'_>) -> Result<(), Refused> {
        let unproven = Refused::Unproven("`Authorization` has no token, or nobody knows the keys of its issuer");
        let (Some(identity), Some(keys)) = (&self.identity, request.keys) else { return Err(unproven) };
        let shown = (request.header)("authorization").unwrap_or_default();
        identity.check(bearer(&shown).ok_or(unproven)?, keys, request.now)
    }

    /// Whether the event is one of those that count.
    fn wants(&self, request: &Request<'_>) -> bool {
        let header = match self.source {
            Source::GitHub => "x-github-event",
            Source::Gitea => "x-gitea-event",
            Source::GitLab => "x-gitlab-event",
            Source::Bitbucket => "x-event-key",
            Source::CdEvents => "ce-type",
            _ => return true,
        };
        let event = (request.header)(header).unwrap_or_default();
        self.events.is_empty() || self.events.iter().any(|wanted| wanted.eq_ignore_ascii_case(&event))
    }

    /// What two deliveries have in common that are one: by it, and by the receiver, they are told apart. It is no secret.
    #[must_use]
    pub fn fingerprint(&self, body: &[u8]) -> [u8; 32] {
        let mut hash = Sha256::new();
        for part in [self.namespace.as_bytes(), self.name.as_bytes(), body] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { namespace, name, source, .. } = self;
        write!(f, "Receiver({namespace}/{name}, {})", source.as_str())
    }
}
