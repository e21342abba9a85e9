//! Writes one thing that was found as a paragraph for people: what, where, the line underlined, and what to change.
//!
//! What has a place in a file looks as rustc's messages do, down to `= help:` at the end: editors and people know that form. What has
//! none is one line, with `hint:` below it.

mod paint;

use annotate_snippets::renderer::{DecorStyle, Renderer};
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Snippet};
use tagwright_core::change::{Excerpt, Location, Severity};

pub(crate) use self::paint::{Color, levels, paint};

/// Whether text is for a terminal with colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// Text without colours, for files, pipes and logs.
    #[default]
    Plain,
    /// Text with ANSI colours.
    Colored,
}

/// One finding or problem, with everything that is to be shown of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paragraph<'a> {
    /// Its severity, which is its first word.
    pub(crate) severity: Severity,
    /// Its code, such as `TW001`, where there is one.
    pub(crate) code: Option<&'a str>,
    /// The message: one sentence, lower case, no final period.
    pub(crate) message: &'a str,
    /// Where it is.
    pub(crate) location: &'a Location,
    /// A second place that belongs to it, and what is there.
    pub(crate) related: Option<(&'a Location, &'a str)>,
    /// The change that would mend it.
    pub(crate) hint: Option<&'a str>,
}

impl Paragraph<'_> {
    /// Writes the paragraph, without a final newline. Control characters are made visible.
    #[must_use]
    pub(crate) fn render(&self, style: Style) -> String {
        let renderer = match style {
            Style::Plain => Renderer::plain(),
            Style::Colored => Renderer::styled(),
        };
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
            Severity::Note => Level::NOTE,
        };
        let mut title = level.primary_title(words::escape(self.message));
        if let Some(code) = self.code {
            title = title.id(code);
        }
        let mut group = Group::with_title(title);
        let Location { file, line, column, excerpt } = self.location;
        match excerpt {
            Some(excerpt) if *line > 0 => {
                let annotation = AnnotationKind::Primary.span(excerpt.start..excerpt.end);
                group = group.element(snippet(excerpt, file, *line).annotation(annotation));
            }
            _ if !file.is_empty() => {
                let origin = Origin::path(words::escape(file));
                group = group.element(match line {
                    0 => origin,
                    line => origin.line(*line).char_column(*column),
                });
            }
            _ => {}
        }
        if let Some((Location { file, line, excerpt: Some(excerpt), .. }, label)) = self.related {
            let annotation = AnnotationKind::Context.span(excerpt.start..excerpt.end).label(words::escape(label));
            group = group.element(snippet(excerpt, file, *line).annotation(annotation));
        }
        if let Some(hint) = self.hint {
            group = group.element(Level::HELP.message(words::escape(hint)));
        }
        renderer.decor_style(DecorStyle::Ascii).render(&[group]).trim_end().to_owned()
    }
}

fn snippet<T: Clone>(excerpt: &Excerpt, file: &str, line: usize) -> Snippet<'static, T> {
    Snippet::source(words::in_place(&excerpt.text)).line_start(line).path(words::escape(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_is_underlined_and_says_what_to_change() {
        let text = "range: 6.y\n";
        let location = Location { file: "a.yaml".into(), line: 1, column: 8, excerpt: Excerpt::of(text, 7..10) };
        let paragraph = Paragraph {
            severity: Severity::Error,
            code: None,
            message: "not a range",
            location: &location,
            related: None,
            hint: Some("write `6.x`"),
        };
        let written = [
            "error: not a range",
            " --> a.yaml:1:8",
            "  |",
            "1 | range: 6.y",
            "  |        ^^^",
            "  |",
            "  = help: write `6.x`",
        ];
        assert_eq!(paragraph.render(Style::Plain), written.join("\n"));
    }
}
