//! Why a registry could not be asked, and what may help.

use std::fmt;
use std::time::Duration;

use thiserror::Error;
use web::TlsProblem;
use web::words::one_line;

/// How many keys of other credentials a message names.
const MAX_OTHERS: usize = 5;
/// The longest part of such a key that is shown, in characters.
const MAX_KEY: usize = 100;

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
    /// A token server is not written as `HOST=URL`.
    #[error("{}: \"{text}\": {reason}", super::TokenServers::VARIABLE)]
    TokenServer {
        /// The text as given, without a password.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// How much may be asked of a host is not written as `[HOST=]AT_ONCE:A_SECOND`.
    #[error("{}: \"{text}\": expected [HOST=]AT_ONCE:A_SECOND, numbers from 1 to 10000", super::Budgets::VARIABLE)]
    Budget {
        /// The text as given.
        text: String,
    },
    /// A reference that cannot be part of a request.
    #[error("no registry can have a repository named '{name}'")]
    Name {
        /// The name as written.
        name: String,
    },
    /// An image layout cannot be used.
    #[error("the image layout cannot be used: {file} {reason}")]
    Layout {
        /// The file in it.
        file: String,
        /// What is wrong with that.
        reason: String,
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
    #[error("'{host}' denied access: {url} answered {status}{}; {sent}{}", detail(.message), instead(.others))]
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
        /// What the credentials that are there are for, if none of them are for this.
        others: Vec<String>,
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
        "{url} answered with a web page (status {status}): perhaps it is not a registry, since host, port or path are other ones, \
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
    #[error("'{host}' is not asked for {}, {}", seconds(.retry_after), said(*.status))]
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
        /// What that has to do with the address.
        why: web::Unreachable,
        /// What the system says.
        reason: String,
    },
    /// The two sides do not agree on TLS, most often since the certificate is not trusted.
    #[error("{} {url}: {problem}", if problem.is_about_trust() { "cannot trust" } else { "cannot talk to" })]
    Tls {
        /// The address.
        url: String,
        /// What is wrong.
        problem: TlsProblem,
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
    /// A later page of a list cannot be had, though the registry has the repository.
    #[error("page {number} of the list of tags, to which the registry itself leads: {cause}")]
    Page {
        /// The page, from 2.
        number: usize,
        /// Why not.
        cause: Box<Error>,
    },
    /// The registry wants proof, but does not say in a usable way how to get it.
    #[error("{url} wants credentials, but {reason}")]
    Challenge {
        /// The address.
        url: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// The cloud that is to give out the login gives none.
    #[error("there is no login for '{registry}'")]
    Cloud {
        /// The registry.
        registry: String,
        /// The cloud's or our own words.
        source: Box<cloud::Error>,
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
            | Self::TokenServer { .. }
            | Self::Budget { .. }
            | Self::Name { .. }
            | Self::Certificate { .. }
            | Self::Proxy { .. }
            | Self::NoAuthorities { .. }
            | Self::DockerConfig { .. }
            | Self::Helper { .. } => Kind::Config,
            Self::Layout { .. }
            | Self::Denied { .. }
            | Self::NotFound { .. }
            | Self::Tls { .. }
            | Self::Realm { .. } => Kind::Denied,
            Self::Redirect { .. } | Self::Link { .. } | Self::Challenge { .. } | Self::TooLarge { .. } => Kind::Denied,
            Self::Throttled { .. } | Self::Paused { .. } | Self::Malformed { .. } => Kind::Transient,
            Self::Network { .. } | Self::Refused { .. } | Self::Timeout { .. } => Kind::Transient,
            // A sign-in or a page about an outage may be gone in a while; one that says 404 is there to stay.
            Self::WebPage { status, .. } if *status < 400 => Kind::Transient,
            Self::WebPage { .. } => Kind::Denied,
            Self::Status { status, .. } if web::is_transient(*status) => Kind::Transient,
            Self::Status { .. } => Kind::Denied,
            Self::Cloud { source, .. } => match source.kind() {
                cloud::Kind::Config => Kind::Config,
                cloud::Kind::Denied => Kind::Denied,
                cloud::Kind::Transient => Kind::Transient,
            },
            Self::Page { cause, .. } => cause.kind(),
            Self::Behind { mirror, upstream } => match mirror.kind() {
                Kind::Transient => Kind::Transient,
                _ => upstream.kind(),
            },
        }
    }

    /// Returns the same as what became of a page of a list. Where there is a page before it, the repository is there.
    pub(crate) fn on_page(self, number: usize) -> Self {
        let cause = match self {
            cause if number < 2 => return cause,
            Self::NotFound { url, message, .. } => Self::Status { url, status: 404, message },
            cause => cause,
        };
        Self::Page { number, cause: Box::new(cause) }
    }

    /// Returns the same with what the credentials are for that are there, at most five, where none were sent.
    pub(crate) fn with_others(mut self, keys: impl IntoIterator<Item = String>) -> Self {
        let denied = match &mut self {
            Self::Page { cause, .. } => cause.as_mut(),
            other => other,
        };
        if let Self::Denied { sent: Sent::Nothing, others, .. } = denied {
            // Not a login that somebody has put in front of a host.
            let bare = |key: String| key.rsplit_once('@').map_or(key.clone(), |(_, host)| format!("…@{host}"));
            let shown = |key: String| one_line(&bare(key), MAX_KEY);
            *others = keys.into_iter().take(MAX_OTHERS).map(shown).collect();
        }
        self
    }

    /// Returns the failure of the request itself, wherever in a list it was made.
    #[must_use]
    pub fn cause(&self) -> &Self {
        match self {
            Self::Page { cause, .. } => cause,
            other => other,
        }
    }

    /// Returns the same without anything that was sent as proof, wherever a server has put it: into its words, its name, or
    /// an address that it leads to.
    pub(crate) fn hiding(mut self, sent: &web::Sent) -> Self {
        if let Self::Behind { mirror, upstream } = self {
            let [mirror, upstream] = [mirror, upstream].map(|error| Box::new(error.hiding(sent)));
            return Self::Behind { mirror, upstream };
        }
        if let Self::Page { number, cause } = self {
            return Self::Page { number, cause: Box::new(cause.hiding(sent)) };
        }
        self.texts().into_iter().for_each(|text| *text = sent.hide(text));
        self
    }

    /// All texts in which words of a server may be.
    fn texts(&mut self) -> Vec<&mut String> {
        match self {
            Self::Mirror { .. } | Self::TokenServer { .. } | Self::Budget { .. } | Self::Name { .. } => Vec::new(),
            Self::Layout { .. } | Self::DockerConfig { .. } | Self::Paused { .. } => Vec::new(),
            Self::Timeout { .. } | Self::Behind { .. } | Self::Page { .. } => Vec::new(),
            // It has a memory of its own of what was sent.
            Self::Cloud { registry, .. } => vec![registry],
            Self::Certificate { registry: text, reason, .. }
            | Self::Proxy { registry: text, reason }
            | Self::Helper { server: text, reason, .. }
            | Self::Refused { url: text, reason }
            | Self::Network { url: text, reason, .. }
            | Self::Link { url: text, reason }
            | Self::Malformed { url: text, reason } => vec![text, reason],
            Self::NoAuthorities { url }
            | Self::Tls { url, .. }
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
            Self::Page { cause, .. } => cause.retry_after(),
            Self::Behind { mirror, upstream } => mirror.retry_after().max(upstream.retry_after()),
            Self::Cloud { source, .. } => source.retry_after(),
            _ => None,
        }
    }

    /// Returns the host that asks to be left alone.
    pub(crate) fn asks_to_wait(&self) -> Option<String> {
        match self {
            Self::Throttled { url, .. } => url::Url::parse(url).ok().map(|url| web::authority(&url)),
            Self::Paused { host, .. } => Some(host.clone()),
            Self::Page { cause, .. } => cause.asks_to_wait(),
            Self::Behind { mirror, upstream } if mirror.retry_after() > upstream.retry_after() => mirror.asks_to_wait(),
            Self::Behind { upstream, .. } => upstream.asks_to_wait(),
            _ => None,
        }
    }
}

/// What a host said to another request.
fn said(status: u16) -> String {
    match status {
        ..400 => "since it says that nothing is left until then of what it allows".to_owned(),
        _ => format!("since it answered {status} to another request"),
    }
}

fn detail(message: &Option<String>) -> String {
    message.as_ref().map_or(String::new(), |message| format!(" ({message})"))
}

fn instead(others: &[String]) -> String {
    if others.is_empty() { String::new() } else { format!("; those that are there are for {}", others.join(", ")) }
}

fn seconds(duration: &Duration) -> String {
    match duration.subsec_millis() {
        0 => format!("{} s", duration.as_secs()),
        _ => format!("{:.1} s", duration.as_secs_f64()),
    }
}
