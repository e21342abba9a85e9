//! A value of a document, with the order of its keys, and what it means whichever reader takes it.
//!
//! Readers of YAML do not agree on what a plain `yes`, `012` or `1e3` is. So a scalar is either a [`Text`](Node::Text), which every reader
//! takes for that string, or [`Plain`](Node::Plain): text without quotes that some reader takes for something else, and that is written as
//! it stands, so that each reader goes on to take it for what it did.

use std::collections::HashMap;

/// Words that YAML 1.1 or 1.2 takes for something else than a string, in lower case.
const WORDS: [&str; 18] = [
    "", "~", "null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf", ".nan", ".inf", "+.inf",
    "-.inf", "=",
];

/// A value of a document.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Node {
    /// Nothing.
    Null,
    /// A number, a truth value, a date, or what some reader takes for one; as it is written.
    Plain(String),
    /// A string.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// Keys, which are scalars and each there once, and values, in their order.
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// The scalar that is written without quotes as this.
    #[must_use]
    pub fn plain(text: &str) -> Self {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => Self::Null,
            _ if is_string(text) || text.contains('\n') => Self::Text(text.to_owned()),
            _ => Self::Plain(text.to_owned()),
        }
    }

    /// The text of a scalar.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Plain(text) | Self::Text(text) => Some(text),
            Self::Null | Self::List(_) | Self::Map(_) => None,
        }
    }

    /// The value of a key, where this is a mapping.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|(name, _)| name.text() == Some(key)).map(|(_, value)| value)
    }

    /// The entries of a mapping; of everything else none.
    #[must_use]
    pub fn entries(&self) -> &[(Self, Self)] {
        match self {
            Self::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The entries of a mapping, to change them.
    pub(super) fn entries_mut(&mut self) -> Option<&mut Vec<(Self, Self)>> {
        match self {
            Self::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// Whether both mean the same to every reader: keys may stand in another order.
    #[must_use]
    pub fn means(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::List(ours), Self::List(theirs)) => {
                ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| ours.means(theirs))
            }
            (Self::Map(ours), Self::Map(theirs)) => {
                if ours.len() != theirs.len() {
                    return false;
                }
                // Most are in the same order. The values are gone through once in either case.
                if ours.iter().zip(theirs).all(|((ours, _), (theirs, _))| ours == theirs) {
                    return ours.iter().zip(theirs).all(|((_, ours), (_, theirs))| ours.means(theirs));
                }
                let known: HashMap<&Self, &Self> = theirs.iter().map(|(key, value)| (key, value)).collect();
                ours.iter().all(|(key, value)| known.get(key).is_some_and(|it| value.means(it)))
            }
            (ours, theirs) => ours == theirs,
        }
    }

    /// How many bytes its texts have.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::List(items) => items.iter().map(Self::bytes).sum(),
            Self::Map(entries) => entries.iter().map(|(key, value)| key.bytes() + value.bytes()).sum(),
            Self::Plain(text) | Self::Text(text) => text.len(),
            Self::Null => 0,
        }
    }

    /// How many values it has, itself counted.
    pub(super) fn count(&self) -> usize {
        match self {
            Self::List(items) => 1 + items.iter().map(Self::count).sum::<usize>(),
            Self::Map(entries) => 1 + entries.iter().map(|(_, value)| 1 + value.count()).sum::<usize>(),
            Self::Null | Self::Plain(_) | Self::Text(_) => 1,
        }
    }
}

/// Whether every reader of YAML 1.1 and 1.2 takes this text, written without quotes as a value or key of a block, for the string that it is.
/// Some for which that is so are said to be none: they get quotes, which is no harm.
#[must_use]
pub(super) fn is_string(text: &str) -> bool {
    let Some(first) = text.chars().next() else { return false };
    // A dash begins an item, a number or a document, but none of those goes on as a flag of a program does.
    let is_flag = || {
        let rest = text.trim_start_matches('-');
        let is_word = |c: char| c.is_alphabetic() || matches!(c, '/' | '_' | '(' | '$');
        rest.starts_with(is_word) && !rest.to_ascii_lowercase().starts_with("inf")
    };
    let begins = first.is_alphanumeric()
        || matches!(first, '/' | '_' | '(' | '$' | '.' | '^' | ';')
        || first == '-' && is_flag();
    begins
        && is_one_line(text)
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && !is_other(text)
}

/// Whether a text is one line of characters that need no escape.
fn is_one_line(text: &str) -> bool {
    text.chars().all(is_printable)
}

/// Whether a character may stand in YAML as it is, within a line.
pub(super) fn is_printable(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// Whether some reader takes a plain text for a number, a truth value, a date or nothing.
fn is_other(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let unsigned = lower.strip_prefix(['+', '-']).unwrap_or(&lower).replace('_', "");
    let all = |known: &str| unsigned.chars().all(|c| c.is_ascii_digit() || known.contains(c));
    let based = ["0x", "0o", "0b"].iter().any(|base| unsigned.starts_with(base));
    let is_dated = || {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        digits == 4 && text[4..].starts_with('-')
    };
    WORDS.contains(&lower.as_str())
        || text == "<<"
        || based
        || all(".,:") && unsigned.chars().any(|c| c.is_ascii_digit()) && unsigned.matches('.').count() < 2
        || all(".e+-") && unsigned.parse::<f64>().is_ok()
        || is_dated()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_some_reader_takes_for_something_else_is_no_string() {
        for text in [
            "",
            "~",
            "null",
            "Null",
            "true",
            "True",
            "yes",
            "NO",
            "on",
            "Off",
            "y",
            "N",
            "012",
            "0o14",
            "0x1F",
            "0b11",
            "1_000",
            "1e3",
            "1E3",
            "+1",
            ".5",
            "5.",
            "1.5",
            "1,000",
            "190:20:30",
            "12:30",
            "2026-11-27",
            "2026-11-27T10:00:00Z",
            ".inf",
            ".NaN",
            "=",
            "<<",
            "- a",
            "-",
            "--",
            "---",
            "--- a",
            "-1",
            "-.5",
            "-.inf",
            "-inf",
            "-a: b",
            "a: b",
            "a #b",
            " a",
            "a ",
            "a:",
            "#a",
            "&a",
            "*a",
            "!a",
            "%a",
            "@a",
            "`a",
            "{a",
            "[a",
            "\"a",
            "'a",
            "|",
            ">",
            "a\nb",
            "a\tb",
            "\u{85}",
            "?",
        ] {
            assert!(!is_string(text), "{text:?}");
        }
        for text in [
            "a",
            "nginx:1.25",
            "nginx:1.25@sha256:abc",
            "1.2.3",
            "10.0.0.0/8",
            "v1",
            "10s",
            "500m",
            "1Gi",
            "a b",
            "/metrics",
            "(a)",
            "$(NAME)",
            "yesterday",
            "no-op",
            "a,b",
            "a[0]",
            "1.2.3-beta.1",
            "ä",
            "12345-abc",
            "http://a:80/b",
            "--foo",
            "--foo=1",
            "-v",
            "-----BEGIN",
        ] {
            assert!(is_string(text), "{text:?}");
        }
    }

    #[test]
    fn the_order_of_keys_is_no_meaning() {
        let map = |keys: &[&str]| Node::Map(keys.iter().map(|key| (Node::plain(key), Node::plain("1"))).collect());
        assert!(map(&["a", "b"]).means(&map(&["b", "a"])));
        assert!(!map(&["a", "b"]).means(&map(&["a", "c"])));
        assert!(!Node::Text("true".into()).means(&Node::plain("true")));
        assert!(Node::plain("abc").means(&Node::Text("abc".into())));
    }

    /// Each level is gone through once, also where the last value is another one.
    #[test]
    fn deep_values_are_compared_once() {
        let deep = |end: &str, first: &str, second: &str| {
            (0..150).fold(Node::plain(end), |inner, _| {
                Node::Map(vec![
                    (Node::plain(first), Node::Null),
                    (Node::plain(second), Node::Null),
                    (Node::plain("in"), inner),
                ])
            })
        };
        assert!(!deep("a", "x", "w").means(&deep("b", "x", "w")));
        assert!(!deep("a", "x", "w").means(&deep("b", "w", "x")));
        assert!(deep("a", "x", "w").means(&deep("a", "w", "x")));
    }
}
