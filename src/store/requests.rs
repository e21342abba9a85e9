//! The pull requests of automations: which one is open, what was done of it, and what people turned down.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use redb::ReadableTable;
use serde::{Deserialize, Serialize};
use tagwright_core::guard::Declined;

use super::error::Error;
use super::schema::DOCUMENTS;
use super::{Store, time};

/// How much of what people turned down is kept of an automation, and of each of its policies; the oldest goes.
const MAX_DECLINED: usize = 200;
const MAX_DECLINED_OF_POLICY: usize = 10;
/// For how long it is kept after another tag is selected: a list that comes late may have the one from before once more.
const MAX_PASSED: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How many comments on requests of a remote are remembered, so that none is obeyed twice.
const MAX_COMMENTS: usize = 500;
/// What the name of the document with them begins with; the remote is behind it.
const COMMENTS: &str = "comments ";

/// What the names of these documents begin with, and what comes behind all of them.
const PREFIX: &str = "request ";
const BEHIND: &str = "request!";

/// What is known of the pull requests of an automation, or of a group of its changes.
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
    /// Whether the requests that had ended before anything was known were looked at; said of an automation with groups.
    #[serde(default)]
    looked: bool,
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
    /// Since when, in seconds since 1970, something else is selected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    passed: Option<i64>,
}

impl RequestState {
    /// Nothing is known yet.
    pub(crate) fn new(url: &str, branch: &str) -> Self {
        Self { url: url.to_owned(), branch: branch.to_owned(), ..Self::default() }
    }

    /// Nothing is left to be found out about requests that ended before anything was known.
    pub(crate) fn looked(url: &str) -> Self {
        Self { looked: true, ..Self::new(url, "") }
    }

    /// Whether it is about this branch of this remote; what is known of another is of no use.
    pub(crate) fn is_of(&self, url: &str, branch: &str) -> bool {
        self.url == url && self.branch == branch
    }

    /// Whether nothing is known.
    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_none() && self.declined.is_empty() && !self.looked
    }

    /// Adds what somebody turned down, in place of what was said of the same before.
    pub(crate) fn decline(&mut self, declined: Declined) {
        let Declined { policy, wanted, request, address, by, at } = declined;
        self.declined.retain(|it| (&it.policy, &it.wanted) != (&policy, &wanted));
        let of_policy = self.declined.iter().filter(|it| it.policy == policy).count();
        let mut excess = (of_policy + 1).saturating_sub(MAX_DECLINED_OF_POLICY);
        self.declined.retain(|it| {
            let goes = excess > 0 && it.policy == policy;
            excess -= usize::from(goes);
            !goes
        });
        let excess = (self.declined.len() + 1).saturating_sub(MAX_DECLINED);
        self.declined.drain(..excess);
        self.declined.push(Turned { policy, wanted, request, address, by, at, passed: None });
    }

    /// What people turned down.
    pub(crate) fn declined(&self) -> impl Iterator<Item = Declined> {
        self.declined.iter().cloned().map(|Turned { policy, wanted, request, address, by, at, .. }| Declined {
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

    /// Forgets what people turned down of policies that have selected something else for long.
    pub(crate) fn pass_by(&mut self, is_selected: impl Fn(&str, &str) -> bool, now: Timestamp) {
        for it in &mut self.declined {
            it.passed = match is_selected(&it.policy, &it.wanted) {
                true => None,
                false => it.passed.or(Some(now.as_second())),
            };
        }
        let oldest = now.as_second().saturating_sub(MAX_PASSED.as_secs());
        self.declined.retain(|it| it.passed.is_none_or(|passed| passed >= oldest));
    }
}

impl Store {
    /// Keeps what is known of the pull requests of an automation, or of a group of its changes; nothing is kept of a group of which nothing
    /// is known.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn keep_requests(&self, automation: &str, group: &str, state: &RequestState) -> Result<(), Error> {
        let json =
            serde_json::to_vec(state).map_err(|source| Error::Json { what: "the state of a pull request", source })?;
        let key = match group {
            "" => format!("{PREFIX}{automation}"),
            group => format!("{PREFIX}{automation} {group}"),
        };
        self.engine.write(|transaction| {
            let mut documents = transaction.open_table(DOCUMENTS)?;
            match !group.is_empty() && state.is_empty() {
                true => drop(documents.remove(key.as_str())?),
                false => drop(documents.insert(key.as_str(), json.as_slice())?),
            }
            Ok(())
        })
    }

    /// Returns what is known of the pull requests of an automation, by group; the name of all changes is empty.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn requests(&self, automation: &str) -> Result<BTreeMap<String, RequestState>, Error> {
        // A group stands behind a space, before which no character of a name comes.
        let (first, behind) = (format!("{PREFIX}{automation}"), format!("{PREFIX}{automation}!"));
        self.engine.read(|transaction| {
            let mut found = BTreeMap::new();
            for row in transaction.open_table(DOCUMENTS)?.range(first.as_str()..behind.as_str())? {
                let (name, json) = row?;
                let group = name.value()[first.len()..].trim_start_matches(' ').to_owned();
                if let Ok(state) = serde_json::from_slice(json.value()) {
                    found.insert(group, state);
                }
            }
            Ok(found)
        })
    }
}

impl Store {
    /// Returns the branches of a remote on which requests are open, as far as is known, with the automations whose these are.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn request_branches(&self, url: &str) -> Result<BTreeMap<String, BTreeSet<String>>, Error> {
        self.engine.read(|transaction| {
            let mut branches: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
            for row in transaction.open_table(DOCUMENTS)?.range(PREFIX..BEHIND)? {
                let (name, json) = row?;
                let state = serde_json::from_slice::<RequestState>(json.value()).unwrap_or_default();
                if state.open.is_some() && state.url == url {
                    branches.entry(state.branch).or_default().insert(automation_of(name.value()).to_owned());
                }
            }
            Ok(branches)
        })
    }
}

/// The automation in the name of a document.
fn automation_of(name: &str) -> &str {
    name.strip_prefix(PREFIX).unwrap_or(name).split(' ').next().unwrap_or_default()
}

impl Store {
    /// Whether a comment on a request of a remote was obeyed, as far as is known.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn has_comment(&self, url: &str, number: u64, id: u64) -> Result<bool, Error> {
        let key = format!("{COMMENTS}{url}");
        self.engine.read(|transaction| {
            let documents = transaction.open_table(DOCUMENTS)?;
            let known = documents.get(key.as_str())?.and_then(|json| serde_json::from_slice(json.value()).ok());
            Ok(known.is_some_and(|known: Vec<(u64, u64)>| known.contains(&(number, id))))
        })
    }

    /// Takes down that a comment on a request of a remote is obeyed. Returns whether it was not yet; the oldest are forgotten.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn take_comment(&self, url: &str, number: u64, id: u64) -> Result<bool, Error> {
        let key = format!("{COMMENTS}{url}");
        self.engine.write(|transaction| {
            let mut documents = transaction.open_table(DOCUMENTS)?;
            let known = documents.get(key.as_str())?.and_then(|json| serde_json::from_slice(json.value()).ok());
            let mut known: Vec<(u64, u64)> = known.unwrap_or_default();
            if known.contains(&(number, id)) {
                return Ok(false);
            }
            let excess = (known.len() + 1).saturating_sub(MAX_COMMENTS);
            known.drain(..excess);
            known.push((number, id));
            if let Ok(json) = serde_json::to_vec(&known) {
                documents.insert(key.as_str(), json.as_slice())?;
            }
            Ok(true)
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
            declined.entry(automation_of(name.value()).to_owned()).or_insert_with(Vec::new).extend(found);
        }
    }
    Ok(declined)
}
