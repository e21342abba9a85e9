//! What a backslash begins, outside and inside of classes.

use super::syntax::{Fault, Flags};
use super::{Reason, class, unicode};

/// What a backslash and what follows it stand for; `length` counts the bytes of the pattern.
pub(super) enum Escape<'p> {
    /// One character; a number, because Go also takes surrogates.
    Char { code: u32, length: usize },
    /// A class, written as an item.
    Class { text: String, length: usize },
    /// A position.
    Assertion { text: &'static str, length: usize },
    /// `\Q…\E`.
    Quoted { literal: &'p str, length: usize },
}

/// Reads the escape at the start of `text`, outside of a class.
pub(super) fn read<'p>(text: &'p str, flags: Flags) -> Result<Escape<'p>, Fault<'p>> {
    let assertion = match text.as_bytes().get(1) {
        Some(b'A') => r"\A",
        Some(b'z') => r"\z",
        Some(b'b') => r"(?-u:\b)",
        Some(b'B') => r"(?-u:\B)",
        Some(b'C') => return Err(Fault::new(Reason::Escape, &text[..2])),
        Some(b'Q') => return Ok(quoted(text)),
        _ => "",
    };
    if !assertion.is_empty() {
        return Ok(Escape::Assertion { text: assertion, length: 2 });
    }
    if let Some((set, length)) = set(text)? {
        return Ok(Escape::Class { text: class::single(&set, flags), length });
    }
    let (code, length) = character(text)?;
    Ok(Escape::Char { code, length })
}

fn quoted(text: &str) -> Escape<'_> {
    let body = &text[2..];
    match body.find(r"\E") {
        Some(end) => Escape::Quoted { literal: &body[..end], length: end + 4 },
        None => Escape::Quoted { literal: body, length: text.len() },
    }
}

/// Reads `\d`, `\pL`, `\p{Greek}` and the like, as text for the inside of a class.
pub(super) fn set(text: &str) -> Result<Option<(String, usize)>, Fault<'_>> {
    let set = match text.as_bytes().get(1) {
        Some(b'd') => "[0-9]",
        Some(b'D') => "[^0-9]",
        Some(b's') => r"[\t\n\x0c\r ]",
        Some(b'S') => r"[^\t\n\x0c\r ]",
        Some(b'w') => "[0-9A-Za-z_]",
        Some(b'W') => "[^0-9A-Za-z_]",
        Some(b'p' | b'P') => return unicode_set(text).map(Some),
        _ => return Ok(None),
    };
    Ok(Some((set.to_owned(), 2)))
}

fn unicode_set(text: &str) -> Result<(String, usize), Fault<'_>> {
    let mut negated = text.as_bytes().get(1) == Some(&b'P');
    let (name, length) = match text[2..].chars().next() {
        Some('{') => match text.find('}') {
            Some(end) => (&text[3..end], end + 1),
            None => return Err(Fault::new(Reason::CharacterRange, text)),
        },
        Some(char) => (&text[2..2 + char.len_utf8()], 2 + char.len_utf8()),
        None => ("", 2),
    };
    let name = name.strip_prefix('^').inspect(|_| negated = !negated).unwrap_or(name);
    match unicode::set(name, negated) {
        Some(set) => Ok((set, length)),
        None => Err(Fault::new(Reason::CharacterRange, &text[..length])),
    }
}

/// Reads an escape for one character: octal, hexadecimal, C's letters, punctuation for itself.
pub(super) fn character(text: &str) -> Result<(u32, usize), Fault<'_>> {
    let Some(char) = text[1..].chars().next() else {
        return Err(Fault::new(Reason::TrailingBackslash, ""));
    };
    let length = 1 + char.len_utf8();
    let code = match char {
        'x' => return hexadecimal(text),
        '0' => return Ok(octal(text)),
        '1'..='7' if matches!(text.as_bytes().get(2), Some(b'0'..=b'7')) => return Ok(octal(text)),
        'a' => 0x07,
        'f' => 0x0c,
        'n' => 0x0a,
        'r' => 0x0d,
        't' => 0x09,
        'v' => 0x0b,
        _ if char.is_ascii() && !char.is_ascii_alphanumeric() => u32::from(char),
        _ => return Err(Fault::new(Reason::Escape, &text[..length])),
    };
    Ok((code, length))
}

/// Up to three octal digits.
fn octal(text: &str) -> (u32, usize) {
    let digits = text.bytes().skip(1).take(3).take_while(|byte| matches!(byte, b'0'..=b'7'));
    digits.fold((0, 1), |(code, length), digit| (code * 8 + u32::from(digit - b'0'), length + 1))
}

/// `\xHH` or `\x{H…}`.
fn hexadecimal(text: &str) -> Result<(u32, usize), Fault<'_>> {
    let mut length = 2;
    let mut next = || {
        let char = text[length..].chars().next()?;
        length += char.len_utf8();
        Some(char)
    };
    let first = next();
    let mut code = 0;
    let valid = if first == Some('{') {
        let mut digits = 0;
        loop {
            match next() {
                Some('}') => break digits > 0,
                Some(char) => match char.to_digit(16) {
                    Some(digit) if code * 16 + digit <= u32::from(char::MAX) => code = code * 16 + digit,
                    _ => break false,
                },
                None => break false,
            }
            digits += 1;
        }
    } else {
        let digit = |char: Option<char>| char.and_then(|char| char.to_digit(16));
        let pair = first.map(|first| (digit(Some(first)), digit(next())));
        match pair {
            Some((Some(high), Some(low))) => {
                code = high * 16 + low;
                true
            }
            _ => false,
        }
    };
    if valid { Ok((code, length)) } else { Err(Fault::new(Reason::Escape, &text[..length])) }
}
