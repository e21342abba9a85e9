//! The history: records of commits, holds, failures and orders, read newest first.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use redb::{ReadableTable as _, ReadableTableMetadata as _};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::error::Error;
use super::schema::RECORDS;
use super::{MAX_TEXT, Store, cut, time};
use crate::wire::request::HistoryQuery;
use crate::wire::{ChangedField, HeldField, history};

/// How many records are kept; the oldest go.
pub const MAX_RECORDS: usize = 10_000;
/// About how many bytes of texts a record may hold. Changes and holds beyond are left out, and counted.
pub const MAX_RECORD_BYTES: usize = 64 * 1024;
/// The most remarks that a record may have.
const MAX_REMARKS: usize = 20;
/// The longest answer, in bytes of records: older ones are left out, and can be asked for by policy or automation.
pub const MAX_ANSWER_BYTES: usize = 8 * 1024 * 1024;

/// Something that was done, or that was not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The moment, to the millisecond.
    #[serde(with = "time")]
    pub time: Timestamp,
    /// The automation, `namespace/name`.
    pub automation: String,
    /// The Git remote, without credentials.
    pub url: String,
    /// The push branch.
    pub branch: String,
    /// The kind of record, with what only that kind has.
    pub event: Event,
    /// A sentence for people.
    pub message: String,
    /// Who ordered it over HTTP: the name of a token, or `socket`; empty where that is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// Why what was selected did not have to become older, each in one sentence that begins with the policy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
    /// The fields that were changed.
    pub changes: Vec<ChangedField>,
    /// The fields that keep their values although others are selected.
    pub holds: Vec<HeldField>,
    /// The number of changes and holds for which there was no room. Set by the store.
    #[serde(default)]
    pub left_out: usize,
}

impl Record {
    /// A record about no automation and no field.
    #[must_use]
    pub fn of(time: Timestamp, event: Event, message: String) -> Self {
        Self {
            time,
            automation: String::new(),
            url: String::new(),
            branch: String::new(),
            event,
            message,
            by: String::new(),
            remarks: Vec::new(),
            changes: Vec::new(),
            holds: Vec::new(),
            left_out: 0,
        }
    }
}

/// The kinds of records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Event {
    /// A commit was pushed.
    Pushed {
        /// The full hash of the commit.
        commit: String,
        /// Why the second destination did not get it, if it did not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        missed: Option<String>,
    },
    /// Nothing was committed, since all of it was held back.
    Held,
    /// It could not be done.
    Failed,
    /// A tag of a release was found to point to something else than before.
    TagMoved {
        /// The policy, `namespace:name`.
        policy: String,
    },
    /// Somebody held, released, suspended, resumed or froze something by hand, or had it looked at.
    Switched {
        /// The policy (`namespace:name`), the automation (`namespace/name`), or the selector of a freeze.
        name: String,
        /// The order.
        to: Toggle,
    },
}

/// The orders that people can give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Toggle {
    /// Nothing is to be selected anew for a policy.
    Held,
    /// The end of that, and of holds for a revert.
    Released,
    /// What is there of a policy need not become older first.
    Hurried,
    /// An automation is to do nothing.
    Suspended,
    /// The end of that.
    Resumed,
    /// Nothing that a selector names is to be written.
    Frozen,
    /// The end of that.
    Unfrozen,
    /// It is to be written although it is frozen.
    GlassBroken,
    /// Registries are to be asked now.
    Polled,
    /// An automation is to run now.
    Ran,
}

/// Records, each with the number that it has in the store.
pub type Numbered = Vec<(u64, Record)>;

/// Which records are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Those about this policy, `namespace:name`.
    pub policy: Option<String>,
    /// Those about this automation, `namespace/name`.
    pub automation: Option<String>,
    /// Those not older than this.
    pub since: Option<Timestamp>,
    /// At most so many.
    pub most: usize,
    /// Those before the one with this number.
    pub before: Option<u64>,
}

impl Default for Filter {
    /// All of them.
    fn default() -> Self {
        Self { policy: None, automation: None, since: None, most: MAX_RECORDS, before: None }
    }
}

impl From<&HistoryQuery> for Filter {
    fn from(query: &HistoryQuery) -> Self {
        let HistoryQuery { policy, automation, since, limit, before } = query.clone();
        Self { policy, automation, since, most: limit.unwrap_or(MAX_RECORDS).min(MAX_RECORDS), before }
    }
}

impl Filter {
    /// Whether a record is wanted, however many there may be.
    #[must_use]
    pub fn matches(&self, record: &Record) -> bool {
        let switched = match &record.event {
            Event::Switched { name, .. } => Some(name.as_str()),
            Event::TagMoved { policy } => Some(policy.as_str()),
            _ => None,
        };
        let of_policy = |policy: &str| {
            switched == Some(policy)
                || record.changes.iter().any(|change| change.policy == policy)
                || record.holds.iter().any(|hold| hold.policy == policy)
        };
        self.since.is_none_or(|since| record.time >= since)
            && self.policy.as_deref().is_none_or(of_policy)
            && self
                .automation
                .as_deref()
                .is_none_or(|name| record.automation == name || switched.is_some_and(|it| is_about(it, name)))
    }
}

/// Whether an order's subject is an automation, or a selector that names it.
fn is_about(subject: &str, automation: &str) -> bool {
    let namespace = subject.strip_suffix('*').filter(|namespace| automation.starts_with(namespace));
    subject == automation || namespace.is_some()
}

impl From<Record> for history::Entry {
    fn from(record: Record) -> Self {
        let Record { time, automation, url, branch, event, message, by, remarks, changes, holds, left_out } = record;
        let (mut commit, mut missed, mut subject) = (String::new(), String::new(), String::new());
        let event = match event {
            Event::Pushed { commit: pushed, missed: reason } => {
                (commit, missed) = (pushed, reason.unwrap_or_default());
                history::Event::Pushed
            }
            Event::Held => history::Event::Held,
            Event::Failed => history::Event::Failed,
            Event::TagMoved { policy } => {
                subject = policy;
                history::Event::TagMoved
            }
            Event::Switched { name, to } => {
                subject = name;
                history::Event::from(to)
            }
        };
        Self {
            time,
            event,
            automation,
            remote: url,
            branch,
            commit,
            message,
            missed,
            subject,
            by,
            remarks,
            changes,
            holds,
            left_out,
        }
    }
}

impl From<Toggle> for history::Event {
    fn from(toggle: Toggle) -> Self {
        match toggle {
            Toggle::Held => Self::PolicyHeld,
            Toggle::Released => Self::PolicyReleased,
            Toggle::Hurried => Self::PolicyHurried,
            Toggle::Suspended => Self::AutomationSuspended,
            Toggle::Resumed => Self::AutomationResumed,
            Toggle::Frozen => Self::Frozen,
            Toggle::Unfrozen => Self::Unfrozen,
            Toggle::GlassBroken => Self::GlassBroken,
            Toggle::Polled => Self::PollOrdered,
            Toggle::Ran => Self::RunOrdered,
        }
    }
}

/// What a bot has pushed, as far as it is still written down.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pushes {
    /// From when on everything is written down; none if nothing is.
    pub since: Option<Timestamp>,
    /// The full hashes of the commits.
    pub commits: BTreeSet<String>,
}

impl Store {
    /// Returns the commits that were pushed.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn pushes(&self) -> Result<Pushes, Error> {
        /// Of a record, what is needed here.
        #[derive(Deserialize)]
        struct Part {
            #[serde(with = "time")]
            time: Timestamp,
            event: Event,
        }
        self.engine.read(|transaction| {
            let mut pushes = Pushes::default();
            for row in transaction.open_table(RECORDS)?.iter()? {
                let Ok(Part { time, event }) = serde_json::from_slice(row?.1.value()) else { continue };
                pushes.since.get_or_insert(time);
                if let Event::Pushed { commit, .. } = event {
                    pushes.commits.insert(commit);
                }
            }
            Ok(pushes)
        })
    }

    /// Keeps records, each bounded; the oldest go when there are more than [`MAX_RECORDS`].
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn record(&self, records: Vec<Record>) -> Result<(), Error> {
        let json = |mut record: Record| {
            record.bound();
            serde_json::to_vec(&record).map_err(|source| Error::Json { what: "a record", source })
        };
        let rows = records.into_iter().map(json).collect::<Result<Vec<_>, Error>>()?;
        self.engine.write(|transaction| {
            let mut records = transaction.open_table(RECORDS)?;
            let mut number = records.last()?.map_or(0, |(number, _)| number.value().saturating_add(1));
            for row in &rows {
                records.insert(number, row.as_slice())?;
                number = number.saturating_add(1);
            }
            while records.len()? > MAX_RECORDS as u64 {
                records.pop_first()?;
            }
            Ok(())
        })?;
        self.written.send_modify(|count| *count = count.wrapping_add(1));
        Ok(())
    }

    /// Tells each time that records were written.
    #[must_use]
    pub fn written(&self) -> watch::Receiver<u64> {
        self.written.subscribe()
    }

    /// Returns the records behind the one with this number, the first one first and at most so many, each with its number; without a
    /// number none, but for the last number there is.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn behind(&self, number: Option<u64>, most: usize) -> Result<(Numbered, Option<u64>), Error> {
        self.engine.read(|transaction| {
            let table = transaction.open_table(RECORDS)?;
            let last = table.last()?.map(|(number, _)| number.value());
            let Some(number) = number else { return Ok((Vec::new(), last)) };
            let mut found = Vec::new();
            for row in table.range(number.saturating_add(1)..)? {
                if found.len() >= most {
                    break;
                }
                let (number, json) = row?;
                if let Ok(record) = serde_json::from_slice(json.value()) {
                    found.push((number.value(), record));
                }
            }
            Ok((found, last))
        })
    }

    /// Returns the first records that are kept, at most so many, each with its number.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn first(&self, most: usize) -> Result<Numbered, Error> {
        self.engine.read(|transaction| {
            let mut found = Vec::new();
            for row in transaction.open_table(RECORDS)?.iter()?.take(most) {
                let (number, json) = row?;
                found.extend(serde_json::from_slice(json.value()).ok().map(|record| (number.value(), record)));
            }
            Ok(found)
        })
    }

    /// Returns the last record of each of these automations that has one, in one pass. What people switched is not theirs.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn latest(&self, automations: &BTreeSet<String>) -> Result<BTreeMap<String, Record>, Error> {
        self.engine.read(|transaction| {
            let mut found = BTreeMap::new();
            for row in transaction.open_table(RECORDS)?.iter()?.rev() {
                if found.len() == automations.len() {
                    break;
                }
                let record: Option<Record> = serde_json::from_slice(row?.1.value()).ok();
                let is_wanted = |record: &Record| automations.contains(&record.automation);
                if let Some(record) = record.filter(is_wanted) {
                    found.entry(record.automation.clone()).or_insert(record);
                }
            }
            Ok(found)
        })
    }

    /// Returns records, the last one kept first.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn records(&self, filter: &Filter) -> Result<Vec<Record>, Error> {
        self.page(filter).map(|(records, _)| records)
    }

    /// The same, with the number before which to look for those that are older, where there may be some.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn page(&self, filter: &Filter) -> Result<(Vec<Record>, Option<u64>), Error> {
        self.engine.read(|transaction| {
            let (mut found, mut bytes, mut last) = (Vec::new(), 0, None);
            for row in transaction.open_table(RECORDS)?.range(..filter.before.unwrap_or(u64::MAX))?.rev() {
                if found.len() >= filter.most || bytes >= MAX_ANSWER_BYTES {
                    return Ok((found, last));
                }
                let (number, row) = row?;
                last = Some(number.value());
                let record = serde_json::from_slice(row.value()).ok().filter(|record| filter.matches(record));
                bytes += record.as_ref().map_or(0, |_| row.value().len());
                found.extend(record);
            }
            Ok((found, None))
        })
    }
}

impl Record {
    /// Cuts texts, and leaves out what there is no room for.
    fn bound(&mut self) {
        for text in [&mut self.automation, &mut self.url, &mut self.branch, &mut self.message, &mut self.by] {
            cut(text, MAX_TEXT);
        }
        match &mut self.event {
            Event::Pushed { commit, missed } => {
                cut(commit, MAX_TEXT);
                missed.iter_mut().for_each(|missed| cut(missed, MAX_TEXT));
            }
            Event::Switched { name, .. } | Event::TagMoved { policy: name } => cut(name, MAX_TEXT),
            Event::Held | Event::Failed => {}
        }
        self.remarks.truncate(MAX_REMARKS);
        self.remarks.iter_mut().for_each(|remark| cut(remark, MAX_TEXT));
        let mut room = MAX_RECORD_BYTES;
        let before = self.changes.len() + self.holds.len();
        keep(&mut self.holds, &mut room, |hold| {
            [&mut hold.policy, &mut hold.file, &mut hold.current, &mut hold.wanted, &mut hold.code, &mut hold.reason]
        });
        keep(&mut self.changes, &mut room, |change| {
            [&mut change.policy, &mut change.file, &mut change.old, &mut change.new]
        });
        self.left_out += before - self.changes.len() - self.holds.len();
    }
}

/// The bytes of an entry beside its texts: names of fields, quotes, the line.
const ENTRY: usize = 64;

fn keep<T, const N: usize>(entries: &mut Vec<T>, room: &mut usize, texts: impl Fn(&mut T) -> [&mut String; N]) {
    let mut fits = |entry: &mut T| {
        let mut size = ENTRY;
        for text in texts(entry) {
            cut(text, MAX_TEXT);
            size += text.len();
        }
        let left = room.checked_sub(size);
        *room = left.unwrap_or(0);
        left.is_some()
    };
    let count = entries.iter_mut().map_while(|entry| fits(entry).then_some(())).count();
    entries.truncate(count);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::Record;

    #[test]
    fn records_are_read_and_written_byte_for_byte_as_by_the_first_version() {
        for json in [
            r#"{"time":1700000000000,"automation":"shop/images","url":"https://git.example.com/shop.git","branch":"main","event":{"pushed":{"commit":"4c5d6e7f"}},"message":"Update","changes":[{"policy":"shop:web","file":"a.yaml","line":3,"old":"1.0","new":"1.1"}],"holds":[{"policy":"shop:api","file":"b.yaml","line":4,"current":"1.0","wanted":"1.1","code":"manual","reason":"held by hand"}],"left_out":0}"#,
            r#"{"time":1700000000000,"automation":"","url":"","branch":"","event":{"switched":{"name":"shop:web","to":"held"}},"message":"broken","changes":[],"holds":[],"left_out":2}"#,
            r#"{"time":1700000000000,"automation":"shop/images","url":"","branch":"","event":"failed","message":"","changes":[],"holds":[],"left_out":0}"#,
        ] {
            let record: Record = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&record).unwrap(), json);
        }
    }
}
