//! A text with its place, so that what is wrong with it can be shown.

use std::fmt::Display;

use super::report::{Finding, Report, quoted};
use super::value;
use super::yaml::Place;

/// A text with its place.
#[derive(Debug, Clone)]
pub(super) struct Text {
    pub(super) value: String,
    pub(super) place: Place,
    /// How messages name the field: `spec.git.branch`.
    pub(super) path: String,
    /// Whether the source has the text line by line, as after `|`.
    pub(super) literal: bool,
}

impl Text {
    /// Whether there is nothing in it; Kubernetes objects often carry empty texts for absent ones.
    pub(super) fn is_empty(&self) -> bool {
        self.value.is_empty()
    }

    /// Parses the text; an error is reported at its place.
    pub(super) fn parsed<T, E: Display>(&self, report: &Report, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        parse(&self.value).map_err(|error| self.error(report, &error, None)).ok()
    }

    /// As [`Text::parsed`], with something to say about what to write instead.
    pub(super) fn parsed_or<T, E: Display>(
        &self,
        report: &Report,
        hint: impl FnOnce() -> String,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        parse(&self.value).map_err(|error| self.error(report, &error, Some(hint()))).ok()
    }

    fn error(&self, report: &Report, error: &dyn Display, hint: Option<String>) {
        let finding = Finding::at(self.place, format!("`{}`: {error}", self.path));
        report.add(match hint {
            Some(hint) => finding.hint(hint),
            None => finding,
        });
    }

    /// The text, if it can be the name of an object.
    pub(super) fn object_name(self, report: &Report) -> Option<Self> {
        if value::is_object_name(&self.value) {
            return Some(self);
        }
        let message = format!("`{}` is not a name that Kubernetes allows: {}", self.path, quoted(&self.value));
        let hint = "use lower-case letters, digits, `-` and `.`, with a letter or digit first and last";
        report.add(Finding::at(self.place, message).hint(hint));
        None
    }
}
