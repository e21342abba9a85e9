//! The history as a timeline: days with what happened on each.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tagwright_core::pages::Pages;

use super::model::{State, link_of};
use crate::server::routes::{App, No, failed};
use crate::store::Filter;
use crate::wire::history::{Entry, Event};
use crate::wire::{ChangedField, HeldField};

/// How many fields of an entry are shown.
const FIELDS: usize = 20;

/// What happened on a day, the newest first.
pub(super) struct Day {
    pub(super) day: String,
    pub(super) entries: Vec<Shown>,
}

/// An entry as it is shown.
pub(super) struct Shown {
    pub(super) state: State,
    pub(super) word: &'static str,
    pub(super) time: Timestamp,
    pub(super) what: String,
    pub(super) link: String,
    pub(super) commit: String,
    pub(super) short: String,
    pub(super) by: String,
    pub(super) message: String,
    /// Its page at the forge, and what lies between it and the commit before; empty where that is not known.
    pub(super) commit_link: String,
    pub(super) compare: String,
    /// The fields that were changed, each with its line at the forge.
    pub(super) changes: Vec<(ChangedField, String)>,
    pub(super) holds: Vec<HeldField>,
    /// How many fields are not shown.
    pub(super) more: usize,
}

/// Entries that a filter selects, and what to ask for older ones. Blocks.
pub(super) fn older(app: &App, filter: &Filter) -> Result<(Vec<Entry>, Option<u64>), No> {
    let (records, next) = app.handle.store().page(filter).map_err(|error| failed(&error))?;
    Ok((records.into_iter().map(Entry::from).collect(), next))
}

/// Sorts entries, the newest first, into days.
pub(super) fn days(entries: Vec<Entry>) -> Vec<Day> {
    let mut days: Vec<Day> = Vec::new();
    let before = before(&entries);
    for (entry, before) in entries.into_iter().zip(before) {
        let day = entry.time.to_zoned(TimeZone::UTC).strftime("%A, %Y-%m-%d").to_string();
        let shown = Shown::of(entry, before.as_deref());
        match days.last_mut() {
            Some(last) if last.day == day => last.entries.push(shown),
            _ => days.push(Day { day, entries: vec![shown] }),
        }
    }
    days
}

/// For each entry, the newest first, our commit before it on the same branch, as far as they are among these.
fn before(entries: &[Entry]) -> Vec<Option<String>> {
    let older = |at: usize, entry: &Entry| {
        let mut rest = entries[at + 1..].iter();
        rest.find(|it| !it.commit.is_empty() && (&it.remote, &it.branch) == (&entry.remote, &entry.branch))
    };
    let before = |(at, entry): (usize, &Entry)| {
        let is_commit = !entry.commit.is_empty();
        older(at, entry).filter(|older| is_commit && older.commit != entry.commit).map(|older| older.commit.clone())
    };
    entries.iter().enumerate().map(before).collect()
}

impl Shown {
    fn of(entry: Entry, before: Option<&str>) -> Self {
        let (state, word) = match entry.event {
            Event::Pushed => (State::Current, "committed"),
            Event::Held => (State::Waiting, "held"),
            Event::Failed => (State::Failing, "failed"),
            Event::TagMoved => (State::Waiting, "a tag moved"),
            Event::PolicyHeld => (State::Waiting, "held by hand"),
            Event::PolicyReleased => (State::Current, "released"),
            Event::PolicyHurried => (State::Current, "released now"),
            Event::AutomationSuspended => (State::Suspended, "suspended"),
            Event::AutomationResumed => (State::Current, "resumed"),
            Event::Frozen => (State::Waiting, "frozen"),
            Event::Unfrozen => (State::Current, "no longer frozen"),
            Event::GlassBroken => (State::Waiting, "glass broken"),
            Event::PollOrdered => (State::Current, "polled by hand"),
            Event::RunOrdered => (State::Current, "run by hand"),
        };
        let Entry {
            time,
            automation,
            remote,
            commit,
            message,
            missed,
            subject,
            by,
            remarks,
            mut changes,
            mut holds,
            left_out,
            ..
        } = entry;
        let more = left_out + changes.len().saturating_sub(FIELDS) + holds.len().saturating_sub(FIELDS);
        changes.truncate(FIELDS);
        holds.truncate(FIELDS);
        let forge = Pages::of(&remote).filter(|_| !commit.is_empty());
        let commit_link = forge.as_ref().map(|forge| forge.commit(&commit)).unwrap_or_default();
        let compare = forge.as_ref().zip(before).map(|(forge, before)| forge.compare(before, &commit));
        let at = |change: ChangedField| {
            let place = forge.as_ref().map(|forge| forge.line(&commit, &change.file, change.line));
            (change, place.unwrap_or_default())
        };
        let changes = changes.into_iter().map(at).collect();
        let what = if subject.is_empty() { automation } else { subject };
        let link = link_of(&what);
        let what = if what == "*" { "everything".to_owned() } else { what };
        let message = if missed.is_empty() { message } else { format!("{message}; missed: {missed}") };
        let message = remarks.iter().fold(message, |message, remark| format!("{message}; {remark}"));
        let short = words::short(&commit).to_owned();
        let compare = compare.unwrap_or_default();
        Self { state, word, time, what, link, commit, short, by, message, commit_link, compare, changes, holds, more }
    }
}
