//! A marked file with its text: where its markers are, and what is wrong with them by themselves.

use std::ops::Range;

use yamlspan::lines::Lines;

use super::Finding;
use crate::change::{Code, Diagnostic, Excerpt, Location, MAX_LINE};
use crate::marker::grammar::{self, Reading};
use crate::marker::{Marker, TOKEN};
use crate::plan::MarkedFile;
use crate::spelling;

/// The words that may stand behind a policy in a marker.
const FIELDS: [&str; 3] = ["tag", "name", "digest"];

/// A file and its text.
pub(super) struct MarkedText<'f> {
    pub(super) file: &'f MarkedFile,
    pub(super) text: &'f str,
}

impl MarkedText<'_> {
    /// A place of this file whose line and column are known.
    pub(super) fn location(&self, line: usize, column: usize, span: Range<usize>) -> Location {
        Location { file: self.file.path.clone(), line, column, excerpt: Excerpt::of(self.text, span) }
    }

    /// The place of a marked value, underlined as a whole.
    pub(super) fn value(&self, marker: &Marker) -> Location {
        self.location(marker.line, marker.column, marker.span.clone())
    }

    /// The policy that a marker names, as it is written behind the value; the value itself where it is elsewhere.
    pub(super) fn policy(&self, marker: &Marker) -> Location {
        let end = self.text.floor_char_boundary(marker.span.end.saturating_add(MAX_LINE));
        let tail = self.text[marker.span.end..end].split(['\n', '\r']).next().unwrap_or_default();
        let Some(at) = tail.find(marker.policy()).filter(|_| !self.text[marker.span.clone()].contains('\n')) else {
            return self.value(marker);
        };
        let start = marker.span.end + at;
        let column = marker.column + self.text[marker.span.start..start].chars().count();
        self.location(marker.line, column, start..start + marker.policy().len())
    }

    /// The findings of the scan, with their places underlined.
    pub(super) fn scanned(&self) -> Vec<Finding> {
        if self.file.scan.diagnostics.is_empty() {
            return Vec::new();
        }
        let lines = Lines::of(self.text);
        self.file.scan.diagnostics.iter().map(|diagnostic| self.finding(diagnostic, &lines)).collect()
    }

    fn finding(&self, diagnostic: &Diagnostic, lines: &Lines) -> Finding {
        let Diagnostic { line, column, code, message, .. } = diagnostic;
        if *line == 0 {
            return about_file(self.file, diagnostic);
        }
        let start = lines.offset_of(self.text, *line);
        let rest = self.text[start..].trim_start_matches('\u{feff}');
        let start = self.text.len() - rest.len();
        let offset = rest.char_indices().nth(column.saturating_sub(1)).map_or(rest.len(), |(at, _)| at);
        let tail = rest[offset..].split(['\n', '\r']).next().unwrap_or_default().trim_end();
        let span = start + offset..start + offset + tail.len();
        let finding = Finding::new(*code, self.location(*line, *column, span), message.clone());
        match self.advice(*code, tail) {
            Some(hint) => finding.hint(hint),
            None => finding,
        }
    }

    fn advice(&self, code: Code, comment: &str) -> Option<String> {
        match code {
            Code::UnknownField => known_field(comment),
            Code::UnparsableDocument if self.text.contains("{{") => {
                Some("quote template expressions, or mark the values that they take in their own file".to_owned())
            }
            Code::MalformedMarker => match grammar::meant(comment) {
                Some(setter) => Some(format!("write `# {{{TOKEN}: \"{setter}\"}}` behind the value")),
                None => general(code).map(str::to_owned),
            },
            other => general(other).map(str::to_owned),
        }
    }
}

/// Returns the marker to write in place of one with a field that does not exist.
fn known_field(comment: &str) -> Option<String> {
    let Reading::UnknownField(setter) = grammar::read(comment) else { return None };
    let (policy, wrong) = setter.rsplit_once(':')?;
    Some(match spelling::nearest(wrong, &FIELDS) {
        Some(field) => format!("write `{policy}:{field}`"),
        None => format!("write `{policy}` for `name:tag`, or `{policy}:tag`, `{policy}:name` or `{policy}:digest`"),
    })
}

/// The advice that fits all findings of a kind.
fn general(code: Code) -> Option<&'static str> {
    Some(match code {
        Code::MalformedMarker => {
            "a marker is one JSON object and nothing else: `# {\"$imagepolicy\": \"NAMESPACE:POLICY\"}`"
        }
        Code::MisplacedMarker => {
            "a marker stands behind its value, on the same line: `image: app:1.0 # {\"$imagepolicy\": \"default:app\"}`"
        }
        Code::UnparsableDocument => "markers of this document are not followed until it can be parsed",
        Code::NotText => "save the file as UTF-8",
        Code::FileTooLarge => "split the file",
        _ => return None,
    })
}

/// The findings of a file that is no text.
pub(super) fn unreadable(file: &MarkedFile) -> Vec<Finding> {
    file.scan.diagnostics.iter().map(|diagnostic| about_file(file, diagnostic)).collect()
}

fn about_file(file: &MarkedFile, diagnostic: &Diagnostic) -> Finding {
    let finding = Finding::new(diagnostic.code, Location::file(&file.path), diagnostic.message.clone());
    match general(diagnostic.code) {
        Some(hint) => finding.hint(hint),
        None => finding,
    }
}
