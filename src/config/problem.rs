//! What is wrong with a configuration, all of it at once, each with the place and what to change.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use tagwright_core::change::{Excerpt, Location, Severity};

use crate::failure::{Failure, Kind};
use crate::snippet::Paragraph;

pub use crate::snippet::Style;

/// How many problems are written out; the rest is counted.
const MAX_RENDERED: usize = 100;

/// Everything that is wrong with a configuration, in the order of files and lines. Never empty.
///
/// `Display` writes what [`Error::render`] writes without colours: a paragraph per problem, each beginning with
/// `error: `. Values of `Secret` documents and passwords in URLs are masked.
#[derive(Debug)]
pub struct Error {
    problems: Vec<Problem>,
    /// The masked text of every file that a problem is in.
    texts: Vec<(String, String)>,
    /// Files that the configuration names, which belong to it.
    pub(crate) beside: Vec<PathBuf>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, as it was named or found; empty when the problem is about no file.
    pub file: String,
    /// The line, from 1; 0 when it is about the whole file.
    pub line: usize,
    /// The column in characters, from 1; 0 when it is about the whole file.
    pub column: usize,
    /// The bytes of the file that it is about.
    pub span: Range<usize>,
    /// What is wrong: one sentence, lower case, no final period.
    pub message: String,
    /// What to change.
    pub hint: Option<String>,
    /// A second place that belongs to it, such as the first of two objects with one name.
    pub related: Option<Related>,
}

/// A second place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Related {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The bytes of the file.
    pub span: Range<usize>,
    /// What is there.
    pub label: String,
}

impl Error {
    pub(super) fn new(problems: Vec<Problem>, texts: Vec<(String, String)>) -> Self {
        Self { problems, texts, beside: Vec::new() }
    }

    /// The same, with files that the configuration names.
    pub(super) fn with(self, beside: Vec<PathBuf>) -> Self {
        Self { beside, ..self }
    }

    /// The problems, in the order of files and lines.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Writes out each problem with the line it is about, the place underlined, and what to change. No final newline.
    #[must_use]
    pub fn render(&self, style: Style) -> String {
        let mut paragraphs: Vec<String> =
            self.problems.iter().take(MAX_RENDERED).map(|problem| self.paragraph(problem, style)).collect();
        if self.problems.len() > MAX_RENDERED {
            paragraphs.push(format!("error: {} more problems", self.problems.len() - MAX_RENDERED));
        }
        paragraphs.join("\n\n")
    }

    fn paragraph(&self, problem: &Problem, style: Style) -> String {
        let Problem { file, line, column, span, message, hint, related } = problem;
        let location = self.location(file, *line, *column, span);
        let second = related.as_ref().map(|it| (self.location(&it.file, it.line, it.column, &it.span), &it.label));
        let paragraph = Paragraph {
            severity: Severity::Error,
            code: None,
            message,
            location: &location,
            related: second.as_ref().map(|(location, label)| (location, label.as_str())),
            hint: hint.as_deref(),
        };
        paragraph.render(style)
    }

    fn location(&self, file: &str, line: usize, column: usize, span: &Range<usize>) -> Location {
        let text = self.texts.iter().find(|(name, _)| name == file && line > 0);
        let excerpt = text.and_then(|(_, text)| Excerpt::of(text, span.clone()));
        Location { file: file.to_owned(), line, column, excerpt }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Style::Plain))
    }
}

impl std::error::Error for Error {}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::report(Kind::Config, error.render(Style::Plain), error.render(Style::Colored))
    }
}
