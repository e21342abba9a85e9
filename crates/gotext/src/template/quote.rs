//! Go's quoting of strings and characters.

/// Go's `strconv.Quote`.
pub(crate) fn quote(text: &str) -> String {
    quote_with(text, '"', is_printable)
}

/// Go's `strconv.QuoteToASCII`.
pub(crate) fn quote_ascii(text: &str) -> String {
    quote_with(text, '"', |c| c.is_ascii() && is_printable(c))
}

/// Go's `strconv.QuoteRune`.
pub(crate) fn quote_char(c: char) -> String {
    quote_with(c.encode_utf8(&mut [0; 4]), '\'', is_printable)
}

/// Go's `strconv.QuoteRuneToASCII`.
pub(crate) fn quote_char_ascii(c: char) -> String {
    quote_with(c.encode_utf8(&mut [0; 4]), '\'', |c| c.is_ascii() && is_printable(c))
}

fn quote_with(text: &str, mark: char, keep: fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push(mark);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            c if c == mark => {
                out.push('\\');
                out.push(c);
            }
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

/// Go's `strconv.IsPrint`: letters, marks, numbers, punctuation, symbols and the ASCII space.
pub(crate) fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return matches!(c, ' '..='~');
    }
    // The standard library escapes what is not printable; a letter in front keeps it from escaping combining marks.
    let mut text = String::from("a");
    text.push(c);
    !text.escape_debug().skip(1).any(|c| c == '\\')
}
