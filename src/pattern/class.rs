//! Character classes: `[a-z]`, `[^[:space:]\w-.]`.
//!
//! Go's classes have no set operations, and `[` and `-` are plain wherever they make no class name or range. So every
//! character is written escaped, and every named class as a class of its own inside.

use super::syntax::{Fault, Flags, push_char};
use super::{Reason, escape};

/// A class that matches nothing.
pub(super) const NOTHING: &str = "[a&&b]";

/// Surrogates: characters to Go, and never in a text.
const SURROGATES: std::ops::RangeInclusive<u32> = 0xD800..=0xDFFF;

/// Translates the class at the start of `text`; gives it and what follows.
pub(super) fn translate(text: &str, flags: Flags) -> Result<(String, &str), Fault<'_>> {
    let mut rest = &text[1..];
    let negated = rest.starts_with('^');
    if negated {
        rest = &rest[1..];
    }
    let mut body = String::new();
    let mut first = true;
    while first || !rest.starts_with(']') {
        first = false;
        rest = element(text, rest, &mut body)?;
    }
    let body = if body.is_empty() { "a&&b" } else { &body };
    let sign = if negated { "^" } else { "" };
    Ok((fold(format!("[{sign}{body}]"), flags), &rest[1..]))
}

/// A named class as an item outside of a class.
pub(super) fn single(set: &str, flags: Flags) -> String {
    fold(set.to_owned(), flags)
}

fn fold(class: String, flags: Flags) -> String {
    if flags.fold_case { format!("(?i:{class})") } else { class }
}

/// Reads one element of the class `whole` and writes it; gives what follows.
fn element<'p>(whole: &'p str, text: &'p str, body: &mut String) -> Result<&'p str, Fault<'p>> {
    if let Some((set, length)) = posix(text)? {
        body.push_str(set);
        return Ok(&text[length..]);
    }
    if text.starts_with('\\')
        && let Some((set, length)) = escape::set(text)?
    {
        body.push_str(&set);
        return Ok(&text[length..]);
    }
    let (low, mut rest) = character(whole, text)?;
    let mut high = low;
    if rest.len() > 1 && rest.starts_with('-') && !rest.starts_with("-]") {
        (high, rest) = character(whole, &rest[1..])?;
        if high < low {
            return Err(Fault::new(Reason::CharacterRange, &text[..text.len() - rest.len()]));
        }
    }
    push_range(body, low, high);
    Ok(rest)
}

fn character<'p>(whole: &'p str, text: &'p str) -> Result<(u32, &'p str), Fault<'p>> {
    match text.chars().next() {
        None => Err(Fault::new(Reason::MissingBracket, whole)),
        Some('\\') => escape::character(text).map(|(code, length)| (code, &text[length..])),
        Some(char) => Ok((u32::from(char), &text[char.len_utf8()..])),
    }
}

/// `[:alpha:]`, `[:^alpha:]`; the brackets of a name that has no end are plain.
fn posix(text: &str) -> Result<Option<(&'static str, usize)>, Fault<'_>> {
    if text.len() < 3 || !text.starts_with("[:") {
        return Ok(None);
    }
    let Some(end) = text[2..].find(":]") else { return Ok(None) };
    let length = end + 4;
    match posix_set(&text[2..2 + end]) {
        Some(set) => Ok(Some((set, length))),
        None => Err(Fault::new(Reason::CharacterRange, &text[..length])),
    }
}

fn posix_set(name: &str) -> Option<&'static str> {
    Some(match name {
        "alnum" => "[0-9A-Za-z]",
        "^alnum" => "[^0-9A-Za-z]",
        "alpha" => "[A-Za-z]",
        "^alpha" => "[^A-Za-z]",
        "ascii" => r"[\x00-\x7f]",
        "^ascii" => r"[^\x00-\x7f]",
        "blank" => r"[\t ]",
        "^blank" => r"[^\t ]",
        "cntrl" => r"[\x00-\x1f\x7f]",
        "^cntrl" => r"[^\x00-\x1f\x7f]",
        "digit" => "[0-9]",
        "^digit" => "[^0-9]",
        "graph" => r"[\x21-\x7e]",
        "^graph" => r"[^\x21-\x7e]",
        "lower" => "[a-z]",
        "^lower" => "[^a-z]",
        "print" => r"[\x20-\x7e]",
        "^print" => r"[^\x20-\x7e]",
        "punct" => r"[\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e]",
        "^punct" => r"[^\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e]",
        "space" => r"[\x09-\x0d ]",
        "^space" => r"[^\x09-\x0d ]",
        "upper" => "[A-Z]",
        "^upper" => "[^A-Z]",
        "word" => "[0-9A-Za-z_]",
        "^word" => "[^0-9A-Za-z_]",
        "xdigit" => "[0-9A-Fa-f]",
        "^xdigit" => "[^0-9A-Fa-f]",
        _ => return None,
    })
}

/// Writes a range without the surrogates in it, which may leave nothing.
fn push_range(body: &mut String, low: u32, high: u32) {
    let below = (low, high.min(SURROGATES.start() - 1));
    let above = (low.max(SURROGATES.end() + 1), high);
    for (low, high) in [below, above] {
        let (Some(low), Some(high)) = (char::from_u32(low), char::from_u32(high)) else { continue };
        if low > high {
            continue;
        }
        push_char(body, low);
        if low < high {
            body.push('-');
            push_char(body, high);
        }
    }
}
