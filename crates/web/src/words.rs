//! What a server, a hook or a child process says, made safe to show.
//!
//! The other side chooses these bytes. Terminal sequences are removed, control characters and text-direction overrides are
//! escaped, progress that overwrites itself is reduced to its last state, and the whole is bounded.

/// The most characters of the other side's words that are kept.
const MAX_CHARS: usize = 2_000;

/// The most bytes of the other side's words that are collected before they are made safe.
pub const MAX_BYTES: usize = 16 * 1024;

/// Returns `raw` as text that can be printed, possibly over several lines, without surrounding white space.
pub fn clean(raw: &[u8]) -> String {
    let text = String::from_utf8_lossy(&raw[..raw.len().min(MAX_BYTES)]);
    let plain = without_sequences(&text);
    let mut out = String::new();
    for line in plain.lines().map(last_state).map(str::trim_end).filter(|line| !line.is_empty()) {
        if !out.is_empty() {
            out.push('\n');
        }
        line.chars().for_each(|c| push_escaped(&mut out, c));
    }
    bounded(out)
}

/// Makes a short text of the other side, such as the message of an error, fit for the middle of a sentence: one line,
/// escaped, at most `limit` characters and an ellipsis before escaping.
pub fn one_line(text: &str, limit: usize) -> String {
    let mut short: String = text.chars().take(limit).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short.escape_debug().to_string().replace("\\'", "'").replace("\\\"", "\"")
}

/// Adds `more` to `kept` as long as there is room.
pub fn collect(kept: &mut Vec<u8>, more: &[u8]) {
    let room = MAX_BYTES.saturating_sub(kept.len());
    kept.extend_from_slice(&more[..more.len().min(room)]);
}

fn bounded(mut text: String) -> String {
    if let Some((at, _)) = text.char_indices().nth(MAX_CHARS) {
        text.truncate(at);
        text.push('…');
    }
    text
}

/// A carriage return starts the line anew, so that only the text after the last one was meant to stay.
fn last_state(line: &str) -> &str {
    line.trim_end_matches('\r').rsplit('\r').find(|part| !part.trim().is_empty()).unwrap_or_default()
}

fn push_escaped(out: &mut String, c: char) {
    match c {
        '\t' => out.push(' '),
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => out.extend(c.escape_default()),
        c if c.is_control() => out.extend(c.escape_default()),
        c => out.push(c),
    }
}

/// Removes CSI (`ESC [ … letter`) and OSC (`ESC ] … BEL`) sequences and the introducer of any other.
fn without_sequences(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\u{1b}' {
            out.push(c);
            continue;
        }
        match chars.peek() {
            Some('[') => {
                chars.next();
                while chars.next_if(|c| matches!(c, ' '..='?')).is_some() {}
                chars.next_if(|c| matches!(c, '@'..='~'));
            }
            Some(']') => {
                while chars.next_if(|c| !matches!(c, '\u{7}' | '\u{1b}' | '\n')).is_some() {}
                chars.next_if_eq(&'\u{7}');
            }
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_safe_to_print() {
        let check = |raw: &[u8], expect: &str| assert_eq!(clean(raw), expect);
        check(b"  \n", "");
        check(b"policy says no\n", "policy says no");
        check(b"\x1b[31;1mred\x1b[0m text", "red text");
        check(b"\x1b]0;title\x07shown", "shown");
        check(b"Counting 1%\rCounting 100%, done.\r\nnext\r\n", "Counting 100%, done.\nnext");
        check(b"bell\x07 nul\x00", "bell\\u{7} nul\\u{0}");
        check("right\u{202e}left".as_bytes(), "right\\u{202e}left");
        check(b"\xff", "\u{fffd}");
        assert_eq!(clean(&[b'x'; 5_000]).chars().count(), MAX_CHARS + 1);
    }
}
