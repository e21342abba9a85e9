//! Functions on words and their letters: cases, wrapping, abbreviating.
//!
//! Sprig takes them from goutils, which counts bytes, and xstrings, which looks at how a name is put together of parts.
//! The oddities are theirs and stay: `initials` of `über` is a byte.

use std::rc::Rc;

use crate::template::context::{Context, Failure};
use crate::template::function::{Function, int, text};
use crate::template::sprig::text::{lossy, lower_char, upper_char};
use crate::template::value::{Parameter, Value};

const INT: Parameter = Parameter::Int;
const STRING: Parameter = Parameter::String;

/// The functions of this file.
pub(crate) const TABLE: &[Function] = &[
    Function::new("title", &[STRING], |context, a| context.string(title(text(a, 0)))),
    Function::new("untitle", &[STRING], |context, a| context.string(untitle(text(a, 0)))),
    Function::new("swapcase", &[STRING], |context, a| context.string(swap_case(text(a, 0)))),
    Function::new("initials", &[STRING], |context, a| context.string(initials(text(a, 0)))),
    Function::new("snakecase", &[STRING], |context, a| context.string(joined_by(text(a, 0), '_'))),
    Function::new("kebabcase", &[STRING], |context, a| context.string(joined_by(text(a, 0), '-'))),
    Function::new("camelcase", &[STRING], |context, a| context.string(camel_case(text(a, 0)))),
    Function::new("abbrev", &[INT, STRING], |context, a| {
        let (width, text) = (int(a, 0), text(a, 1));
        context.string(if width < 4 { Rc::from(text) } else { abbreviate(text, 0, width) })
    }),
    Function::new("abbrevboth", &[INT, INT, STRING], |context, a| {
        let (left, right, text) = (int(a, 0), int(a, 1), text(a, 2));
        let unchanged = right < 4 || left > 0 && right < 7;
        context.string(if unchanged { Rc::from(text) } else { abbreviate(text, left, right) })
    }),
    Function::new("wrap", &[INT, STRING], |context, a| wrap(context, text(a, 1), int(a, 0), "\n", LongWords::Kept)),
    Function::new("wrapWith", &[INT, STRING, STRING], |context, a| {
        let separator = if text(a, 1).is_empty() { "\n" } else { text(a, 1) };
        wrap(context, text(a, 2), int(a, 0), separator, LongWords::Cut)
    }),
];

/// Go's `strings.Title`: every letter that begins a word becomes upper case.
fn title(text: &str) -> String {
    let mut previous = ' ';
    let mapped = text.chars().map(|c| {
        let begins = is_separator(previous);
        previous = c;
        if begins { upper_char(c) } else { c }
    });
    mapped.collect()
}

fn is_separator(c: char) -> bool {
    if c.is_ascii() {
        return !(c.is_ascii_alphanumeric() || c == '_');
    }
    !c.is_alphanumeric() && c.is_whitespace()
}

fn untitle(text: &str) -> String {
    let mut begins = true;
    let mapped = text.chars().map(|c| {
        let first = std::mem::replace(&mut begins, c.is_whitespace()) && !c.is_whitespace();
        if first { lower_char(c) } else { c }
    });
    mapped.collect()
}

fn swap_case(text: &str) -> String {
    let swap = |c: char| match c {
        c if c.is_uppercase() => lower_char(c),
        c if c.is_lowercase() => upper_char(c),
        c => c,
    };
    text.chars().map(swap).collect()
}

/// The first byte of every word, as goutils does it: each byte is taken for a character.
fn initials(text: &str) -> String {
    let mut after_gap = true;
    let mut out = String::new();
    for c in text.bytes().map(char::from) {
        if c.is_whitespace() {
            after_gap = true;
        } else if std::mem::take(&mut after_gap) {
            out.push(c);
        }
    }
    out
}

/// Shortens to a number of bytes, with dots where something is missing; `offset` shall stay visible.
fn abbreviate(text: &str, offset: i64, width: i64) -> Rc<str> {
    let bytes = text.as_bytes();
    let width = usize::try_from(width).unwrap_or(0);
    if bytes.len() <= width {
        return Rc::from(text);
    }
    let shown = width - 3;
    let mut offset = usize::try_from(offset).unwrap_or(0).min(bytes.len());
    if bytes.len() - offset < shown {
        offset = bytes.len() - shown;
    }
    if offset <= 4 {
        return lossy(&[&bytes[..shown], b"..."].concat());
    }
    if offset + shown < bytes.len() {
        // The front is cut as well: three dots, and the rest abbreviated again.
        let rest = &bytes[offset..];
        let inner = shown.saturating_sub(3);
        return lossy(&[b"...", &rest[..inner.min(rest.len())], b"..."].concat());
    }
    lossy(&[b"...", &bytes[bytes.len() - shown..]].concat())
}

/// What becomes of words longer than a line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LongWords {
    Kept,
    Cut,
}

/// Breaks text into lines of at most `width` bytes, at spaces.
fn wrap(context: &Context, text: &str, width: i64, separator: &str, long: LongWords) -> Result<Value, Failure> {
    let bytes = text.as_bytes();
    let width = usize::try_from(width).unwrap_or(1).max(1);
    let breaks = bytes.len() / width + bytes.iter().filter(|b| **b == b' ').count();
    context.check_length(bytes.len().saturating_add(breaks.saturating_mul(separator.len())))?;
    let mut out: Vec<u8> = Vec::with_capacity(bytes.len());
    let mut offset = 0;
    while bytes.len() - offset > width {
        if bytes[offset] == b' ' {
            offset += 1;
            continue;
        }
        let line = &bytes[offset..=offset + width];
        let end = match line.iter().rposition(|b| *b == b' ') {
            Some(space) => Some((offset + space, 1)),
            None if long == LongWords::Cut => Some((offset + width, 0)),
            None => bytes[offset + width..].iter().position(|b| *b == b' ').map(|space| (offset + width + space, 1)),
        };
        let Some((end, gap)) = end else { break };
        out.extend_from_slice(&bytes[offset..end]);
        out.extend_from_slice(separator.as_bytes());
        offset = end + gap;
    }
    out.extend_from_slice(&bytes[offset..]);
    context.string(lossy(&out))
}

/// What the parts of a name are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Number,
    /// Begins with a capital.
    Capital,
    /// Letters without capitals.
    Letters,
    Connector,
    Punctuation,
    Other,
    /// There is nothing more.
    Nothing,
}

fn is_connector(c: char) -> bool {
    c == '-' || c == '_' || c.is_whitespace()
}

fn is_punctuation(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_punctuation() && !matches!(c, '$' | '+' | '<' | '=' | '>' | '^' | '`' | '|' | '~');
    }
    matches!(c, '\u{a1}' | '\u{a7}' | '\u{ab}' | '\u{b6}' | '\u{b7}' | '\u{bb}' | '\u{bf}')
        || matches!(c, '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205e}' | '\u{3001}'..='\u{3003}' | '\u{3008}'..='\u{3011}')
}

/// Letters, but not ideographs, which have no case and stand for themselves.
fn is_letter(c: char) -> bool {
    let ideograph = matches!(c, '\u{3400}'..='\u{4d85}' | '\u{4e00}'..='\u{9fcc}' | '\u{20000}'..='\u{2b81d}');
    c.is_alphabetic() && !ideograph
}

/// Cuts the next part off a name.
fn next_part<'t>(rest: &mut &'t str) -> (Part, &'t str) {
    let Some(first) = rest.chars().next() else { return (Part::Nothing, "") };
    let run = |text: &str, belongs: fn(char) -> bool| text.find(|c| !belongs(c)).unwrap_or(text.len());
    let lower = |c: char| is_letter(c) && !c.is_uppercase();
    let (part, length) = match first {
        c if is_connector(c) => (Part::Connector, run(rest, is_connector)),
        c if is_punctuation(c) => (Part::Punctuation, run(rest, is_punctuation)),
        c if c.is_uppercase() => (Part::Capital, capital_length(rest)),
        c if is_letter(c) => (Part::Letters, run(rest, lower)),
        c if c.is_numeric() => (Part::Number, run(rest, char::is_numeric)),
        _ => {
            let other = |c: char| !(is_connector(c) || is_letter(c) || c.is_numeric() || is_punctuation(c));
            (Part::Other, run(rest, other))
        }
    };
    let (word, after) = rest.split_at(length);
    *rest = after;
    (part, word)
}

/// A capital with its small letters, or a run of capitals without the one that begins the next word.
fn capital_length(text: &str) -> usize {
    let capitals = text.find(|c: char| !c.is_uppercase()).unwrap_or(text.len());
    let after = &text[capitals..];
    let small = after.find(|c: char| !is_letter(c) || c.is_uppercase()).unwrap_or(after.len());
    let mut chars = text[..capitals].chars();
    let last = chars.next_back().map_or(0, char::len_utf8);
    match chars.next() {
        None => capitals + small,
        Some(_) if small > 0 => capitals - last,
        Some(_) => capitals,
    }
}

/// Lower case with a connector between words: `HTTPServer` becomes `http_server`.
///
/// Follows xstrings: a number belongs to the word before it, unless letters follow it.
fn joined_by(text: &str, connector: char) -> String {
    let mut out = String::new();
    let mut rest = text;
    let (mut part, mut word) = next_part(&mut rest);
    while !rest.is_empty() {
        if part != Part::Connector {
            lower_part(&mut out, part, word, connector);
        }
        let (previous, last) = (part, word);
        (part, word) = next_part(&mut rest);
        match previous {
            Part::Number => after_number(&mut out, &mut part, &mut word, &mut rest, connector),
            Part::Connector => lower_part(&mut out, previous, last, connector),
            Part::Punctuation => {}
            _ if part != Part::Number => {
                if needs_connector(part) {
                    out.push(connector);
                }
            }
            _ if rest.is_empty() => {}
            _ => {
                let number = word;
                (part, word) = next_part(&mut rest);
                if part == Part::Letters {
                    out.push(connector);
                    out.push_str(number);
                    after_number(&mut out, &mut part, &mut word, &mut rest, connector);
                } else {
                    out.push_str(number);
                    if needs_connector(part) {
                        out.push(connector);
                    }
                }
            }
        }
    }
    lower_part(&mut out, part, word, connector);
    out
}

/// After a number: small letters and further numbers belong to it.
fn after_number<'t>(out: &mut String, part: &mut Part, word: &mut &'t str, rest: &mut &'t str, connector: char) {
    while matches!(*part, Part::Letters | Part::Number) {
        out.push_str(word);
        (*part, *word) = next_part(rest);
    }
    if needs_connector(*part) {
        out.push(connector);
    }
}

fn needs_connector(part: Part) -> bool {
    !matches!(part, Part::Nothing | Part::Connector | Part::Punctuation)
}

fn lower_part(out: &mut String, part: Part, word: &str, connector: char) {
    if !matches!(part, Part::Capital | Part::Connector) {
        out.push_str(word);
        return;
    }
    out.extend(word.chars().map(|c| if is_connector(c) { connector } else { lower_char(c) }));
}

/// Upper case after connectors, which go: `http_server` becomes `HttpServer`.
fn camel_case(text: &str) -> String {
    let start = text.find(|c| !is_connector(c)).unwrap_or(text.len());
    let mut out = text[..start].to_owned();
    let mut chars = text[start..].chars();
    let Some(first) = chars.next() else { return out };
    let mut in_capitals = first.is_uppercase();
    let mut previous = upper_char(first);
    for c in chars {
        let mut c = c;
        if is_connector(c) && is_connector(previous) {
            out.push(previous);
            continue;
        }
        if is_connector(previous) {
            in_capitals = c.is_uppercase();
            c = upper_char(c);
        } else {
            if in_capitals && c.is_uppercase() {
                c = lower_char(c);
            } else {
                in_capitals = false;
            }
            out.push(previous);
        }
        previous = c;
    }
    out.push(previous);
    out
}
