//! The same as JSON.

use tagwright_core::explain::{Cause, Fate, Funnel};
use tagwright_core::guard::Hold;

use super::{AutomationFields, Story, sentence};
use crate::wire::edit::Diagnostic;
use crate::wire::explain as wire;
use crate::wire::explain::{Candidate, Document, Field, Group, One, Tag};

impl Document {
    /// Everything that the text says.
    #[must_use]
    pub(crate) fn of(story: &Story<'_>) -> Self {
        let group = |group: &tagwright_core::explain::Dropped<'_>| Group {
            cause: word(&group.cause),
            pattern: match &group.cause {
                Cause::Excluded(_, pattern) | Cause::Denied(_, pattern) => pattern.clone(),
                _ => String::new(),
            },
            count: group.count,
            tags: group
                .tags
                .iter()
                .map(|it| Tag {
                    tag: it.tag.to_owned(),
                    reason: super::why(&group.cause, it.reason.as_ref(), it.from, it.refusal.as_ref()),
                })
                .collect(),
        };
        let candidate =
            |it: &tagwright_core::policy::Candidate<'_>| Candidate { tag: it.tag.to_owned(), value: it.value.clone() };
        Self {
            namespace: story.policy.id.namespace.clone(),
            name: story.policy.id.name.clone(),
            source: story.source.to_owned(),
            selected: story.selected().unwrap_or_default().to_owned(),
            digest: story.selected().and(story.digest.as_ref()).map(ToString::to_string).unwrap_or_default(),
            remarks: story.remarks.clone(),
            held: story.held.clone().unwrap_or_default(),
            listed: story.funnel.listed,
            dropped: story.funnel.dropped.iter().map(group).collect(),
            candidates: story.funnel.candidates.iter().map(candidate).collect(),
            places: story.places.iter().map(wire::AutomationFields::of).collect(),
        }
    }
}

impl wire::AutomationFields {
    fn of(place: &AutomationFields) -> Self {
        let field = |it: &tagwright_core::explain::Field| Field {
            file: it.file.clone(),
            line: it.line,
            column: it.column,
            marker: it.setter.clone(),
            old: it.old.clone(),
            new: it.new.clone().unwrap_or_default(),
            why: it.why.clone().unwrap_or_default(),
            hold: it.hold.as_ref().map_or("", Hold::code),
            details: it.details.clone(),
        };
        Self {
            automation: place.automation.clone(),
            fields: place.fields.fields.iter().map(field).collect(),
            diagnostics: place.fields.diagnostics.iter().map(Diagnostic::from).collect(),
            error: place.error.clone().unwrap_or_default(),
        }
    }
}

impl One {
    /// The same fate of a tag as [`sentence`] tells, with its cause as a word for programs.
    #[must_use]
    pub(crate) fn of(story: &Story<'_>, tag: &str, with: Option<&Funnel<'_>>) -> Self {
        let cause = match (story.funnel.fate(tag), with) {
            (Fate::Absent, Some(_)) => "not-listed",
            (Fate::Absent, None) => word(&Cause::NotAllowed),
            (Fate::Dropped { cause, .. }, _) => word(cause),
            (Fate::Candidate { .. }, _) if story.held.is_some() => "held",
            (Fate::Candidate { place: 1 }, _) => "",
            (Fate::Candidate { .. }, _) => "outranked",
        };
        let sentence = sentence(story, tag, with).trim_end().to_owned();
        Self { tag: tag.to_owned(), selected: story.selected() == Some(tag), cause, sentence }
    }
}

/// A cause as a word for programs.
fn word(cause: &Cause) -> &'static str {
    match cause {
        Cause::NotAllowed => "not-allowed",
        Cause::Excluded(..) => "excluded",
        Cause::Denied(..) => "denied",
        Cause::TooYoung => "too-young",
        Cause::NoImage => "no-image",
        Cause::NotMatched => "not-matched",
        Cause::NotAVersion => "not-a-version",
        Cause::TooFewDots => "too-few-dots",
        Cause::OutOfRange => "out-of-range",
        Cause::Prerelease => "pre-release",
        Cause::NotInFormat => "not-in-format",
        Cause::NotANumber => "not-a-number",
        Cause::NumberTooLarge => "number-too-large",
        Cause::Collides => "collision",
        Cause::PassedOver(code) => code,
    }
}
