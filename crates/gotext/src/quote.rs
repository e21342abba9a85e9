//! Go's ways to write a text inside another: in quotes, in HTML, JavaScript and URLs.
//!
//! Error messages quote what they are about as Go's `%q` does, and templates have functions for each of these.

/// Go's `strconv.Quote`.
pub(crate) fn quote(text: &str) -> String {
    quote_in(text, '"', is_printable)
}

/// The text between two `mark`s, in Go's escapes for what `keep` does not keep; the mark and the backslash always are.
pub(crate) fn quote_in(text: &str, mark: char, keep: fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push(mark);
    for c in text.chars() {
        match c {
            c if c == mark || c == '\\' => out.extend(['\\', c]),
            c if keep(c) => out.push(c),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x0b' => out.push_str("\\v"),
            c if u32::from(c) < 0x80 => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if u32::from(c) < 0x1_0000 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    out.push(mark);
    out
}

/// The text in backquotes where Go's `strconv.CanBackquote` allows it: nothing in it needs an escape.
pub(crate) fn backquote(text: &str) -> Option<String> {
    let raw = |c: char| c != '`' && c != '\u{feff}' && (c == '\t' || !c.is_ascii_control());
    text.chars().all(raw).then(|| format!("`{text}`"))
}

/// Go's `strconv.IsPrint`: letters, marks, numbers, punctuation, symbols and the ASCII space.
pub(crate) fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return matches!(c, ' '..='~');
    }
    // The standard library escapes what is not printable; a letter in front keeps it from escaping combining marks.
    !['a', c].iter().collect::<String>().escape_debug().skip(1).any(|c| c == '\\')
}

/// What is printable in ASCII, which is all that `%+q` keeps.
pub(crate) fn is_printable_ascii(c: char) -> bool {
    c.is_ascii() && is_printable(c)
}

/// Go's `HTMLEscapeString`.
pub(crate) fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\0' => out.push(char::REPLACEMENT_CHARACTER),
            '"' | '\'' => out.push_str(&format!("&#{};", u32::from(c))),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c => out.push(c),
        }
    }
    out
}

/// Go's `JSEscapeString`.
pub(crate) fn javascript(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '\'' | '"' => out.extend(['\\', c]),
            '<' | '>' | '&' | '=' | '\0'..='\x1f' => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c if c.is_ascii() || is_printable(c) => out.push(c),
            c => out.push_str(&format!("\\u{:04X}", u32::from(c))),
        }
    }
    out
}

/// Percent-encodes all bytes of a text but letters, digits, `-_.~` and those in `keep`.
pub(crate) fn percent(text: &str, keep: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let c = char::from(byte);
        if c.is_ascii_alphanumeric() || "-_.~".contains(c) || byte.is_ascii() && keep.contains(c) {
            out.push(c);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
