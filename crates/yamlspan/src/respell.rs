//! A document in forms that YAML 1.2 allows, for a parser that knows no others.
//!
//! Blanks and quotes are put in where the first parser says that they change nothing; lines stay the lines that they
//! are. The result is read and thrown away, it never becomes a file.

use crate::document::{self, NodeKind, Scalar, Style};

/// How many blanks a line within quotes is moved to the right at most, so that a few long lines do not make a long text.
const MAX_INDENTATION: usize = 256;

/// Spells out `*alias:`, a lone `-` in a flow collection, comments without a blank before them, and lines of quoted
/// scalars that are not indented. `None` if the first parser cannot read the text.
pub(crate) fn respell(text: &str) -> Option<String> {
    let document = document::parse(text).ok()?;
    let mut insertions: Vec<(usize, String)> = Vec::new();
    for node in &document.nodes {
        let span = node.span.clone();
        match &node.kind {
            NodeKind::Alias if text[span.end..].starts_with(':') => insertions.push((span.end, " ".to_owned())),
            NodeKind::Scalar(Scalar { style: Style::Plain, in_flow: true, value, .. }) if value == "-" => {
                insertions.extend([(span.start, "'".to_owned()), (span.end, "'".to_owned())]);
            }
            NodeKind::Scalar(Scalar { style: Style::Single | Style::Double, .. }) => {
                let line = text[..span.start].rfind(is_break).map_or(0, |index| index + 1);
                let indentation = " ".repeat((span.start - line).min(MAX_INDENTATION));
                insertions.extend(later_lines(text, span).map(|start| (start, indentation.clone())));
            }
            _ => {}
        }
    }
    let glued = |start: &usize| text[..*start].ends_with(|c| !is_break(c) && !matches!(c, ' ' | '\t'));
    let comments = document.comments.iter().map(|comment| comment.start);
    insertions.extend(comments.filter(glued).map(|start| (start, " ".to_owned())));
    insertions.sort_by_key(|(offset, _)| *offset);
    Some(insert(text, &insertions))
}

/// Where the second and each further line of a span starts.
fn later_lines(text: &str, span: std::ops::Range<usize>) -> impl Iterator<Item = usize> {
    let bytes = text.as_bytes();
    let ends_line = move |index: &usize| match bytes[*index] {
        b'\n' => true,
        b'\r' => bytes.get(index + 1) != Some(&b'\n'),
        _ => false,
    };
    span.filter(ends_line).map(|index| index + 1)
}

fn insert(text: &str, insertions: &[(usize, String)]) -> String {
    let mut out = String::with_capacity(text.len() + insertions.len());
    let mut from = 0;
    for (offset, what) in insertions {
        out.push_str(&text[from..*offset]);
        out.push_str(what);
        from = *offset;
    }
    out.push_str(&text[from..]);
    out
}

fn is_break(character: char) -> bool {
    matches!(character, '\r' | '\n')
}

#[cfg(test)]
mod tests {
    use yaml_rust2::parser::Parser;

    use super::*;

    /// The second parser refuses the text, and reads what is made of it.
    #[track_caller]
    fn check(text: &str, expect: &str) {
        let reads = |text: &str| {
            let mut parser = Parser::new_from_str(text);
            std::iter::from_fn(|| Some(parser.next_token().map(|token| token.0)))
                .find(|event| !matches!(event, Ok(event) if *event != yaml_rust2::Event::StreamEnd))
                .is_some_and(|last| last.is_ok())
        };
        assert!(!reads(text), "{text:?} needs no respelling");
        let respelled = respell(text).unwrap_or_default();
        assert_eq!(respelled, expect);
        assert!(reads(&respelled), "{respelled:?} cannot be read");
    }

    #[test]
    fn forms_that_the_second_parser_refuses() {
        check("a: &x b\n*x:\n  c: d\n", "a: &x b\n*x :\n  c: d\n");
        check("a: [-, b]\n", "a: ['-', b]\n");
        check("a: [b]# c\n", "a: [b] # c\n");
        check("a:\n  b: \"c\n  d\"\n", "a:\n  b: \"c\n       d\"\n");
        check("a:\n  b: 'c\r\n\r\n  d'\n", "a:\n  b: 'c\r\n     \r\n       d'\n");
    }

    #[test]
    fn what_cannot_be_read_stays_unread() {
        assert_eq!(respell("a: ["), None);
    }
}
