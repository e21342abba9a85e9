//! Failures of an open store.

use std::path::PathBuf;

use crate::failure::{Failure, Kind};

/// A failure of a store that was opened. Nothing was changed by the call that returns it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be read or written, for instance since the disk is full. The next call tries again.
    #[error("cannot use {}", path.display())]
    File {
        /// The file of the state.
        path: PathBuf,
        /// The cause, in the words of the library.
        source: Box<redb::Error>,
    },
    /// The folder was deleted, and another process uses the one that came in its place.
    #[error("another process uses {}", path.display())]
    InUse {
        /// The file of the state.
        path: PathBuf,
    },
    /// There are too many of something for one more.
    #[error("there are {most} {what} already")]
    Full {
        /// The things of which there are too many, as a plural.
        what: &'static str,
        /// The largest number of them.
        most: usize,
    },
    /// A document is longer than is kept.
    #[error("{what} has {bytes} bytes; at most {most} are kept")]
    TooLong {
        /// The document, as messages name it.
        what: &'static str,
        /// Its length in bytes.
        bytes: usize,
        /// The greatest length that is kept, in bytes.
        most: usize,
    },
    /// A value cannot be written as JSON.
    #[error("cannot write {what} as JSON")]
    Json {
        /// The value, as messages name it.
        what: &'static str,
        /// The reason of the serializer.
        source: serde_json::Error,
    },
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        let kind = match error {
            Error::File { .. } | Error::InUse { .. } => Kind::Transient,
            Error::Full { .. } | Error::TooLong { .. } | Error::Json { .. } => Kind::Denied,
        };
        Self::of(kind, error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}
