//! Texts for people: findings, diffs, the summary of a run.

pub(crate) mod age;
pub(crate) mod check;
pub(crate) mod color;
pub(crate) mod diff;
pub(crate) mod doctor;
mod document;
pub(crate) mod explain;
mod failures;
pub(crate) mod history;
pub(crate) mod import;
pub(crate) mod mark;
pub(crate) mod objects;
pub(crate) mod policy;
pub(crate) mod sarif;
pub(crate) mod status;
mod submit;
pub(crate) mod table;
pub(crate) mod tags;

use std::fmt::Write;
use std::sync::Arc;

use tagwright_core::change::{Change, Code, Diagnostic};
use tagwright_core::guard::Held;

use crate::run::{self, AutomationReport, GroupReport, Lack, Outcome, PolicyReport, Report, quoted};
pub(crate) use crate::snippet::Style;
use crate::snippet::{Color, paint};

pub(crate) use self::color::style;
pub(crate) use self::failures::{causes, failure_of_run, failures};
pub(crate) use self::submit::{differences, submitted};

/// Writes findings, one a line: `file:line:column: CODE message`, and what to do about each kind once. That a policy selects
/// nothing is told where the policy is, once, and not of each of its fields.
#[must_use]
pub(crate) fn diagnostics(findings: &[Diagnostic]) -> String {
    let findings: Vec<&Diagnostic> = findings.iter().filter(|finding| finding.code != Code::NoSelection).collect();
    let mut text = String::new();
    for (at, Diagnostic { file, line, column, code, message }) in findings.iter().enumerate() {
        let file = words::escape(file);
        let place = match (file.is_empty(), line) {
            (true, _) => String::new(),
            (false, 0) => format!("{file}: "),
            (false, _) => format!("{file}:{line}:{column}: "),
        };
        let level = if *code == Code::EmbeddedOff { "note" } else { "warning" };
        let _ = writeln!(text, "{level}: {place}{code} {message}");
        // Below the last of its kind in a row.
        let hint = code.hint().filter(|_| findings.get(at + 1).is_none_or(|next| next.code != *code));
        if let Some(hint) = hint {
            let _ = writeln!(text, "  hint: {hint}");
        }
    }
    text
}

/// Writes what the policies selected, one a line, and where to look when it is nothing. A registry that gave no answer is a
/// failure, which [`failures()`] tells.
#[must_use]
pub(crate) fn policies(policies: &[Arc<PolicyReport>]) -> String {
    let mut text = String::new();
    for policy in policies {
        let PolicyReport { id, image, tags, selection, hold, .. } = &**policy;
        let hurried: String = policy.remarks().iter().map(|remark| format!("; {remark}")).collect();
        let id = id.marker();
        let image = match tags {
            Some(tags) => format!("{image} has {}, ", words::plural(*tags, "tag")),
            None => String::new(),
        };
        let _ = match selection {
            Ok(reference) => match hold {
                Some(hold) => writeln!(text, "{id}: {image}selected {reference}{hurried}; {hold}"),
                None => writeln!(text, "{id}: {image}selected {reference}{hurried}"),
            },
            Err(Lack::NoAnswer(_)) => Ok(()),
            Err(Lack::NoTag(reason)) => writeln!(
                text,
                "{id}: {image}selected none: {reason}\n  hint: `tagwright explain {id}` shows what becomes of every tag"
            ),
            Err(lack) => writeln!(text, "{id}: {image}selected none: {lack}"),
        };
    }
    text
}

/// Writes what happened to each automation: a line, then the changes. The text is harmless.
#[must_use]
pub(crate) fn automations(report: &Report, style: Style) -> String {
    report.automations.iter().map(|it| colored(it, &words::lines(&automation(it)), style)).collect()
}

/// Colours the outcome in what is said of an automation.
fn colored(report: &AutomationReport, text: &str, style: Style) -> String {
    let (word, color) = match &report.outcome {
        Outcome::Pushed { .. } => ("pushed", Color::Green),
        Outcome::WouldPush => ("would push", Color::Green),
        Outcome::Held { .. } => ("held", Color::Yellow),
        Outcome::Unchanged if report.idle.is_some() => ("nothing can be written", Color::Yellow),
        Outcome::Unchanged => return text.to_owned(),
        Outcome::Failed(_) => ("failed", Color::Red),
    };
    let start = format!("{}: {word}", words::lines(&report.id.to_string()));
    match text.strip_prefix(&start) {
        Some(rest) => format!("{}{}{rest}", &start[..start.len() - word.len()], paint(word, color, style)),
        None => text.to_owned(),
    }
}

fn automation(report: &AutomationReport) -> String {
    let AutomationReport { id, url, branch, outcome, edits, request, groups, .. } = report;
    let changes: Vec<_> = edits.iter().flat_map(|edit| &edit.changes).collect();
    let mut count = words::plural(report.changes().count(), "change");
    let (branch, request) = match groups.len() {
        0 => (branch.clone(), request.as_ref()),
        several => {
            let changed = groups.iter().filter(|group| !group.edits.is_empty()).count();
            count.push_str(&format!(" in {}", words::plural(changed, "group")));
            // Each tells its own.
            (format!("{} beside {branch}", if several == 1 { "a branch" } else { "branches" }), None)
        }
    };
    let mut text = match outcome {
        Outcome::Pushed { commit, missed } => {
            let but = missed.as_ref().map(|error| format!(", {}", error.missed())).unwrap_or_default();
            format!("{id}: pushed {} to {branch} of {url}, {count}{but}\n", words::short(commit))
        }
        Outcome::WouldPush => format!("{id}: would push to {branch} of {url}, {count}; the login may push\n"),
        Outcome::Unchanged => match &report.idle {
            Some(reason) => format!("{id}: nothing can be written on {branch} of {url}: {reason}\n"),
            None => format!("{id}: nothing to do on {branch} of {url}{}\n", without(report)),
        },
        Outcome::Held { reason } => format!("{id}: held, {reason}\n"),
        Outcome::Failed(_) => format!("{id}: failed\n"),
    };
    if let Some(request) = request {
        let _ = writeln!(text, "  {request}");
    }
    // What was planned and not pushed is no change.
    if !matches!(outcome, Outcome::Failed(_)) {
        for line in self::changes(changes).lines() {
            let _ = writeln!(text, "  {line}");
        }
    }
    for line in groups.iter().map(group).collect::<String>().lines() {
        let _ = writeln!(text, "  {line}");
    }
    for line in holds(&report.holds).lines() {
        let _ = writeln!(text, "  {line}");
    }
    text
}

/// What became of one group of an automation's changes; nothing where nothing did.
fn group(report: &GroupReport) -> String {
    let GroupReport { name, branch, outcome, commit, edits, request, error, .. } = report;
    let mut text = match (commit, *outcome) {
        (Some(commit), _) => format!("{name}: pushed {} to {branch}\n", words::short(commit)),
        (None, "unchanged") => String::new(),
        (None, "would-push") => format!("{name}: would push to {branch}\n"),
        (None, word) => format!("{name}: {word}, {error}\n"),
    };
    if commit.is_some() && !error.is_empty() {
        let _ = writeln!(text, "  but {error}");
    }
    if let Some(request) = request {
        if text.is_empty() {
            let _ = writeln!(text, "{name}:");
        }
        let _ = writeln!(text, "  {request}");
    }
    if *outcome != "failed" {
        for line in changes(edits.iter().flat_map(|edit| &edit.changes).collect::<Vec<_>>()).lines() {
            let _ = writeln!(text, "  {line}");
        }
    }
    text
}

/// What an automation has nothing to write for: policies that could not be polled, and fields of those that select nothing.
fn without(report: &AutomationReport) -> String {
    let unanswered = match report.unanswered {
        0 => String::new(),
        1 => "; 1 policy could not be polled".to_owned(),
        several => format!("; {several} policies could not be polled"),
    };
    let stay = match report.diagnostics.iter().filter(|finding| finding.code == Code::NoSelection).count() {
        0 => String::new(),
        1 => "; 1 field stays, since its policy selects none".to_owned(),
        several => format!("; {several} fields stay, since their policies select none"),
    };
    unanswered + &stay
}

/// Writes what is held, one a line: `file:line: current, not wanted (policy): why`.
#[must_use]
pub(crate) fn holds<'h>(holds: impl IntoIterator<Item = &'h Held>) -> String {
    let mut text = String::new();
    for Held { file, line, setter, current, wanted, hold } in holds {
        let (file, current, wanted) = (words::escape(file), quoted(current), quoted(wanted));
        let _ = writeln!(text, "{file}:{line}: {current}, not {wanted} ({setter}): {hold}");
    }
    text
}

/// Writes changes, one a line: `file:line: old -> new (policy)`.
#[must_use]
pub(crate) fn changes<'c>(changes: impl IntoIterator<Item = &'c Change>) -> String {
    changes.into_iter().map(|change| format!("{}\n", run::change(change))).collect()
}
