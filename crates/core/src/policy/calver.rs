//! Versions that are dates, as <https://calver.org> names their parts: `2024.10.3` by the format `YYYY.MM.MICRO`.
//!
//! | token | a value has | such as |
//! |---|---|---|
//! | `YYYY` | the year, four digits | `2006`, `2024` |
//! | `YY` | the year less 2000, without zeros before it | `6`, `24`, `106` |
//! | `0Y` | the same with two digits or more | `06`, `24` |
//! | `MM`, `0M` | the month; `0M` with two digits | `1`, `01` |
//! | `WW`, `0W` | the week of the year; `0W` with two digits | `5`, `05` |
//! | `DD`, `0D` | the day of the month; `0D` with two digits | `9`, `09` |
//! | `MAJOR`, `MINOR`, `MICRO` | a number | `0`, `12` |
//! | `MODIFIER` | at the end, perhaps with what separates it: a word | `rc1`, `dev` |
//!
//! Whatever else stands in a format stands in a value: separators, and small letters (`vYYYY.0M`). A value has the whole format, or
//! is not in it; a date that is in no calendar (`2024.13`, `2023.02.29`) is not either. Parts are compared in the order in which they
//! stand, which is why a year comes before its month, and a month or week before its day. A value without the modifier is preferred
//! over one with it, and of two modifiers the one that is greater by its words and numbers (`rc10` over `rc9`).
//!
//! ```
//! use tagwright_core::policy::{Calver, Order, Policy};
//! let policy = Policy { filter: None, order: Order::Calver(Calver::parse("YYYY.0M.MICRO-MODIFIER")?) };
//! assert_eq!(policy.select(&["2024.09.12", "2024.10.3-rc1", "2024.10.2", "2024.13.9", "1.2.3"]), Some("2024.10.3-rc1"));
//! assert_eq!(policy.select(&["2024.10.3-rc1", "2024.10.3"]), Some("2024.10.3"));
//! # Ok::<(), tagwright_core::policy::CalverError>(())
//! ```

use std::cmp::Ordering;

use jiff::civil;
use thiserror::Error;
use words::one_line;

/// The longest format, in bytes.
const MAX_FORMAT: usize = 64;

/// The most digits of a number; what a 64-bit one holds.
const MAX_DIGITS: usize = 18;

/// The longest modifier, in bytes.
const MAX_MODIFIER: usize = 64;

/// How much of a format is repeated, in characters.
const MAX_SHOWN: usize = 80;

/// A format that was read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Calver {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Part {
    Literal(String),
    Token(Token),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Token {
    FullYear,
    ShortYear,
    PaddedYear,
    Month,
    PaddedMonth,
    Week,
    PaddedWeek,
    Day,
    PaddedDay,
    Major,
    Minor,
    Micro,
    Modifier,
}

/// The longer before those that they begin with.
const TOKENS: [(&str, Token); 13] = [
    ("MODIFIER", Token::Modifier),
    ("MAJOR", Token::Major),
    ("MINOR", Token::Minor),
    ("MICRO", Token::Micro),
    ("YYYY", Token::FullYear),
    ("YY", Token::ShortYear),
    ("0Y", Token::PaddedYear),
    ("MM", Token::Month),
    ("0M", Token::PaddedMonth),
    ("WW", Token::Week),
    ("0W", Token::PaddedWeek),
    ("DD", Token::Day),
    ("0D", Token::PaddedDay),
];

/// What a token stands for, of which a format has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Year,
    MonthOrWeek,
    Day,
    Number(Token),
    Modifier,
}

impl Token {
    const fn unit(self) -> Unit {
        match self {
            Self::FullYear | Self::ShortYear | Self::PaddedYear => Unit::Year,
            Self::Month | Self::PaddedMonth | Self::Week | Self::PaddedWeek => Unit::MonthOrWeek,
            Self::Day | Self::PaddedDay => Unit::Day,
            Self::Major | Self::Minor | Self::Micro => Unit::Number(self),
            Self::Modifier => Unit::Modifier,
        }
    }

    /// How many digits it has, where that is always the same.
    const fn width(self) -> Option<usize> {
        match self {
            Self::FullYear => Some(4),
            Self::PaddedMonth | Self::PaddedWeek | Self::PaddedDay => Some(2),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        TOKENS.iter().find(|(_, token)| *token == self).map_or("", |(name, _)| name)
    }
}

/// Why a text is no format.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CalverError {
    /// It is longer than `MAX_FORMAT`.
    #[error("the format is longer than {MAX_FORMAT} bytes")]
    TooLong,
    /// It has no token, or only a modifier.
    #[error("the format has no part that is counted, such as YYYY or MICRO")]
    Empty,
    /// Something in it is neither a token nor what may stand between them; what follows there.
    #[error("{} begins with no token", one_line(.0, MAX_SHOWN))]
    Unknown(String),
    /// Two tokens stand for the same, such as `YYYY` and `YY`.
    #[error("{0} and {1} stand for the same")]
    Twice(&'static str, &'static str),
    /// A part of a date stands before a larger one.
    #[error("{0} stands before {1}, and is compared first")]
    Unordered(&'static str, &'static str),
    /// A token that may have any number of digits is followed by another.
    #[error("nothing stands between {0} and {1}, so that nobody can tell where one ends")]
    Joined(&'static str, &'static str),
    /// The modifier is not the last.
    #[error("MODIFIER is not at the end")]
    ModifierInside,
}

impl Calver {
    /// Reads a format.
    ///
    /// # Errors
    /// It cannot be read, or values in it could not be told apart or put in order.
    pub fn parse(text: &str) -> Result<Self, CalverError> {
        if text.len() > MAX_FORMAT {
            return Err(CalverError::TooLong);
        }
        let mut parts: Vec<Part> = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if let Some((name, token)) = TOKENS.iter().find(|(name, _)| rest.starts_with(name)) {
                parts.push(Part::Token(*token));
                rest = &rest[name.len()..];
                continue;
            }
            let is_literal =
                first.is_ascii_lowercase() || first.is_ascii_digit() || matches!(first, '.' | '-' | '_' | '+');
            if !is_literal {
                return Err(CalverError::Unknown(rest.to_owned()));
            }
            match parts.last_mut() {
                Some(Part::Literal(literal)) => literal.push(first),
                _ => parts.push(Part::Literal(first.to_string())),
            }
            rest = &rest[1..];
        }
        check(&parts)?;
        Ok(Self { text: text.to_owned(), parts })
    }

    /// The format as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Reads a value; none where it is not in the format.
    pub(super) fn read<'v>(&self, value: &'v str) -> Option<Value<'v>> {
        let mut read = Value { numbers: Vec::with_capacity(self.parts.len()), modifier: None };
        let (mut year, mut month, mut day) = (None, None, None);
        let mut rest = value;
        for (place, part) in self.parts.iter().enumerate() {
            match part {
                Part::Literal(literal) => match rest.strip_prefix(literal.as_str()) {
                    Some(left) => rest = left,
                    // What stands before a modifier goes with it.
                    None if rest.is_empty() && self.is_before_modifier(place) => return read.dated(year, month, day),
                    None => return None,
                },
                Part::Token(Token::Modifier) => {
                    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
                    let follows = matches!(place.checked_sub(1).map(|at| &self.parts[at]), Some(Part::Literal(_)));
                    match rest {
                        "" if follows => return None,
                        "" => {}
                        _ if rest.len() <= MAX_MODIFIER && rest.bytes().all(is_word) => read.modifier = Some(rest),
                        _ => return None,
                    }
                    // Digits would belong to the number before it.
                    if !follows && rest.starts_with(|first: char| first.is_ascii_digit()) {
                        return None;
                    }
                    rest = "";
                }
                Part::Token(token) => {
                    let (number, left) = digits(*token, rest)?;
                    match token.unit() {
                        Unit::Year => year = Some(number),
                        Unit::MonthOrWeek if matches!(token, Token::Month | Token::PaddedMonth) => month = Some(number),
                        Unit::Day => day = Some(number),
                        _ => {}
                    }
                    read.numbers.push(number);
                    rest = left;
                }
            }
        }
        if rest.is_empty() { read.dated(year, month, day) } else { None }
    }

    fn is_before_modifier(&self, place: usize) -> bool {
        self.parts.get(place + 1) == Some(&Part::Token(Token::Modifier))
    }
}

/// A value that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value<'v> {
    numbers: Vec<u64>,
    modifier: Option<&'v str>,
}

impl Value<'_> {
    /// Which of two is preferred: the greater.
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| match (self.modifier, other.modifier) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(left), Some(right)) => pieces(left).cmp(pieces(right)),
        })
    }

    /// The value, unless it has a date that is in no calendar.
    fn dated(self, year: Option<u64>, month: Option<u64>, day: Option<u64>) -> Option<Self> {
        let small = |number: u64| i8::try_from(number).ok();
        if let (Some(month), Some(day)) = (month, day) {
            // Without a year, the 29th of February may be.
            let year = year.map_or(Some(2000), |year| i16::try_from(year).ok())?;
            civil::Date::new(year, small(month)?, small(day)?).ok()?;
        }
        Some(self)
    }
}

/// The words and numbers of a modifier, so that `rc10` is more than `rc9`.
fn pieces(text: &str) -> impl Iterator<Item = (Option<u128>, &str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let is_digit = first.is_ascii_digit();
        let end = rest.find(|char: char| char.is_ascii_digit() != is_digit).unwrap_or(rest.len());
        let (piece, left) = rest.split_at(end);
        rest = left;
        Some((piece.parse().ok().filter(|_| is_digit), piece))
    })
}

/// Reads the digits of a token; gives what follows.
fn digits(token: Token, text: &str) -> Option<(u64, &str)> {
    let most = token.width().unwrap_or(MAX_DIGITS + 1);
    let count = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    let (digits, left) = text.split_at(count);
    if count == 0 || count > MAX_DIGITS || token.width().is_some_and(|width| width != count) {
        return None;
    }
    let is_padded = digits.len() > 1 && digits.starts_with('0');
    let number: u64 = digits.parse().ok()?;
    let fits = match token {
        Token::FullYear => true,
        Token::ShortYear => !is_padded && number < 1000,
        Token::PaddedYear => count >= 2 && (count == 2 || !is_padded) && number < 1000,
        Token::Month => !is_padded && (1..=12).contains(&number),
        Token::PaddedMonth => (1..=12).contains(&number),
        Token::Week => !is_padded && number <= 53,
        Token::PaddedWeek => number <= 53,
        Token::Day => !is_padded && (1..=31).contains(&number),
        Token::PaddedDay => (1..=31).contains(&number),
        Token::Major | Token::Minor | Token::Micro | Token::Modifier => true,
    };
    let number = if matches!(token, Token::ShortYear | Token::PaddedYear) { number + 2000 } else { number };
    fits.then_some((number, left))
}

/// Whether values of a format can be told apart and put in order.
fn check(parts: &[Part]) -> Result<(), CalverError> {
    let tokens: Vec<Token> = parts
        .iter()
        .filter_map(|part| match part {
            Part::Token(token) => Some(*token),
            Part::Literal(_) => None,
        })
        .collect();
    if !tokens.iter().any(|token| *token != Token::Modifier) {
        return Err(CalverError::Empty);
    }
    for (place, token) in tokens.iter().enumerate() {
        if let Some(before) = tokens[..place].iter().find(|before| before.unit() == token.unit()) {
            return Err(CalverError::Twice(before.name(), token.name()));
        }
        let size = |unit: Unit| match unit {
            Unit::Year => Some(0),
            Unit::MonthOrWeek => Some(1),
            Unit::Day => Some(2),
            Unit::Number(_) | Unit::Modifier => None,
        };
        let smaller = |before: &&Token| size(before.unit()).zip(size(token.unit())).is_some_and(|(a, b)| a > b);
        if let Some(before) = tokens[..place].iter().find(smaller) {
            return Err(CalverError::Unordered(before.name(), token.name()));
        }
    }
    for pair in parts.windows(2) {
        let starts_with_digit = |literal: &str| literal.starts_with(|first: char| first.is_ascii_digit());
        match pair {
            [Part::Token(Token::Modifier), _] => return Err(CalverError::ModifierInside),
            [Part::Token(first), Part::Token(second)] if first.width().is_none() && *second != Token::Modifier => {
                return Err(CalverError::Joined(first.name(), second.name()));
            }
            [Part::Token(first), Part::Literal(literal)] if first.width().is_none() && starts_with_digit(literal) => {
                return Err(CalverError::Unknown(literal.clone()));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn formats() {
        for format in [
            "YYYY.0M.MICRO",
            "YY.0M",
            "0Y.0M.0D",
            "YYYY.MM.DD",
            "YYYY0M0D",
            "YYYY0M0D-MICRO",
            "YYYY.WW",
            "YYYY.0W.MICRO",
            "MAJOR.YYYY.MM",
            "vYYYY.0M.0D",
            "YYYY.MINOR.MICRO",
            "YYYY.0M.0DMODIFIER",
            "release-YYYY.0M.MICRO-MODIFIER",
            "MAJOR.MINOR.MICRO",
        ] {
            assert_eq!(Calver::parse(format).unwrap().as_str(), format);
        }
        let refused = |format: &str, says: &str| {
            let error = Calver::parse(format).unwrap_err().to_string();
            assert!(error.contains(says), "{format}: {error}");
        };
        refused("", "no part that is counted");
        refused("MODIFIER", "no part that is counted");
        refused("latest", "no part that is counted");
        refused("YYYY.YY", "YYYY and YY stand for the same");
        refused("YYYY.0M.0W", "0M and 0W stand for the same");
        refused("0D.0M.YYYY", "0D stands before 0M");
        refused("MM.YYYY", "MM stands before YYYY");
        refused("YYYY.MMDD", "nothing stands between MM and DD");
        refused("YYYY.MICRO0M", "nothing stands between MICRO and 0M");
        refused("YYYY.MODIFIER.MICRO", "MODIFIER is not at the end");
        refused("YYYY.0M.PATCH", "PATCH begins with no token");
        refused("YYYY/0M", "/0M begins with no token");
        refused("YYYY.MICRO1", "1 begins with no token");
        refused(&"Y".repeat(65), "longer than 64 bytes");
    }

    #[test]
    fn values_are_in_a_format_or_not() {
        let check = |format: &str, is_in: &[&str], is_not: &[&str]| {
            let format = Calver::parse(format).unwrap();
            is_in.iter().for_each(|value| assert!(format.read(value).is_some(), "{value} in {}", format.as_str()));
            is_not.iter().for_each(|value| assert!(format.read(value).is_none(), "{value} in {}", format.as_str()));
        };
        check(
            "YYYY.0M.MICRO",
            &["2024.01.0", "2024.12.123"],
            &["2024.1.0", "2024.13.0", "2024.00.1", "24.01.0", "2024.01", "2024.01.1.2", "2024.01.x", "2024.01.1 ", ""],
        );
        check("YY.MM", &["24.1", "6.12", "106.1"], &["06.1", "24.01", "24.13", "1024.1", "2024.1"]);
        check("0Y.0M", &["06.01", "24.10", "106.01"], &["6.01", "006.01"]);
        check("YYYY0M0D", &["20240229", "20231231"], &["20230229", "20241301", "2024022", "202402290"]);
        check("YYYY.DD.MICRO", &["2024.31.1"], &["2024.32.1", "2024.0.1"]);
        check("YYYY.0W", &["2024.00", "2024.53"], &["2024.54", "2024.5"]);
        check(
            "YYYY.MM.MICRO-MODIFIER",
            &["2024.1.2", "2024.1.2-rc1"],
            &["2024.1.2-", "2024.1.2rc1", "2024.1.2-rc 1", "2024.1.2-\u{e9}"],
        );
        check("YYYY.0MMODIFIER", &["2024.01", "2024.01a"], &["2024.011", "2024.01-\n"]);
        check("MAJOR.YYYY", &["1.2024"], &["1.2024.1", "12345678901234567890.2024"]);
    }

    #[test]
    fn values_are_compared() {
        let format = Calver::parse("YYYY.MM.MICRO-MODIFIER").unwrap();
        let sorted = [
            "2023.12.9",
            "2024.1.0-a",
            "2024.1.0-rc1",
            "2024.1.0-rc9",
            "2024.1.0-rc10",
            "2024.1.0",
            "2024.1.2",
            "2024.1.10",
            "2024.2.0",
            "2024.10.0",
        ];
        let values: Vec<Value<'_>> = sorted.iter().map(|value| format.read(value).unwrap()).collect();
        for (at, value) in values.iter().enumerate() {
            for (other_at, other) in values.iter().enumerate() {
                assert_eq!(value.compare(other), at.cmp(&other_at), "{} and {}", sorted[at], sorted[other_at]);
            }
        }
    }
}
