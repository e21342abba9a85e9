//! What the history says of policies and of orders, kept at hand: which tags a policy had when, and who held, suspended or froze what.
//!
//! The history is read once, and then what is new of it, so that a page does not read all of it. Only numbers of records count: what the
//! store has dropped may be known here for longer, which harms nobody.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::store::{Error, Event, MAX_RECORDS, Numbered, Store, Toggle};

/// How many records are read at once.
const AT_ONCE: usize = 500;

/// How many selections of a policy are known.
const MAX_SELECTIONS: usize = 100;

/// How many policies and orders are known; the store has no more of either.
const MAX_SUBJECTS: usize = MAX_RECORDS;

/// How far back a sparkline goes.
pub(super) const SPARK: SignedDuration = SignedDuration::from_hours(90 * 24);

/// What the history says, as far as it was read.
#[derive(Debug, Default)]
pub(in crate::server) struct Past(Mutex<Index>);

/// The same, to be looked into.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// The number of the last record that was read.
    last: Option<u64>,
    selections: HashMap<String, VecDeque<Selected>>,
    orders: HashMap<String, Ordered>,
}

/// A commit that gave the fields of a policy another tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selected {
    pub(super) time: Timestamp,
    pub(super) old: String,
    pub(super) new: String,
}

/// The last order about something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ordered {
    pub(super) to: Toggle,
    pub(super) by: String,
}

impl Past {
    /// Reads what is new, and gives all of it. Blocks.
    pub(super) fn read(&self, store: &Store) -> Result<MutexGuard<'_, Index>, Error> {
        let mut index = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let new = match index.last {
                None => store.first(AT_ONCE)?,
                Some(last) => {
                    let (new, newest) = store.behind(Some(last), AT_ONCE)?;
                    // Somebody has deleted the file: its numbers begin anew.
                    if newest.is_none_or(|newest| newest < last) {
                        *index = Index::default();
                        continue;
                    }
                    new
                }
            };
            if new.is_empty() {
                return Ok(index);
            }
            index.take(new);
        }
    }
}

impl Index {
    fn take(&mut self, records: Numbered) {
        for (number, record) in records {
            self.last = Some(number);
            match record.event {
                Event::Pushed { .. } => {
                    for change in &record.changes {
                        let (old, new) = (tag(&change.old), tag(&change.new));
                        if old != new {
                            let selected = Selected { time: record.time, old: old.to_owned(), new: new.to_owned() };
                            self.selected(&change.policy, selected);
                        }
                    }
                }
                // It changes nothing of who held or suspended it.
                Event::Switched { to: Toggle::Polled | Toggle::Ran, .. } => {}
                Event::Switched { name, to } => {
                    if self.orders.len() < MAX_SUBJECTS || self.orders.contains_key(&name) {
                        self.orders.insert(name, Ordered { to, by: record.by });
                    }
                }
                Event::Held | Event::Failed | Event::TagMoved { .. } => {}
            }
        }
    }

    fn selected(&mut self, policy: &str, selected: Selected) {
        if self.selections.len() >= MAX_SUBJECTS && !self.selections.contains_key(policy) {
            return;
        }
        let known = self.selections.entry(policy.to_owned()).or_default();
        // One release is written to many fields, often by several automations.
        if known.back().is_some_and(|last| last.new == selected.new) {
            return;
        }
        known.push_back(selected);
        if known.len() > MAX_SELECTIONS {
            known.pop_front();
        }
    }

    /// The commits that gave a policy's fields another tag, the newest first.
    pub(super) fn selections(&self, policy: &str) -> impl Iterator<Item = &Selected> {
        self.selections.get(policy).into_iter().flatten().rev()
    }

    /// Who gave the order about something that is in force; empty where that is not known, or it was another order.
    pub(super) fn by(&self, subject: &str, to: Toggle) -> &str {
        self.orders.get(subject).filter(|ordered| ordered.to == to).map_or("", |ordered| ordered.by.as_str())
    }

    /// The sparkline of a policy's selections.
    pub(super) fn spark(&self, policy: &str, now: Timestamp) -> Spark {
        let begin = now.checked_sub(SPARK).unwrap_or(Timestamp::MIN);
        let mut days: Vec<i64> = self
            .selections(policy)
            .filter(|selected| selected.time >= begin && selected.time <= now)
            .map(|selected| selected.time.duration_since(begin).as_hours() / 24)
            .collect();
        let count = days.len();
        days.dedup();
        Spark { days, count }
    }
}

/// The days of the last 90 on which another tag was selected, from 0, the newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spark {
    pub(super) days: Vec<i64>,
    pub(super) count: usize,
}

impl Spark {
    /// The path of its marks, in units of a day.
    pub(super) fn path(&self) -> String {
        self.days.iter().map(|day| format!("M{day} 3v10")).collect()
    }

    /// What it shows, in words.
    pub(super) fn words(&self) -> String {
        super::count(self.count, "change in 90 days", "changes in 90 days")
    }
}

/// The tag of a field's value, which may be a whole reference.
fn tag(value: &str) -> &str {
    let value = value.split('@').next().unwrap_or(value);
    match value.rsplit_once(':') {
        Some((_, tag)) if !tag.contains('/') => tag,
        _ => value,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::store::Record;
    use crate::wire::ChangedField;

    fn record(time: &str, event: Event, changes: &[(&str, &str, &str)], by: &str) -> Record {
        let changes = changes.iter().map(|(policy, old, new)| ChangedField {
            policy: (*policy).to_owned(),
            file: "a.yaml".to_owned(),
            line: 1,
            old: (*old).to_owned(),
            new: (*new).to_owned(),
        });
        Record {
            automation: "default/shop".to_owned(),
            branch: "main".to_owned(),
            by: by.to_owned(),
            changes: changes.collect(),
            ..Record::of(time.parse().unwrap(), event, String::new())
        }
    }

    #[test]
    fn what_is_new_is_read_once() {
        let (store, past) = (Store::in_memory(), Past::default());
        assert_eq!(past.read(&store).unwrap().selections("default:app").count(), 0);
        let pushed = || Event::Pushed { commit: "c".repeat(40), missed: None };
        let both = [("default:app", "ghcr.io/a/app:1.0.0", "ghcr.io/a/app:1.1.0"), ("default:app", "1.0.0", "1.1.0")];
        store.record(vec![record("2026-03-01T08:00:00Z", pushed(), &both, "")]).unwrap();
        let (held, released) = (Toggle::Held, Toggle::Released);
        let switched = |to| Event::Switched { name: "default:app".to_owned(), to };
        store.record(vec![record("2026-03-02T08:00:00Z", switched(held), &[], "ann")]).unwrap();
        {
            let index = past.read(&store).unwrap();
            let found: Vec<_> = index.selections("default:app").collect();
            assert_eq!((found.len(), found[0].old.as_str(), found[0].new.as_str()), (1, "1.0.0", "1.1.0"));
            assert_eq!((index.by("default:app", held), index.by("default:app", released)), ("ann", ""));
        }
        let digest = [("default:app", "app:1.1.0@sha256:0", "app:1.1.0@sha256:1")];
        let tag = [("default:app", "localhost:5000/app:1.1.0", "localhost:5000/app:1.2.0")];
        store.record(vec![record("2026-03-03T08:00:00Z", pushed(), &digest, "")]).unwrap();
        store.record(vec![record("2026-03-03T09:00:00Z", pushed(), &tag, "")]).unwrap();
        store.record(vec![record("2026-03-04T08:00:00Z", switched(released), &[], "bob")]).unwrap();
        let index = past.read(&store).unwrap();
        assert_eq!(index.selections("default:app").map(|it| it.new.as_str()).collect::<Vec<_>>(), ["1.2.0", "1.1.0"]);
        assert_eq!((index.by("default:app", held), index.by("default:app", released)), ("", "bob"));
        let spark = index.spark("default:app", "2026-03-04T08:00:00Z".parse().unwrap());
        assert_eq!((spark.path().as_str(), spark.words().as_str()), ("M89 3v10M87 3v10", "2 changes in 90 days"));
        let later = index.spark("default:app", "2026-08-04T08:00:00Z".parse().unwrap());
        assert_eq!((later.path().as_str(), later.count), ("", 0));
    }

    #[test]
    fn a_file_that_begins_anew_is_read_anew() {
        let (one, past) = (Store::in_memory(), Past::default());
        let switched = |to| Event::Switched { name: "default:app".to_owned(), to };
        for hour in 0..5 {
            let time = format!("2026-03-02T0{hour}:00:00Z");
            one.record(vec![record(&time, switched(Toggle::Held), &[], "ann")]).unwrap();
        }
        assert_eq!(past.read(&one).unwrap().by("default:app", Toggle::Held), "ann");
        let other = Store::in_memory();
        other.record(vec![record("2026-03-03T08:00:00Z", switched(Toggle::Held), &[], "bob")]).unwrap();
        assert_eq!(past.read(&other).unwrap().by("default:app", Toggle::Held), "bob");
        assert_eq!(past.read(&Store::in_memory()).unwrap().by("default:app", Toggle::Held), "");
    }
}
