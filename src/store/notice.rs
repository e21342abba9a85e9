//! The notice about a store that was opened otherwise than expected.

use std::fmt;
use std::path::PathBuf;

/// A store that was opened otherwise than asked, and what is lost by that. Its text is one or two sentences.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// The file was damaged; it was set aside, and a new one begun.
    Damaged {
        /// Where the file was.
        path: PathBuf,
        /// Where it is now.
        aside: PathBuf,
        /// The damage, in the words of the library.
        reason: String,
    },
    /// The file was written by a newer tagwright; it was set aside, and a new one begun.
    Newer {
        /// Where the file was.
        path: PathBuf,
        /// Where it is now.
        aside: PathBuf,
        /// The version of its schema.
        version: u64,
    },
    /// The file was deleted while it was in use; a new one was begun.
    Deleted {
        /// Where the file was, and is again.
        path: PathBuf,
    },
    /// The file cannot be written, or not be made; all is in memory.
    InMemory {
        /// Where the file would be.
        path: PathBuf,
        /// The reason of the system.
        reason: String,
    },
}

/// Everything that is known no more when the file is gone.
const LOST: &str = "when tags were first seen, holds and suspensions made by hand, the registries' validators and the history of \
                    runs; commits are still told from Git";

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged { path, aside, reason } => write!(
                f,
                "{} was damaged ({}) and is now {}. Not known any more are {LOST}.",
                path.display(),
                words::system(reason),
                aside.display()
            ),
            Self::Newer { path, aside, version } => write!(
                f,
                "{} was written by a newer tagwright (schema {version}) and is now {}, to be used again by renaming it back. \
                 Not known meanwhile are {LOST}.",
                path.display(),
                aside.display()
            ),
            Self::Deleted { path } => {
                write!(
                    f,
                    "{} was deleted while it was in use, and begun anew. Not known any more are {LOST}.",
                    path.display()
                )
            }
            Self::InMemory { path, reason } => write!(
                f,
                "{} cannot be used ({}), so that all is kept in memory. At the end of this process will be lost {LOST}.",
                path.display(),
                words::system(reason)
            ),
        }
    }
}
