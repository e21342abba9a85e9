//! How texts are marked up where they are shown, and how others' texts are kept from being markup.
//!
//! Events repeat what registries, remotes, commits and people have written. It has to mean itself: mention nobody, link nowhere, and not
//! look like our own words. Beside the characters that mark something up, there is what services make something of where it has no mark at
//! all: an address, `www.` in front of a name, and `@` in front of one. A character without width (U+200B) goes into each of these; what
//! is copied out of a message to be used, such as `app@sha256:…`, stays as it was.

/// How a text is marked up where it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Markup {
    /// Not at all.
    Plain,
    /// Slack's own.
    Slack,
    /// Discord's Markdown.
    Discord,
    /// The Markdown of adaptive cards.
    Card,
}

/// What is mentioned wherever it stands.
const EVERYBODY: [&str; 4] = ["everyone", "here", "channel", "group"];

/// Takes no room, and is part of no word.
const GAP: char = '\u{200b}';

impl Markup {
    /// Makes a text mean itself.
    pub(crate) fn escape(self, text: &str) -> String {
        let text = words::escape(text);
        if self == Self::Plain { text } else { self.unmarked(&inert(&text)) }
    }

    /// A text whose characters mark nothing up.
    fn unmarked(self, text: &str) -> String {
        let behind = |special: &str| -> String {
            text.chars().flat_map(|c| special.contains(c).then_some('\\').into_iter().chain([c])).collect()
        };
        match self {
            Self::Plain => text.to_owned(),
            Self::Slack => text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"),
            Self::Discord => behind("\\*_~`|>#[]()<"),
            Self::Card => behind("\\*_`#[]()<>~"),
        }
    }

    /// An address that is ours or a forge's by its shape, so that it has nothing to escape but for Slack.
    pub(crate) fn link(self, page: &str) -> String {
        match self {
            Self::Plain => page.to_owned(),
            Self::Slack => format!("<{}>", self.unmarked(page)),
            Self::Discord => format!("<{page}>"),
            Self::Card => format!("[{}]({page})", self.unmarked(page)),
        }
    }

    /// As much of the beginning of a marked-up text as stands by itself: not half of an escape, of an entity or of a link.
    pub(crate) fn whole(self, text: &str) -> &str {
        let without = |open: char, close: char| match (text.rfind(open), text.rfind(close)) {
            (Some(at), None) => &text[..at],
            (Some(at), Some(end)) if end < at => &text[..at],
            _ => text,
        };
        match self {
            Self::Plain => text,
            Self::Slack => {
                let text = without('<', '>');
                match text.rfind('&') {
                    Some(at) if !text[at..].contains(';') => &text[..at],
                    _ => text,
                }
            }
            Self::Discord | Self::Card => {
                let escapes = text.len() - text.trim_end_matches('\\').len();
                &text[..text.len() - escapes % 2]
            }
        }
    }
}

/// A text that no service makes a link or a mention of.
fn inert(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        let (before, behind) = (&text[..at], &text[at + c.len_utf8()..]);
        out.push(c);
        let acts = match c {
            ':' => behind.starts_with("//"),
            '.' => ends_with(before, "www"),
            '@' => !before.ends_with(char::is_alphanumeric) || EVERYBODY.iter().any(|word| starts_with(behind, word)),
            _ => false,
        };
        if acts {
            out.push(GAP);
        }
    }
    out
}

fn starts_with(text: &str, word: &str) -> bool {
    text.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word))
}

fn ends_with(text: &str, word: &str) -> bool {
    text.len().checked_sub(word.len()).and_then(|at| text.get(at..)).is_some_and(|end| end.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_mentions_nobody_and_links_nowhere() {
        let check = |markup: Markup, text: &str, expect: &str| assert_eq!(markup.escape(text), expect, "{markup:?}");
        let bad = "<!channel> @everyone [a](https://evil.example) *b* & <@U1>\n\u{202e}x";
        check(
            Markup::Slack,
            bad,
            "&lt;!channel&gt; @\u{200b}everyone [a](https:\u{200b}//evil.example) *b* &amp; &lt;@\u{200b}U1&gt;\\n\\u{202e}x",
        );
        check(
            Markup::Discord,
            bad,
            "\\<!channel\\> @\u{200b}everyone \\[a\\]\\(https:\u{200b}//evil.example\\) \\*b\\* & \\<@\u{200b}U1\\>\\\\n\\\\u{202e}x",
        );
        check(
            Markup::Card,
            bad,
            "\\<!channel\\> @\u{200b}everyone \\[a\\]\\(https:\u{200b}//evil.example\\) \\*b\\* & \\<@\u{200b}U1\\>\\\\n\\\\u{202e}x",
        );
        for markup in [Markup::Slack, Markup::Discord, Markup::Card] {
            check(markup, "see HTTPS://evil.example", "see HTTPS:\u{200b}//evil.example");
            check(markup, "WWW.evil.example", "WWW.\u{200b}evil.example");
            assert!(markup.escape("a@HERE @team").ends_with("a@\u{200b}HERE @\u{200b}team"));
            // What people copy.
            check(markup, "ghcr.io/acme/app:1@sha256:0a", "ghcr.io/acme/app:1@sha256:0a");
        }
        check(Markup::Plain, "https://a.example @everyone", "https://a.example @everyone");
    }

    #[test]
    fn what_is_cut_stands_by_itself() {
        let check = |markup: Markup, text: &str, expect: &str| assert_eq!(markup.whole(text), expect, "{markup:?}");
        check(Markup::Slack, "a &am", "a ");
        check(Markup::Slack, "a &amp; b", "a &amp; b");
        check(Markup::Slack, "a <https://x", "a ");
        check(Markup::Slack, "a <https://x>", "a <https://x>");
        check(Markup::Discord, "a \\\\\\", "a \\\\");
        check(Markup::Card, "a \\\\", "a \\\\");
        check(Markup::Plain, "a \\", "a \\");
    }
}
