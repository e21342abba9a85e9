//! What can go wrong with an open store.

use std::path::PathBuf;

use crate::failure::{Failure, Kind};

/// A failure of a store that was opened. Nothing was changed by the call that returns it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be read or written, for instance since the disk is full. The next call tries again.
    #[error("cannot use {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: Box<redb::Error>,
    },
    /// There are too many of something for one more.
    #[error("there are {most} {what} already")]
    Full {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        most: usize,
    },
    /// A document is longer than is kept.
    #[error("{what} has {bytes} bytes; at most {most} are kept")]
    TooLong {
        /// Which document.
        what: &'static str,
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        most: usize,
    },
    /// A value cannot be written as JSON.
    #[error("cannot write {what} as JSON")]
    Json {
        /// Which value.
        what: &'static str,
        /// The cause.
        source: serde_json::Error,
    },
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::File { .. } => Kind::Transient,
            Error::Full { .. } | Error::TooLong { .. } | Error::Json { .. } => Kind::Denied,
        };
        Self::of(kind, &error)
    }
}
