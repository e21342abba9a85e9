//! A place in a file as a reader sees it: with its line, and the part to underline.

use std::ops::Range;

use memchr::{memchr2, memrchr2};

/// The longest line that an excerpt repeats, in bytes.
pub(crate) const MAX_LINE: usize = 16 * 1024;

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Location {
    /// The file; empty when it is about no file.
    pub file: String,
    /// The line, from 1; 0 when it is about the whole file.
    pub line: usize,
    /// The column in characters, from 1; 0 when it is about the whole file.
    pub column: usize,
    /// The line itself, where it can be shown.
    pub excerpt: Option<Excerpt>,
}

/// One line of a text with the part that matters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Excerpt {
    /// The line without its break.
    pub text: String,
    /// The bytes of the line that matter.
    pub start: usize,
    /// The byte after the last one that matters.
    pub end: usize,
}

impl Location {
    /// A file as a whole, without line and excerpt.
    #[must_use]
    pub fn file(file: impl Into<String>) -> Self {
        Self { file: file.into(), ..Self::default() }
    }

    /// The column after the part that matters, from 1; the column itself when that part is not known.
    #[must_use]
    pub fn end_column(&self) -> usize {
        let length = self.excerpt.as_ref().map_or(0, |excerpt| excerpt.marked().chars().count());
        self.column + length
    }
}

impl Excerpt {
    /// The line that a span of a text begins on; the part that matters ends with the line. None when the line is longer
    /// than `MAX_LINE` or the span is not one of the text.
    ///
    /// ```
    /// use tagwright_core::change::Excerpt;
    /// let excerpt = Excerpt::of("a: 1\nb: 2 # two\n", 8..9).expect("a short line");
    /// assert_eq!((excerpt.text.as_str(), excerpt.marked()), ("b: 2 # two", "2"));
    /// ```
    #[must_use]
    pub fn of(text: &str, span: Range<usize>) -> Option<Self> {
        let bytes = text.as_bytes();
        let window = span.start.saturating_sub(MAX_LINE);
        let before = bytes.get(window..span.start)?;
        let start = match memrchr2(b'\n', b'\r', before) {
            Some(at) => window + at + 1,
            None if window == 0 => 0,
            None => return None,
        };
        let after = &bytes[span.start..bytes.len().min(start + MAX_LINE + 1)];
        let end = match memchr2(b'\n', b'\r', after) {
            Some(at) => span.start + at,
            None if span.start + after.len() == bytes.len() => bytes.len(),
            None => return None,
        };
        let stop = span.end.clamp(span.start, end);
        let stop = span.start + text.get(span.start..stop)?.trim_end().len();
        let line = &text[start..end];
        // A byte order mark is no part of the line.
        let shown = line.trim_start_matches('\u{feff}');
        let shift = start + line.len() - shown.len();
        let place = |offset: usize| offset.max(shift) - shift;
        Some(Self { text: shown.to_owned(), start: place(span.start), end: place(stop) })
    }

    /// The part that matters.
    #[must_use]
    pub fn marked(&self) -> &str {
        &self.text[self.start..self.end]
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn excerpts_end_with_their_line() {
        let check = |text: &str, span: Range<usize>, expect: Option<(&str, &str)>| {
            let excerpt = Excerpt::of(text, span.clone());
            let found = excerpt.as_ref().map(|it| (it.text.as_str(), it.marked()));
            assert_eq!(found, expect, "{text:?} {span:?}");
        };
        check("a: b\r\nc: d\r\n", 3..9, Some(("a: b", "b")));
        check("a: b\r\nc: d\r\n", 9..10, Some(("c: d", "d")));
        check("\u{feff}a: b", 6..7, Some(("a: b", "b")));
        check("", 0..0, Some(("", "")));
        check("a", 1..1, Some(("a", "")));
        check("é: b", 1..2, None);
        check("a", 2..3, None);
        let long = format!("{}\nx: y", "z".repeat(MAX_LINE + 1));
        for text in ["\u{feff}a: b\r\né: 😀 \n\n", "\r\r\n", " "] {
            for start in 0..=text.len() + 1 {
                for end in 0..=text.len() + 1 {
                    let _ = Excerpt::of(text, start..end).map(|excerpt| excerpt.marked().len());
                }
            }
        }
        check(&long, 5..6, None);
        check(&long, MAX_LINE + 1..MAX_LINE + 1, None);
        check(&long, MAX_LINE + 5..MAX_LINE + 6, Some(("x: y", "y")));
    }
}
