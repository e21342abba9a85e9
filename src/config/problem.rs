//! What is wrong with a configuration, all of it at once, each with the place and what to change.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use annotate_snippets::renderer::{DecorStyle, Renderer};
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Snippet, normalize_untrusted_str};

/// How many problems are written out; the rest is counted.
const MAX_RENDERED: usize = 100;

/// The longest line that is shown, in bytes.
const MAX_LINE: usize = 16 * 1024;

/// Everything that is wrong with a configuration, in the order of files and lines. Never empty.
///
/// `Display` writes what [`Error::render`] writes without colours: a paragraph per problem, each beginning with
/// `error: `. Values of `Secret` documents and passwords in URLs are masked.
#[derive(Debug)]
pub struct Error {
    problems: Vec<Problem>,
    /// The masked text of every file that a problem is in.
    texts: Vec<(String, String)>,
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

/// Whether text is for a terminal with colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// Text alone.
    #[default]
    Plain,
    /// Text with ANSI colours.
    Colored,
}

impl Error {
    pub(super) fn new(problems: Vec<Problem>, texts: Vec<(String, String)>) -> Self {
        Self { problems, texts }
    }

    /// The problems, in the order of files and lines.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Writes out each problem with the line it is about, the place underlined, and what to change. No final newline.
    #[must_use]
    pub fn render(&self, style: Style) -> String {
        let renderer = match style {
            Style::Plain => Renderer::plain(),
            Style::Colored => Renderer::styled(),
        };
        let renderer = renderer.decor_style(DecorStyle::Ascii);
        let mut paragraphs: Vec<String> =
            self.problems.iter().take(MAX_RENDERED).map(|problem| self.paragraph(&renderer, problem)).collect();
        if self.problems.len() > MAX_RENDERED {
            paragraphs.push(format!("error: {} more problems", self.problems.len() - MAX_RENDERED));
        }
        paragraphs.join("\n\n")
    }

    fn paragraph(&self, renderer: &Renderer, problem: &Problem) -> String {
        let message = normalize_untrusted_str(&problem.message);
        let mut group = Group::with_title(Level::ERROR.primary_title(message));
        match self.excerpt(&problem.file, problem.line, &problem.span) {
            Some(excerpt) => {
                let annotation = AnnotationKind::Primary.span(excerpt.span.clone());
                group = group.element(excerpt.snippet(&problem.file).annotation(annotation));
            }
            None if !problem.file.is_empty() => {
                let origin = Origin::path(normalize_untrusted_str(&problem.file));
                group = group.element(match problem.line {
                    0 => origin,
                    line => origin.line(line).char_column(problem.column),
                });
            }
            None => {}
        }
        if let Some(related) = &problem.related
            && let Some(excerpt) = self.excerpt(&related.file, related.line, &related.span)
        {
            let annotation = AnnotationKind::Context.span(excerpt.span.clone()).label(related.label.as_str());
            group = group.element(excerpt.snippet(&related.file).annotation(annotation));
        }
        if let Some(hint) = &problem.hint {
            group = group.element(Level::HELP.message(normalize_untrusted_str(hint)));
        }
        renderer.render(&[group]).trim_end().to_owned()
    }

    /// The line a span begins on; the span is cut at the line's end, so that a long block is not repeated.
    fn excerpt(&self, file: &str, line: usize, span: &Range<usize>) -> Option<Excerpt<'_>> {
        let (_, text) = self.texts.iter().find(|(name, _)| name == file)?;
        if line == 0 || span.start > text.len() {
            return None;
        }
        let start = text[..span.start].rfind('\n').map_or(0, |newline| newline + 1);
        let end = text[span.start..].find('\n').map_or(text.len(), |length| span.start + length);
        if end - start > MAX_LINE {
            return None;
        }
        let stop = span.end.clamp(span.start, end.max(span.start));
        let stop = span.start + text[span.start..stop].trim_end().len();
        Some(Excerpt { text: text[start..end].trim_end_matches('\r'), line, span: span.start - start..stop - start })
    }
}

/// One line with the part to underline.
struct Excerpt<'a> {
    text: &'a str,
    line: usize,
    span: Range<usize>,
}

impl<'a> Excerpt<'a> {
    fn snippet<T: Clone>(&self, file: &str) -> Snippet<'a, T> {
        Snippet::source(Cow::Borrowed(self.text)).line_start(self.line).path(normalize_untrusted_str(file))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Style::Plain))
    }
}

impl std::error::Error for Error {}
