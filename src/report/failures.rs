//! The failures of a run, each cause once: with what to do about it, and with all that it stops.

use std::collections::BTreeSet;

use crate::failure::Failure;
use crate::run::{Cause, Error, Lack, Report};

/// How many names stand behind a cause, in each of its lists.
const MAX_NAMED: usize = 20;

/// Failures that are one to people.
struct Group<'e> {
    errors: Vec<&'e Error>,
    /// What it stops: policies and automations.
    concerns: Vec<String>,
}

/// What failures must share to be told as one.
#[derive(PartialEq)]
enum Key {
    /// The host to blame.
    Host(Cause),
    /// The registry, and why it refuses some of its images.
    Images(Cause),
    /// All of what is said.
    Words(String),
}

/// What is said of a failure, and what to do about it.
#[derive(Default)]
struct Text {
    failure: String,
    /// Empty where nothing is known.
    hint: String,
}

/// Writes what failed in a run, each with what to do where that is known.
#[must_use]
pub(crate) fn failures(report: &Report) -> String {
    let polls = report.failures.iter().map(|error| (error, policies(report, error)));
    let automations = report.automations.iter();
    let runs =
        automations.filter_map(|automation| Some((automation.outcome.error()?, vec![automation.id.to_string()])));
    causes(polls.chain(runs))
}

/// Writes failures with what they concern, each cause once. What to do stands below the last of those in a row that want the
/// same.
#[must_use]
pub(crate) fn causes<'e>(failures: impl Iterator<Item = (&'e Error, Vec<String>)>) -> String {
    let texts: Vec<Text> = groups(failures).iter().map(text).collect();
    let mut written = String::new();
    for (at, Text { failure, hint }) in texts.iter().enumerate() {
        written.push_str(failure);
        if texts.get(at + 1).is_none_or(|next| next.hint != *hint) {
            written.push_str(hint);
        }
    }
    written
}

/// Writes one failure; `whose` stands before it.
#[must_use]
pub(crate) fn failure_of_run(whose: &str, error: &Error) -> String {
    let Text { failure, hint } = written(whose, &Failure::from(error), "");
    failure + &hint
}

fn groups<'e>(failures: impl Iterator<Item = (&'e Error, Vec<String>)>) -> Vec<Group<'e>> {
    let mut groups: Vec<(Key, Group<'_>)> = Vec::new();
    for (error, concerns) in failures {
        let alike = error.cause().map(Key::Host).or_else(|| error.refusal().map(Key::Images));
        let key = alike.unwrap_or_else(|| Key::Words(error.chain()));
        let at = groups.iter().position(|(known, _)| *known == key).unwrap_or_else(|| {
            groups.push((key, Group { errors: Vec::new(), concerns: Vec::new() }));
            groups.len() - 1
        });
        let group = &mut groups[at].1;
        group.errors.push(error);
        let new = concerns.into_iter().filter(|name| !group.concerns.contains(name)).collect::<Vec<_>>();
        group.concerns.extend(new);
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

/// The policies that a failed poll leaves without a selection.
fn policies(report: &Report, error: &Error) -> Vec<String> {
    let Error::Registry { image, .. } = error else { return Vec::new() };
    let of_image = |name: &str| image.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'));
    let without = report.policies.iter().filter(|policy| matches!(policy.selection, Err(Lack::NoAnswer(_))));
    without.filter(|policy| of_image(&policy.image)).map(|policy| policy.id.marker()).collect()
}

fn text(Group { errors, concerns }: &Group<'_>) -> Text {
    let Some(first) = errors.first() else { return Text::default() };
    let failure = Failure::from(*first);
    let subjects: BTreeSet<&str> = errors.iter().map(|error| subject(error)).collect();
    let (failure, images) = match (first.cause(), first.refusal()) {
        _ if subjects.len() < 2 => (failure, String::new()),
        (Some(cause), _) => (failure_of_all(&failure, &cause, together(errors, subjects.len(), &cause)), String::new()),
        (None, Some(cause)) => {
            let sentence = format!("cannot poll {} images of {}", subjects.len(), cause.host);
            (failure_of_all(&failure, &cause, sentence), list("images", subjects.into_iter()))
        }
        (None, None) => (failure, String::new()),
    };
    match concerns.as_slice() {
        [] => written("", &failure, &images),
        [one] => written(&format!("{one}: "), &failure, &images),
        several => written("", &failure, &(images + &list("concerns", several.iter().map(String::as_str)))),
    }
}

/// What several failures have in common, with what helps against the first of them.
fn failure_of_all(first: &Failure, cause: &Cause, sentence: String) -> Failure {
    Failure::new(first.kind(), cause.reason.clone()).under(sentence).with_hint(first.hint())
}

/// A line of names, and how many more there are.
fn list<'n>(of_what: &str, names: impl ExactSizeIterator<Item = &'n str>) -> String {
    let more = names.len().saturating_sub(MAX_NAMED);
    let named: Vec<&str> = names.take(MAX_NAMED).collect();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("  {of_what}: {}{more}\n", named.join(", "))
}

/// What was asked: an image, or a remote.
fn subject(error: &Error) -> &str {
    match error {
        Error::Registry { image, .. } => image,
        Error::Git { url, .. } => url,
        _ => "",
    }
}

fn together(errors: &[&Error], subjects: usize, cause: &Cause) -> String {
    let is_registry = errors.iter().all(|error| matches!(error, Error::Registry { .. }));
    let is_remote = errors.iter().all(|error| matches!(error, Error::Git { .. }));
    let host = &cause.host;
    match (is_registry, is_remote) {
        (true, _) => format!("cannot poll {subjects} image repositories of {host}"),
        (_, true) => format!("cannot work on {subjects} remotes of {host}"),
        _ => format!("{host} fails"),
    }
}

fn written(whose: &str, failure: &Failure, concerns: &str) -> Text {
    let hint = failure.hint().map(|hint| format!("  hint: {}\n", words::escape(hint))).unwrap_or_default();
    Text { failure: format!("error: {whose}{}\n{concerns}", failure.line()), hint }
}
