//! Lines and documents of a YAML stream, found without parsing.
//!
//! YAML forbids `---` and `...` at the start of a line inside every scalar (YAML 1.2.2, `c-forbidden`), so a line that
//! starts with one of them, followed by white space or nothing, is always a boundary. That lets a document be read on
//! its own, whatever is wrong with its neighbours.

use std::ops::Range;

use memchr::memchr2_iter;

/// A byte order mark, which may open a stream and every document of it.
pub(crate) const BYTE_ORDER_MARK: char = '\u{FEFF}';

/// Where each line of a text starts: after `\n`, `\r\n` or a lone `\r`.
#[derive(Debug)]
pub struct Lines {
    starts: Vec<usize>,
}

/// A place for people: line and column, both from 1, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

impl Lines {
    /// Finds the lines of a text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut starts = vec![0];
        for index in memchr2_iter(b'\n', b'\r', bytes) {
            let within_crlf = bytes[index] == b'\r' && bytes.get(index + 1) == Some(&b'\n');
            if !within_crlf && index + 1 < bytes.len() {
                starts.push(index + 1);
            }
        }
        Self { starts }
    }

    /// The start of the line that holds the byte at `offset`.
    pub fn start_of(&self, offset: usize) -> usize {
        self.starts[self.index_of(offset)]
    }

    /// The byte offset of a line, which counts from 1; the end of the text where there are fewer lines.
    pub fn offset_of(&self, text: &str, line: usize) -> usize {
        self.starts.get(line.saturating_sub(1)).copied().unwrap_or(text.len())
    }

    /// The start of the line after the one that holds the byte at `offset`.
    pub fn start_after(&self, offset: usize) -> Option<usize> {
        self.starts.get(self.index_of(offset) + 1).copied()
    }

    /// The line and column of a byte offset, which must lie on a character boundary.
    pub fn position(&self, text: &str, offset: usize) -> Position {
        let index = self.index_of(offset);
        let before = &text[self.starts[index]..offset];
        let before = if index == 0 { before.trim_start_matches(BYTE_ORDER_MARK) } else { before };
        Position { line: index + 1, column: before.chars().count() + 1 }
    }

    fn index_of(&self, offset: usize) -> usize {
        self.starts.partition_point(|&start| start <= offset).saturating_sub(1)
    }
}

/// The byte ranges of the documents, in order; together they cover the text.
///
/// Directives, comments and blank lines before a `---` belong to the document they introduce, a `...` to the one it
/// ends. Directives begin a document also where no `...` ends the one before, as libyaml has it.
pub fn documents(text: &str, lines: &Lines) -> Vec<Range<usize>> {
    let mut documents = Vec::new();
    let (mut start, mut has_content) = (0, false);
    let mut directive = None;
    for (index, &line_start) in lines.starts.iter().enumerate() {
        let line_end = lines.starts.get(index + 1).copied().unwrap_or(text.len());
        match classify(&text.as_bytes()[line_start..line_end]) {
            Line::Start => {
                if has_content {
                    let end = directive.unwrap_or(line_start);
                    documents.push(start..end);
                    start = end;
                }
                (has_content, directive) = (true, None);
            }
            Line::End => {
                documents.push(start..line_end);
                (start, has_content, directive) = (line_end, false, None);
            }
            Line::Directive => directive = directive.or(Some(line_start)),
            Line::Prefix => {}
            Line::Content => (has_content, directive) = (true, None),
        }
    }
    if start < text.len() {
        documents.push(start..text.len());
    }
    documents
}

enum Line {
    /// `---`
    Start,
    /// `...`
    End,
    /// `%YAML` or `%TAG`: starts a document if a `---` follows.
    Directive,
    /// Blank, comment or another directive: says nothing about where a document starts.
    Prefix,
    Content,
}

fn classify(line: &[u8]) -> Line {
    let line = line.strip_prefix("\u{FEFF}".as_bytes()).unwrap_or(line);
    match line {
        [b'-', b'-', b'-', rest @ ..] if ends_token(rest) => Line::Start,
        [b'.', b'.', b'.', rest @ ..] if ends_token(rest) => Line::End,
        [b'%', b'Y', b'A', b'M', b'L', rest @ ..] | [b'%', b'T', b'A', b'G', rest @ ..] if ends_token(rest) => {
            Line::Directive
        }
        [b'%', ..] => Line::Prefix,
        _ => match line.iter().find(|byte| !matches!(byte, b' ' | b'\t')) {
            None | Some(b'#' | b'\r' | b'\n') => Line::Prefix,
            Some(_) => Line::Content,
        },
    }
}

fn ends_token(rest: &[u8]) -> bool {
    matches!(rest.first(), None | Some(b' ' | b'\t' | b'\r' | b'\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &[&str]) {
        let lines = Lines::of(text);
        let found: Vec<&str> = documents(text, &lines).into_iter().map(|range| &text[range]).collect();
        assert_eq!(found, expect, "{text:?}");
    }

    #[test]
    fn documents_are_cut_at_their_markers() {
        check("a: b\n", &["a: b\n"]);
        check("---\na: b\n---\nc: d\n", &["---\na: b\n", "---\nc: d\n"]);
        check("# note\n%YAML 1.2\n---\na: b\n", &["# note\n%YAML 1.2\n---\na: b\n"]);
        check("a: b\n...\n%YAML 1.2\n---\nc: d", &["a: b\n...\n", "%YAML 1.2\n---\nc: d"]);
        check(
            "a: b\n# x\n%YAML 1.2\n%TAG ! !x\n# y\n---\nc: d",
            &["a: b\n# x\n", "%YAML 1.2\n%TAG ! !x\n# y\n---\nc: d"],
        );
        check("---\n%YAML 1.2\n---\nc: d", &["---\n", "%YAML 1.2\n---\nc: d"]);
        check("a: b\n%YAML 1.2\nc: d\n---\n", &["a: b\n%YAML 1.2\nc: d\n", "---\n"]);
        check("a: |\n  ---\nb: ----\n--- # x\n", &["a: |\n  ---\nb: ----\n", "--- # x\n"]);
        check(
            "\u{FEFF}---\r\na: b\r\n\u{FEFF}---\r\nc: d\r\n",
            &["\u{FEFF}---\r\na: b\r\n", "\u{FEFF}---\r\nc: d\r\n"],
        );
        check("---\n---\n", &["---\n", "---\n"]);
        check("|\n--- # x\n- a\n", &["|\n", "--- # x\n- a\n"]);
        check("a: b\r---\rc: d", &["a: b\r", "---\rc: d"]);
        check("", &[]);
    }

    #[test]
    fn places_count_characters() {
        let text = "\u{FEFF}a\r\né😀x\ry\n";
        let lines = Lines::of(text);
        let at = |needle: &str| lines.position(text, text.find(needle).unwrap_or_default());
        assert_eq!(at("a"), Position { line: 1, column: 1 });
        assert_eq!(at("x"), Position { line: 2, column: 3 });
        assert_eq!(at("y"), Position { line: 3, column: 1 });
    }
}
