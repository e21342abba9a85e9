//! The second opinion on an edit: nothing but the marked scalars may have changed.
//!
//! Every edited document is parsed by yaml-rust2, which shares no code with the parser that found the spans, before and
//! after. The two streams of events may differ in the marked scalars alone, and these must read exactly the old and the
//! new value.

use std::str::Chars;

use thiserror::Error;
use yaml_rust2::Event;
use yaml_rust2::parser::Parser;

use crate::marker::stream::BYTE_ORDER_MARK;

/// What must have become of one scalar.
#[derive(Debug)]
pub(crate) struct Expected<'e> {
    /// The number of the scalar in the document.
    pub(crate) ordinal: usize,
    pub(crate) old: &'e str,
    pub(crate) new: &'e str,
    /// Whether its explicit tag goes.
    pub(crate) untagged: bool,
}

/// Why an edit is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum Refusal {
    #[error("the second parser cannot read the document before the edit: {0}")]
    Before(String),
    #[error("the second parser cannot read the document after the edit: {0}")]
    After(String),
    #[error("the parsers disagree: the marked value {expected:?} reads {found:?} in the second")]
    Disagreement { expected: String, found: String },
    #[error("the edit would change something else than the marked values, near line {0} of the document")]
    SideEffect(usize),
    #[error("the new value {expected:?} would read {found:?}")]
    Value { expected: String, found: String },
    #[error("a marked value was not found again after the edit")]
    Lost,
}

/// Compares a document before and after; `expected` is in the order of the text.
pub(crate) fn verify(old: &str, new: &str, expected: &[Expected<'_>]) -> Result<(), Refusal> {
    match compare(old, new, expected, |c| c) {
        // A tab after a colon is white space in YAML, but not to this parser.
        Err(Refusal::Before(_)) if old.contains('\t') => {
            compare(old, new, expected, |c| if c == '\t' { ' ' } else { c })
        }
        result => result,
    }
}

fn compare(old: &str, new: &str, expected: &[Expected<'_>], map: fn(char) -> char) -> Result<(), Refusal> {
    let (mut before, mut after) = (parser(old, map), parser(new, map));
    let mut expected = expected.iter().peekable();
    let mut scalars = 0;
    loop {
        let (old, _) = before.next_token().map_err(|error| Refusal::Before(error.to_string()))?;
        let (new, mark) = after.next_token().map_err(|error| Refusal::After(error.to_string()))?;
        let marked = match &old {
            Event::Scalar(..) => expected.next_if(|expected| expected.ordinal == scalars),
            _ => None,
        };
        scalars += usize::from(matches!(old, Event::Scalar(..)));
        match marked {
            Some(marked) => check_scalar(&old, &new, marked, mark.line())?,
            None if old != new => return Err(Refusal::SideEffect(mark.line())),
            None if old == Event::StreamEnd => break,
            None => {}
        }
    }
    if expected.next().is_some() { Err(Refusal::Lost) } else { Ok(()) }
}

fn parser(text: &str, map: fn(char) -> char) -> Parser<std::iter::Map<Chars<'_>, fn(char) -> char>> {
    Parser::new(text.trim_start_matches(BYTE_ORDER_MARK).chars().map(map))
}

fn check_scalar(old: &Event, new: &Event, marked: &Expected<'_>, line: usize) -> Result<(), Refusal> {
    let (Event::Scalar(old, _, old_anchor, old_tag), Event::Scalar(new, _, new_anchor, new_tag)) = (old, new) else {
        return Err(Refusal::SideEffect(line));
    };
    if old != marked.old {
        return Err(Refusal::Disagreement { expected: marked.old.to_owned(), found: old.clone() });
    }
    if new != marked.new {
        return Err(Refusal::Value { expected: marked.new.to_owned(), found: new.clone() });
    }
    let tag_ok = if marked.untagged { new_tag.is_none() } else { new_tag == old_tag };
    if tag_ok && old_anchor == new_anchor { Ok(()) } else { Err(Refusal::SideEffect(line)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(old: &str, new: &str, expect: Result<(), Refusal>) {
        let expected = [Expected { ordinal: 1, old: "1", new: "2", untagged: false }];
        assert_eq!(verify(old, new, &expected), expect);
    }

    #[test]
    fn only_the_marked_scalar_may_differ() {
        check("a: 1\nb: c\n", "a: '2'\nb: c\n", Ok(()));
        check("a:\t1\n", "a:\t2\n", Ok(()));
        check("\u{FEFF}---\na: 1\n", "\u{FEFF}---\na: 2\n", Ok(()));
        check("a: 1\nb: c\n", "a: 2\nb: d\n", Err(Refusal::SideEffect(2)));
        check("a: 1\n", "a: 2\nb: c\n", Err(Refusal::SideEffect(2)));
        check("a: &x 1\n", "a: 2\n", Err(Refusal::SideEffect(1)));
        check("a: 1\n", "a: [2]\n", Err(Refusal::SideEffect(1)));
    }

    #[test]
    fn the_marked_scalar_must_read_as_asked() {
        check("a: 1\n", "a: 3\n", Err(Refusal::Value { expected: "2".into(), found: "3".into() }));
        check("a: 3\n", "a: 2\n", Err(Refusal::Disagreement { expected: "1".into(), found: "3".into() }));
        check("a\n", "a\n", Err(Refusal::Lost));
        assert!(matches!(verify("a: 1", "a: [", &[]), Err(Refusal::SideEffect(_) | Refusal::After(_))));
        assert!(matches!(verify("a: [", "a: [", &[]), Err(Refusal::Before(_))));
    }
}
