//! The last status document, for when no bot runs that could be asked.

use super::Store;
use super::engine::Pace;
use super::error::Error;
use super::schema::DOCUMENTS;

/// The longest status document that is kept.
pub const MAX_STATUS_BYTES: usize = 64 * 1024 * 1024;

const STATUS: &str = "status";

impl Store {
    /// Keeps a status document in place of the last one. It is on the disk with what is written next.
    ///
    /// # Errors
    /// The file cannot be written, or the document is longer than [`MAX_STATUS_BYTES`].
    pub fn put_status(&self, document: &[u8]) -> Result<(), Error> {
        if document.len() > MAX_STATUS_BYTES {
            let (what, bytes) = ("the status", document.len());
            return Err(Error::TooLong { what, bytes, most: MAX_STATUS_BYTES });
        }
        self.engine.write_at(|transaction| {
            transaction.open_table(DOCUMENTS)?.insert(STATUS, document)?;
            Ok(((), Pace::Relaxed))
        })
    }

    /// Returns the last status document.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn status(&self) -> Result<Option<Vec<u8>>, Error> {
        self.engine.read(|transaction| {
            Ok(transaction.open_table(DOCUMENTS)?.get(STATUS)?.map(|document| document.value().to_vec()))
        })
    }
}
