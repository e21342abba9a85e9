//! Texts for people: findings, diffs, the summary of a run.

mod age;
pub(crate) mod check;
pub(crate) mod diff;
mod document;
pub(crate) mod explain;
pub(crate) mod history;
pub(crate) mod mark;
pub(crate) mod sarif;
pub(crate) mod status;
mod table;
pub(crate) mod tags;

use std::fmt::Write;
use std::sync::Arc;

use tagwright_core::change::{Change, Code, Diagnostic};
use tagwright_core::guard::Held;

use crate::failure::Failure;
use crate::run::{self, AutomationReport, Outcome, PolicyReport, Report};
use crate::snippet::Style;

/// Colours for a stream that is a terminal, unless the user does not want them (<https://no-color.org>).
#[must_use]
pub(crate) fn style(stream: impl std::io::IsTerminal) -> Style {
    let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    if wanted && stream.is_terminal() { Style::Colored } else { Style::Plain }
}

/// Writes findings, one a line: `file:line:column: CODE message`.
#[must_use]
pub(crate) fn diagnostics(findings: &[Diagnostic]) -> String {
    let mut text = String::new();
    for finding in findings {
        let Diagnostic { file, line, column, code, message } = finding;
        let file = words::escape(file);
        let place = match (file.is_empty(), line) {
            (true, _) => String::new(),
            (false, 0) => format!("{file}: "),
            (false, _) => format!("{file}:{line}:{column}: "),
        };
        let level = if *code == Code::EmbeddedOff { "note" } else { "warning" };
        let _ = writeln!(text, "{level}: {place}{code} {message}");
    }
    text
}

/// Writes what the policies selected, one a line.
#[must_use]
pub(crate) fn policies(policies: &[Arc<PolicyReport>]) -> String {
    let mut text = String::new();
    for policy in policies {
        let PolicyReport { id, image, tags, selection, hold, .. } = &**policy;
        let image = match tags {
            Some(tags) => format!("{image} has {}, ", plural(*tags, "tag")),
            None => String::new(),
        };
        let _ = match selection {
            Ok(reference) => match hold {
                Some(hold) => writeln!(text, "{id}: {image}selected {reference}; {hold}"),
                None => writeln!(text, "{id}: {image}selected {reference}"),
            },
            Err(reason) => writeln!(text, "{id}: {image}selected none: {reason}"),
        };
    }
    text
}

/// Writes what failed in a run, each with what to do where that is known.
#[must_use]
pub(crate) fn failures(report: &Report) -> String {
    let polls = report.failures.iter().map(|error| (String::new(), error));
    let automations = report
        .automations
        .iter()
        .filter_map(|automation| Some((format!("{}: ", automation.id), automation.outcome.error()?)));
    let mut text = String::new();
    for (whose, error) in polls.chain(automations) {
        text.push_str(&failure_of_run(&whose, error));
    }
    text
}

/// Writes one failure of a run; `whose` stands before it.
#[must_use]
pub(crate) fn failure_of_run(whose: &str, error: &run::Error) -> String {
    let failure = Failure::from(error);
    let hint = failure.hint().map(|hint| format!("  hint: {hint}\n")).unwrap_or_default();
    format!("error: {whose}{}\n{hint}", failure.line())
}

/// Writes what happened to each automation: a line, then the changes.
#[must_use]
pub(crate) fn automations(report: &Report) -> String {
    report.automations.iter().map(automation).collect()
}

fn automation(report: &AutomationReport) -> String {
    let AutomationReport { id, url, branch, outcome, edits, .. } = report;
    let changes: Vec<_> = edits.iter().flat_map(|edit| &edit.changes).collect();
    let count = plural(changes.len(), "change");
    let mut text = match outcome {
        Outcome::Pushed { commit, missed } => {
            let but = if missed.is_some() { ", but not to the second destination" } else { "" };
            format!("{id}: pushed {} to {branch} of {url}, {count}{but}\n", short(commit))
        }
        Outcome::WouldPush => format!("{id}: would push to {branch} of {url}, {count}\n"),
        Outcome::Unchanged => format!("{id}: nothing to do on {branch} of {url}\n"),
        Outcome::Held { reason } => format!("{id}: held, {reason}\n"),
        Outcome::Failed(_) => format!("{id}: failed\n"),
    };
    // What was planned and not pushed is no change.
    if !matches!(outcome, Outcome::Failed(_)) {
        for line in self::changes(changes).lines() {
            let _ = writeln!(text, "  {line}");
        }
    }
    for line in holds(&report.holds).lines() {
        let _ = writeln!(text, "  {line}");
    }
    text
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
    let mut text = String::new();
    for Change { file, line, old, new, setter, .. } in changes {
        let (file, old, new) = (words::escape(file), quoted(old), quoted(new));
        let _ = writeln!(text, "{file}:{line}: {old} -> {new} ({setter})");
    }
    text
}

/// A value as one word: quoted and escaped where it is empty, has white space, or has characters that are not seen.
fn quoted(value: &str) -> String {
    let plain = !value.is_empty() && !value.contains(char::is_whitespace) && words::is_harmless(value);
    if plain { value.to_owned() } else { format!("\"{}\"", value.escape_debug()) }
}

/// A number with its noun.
pub(crate) fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// The first seven digits of a hash.
#[must_use]
pub(crate) fn short(commit: &str) -> &str {
    commit.get(..7).unwrap_or(commit)
}
