//! Commits that are on their push branch and have not reached the second destination yet.

use serde::{Deserialize, Serialize};

use super::Store;
use super::error::Error;
use super::schema::DOCUMENTS;

/// Commits that a second destination has not got yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owed {
    /// The remote, without credentials.
    pub(crate) url: String,
    /// The refspec as configured; another one asks for something else.
    pub(crate) refspec: String,
    /// The push branch.
    pub(crate) branch: String,
    /// The commit that the push branch was moved to, a full hash.
    pub(crate) tip: String,
    /// The commit that the destination was at, if the commits build on that; it can be moved on from there without force.
    pub(crate) before: Option<String>,
}

impl Store {
    /// Keeps what an automation's second destination has not got; none when it has everything.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn owe(&self, automation: &str, owed: Option<&Owed>) -> Result<(), Error> {
        let document = owed.map(serde_json::to_vec).transpose();
        let document = document.map_err(|source| Error::Json { what: "a second destination", source })?;
        self.engine.write(|transaction| {
            let mut documents = transaction.open_table(DOCUMENTS)?;
            match &document {
                Some(document) => drop(documents.insert(key(automation).as_str(), document.as_slice())?),
                None => drop(documents.remove(key(automation).as_str())?),
            }
            Ok(())
        })
    }

    /// Returns what an automation's second destination has not got.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn owed(&self, automation: &str) -> Result<Option<Owed>, Error> {
        self.engine.read(|transaction| {
            let found = transaction.open_table(DOCUMENTS)?.get(key(automation).as_str())?;
            Ok(found.and_then(|document| serde_json::from_slice(document.value()).ok()))
        })
    }
}

fn key(automation: &str) -> String {
    format!("owed {automation}")
}
