//! Cron expressions: when something is due next, and when it was due last.
//!
//! Five fields (minute, hour, day of month, month, day of week, 0 and 7 are Sunday) or a nickname such as `@hourly`, in a
//! time zone. When the clock is put forward, what is due at a time that does not exist is due at the first moment after the
//! gap if hour and minute are given as numbers, and left out if they are ranges or steps. When it is put back, the former
//! is due once, at the earlier of the two times, the latter at both.
//!
//! ```
//! use jiff::{Timestamp, tz::TimeZone};
//! use tagwright_core::automation::Cron;
//!
//! let cron = Cron::parse("30 2 * * *", TimeZone::get("Europe/Berlin")?)?;
//! let noon: Timestamp = "2026-03-28T12:00:00Z".parse()?;
//! // The next day, clocks go from 2 to 3 o'clock.
//! assert_eq!(cron.next_after(noon), Some("2026-03-29T01:00:00Z".parse()?));
//! assert_eq!(cron.last_until(noon), Some("2026-03-28T01:30:00Z".parse()?));
//! assert!(Cron::parse("0 0 30 2 *", TimeZone::UTC).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::sync::Arc;

use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::civil::date;
use jiff::tz::TimeZone;
use thiserror::Error;

use crate::spelling::nearest;

/// The zone of an expression that is given none.
const DEFAULT_TIME_ZONE: &str = "UTC";

/// How much of a part is repeated in a message, in characters.
const MAX_SHOWN: usize = 40;

/// The names that stand for expressions.
const NAMES: [&str; 5] = ["@daily", "@hourly", "@monthly", "@weekly", "@yearly"];

/// The fields in their order: their names, and what they may be.
const FIELDS: [(&str, &str); 5] = [
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day of the month", "1 to 31"),
    ("month", "1 to 12, or JAN to DEC"),
    ("day of the week", "0 to 7 from Sunday to Sunday, or SUN to SAT"),
];

/// A cron expression in a time zone, which is due at some time. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    expression: String,
    pattern: Arc<croner::Cron>,
    zone: TimeZone,
}

/// Why a text is no cron expression.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Error {
    /// It cannot be read; why, as part of a sentence.
    #[error("not a cron expression: {0}")]
    Malformed(String),
    /// It names a day that does not exist.
    #[error("a cron expression that is never due")]
    Never,
}

impl Cron {
    /// Reads an expression of five fields or a nickname.
    ///
    /// # Errors
    /// It cannot be read, or is never due, such as `0 0 30 2 *`.
    pub fn parse(expression: &str, zone: TimeZone) -> Result<Self, Error> {
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let pattern = parser.parse(expression).map_err(|_| Error::Malformed(reason(&parser, expression)))?;
        let start = date(2024, 1, 1).to_zoned(TimeZone::UTC).map_err(|_| Error::Never)?;
        pattern.find_next_occurrence(&start, true).map_err(|_| Error::Never)?;
        Ok(Self { expression: expression.trim().to_owned(), pattern: Arc::new(pattern), zone })
    }

    /// The expression as it was written.
    #[must_use]
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// The IANA name of its zone.
    #[must_use]
    pub fn time_zone(&self) -> &str {
        self.zone.iana_name().unwrap_or(DEFAULT_TIME_ZONE)
    }

    /// The first time that it is due after a moment. None where there is none, which is beyond the year 4999.
    #[must_use]
    pub fn next_after(&self, moment: Timestamp) -> Option<Timestamp> {
        let moment = moment.to_zoned(self.zone.clone());
        self.pattern.find_next_occurrence(&moment, false).ok().map(|found| whole(found.timestamp()))
    }

    /// The last time that it was due before a moment, or at it.
    #[must_use]
    pub fn last_until(&self, moment: Timestamp) -> Option<Timestamp> {
        let moment = moment.to_zoned(self.zone.clone());
        self.pattern.find_previous_occurrence(&moment, true).ok().map(|found| whole(found.timestamp()))
    }
}

/// Cuts off parts of a second, which a search may carry along.
fn whole(found: Timestamp) -> Timestamp {
    Timestamp::from_second(found.as_second()).unwrap_or(found)
}

/// Says what is wrong with an expression that the parser does not take, as part of a sentence.
fn reason(parser: &CronParser, expression: &str) -> String {
    let fields: Vec<&str> = expression.split_whitespace().collect();
    match fields.as_slice() {
        [] => "it is empty".to_owned(),
        [name] if name.starts_with('@') => {
            let meant = nearest(name, &NAMES).map(|meant| format!("; `{meant}` is"));
            format!("{} is not a name for one{}", shown(name), meant.unwrap_or_default())
        }
        fields if fields.len() != FIELDS.len() => {
            format!("it has {} fields in place of {}", fields.len(), FIELDS.len())
        }
        fields => wrong_field(parser, fields).unwrap_or_else(|| "its fields do not go together".to_owned()),
    }
}

/// Says which of five fields is to blame: on its own, among fields that match everything, it is not taken either.
fn wrong_field(parser: &CronParser, fields: &[&str]) -> Option<String> {
    let (_, (field, (name, values))) = fields.iter().zip(FIELDS).enumerate().find(|(at, (field, _))| {
        let mut alone = ["*"; FIELDS.len()];
        if let Some(slot) = alone.get_mut(*at) {
            *slot = **field;
        }
        parser.parse(&alone.join(" ")).is_err()
    })?;
    Some(format!("{} is no {name} ({values})", shown(field)))
}

/// A part of an expression as a message repeats it.
fn shown(part: &str) -> String {
    format!("`{}`", words::one_line(part, MAX_SHOWN))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn berlin(expression: &str) -> Cron {
        Cron::parse(expression, TimeZone::get("Europe/Berlin").unwrap()).unwrap()
    }

    #[test]
    fn expressions() {
        for good in ["*/10 8-18 * * 1-5", "0 0 29 2 *", "@daily", "0 9 * * MON", " 0 9 * * 7 "] {
            assert_eq!(Cron::parse(good, TimeZone::UTC).unwrap().expression(), good.trim());
        }
        for bad in ["", "* * * *", "* * * * * *", "60 * * * *", "0 0 31 4 *", "0 0 30 2 *", "a b c d e"] {
            assert!(Cron::parse(bad, TimeZone::UTC).is_err(), "{bad:?}");
        }
        assert_eq!(berlin("@daily").time_zone(), "Europe/Berlin");
        assert_eq!(Cron::parse("@daily", TimeZone::UTC).unwrap().time_zone(), "UTC");
    }

    #[test]
    fn what_is_wrong_is_said_of_the_field() {
        for (bad, reason) in [
            ("", "it is empty"),
            ("@dayly", "`@dayly` is not a name for one; `@daily` is"),
            ("* * * *", "it has 4 fields in place of 5"),
            ("0 0 * * * *", "it has 6 fields in place of 5"),
            ("61 * * * *", "`61` is no minute (0 to 59)"),
            ("0 6 * FOO 1-5", "`FOO` is no month (1 to 12, or JAN to DEC)"),
            ("0 6 * * 1-8", "`1-8` is no day of the week (0 to 7 from Sunday to Sunday, or SUN to SAT)"),
            ("0 6 32 * *", "`32` is no day of the month (1 to 31)"),
        ] {
            assert_eq!(Cron::parse(bad, TimeZone::UTC).unwrap_err(), Error::Malformed(reason.to_owned()), "{bad}");
        }
    }

    #[test]
    fn moments_are_open_before_and_closed_after() {
        let cron = berlin("0 * * * *");
        assert_eq!(cron.next_after(at("2026-05-01T10:00:00Z")), Some(at("2026-05-01T11:00:00Z")));
        assert_eq!(cron.next_after(at("2026-05-01T09:59:59.5Z")), Some(at("2026-05-01T10:00:00Z")));
        assert_eq!(cron.last_until(at("2026-05-01T10:00:00Z")), Some(at("2026-05-01T10:00:00Z")));
        assert_eq!(cron.last_until(at("2026-05-01T10:00:00.5Z")), Some(at("2026-05-01T10:00:00Z")));
        assert_eq!(cron.last_until(at("2026-05-01T09:59:59.9Z")), Some(at("2026-05-01T09:00:00Z")));
        assert_eq!(cron.next_after(Timestamp::MAX), None);
    }

    #[test]
    fn a_leap_day_is_found_across_a_century() {
        let cron = Cron::parse("0 0 29 2 *", TimeZone::UTC).unwrap();
        assert_eq!(cron.next_after(at("2096-03-01T00:00:00Z")), Some(at("2104-02-29T00:00:00Z")));
        assert_eq!(cron.last_until(at("2104-02-28T00:00:00Z")), Some(at("2096-02-29T00:00:00Z")));
    }

    /// Both nights on which Berlin's clocks change, minute by minute: looking back finds what looking forward found.
    #[test]
    fn looking_back_agrees_with_looking_forward() {
        for night in ["2026-03-28T22:00:00Z", "2026-10-24T22:00:00Z"] {
            for expression in ["30 2 * * *", "0 3 * * *", "*/20 * * * *", "*/15 2 * * *", "59 1-3 * * *", "0 2 * * 0"] {
                let cron = berlin(expression);
                let start = at(night).as_second();
                let mut due = vec![cron.last_until(at(night)).unwrap()];
                for minute in 0..360 {
                    let now = Timestamp::from_second(start + minute * 60).unwrap();
                    let next = cron.next_after(now).unwrap();
                    assert!(next > now, "{expression} after {now}");
                    if now >= next_of(&cron, &due) {
                        let found = next_of(&cron, &due);
                        due.push(found);
                    }
                    assert_eq!(cron.last_until(now), due.last().copied(), "{expression} until {now}");
                }
            }
        }
    }

    fn next_of(cron: &Cron, due: &[Timestamp]) -> Timestamp {
        cron.next_after(*due.last().unwrap()).unwrap()
    }

    #[test]
    fn nights_on_which_clocks_change() {
        let spring = at("2026-03-28T22:00:00Z"); // 23:00; at 01:00Z the clock goes from 2 to 3
        assert_eq!(berlin("30 2 * * *").next_after(spring), Some(at("2026-03-29T01:00:00Z")));
        assert_eq!(berlin("*/30 2 * * *").next_after(spring), Some(at("2026-03-30T00:00:00Z")));
        let autumn = at("2026-10-24T22:00:00Z"); // 00:00; at 01:00Z the clock goes from 3 to 2
        let once = berlin("30 2 * * *").next_after(autumn).unwrap();
        assert_eq!(once, at("2026-10-25T00:30:00Z"));
        assert_eq!(berlin("30 2 * * *").next_after(once), Some(at("2026-10-26T01:30:00Z")));
        let first = berlin("*/30 2 * * *").next_after(at("2026-10-25T00:30:00Z"));
        assert_eq!(first, Some(at("2026-10-25T01:00:00Z")));
    }
}
