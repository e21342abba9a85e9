//! The status of a bot as tables in the manner of `kubectl get`.

use std::fmt::Write;

use jiff::{SignedDuration, Timestamp};

use super::table::{Cell, Width, table};
use super::{age, quoted};
use crate::snippet::{Color, Style};
use crate::wire::HeldField;
use crate::wire::freeze::{FreezeKind, FreezeStatus};
use crate::wire::machinery::RegistryStatus;
use crate::wire::status::{AutomationFinding, AutomationStatus, PolicyStatus, Ready, Status};

/// Work that has not moved for this long is worth a warning.
const LONG: SignedDuration = SignedDuration::from_mins(2);

/// A freeze of the calendar that is nearer than this is told before it begins.
const SOON: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How many findings of all automations a narrow table names.
const MAX_NARROW: usize = 10;

/// Writes a table of policies, one of automations, and those of the updates that wait and of the findings, each when there is
/// something in it.
#[must_use]
pub(crate) fn tables(status: &Status, now: Timestamp, width: Width, style: Style) -> String {
    let Status { policies, automations, .. } = status;
    let mut tables = Vec::new();
    if !policies.is_empty() {
        tables.push(match width {
            Width::Narrow => {
                let rows: Vec<_> = policies.iter().map(|it| policy(it, now)).collect();
                table(["NAME", "TAG", "LAST POLL", "READY", "MESSAGE"], &rows, width, style)
            }
            Width::Wide => {
                let rows: Vec<_> = policies.iter().map(|it| wide_policy(it, now)).collect();
                table(["NAME", "IMAGE", "TAG", "LAST POLL", "NEXT", "READY", "MESSAGE"], &rows, width, style)
            }
        });
    }
    if !automations.is_empty() {
        tables.push(match width {
            Width::Narrow => {
                let rows: Vec<_> = automations.iter().map(|it| automation(it, now)).collect();
                table(["NAME", "LAST RUN", "FINDINGS", "READY", "MESSAGE"], &rows, width, style)
            }
            Width::Wide => {
                let headings =
                    ["NAME", "REMOTE", "BRANCH", "LAST RUN", "LAST COMMIT", "NEXT", "FINDINGS", "READY", "MESSAGE"];
                let rows: Vec<_> = automations.iter().map(|it| wide_automation(it, now)).collect();
                table(headings, &rows, width, style)
            }
        });
    }
    tables.extend(holds(automations, width, style));
    tables.extend(findings(automations, width, style));
    tables.join("\n")
}

fn holds(automations: &[AutomationStatus], width: Width, style: Style) -> Option<String> {
    let holds = automations.iter().flat_map(|it| it.holds.iter().map(move |hold| (it, hold)));
    if automations.iter().all(|it| it.holds.is_empty()) {
        return None;
    }
    Some(match width {
        Width::Narrow => {
            let rows: Vec<_> = holds.map(|(_, hold)| held(hold)).collect();
            table(["HELD", "FIELD"], &rows, width, style)
        }
        Width::Wide => {
            let rows: Vec<_> = holds.map(|(automation, hold)| wide_held(automation, hold)).collect();
            table(["HELD", "AUTOMATION", "FILE", "CURRENT", "WANTED", "REASON"], &rows, width, style)
        }
    })
}

fn findings(automations: &[AutomationStatus], width: Width, style: Style) -> Option<String> {
    let all: usize = automations.iter().map(|it| it.findings.len() + it.more_findings).sum();
    if all == 0 {
        return None;
    }
    let most = if width == Width::Narrow { MAX_NARROW } else { usize::MAX };
    let known: usize = automations.iter().map(|it| it.findings.len()).sum();
    let found = automations.iter().flat_map(|it| it.findings.iter().map(move |found| (it, found)));
    let rows: Vec<[Cell; 3]> = found.take(most).map(|(automation, found)| finding(automation, found)).collect();
    let mut text = table(["FINDING", "AUTOMATION", "WHAT"], &rows, width, style);
    let more = all - rows.len();
    if more > 0 {
        let where_else = if rows.len() < known { "`-o wide` and " } else { "" };
        let _ = writeln!(text, "and {more} more, for {where_else}`tagwright check --remote`");
    }
    Some(text)
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
    if let Some(failure) = &status.data_failure {
        let failure = words::escape(failure);
        let _ = writeln!(
            text,
            "warning: the data directory cannot be used; what the bot learns is known until it ends\n  {failure}"
        );
    }
    for frozen in status.freezes.iter().filter(|it| it.active || it.from <= now.saturating_add(SOON).unwrap_or(now)) {
        let _ = writeln!(text, "note: {}", words::escape(&freeze(frozen)));
    }
    for registry in &status.registries {
        if let Some(slow) = throttled(registry, now) {
            let _ = writeln!(text, "warning: {slow}");
        }
    }
    for work in status.work.iter().filter(|work| now.duration_since(work.since) >= LONG) {
        let (subject, stage, what) = (&work.subject, &work.stage, words::escape(&work.what));
        let since = age::since(Some(work.since), now);
        let _ = writeln!(text, "warning: {subject}: nothing has moved for {since}: {stage} {what}");
    }
    text
}

/// That a registry throttles, in one sentence; none where it does not, or not lately.
#[must_use]
pub(crate) fn throttled(registry: &RegistryStatus, now: Timestamp) -> Option<String> {
    let RegistryStatus { host, throttled_until, slowed_to, remaining, limit, .. } = registry;
    let until = throttled_until.filter(|until| *until > now);
    let until = until.map(|until| format!("nothing is asked until {until:.0}"));
    let slow = slowed_to.map(|slow| {
        format!("at most {} a minute go to it", words::plural(slow.try_into().unwrap_or(usize::MAX), "request"))
    });
    let parts: Vec<String> = until.into_iter().chain(slow).collect();
    let left = match (remaining, limit) {
        (Some(left), Some(limit)) => format!("; it says that {left} of {limit} are left"),
        (Some(left), None) => format!("; it says that {left} are left"),
        (None, _) => String::new(),
    };
    let host = words::escape(host);
    (!parts.is_empty()).then(|| format!("{host} throttles: {}{left}", parts.join(", and ")))
}

/// A freeze, or an exception to freezes, in one sentence.
#[must_use]
pub(crate) fn freeze(freeze: &FreezeStatus) -> String {
    let FreezeStatus { selector, kind, active, from, until, reason } = freeze;
    let what = if selector == "*" { "everything" } else { selector };
    let until = until.map_or_else(String::new, |until| format!(" until {until:.0}"));
    let reason = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
    match (kind, active) {
        (FreezeKind::Hand, _) => {
            let selector = if selector == "*" { String::new() } else { format!(" {selector}") };
            format!("{what} is frozen by hand since {from:.0}{until}{reason}; `tagwright unfreeze{selector}` lifts it")
        }
        (FreezeKind::Calendar, true) => format!("{what} is frozen by the calendar{until}{reason}"),
        (FreezeKind::Calendar, false) => format!("{what} will be frozen by the calendar from {from:.0}{until}{reason}"),
        (FreezeKind::Exception, _) => format!("{what} is written whatever freezes it, since {from:.0}{until}{reason}"),
    }
}

/// Says as of when a status is that was kept for when no bot runs.
#[must_use]
pub(crate) fn kept(status: &Status, place: &str, now: Timestamp) -> String {
    let age = age::since(Some(status.written), now);
    let written = status.written.strftime("%Y-%m-%dT%H:%M:%SZ");
    format!("note: no bot is running on {place}; this is what the last one wrote {age} ago, at {written}")
}

fn policy(status: &PolicyStatus, now: Timestamp) -> [Cell; 5] {
    let message = message(status.suspended, &status.message);
    let tag = status.tag.clone().unwrap_or_default();
    [
        status.id().marker().into(),
        tag.into(),
        age::since(status.last_poll, now).into(),
        ready(status.ready),
        message.into(),
    ]
}

fn wide_policy(status: &PolicyStatus, now: Timestamp) -> [Cell; 7] {
    [
        status.id().marker().into(),
        status.image.clone().into(),
        status.tag.clone().unwrap_or_default().into(),
        age::since(status.last_poll, now).into(),
        next(status.next, status.suspended, now).into(),
        ready(status.ready),
        status.message.clone().into(),
    ]
}

fn automation(status: &AutomationStatus, now: Timestamp) -> [Cell; 5] {
    let message = message(status.suspended, &status.message);
    [
        status.id().to_string().into(),
        age::since(status.last_run, now).into(),
        count(status),
        ready(status.ready),
        message.into(),
    ]
}

fn wide_automation(status: &AutomationStatus, now: Timestamp) -> [Cell; 9] {
    [
        status.id().to_string().into(),
        status.remote.clone().into(),
        status.branch.clone().into(),
        age::since(status.last_run, now).into(),
        words::short(status.last_commit.as_deref().unwrap_or_default()).to_owned().into(),
        next(status.next, status.suspended, now).into(),
        count(status),
        ready(status.ready),
        status.message.clone().into(),
    ]
}

/// The number of findings of an automation.
fn count(status: &AutomationStatus) -> Cell {
    match status.findings.len() + status.more_findings {
        0 => "0".to_owned().into(),
        count => Cell::colored(count.to_string(), Color::Yellow),
    }
}

fn held(hold: &HeldField) -> [Cell; 2] {
    let HeldField { policy, file, line, current, wanted, reason, .. } = hold;
    let (current, wanted) = (quoted(current), quoted(wanted));
    [policy.clone().into(), format!("{file}:{line}: {current}, not {wanted}: {reason}").into()]
}

fn wide_held(automation: &AutomationStatus, hold: &HeldField) -> [Cell; 6] {
    [
        hold.policy.clone(),
        automation.id().to_string(),
        format!("{}:{}", hold.file, hold.line),
        hold.current.clone(),
        hold.wanted.clone(),
        hold.reason.clone(),
    ]
    .map(Cell::from)
}

fn finding(automation: &AutomationStatus, found: &AutomationFinding) -> [Cell; 3] {
    let AutomationFinding { code, file, line, message, hint, .. } = found;
    let place = match (file.as_str(), line) {
        ("", _) => String::new(),
        (file, 0) => format!("{file}: "),
        (file, line) => format!("{file}:{line}: "),
    };
    let hint = if hint.is_empty() { String::new() } else { format!("; {hint}") };
    let what = format!("{place}{message}{hint}");
    [Cell::colored(code.as_str(), Color::Yellow), automation.id().to_string().into(), what.into()]
}

pub(super) fn ready(ready: Ready) -> Cell {
    let color = match ready {
        Ready::True => Color::Green,
        Ready::False => Color::Red,
        Ready::Unknown => Color::Yellow,
    };
    Cell::colored(ready.as_str(), color)
}

/// What a row without a column for it says of suspension.
pub(crate) fn message(suspended: bool, message: &str) -> String {
    match suspended && !message.contains("suspended") {
        true if message.is_empty() => "suspended".to_owned(),
        true => format!("suspended; {message}"),
        false => message.to_owned(),
    }
}

fn next(next: Option<Timestamp>, suspended: bool, now: Timestamp) -> String {
    if suspended { "suspended".to_owned() } else { age::until(next, now) }
}
