//! Orders that people gave: policies held and released, automations suspended.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata as _, TableDefinition};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tagwright_core::freeze::{Calendar, Freezes};
use tagwright_core::guard::Declined;

use super::error::Error;
use super::schema::{DOCUMENTS, HELD, HURRIED, RELEASES, SUSPENDED};
use super::{MAX_TEXT, Store, cut, freeze, requests, time};

/// Policies that can be held at a time, and automations that can be suspended.
pub const MAX_SWITCHES: usize = 10_000;
/// The longest reason that is kept, in bytes.
pub const MAX_REASON_BYTES: usize = 1024;
/// On how many branches it is kept that a release was obeyed; the oldest go.
const MAX_BRANCHES: usize = 256;

/// All orders that are in force.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Switches {
    /// Policies that are held, by `namespace:name`.
    pub held: BTreeMap<String, Switch>,
    /// Automations that are suspended, by `namespace/name`.
    pub suspended: BTreeMap<String, Switch>,
    /// The last release of each policy, by `namespace:name`.
    pub released: BTreeMap<String, Release>,
    /// Policies of which what was there by then need not become older, by `namespace:name`.
    pub hurried: BTreeMap<String, Switch>,
    /// What is frozen, and what is written all the same.
    pub freezes: Freezes,
    /// What people turned down by closing a pull request, by the automation, `namespace/name`.
    pub declined: BTreeMap<String, Vec<Declined>>,
    /// When nothing at all is written. No order, and not in the store: whoever has read the configuration puts it here.
    pub calendar: Arc<Calendar>,
}

/// An order that is in force until it is taken back.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Switch {
    /// Since when, to the millisecond.
    #[serde(with = "time")]
    pub since: Timestamp,
    /// Why, in the person's words.
    pub reason: Option<String>,
}

/// An order that what people took back of a policy until then is no reason to hold it any more.
///
/// Until then: by the place in the history, since the dates of commits are what their authors' clocks say. So each branch on
/// which a run obeys the order is kept with the commit that it was at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// When it was given, to the millisecond.
    #[serde(with = "time")]
    pub at: Timestamp,
    /// The branches on which it was obeyed.
    pub seen: Vec<SeenBranch>,
}

/// A branch on which a release was obeyed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenBranch {
    /// The remote, without credentials.
    pub url: String,
    /// The push branch.
    pub branch: String,
    /// The commit that the branch was at then, a full hash.
    pub tip: String,
    /// When.
    #[serde(with = "time")]
    pub at: Timestamp,
}

impl Release {
    /// The branch as it was when the release was obeyed there.
    #[must_use]
    pub fn on(&self, url: &str, branch: &str) -> Option<&SeenBranch> {
        self.seen.iter().find(|seen| seen.url == url && seen.branch == branch)
    }
}

impl Store {
    /// Returns everything that is asked for by hand.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn switches(&self) -> Result<Switches, Error> {
        self.engine.read(|transaction| {
            let [held, suspended] = [all(transaction, HELD)?, all(transaction, SUSPENDED)?];
            let documents = transaction.open_table(DOCUMENTS)?;
            let (freezes, declined) = (freeze::read(&documents)?, requests::declined(&documents)?);
            let (released, hurried) = (all(transaction, RELEASES)?, all(transaction, HURRIED)?);
            Ok(Switches { held, suspended, released, hurried, freezes, declined, calendar: Arc::default() })
        })
    }

    /// Holds a policy, until it is released. Held again, it has the new reason and time.
    ///
    /// # Errors
    /// The file cannot be written, or too many are held.
    pub fn hold(&self, policy: &str, reason: Option<&str>, now: Timestamp) -> Result<(), Error> {
        self.switch_on(HELD, "policies held", policy, reason, now)
    }

    /// Lets what is there of a policy by now be selected before it is old enough. Ordered again, it has the new reason and time.
    ///
    /// # Errors
    /// The file cannot be written, or too many are hurried.
    pub fn hurry(&self, policy: &str, reason: Option<&str>, now: Timestamp) -> Result<(), Error> {
        self.switch_on(HURRIED, "policies hurried", policy, reason, now)
    }

    /// Ends that. Returns whether it was so.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn unhurry(&self, policy: &str) -> Result<bool, Error> {
        let name = name(policy);
        self.engine.write(|transaction| Ok(transaction.open_table(HURRIED)?.remove(name.as_str())?.is_some()))
    }

    /// Ends a hold made by hand, and nothing else. Returns whether the policy was held by hand.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn unhold(&self, policy: &str) -> Result<bool, Error> {
        let name = name(policy);
        self.engine.write(|transaction| Ok(transaction.open_table(HELD)?.remove(name.as_str())?.is_some()))
    }

    /// Ends a hold made by hand, and lifts holds for what people have taken back until `now`. Returns whether the policy was
    /// held by hand.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn release(&self, policy: &str, now: Timestamp) -> Result<bool, Error> {
        let name = name(policy);
        let release = json(&Release { at: now, seen: Vec::new() })?;
        self.engine.write(|transaction| {
            let was_held = transaction.open_table(HELD)?.remove(name.as_str())?.is_some();
            let mut releases = transaction.open_table(RELEASES)?;
            releases.insert(name.as_str(), release.as_slice())?;
            if releases.len()? > MAX_SWITCHES as u64 {
                let mut oldest: Option<(Timestamp, String)> = None;
                for row in releases.iter()? {
                    let (policy, json) = row?;
                    let at = serde_json::from_slice(json.value()).map_or(Timestamp::MIN, |release: Release| release.at);
                    if oldest.as_ref().is_none_or(|(known, _)| at < *known) {
                        oldest = Some((at, policy.value().to_owned()));
                    }
                }
                if let Some((_, policy)) = oldest {
                    releases.remove(policy.as_str())?;
                }
            }
            Ok(was_held)
        })
    }

    /// Keeps at which commit a branch was when releases were obeyed there. Those that were given anew meanwhile stay as they
    /// are.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn obeyed(&self, releases: &[(String, Timestamp)], branch: &SeenBranch) -> Result<(), Error> {
        self.engine.write(|transaction| {
            let mut table = transaction.open_table(RELEASES)?;
            for (policy, given) in releases {
                let release = table.get(policy.as_str())?.and_then(|json| serde_json::from_slice(json.value()).ok());
                let Some(mut release) = release.filter(|release: &Release| release.at == *given) else { continue };
                release.seen.retain(|seen| (&seen.url, &seen.branch) != (&branch.url, &branch.branch));
                let excess = (release.seen.len() + 1).saturating_sub(MAX_BRANCHES);
                release.seen.drain(..excess);
                release.seen.push(branch.clone());
                if let Ok(json) = serde_json::to_vec(&release) {
                    table.insert(policy.as_str(), json.as_slice())?;
                }
            }
            Ok(())
        })
    }

    /// Suspends an automation, until it is resumed.
    ///
    /// # Errors
    /// The file cannot be written, or too many are suspended.
    pub fn suspend(&self, automation: &str, reason: Option<&str>, now: Timestamp) -> Result<(), Error> {
        self.switch_on(SUSPENDED, "automations suspended", automation, reason, now)
    }

    /// Resumes an automation. Returns whether it was suspended.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn resume(&self, automation: &str) -> Result<bool, Error> {
        let name = name(automation);
        self.engine.write(|transaction| Ok(transaction.open_table(SUSPENDED)?.remove(name.as_str())?.is_some()))
    }

    fn switch_on(
        &self,
        table: TableDefinition<'_, &str, &[u8]>,
        what: &'static str,
        named: &str,
        reason: Option<&str>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let mut reason = reason.map(str::to_owned);
        reason.iter_mut().for_each(|reason| cut(reason, MAX_REASON_BYTES));
        let json = json(&Switch { since: now, reason })?;
        let name = name(named);
        let has_room = self.engine.write(|transaction| {
            let mut table = transaction.open_table(table)?;
            let has_room = table.len()? < MAX_SWITCHES as u64 || table.get(name.as_str())?.is_some();
            if has_room {
                table.insert(name.as_str(), json.as_slice())?;
            }
            Ok(has_room)
        })?;
        match has_room {
            true => Ok(()),
            false => Err(Error::Full { what, most: MAX_SWITCHES }),
        }
    }
}

fn name(text: &str) -> String {
    let mut name = text.to_owned();
    cut(&mut name, MAX_TEXT);
    name
}

fn json(order: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(order).map_err(|source| Error::Json { what: "an order", source })
}

fn all<T: DeserializeOwned>(
    transaction: &ReadTransaction,
    table: TableDefinition<'_, &str, &[u8]>,
) -> Result<BTreeMap<String, T>, redb::Error> {
    let mut switches = BTreeMap::new();
    for row in transaction.open_table(table)?.iter()? {
        let (name, json) = row?;
        if let Ok(switch) = serde_json::from_slice(json.value()) {
            switches.insert(name.value().to_owned(), switch);
        }
    }
    Ok(switches)
}
