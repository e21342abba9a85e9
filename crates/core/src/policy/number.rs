//! Numbers as Go's `strconv.ParseFloat` reads them, compared exactly.
//!
//! | read | such as |
//! |---|---|
//! | decimals with sign, point and exponent | `-1`, `5.`, `.5`, `1e3` |
//! | underscores between digits | `1_000` |
//! | infinity, in any case | `inf`, `+Infinity` |
//! | hexadecimals with the exponent that Go asks for | `0x1p4` |
//!
//! Everything else is no number: `0x10`, `0b1`, `0o17`, spaces, commas. Nor is `NaN`, because it has no order. A number that
//! a 64-bit float cannot hold (`1e400`) is refused, as in Go.
//!
//! A decimal is kept with all its digits, however many, because build numbers and timestamps are often longer than the 15
//! digits that a float tells apart. Nobody numbers releases in hexadecimal; such a number is rounded to a float, as in Go.

use std::borrow::Cow;
use std::cmp::Ordering;

use thiserror::Error;

/// The longest text that is read as a number, in bytes.
pub(super) const MAX_NUMBER_LENGTH: usize = 1024;

/// The number of digits before the point in the largest numbers that a 64-bit float holds.
const FLOAT_DIGITS: i64 = 309;

/// A power of two beyond all that a 64-bit float holds, whatever 64-bit number it is multiplied with; half of it is a float.
const MAX_SHIFT: i64 = 2000;

/// Exponents beyond this are read as this; what they make of a number is the same.
const MAX_EXPONENT: i64 = 1_000_000_000_000;

/// Why a text is not a number with an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum Error {
    /// The text is not a number, or `NaN`.
    #[error("not a number")]
    Syntax,
    /// A 64-bit float cannot hold the number.
    #[error("number out of range")]
    TooLarge,
}

/// A number: a sign and `0.DIGITS × 10^exponent`.
#[derive(Debug, Clone)]
pub(super) struct Number<'a> {
    negative: bool,
    /// ASCII digits, the first not zero; empty is the number zero.
    digits: Cow<'a, [u8]>,
    /// `i64::MAX` is infinity.
    exponent: i64,
}

impl<'a> Number<'a> {
    /// Reads a number; plain integers are borrowed.
    ///
    /// # Errors
    /// [`Error::Syntax`] or [`Error::TooLarge`].
    pub(super) fn parse(text: &'a str) -> Result<Self, Error> {
        let bytes = text.as_bytes();
        if bytes.is_empty() || bytes.len() > MAX_NUMBER_LENGTH {
            return Err(Error::Syntax);
        }
        let number = if bytes.iter().all(u8::is_ascii_digit) {
            let zeros = bytes.iter().take_while(|digit| **digit == b'0').count();
            let digits = &bytes[zeros..];
            Self { negative: false, digits: Cow::Borrowed(digits), exponent: digits.len() as i64 }
        } else {
            parse_any(text)?
        };
        if number.fits_float() { Ok(number) } else { Err(Error::TooLarge) }
    }

    fn fits_float(&self) -> bool {
        if self.exponent < FLOAT_DIGITS || self.exponent == i64::MAX {
            return true;
        }
        let rounded = format!("0.{}e{}", String::from_utf8_lossy(&self.digits), self.exponent).parse::<f64>();
        self.digits.is_empty() || rounded.is_ok_and(f64::is_finite)
    }

    fn cmp_magnitude(&self, other: &Number<'_>) -> Ordering {
        match (self.digits.is_empty(), other.digits.is_empty()) {
            (false, false) => self.exponent.cmp(&other.exponent).then_with(|| cmp_digits(&self.digits, &other.digits)),
            (left, right) => right.cmp(&left),
        }
    }
}

impl Ord for Number<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |number: &Number<'_>| match (number.digits.is_empty(), number.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        sign(self).cmp(&sign(other)).then_with(|| {
            let order = self.cmp_magnitude(other);
            if self.negative { order.reverse() } else { order }
        })
    }
}

impl PartialOrd for Number<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Number<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Number<'_> {}

/// Compares digits behind a point: missing ones are zeros.
fn cmp_digits(left: &[u8], right: &[u8]) -> Ordering {
    let common = left.len().min(right.len());
    left[..common].cmp(&right[..common]).then_with(|| {
        let more = |digits: &[u8]| digits[common..].iter().any(|digit| *digit != b'0');
        more(left).cmp(&more(right))
    })
}

/// Anything but plain digits.
fn parse_any(text: &str) -> Result<Number<'static>, Error> {
    let (negative, magnitude) = match text.strip_prefix(['+', '-']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text),
    };
    if magnitude.eq_ignore_ascii_case("inf") || magnitude.eq_ignore_ascii_case("infinity") {
        return Ok(Number { negative, digits: Cow::Borrowed(b"1"), exponent: i64::MAX });
    }
    if !underscores_separate(magnitude) {
        return Err(Error::Syntax);
    }
    let hexadecimal = magnitude.strip_prefix("0x").or(magnitude.strip_prefix("0X"));
    let (digits, exponent) = match hexadecimal {
        Some(body) => read_hexadecimal(body)?,
        None => read_decimal(magnitude)?,
    };
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    let exponent = exponent - zeros as i64;
    Ok(Number { negative, digits: Cow::Owned(digits[zeros..].to_vec()), exponent })
}

/// An underscore stands between digits, or between the prefix of a base and a digit.
fn underscores_separate(text: &str) -> bool {
    if !text.contains('_') {
        return true;
    }
    let bytes = text.as_bytes();
    let prefix = bytes.len() > 1 && bytes[0] == b'0' && matches!(bytes[1] | 0x20, b'b' | b'o' | b'x');
    let hexadecimal = prefix && bytes[1] | 0x20 == b'x';
    let is_digit = |at: usize| {
        bytes.get(at).is_some_and(|byte| byte.is_ascii_digit() || (hexadecimal && byte.is_ascii_hexdigit()))
    };
    let start = if prefix { 2 } else { 0 };
    (start..bytes.len())
        .filter(|at| bytes[*at] == b'_')
        .all(|at| at > 0 && (is_digit(at - 1) || (prefix && at == 2)) && is_digit(at + 1))
}

/// Digits of a mantissa without point and underscores, and how many of them stand before the point.
struct Mantissa {
    digits: Vec<u8>,
    point: i64,
}

/// Reads a mantissa; gives what follows.
fn read_mantissa(text: &str, is_digit: fn(&u8) -> bool) -> Result<(Mantissa, &str), Error> {
    let mut digits = Vec::with_capacity(text.len());
    let mut point = None;
    let mut end = text.len();
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'_' => {}
            b'.' if point.is_none() => point = Some(digits.len()),
            _ if is_digit(&byte) => digits.push(byte),
            _ => {
                end = at;
                break;
            }
        }
    }
    if digits.is_empty() {
        return Err(Error::Syntax);
    }
    let point = point.unwrap_or(digits.len()) as i64;
    Ok((Mantissa { digits, point }, &text[end..]))
}

/// Reads `e`, or another letter, a sign, and digits with underscores, to the end.
fn read_exponent(text: &str, letter: char) -> Result<i64, Error> {
    let digits = text.strip_prefix([letter, letter.to_ascii_uppercase()]).ok_or(Error::Syntax)?;
    let (negative, digits) = match digits.strip_prefix(['+', '-']) {
        Some(rest) => (digits.starts_with('-'), rest),
        None => (false, digits),
    };
    if !digits.starts_with(|char: char| char.is_ascii_digit()) {
        return Err(Error::Syntax);
    }
    let mut exponent = 0;
    for byte in digits.bytes().filter(|byte| *byte != b'_') {
        if !byte.is_ascii_digit() {
            return Err(Error::Syntax);
        }
        exponent = (exponent * 10 + i64::from(byte - b'0')).min(MAX_EXPONENT);
    }
    Ok(if negative { -exponent } else { exponent })
}

fn read_decimal(text: &str) -> Result<(Vec<u8>, i64), Error> {
    let (mantissa, rest) = read_mantissa(text, u8::is_ascii_digit)?;
    let exponent = if rest.is_empty() { 0 } else { read_exponent(rest, 'e')? };
    Ok((mantissa.digits, mantissa.point + exponent))
}

/// Reads a mantissa in base 16 and its exponent in base 2, rounds them to a float, and gives that float's digits.
fn read_hexadecimal(text: &str) -> Result<(Vec<u8>, i64), Error> {
    let (mantissa, rest) = read_mantissa(text, u8::is_ascii_hexdigit)?;
    let fraction = mantissa.digits.len() as i64 - mantissa.point;
    let mut shift = read_exponent(rest, 'p')? - 4 * fraction;
    let mut value = 0_u64;
    for digit in mantissa.digits {
        let digit = u64::from(char::from(digit).to_digit(16).unwrap_or_default());
        if value >> 60 == 0 {
            value = value << 4 | digit;
        } else {
            // A float has room for 53 bits; of what follows 60 it matters only whether there is something.
            value |= u64::from(digit != 0);
            shift += 4;
        }
    }
    // In two steps, because 2^-1074 times a large value is more than the smallest power alone can say.
    let shift = shift.clamp(-MAX_SHIFT, MAX_SHIFT) as i32;
    let float = value as f64 * 2_f64.powi(shift / 2) * 2_f64.powi(shift - shift / 2);
    if float.is_infinite() {
        return Err(Error::TooLarge);
    }
    // As many digits as the smallest float has, so that none is lost.
    read_decimal(&format!("{float:.1074}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_with_all_their_digits() {
        let number = |text| Number::parse(text);
        assert!(number("20240102030405678901").ok() < number("20240102030405678902").ok());
        assert!(number("0x1p4") == number("16.0"));
    }

    #[test]
    fn hexadecimals_are_floats() {
        let check = |hexadecimal: &str, decimal: &str| {
            assert!(Number::parse(hexadecimal) == Number::parse(decimal), "{hexadecimal} and {decimal}");
        };
        check("0x1.8p1", "3");
        check("-0x_ff.8p-4", "-15.96875");
        check("0x1p-1080", "0");
        check("0x123456789abcdef01p-8", "81985529216486896");
        check("0x1p-1134000", "0");
        check("0x0.000000000000000000000000000001p120", "1");
        // Between two floats: to the even one, unless there is more behind.
        check("0x1.00000000000008p0", "1");
        check("0x1.000000000000080000000000000000001p0", "1.0000000000000002220446049250313080847263336181640625");
        assert_eq!(Number::parse("0x1p1024"), Err(Error::TooLarge));
        assert_eq!(Number::parse("0x1p99999999"), Err(Error::TooLarge));
    }
}
