//! Orders that people gave: policies held and released, automations suspended.

use std::collections::BTreeMap;

use jiff::Timestamp;
use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata as _, TableDefinition};
use serde::{Deserialize, Serialize};

use super::error::Error;
use super::schema::{HELD, RELEASED, SUSPENDED};
use super::{MAX_TEXT, Store, cut, time};

/// Policies that can be held at a time, and automations that can be suspended.
pub const MAX_SWITCHES: usize = 10_000;
/// The longest reason that is kept, in bytes.
pub const MAX_REASON_BYTES: usize = 1024;

/// All orders that are in force.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Switches {
    /// Policies that are held, by `namespace:name`.
    pub held: BTreeMap<String, Switch>,
    /// Automations that are suspended, by `namespace/name`.
    pub suspended: BTreeMap<String, Switch>,
    /// When policies were last released, by `namespace:name`: reverts older than that hold nothing any more.
    pub released: BTreeMap<String, Timestamp>,
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

impl Store {
    /// Returns everything that is asked for by hand.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn switches(&self) -> Result<Switches, Error> {
        self.engine.read(|transaction| {
            let mut released = BTreeMap::new();
            for row in transaction.open_table(RELEASED)?.iter()? {
                let (policy, when) = row?;
                released.insert(policy.value().to_owned(), time::of(when.value()));
            }
            Ok(Switches { held: all(transaction, HELD)?, suspended: all(transaction, SUSPENDED)?, released })
        })
    }

    /// Holds a policy, until it is released. Held again, it has the new reason and time.
    ///
    /// # Errors
    /// The file cannot be written, or too many are held.
    pub fn hold(&self, policy: &str, reason: Option<&str>, now: Timestamp) -> Result<(), Error> {
        self.switch_on(HELD, "policies held", policy, reason, now)
    }

    /// Ends a hold made by hand, and lifts holds for reverts that are older than `now`. Returns whether the policy was held
    /// by hand.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn release(&self, policy: &str, now: Timestamp) -> Result<bool, Error> {
        let name = name(policy);
        self.engine.write(|transaction| {
            let was_held = transaction.open_table(HELD)?.remove(name.as_str())?.is_some();
            let mut released = transaction.open_table(RELEASED)?;
            released.insert(name.as_str(), now.as_millisecond())?;
            if released.len()? > MAX_SWITCHES as u64 {
                let mut oldest: Option<(i64, String)> = None;
                for row in released.iter()? {
                    let (policy, when) = row?;
                    if oldest.as_ref().is_none_or(|(known, _)| when.value() < *known) {
                        oldest = Some((when.value(), policy.value().to_owned()));
                    }
                }
                if let Some((_, policy)) = oldest {
                    released.remove(policy.as_str())?;
                }
            }
            Ok(was_held)
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
        let json = serde_json::to_vec(&Switch { since: now, reason });
        let json = json.map_err(|source| Error::Json { what: "a switch", source })?;
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

fn all(
    transaction: &ReadTransaction,
    table: TableDefinition<'_, &str, &[u8]>,
) -> Result<BTreeMap<String, Switch>, redb::Error> {
    let mut switches = BTreeMap::new();
    for row in transaction.open_table(table)?.iter()? {
        let (name, json) = row?;
        if let Ok(switch) = serde_json::from_slice(json.value()) {
            switches.insert(name.value().to_owned(), switch);
        }
    }
    Ok(switches)
}
