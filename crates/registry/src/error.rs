//! Why a registry could not be asked, and what may help.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

/// What a failure calls for. Only [`Error::kind`] decides it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What is configured cannot work; trying again is pointless until it changes.
    Config,
    /// The registry, or our own rules, say no; worth another look at the next interval.
    Denied,
    /// It may work in a while.
    Transient,
}

/// Whether a request that was denied carried credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// Credentials were sent, and are wrong or insufficient.
    Credentials,
    /// None were sent, since none are configured for this repository.
    Nothing,
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Credentials => "the credentials sent were not accepted",
            Self::Nothing => "no credentials were sent, since none are configured for it",
        })
    }
}

/// Why a registry gave no answer that can be used.
///
/// Addresses are without query, user and password; remote texts are short and escaped; no message holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Error {
    /// A registry mirror is not written as `HOST=URL`.
    #[error("registry mirror \"{text}\": {reason}")]
    Mirror {
        /// The text as given, without a password.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A reference that cannot be part of a request.
    #[error("no registry can have a repository named '{name}'")]
    Name {
        /// The name as written.
        name: String,
    },
    /// The certificates configured for a registry cannot be used.
    #[error("the {what} for '{registry}' cannot be used: {reason}")]
    Certificate {
        /// The registry's authority.
        registry: String,
        /// `certificate authority`, or `client certificate and key`.
        what: &'static str,
        /// What is wrong with them.
        reason: String,
    },
    /// The proxy configured for a registry cannot be used.
    #[error("the proxy for '{registry}' cannot be used: {reason}")]
    Proxy {
        /// The registry's authority.
        registry: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Neither this machine nor the configuration has a certificate authority.
    #[error("cannot trust {url}: this machine has no certificate authorities, and none is configured")]
    NoAuthorities {
        /// The address.
        url: String,
    },
    /// A Docker configuration of this machine cannot be read.
    #[error("cannot use the Docker configuration '{path}': {reason}")]
    DockerConfig {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A credential helper gave no credentials.
    #[error("credential helper '{helper}' {reason} (asked about '{server}')")]
    Helper {
        /// The program.
        helper: String,
        /// The registry it was asked about.
        server: String,
        /// What happened.
        reason: String,
    },
    /// The registry, or the server that gives out its tokens, denied access.
    #[error("'{host}' denied access: {url} answered {status}{}; {sent}", detail(.message))]
    Denied {
        /// Who denied, an authority.
        host: String,
        /// The address.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What it said, in the registry's error format.
        message: Option<String>,
        /// Whether credentials were sent.
        sent: Sent,
    },
    /// The registry does not have the repository or the tag.
    #[error("{what} does not exist: {url} answered 404{}", detail(.message))]
    NotFound {
        /// `repository 'NAME'`, or `tag 'NAME:TAG'`.
        what: String,
        /// The address.
        url: String,
        /// What it said, in the registry's error format.
        message: Option<String>,
    },
    /// Something that people look at with a browser.
    #[error(
        "{url} answered with a web page (status {status}): perhaps it is no registry, since host, port or path are other ones, \
         or something on the way wants people to sign in"
    )]
    WebPage {
        /// The address.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// The registry asks for a wait, and it is past the deadline, or we have waited often enough.
    #[error("{url} answered {status}{}; it asks to wait {}", detail(.message), seconds(.retry_after))]
    Throttled {
        /// The address.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What it said, in the registry's error format.
        message: Option<String>,
        /// How long it asks to wait.
        retry_after: Duration,
    },
    /// Not asked, since the host asked another poll to wait a moment ago.
    #[error("'{host}' is not asked for {}, since it answered {status} to another request", seconds(.retry_after))]
    Paused {
        /// The host, an authority.
        host: String,
        /// The HTTP status of the answer to the other request.
        status: u16,
        /// How long it is still left alone.
        retry_after: Duration,
    },
    /// Nobody listens there, or a firewall says so.
    #[error("cannot reach {url}: {reason}")]
    Refused {
        /// The address.
        url: String,
        /// What the system says.
        reason: String,
    },
    /// Any other answer that is no success.
    #[error("{url} answered {status}{}", detail(.message))]
    Status {
        /// The address.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What it said, in the registry's error format.
        message: Option<String>,
    },
    /// No answer, or half of one.
    #[error("cannot reach {url}: {reason}")]
    Network {
        /// The address.
        url: String,
        /// What the system says.
        reason: String,
    },
    /// The two sides do not agree on TLS, most often since the certificate is not trusted.
    #[error("cannot trust {url}: {reason}")]
    Tls {
        /// The address.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// The deadline of the poll passed.
    #[error("'{name}' was not answered within {}", seconds(.after))]
    Timeout {
        /// The repository.
        name: String,
        /// The deadline, counted from the start of the poll.
        after: Duration,
    },
    /// A redirect that is not followed.
    #[error("{url} redirects to {target}, which {reason}")]
    Redirect {
        /// The address.
        url: String,
        /// Where it points.
        target: String,
        /// Why it is not followed.
        reason: &'static str,
    },
    /// A link to the next page that is not followed.
    #[error("the link to the next page of {url} {reason}")]
    Link {
        /// The address of the page.
        url: String,
        /// Why it is not followed.
        reason: String,
    },
    /// The registry wants proof, but does not say in a usable way how to get it.
    #[error("{url} wants credentials, but {reason}")]
    Challenge {
        /// The address.
        url: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// The server that gives out tokens is one to which no credentials may go.
    #[error("'{registry}' names {realm} for tokens, which {reason}")]
    Realm {
        /// The registry's authority.
        registry: String,
        /// The address it names.
        realm: String,
        /// Why it is not asked.
        reason: &'static str,
    },
    /// The body is not what the protocol says.
    #[error("{url} answered with {reason}")]
    Malformed {
        /// The address.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// More than we are willing to read.
    #[error("{url} answered with more than {limit} {what}")]
    TooLarge {
        /// The address.
        url: String,
        /// How many are read.
        limit: usize,
        /// What is counted.
        what: &'static str,
    },
    /// Neither the mirror nor the registry itself answered.
    #[error("{mirror}; and behind the mirror, {upstream}")]
    Behind {
        /// What the mirror did.
        mirror: Box<Error>,
        /// What the registry itself did.
        upstream: Box<Error>,
    },
}

impl Error {
    /// Tells what this failure calls for.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Mirror { .. }
            | Self::Name { .. }
            | Self::Certificate { .. }
            | Self::Proxy { .. }
            | Self::NoAuthorities { .. }
            | Self::DockerConfig { .. }
            | Self::Helper { .. } => Kind::Config,
            Self::Denied { .. } | Self::NotFound { .. } | Self::Tls { .. } | Self::Realm { .. } => Kind::Denied,
            Self::Redirect { .. } | Self::Link { .. } | Self::Challenge { .. } | Self::TooLarge { .. } => Kind::Denied,
            Self::Throttled { .. } | Self::Paused { .. } | Self::Malformed { .. } => Kind::Transient,
            Self::Network { .. } | Self::Refused { .. } | Self::Timeout { .. } => Kind::Transient,
            // A sign-in or a page about an outage may be gone in a while; one that says 404 is there to stay.
            Self::WebPage { status, .. } if *status < 400 => Kind::Transient,
            Self::WebPage { .. } => Kind::Denied,
            Self::Status { status, .. } if web::is_transient(*status) => Kind::Transient,
            Self::Status { .. } => Kind::Denied,
            Self::Behind { mirror, upstream } => match mirror.kind() {
                Kind::Transient => Kind::Transient,
                _ => upstream.kind(),
            },
        }
    }

    /// Returns the same without anything that was sent as proof, wherever a server has put it: into its words, its name, or
    /// an address that it leads to.
    pub(crate) fn hiding(mut self, sent: &web::Sent) -> Self {
        if let Self::Behind { mirror, upstream } = self {
            let [mirror, upstream] = [mirror, upstream].map(|error| Box::new(error.hiding(sent)));
            return Self::Behind { mirror, upstream };
        }
        self.texts().into_iter().for_each(|text| *text = sent.hide(text));
        self
    }

    /// All texts in which words of a server may be.
    fn texts(&mut self) -> Vec<&mut String> {
        match self {
            Self::Mirror { .. } | Self::Name { .. } | Self::DockerConfig { .. } | Self::Paused { .. } => Vec::new(),
            Self::Timeout { .. } | Self::Behind { .. } => Vec::new(),
            Self::Certificate { registry: text, reason, .. }
            | Self::Proxy { registry: text, reason }
            | Self::Helper { server: text, reason, .. }
            | Self::Refused { url: text, reason }
            | Self::Network { url: text, reason }
            | Self::Tls { url: text, reason }
            | Self::Link { url: text, reason }
            | Self::Malformed { url: text, reason } => vec![text, reason],
            Self::NoAuthorities { url }
            | Self::WebPage { url, .. }
            | Self::Challenge { url, .. }
            | Self::TooLarge { url, .. } => vec![url],
            Self::Redirect { url, target, .. } => vec![url, target],
            Self::Realm { registry, realm, .. } => vec![registry, realm],
            Self::Denied { host, url, message, .. } => [host, url].into_iter().chain(message).collect(),
            Self::NotFound { what: _, url, message }
            | Self::Throttled { url, message, .. }
            | Self::Status { url, message, .. } => [url].into_iter().chain(message).collect(),
        }
    }

    /// Returns how long the registry asks to wait before the next attempt, where it says so; at most
    /// [`MAX_RETRY_AFTER`](super::MAX_RETRY_AFTER).
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after, .. } | Self::Paused { retry_after, .. } => Some(*retry_after),
            Self::Behind { mirror, upstream } => mirror.retry_after().max(upstream.retry_after()),
            _ => None,
        }
    }
}

fn detail(message: &Option<String>) -> String {
    message.as_ref().map_or(String::new(), |message| format!(" ({message})"))
}

fn seconds(duration: &Duration) -> String {
    match duration.subsec_millis() {
        0 => format!("{} s", duration.as_secs()),
        _ => format!("{:.1} s", duration.as_secs_f64()),
    }
}
