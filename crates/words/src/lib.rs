//! Texts that others chose, made safe to show to people.
//!
//! What a server, a hook, a child process, a registry or a file name says may end up on a terminal, in a log or in a pull
//! request. Some characters do something there instead of being seen: they move the cursor, turn the direction of the text
//! around, end a line, or take no room at all, so that two texts look alike. This crate holds the one rule for all of them:
//!
//! - a text for the middle of a sentence is one line, bounded and escaped: [`one_line`];
//! - a name that has to stay whole is escaped, and stays as it is where nothing in it needs that: [`escape`];
//! - a message of several lines keeps its lines, and loses its terminal sequences and overwritten progress: [`clean`];
//! - what we print of all that keeps our lines, and nothing else in it acts: [`lines`].
//!
//! Escaped are control characters, white space other than the plain space, line and paragraph separators (U+2028, U+2029),
//! marks that turn the direction of the text, characters without width, and whatever else is invisible or unassigned. The
//! escapes are Rust's: `\n`, `\t`, `\u{1b}`, `\u{202e}`.
//!
//! ```
//! assert_eq!(words::one_line("denied\u{1b}[2J\nby policy", 100), r"denied\u{1b}[2J\nby policy");
//! assert_eq!(words::one_line("a very long story", 6), "a very…");
//! assert_eq!(words::escape(r"C:\apps\shop.yaml"), r"C:\apps\shop.yaml");
//! assert_eq!(words::clean(b"\x1b[31mno\x1b[0m 1%\rno 2%\nreally\n"), "no 2%\nreally");
//! ```
//!
//! How our own sentences count things and name commits is here as well: [`plural`], [`short`].
//!
//! What the operating system says of a failure is a sentence with a number behind: [`system`] is the sentence.
//!
//! What people write may hold a login: a URL, or a name that has lost its scheme. [`logins`] finds them, and [`without_logins`] is
//! the text without.
//!
//! It is a crate of its own, without dependencies, since pure code quotes such texts as the edges do.

/// The most characters of the other side's words that [`clean`] keeps.
const MAX_CHARS: usize = 2_000;

/// The most bytes of the other side's words that are collected before they are made safe.
pub const MAX_BYTES: usize = 16 * 1024;

/// Returns `raw` as text that can be printed, possibly over several lines, without surrounding white space: at most
/// [`MAX_BYTES`] are looked at, and 2,000 characters are kept.
#[must_use]
pub fn clean(raw: &[u8]) -> String {
    let text = String::from_utf8_lossy(&raw[..raw.len().min(MAX_BYTES)]);
    let plain = without_sequences(&text).replace('\t', " ");
    let mut out = String::new();
    for line in plain.lines().map(last_state).map(str::trim_end).filter(|line| !line.is_empty()) {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(&shown(line));
    }
    bounded(out)
}

/// Makes a short text of the other side, such as the message of an error, fit for the middle of a sentence: one line,
/// escaped, at most `limit` characters and an ellipsis before escaping. A backslash is doubled, so that no text can look like
/// the escape of another.
#[must_use]
pub fn one_line(text: &str, limit: usize) -> String {
    escaped(&shorten(text, limit))
}

/// Returns at most `limit` characters of a text, and an ellipsis where that is less than all.
#[must_use]
pub fn shorten(text: &str, limit: usize) -> String {
    let mut short: String = text.chars().take(limit).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// A number with its noun.
///
/// ```
/// assert_eq!((words::plural(1, "tag"), words::plural(2, "policy")), ("1 tag".to_owned(), "2 policies".to_owned()));
/// assert_eq!(words::plural(0, "key"), "0 keys");
/// ```
#[must_use]
pub fn plural(count: usize, noun: &str) -> String {
    let stem = noun.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'o', 'u']));
    match (count, stem) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) => format!("{count} {stem}ies"),
        (_, None) => format!("{count} {noun}s"),
    }
}

/// The first seven digits of a commit's hash, as people write it.
#[must_use]
pub fn short(commit: &str) -> &str {
    commit.get(..7).unwrap_or(commit)
}

/// Makes a text that has to stay whole, such as the name of a file, fit for one line. One in which nothing needs to be escaped
/// stays as it is, backslashes included.
#[must_use]
pub fn escape(text: &str) -> String {
    if is_harmless(text) { text.to_owned() } else { escaped(text) }
}

/// The operating system's words for a failure, in lower case and without their number, as a part of a sentence of ours. A text
/// that has no such number stays as it is.
///
/// ```
/// let error = std::io::Error::from_raw_os_error(2);
/// assert_eq!(words::system(&error.to_string()), "no such file or directory");
/// assert_eq!(words::system("Permission denied (os error 13) at path /x"), "permission denied at path /x");
/// assert_eq!(words::system("Disk full"), "Disk full");
/// ```
#[must_use]
pub fn system(text: &str) -> String {
    let parts = text.rsplit_once(" (os error ").and_then(|(sentence, rest)| {
        let (number, behind) = rest.split_once(')')?;
        number.bytes().all(|byte| byte.is_ascii_digit()).then(|| format!("{sentence}{behind}"))
    });
    let Some(sentence) = parts else { return text.to_owned() };
    let mut letters = sentence.chars();
    match (letters.next(), letters.clone().next()) {
        // Not of an abbreviation.
        (Some(first), Some(second)) if second.is_lowercase() => first.to_lowercase().chain(letters).collect(),
        _ => sentence,
    }
}

/// Makes a text of several lines, put together by us of our words and of others', fit to be printed: line ends stay, everything
/// else that would do something is escaped. It is the last net; what comes from outside is made one line where it is put in.
///
/// ```
/// assert_eq!(words::lines("a: b\u{1b}[2J\r\n  c\u{202e}"), "a: b\\u{1b}[2J\\r\n  c\\u{202e}");
/// ```
#[must_use]
pub fn lines(text: &str) -> String {
    text.split('\n').map(escape).collect::<Vec<_>>().join("\n")
}

/// Makes an excerpt of a file harmless and leaves every byte that stays at its place, since spans are counted in bytes. Line ends
/// and tabs stay; what would act is a `�` or dots of the same length.
///
/// ```
/// assert_eq!(words::in_place("a: b # \u{9b}31m \u{202e}\u{1b}\r\n"), "a: b # ·31m \u{fffd}?\r\n");
/// ```
#[must_use]
pub fn in_place(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        let stays = matches!(c, '\n' | '\t') || (c == '\r' && rest.starts_with('\n'));
        match c.len_utf8() {
            _ if stays || is_harmless(c.encode_utf8(&mut [0; 4])) || is_combining(c) => out.push(c),
            1 => out.push('?'),
            2 => out.push('·'),
            3 => out.push('\u{fffd}'),
            _ => out.push_str("\u{fffd}?"),
        }
    }
    out
}

/// Whether a character is escaped by itself only since it has to stand on another.
fn is_combining(c: char) -> bool {
    is_harmless(&format!("a{c}"))
}

/// Whether a text can be shown as it is, on one line.
#[must_use]
pub fn is_harmless(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~')) || shown(text) == text
}

/// Returns where in a text, of any kind and over any number of lines, something stands that may be a login: what is in front of
/// `@` in a URL (`https://bot:secret@host/`), except for the user name of ssh; the same without a scheme (`bot:secret@host/path`),
/// or with a broken one (`http:/bot:secret@host/`); and the query or fragment of a URL of the web. Ranges are in bytes.
///
/// ```
/// let text = "url: https://bot:s3cret@git.example.com/a.git # bot:s3cret@git.example.com/a";
/// assert_eq!(words::without_logins(text), "url: https://…@git.example.com/a.git # …@git.example.com/a");
/// assert_eq!(words::without_logins("git@host:a.git app:1.0@sha256:0f"), "git@host:a.git app:1.0@sha256:0f");
/// ```
#[must_use]
pub fn logins(text: &str) -> Vec<std::ops::Range<usize>> {
    let ends = |c: char| c.is_whitespace() || "\"'`,<>(){}|".contains(c);
    let mut found = Vec::new();
    let mut start = 0;
    for token in text.split(ends) {
        // As it is where the token stands in the text.
        let at = start;
        start += token.len() + text[start + token.len()..].chars().next().map_or(0, char::len_utf8);
        found.extend(login_in(token).map(|range| at + range.start..at + range.end));
        found.extend(query_in(token).map(|range| at + range.start..at + range.end));
    }
    found
}

/// Returns a text with `…` for everything in it that may be a login.
#[must_use]
pub fn without_logins(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut end = 0;
    for range in logins(text) {
        plain.push_str(&text[end..range.start]);
        plain.push('…');
        end = range.end;
    }
    plain.push_str(&text[end..]);
    plain
}

fn login_in(token: &str) -> Option<std::ops::Range<usize>> {
    let digest = ["@sha256:", "@sha512:"].into_iter().filter_map(|mark| token.find(mark)).min();
    let token = &token[..digest.unwrap_or(token.len())];
    let start = token.find("://").map_or(0, |at| at + 3);
    let end = start + token[start..].rfind('@')?;
    let (before, after) = (&token[start..end], &token[end + 1..]);
    let is_login = match start {
        0 => before.contains(':') && after.contains(['/', ':']),
        _ if token[..start].ends_with("ssh://") => before.contains(':'),
        _ => before.contains(':') || !before.contains('/'),
    };
    (is_login && !before.is_empty()).then_some(start..end)
}

fn query_in(token: &str) -> Option<std::ops::Range<usize>> {
    let start = ["http://", "https://"].into_iter().filter_map(|scheme| token.find(scheme)).min()?;
    let query = start + token[start..].find(['?', '#'])? + 1;
    (query < token.len()).then_some(query..token.len())
}

/// The rule itself; quotes are harmless, and stay.
fn escaped(text: &str) -> String {
    text.escape_debug().to_string().replace("\\'", "'").replace("\\\"", "\"")
}

/// As [`escaped`], with the backslashes as they were.
fn shown(text: &str) -> String {
    escaped(text).replace("\\\\", "\\")
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
        check(b"bell\x07 nul\x00", "bell\\u{7} nul\\0");
        check(br#"C:\new 'x' "y""#, r#"C:\new 'x' "y""#);
        check("right\u{202e}left".as_bytes(), "right\\u{202e}left");
        check(b"\xff", "\u{fffd}");
        assert_eq!(clean(&[b'x'; 5_000]).chars().count(), MAX_CHARS + 1);
    }
    /// Every character that does something else than be seen, wherever it stands and whoever shows it.
    #[test]
    fn nothing_acts() {
        let controls = ('\0'..='\u{1f}').chain('\u{7f}'..='\u{9f}').filter(|c| !matches!(c, '\n' | '\r'));
        let separators = ['\u{2028}', '\u{2029}'];
        let directions =
            ('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}').chain(['\u{200e}', '\u{200f}', '\u{61c}']);
        let widthless = ('\u{200b}'..='\u{200d}').chain('\u{2060}'..='\u{2064}').chain([
            '\u{feff}',
            '\u{ad}',
            '\u{180e}',
            '\u{e0041}',
        ]);
        for c in controls.chain(separators).chain(directions).chain(widthless) {
            let text = format!("a{c}b");
            for shown in [one_line(&text, 10), escape(&text), clean(text.as_bytes())] {
                assert!(!shown.contains(c), "{c:?}: {shown:?}");
            }
            assert!(!is_harmless(&text), "{c:?}");
        }
        for text in ["plain", "über/größe.yaml", r"C:\x", "it's \"quoted\"", "日本語", "🦀", "a\u{301}"] {
            assert!(is_harmless(text), "{text}");
            assert_eq!((escape(text), clean(text.as_bytes())), (text.to_owned(), text.to_owned()));
        }
    }

    #[test]
    fn logins_are_found_wherever_they_stand() {
        for (text, expect) in [
            ("", ""),
            ("nothing", "nothing"),
            ("https://h/x", "https://h/x"),
            ("https://bot@h/x", "https://…@h/x"),
            ("https://b:s3c@ret@h/x", "https://…@h/x"),
            ("https://b:s3/cret@h:x/y", "https://…@h:x/y"),
            ("https://h/x?token=s3cret#y", "https://h/x?…"),
            ("https://b:s3@h/x?s3", "https://…@h/x?…"),
            ("ssh://git@h/x", "ssh://git@h/x"),
            ("ssh://git:s3@h/x", "ssh://…@h/x"),
            ("b:s3@h/x", "…@h/x"),
            ("http:/b:s3@h/x", "…@h/x"),
            ("a@b.io:s3@h/x", "…@h/x"),
            ("b:s3@r.io/app:1.0@sha256:00", "…@r.io/app:1.0@sha256:00"),
            ("git@h:a/b.git", "git@h:a/b.git"),
            ("oci://r.io/app@sha256:00", "oci://r.io/app@sha256:00"),
            ("https://h/@scope/x", "https://h/@scope/x"),
            ("'^(?P<ts>[0-9]+)' ü: \"https://ü:s3@h\"\n- b:s3@h/x", "'^(?P<ts>[0-9]+)' ü: \"https://…@h\"\n- …@h/x"),
        ] {
            assert_eq!(without_logins(text), expect, "{text}");
        }
    }

    #[test]
    fn one_line_is_bounded_and_cannot_be_forged() {
        assert_eq!(one_line("äöü", 3), "äöü");
        assert_eq!(one_line("äöü!", 3), "äöü…");
        assert_eq!(one_line("a\nb\tc\r\0", 100), r"a\nb\tc\r\0");
        assert_eq!(one_line(r"a\nb", 100), r"a\\nb");
        assert_eq!(escape("a\nb\\n"), r"a\nb\\n");
    }
}
