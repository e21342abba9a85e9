//! What fails and was told to people, so that whoever runs next does not tell it again, and tells its end.

use serde::{Deserialize, Serialize};

use super::Store;
use super::engine::Pace;
use super::error::Error;
use super::schema::DOCUMENTS;

/// The longest list that is kept.
const MAX_BYTES: usize = 16 * 1024 * 1024;

const FAILING: &str = "failing";

/// Something that fails, as it was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Failing {
    /// What tells it from all else.
    pub(crate) subject: String,
    /// The host that is to blame.
    pub(crate) host: Option<String>,
    /// Whether it was rejected.
    pub(crate) rejected: bool,
    /// The sentence.
    pub(crate) message: String,
    /// Since when.
    pub(crate) since: jiff::Timestamp,
    /// The automations, policies and image repositories that it concerns, as `namespace/name`.
    pub(crate) automations: Vec<String>,
    pub(crate) policies: Vec<String>,
    pub(crate) repositories: Vec<String>,
    /// The Git remote that it concerns.
    pub(crate) remote: Option<String>,
    /// The notifications that have told it, as `namespace/name`.
    #[serde(default)]
    pub(crate) told: Vec<String>,
    /// When it was last part of what was looked at.
    #[serde(default)]
    pub(crate) seen: Option<jiff::Timestamp>,
}

impl Store {
    /// Keeps what fails in place of what did. It is on the disk with what is written next.
    pub(crate) fn put_failing(&self, failing: &[Failing]) -> Result<(), Error> {
        let document = serde_json::to_vec(failing).unwrap_or_default();
        if document.len() > MAX_BYTES {
            return Err(Error::TooLong { what: "what fails", bytes: document.len(), most: MAX_BYTES });
        }
        self.engine.write_at(|transaction| {
            transaction.open_table(DOCUMENTS)?.insert(FAILING, document.as_slice())?;
            Ok(((), Pace::Relaxed))
        })
    }

    /// What failed when it was last kept. What cannot be read is nothing: it is told anew.
    pub(crate) fn failing(&self) -> Result<Vec<Failing>, Error> {
        let document = self.engine.read(|transaction| {
            Ok(transaction.open_table(DOCUMENTS)?.get(FAILING)?.map(|document| document.value().to_vec()))
        })?;
        Ok(document.and_then(|document| serde_json::from_slice(&document).ok()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_fails_is_kept_and_garbage_is_nothing() {
        let store = Store::in_memory();
        assert_eq!(store.failing().unwrap(), []);
        let failing = Failing {
            subject: "automation default/shop".to_owned(),
            host: None,
            rejected: true,
            message: "no".to_owned(),
            since: jiff::Timestamp::UNIX_EPOCH,
            automations: vec!["default/shop".to_owned()],
            policies: Vec::new(),
            repositories: Vec::new(),
            remote: Some("https://git.example.com/a/b".to_owned()),
            told: vec!["default/chat".to_owned()],
            seen: Some(jiff::Timestamp::UNIX_EPOCH),
        };
        store.put_failing(std::slice::from_ref(&failing)).unwrap();
        assert_eq!(store.failing().unwrap(), [failing]);
        store
            .engine
            .write_at(|transaction| {
                transaction.open_table(DOCUMENTS)?.insert(FAILING, &b"[{}]"[..])?;
                Ok(((), Pace::Relaxed))
            })
            .unwrap();
        assert_eq!(store.failing().unwrap(), []);
    }
}
