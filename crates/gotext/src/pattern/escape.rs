//! What a backslash begins, outside and inside of classes.
//!
//! Go knows octal codes (`\12`), `\x41`, `\x{1F600}`, C's letters, and takes a backslash before punctuation for that
//! character. Before any other letter or digit it is an error, which keeps backreferences out.

use super::Reason;
use super::class::{self, Class};
use super::syntax::{Fault, Flags};

/// What a backslash and what follows it stand for; `length` counts the bytes of the pattern.
pub(super) enum Escape<'p> {
    /// One character; a number, because Go also takes surrogates.
    Char { code: u32, length: usize },
    /// A class.
    Class(Class),
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
    if let Some(class) = class::named(text, flags)? {
        return Ok(Escape::Class(class));
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
