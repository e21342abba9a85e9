//! Reads times in a layout.
//!
//! Numbers have the digits that the layout shows, names are taken in any case, and a date or time of day that does not exist
//! is an error. A day's name is read and not compared with the date.

use jiff::civil::{Date, Time as Clock};

use crate::template::sprig::layout::{DAYS, EPOCH, Element, MONTHS, Time, next_element};

impl Time {
    /// Reads a time in a layout; without a zone it is UTC.
    ///
    /// # Errors
    /// The part of the text and of the layout that do not agree; the text alone when a number is out of range.
    pub(crate) fn parse(layout: &str, text: &str) -> Result<Self, ParseTimeError> {
        let mut read = Reading::default();
        let (mut layout_rest, mut rest) = (layout, text);
        while let Some((before, element, after)) = next_element(layout_rest) {
            rest = rest
                .strip_prefix(before)
                .ok_or_else(|| ParseTimeError::Mismatch(rest.to_owned(), before.to_owned()))?;
            let shown = &layout_rest[before.len()..layout_rest.len() - after.len()];
            let mismatch = || ParseTimeError::Mismatch(rest.to_owned(), shown.to_owned());
            rest = read.element(element, rest).ok_or_else(mismatch)?;
            if let Some(what) = read.out_of_range {
                return Err(ParseTimeError::Range(what));
            }
            // Go takes a fraction after the seconds even when the layout has none.
            if matches!(element, Element::Second(_)) && !after.starts_with(['.', ',']) {
                rest = read.optional_fraction(rest);
            }
            layout_rest = after;
        }
        match rest.strip_prefix(layout_rest) {
            None => Err(ParseTimeError::Mismatch(rest.to_owned(), layout_rest.to_owned())),
            Some("") => read.time(),
            Some(extra) => Err(ParseTimeError::Extra(extra.to_owned())),
        }
    }
}

/// Why a text is not a time.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ParseTimeError {
    /// This part of the text is not this element of the layout.
    Mismatch(String, String),
    /// The layout ended before this.
    Extra(String),
    /// There is no such day or time of day; the word says which.
    Range(&'static str),
}

/// What has been read of a time.
#[derive(Debug, Default)]
struct Reading {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    hour: i64,
    afternoon: Option<bool>,
    minute: i64,
    second: i64,
    nanoseconds: u32,
    offset: i32,
    /// What a number that was read is too large for. Go says so at once, and only of days in the end.
    out_of_range: Option<&'static str>,
}

/// Cuts off a number of between `least` and `most` digits.
fn digits(text: &str, least: usize, most: usize) -> Option<(i64, &str)> {
    let count = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    if count < least {
        return None;
    }
    Some((text[..count].parse().ok()?, &text[count..]))
}

/// Cuts off one of some names, or of their first letters, in any case.
fn name<'t>(text: &'t str, names: &[&str], length: Option<usize>) -> Option<(i64, &'t str)> {
    names.iter().enumerate().find_map(|(index, name)| {
        let name = &name[..length.unwrap_or(name.len()).min(name.len())];
        let start = text.get(..name.len()).filter(|start| start.eq_ignore_ascii_case(name))?;
        Some((i64::try_from(index).ok()? + 1, &text[start.len()..]))
    })
}

impl Reading {
    fn element<'t>(&mut self, element: Element, text: &'t str) -> Option<&'t str> {
        let (value, rest) = match element {
            Element::Year => digits(text, 4, 4)?,
            Element::ShortYear | Element::Hour => digits(text, 2, 2)?,
            Element::MonthName => name(text, &MONTHS, None)?,
            Element::MonthShort => name(text, &MONTHS, Some(3))?,
            Element::DayName => name(text, &DAYS, None)?,
            Element::DayShort => name(text, &DAYS, Some(3))?,
            Element::DayOfYear => digits(text, 3, 3)?,
            Element::PaddedDay => digits(text.strip_prefix(' ').unwrap_or(text), 1, 2)?,
            Element::Month(least)
            | Element::Day(least)
            | Element::Hour12(least)
            | Element::Minute(least)
            | Element::Second(least) => digits(text, least, 2)?,
            Element::Half(_) => name(text, &["AM", "PM"], None)?,
            Element::Fraction { digits: most, shortened } => return self.fraction(text, most, shortened),
            Element::ZoneName => return text.strip_prefix("UTC").or_else(|| self.zone_name(text)),
            Element::Offset { colon, zulu } => return self.zone(text, colon, zulu),
        };
        let (limits, what) = match element {
            Element::Month(_) => (1..=12, "month"),
            Element::Hour => (0..=23, "hour"),
            Element::Hour12(_) => (0..=12, "hour"),
            Element::Minute(_) => (0..=59, "minute"),
            Element::Second(_) => (0..=59, "second"),
            _ => (0..=i64::MAX, ""),
        };
        self.out_of_range = (!limits.contains(&value)).then_some(what);
        match element {
            Element::Year => self.year = Some(value),
            Element::ShortYear => self.year = Some(if value >= 69 { 1900 + value } else { 2000 + value }),
            Element::MonthName | Element::MonthShort | Element::Month(_) => self.month = Some(value),
            Element::Day(_) | Element::PaddedDay => self.day = Some(value),
            Element::DayOfYear => self.day_of_year = Some(value),
            Element::Hour | Element::Hour12(_) => self.hour = value,
            Element::Half(_) => self.afternoon = Some(value == 2),
            Element::Minute(_) => self.minute = value,
            Element::Second(_) => self.second = value,
            _ => {}
        }
        Some(rest)
    }

    fn fraction<'t>(&mut self, text: &'t str, count: usize, shortened: bool) -> Option<&'t str> {
        let Some(digits) = text.strip_prefix(['.', ',']) else { return shortened.then_some(text) };
        let length = digits.bytes().take_while(u8::is_ascii_digit).count();
        let length = if shortened { length } else { count };
        let read = digits.get(..length).filter(|read| read.bytes().all(|b| b.is_ascii_digit()))?;
        self.nanoseconds = format!("{read:0<9}").get(..9)?.parse().ok()?;
        Some(&digits[length..])
    }

    fn optional_fraction<'t>(&mut self, text: &'t str) -> &'t str {
        let has = text.strip_prefix(['.', ',']).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        if has { self.fraction(text, 9, true).unwrap_or(text) } else { text }
    }

    /// Other zones' names say nothing about their offset, as in Go.
    fn zone_name<'t>(&mut self, text: &'t str) -> Option<&'t str> {
        let length = text.bytes().take_while(u8::is_ascii_uppercase).count();
        (3..=5).contains(&length).then(|| &text[length..])
    }

    fn zone<'t>(&mut self, text: &'t str, colon: bool, zulu: bool) -> Option<&'t str> {
        if let Some(rest) = text.strip_prefix('Z').filter(|_| zulu) {
            return Some(rest);
        }
        let sign = match text.chars().next()? {
            '+' => 1,
            '-' => -1,
            _ => return None,
        };
        let (hours, rest) = digits(&text[1..], 2, 2)?;
        let rest = if colon { rest.strip_prefix(':')? } else { rest };
        let (minutes, rest) = digits(rest, 2, 2)?;
        self.offset = sign * i32::try_from(hours * 3_600 + minutes * 60).ok()?;
        Some(rest)
    }

    fn time(self) -> Result<Time, ParseTimeError> {
        let hour = match self.afternoon {
            Some(true) if self.hour < 12 => self.hour + 12,
            Some(false) if self.hour == 12 => 0,
            _ => self.hour,
        };
        let date = self.date()?;
        let clock = small(hour).zip(small(self.minute)).zip(small(self.second));
        let clock = clock.and_then(|((hour, minute), second)| Clock::new(hour, minute, second, 0).ok());
        let clock = clock.ok_or(ParseTimeError::Range("hour"))?;
        let seconds = EPOCH.duration_until(date.to_datetime(clock)).as_secs() - i64::from(self.offset);
        Ok(Time { seconds, nanoseconds: self.nanoseconds, offset: self.offset })
    }

    /// The date that was read; what the layout did not have is that of the first of January of the year 0.
    fn date(&self) -> Result<Date, ParseTimeError> {
        let first = |month| Date::new(i16::try_from(self.year.unwrap_or(0)).ok()?, month, 1).ok();
        if let Some(day) = self.day_of_year {
            let within =
                first(1).zip(i16::try_from(day).ok()).and_then(|(year, day)| year.with().day_of_year(day).build().ok());
            return within.ok_or(ParseTimeError::Range("day-of-year"));
        }
        let month = small(self.month.unwrap_or(1)).and_then(first).ok_or(ParseTimeError::Range("month"))?;
        let day = small(self.day.unwrap_or(1)).and_then(|day| month.with().day(day).build().ok());
        day.ok_or(ParseTimeError::Range("day"))
    }
}

/// A number of two digits.
fn small(number: i64) -> Option<i8> {
    i8::try_from(number).ok()
}
