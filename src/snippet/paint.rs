//! Colours of texts for terminals.

use super::Style;

/// The colours of texts, of which terminals decide what they look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Color {
    /// It is well, or new.
    Green,
    /// It failed, or is gone.
    Red,
    /// It waits.
    Yellow,
    /// It is a place.
    Cyan,
    /// It is a heading.
    Bold,
}

/// The words with which lines to people begin, and their colours.
const LEVELS: [(&str, Color); 4] =
    [("error:", Color::Red), ("warning:", Color::Yellow), ("note:", Color::Cyan), ("  hint:", Color::Cyan)];

/// Colours a text, which must be harmless already.
#[must_use]
pub(crate) fn paint(text: &str, color: Color, style: Style) -> String {
    let code = match color {
        _ if style == Style::Plain => return text.to_owned(),
        Color::Green => "32",
        Color::Red => "31",
        Color::Yellow => "33",
        Color::Cyan => "36",
        Color::Bold => "1",
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

/// Colours the first words of lines that say how grave they are. The text must be harmless already: no line in it begins with
/// words of others.
#[must_use]
pub(crate) fn levels(text: &str, style: Style) -> String {
    let line = |line: &str| {
        let level = LEVELS.iter().find_map(|(level, color)| Some((level, color, line.strip_prefix(level)?)));
        level.map_or_else(|| line.to_owned(), |(level, color, rest)| format!("{}{rest}", paint(level, *color, style)))
    };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_word_of_a_line_has_a_colour() {
        let text = "error: a warning: b\n  hint: c\nwarnings: d\n";
        assert_eq!(levels(text, Style::Plain), text);
        let colored = "\u{1b}[31merror:\u{1b}[0m a warning: b\n\u{1b}[36m  hint:\u{1b}[0m c\nwarnings: d\n";
        assert_eq!(levels(text, Style::Colored), colored);
    }
}
