//! A literal block scalar as a text of its own, such as the `values.yaml: |` of a ConfigMap.
//!
//! A literal block scalar is its text, line by line, behind an indentation. With the indentation taken off, the text can be
//! read as a file of its own, and every place in it is a place in the file around it.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::document::Node;
use crate::lines::{Lines, Position};

/// The text of a literal block scalar without its indentation; knows where each byte was.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Dedented {
    /// The text, as a file of its own.
    pub text: String,
    /// For each line, where it starts here and in the file.
    starts: Vec<(usize, usize)>,
    indentation: usize,
    /// Of the first line, in the file.
    line: usize,
}

impl Dedented {
    /// Takes the indentation off; `None` unless what remains is, line by line, the value that the parser read.
    pub fn of(file: &str, lines: &Lines, base: usize, node: &Node<'_>, value: &str) -> Option<Self> {
        let Range { start, end } = base + node.span.start..base + node.span.end;
        let mut at = lines.start_of(start);
        let indentation = start - at;
        let mut text = String::with_capacity(end - at);
        let mut starts = Vec::new();
        for line in file[at..end].split_inclusive(['\n', '\r']) {
            let blanks = line.len() - line.trim_start_matches(' ').len();
            let indented = blanks >= indentation || line[blanks..].trim_matches(['\n', '\r']).is_empty();
            let kept = indented.then(|| &line[blanks.min(indentation)..])?;
            starts.push((text.len(), at + line.len() - kept.len()));
            text.push_str(kept);
            at += line.len();
        }
        let source = Self { line: lines.position(file, start).line, text, starts, indentation };
        let is_exact = normal(&source.text).trim_matches('\n') == value.trim_matches('\n');
        is_exact.then_some(source)
    }

    /// The bytes of the file for some of the text.
    pub fn outward(&self, span: &Range<usize>) -> Range<usize> {
        // The end belongs to the line of the last byte, not to the next one.
        let start = self.offset(span.start);
        start..if span.is_empty() { start } else { self.offset(span.end - 1) + 1 }
    }

    fn offset(&self, at: usize) -> usize {
        let line = self.starts.partition_point(|(inner, _)| *inner <= at).saturating_sub(1);
        self.starts.get(line).map_or(0, |(inner, outer)| outer + (at - inner))
    }

    /// The position in the file of a position in the text.
    #[must_use]
    pub fn position(&self, position: Position) -> Position {
        Position { line: self.line + position.line - 1, column: self.indentation + position.column }
    }

    /// The decoded value of the block scalar when the text is another, given what it was.
    pub fn value_of(new: &str, old: &str) -> String {
        let tail = old.len() - old.trim_end_matches('\n').len();
        let head = old.len() - old.trim_start_matches('\n').len();
        let new = normal(new);
        format!("{}{}{}", &old[..head], new.trim_matches('\n'), &old[old.len() - tail..])
    }
}

/// With line feeds alone, as YAML reads line breaks.
fn normal(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}
