//! Dates and times at the start of a text.

/// A run of digits of fixed width, or what stands between two of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum MomentPart<'t> {
    /// The name of the group and the digits.
    Digits(&'static str, &'t str),
    /// Literal text.
    Between(&'t str),
}

/// A date, perhaps with a time; its parts in their order compare as one number.
pub(super) type Moment<'t> = Vec<MomentPart<'t>>;

/// Years that a date may have.
const YEARS: std::ops::RangeInclusive<u32> = 1990..=2099;

/// Reads `2024-01-02`, `2024_01_02`, `20240102`, `202401020304`, `20240102030405`, and the first three with a time behind
/// them; returns how many bytes it took. A date that does not end at a separator is none.
pub(super) fn read(text: &str) -> Option<(Moment<'_>, usize)> {
    let (mut parts, mut taken) =
        compact(text).or_else(|| separated(text, &['-', '_'])).or_else(|| week(text)).or_else(|| month(text))?;
    if taken_as_date(&parts)
        && let Some((time, more)) = time(&text[taken..])
    {
        parts.extend(time);
        taken += more;
    }
    ends(&text[taken..]).then_some((parts, taken))
}

/// Reads `2024.01.02`, which is a date only where another number is the version.
pub(super) fn dotted(text: &str) -> Option<(Moment<'_>, usize)> {
    separated(text, &['.']).filter(|(_, taken)| ends(&text[*taken..]))
}

/// A date as it is written.
pub(super) fn text(moment: &[MomentPart<'_>]) -> String {
    let part = |part: &MomentPart<'_>| match part {
        MomentPart::Digits(_, text) | MomentPart::Between(text) => (*text).to_owned(),
    };
    moment.iter().map(part).collect()
}

/// Whether a year is one that tags are dated with.
pub(super) fn is_year(text: &str) -> bool {
    text.len() == 4 && number(text).is_some_and(|year| YEARS.contains(&year))
}

/// Whether six digits are a date with a year of two.
pub(super) fn is_short_date(text: &str) -> bool {
    text.len() == 6 && within(&text[..2], 15, 39) && within(&text[2..4], 1, 12) && within(&text[4..], 1, 31)
}

fn taken_as_date(parts: &[MomentPart<'_>]) -> bool {
    !matches!(parts, [MomentPart::Digits("time", _)] | [.., MomentPart::Digits("week" | "month", _)])
}

fn compact(text: &str) -> Option<(Moment<'_>, usize)> {
    let digits = leading_digits(text);
    let valid = match digits.len() {
        8 => is_date(&digits[..4], &digits[4..6], &digits[6..]),
        12 | 14 => {
            let second = if digits.len() == 14 { &digits[12..] } else { "0" };
            is_date(&digits[..4], &digits[4..6], &digits[6..8]) && is_time(&digits[8..10], &digits[10..12], second)
        }
        _ => false,
    };
    let name = if digits.len() == 8 { "date" } else { "time" };
    valid.then(|| (vec![MomentPart::Digits(name, digits)], digits.len()))
}

fn separated<'t>(text: &'t str, separators: &[char]) -> Option<(Moment<'t>, usize)> {
    let separator = text.get(4..5)?;
    if !separator.starts_with(separators) || text.get(7..8) != Some(separator) {
        return None;
    }
    let (year, month, day) = (text.get(..4)?, text.get(5..7)?, text.get(8..10)?);
    let between = MomentPart::Between(&text[4..5]);
    let parts = vec![
        MomentPart::Digits("year", year),
        between.clone(),
        MomentPart::Digits("month", month),
        between,
        MomentPart::Digits("day", day),
    ];
    is_date(year, month, day).then_some((parts, 10))
}

/// Reads `2024-06`.
fn month(text: &str) -> Option<(Moment<'_>, usize)> {
    let (year, between, month) = (text.get(..4)?, text.get(4..5)?, text.get(5..7)?);
    let valid = is_year(year) && matches!(between, "-" | "_") && within(month, 1, 12);
    // More numbers make it something else.
    let alone = !text[7..].starts_with(['-', '_', '.']) || !text[8..].starts_with(|c: char| c.is_ascii_digit());
    let parts =
        vec![MomentPart::Digits("year", year), MomentPart::Between(between), MomentPart::Digits("month", month)];
    (valid && alone).then_some((parts, 7))
}

/// Reads `2024-w05`, `2024w05`.
fn week(text: &str) -> Option<(Moment<'_>, usize)> {
    let year = text.get(..4).filter(|year| is_year(year))?;
    let lead = 4 + usize::from(text[4..].starts_with(['-', '.', '_']));
    let week = text.get(lead + 1..lead + 3)?;
    let valid = text[lead..].starts_with(['w', 'W']) && within(week, 1, 53);
    let between = MomentPart::Between(text.get(4..=lead)?);
    valid.then(|| (vec![MomentPart::Digits("year", year), between, MomentPart::Digits("week", week)], lead + 3))
}

/// Reads `T030405Z`, `-03-04-05`, `_0304` and the like, behind a date.
fn time(text: &str) -> Option<(Moment<'_>, usize)> {
    let lead = usize::from(text.starts_with(['T', 't', '-', '_', '.']));
    if lead == 0 {
        return None;
    }
    let rest = &text[lead..];
    let mut parts = vec![MomentPart::Between(&text[..lead])];
    let digits = leading_digits(rest);
    let taken = match digits.len() {
        6 | 4 => {
            let second = if digits.len() == 6 { &digits[4..] } else { "0" };
            if !is_time(&digits[..2], &digits[2..4], second) {
                return None;
            }
            parts.push(MomentPart::Digits("time", digits));
            digits.len()
        }
        2 => {
            let (hour, minute, second) = (rest.get(..2)?, rest.get(3..5)?, rest.get(6..8)?);
            let same = rest.get(2..3)? == rest.get(5..6)? && rest[2..3].starts_with(['-', '_', '.']);
            if !same || !is_time(hour, minute, second) {
                return None;
            }
            let between = MomentPart::Between(&rest[2..3]);
            let minutes =
                [between.clone(), MomentPart::Digits("minute", minute), between, MomentPart::Digits("second", second)];
            parts.push(MomentPart::Digits("hour", hour));
            parts.extend(minutes);
            8
        }
        _ => return None,
    };
    let zone = usize::from(rest[taken..].starts_with(['Z', 'z']));
    if zone == 1 {
        parts.push(MomentPart::Between(&rest[taken..=taken]));
    }
    ends(&rest[taken + zone..]).then_some((parts, lead + taken + zone))
}

fn ends(rest: &str) -> bool {
    !rest.starts_with(|c: char| c.is_ascii_alphanumeric())
}

fn leading_digits(text: &str) -> &str {
    &text[..text.bytes().take_while(u8::is_ascii_digit).count()]
}

fn number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn is_date(year: &str, month: &str, day: &str) -> bool {
    is_year(year) && within(month, 1, 12) && within(day, 1, 31)
}

fn is_time(hour: &str, minute: &str, second: &str) -> bool {
    within(hour, 0, 23) && within(minute, 0, 59) && within(second, 0, 60)
}

fn within(text: &str, least: u32, most: u32) -> bool {
    number(text).is_some_and(|number| (least..=most).contains(&number))
}
