//! The history as a table: a line for each field that was changed or held back.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::quoted;
use super::table::{Cell, Width, table};
use crate::snippet::Style;
use crate::wire::history::{Entry, Event};
use crate::wire::{ChangedField, HeldField};

/// A line of the table.
type Row = [String; 6];

/// Writes the table, newest first; times are in the given zone.
#[must_use]
pub(crate) fn text(entries: &[Entry], zone: &TimeZone, width: Width, style: Style) -> String {
    let rows = entries.iter().flat_map(|entry| rows(entry, zone));
    match width {
        Width::Wide => {
            let rows: Vec<[Cell; 6]> = rows.map(|row| row.map(Cell::from)).collect();
            table(["TIME", "AUTOMATION", "POLICY", "COMMIT", "FILE", "CHANGE"], &rows, width, style)
        }
        Width::Narrow => {
            let rows: Vec<[Cell; 3]> = rows.map(narrow).collect();
            table(["TIME", "COMMIT", "CHANGE"], &rows, width, style)
        }
    }
}

/// A row whose sentence has all that has no column of its own.
fn narrow([time, automation, policy, commit, file, change]: Row) -> [Cell; 3] {
    let mut sentence = String::new();
    if !file.is_empty() {
        sentence.push_str(&format!("{file}: "));
    }
    sentence.push_str(&change);
    sentence.push_str(&match (policy.as_str(), automation.as_str()) {
        ("", "") => String::new(),
        ("", automation) => format!(" ({automation})"),
        (policy, "") => format!(" ({policy})"),
        (policy, automation) => format!(" ({policy}, {automation})"),
    });
    [time.into(), commit.into(), sentence.into()]
}

fn rows(entry: &Entry, zone: &TimeZone) -> Vec<Row> {
    let row = |policy: &str, change: String, file: String| {
        let (time, commit) = (time(entry.time, zone), words::short(&entry.commit).to_owned());
        [time, entry.automation.clone(), policy.to_owned(), commit, file, change]
    };
    let place = |file: &str, line: usize| if line == 0 { file.to_owned() } else { format!("{file}:{line}") };
    let changed = |it: &ChangedField| {
        row(&it.policy, format!("{} -> {}", quoted(&it.old), quoted(&it.new)), place(&it.file, it.line))
    };
    let held = |it: &HeldField| {
        let (current, wanted) = (quoted(&it.current), quoted(&it.wanted));
        row(&it.policy, format!("held {current}, not {wanted}: {}", it.reason), place(&it.file, it.line))
    };
    let mut rows: Vec<Row> = entry.changes.iter().map(changed).chain(entry.holds.iter().map(held)).collect();
    if rows.is_empty() {
        let policy = if entry.subject.contains(':') { entry.subject.as_str() } else { "" };
        let automation = if entry.subject.contains('/') { &entry.subject } else { &entry.automation };
        let mut only = row(policy, what(entry), String::new());
        only[1].clone_from(automation);
        rows.push(only);
    }
    rows.extend(entry.remarks.iter().map(|remark| row("", remark.clone(), String::new())));
    if !entry.missed.is_empty() {
        rows.push(row("", format!("missed: {}", entry.missed), String::new()));
    }
    if entry.left_out > 0 {
        rows.push(row("", format!("and {} more", words::plural(entry.left_out, "field")), String::new()));
    }
    rows
}

/// The words for an entry that has no fields: its event, and the message where there is one.
fn what(entry: &Entry) -> String {
    let word = match entry.event {
        Event::Pushed => "pushed",
        Event::Held | Event::PolicyHeld => "held",
        Event::Failed => "failed",
        Event::TagMoved => "a tag moved",
        Event::PolicyReleased => "released",
        Event::PolicyHurried => "hurried",
        Event::AutomationSuspended => "suspended",
        Event::AutomationResumed => "resumed",
        Event::Frozen => "frozen",
        Event::Unfrozen => "no longer frozen",
        Event::GlassBroken => "written although frozen",
        Event::PollOrdered => "polled",
        Event::RunOrdered => "run",
    };
    let everything = if entry.subject == "*" { "everything " } else { "" };
    let word = format!("{everything}{word}");
    let by = match entry.by.as_str() {
        "" | "socket" => String::new(),
        by => format!(" by {by}"),
    };
    if entry.message.is_empty() { format!("{word}{by}") } else { format!("{word}{by}: {}", entry.message) }
}

fn time(time: Timestamp, zone: &TimeZone) -> String {
    let time = time.to_zoned(zone.clone());
    let format = if time.offset().is_zero() { "%Y-%m-%dT%H:%M:%SZ" } else { "%Y-%m-%dT%H:%M:%S%:z" };
    time.strftime(format).to_string()
}
