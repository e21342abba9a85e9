//! Points in time, as people write them on a command line.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use crate::failure::{Failure, Result};

/// Reads the value of `--since`: a duration before `now` (`24h`, `7d`), a day in this zone (`2026-11-20`), or a time
/// (RFC 3339).
pub(super) fn since(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Timestamp> {
    let text = text.trim();
    // A date is also the beginning of a time, and jiff reads some of them as durations of weeks and years.
    let moment = text.parse::<Timestamp>().ok().or_else(|| day(text, zone)).or_else(|| before(text, now, zone));
    moment.ok_or_else(|| {
        let hint = "write a duration (24h, 7d), a day (2026-11-20) or a time (2026-11-20T08:00:00Z)";
        Failure::usage(format!("--since: {text:?} is not a time"), hint)
    })
}

/// Reads the value of `--until`: a duration from `now` on (`4h`, `3d`), a day in this zone, which is the first without
/// (`2026-12-27`), or a time (RFC 3339).
pub(super) fn until(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Timestamp> {
    let text = text.trim();
    let moment = text.parse::<Timestamp>().ok().or_else(|| day(text, zone)).or_else(|| after(text, now, zone));
    moment.ok_or_else(|| {
        let hint = "write a duration (4h, 3d), a day (2026-12-27) or a time (2026-12-27T08:00:00Z)";
        Failure::usage(format!("--until: {text:?} is not a time"), hint)
    })
}

fn after(text: &str, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let span: Span = text.parse().ok().filter(|span: &Span| span.is_positive())?;
    Some(now.to_zoned(zone.clone()).checked_add(span).ok()?.timestamp())
}

fn day(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let date: Date = text.parse().ok().filter(|_| text.len() == "2026-11-20".len())?;
    Some(zone.to_zoned(date.into()).ok()?.timestamp())
}

fn before(text: &str, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let span: Span = text.parse().ok().filter(|span: &Span| !span.is_negative())?;
    Some(now.to_zoned(zone.clone()).checked_sub(span).ok()?.timestamp())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn durations_days_and_times_are_understood() {
        let now: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        for (text, moment) in [
            ("24h", "2026-11-19T12:00:00Z"),
            ("7d", "2026-11-13T12:00:00Z"),
            ("1h30m", "2026-11-20T10:30:00Z"),
            ("2w", "2026-11-06T12:00:00Z"),
            ("90s", "2026-11-20T11:58:30Z"),
            ("2026-11-20", "2026-11-20T00:00:00Z"),
            (" 2026-11-19T08:00:00+02:00 ", "2026-11-19T06:00:00Z"),
        ] {
            let moment: Timestamp = moment.parse().unwrap();
            assert_eq!(since(text, now, &TimeZone::UTC).unwrap(), moment, "{text}");
        }
        for text in ["", "yesterday", "-24h", "24", "2026-13-01", "2026-11-20T08:00:00", "99999999d"] {
            assert!(since(text, now, &TimeZone::UTC).is_err(), "{text}");
        }
    }

    #[test]
    fn an_end_is_later_and_days_are_as_long_as_they_are() {
        let now: Timestamp = "2026-10-24T12:00:00Z".parse().unwrap();
        let berlin = jiff::tz::TimeZoneDatabase::bundled().get("Europe/Berlin").unwrap();
        for (text, moment) in [
            ("4h", "2026-10-24T16:00:00Z"),
            // Clocks are turned back in between: the same time of day is 25 hours later.
            ("1d", "2026-10-25T13:00:00Z"),
            ("24h", "2026-10-25T12:00:00Z"),
            ("2026-10-26", "2026-10-25T23:00:00Z"),
            ("2026-10-26T08:00:00Z", "2026-10-26T08:00:00Z"),
        ] {
            let moment: Timestamp = moment.parse().unwrap();
            assert_eq!(until(text, now, &berlin).unwrap(), moment, "{text}");
        }
        for text in ["", "later", "-4h", "0h", "2026-12-27T08:00:00"] {
            assert!(until(text, now, &TimeZone::UTC).is_err(), "{text}");
        }
    }

    #[test]
    fn a_day_begins_where_the_user_is() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        let now: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        assert_eq!(since("2026-11-20", now, &zone).unwrap().to_string(), "2026-11-19T22:00:00Z");
    }
}
