//! Go's time layouts: the reference time `Mon Jan 2 15:04:05 MST 2006` spelled the way a time shall be.
//!
//! The calendar is jiff's; the elements of layouts are Go's, whose widths and paddings no strftime has. Zones have an offset
//! and no rules: what a layout reads as a name (`CET`) counts as UTC, as in Go where the name is not the machine's own.

mod read;

use jiff::SignedDuration;
use jiff::civil::{DateTime, Weekday};

pub(crate) use self::read::ParseTimeError;

/// The start of Unix time.
const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// A calendar time in UTC, or in a zone of fixed offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Time {
    /// Seconds since 1970 in UTC.
    pub(crate) seconds: i64,
    /// Nanoseconds of the second.
    pub(crate) nanoseconds: u32,
    /// Seconds east of UTC.
    pub(crate) offset: i32,
}

/// Go's zero time: the first of January of the year 1.
pub(crate) const ZERO: Time = Time { seconds: -62_135_596_800, nanoseconds: 0, offset: 0 };

/// The layout in which Go prints a time.
pub(crate) const PRINTED: &str = "2006-01-02 15:04:05.999999999 -0700 MST";

/// RFC 3339 with nanoseconds, as JSON has it.
pub(crate) const RFC3339: &str = "2006-01-02T15:04:05.999999999Z07:00";

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// The layout's elements, longest first where one begins another.
const ELEMENTS: &[(&str, Element)] = &[
    ("January", Element::MonthName),
    ("Jan", Element::MonthShort),
    ("Monday", Element::DayName),
    ("Mon", Element::DayShort),
    ("MST", Element::ZoneName),
    ("2006", Element::Year),
    ("-07:00:00", Element::Offset { colon: true, zulu: false }),
    ("-07:00", Element::Offset { colon: true, zulu: false }),
    ("-0700", Element::Offset { colon: false, zulu: false }),
    ("Z07:00", Element::Offset { colon: true, zulu: true }),
    ("Z0700", Element::Offset { colon: false, zulu: true }),
    ("002", Element::DayOfYear),
    ("01", Element::Month(2)),
    ("02", Element::Day(2)),
    ("03", Element::Hour12(2)),
    ("04", Element::Minute(2)),
    ("05", Element::Second(2)),
    ("06", Element::ShortYear),
    ("15", Element::Hour),
    ("_2", Element::PaddedDay),
    ("PM", Element::Half(["AM", "PM"])),
    ("pm", Element::Half(["am", "pm"])),
    ("1", Element::Month(1)),
    ("2", Element::Day(1)),
    ("3", Element::Hour12(1)),
    ("4", Element::Minute(1)),
    ("5", Element::Second(1)),
];

/// What a layout can show of a time. A number of digits is the least that is written, padded with zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    Year,
    ShortYear,
    MonthName,
    MonthShort,
    Month(usize),
    Day(usize),
    PaddedDay,
    DayOfYear,
    DayName,
    DayShort,
    Hour,
    Hour12(usize),
    /// In capitals or small letters, as here; it is read in any case.
    Half([&'static str; 2]),
    Minute(usize),
    Second(usize),
    /// A fraction of this many digits; made of nines, it is shortened.
    Fraction {
        digits: usize,
        shortened: bool,
    },
    ZoneName,
    Offset {
        colon: bool,
        zulu: bool,
    },
}

/// Cuts the next element off a layout, with the text before it.
fn next_element(layout: &str) -> Option<(&str, Element, &str)> {
    for at in 0..layout.len() {
        let Some(rest) = layout.get(at..) else { continue };
        if let Some((digits, shortened)) = fraction(rest) {
            return Some((&layout[..at], Element::Fraction { digits, shortened }, &rest[1 + digits..]));
        }
        let after_name = |text: &str| rest[text.len()..].starts_with(|c: char| c.is_ascii_lowercase());
        let found = ELEMENTS.iter().find(|(text, _)| {
            rest.starts_with(text)
                && !(matches!(*text, "Jan" | "Mon") && after_name(text))
                && !rest.starts_with("_2006")
        });
        if let Some((text, element)) = found {
            return Some((&layout[..at], *element, &rest[text.len()..]));
        }
    }
    None
}

/// `.000` or `,999`: how many digits, and whether zeros at the end go.
fn fraction(layout: &str) -> Option<(usize, bool)> {
    let digits = layout.strip_prefix(['.', ','])?;
    let first = digits.chars().next().filter(|c| matches!(c, '0' | '9'))?;
    let count = digits.len() - digits.trim_start_matches(first).len();
    (!digits[count..].starts_with(|c: char| c.is_ascii_digit())).then_some((count, first == '9'))
}

/// The name of a month from 1.
pub(crate) fn month_name(month: i8) -> &'static str {
    usize::try_from(month - 1).ok().and_then(|month| MONTHS.get(month)).copied().unwrap_or_default()
}

/// The name of a day of the week.
pub(crate) fn weekday_name(day: Weekday) -> &'static str {
    usize::try_from(day.to_sunday_zero_offset()).ok().and_then(|day| DAYS.get(day)).copied().unwrap_or_default()
}

impl Time {
    /// What calendar and clock show in the zone of the time; beyond the year 9999 they stand still.
    pub(crate) fn local(self) -> DateTime {
        EPOCH.saturating_add(SignedDuration::new(self.seconds.saturating_add(self.offset.into()), 0))
    }

    /// The time a number of nanoseconds later; far beyond any calendar it stays where it is.
    pub(crate) fn plus(self, nanoseconds: i64) -> Self {
        let total = i64::from(self.nanoseconds) + nanoseconds.rem_euclid(1_000_000_000);
        let seconds = self.seconds.saturating_add(nanoseconds.div_euclid(1_000_000_000) + total / 1_000_000_000);
        Self { seconds, nanoseconds: u32::try_from(total % 1_000_000_000).unwrap_or(0), ..self }
    }

    /// The time in a layout.
    pub(crate) fn format(self, layout: &str) -> String {
        let local = self.local();
        let mut out = String::new();
        let mut rest = layout;
        while let Some((before, element, after)) = next_element(rest) {
            out.push_str(before);
            out.push_str(&self.element(element, local));
            rest = after;
        }
        out.push_str(rest);
        out
    }

    fn element(self, element: Element, local: DateTime) -> String {
        let (month, day) = (month_name(local.month()), weekday_name(local.weekday()));
        match element {
            Element::Year => format!("{:04}", local.year()),
            Element::ShortYear => format!("{:02}", local.year().rem_euclid(100)),
            Element::MonthName => month.to_owned(),
            Element::MonthShort => month[..3].to_owned(),
            Element::Month(digits) => format!("{:0digits$}", local.month()),
            Element::Day(digits) => format!("{:0digits$}", local.day()),
            Element::PaddedDay => format!("{:2}", local.day()),
            Element::DayOfYear => format!("{:03}", local.day_of_year()),
            Element::DayName => day.to_owned(),
            Element::DayShort => day[..3].to_owned(),
            Element::Hour => format!("{:02}", local.hour()),
            Element::Hour12(digits) => format!("{:0digits$}", (local.hour() + 11) % 12 + 1),
            Element::Half(names) => names[usize::from(local.hour() >= 12)].to_owned(),
            Element::Minute(digits) => format!("{:0digits$}", local.minute()),
            Element::Second(digits) => format!("{:0digits$}", local.second()),
            Element::Fraction { digits, shortened } => self.fraction(digits, shortened),
            Element::ZoneName if self.offset == 0 => "UTC".to_owned(),
            Element::ZoneName => self.zone(false),
            Element::Offset { zulu: true, .. } if self.offset == 0 => "Z".to_owned(),
            Element::Offset { colon, .. } => self.zone(colon),
        }
    }

    fn fraction(self, digits: usize, shortened: bool) -> String {
        let all = format!("{:09}{}", self.nanoseconds, "0".repeat(digits.saturating_sub(9).min(64)));
        let shown = all.get(..digits).unwrap_or(&all);
        let shown = if shortened { shown.trim_end_matches('0') } else { shown };
        if shown.is_empty() { String::new() } else { format!(".{shown}") }
    }

    fn zone(self, colon: bool) -> String {
        let (sign, offset) = if self.offset < 0 { ('-', -self.offset) } else { ('+', self.offset) };
        let (hours, minutes) = (offset / 3_600, offset / 60 % 60);
        if colon { format!("{sign}{hours:02}:{minutes:02}") } else { format!("{sign}{hours:02}{minutes:02}") }
    }
}
