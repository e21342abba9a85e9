//! The text of a range: hyphens, parts, comparisons, versions as written.
//!
//! Masterminds reads ranges with regular expressions that find the longest match; this walks the bytes to the same end.
//! What it does not accept is one error for the whole part.

use crate::version::scan::{skip, skip_identifiers};

/// What a comparison asks of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Tilde,
    Caret,
}

/// One comparison as it stands in the text.
pub(super) struct Piece<'a> {
    pub(super) operator: Operator,
    pub(super) version: Written<'a>,
}

/// A version as it stands in a range: numbers may be missing, wildcards or nonsense such as `1x`.
pub(super) struct Written<'a> {
    pub(super) text: &'a str,
    pub(super) numbers: [Option<&'a str>; 3],
    pub(super) prerelease: &'a str,
}

/// Cuts a part into its comparisons; nothing where it is not a list of them.
pub(super) fn split(part: &str) -> Option<Vec<Piece<'_>>> {
    let bytes = part.as_bytes();
    let mut pieces = Vec::new();
    let mut at = skip(bytes, 0, is_space);
    loop {
        let (operator, end) = operator_at(bytes, at);
        let (version, end) = version_at(part, skip(bytes, end, is_space))?;
        pieces.push(Piece { operator, version });
        at = skip(bytes, end, is_space);
        if at == bytes.len() {
            return Some(pieces);
        }
        if bytes[at] == b',' {
            at = skip(bytes, at + 1, is_space);
        } else if at == end {
            return None;
        }
    }
}

/// Go's `\s`.
fn is_space(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'\x0c')
}

/// The operators as they are written, longer ones before those that they begin with.
const OPERATORS: [(&str, Operator); 11] = [
    ("!=", Operator::NotEqual),
    (">=", Operator::GreaterOrEqual),
    ("=>", Operator::GreaterOrEqual),
    ("<=", Operator::LessOrEqual),
    ("=<", Operator::LessOrEqual),
    ("~>", Operator::Tilde),
    ("=", Operator::Equal),
    (">", Operator::Greater),
    ("<", Operator::Less),
    ("~", Operator::Tilde),
    ("^", Operator::Caret),
];

/// The operator at `at`, and where it ends; none stands for `=`.
fn operator_at(bytes: &[u8], at: usize) -> (Operator, usize) {
    let found = OPERATORS.iter().find(|(sign, _)| bytes[at..].starts_with(sign.as_bytes()));
    found.map_or((Operator::Equal, at), |(sign, operator)| (*operator, at + sign.len()))
}

/// The longest version that starts at `at`, and its end.
fn version_at(text: &str, at: usize) -> Option<(Written<'_>, usize)> {
    let bytes = text.as_bytes();
    let mut end = at + usize::from(bytes.get(at) == Some(&b'v'));
    let mut numbers = [None; 3];
    for (index, number) in numbers.iter_mut().enumerate() {
        let start = match (index, bytes.get(end)) {
            (0, _) => end,
            (_, Some(b'.')) => end + 1,
            _ => break,
        };
        let stop = skip(bytes, start, is_number);
        if stop == start {
            break;
        }
        *number = Some(&text[start..stop]);
        end = stop;
    }
    numbers[0]?;
    let prerelease = suffix(text, &mut end, b'-');
    suffix(text, &mut end, b'+');
    Some((Written { text: &text[at..end], numbers, prerelease }, end))
}

/// What Masterminds takes for a number before it looks closer. The bar is a slip of its grammar that decides which of the
/// two errors `1|2` gets.
fn is_number(byte: &u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'x' | b'X' | b'*' | b'|')
}

fn suffix<'a>(text: &'a str, end: &mut usize, sign: u8) -> &'a str {
    let start = *end + 1;
    if text.as_bytes().get(*end) != Some(&sign) {
        return "";
    }
    let stop = skip_identifiers(text.as_bytes(), start);
    if stop == start {
        return "";
    }
    *end = stop;
    &text[start..stop]
}

/// Replaces each `A - B` by `>= A, <= B `, as text, before anything else is looked at.
///
/// The white space around it goes too. A replacement takes the place of the **first** text that is equal to the one found.
pub(super) fn rewrite_hyphens(text: &str) -> String {
    let mut out = text.to_owned();
    let mut at = 0;
    while let Some(hyphen) = next_hyphen(text, at) {
        let replacement = format!(">= {}, <= {} ", hyphen.from, hyphen.to);
        out = out.replacen(&text[hyphen.start..hyphen.end], &replacement, 1);
        at = hyphen.end;
    }
    out
}

struct Hyphen<'a> {
    start: usize,
    end: usize,
    from: &'a str,
    to: &'a str,
}

fn next_hyphen(text: &str, from: usize) -> Option<Hyphen<'_>> {
    let bytes = text.as_bytes();
    let mut start = from;
    for at in from..bytes.len() {
        if is_space(&bytes[at]) {
            continue;
        }
        if let Some((low, high, end)) = hyphen_at(text, at) {
            return Some(Hyphen { start, end: skip(bytes, end, is_space), from: low, to: high });
        }
        start = at + 1;
    }
    None
}

fn hyphen_at(text: &str, at: usize) -> Option<(&str, &str, usize)> {
    let bytes = text.as_bytes();
    if !text.is_char_boundary(at) {
        return None;
    }
    let (low, end) = version_at(text, at)?;
    let dash = skip(bytes, end, is_space);
    if dash == end || bytes.get(dash) != Some(&b'-') {
        return None;
    }
    let start = skip(bytes, dash + 1, is_space);
    if start == dash + 1 {
        return None;
    }
    let (high, end) = version_at(text, start)?;
    Some((low.text, high.text, end))
}
