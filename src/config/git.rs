//! Fields about Git that all ways of writing share: references, push, author, message.

use std::collections::BTreeMap;

use tagwright_core::automation::Author;
use tagwright_core::message;

use super::decode::Fields;
use super::raw::{Message, Paths, Push, Reference};
use super::remote::{self, Address};
use super::report::{Finding, Report};
use super::requests::{self, Request};
use super::text::Text;
use super::value;
use super::yaml::Place;

/// The lines of a template whose places are remembered.
const MAX_LINES: usize = 100;

/// Reads a URL.
pub(super) fn address(report: &Report, url: &Text) -> Option<Address> {
    match remote::parse(&url.value) {
        Ok(address) => Some(address),
        Err(error) => {
            // What is no URL may hold a login in any form. Where it has one that is known, the rest of the line helps.
            if url.value.contains(['@', '?', '#']) && words::logins(&url.value).is_empty() {
                report.mask(url.place);
            }
            let message = format!("`{}`: {error}", url.path);
            report.add(Finding::at(url.place, message).hint(error.hint()));
            None
        }
    }
}

/// Reads `ref`.
pub(super) fn reference(mut fields: Fields<'_>) -> Option<Reference> {
    let branch = fields.optional("branch", value::branch);
    let tag = fields.optional("tag", value::tag);
    let semver = fields.optional_or("semver", |_| value::RANGE_HINT.to_owned(), value::range);
    let name = fields.optional("name", value::reference);
    let commit = fields.optional("commit", value::commit);
    let place = Some(fields.place);
    fields.finish();
    Some(Reference { branch: branch?, tag: tag?, semver: semver?, name: name?, commit: commit?, place })
}

/// Reads `push` of an object of Flux.
pub(super) fn push(fields: Fields<'_>) -> Option<Push> {
    push_with(fields, |_| Some(None))
}

/// Reads `push` of a native automation, which may propose what is pushed.
pub(super) fn push_or_propose(fields: Fields<'_>) -> Option<Push> {
    push_with(fields, requests::of_push)
}

fn push_with(mut fields: Fields<'_>, request: impl FnOnce(&mut Fields<'_>) -> Option<Option<Request>>) -> Option<Push> {
    let report = fields.report();
    let branch = fields.optional("branch", value::branch);
    let refspec = fields.optional("refspec", value::refspec);
    let options = fields.map("options");
    let request = request(&mut fields);
    fields.finish();
    let mut valid = true;
    for (key, text) in &options {
        // Options are lines of Git's protocol.
        if key.chars().chain(text.value.chars()).any(char::is_control) {
            report.error(text.place, format!("`{}`: a push option cannot have control characters", text.path));
            valid = false;
        }
    }
    let options = values(options);
    valid.then_some(Push { branch: branch?, refspec: refspec?, options, request: request? })
}

/// Reads `author`. What Git does not allow in a name or address is left out, as Flux does it.
pub(super) fn author(mut fields: Fields<'_>) -> Option<Author> {
    let name = fields.text("name").map(|name| name.value).unwrap_or_default();
    let email = fields.required_text("email");
    fields.finish();
    let clean = |text: &str| text.chars().filter(|c| !matches!(c, '<' | '>') && !c.is_control()).collect();
    Some(Author { name: clean(&name), email: clean(&email?.value) })
}

/// Texts without their places.
pub(super) fn values(map: BTreeMap<String, Text>) -> BTreeMap<String, String> {
    map.into_iter().map(|(key, text)| (key, text.value)).collect()
}

/// Cleans paths. If one of them is the root, everything is meant.
pub(super) fn paths(report: &Report, paths: &[Text]) -> Option<Paths> {
    let cleaned: Vec<_> = paths.iter().map(|path| path.parsed(report, value::path)).collect();
    let cleaned: Vec<String> = cleaned.into_iter().collect::<Option<_>>()?;
    let places = cleaned.iter().cloned().zip(paths.iter().map(|path| path.place)).collect();
    let cleaned = if cleaned.iter().any(String::is_empty) { Vec::new() } else { cleaned };
    Some(Paths { cleaned, places })
}

/// Parses a message; without a text it is this one.
pub(super) fn message(report: &Report, text: Option<&Text>, default: &str) -> Option<Message> {
    match text {
        Some(text) => template(report, text, None),
        None => fixed(report, default),
    }
}

/// Parses a message that begins with a line of its own.
pub(super) fn message_after(report: &Report, first: &str, text: Option<&Text>) -> Option<Message> {
    match text {
        Some(text) => template(report, text, Some(first)),
        None => fixed(report, first),
    }
}

fn fixed(report: &Report, text: &str) -> Option<Message> {
    Some(Message { template: report.alike.message(text).ok()?, lines: Vec::new() })
}

fn template(report: &Report, text: &Text, first: Option<&str>) -> Option<Message> {
    let parsed = match first {
        Some(first) => report.alike.message(&format!("{first}\n{}", text.value)),
        None => report.alike.message(&text.value),
    };
    let error = match parsed {
        Ok(template) => return Some(Message { template, lines: lines(report, text, usize::from(first.is_some())) }),
        Err(error) => error,
    };
    let line = error.line.saturating_sub(usize::from(first.is_some()));
    let place = within(report, text, line, error.column);
    let finding = Finding::at(place, format!("`{}`: {error}", text.path));
    report.add(match message::advice_on_text(&error) {
        Some(hint) => finding.hint(hint),
        None => finding,
    });
    None
}

/// The places of the first lines of a template, of which `before` lines are not in the text.
fn lines(report: &Report, text: &Text, before: usize) -> Vec<(usize, Place)> {
    let count = text.value.lines().count().min(MAX_LINES);
    let place = |line| (line + before, within(report, text, line, 1));
    std::iter::once((1, within(report, text, 1, 1))).chain((1..=count).map(place)).collect()
}

/// The place of a position in a text, if the source has the text as it is; otherwise that of the whole text.
fn within(report: &Report, text: &Text, line: usize, column: usize) -> Place {
    let found = if text.literal {
        report.line_within(text.place, line)
    } else {
        report.verbatim(text.place, &text.value).filter(|_| line == 1)
    };
    match found {
        Some(place) if column > 1 && place.start + column <= place.end => {
            Place { start: place.start + column - 1, ..place }
        }
        Some(place) => place,
        None => text.place,
    }
}
