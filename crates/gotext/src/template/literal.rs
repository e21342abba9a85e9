//! Go's string, character and number literals.
//!
//! Integers have the bases and underscores of Go's source, floats a hexadecimal notation as well. Sprig's conversions read
//! numbers the same way: `int "0x10"` is 16.

use crate::quote::quote;

/// The value of a quoted, raw or character literal, quotes included; nothing when it is malformed.
pub(crate) fn unquote(literal: &str) -> Option<String> {
    if let Some(raw) = literal.strip_prefix('`') {
        return Some(raw.strip_suffix('`')?.replace('\r', ""));
    }
    let quote = literal.chars().next()?;
    let mut rest = literal.strip_prefix(quote)?.strip_suffix(quote)?;
    let mut bytes = Vec::with_capacity(rest.len());
    while let Some(next) = rest.chars().next() {
        rest = &rest[next.len_utf8()..];
        if next == quote || next == '\n' {
            return None;
        }
        if next != '\\' {
            bytes.extend_from_slice(next.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        match escape(&mut rest, quote)? {
            Escaped::Byte(byte) => bytes.push(byte),
            Escaped::Char(c) => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Some(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

enum Escaped {
    Byte(u8),
    Char(char),
}

/// Reads what follows a backslash.
fn escape(rest: &mut &str, quote: char) -> Option<Escaped> {
    let kind = rest.chars().next()?;
    *rest = &rest[kind.len_utf8()..];
    let simple = match kind {
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        '\\' => '\\',
        'x' => return Some(Escaped::Byte(u8::try_from(digits(rest, 2, 16)?).ok()?)),
        'u' => return Some(Escaped::Char(char::from_u32(digits(rest, 4, 16)?)?)),
        'U' => return Some(Escaped::Char(char::from_u32(digits(rest, 8, 16)?)?)),
        '0'..='7' => {
            let first = kind.to_digit(8)?;
            let value = first * 64 + digits(rest, 2, 8)?;
            return Some(Escaped::Byte(u8::try_from(value).ok()?));
        }
        other if other == quote => other,
        _ => return None,
    };
    Some(Escaped::Char(simple))
}

fn digits(rest: &mut &str, count: usize, base: u32) -> Option<u32> {
    let text = rest.get(..count).filter(|text| text.chars().all(|c| c.is_digit(base)))?;
    *rest = &rest[count..];
    u32::from_str_radix(text, base).ok()
}

/// What a number literal can be.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Number {
    /// As written.
    pub(crate) text: String,
    /// Its value as a signed integer.
    pub(crate) int: Option<i64>,
    /// Its value as a float.
    pub(crate) float: Option<f64>,
}

/// Reads a character constant.
pub(crate) fn character(text: &str) -> Result<Number, String> {
    let malformed = || format!("malformed character constant: {text}");
    let value = unquote(text).filter(|_| text.starts_with('\'')).ok_or_else(malformed)?;
    let mut chars = value.chars();
    let (Some(c), None) = (chars.next(), chars.next()) else { return Err(malformed()) };
    let code = u32::from(c);
    Ok(Number { text: text.to_owned(), int: Some(code.into()), float: Some(code.into()) })
}

/// Reads an integer or float in any of Go's notations.
pub(crate) fn number(text: &str) -> Result<Number, String> {
    if text.ends_with('i') && !text.starts_with("0x") {
        return Err(format!("complex numbers are not supported: {text}"));
    }
    let number = |int, float| Ok(Number { text: text.to_owned(), int, float: Some(float) });
    if let Some(value) = parse_int(text) {
        return number(Some(value), value as f64);
    }
    if let Some(value) = parse_uint(text) {
        return number(None, value as f64);
    }
    match parse_float(text) {
        None => Err(format!("illegal number syntax: {}", quote(text))),
        Some(_) if !text.contains(['.', 'e', 'E', 'p', 'P']) => Err(format!("integer overflow: {}", quote(text))),
        // A float that is a whole number can also be used where an integer is wanted.
        Some(value) => number((value.trunc() == value && value.abs() < 9.0e18).then_some(value as i64), value),
    }
}

/// Go's `strconv.ParseUint(text, 0, 64)`.
fn parse_uint(text: &str) -> Option<u64> {
    let (digits, base) = split_base(text);
    let digits = digits.replace('_', "");
    if digits.starts_with(['+', '-']) || !underscores_ok(text) {
        return None;
    }
    u64::from_str_radix(&digits, base).ok()
}

/// Go's `strconv.ParseInt(text, 0, 64)`.
pub(crate) fn parse_int(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let value = i128::from(parse_uint(digits)?);
    i64::try_from(if negative { -value } else { value }).ok()
}

fn split_base(text: &str) -> (&str, u32) {
    let bytes = text.as_bytes();
    match bytes {
        [b'0', b'x' | b'X', _, ..] => (&text[2..], 16),
        [b'0', b'b' | b'B', _, ..] => (&text[2..], 2),
        [b'0', b'o' | b'O', _, ..] => (&text[2..], 8),
        [b'0', _, ..] => (&text[1..], 8),
        _ => (text, 10),
    }
}

/// Underscores may only stand between digits, or between a base prefix and a digit.
fn underscores_ok(text: &str) -> bool {
    if !text.contains('_') {
        return true;
    }
    let bytes = text.trim_start_matches(['+', '-']).as_bytes();
    let prefixed = matches!(bytes, [b'0', b'x' | b'X' | b'b' | b'B' | b'o' | b'O', ..]);
    let digit = |b: Option<&u8>| b.is_some_and(u8::is_ascii_hexdigit);
    bytes.iter().enumerate().filter(|(_, b)| **b == b'_').all(|(at, _)| {
        let before = at.checked_sub(1).and_then(|at| bytes.get(at));
        (digit(before) || prefixed && at == 2) && digit(bytes.get(at + 1))
    })
}

/// Go's `strconv.ParseFloat(text, 64)`, hexadecimal notation included; nothing when it overflows.
pub(crate) fn parse_float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let value = if unsigned.starts_with("0x") || unsigned.starts_with("0X") {
        hexadecimal(&unsigned[2..])?
    } else {
        let plain = if underscores_ok(unsigned) { unsigned.replace('_', "") } else { return None };
        plain.parse().ok().filter(|_| !plain.starts_with(['+', '-']))?
    };
    let named = unsigned.starts_with(['i', 'I', 'n', 'N']);
    let value: f64 = if text.starts_with('-') { -value } else { value };
    (named || value.is_finite()).then_some(value)
}

fn hexadecimal(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once(['p', 'P'])?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}").replace('_', "");
    if digits.is_empty() || digits.len() > 14 {
        return None;
    }
    let value = u64::from_str_radix(&digits, 16).ok()?;
    let exponent: i32 = exponent.parse().ok().filter(|exponent: &i32| exponent.abs() < 1100)?;
    Some(value as f64 * 2f64.powi(exponent - 4 * i32::try_from(fraction.len()).ok()?))
}
