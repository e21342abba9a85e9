//! Why there is no login, in the words of an operator.

use std::time::Duration;

use web::Unreachable;

/// What a failure calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Somebody has to change the configuration or the machine's settings.
    Config,
    /// Nobody is known to ask as, or whoever is known may not.
    Denied,
    /// It may be gone in a moment.
    Transient,
}

/// Why there is no login. Nothing in it is secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// None of the ways in which people are known to a cloud leads anywhere.
    #[error("this machine has no credentials for {cloud}; tried in this order: {}", listed(.tried))]
    Nothing {
        /// The cloud.
        cloud: &'static str,
        /// What was tried, and why it was nothing.
        tried: Vec<(String, String)>,
    },
    /// The login is for other hosts.
    #[error("a login of {provider} is not for {host}; it goes to {hosts}")]
    Host {
        /// Whose login was asked for.
        provider: &'static str,
        /// The host that is no place for it.
        host: String,
        /// The hosts that are.
        hosts: String,
    },
    /// A variable of the environment, or a key of a secret, is wrong.
    #[error("{name} {reason}")]
    Setting {
        /// Its name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A service account is not known in the cloud, or the cluster gives out no token for it.
    #[error("the service account {account} {reason}")]
    Account {
        /// The account.
        account: String,
        /// What that calls for.
        kind: Kind,
        /// What is wrong with it.
        reason: String,
    },
    /// A file cannot be read, or does not hold what it should.
    #[error("{path} {reason}")]
    File {
        /// Where it is.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A way through the network cannot be used.
    #[error("{url} cannot be asked: {reason}")]
    Way {
        /// Whoever was to be asked.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// No answer came.
    #[error("{url} does not answer: {reason}")]
    Network {
        /// Whoever was asked.
        url: String,
        /// What the address has to do with it.
        why: Unreachable,
        /// Why not.
        reason: String,
    },
    /// A host asked to be left alone.
    #[error("{url} asked to be left alone (HTTP {status}), for {} s more", .left.as_secs())]
    Paused {
        /// Whoever would have been asked.
        url: String,
        /// The status with which it asked.
        status: u16,
        /// How long the pause still lasts.
        left: Duration,
    },
    /// The server knows who asks, or does not, and says no.
    #[error("{url} refuses {subject} (HTTP {status}){}", said(.message))]
    Denied {
        /// Whoever was asked.
        url: String,
        /// As whom, or for what.
        subject: String,
        /// The status.
        status: u16,
        /// What the server has to say.
        message: Option<String>,
    },
    /// As `Denied`, and the clocks of the two sides differ by more than such a request may have.
    #[error(
        "{url} refuses {subject} (HTTP {status}){}; the clock of this machine is {} {} that of the server, and requests are only good \
         for minutes: set the clock",
        said(.message), shown(*.off), if *.ahead { "ahead of" } else { "behind" }
    )]
    Clock {
        /// Whoever was asked.
        url: String,
        /// As whom, or for what.
        subject: String,
        /// The status.
        status: u16,
        /// What the server has to say.
        message: Option<String>,
        /// By how much the clocks differ.
        off: Duration,
        /// Whether ours is the later one.
        ahead: bool,
    },
    /// Another status than was to be expected.
    #[error("{url} answers with HTTP {status}{}", said(.message))]
    Status {
        /// Whoever was asked.
        url: String,
        /// The status.
        status: u16,
        /// What the server has to say.
        message: Option<String>,
    },
    /// The server sends us to another, which must not see what is asked here.
    #[error("{url} redirects, which whoever gives out credentials must not")]
    Redirect {
        /// Whoever was asked.
        url: String,
    },
    /// The answer cannot be understood.
    #[error("{url} answers with {reason}")]
    Malformed {
        /// Whoever was asked.
        url: String,
        /// What it answered with instead.
        reason: String,
    },
}

impl Error {
    /// Returns what the failure calls for.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Host { .. } | Self::Setting { .. } | Self::File { .. } | Self::Way { .. } => Kind::Config,
            Self::Nothing { .. } | Self::Denied { .. } | Self::Clock { .. } | Self::Redirect { .. } => Kind::Denied,
            Self::Network { .. } | Self::Paused { .. } | Self::Malformed { .. } => Kind::Transient,
            Self::Status { status, .. } if web::is_transient(*status) => Kind::Transient,
            Self::Status { .. } => Kind::Denied,
            Self::Account { kind, .. } => *kind,
        }
    }

    /// Returns how long a server asks to be left alone.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Paused { left, .. } => Some(*left),
            _ => None,
        }
    }
}

fn listed(tried: &[(String, String)]) -> String {
    tried.iter().map(|(what, reason)| format!("{what} ({reason})")).collect::<Vec<_>>().join(", ")
}

fn said(message: &Option<String>) -> String {
    message.as_ref().map_or_else(String::new, |message| format!(": {message}"))
}

/// A duration as people say it.
fn shown(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ ..7200 => format!("{} min", (seconds + 30) / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}
