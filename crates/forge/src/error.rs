//! Why a forge did not do what it was asked, in the words of an operator.

use std::time::Duration;

use web::Unreachable;

/// What a failure calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Somebody has to change the configuration.
    Config,
    /// Whoever asks is not known, or may not.
    Denied,
    /// It may be gone in a moment.
    Transient,
}

/// Why a forge did not do what it was asked. Nothing in it is secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It cannot be asked this way at all.
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
    /// It asked to be left alone.
    #[error("{url} asked to be left alone (HTTP {status}), for {} s more", .left.as_secs())]
    Paused {
        /// Whoever was asked, or would have been.
        url: String,
        /// The status with which it asked.
        status: u16,
        /// How long the pause still lasts.
        left: Duration,
    },
    /// It does not know who asks, or that one may not, or it shows nothing of the repository.
    #[error("{url} refuses {what} (HTTP {status}){}", said(.message))]
    Denied {
        /// Whoever was asked.
        url: String,
        /// What was asked for.
        what: &'static str,
        /// The status.
        status: u16,
        /// What it has to say.
        message: Option<String>,
    },
    /// It understands, and does not want it.
    #[error("{url} does not accept {what} (HTTP {status}){}", said(.message))]
    Refused {
        /// Whoever was asked.
        url: String,
        /// What was asked for.
        what: &'static str,
        /// The status.
        status: u16,
        /// What it has to say.
        message: Option<String>,
    },
    /// It is not able to answer at the moment.
    #[error("{url} answers with HTTP {status}{}", said(.message))]
    Status {
        /// Whoever was asked.
        url: String,
        /// The status.
        status: u16,
        /// What it has to say.
        message: Option<String>,
    },
    /// It sends us elsewhere, where the token does not go.
    #[error("{url} redirects, and the token goes along no redirect")]
    Redirect {
        /// Whoever was asked.
        url: String,
    },
    /// The answer is not what its interface promises.
    #[error("{url} answers with {reason}")]
    Malformed {
        /// Whoever was asked.
        url: String,
        /// What it is.
        reason: String,
    },
    /// The product has no such thing.
    #[error("{product} has no {what}")]
    Unsupported {
        /// The product.
        product: &'static str,
        /// What was asked of it.
        what: &'static str,
    },
    /// A name stands for nobody there.
    #[error("{url} knows no {what} {name}")]
    Unknown {
        /// Whoever was asked.
        url: String,
        /// `user`, `label`.
        what: &'static str,
        /// The name, safe to print.
        name: String,
    },
}

impl Error {
    /// What this failure calls for.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Way { .. } | Self::Redirect { .. } | Self::Unsupported { .. } | Self::Unknown { .. } => Kind::Config,
            Self::Denied { .. } | Self::Refused { .. } => Kind::Denied,
            Self::Network { .. } | Self::Paused { .. } | Self::Status { .. } | Self::Malformed { .. } => {
                Kind::Transient
            }
        }
    }

    /// Whether the forge did not answer at all, or only that it cannot: whoever asks for something else is not better off.
    #[must_use]
    pub const fn is_silence(&self) -> bool {
        matches!(self, Self::Network { .. } | Self::Paused { .. } | Self::Status { status: 502..=504, .. })
    }

    /// What to do about it, where that can be said.
    #[must_use]
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Denied { status: 401, .. } => Some("the token is not known there, or has ended"),
            Self::Denied { .. } => Some(
                "the token needs the right to read and write pull requests of the repository; forges show nothing, or 404, to one \
                 without",
            ),
            Self::Redirect { .. } => Some("write the address that it redirects to, in `git.url` or in `forge.url`"),
            _ => None,
        }
    }
}

fn said(message: &Option<String>) -> String {
    message.as_ref().map_or_else(String::new, |message| format!(": {message}"))
}
