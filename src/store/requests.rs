//! The pull requests of automations: which one is open, what was done of it, and what people turned down.

use std::collections::BTreeMap;

use jiff::Timestamp;
use redb::ReadableTable;
use serde::{Deserialize, Serialize};
use tagwright_core::guard::Declined;

use super::error::Error;
use super::schema::DOCUMENTS;
use super::{Store, time};

/// How much of what people turned down is kept of an automation; the oldest goes.
const MAX_DECLINED: usize = 200;

/// What the names of these documents begin with, and what comes behind all of them.
const PREFIX: &str = "request ";
const BEHIND: &str = "request!";

/// What is known of the pull requests of an automation.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct RequestState {
    /// The remote, without credentials.
    pub(crate) url: String,
    /// The branch of the requests.
    pub(crate) branch: String,
    /// The one that is open, as far as is known.
    pub(crate) open: Option<OpenRequest>,
    /// What people turned down.
    declined: Vec<Turned>,
}

/// A request that is open.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct OpenRequest {
    /// Its number.
    pub(crate) number: u64,
    /// Its page.
    pub(crate) address: String,
    /// The selection of each policy that it proposes, by `namespace:name`.
    pub(crate) proposes: BTreeMap<String, String>,
    /// The commit that its branch was moved to last, a full hash.
    pub(crate) tip: String,
    /// A hash of the title and the text that it was given last; empty where these are not ours.
    pub(crate) written: String,
    /// Whether it has its labels, reviewers and assignees.
    pub(crate) adorned: bool,
    /// The commit for which the forge was asked to merge it, a full hash; empty where it was not.
    pub(crate) merging: String,
    /// Whether we are about to close it.
    pub(crate) closing: bool,
}

/// As [`Declined`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Turned {
    policy: String,
    wanted: String,
    request: String,
    address: String,
    by: Option<String>,
    #[serde(with = "time")]
    at: Timestamp,
}

impl RequestState {
    /// Nothing is known yet.
    pub(crate) fn new(url: &str, branch: &str) -> Self {
        Self { url: url.to_owned(), branch: branch.to_owned(), ..Self::default() }
    }

    /// Whether it is about this branch of this remote; what is known of another is of no use.
    pub(crate) fn is_of(&self, url: &str, branch: &str) -> bool {
        self.url == url && self.branch == branch
    }

    /// Whether nothing is known.
    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_none() && self.declined.is_empty()
    }

    /// Adds what somebody turned down, in place of what was said of the same before.
    pub(crate) fn decline(&mut self, declined: Declined) {
        let Declined { policy, wanted, request, address, by, at } = declined;
        self.declined.retain(|it| (&it.policy, &it.wanted) != (&policy, &wanted));
        let excess = (self.declined.len() + 1).saturating_sub(MAX_DECLINED);
        self.declined.drain(..excess);
        self.declined.push(Turned { policy, wanted, request, address, by, at });
    }

    /// What people turned down.
    pub(crate) fn declined(&self) -> impl Iterator<Item = Declined> {
        self.declined.iter().cloned().map(|Turned { policy, wanted, request, address, by, at }| Declined {
            policy,
            wanted,
            request,
            address,
            by,
            at,
        })
    }

    /// Forgets what is not turned down any more.
    pub(crate) fn keep_declined(&mut self, is_kept: impl Fn(&str, Timestamp) -> bool) {
        self.declined.retain(|it| is_kept(&it.policy, it.at));
    }
}

impl Store {
    /// Keeps what is known of the pull requests of an automation.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn keep_requests(&self, automation: &str, state: &RequestState) -> Result<(), Error> {
        let json =
            serde_json::to_vec(state).map_err(|source| Error::Json { what: "the state of a pull request", source })?;
        let key = format!("{PREFIX}{automation}");
        self.engine.write(|transaction| {
            transaction.open_table(DOCUMENTS)?.insert(key.as_str(), json.as_slice())?;
            Ok(())
        })
    }

    /// Returns what is known of the pull requests of an automation.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn requests(&self, automation: &str) -> Result<Option<RequestState>, Error> {
        let key = format!("{PREFIX}{automation}");
        self.engine.read(|transaction| {
            let found = transaction.open_table(DOCUMENTS)?.get(key.as_str())?;
            Ok(found.and_then(|document| serde_json::from_slice(document.value()).ok()))
        })
    }
}

/// What people turned down, by automation.
pub(super) fn declined(
    documents: &impl ReadableTable<&'static str, &'static [u8]>,
) -> Result<BTreeMap<String, Vec<Declined>>, redb::Error> {
    let mut declined = BTreeMap::new();
    for row in documents.range(PREFIX..BEHIND)? {
        let (name, json) = row?;
        let state = serde_json::from_slice::<RequestState>(json.value()).unwrap_or_default();
        let found: Vec<Declined> = state.declined().collect();
        if !found.is_empty() {
            declined.insert(name.value()[PREFIX.len()..].to_owned(), found);
        }
    }
    Ok(declined)
}
