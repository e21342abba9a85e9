//! The second opinion on an edit: nothing but the marked scalars may have changed.
//!
//! Every edited document is parsed by yaml-rust2, which shares no code with the parser that found the spans. What it
//! reads must be, but for the marked scalars, what the first parser read before the edit, and each marked scalar must
//! read exactly as asked. Where the two parsers see a document differently in the first place, the second reads it
//! before and after, and the two streams of events may differ in the marked scalars alone. Forms that it refuses and
//! other parsers read are spelled out for it (`respell`). It is stricter about indentation within flow
//! collections; a document that it cannot read even before the edit is read again by the first parser, which must find
//! the same and the new values.

use thiserror::Error;
use yaml_rust2::Event;
use yaml_rust2::parser::{Parser, Tag};
use yaml_rust2::scanner::{ScanError, TScalarStyle};

use crate::document::{self, NodeKind, Style};
use crate::fingerprint::{Fingerprint, Properties};
use crate::lines::BYTE_ORDER_MARK;
use crate::respell::respell;

/// One marked scalar, before and after the edit.
#[derive(Debug)]
pub struct Expected<'e> {
    /// The number of the scalar in the document.
    pub ordinal: usize,
    /// Its value before the edit.
    pub old: &'e str,
    /// Its value after the edit, the same if it stays.
    pub new: &'e str,
    /// The fate of its explicit tag.
    pub tag: TagFate,
}

/// The fate of the explicit tag of a marked scalar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagFate {
    /// There is none.
    Absent,
    /// It stays.
    Kept,
    /// The new value does not satisfy it.
    Removed,
}

/// Why an edit is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The second parser fails on the old text.
    #[error("the second parser cannot read the document before the edit: {0}")]
    Before(String),
    /// The second parser fails on the new text.
    #[error("the second parser cannot read the document after the edit: {0}")]
    After(String),
    /// The parsers read another old value.
    #[error("the parsers disagree: the marked value {expected:?} reads {found:?} in the second")]
    Disagreement {
        /// The value that the first parser read.
        expected: String,
        /// The value that the second parser read.
        found: String,
    },
    /// Something beside the marked scalars reads otherwise; near this line of the document, from 1.
    #[error("the edit would change something else than the marked values, near line {0} of the document")]
    SideEffect(usize),
    /// A marked scalar reads otherwise than asked.
    #[error("the new value {expected:?} would read {found:?}")]
    Value {
        /// The value that was asked for.
        expected: String,
        /// The value that the second parser read.
        found: String,
    },
    /// A marked scalar is not there any more.
    #[error("a marked value was not found again after the edit")]
    Lost,
    /// The spans are of another text.
    #[error("the markers were found in another text")]
    OtherText,
}

/// Checks a document before and after an edit.
///
/// `fingerprint` is that of the old text; `expected` has all marked scalars in the order of the text, also those that
/// keep their value.
pub fn verify(old: &str, new: &str, fingerprint: u64, expected: &[Expected<'_>]) -> Result<(), Refusal> {
    if reads_as(new, fingerprint, expected) == Ok(true) {
        return Ok(());
    }
    let spaces = |c| if c == '\t' { ' ' } else { c };
    let result = match compare(old, new, expected, |c| c) {
        // A tab after a colon is white space in YAML, but not to this parser.
        Err(Refusal::Before(_)) if old.contains('\t') => compare(old, new, expected, spaces),
        result => result,
    };
    let result = match result {
        Err(Refusal::Before(_)) => match (respell(old), respell(new)) {
            (Some(old), Some(new)) => compare(&old, &new, expected, spaces),
            _ => result,
        },
        result => result,
    };
    match result {
        Err(Refusal::Before(_)) if first_reads_as(new, fingerprint, expected) => Ok(()),
        result => result,
    }
}

/// As [`reads_as`], by the first parser.
fn first_reads_as(new: &str, fingerprint: u64, expected: &[Expected<'_>]) -> bool {
    let Ok(document) = document::parse(new) else { return false };
    let marked: Vec<usize> = expected.iter().map(|expected| expected.ordinal).collect();
    let mut wanted = expected.iter().peekable();
    let mut scalars = document.nodes.iter().filter_map(|node| match &node.kind {
        NodeKind::Scalar(scalar) => Some(scalar),
        _ => None,
    });
    let as_asked = scalars.all(|scalar| {
        wanted.next_if(|wanted| wanted.ordinal == scalar.ordinal).is_none_or(|wanted| wanted.new == scalar.value)
    });
    as_asked && wanted.next().is_none() && document.fingerprint(&marked) == fingerprint
}

/// Whether a text has the fingerprint, and the marked scalars their new values.
fn reads_as(new: &str, fingerprint: u64, expected: &[Expected<'_>]) -> Result<bool, ScanError> {
    let mut parser = parser(new, |c| c);
    let mut expected = expected.iter().peekable();
    let mut found = Fingerprint::default();
    let mut scalars = 0;
    loop {
        match parser.next_token()?.0 {
            Event::StreamEnd => return Ok(found.finish() == fingerprint && expected.next().is_none()),
            Event::Alias(anchor) => found.alias(anchor),
            Event::SequenceStart(anchor, tag) => found.open(false, &properties(anchor, tag.as_ref())),
            Event::MappingStart(anchor, tag) => found.open(true, &properties(anchor, tag.as_ref())),
            Event::SequenceEnd | Event::MappingEnd => found.close(),
            Event::Scalar(value, style, anchor, tag) => {
                match expected.next_if(|expected| expected.ordinal == scalars) {
                    Some(marked) if value != marked.new => return Ok(false),
                    // Tags of marked scalars are rare enough for the long way.
                    Some(marked) if tag.is_some() || marked.tag != TagFate::Absent => return Ok(false),
                    Some(_) => found.marked(anchor),
                    None => found.scalar(&value, style_of(style), &properties(anchor, tag.as_ref())),
                }
                scalars += 1;
            }
            Event::Nothing | Event::StreamStart | Event::DocumentStart | Event::DocumentEnd => {}
        }
    }
}

fn properties(anchor: usize, tag: Option<&Tag>) -> Properties<'_> {
    Properties { tag: tag.map(|tag| (tag.handle.as_str(), tag.suffix.as_str())), anchor }
}

fn style_of(style: TScalarStyle) -> Style {
    match style {
        TScalarStyle::Plain => Style::Plain,
        TScalarStyle::SingleQuoted => Style::Single,
        TScalarStyle::DoubleQuoted => Style::Double,
        TScalarStyle::Literal | TScalarStyle::Folded => Style::Block,
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

fn parser(text: &str, map: fn(char) -> char) -> Parser<impl Iterator<Item = char>> {
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
    let tag_ok = if marked.tag == TagFate::Removed { new_tag.is_none() } else { new_tag == old_tag };
    if tag_ok && old_anchor == new_anchor { Ok(()) } else { Err(Refusal::SideEffect(line)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPECTED: [Expected<'_>; 1] = [Expected { ordinal: 1, old: "1", new: "2", tag: TagFate::Absent }];

    /// Both ways must agree: over the fingerprint where that is possible, and over two streams of events.
    #[track_caller]
    fn check(old: &str, new: &str, expect: Result<(), Refusal>) {
        let fingerprint = document::parse(old).map(|document| document.fingerprint(&[1])).unwrap_or_default();
        assert_eq!(verify(old, new, fingerprint, &EXPECTED), expect);
        assert_eq!(verify(old, new, 0, &EXPECTED), expect);
    }

    #[test]
    fn only_the_marked_scalar_may_differ() {
        check("a: 1\nb: c\n", "a: '2'\nb: c\n", Ok(()));
        check("a:\t1\n", "a:\t2\n", Ok(()));
        check("\u{FEFF}---\na: 1\n", "\u{FEFF}---\na: 2\n", Ok(()));
        check("a: 1\nb: c\n", "a: 2\nb: d\n", Err(Refusal::SideEffect(2)));
        check("a: 1\nb: c\n", "a: 2\nb: 'c'\n", Err(Refusal::SideEffect(2)));
        check("a: 1\n", "a: 2\nb: c\n", Err(Refusal::SideEffect(2)));
        check("a: &x 1\n", "a: 2\n", Err(Refusal::SideEffect(1)));
        check("a: 1\n", "a: [2]\n", Err(Refusal::SideEffect(1)));
    }

    #[test]
    fn the_marked_scalar_must_read_as_asked() {
        check("a: 1\n", "a: 3\n", Err(Refusal::Value { expected: "2".into(), found: "3".into() }));
        let disagreement = Refusal::Disagreement { expected: "1".into(), found: "3".into() };
        assert_eq!(verify("a: 3\n", "a: 2\n", 0, &EXPECTED), Err(disagreement));
        check("a\n", "a\n", Err(Refusal::Lost));
        assert!(matches!(verify("a: 1", "a: [", 0, &EXPECTED), Err(Refusal::SideEffect(_) | Refusal::After(_))));
    }

    #[test]
    fn what_the_second_parser_cannot_read_is_read_again_by_the_first() {
        let flow = "a: {b: 1,\nc: d}\n";
        let before = document::parse(flow).map(|document| document.fingerprint(&[2])).unwrap_or_default();
        let expected = [Expected { ordinal: 2, ..EXPECTED[0] }];
        assert_eq!(verify(flow, "a: {b: '2',\nc: d}\n", before, &expected), Ok(()));
        assert!(matches!(verify(flow, "a: {b: 2,\nc: e}\n", before, &expected), Err(Refusal::Before(_))));
        assert!(matches!(verify("a: [", "a: [", 0, &EXPECTED), Err(Refusal::Before(_))));
    }

    #[test]
    fn both_parsers_take_the_same_fingerprint() {
        let text = "a: &x !!str 2\nb: [*x, ~, a: , 'é', \"\\t\"]\n? {c: !e d}\n: |+\n  x\n\n? e\nf: &y\n- !!map {}\n";
        let document = document::parse(text).map(|document| document.fingerprint(&[])).unwrap_or_default();
        assert_eq!(reads_as(text, document, &[]), Ok(true));
        assert_eq!(reads_as("a: b", document, &[]), Ok(false));
    }
}
