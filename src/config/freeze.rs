//! Times in which nothing is written: `spec.freeze` of an automation, and the files of `calendar` for all of them.
//!
//! A time of day without a zone is one in the zone that stands beside it, in `timeZone` or in the calendar, and in UTC where none
//! does. Where clocks are turned, a freeze is rather longer than shorter: it begins at the earlier, and ends at the later of the
//! moments that a time of day may mean. A day as an end is over when the day is.

mod calendar;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::{Disambiguation, TimeZone};
use tagwright_core::freeze::Period;

use super::decode::Fields;
use super::text::Text;
use super::value;

pub(super) use calendar::calendars;

/// How many freezes an automation may have.
const MAX_PERIODS: usize = 1000;

/// The longest reason, in bytes: as long as one that is given by hand.
const MAX_REASON: usize = 1024;

/// What to write instead of something that is no time.
const TIME_HINT: &str =
    "write a day (2026-12-24), a time of day (2026-12-24T18:00, with `timeZone`) or a moment (2026-12-24T18:00:00Z)";

/// Which end of a freeze a time is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    From,
    To,
}

/// Reads `freeze`.
pub(super) fn periods(fields: &mut Fields<'_>) -> Vec<Period> {
    let report = fields.report();
    let (path, place) = (fields.path("freeze"), fields.key("freeze"));
    let items = fields.items("freeze").unwrap_or_default();
    if let Some(place) = place.filter(|_| items.len() > MAX_PERIODS) {
        report.error(place, format!("`{path}` has more than {MAX_PERIODS} items"));
        return Vec::new();
    }
    items.into_iter().filter_map(period).collect()
}

fn period(mut fields: Fields<'_>) -> Option<Period> {
    let report = fields.report();
    let zone = fields.optional_or("timeZone", value::time_zone_hint, value::time_zone);
    // With a wrong zone, the times are still worth looking at.
    let given = zone.clone().flatten().unwrap_or(TimeZone::UTC);
    let (from, to) = (fields.required_text("from"), fields.required_text("to"));
    let reason = fields.filled_text("reason");
    fields.finish();
    let read = |text: &Text, side| text.parsed_or(report, || TIME_HINT.to_owned(), |text| moment(text, &given, side));
    let (from, to) = (from?, to?);
    let (begins, ends) = (read(&from, Side::From), read(&to, Side::To));
    if let Some(reason) = reason.as_ref().filter(|reason| reason.value.len() > MAX_REASON) {
        report.error(reason.place, format!("`{}` is longer than {MAX_REASON} bytes", reason.path));
        return None;
    }
    let (begins, ends) = (begins?, ends?);
    if ends <= begins {
        report.error(to.place, format!("`{}` is not after `{}`", to.path, from.path));
        return None;
    }
    zone?;
    Some(Period { from: begins, to: ends, reason: reason.map(|reason| reason.value) })
}

/// Reads a day, a time of day in this zone, or a moment.
fn moment(text: &str, zone: &TimeZone, side: Side) -> Result<Timestamp, &'static str> {
    let is_day = text.len() == "2026-12-24".len();
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    // A zone in brackets would be another beside `timeZone`.
    if text.contains('[') {
        return Err("is not a time");
    }
    let local = match text.parse::<Date>().ok().filter(|_| is_day) {
        Some(day) if side == Side::To => day.tomorrow().map_err(|_| "is beyond the calendar")?.into(),
        Some(day) => day.into(),
        None => text.parse::<DateTime>().ok().filter(|_| !is_day).ok_or("is not a time")?,
    };
    at(local, zone, side).ok_or("is beyond the calendar")
}

/// The moment of a time of day. One that there is twice, or not at all, makes the freeze rather longer.
fn at(local: DateTime, zone: &TimeZone, side: Side) -> Option<Timestamp> {
    let turned = match side {
        Side::From => Disambiguation::Earlier,
        Side::To => Disambiguation::Later,
    };
    zone.to_ambiguous_timestamp(local).disambiguate(turned).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn berlin() -> TimeZone {
        value::time_zone("Europe/Berlin").unwrap()
    }

    #[test]
    fn times_are_days_times_of_day_and_moments() {
        let check = |text: &str, side, expect: Option<&str>| {
            let found = moment(text, &berlin(), side).ok();
            assert_eq!(found, expect.map(|text| text.parse().unwrap()), "{text} {side:?}");
        };
        check("2026-12-24", Side::From, Some("2026-12-23T23:00:00Z"));
        check("2026-12-24", Side::To, Some("2026-12-24T23:00:00Z"));
        check("2026-12-24T18:00", Side::From, Some("2026-12-24T17:00:00Z"));
        check("2026-12-24T18:00:30", Side::To, Some("2026-12-24T17:00:30Z"));
        check("2026-12-24T18:00:00Z", Side::To, Some("2026-12-24T18:00:00Z"));
        check("2026-12-24T18:00:00-05:00", Side::From, Some("2026-12-24T23:00:00Z"));
        // 2:30 is there twice: the freeze is the longer one.
        check("2026-10-25T02:30", Side::From, Some("2026-10-25T00:30:00Z"));
        check("2026-10-25T02:30", Side::To, Some("2026-10-25T01:30:00Z"));
        // 2:30 is not there: from 1:30, until 3:30.
        check("2026-03-29T02:30", Side::From, Some("2026-03-29T00:30:00Z"));
        check("2026-03-29T02:30", Side::To, Some("2026-03-29T01:30:00Z"));
        // A day of 25 hours is over when it is.
        check("2026-10-25", Side::From, Some("2026-10-24T22:00:00Z"));
        check("2026-10-25", Side::To, Some("2026-10-25T23:00:00Z"));
        for text in ["", "tomorrow", "2026-13-01", "2026-12-24T25:00", "18:00", "2026-12-24T18:00[Europe/Berlin]"] {
            check(text, Side::From, None);
        }
    }
}
