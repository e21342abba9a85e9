//! How a value is written so that every YAML parser reads it back as that string.
//!
//! Quotes that were there are kept. A plain scalar stays plain unless the value has the form of something else than a
//! string in YAML 1.1 or 1.2, in which case it is double-quoted; within a flow collection a value with a colon is
//! single-quoted, because older parsers take the colon for an indicator there (unless the old value had one, too).

use std::borrow::Cow;

use crate::document::Style;

/// Writes a value in the style of the scalar that it replaces.
pub fn write(value: &str, style: Style, in_flow: bool) -> Cow<'_, str> {
    match style {
        Style::Single if is_printable(value) => single(value).into(),
        Style::Single | Style::Double => double(value).into(),
        Style::Plain | Style::Block => plain(value, in_flow),
    }
}

fn plain(value: &str, in_flow: bool) -> Cow<'_, str> {
    if !is_string_when_plain(value) || !is_plain_text(value, in_flow) {
        double(value).into()
    } else if in_flow && value.contains(':') {
        single(value).into()
    } else {
        value.into()
    }
}

fn single(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

fn double(value: &str) -> String {
    let mut out = String::with_capacity(value.len() + 2);
    out.push('"');
    for character in value.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            _ if is_printable_character(character) => out.push(character),
            _ => out.push_str(&format!("\\U{:08X}", u32::from(character))),
        }
    }
    out.push('"');
    out
}

/// Whether a text needs no escapes in quotes, and no line is folded there.
fn is_printable(text: &str) -> bool {
    text.chars().all(is_printable_character)
}

fn is_printable_character(character: char) -> bool {
    !character.is_control() && !matches!(character, '\u{2028}' | '\u{2029}' | '\u{FEFF}' | '\u{FFFE}' | '\u{FFFF}')
}

/// Whether the grammar allows a text as a plain scalar on one line.
fn is_plain_text(text: &str, in_flow: bool) -> bool {
    let mut characters = text.chars();
    let starts_well = match characters.next() {
        None => false,
        Some('-' | '?' | ':') => {
            characters.next().is_some_and(|next| !next.is_whitespace() && !is_flow_indicator(next))
        }
        Some(first) => !is_flow_indicator(first) && !"#&*!|>'\"%@`".contains(first),
    };
    let breaks_off = text.contains(char::is_whitespace) || text.ends_with(':') || !is_printable(text);
    let leaves_flow = in_flow && text.contains(is_flow_indicator);
    starts_well && !breaks_off && !leaves_flow && !matches!(text, "---" | "...")
}

fn is_flow_indicator(character: char) -> bool {
    matches!(character, ',' | '[' | ']' | '{' | '}')
}

/// Whether every reader of YAML takes a plain scalar for a string.
///
/// What has the form of something else is none, whether that exists or not: some readers take `12e4567` for infinity and
/// `0xffffffffffffffffff` for an integer, and PyYAML gives up the whole file over the date `2024-13-45`. The forms are those
/// of YAML 1.1 as PyYAML, libyaml's users, go-yaml and Psych (Ruby) have it, and of 1.2 as js-yaml and go-yaml do: words for
/// booleans and null in any case, dates and times, integers to base 2, 8, 10, 16 and 60, floats. Underscores in numbers do not
/// count.
pub(crate) fn is_string_when_plain(text: &str) -> bool {
    !(is_word(text) || is_date(text) || is_number(text) || is_sexagesimal(text))
}

/// In any case, as Psych has it.
fn is_word(text: &str) -> bool {
    const WORDS: [&str; 13] =
        ["y", "n", "yes", "no", "on", "off", "true", "false", "null", ".inf", "+.inf", "-.inf", ".nan"];
    const SPECIAL: [&str; 6] = ["", "~", "-", "---", "=", "<<"];
    SPECIAL.contains(&text) || WORDS.iter().any(|word| word.eq_ignore_ascii_case(text))
}

/// `YYYY-M-D`, one or two digits each for month and day, and perhaps a time behind `T`.
fn is_date(text: &str) -> bool {
    let (date, time) = text.split_once(['T', 't']).map_or((text, None), |(date, time)| (date, Some(time)));
    let mut parts = date.split('-');
    let (Some(year), Some(month), Some(day), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let is_short = |part: &str| (1..=2).contains(&part.len()) && is_digits(part);
    year.len() == 4 && is_digits(year) && is_short(month) && is_short(day) && time.is_none_or(is_time)
}

/// Begins as `h:mm:ss` does; what follows is a fraction or a zone.
fn is_time(text: &str) -> bool {
    let mut parts = text.splitn(3, ':');
    let (Some(hour), Some(minute), Some(second)) = (parts.next(), parts.next(), parts.next()) else { return false };
    (1..=2).contains(&hour.len())
        && is_digits(hour)
        && is_digits(minute)
        && second.starts_with(|c: char| c.is_ascii_digit())
}

fn is_number(text: &str) -> bool {
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '.' | '+' | '-')) {
        return false;
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let without = unsigned.replace('_', "");
    is_digits(&without) || is_radix_integer(unsigned) || is_float(&without)
}

/// After the prefixes of bases 2 and 16, PyYAML takes underscores alone for a number, and fails on it; go-yaml allows a second
/// sign after those of 2 and 8.
fn is_radix_integer(unsigned: &str) -> bool {
    let Some((prefix, digits)) = unsigned.split_at_checked(2) else { return false };
    let signed = digits.strip_prefix(['+', '-']).unwrap_or(digits);
    let all = |digits: &str, is_digit: fn(u8) -> bool| digits.bytes().all(|byte| byte == b'_' || is_digit(byte));
    match prefix {
        "0x" | "0X" => !digits.is_empty() && all(digits, |byte| byte.is_ascii_hexdigit()),
        "0b" | "0B" => !signed.is_empty() && all(signed, |byte| matches!(byte, b'0' | b'1')),
        "0o" | "0O" => signed.contains(|c: char| c.is_ascii_digit()) && all(signed, |byte| matches!(byte, b'0'..=b'7')),
        _ => false,
    }
}

/// Whether an unsigned text is `.5`, `1`, `1.` or `1.5`, perhaps with an exponent.
fn is_float(unsigned: &str) -> bool {
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.strip_prefix(['+', '-']).unwrap_or(exponent)),
        None => (unsigned, "0"),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let has_digits =
        is_digits(whole) && (fraction.is_empty() || is_digits(fraction)) || whole.is_empty() && is_digits(fraction);
    has_digits && is_digits(exponent)
}

/// A YAML 1.1 number to base 60, such as `12:30`.
fn is_sexagesimal(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (unsigned, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let mut parts = unsigned.split(':');
    let first = parts.next().unwrap_or_default();
    let mut rest = parts.peekable();
    let is_part =
        |part: &str| (1..=2).contains(&part.len()) && is_digits(part) && part.parse::<u8>().is_ok_and(|n| n < 60);
    first.starts_with(|c: char| c.is_ascii_digit())
        && first.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_')
        && rest.peek().is_some()
        && rest.all(is_part)
        && fraction.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_')
}

/// Whether a text is an integer in decimal, as `!!int` allows it.
pub(crate) fn is_decimal(text: &str) -> bool {
    is_digits(text.strip_prefix(['+', '-']).unwrap_or(text))
}

/// Whether a text is a float in decimal, as `!!float` allows it, and no more than one can hold.
pub(crate) fn is_decimal_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    is_float(unsigned) && unsigned.parse::<f64>().is_ok_and(f64::is_finite)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, style: Style, in_flow: bool, expect: &str) {
        assert_eq!(write(value, style, in_flow), expect, "{value:?}");
    }

    #[test]
    fn plain_strings_stay_plain() {
        for value in [
            "1.2.3",
            "v1",
            "trues",
            "nan",
            "inf",
            "6e0a1b2",
            "1e1.5",
            "2024-01",
            "2024-01-123",
            "24-01-02",
            "2024-01-02-3",
            "2024-01-02t10",
            "0b12",
            "0o18",
            "0o_",
            "1e",
            "0x",
            "0x1g",
            "e1",
            "a:b",
            "localhost:5000/app:1",
            "2024-01-02T10-20-30",
            "-a",
            "_1",
            "1:60",
            "1_2a",
        ] {
            check(value, Style::Plain, false, value);
        }
    }

    #[test]
    fn other_plain_values_are_quoted() {
        for value in [
            "1",
            "007",
            "1_000",
            "0x1F",
            "0o17",
            "0B11",
            "1.10",
            "1.",
            ".5",
            "1e3",
            "+1",
            "-.inf",
            ".NaN",
            "y",
            "Yes",
            "NULL",
            "~",
            "",
            "2024-01-02",
            "2024-1-2",
            "---",
            "12:30",
            "1:2:59.5",
            "0x_1f",
            "18446744073709551616",
            "=",
            "<<",
            "tRue",
            "yEs",
            "nULL",
            ".Inf",
            "1e400",
            "12e4567",
            "123e456",
            "9e99999",
            "1.5e9999",
            "1e5_0",
            "1_",
            "0xffffffffffffffffff",
            "0x_",
            "0b_",
            "0O17",
            "0b-1",
            "0o-17",
            "1234-56-78",
            "2024-13-45",
            "2023-02-30",
            "0000-00-00",
            "9999-9-99",
            "2024-01-02t10:20:30",
            "2024-01-02T1:20:30.5Z",
        ] {
            check(value, Style::Plain, false, &format!("{value:?}"));
        }
    }

    #[test]
    fn quotes_are_kept_and_escaped() {
        check("a", Style::Single, false, "'a'");
        check("it's", Style::Single, true, "'it''s'");
        check("a\nb", Style::Single, false, "\"a\\U0000000Ab\"");
        check("1", Style::Double, false, "\"1\"");
        check("a\\b\"c\u{85}", Style::Double, false, "\"a\\\\b\\\"c\\U00000085\"");
    }

    #[test]
    fn flow_collections_are_stricter() {
        check("a:b", Style::Plain, true, "'a:b'");
        check("a", Style::Plain, true, "a");
        check("a,b", Style::Plain, true, "\"a,b\"");
        check("a,b", Style::Plain, false, "a,b");
        check("1", Style::Plain, true, "\"1\"");
    }

    #[test]
    fn what_the_grammar_forbids_is_quoted() {
        for value in ["#a", "a b", "a:", "*a", "&a", "!a", "|", "%a", "@a", "`a", "- a", "?", "{a", "a\u{a0}"] {
            assert!(write(value, Style::Plain, false).starts_with('"'), "{value:?}");
        }
    }
}
