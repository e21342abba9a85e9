//! Commits that are on their push branch, or about to be, and have not reached the second destination yet.

use serde::{Deserialize, Serialize};

use super::Store;
use super::error::Error;
use super::schema::DOCUMENTS;

/// Commits that a second destination has not got yet. It is written down before the push branch is pushed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owed {
    /// The remote, without credentials.
    pub(crate) url: String,
    /// The refspec as configured; another one asks for something else.
    pub(crate) refspec: String,
    /// The push branch.
    pub(crate) branch: String,
    /// What the push branch was before: as long as it still is, nothing has come of the push. A full hash.
    pub(crate) base: Option<String>,
    /// The commit that the push branch was to be moved to, a full hash.
    pub(crate) tip: String,
    /// What it has not got from an earlier push, should nothing have come of this one. A full hash.
    pub(crate) earlier: Option<String>,
}

impl Store {
    /// Keeps what the second destinations of automations have not got; none when they have everything.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn owe(&self, debts: &[(String, Option<Owed>)]) -> Result<(), Error> {
        let failed = |source| Error::Json { what: "a second destination", source };
        let json = |owed: &Option<Owed>| owed.as_ref().map(serde_json::to_vec).transpose().map_err(failed);
        let debts = debts.iter().map(|(automation, owed)| Ok((key(automation), json(owed)?)));
        let debts: Vec<(String, Option<Vec<u8>>)> = debts.collect::<Result<_, Error>>()?;
        self.engine.write(|transaction| {
            let mut documents = transaction.open_table(DOCUMENTS)?;
            for (key, document) in &debts {
                match document {
                    Some(document) => drop(documents.insert(key.as_str(), document.as_slice())?),
                    None => drop(documents.remove(key.as_str())?),
                }
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
