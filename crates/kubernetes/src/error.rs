//! What went wrong between us and the API server.

use std::time::Duration;

/// The longest part of a server's words that is repeated, in characters.
const MAX_WORDS: usize = 1000;

/// A request that failed.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What it calls for.
    pub reason: Reason,
    /// What the server said, or why it said nothing; safe to print.
    pub message: String,
    /// How long the server wants to be left alone.
    pub retry_after: Option<Duration>,
}

/// What a failed request calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// There is no such object, or no such kind (404).
    NotFound,
    /// Somebody else was faster (409).
    Conflict,
    /// Nobody knows who we are (401).
    Unknown,
    /// We may not (403).
    Forbidden,
    /// The object is not allowed to be like that (400, 422).
    Invalid,
    /// The list is too old to go on from (410).
    Expired,
    /// It may work in a moment: no answer, 429, 5xx.
    Transient,
}

impl Error {
    /// No answer within a deadline.
    pub(crate) fn late(limit: Duration) -> Self {
        let message = format!("the API server did not answer within {} s", limit.as_secs());
        Self { reason: Reason::Transient, message, retry_after: None }
    }

    /// Whether there is no such object.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.reason == Reason::NotFound
    }
}

impl From<kube::core::Status> for Error {
    fn from(status: kube::core::Status) -> Self {
        let reason = match status.code {
            404 => Reason::NotFound,
            409 => Reason::Conflict,
            401 => Reason::Unknown,
            403 => Reason::Forbidden,
            400 | 422 => Reason::Invalid,
            410 => Reason::Expired,
            _ => Reason::Transient,
        };
        let seconds = status.details.as_ref().map(|details| details.retry_after_seconds).filter(|seconds| *seconds > 0);
        let message = match status.message.is_empty() {
            true => format!("the API server answered with {}", status.code),
            false => words::one_line(&status.message, MAX_WORDS),
        };
        Self { reason, message, retry_after: seconds.map(|seconds| Duration::from_secs(u64::from(seconds))) }
    }
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::from(*status),
            other => {
                let mut message = other.to_string();
                let mut source = std::error::Error::source(&other);
                while let Some(inner) = source {
                    let inner_message = inner.to_string();
                    if !message.contains(&inner_message) {
                        message.push_str(": ");
                        message.push_str(&inner_message);
                    }
                    source = inner.source();
                }
                Self { reason: Reason::Transient, message: words::one_line(&message, MAX_WORDS), retry_after: None }
            }
        }
    }
}
