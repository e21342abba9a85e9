//! Go's time layouts: the reference time `Mon Jan 2 15:04:05 MST 2006` spelled the way a time shall be.

mod read;

pub(crate) use self::read::ParseTimeError;

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
    ("01", Element::Month { digits: 2 }),
    ("02", Element::Day { digits: 2 }),
    ("03", Element::Hour12 { digits: 2 }),
    ("04", Element::Minute { digits: 2 }),
    ("05", Element::Second { digits: 2 }),
    ("06", Element::ShortYear),
    ("15", Element::Hour),
    ("_2", Element::PaddedDay),
    ("PM", Element::Half { upper: true }),
    ("pm", Element::Half { upper: false }),
    ("1", Element::Month { digits: 1 }),
    ("2", Element::Day { digits: 1 }),
    ("3", Element::Hour12 { digits: 1 }),
    ("4", Element::Minute { digits: 1 }),
    ("5", Element::Second { digits: 1 }),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    Year,
    ShortYear,
    MonthName,
    MonthShort,
    Month {
        digits: usize,
    },
    Day {
        digits: usize,
    },
    PaddedDay,
    DayOfYear,
    DayName,
    DayShort,
    Hour,
    Hour12 {
        digits: usize,
    },
    Half {
        upper: bool,
    },
    Minute {
        digits: usize,
    },
    Second {
        digits: usize,
    },
    /// A fraction of this many digits, shortened when made of nines.
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

/// Year, month from 1 and day from 1 of a day since 1970.
fn civil(days: i64) -> (i64, i64, i64) {
    // Counts from a first of March, so that leap days come last.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The day since 1970 of a date.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(month: i64, year: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(is_leap(year)),
        _ => 31,
    }
}

/// The numbers that a calendar and a clock show.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Calendar {
    pub(crate) year: i64,
    pub(crate) month: i64,
    pub(crate) day: i64,
    pub(crate) day_of_year: i64,
    /// From Sunday, which is 0.
    pub(crate) weekday: usize,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
}

impl Calendar {
    pub(crate) fn weekday_name(&self) -> &'static str {
        DAYS.get(self.weekday).copied().unwrap_or_default()
    }

    pub(crate) fn month_name(&self) -> &'static str {
        usize::try_from(self.month - 1).ok().and_then(|month| MONTHS.get(month)).copied().unwrap_or_default()
    }
}

impl Time {
    pub(crate) fn calendar(self) -> Calendar {
        let local = self.seconds.saturating_add(i64::from(self.offset));
        let (day_number, clock) = (local.div_euclid(86_400), local.rem_euclid(86_400));
        let (year, month, day) = civil(day_number);
        Calendar {
            year,
            month,
            day,
            day_of_year: day_number - days(year, 1, 1) + 1,
            weekday: usize::try_from((day_number + 4).rem_euclid(7)).unwrap_or(0),
            hour: clock / 3_600,
            minute: clock / 60 % 60,
            second: clock % 60,
        }
    }

    /// The time a number of nanoseconds later; far beyond any calendar it stays where it is.
    pub(crate) fn plus(self, nanoseconds: i64) -> Self {
        let total = i64::from(self.nanoseconds) + nanoseconds.rem_euclid(1_000_000_000);
        let seconds = self.seconds.saturating_add(nanoseconds.div_euclid(1_000_000_000) + total / 1_000_000_000);
        Self { seconds, nanoseconds: u32::try_from(total % 1_000_000_000).unwrap_or(0), ..self }
    }

    /// The time in a layout.
    pub(crate) fn format(self, layout: &str) -> String {
        let calendar = self.calendar();
        let mut out = String::new();
        let mut rest = layout;
        while let Some((before, element, after)) = next_element(rest) {
            out.push_str(before);
            self.element(element, &calendar, &mut out);
            rest = after;
        }
        out.push_str(rest);
        out
    }

    fn element(self, element: Element, calendar: &Calendar, out: &mut String) {
        let Calendar { year, month, day, day_of_year, hour, minute, second, .. } = *calendar;
        let hour12 = if hour % 12 == 0 { 12 } else { hour % 12 };
        let text = match element {
            Element::Year => format!("{year:04}"),
            Element::ShortYear => format!("{:02}", year.rem_euclid(100)),
            Element::MonthName => calendar.month_name().to_owned(),
            Element::MonthShort => calendar.month_name()[..3].to_owned(),
            Element::Month { digits } => format!("{month:0digits$}"),
            Element::Day { digits } => format!("{day:0digits$}"),
            Element::PaddedDay => format!("{day:2}"),
            Element::DayOfYear => format!("{day_of_year:03}"),
            Element::DayName => calendar.weekday_name().to_owned(),
            Element::DayShort => calendar.weekday_name()[..3].to_owned(),
            Element::Hour => format!("{hour:02}"),
            Element::Hour12 { digits } => format!("{hour12:0digits$}"),
            Element::Half { upper } => match (hour >= 12, upper) {
                (true, true) => "PM".to_owned(),
                (false, true) => "AM".to_owned(),
                (true, false) => "pm".to_owned(),
                (false, false) => "am".to_owned(),
            },
            Element::Minute { digits } => format!("{minute:0digits$}"),
            Element::Second { digits } => format!("{second:0digits$}"),
            Element::Fraction { digits, shortened } => self.fraction(digits, shortened),
            Element::ZoneName if self.offset == 0 => "UTC".to_owned(),
            Element::ZoneName => self.zone(false),
            Element::Offset { zulu: true, .. } if self.offset == 0 => "Z".to_owned(),
            Element::Offset { colon, .. } => self.zone(colon),
        };
        out.push_str(&text);
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
