//! Reads the text of a version, byte by byte: numbers, pre-release, metadata.
//!
//! A registry lists 100,000 tags of which most are no versions, so this allocates nothing, not even for an error. The form is
//! checked before the values, as Masterminds' expression does it: `99999999999999999999.x` has the wrong form.

use super::{Error, VersionRef};

/// Why [`read`] gave up; made into an `Error` only where somebody wants to know.
pub(super) enum Fault {
    Form,
    Number { start: usize, end: usize },
    LeadingZero,
}

impl Fault {
    pub(super) fn into_error(self, text: &str) -> Error {
        match self {
            Self::Form => Error::NotAVersion,
            Self::Number { start, end } => Error::NumberTooLarge(text.get(start..end).unwrap_or_default().to_owned()),
            Self::LeadingZero => Error::LeadingZero,
        }
    }
}

pub(super) fn read(text: &str) -> Result<VersionRef<'_>, Fault> {
    let bytes = text.as_bytes();
    let mut at = usize::from(bytes.first() == Some(&b'v'));
    let mut numbers = [0_u64; 3];
    let mut too_large = None;
    for (index, number) in numbers.iter_mut().enumerate() {
        if index > 0 {
            match bytes.get(at) {
                Some(b'.') => at += 1,
                _ => break,
            }
        }
        let end = skip(bytes, at, u8::is_ascii_digit);
        if end == at {
            return Err(Fault::Form);
        }
        match number_at(&bytes[at..end]) {
            Some(value) => *number = value,
            None => too_large = too_large.or(Some(Fault::Number { start: at, end })),
        }
        at = end;
    }
    let prerelease = identifiers(text, &mut at, b'-')?;
    let metadata = identifiers(text, &mut at, b'+')?;
    if at != bytes.len() {
        return Err(Fault::Form);
    }
    if let Some(fault) = too_large {
        return Err(fault);
    }
    if has_leading_zero(prerelease) {
        return Err(Fault::LeadingZero);
    }
    let [major, minor, patch] = numbers;
    Ok(VersionRef { major, minor, patch, prerelease, metadata })
}

/// The identifiers behind `sign`, or nothing where there is no `sign`.
fn identifiers<'a>(text: &'a str, at: &mut usize, sign: u8) -> Result<&'a str, Fault> {
    let bytes = text.as_bytes();
    if bytes.get(*at) != Some(&sign) {
        return Ok("");
    }
    let start = *at + 1;
    let end = skip_identifiers(bytes, start);
    if end == start {
        return Err(Fault::Form);
    }
    *at = end;
    Ok(&text[start..end])
}

/// The end of the dot-separated identifiers at `at`; `at` itself where there is none.
pub(super) fn skip_identifiers(bytes: &[u8], at: usize) -> usize {
    let is_identifier = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    let mut end = skip(bytes, at, is_identifier);
    while end > at && bytes.get(end) == Some(&b'.') {
        let next = skip(bytes, end + 1, is_identifier);
        if next == end + 1 {
            break;
        }
        end = next;
    }
    end
}

pub(super) fn skip(bytes: &[u8], at: usize, wanted: impl Fn(&u8) -> bool) -> usize {
    let mut end = at;
    while bytes.get(end).is_some_and(&wanted) {
        end += 1;
    }
    end
}

/// The value of decimal digits, if it fits.
pub(super) fn number_at(digits: &[u8]) -> Option<u64> {
    if digits.len() < 20 {
        return Some(digits.iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0')));
    }
    digits.iter().try_fold(0_u64, |value, digit| value.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
}

pub(super) fn has_leading_zero(prerelease: &str) -> bool {
    prerelease
        .split('.')
        .any(|part| part.len() > 1 && part.starts_with('0') && part.bytes().all(|byte| byte.is_ascii_digit()))
}
