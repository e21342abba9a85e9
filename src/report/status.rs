//! The status of a bot as tables in the manner of `kubectl get`.

use std::fmt::Write;

use jiff::{SignedDuration, Timestamp};

use super::table::table;
use super::{age, short};
use crate::wire::HeldField;
use crate::wire::status::{AutomationStatus, PolicyStatus, Status};

/// Work that has not moved for this long is worth a warning.
const LONG: SignedDuration = SignedDuration::from_mins(2);

/// Writes a table of policies, one of automations, and one of the updates that wait, each when there is something in it.
#[must_use]
pub(crate) fn tables(status: &Status, now: Timestamp) -> String {
    let policies: Vec<_> = status.policies.iter().map(|it| policy(it, now)).collect();
    let automations: Vec<_> = status.automations.iter().map(|it| automation(it, now)).collect();
    let held = |it: &AutomationStatus| it.holds.iter().map(|hold| self::hold(it, hold)).collect::<Vec<_>>();
    let holds: Vec<_> = status.automations.iter().flat_map(held).collect();
    let mut tables = Vec::new();
    if !policies.is_empty() {
        tables.push(table(["NAME", "IMAGE", "TAG", "LAST POLL", "NEXT", "READY", "MESSAGE"], &policies));
    }
    if !automations.is_empty() {
        let headings = ["NAME", "REMOTE", "BRANCH", "LAST RUN", "LAST COMMIT", "NEXT", "READY", "MESSAGE"];
        tables.push(table(headings, &automations));
    }
    if !holds.is_empty() {
        tables.push(table(["HELD", "AUTOMATION", "FILE", "CURRENT", "WANTED", "REASON"], &holds));
    }
    tables.join("\n")
}

/// Writes what the tables do not say: a configuration that is not used, work that does not move.
#[must_use]
pub(crate) fn warnings(status: &Status, now: Timestamp) -> String {
    let mut text = String::new();
    if let Some(failure) = &status.configuration.failure {
        let since = age::since(Some(failure.since), now);
        let _ =
            writeln!(text, "warning: the configuration cannot be used as it is, for {since}; an older one is in use");
        for line in failure.message.lines() {
            let _ = writeln!(text, "  {}", words::escape(line));
        }
    }
    for work in status.work.iter().filter(|work| now.duration_since(work.since) >= LONG) {
        let (subject, stage, what) = (&work.subject, &work.stage, words::escape(&work.what));
        let since = age::since(Some(work.since), now);
        let _ = writeln!(text, "warning: {subject}: nothing has moved for {since}: {stage} {what}");
    }
    text
}

/// Says as of when a status is that was kept for when no bot runs.
#[must_use]
pub(crate) fn kept(status: &Status, place: &str, now: Timestamp) -> String {
    let age = age::since(Some(status.written), now);
    let written = status.written.strftime("%Y-%m-%dT%H:%M:%SZ");
    format!("note: no bot is running on {place}; this is what the last one wrote {age} ago, at {written}")
}

fn policy(status: &PolicyStatus, now: Timestamp) -> [String; 7] {
    [
        status.id().marker(),
        status.image.clone(),
        status.tag.clone().unwrap_or_default(),
        age::since(status.last_poll, now),
        next(status.next, status.suspended, now),
        status.ready.as_str().to_owned(),
        status.message.clone(),
    ]
}

fn automation(status: &AutomationStatus, now: Timestamp) -> [String; 8] {
    [
        status.id().to_string(),
        status.remote.clone(),
        status.branch.clone(),
        age::since(status.last_run, now),
        short(status.last_commit.as_deref().unwrap_or_default()).to_owned(),
        next(status.next, status.suspended, now),
        status.ready.as_str().to_owned(),
        status.message.clone(),
    ]
}

fn hold(automation: &AutomationStatus, hold: &HeldField) -> [String; 6] {
    [
        hold.policy.clone(),
        automation.id().to_string(),
        format!("{}:{}", hold.file, hold.line),
        hold.current.clone(),
        hold.wanted.clone(),
        hold.reason.clone(),
    ]
}

fn next(next: Option<Timestamp>, suspended: bool, now: Timestamp) -> String {
    if suspended { "suspended".to_owned() } else { age::until(next, now) }
}
