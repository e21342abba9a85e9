//! Character classes: `[a-z]`, `[^[:space:]\w-.]`, `\d`, `\p{Greek}`.
//!
//! Go's classes have no set operations, and `[` and `-` are plain wherever they make no class name or range. So every
//! character is written escaped, and every named class as a class of its own inside.
//!
//! Where case does not matter, letters of ASCII are written in both cases here. The crate is asked to do it for classes
//! that reach beyond ASCII; it looks at every character of them, which is why that is counted.

use super::syntax::{Fault, Flags, push_char};
use super::{Reason, escape, unicode};

/// A class that matches nothing.
pub(super) const NOTHING: &str = "[a&&b]";

/// Surrogates: characters to Go, and never in a text.
const SURROGATES: std::ops::RangeInclusive<u32> = 0xD800..=0xDFFF;

/// The number of characters in Unicode.
const ALL_CHARACTERS: u32 = 0x11_0000;

/// More characters than any of Go's named classes has.
const NAMED_CHARACTERS: u32 = 0x2_5000;

/// A class as an item.
#[derive(Debug, Default)]
pub(super) struct Class {
    /// In the crate's syntax.
    pub(super) text: String,
    /// How many bytes of the pattern it takes.
    pub(super) length: usize,
    /// How many characters the crate looks at to match them in any case.
    pub(super) folded: u32,
}

/// A named set of characters, as text for the inside of a class.
pub(super) struct Set {
    pub(super) text: String,
    pub(super) length: usize,
    /// Whether case has yet to be dealt with.
    pub(super) beyond_ascii: bool,
}

/// Translates the class at the start of `text`.
pub(super) fn translate(text: &str, flags: Flags) -> Result<Class, Fault<'_>> {
    let mut rest = &text[1..];
    let negated = rest.starts_with('^');
    if negated {
        rest = &rest[1..];
    }
    let mut body = Body { flags, text: String::new(), folded: 0 };
    let mut first = true;
    while first || !rest.starts_with(']') {
        first = false;
        rest = body.element(text, rest)?;
    }
    let sign = if negated { "^" } else { "" };
    let inside = if body.text.is_empty() { "a&&b" } else { &body.text };
    let class = format!("[{sign}{inside}]");
    let class = if body.folded > 0 { format!("(?i:{class})") } else { class };
    Ok(Class { text: class, length: text.len() - rest.len() + 1, folded: body.folded })
}

/// Reads `\d`, `\pL` and the like, outside of a class.
pub(super) fn named(text: &str, flags: Flags) -> Result<Option<Class>, Fault<'_>> {
    let Some(set) = escaped_set(text, flags)? else { return Ok(None) };
    Ok(Some(if set.beyond_ascii && flags.fold_case {
        Class { text: format!("(?i:{})", set.text), length: set.length, folded: NAMED_CHARACTERS }
    } else {
        Class { text: set.text, length: set.length, folded: 0 }
    }))
}

/// What is between the brackets.
struct Body {
    flags: Flags,
    text: String,
    folded: u32,
}

impl Body {
    /// Reads one element of the class `whole` and writes it; gives what follows.
    fn element<'p>(&mut self, whole: &'p str, text: &'p str) -> Result<&'p str, Fault<'p>> {
        let set = match posix_set(text, self.flags)? {
            None => escaped_set(text, self.flags)?,
            posix => posix,
        };
        if let Some(set) = set {
            self.text.push_str(&set.text);
            if set.beyond_ascii && self.flags.fold_case {
                // A negated set is folded as the large rest it is.
                let characters = if set.text.starts_with(r"\p{") { NAMED_CHARACTERS } else { ALL_CHARACTERS };
                self.folded = self.folded.saturating_add(characters);
            }
            return Ok(&text[set.length..]);
        }
        let (low, mut rest) = character(whole, text)?;
        let mut high = low;
        if rest.len() > 1 && rest.starts_with('-') && !rest.starts_with("-]") {
            (high, rest) = character(whole, &rest[1..])?;
            if high < low {
                return Err(Fault::new(Reason::CharacterRange, &text[..text.len() - rest.len()]));
            }
        }
        self.range(low, high);
        Ok(rest)
    }

    fn range(&mut self, low: u32, high: u32) {
        push_range(&mut self.text, low, high);
        if !self.flags.fold_case {
            return;
        }
        if high >= 0x80 {
            self.folded = self.folded.saturating_add(high - low + 1);
            return;
        }
        for (from, to) in [('a', 'A'), ('A', 'a')] {
            let (from, to) = (u32::from(from), u32::from(to));
            let (low, high) = (low.max(from), high.min(from + 25));
            if low <= high {
                push_range(&mut self.text, low - from + to, high - from + to);
            }
        }
        // The two characters beyond ASCII whose other case is a letter of ASCII.
        for (letter, other) in [('k', '\u{212a}'), ('s', '\u{17f}')] {
            if [letter, letter.to_ascii_uppercase()].into_iter().any(|char| (low..=high).contains(&u32::from(char))) {
                self.text.push(other);
            }
        }
    }
}

fn character<'p>(whole: &'p str, text: &'p str) -> Result<(u32, &'p str), Fault<'p>> {
    match text.chars().next() {
        None => Err(Fault::new(Reason::MissingBracket, whole)),
        Some('\\') => escape::character(text).map(|(code, length)| (code, &text[length..])),
        Some(char) => Ok((u32::from(char), &text[char.len_utf8()..])),
    }
}

/// `[:alpha:]`, `[:^alpha:]`; the brackets of a name that has no end are plain.
fn posix_set(text: &str, flags: Flags) -> Result<Option<Set>, Fault<'_>> {
    if text.len() < 3 || !text.starts_with("[:") {
        return Ok(None);
    }
    let Some(end) = text[2..].find(":]") else { return Ok(None) };
    let length = end + 4;
    let name = &text[2..2 + end];
    let (sign, name) = name.strip_prefix('^').map_or(("", name), |name| ("^", name));
    match ascii_set(name, flags) {
        Some(set) => Ok(Some(Set { text: format!("[{sign}{set}]"), length, beyond_ascii: false })),
        None => Err(Fault::new(Reason::CharacterRange, &text[..length])),
    }
}

/// `\d`, `\pL`, `\p{Greek}` and the like.
fn escaped_set(text: &str, flags: Flags) -> Result<Option<Set>, Fault<'_>> {
    if !text.starts_with('\\') {
        return Ok(None);
    }
    let (sign, name) = match text.as_bytes().get(1) {
        Some(b'd') => ("", "digit"),
        Some(b'D') => ("^", "digit"),
        Some(b's') => ("", "perl space"),
        Some(b'S') => ("^", "perl space"),
        Some(b'w') => ("", "word"),
        Some(b'W') => ("^", "word"),
        Some(b'p' | b'P') => return unicode_set(text).map(Some),
        _ => return Ok(None),
    };
    Ok(ascii_set(name, flags).map(|set| Set { text: format!("[{sign}{set}]"), length: 2, beyond_ascii: false }))
}

fn unicode_set(text: &str) -> Result<Set, Fault<'_>> {
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
        Some(text) => Ok(Set { text, length, beyond_ascii: true }),
        None => Err(Fault::new(Reason::CharacterRange, &text[..length])),
    }
}

/// The characters of a named class; `perl space` lacks the vertical tab that `space` has.
fn ascii_set(name: &str, flags: Flags) -> Option<&'static str> {
    let (plain, folded) = match name {
        "alnum" => ("0-9A-Za-z", "0-9A-Za-z\u{17f}\u{212a}"),
        "alpha" => ("A-Za-z", "A-Za-z\u{17f}\u{212a}"),
        "ascii" => (r"\x00-\x7f", "\\x00-\\x7f\u{17f}\u{212a}"),
        "blank" => (r"\t ", r"\t "),
        "cntrl" => (r"\x00-\x1f\x7f", r"\x00-\x1f\x7f"),
        "digit" => ("0-9", "0-9"),
        "graph" => (r"\x21-\x7e", "\\x21-\\x7e\u{17f}\u{212a}"),
        "lower" => ("a-z", "A-Za-z\u{17f}\u{212a}"),
        "print" => (r"\x20-\x7e", "\\x20-\\x7e\u{17f}\u{212a}"),
        "punct" => (r"\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e", r"\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e"),
        "space" => (r"\x09-\x0d ", r"\x09-\x0d "),
        "perl space" => (r"\t\n\x0c\r ", r"\t\n\x0c\r "),
        "upper" => ("A-Z", "A-Za-z\u{17f}\u{212a}"),
        "word" => ("0-9A-Za-z_", "0-9A-Za-z_\u{17f}\u{212a}"),
        "xdigit" => ("0-9A-Fa-f", "0-9A-Fa-f"),
        _ => return None,
    };
    Some(if flags.fold_case { folded } else { plain })
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
