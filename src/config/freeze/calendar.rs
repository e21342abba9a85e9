//! iCalendar files. Every event is a freeze that is not cancelled, with its summary as the reason; recurrences count for
//! [`HORIZON_YEARS`].

use std::io;
use std::path::Path;

use calcard::common::PartialDateTime;
use calcard::icalendar::dates::TimeOrDelta;
use calcard::icalendar::{
    ICalendar, ICalendarComponent, ICalendarEntry, ICalendarParameterName, ICalendarProperty, ICalendarStatus,
    ICalendarValue,
};
use calcard::{Entry, Parser};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use tagwright_core::freeze::{Calendar, Period};

use super::{MAX_REASON, Side, at};
use crate::config::report::{Finding, Report};
use crate::config::{source, value};

/// How many events, each time that one recurs counted, a calendar may have.
const MAX_EVENTS: usize = 100_000;

/// For how many years from now on recurrences are looked at.
const HORIZON_YEARS: i16 = 10;

/// Reads iCalendar files; whatever is wrong with one is reported.
pub(in crate::config) fn calendars(report: &Report, paths: &[impl AsRef<Path>], now: Timestamp) -> Calendar {
    let mut periods = Vec::new();
    for path in paths {
        let path = path.as_ref();
        let read = source::read_text(path).map_err(|error| unreadable(&error)).and_then(|text| events(&text, now));
        match read {
            Ok(read) => periods.extend(read),
            Err(error) => {
                let finding = Finding::file(path.display().to_string(), format!("cannot read the calendar: {error}"));
                report.add(finding.hint("--freeze-calendar names an iCalendar file (.ics)"));
            }
        }
    }
    Calendar::new(periods)
}

fn unreadable(error: &io::Error) -> String {
    words::system(&error.to_string())
}

/// The events of an iCalendar text, but for those that are over.
fn events(text: &str, now: Timestamp) -> Result<Vec<Period>, String> {
    // The library takes a text that breaks off for what is there of it; what is missing may be a freeze.
    let begins = |line: &&str, word: &str| line.get(..word.len()).is_some_and(|it| it.eq_ignore_ascii_case(word));
    let count = |word: &str| text.lines().filter(|line| begins(line, word)).count();
    if count("BEGIN:") != count("END:") {
        return Err("it breaks off: a component has no end".to_owned());
    }
    let mut parser = Parser::new(text);
    let mut periods = Vec::new();
    let mut calendars = 0;
    loop {
        match parser.entry() {
            Entry::ICalendar(calendar) => {
                calendars += 1;
                periods.extend(of(calendar, now)?);
            }
            Entry::Eof => break,
            Entry::InvalidLine(line) if line.trim().is_empty() => {}
            Entry::InvalidLine(line) => return Err(format!("{:?} belongs to no calendar", words::one_line(&line, 60))),
            Entry::UnterminatedComponent(name) => {
                return Err(format!("{} has no end", words::one_line(&name, 60)));
            }
            _ => return Err("it is not an iCalendar text".to_owned()),
        }
        if periods.len() > MAX_EVENTS {
            return Err(too_many());
        }
    }
    if calendars == 0 {
        return Err("there is no VCALENDAR in it".to_owned());
    }
    Ok(periods)
}

fn too_many() -> String {
    format!("it has more than {MAX_EVENTS} events within {HORIZON_YEARS} years")
}

fn of(mut calendar: ICalendar, now: Timestamp) -> Result<Vec<Period>, String> {
    let usual = usual_zone(&calendar)?;
    let zones: Vec<Option<TimeZone>> =
        calendar.components.iter().map(|it| zone_of(&calendar, it, &usual)).collect::<Result<_, _>>()?;
    // The library knows no time of day that there is twice, or not at all; so it gets none that has a zone.
    for (component, zone) in calendar.components.iter_mut().zip(&zones) {
        if let Some(zone) = zone {
            float(component, zone, now)?;
        }
    }
    let expanded = calendar.expand_dates(calcard::common::timezone::Tz::Floating, MAX_EVENTS + 1);
    if let Some(error) = expanded.errors.first() {
        return Err(format!("{} ({})", error.error, name_of(&calendar, error.comp_id)));
    }
    if expanded.events.len() > MAX_EVENTS {
        return Err(too_many());
    }
    let mut periods = Vec::new();
    for event in expanded.events {
        let at_component = usize::try_from(event.comp_id).unwrap_or(usize::MAX);
        let Some(component) = calendar.components.get(at_component) else { continue };
        if !component.component_type.is_event() || component.status() == Some(&ICalendarStatus::Cancelled) {
            continue;
        }
        let zone = zones.get(at_component).and_then(Option::as_ref).unwrap_or(&usual);
        let begin = event.start.naive_local();
        let end = match &event.end {
            TimeOrDelta::Time(end) => Some(end.naive_local()),
            TimeOrDelta::Delta(length) => begin.checked_add_signed(*length),
        };
        let moment = |text: String, side| text.parse::<DateTime>().ok().and_then(|local| at(local, zone, side));
        let format = "%Y-%m-%dT%H:%M:%S";
        let from = moment(begin.format(format).to_string(), Side::From);
        let to = end.and_then(|end| moment(end.format(format).to_string(), Side::To));
        let (Some(from), Some(to)) = (from, to) else {
            return Err(format!("an event is beyond the calendar ({})", name_of(&calendar, event.comp_id)));
        };
        if to < from {
            return Err(format!("an event ends before it begins ({})", name_of(&calendar, event.comp_id)));
        }
        if to > now && to > from {
            periods.push(Period { from, to, reason: summary(component) });
        }
    }
    Ok(periods)
}

/// The zone of times that name none: that of the calendar, or UTC.
fn usual_zone(calendar: &ICalendar) -> Result<TimeZone, String> {
    let named = calendar.components.iter().flat_map(|component| &component.entries).find_map(|entry| {
        matches!(&entry.name, ICalendarProperty::Other(name) if name.eq_ignore_ascii_case("X-WR-TIMEZONE"))
            .then(|| entry.values.first()?.as_text())?
    });
    named.map_or(Ok(TimeZone::UTC), |name| {
        value::time_zone(name).map_err(|_| format!("{:?} is not a time zone", words::one_line(name, 60)))
    })
}

/// The zone of an event's times; none for what is no event.
fn zone_of(calendar: &ICalendar, it: &ICalendarComponent, usual: &TimeZone) -> Result<Option<TimeZone>, String> {
    if !it.component_type.is_event() {
        return Ok(None);
    }
    let Some(begin) = it.property(&ICalendarProperty::Dtstart) else { return Ok(Some(usual.clone())) };
    if is_in_utc(begin) {
        return Ok(Some(TimeZone::UTC));
    }
    let Some(id) = begin.tz_id() else { return Ok(Some(usual.clone())) };
    let unknown = || format!("{:?} is not a time zone, and the calendar does not say which", words::one_line(id, 60));
    let resolved = calendar.build_tz_resolver().resolve(id).and_then(|zone| zone.name()).ok_or_else(unknown)?;
    value::time_zone(&resolved).map(Some).map_err(|_| unknown())
}

fn is_in_utc(entry: &ICalendarEntry) -> bool {
    let Some(ICalendarValue::PartialDateTime(time)) = entry.values.first() else { return false };
    time.tz_hour.is_some()
}

/// Makes all times of an event those of clocks without a zone; they are in this one.
fn float(component: &mut ICalendarComponent, zone: &TimeZone, now: Timestamp) -> Result<(), String> {
    let zone_id = component.property(&ICalendarProperty::Dtstart).and_then(ICalendarEntry::tz_id).map(str::to_owned);
    let horizon = now.to_zoned(TimeZone::UTC).year().saturating_add(HORIZON_YEARS);
    for entry in &mut component.entries {
        let is_of_time = matches!(
            entry.name,
            ICalendarProperty::Dtstart
                | ICalendarProperty::Dtend
                | ICalendarProperty::Exdate
                | ICalendarProperty::Rdate
                | ICalendarProperty::RecurrenceId
        );
        if !is_read(entry) {
            let line = words::one_line(entry.name.as_str(), 60);
            return Err(format!("{line} of an event is not what the standard says it is"));
        }
        if is_of_time && entry.tz_id().is_some_and(|id| Some(id) != zone_id.as_deref()) {
            return Err(format!("the times of an event are in several zones, of which {zone_id:?} is one"));
        }
        if is_of_time {
            entry.params.retain(|parameter| parameter.name != ICalendarParameterName::Tzid);
        }
        for value in &mut entry.values {
            match value {
                ICalendarValue::PartialDateTime(time) if is_of_time => local(time, zone)?,
                ICalendarValue::RecurrenceRule(rule) => {
                    if let Some(until) = &mut rule.until {
                        local(until, zone)?;
                    }
                    let is_short = rule.count.is_some()
                        || rule
                            .until
                            .as_ref()
                            .and_then(|until| until.year)
                            .is_some_and(|year| i32::from(year) < i32::from(horizon));
                    if !is_short {
                        let year = u16::try_from(horizon).unwrap_or(u16::MAX);
                        let (day, month) = (Some(31), Some(12));
                        rule.until = Some(PartialDateTime {
                            year: Some(year),
                            month,
                            day,
                            hour: Some(0),
                            minute: Some(0),
                            second: Some(0),
                            ..Default::default()
                        });
                    }
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Whether what says when an event is could be read. The library takes it for a text where it could not, and the event for one
/// that is shorter, or less often.
fn is_read(entry: &ICalendarEntry) -> bool {
    use ICalendarProperty as Property;
    use ICalendarValue as Value;
    let is_time = |value: &Value| matches!(value, Value::PartialDateTime(_));
    match entry.name {
        Property::Dtstart | Property::Dtend | Property::RecurrenceId => entry.values.iter().all(is_time),
        Property::Rdate => entry.values.iter().all(|it| is_time(it) || matches!(it, Value::Period(_))),
        Property::Duration => entry.values.iter().all(|it| matches!(it, Value::Duration(_))),
        Property::Rrule => entry.values.iter().all(|it| matches!(it, Value::RecurrenceRule(_))),
        _ => true,
    }
}

/// Writes a time that says how far it is from UTC as one of this zone's clocks.
fn local(time: &mut PartialDateTime, zone: &TimeZone) -> Result<(), String> {
    if time.tz_hour.is_none() {
        return Ok(());
    }
    let moment = time.to_timestamp().and_then(|seconds| Timestamp::from_second(seconds).ok());
    let local = moment.ok_or("a time of it is beyond the calendar")?.to_zoned(zone.clone());
    let part = |number: i8| u8::try_from(number).ok();
    time.year = u16::try_from(local.year()).ok();
    (time.month, time.day) = (part(local.month()), part(local.day()));
    (time.hour, time.minute, time.second) = (part(local.hour()), part(local.minute()), part(local.second()));
    (time.tz_hour, time.tz_minute, time.tz_minus) = (None, None, false);
    Ok(())
}

fn summary(component: &ICalendarComponent) -> Option<String> {
    let text = component.property(&ICalendarProperty::Summary)?.values.first()?.as_text()?;
    let text = words::one_line(text, MAX_REASON);
    (!text.is_empty()).then_some(text)
}

/// What an event is called in messages.
fn name_of(calendar: &ICalendar, component: u32) -> String {
    let component = usize::try_from(component).ok().and_then(|at| calendar.components.get(at));
    component.and_then(summary).map_or_else(|| "an event without a summary".to_owned(), |text| format!("{text:?}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const NOW: &str = "2026-06-01T00:00:00Z";

    fn calendar(lines: &str) -> String {
        format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\n{}END:VCALENDAR\r\n",
            lines.trim_start().replace('\n', "\r\n")
        )
    }

    /// The freezes of a calendar's lines: from, to, reason.
    fn found(lines: &str) -> Result<Vec<(String, String, String)>, String> {
        let mut periods = events(&calendar(lines), NOW.parse().unwrap())?;
        periods.sort();
        let row = |it: Period| (it.from.to_string(), it.to.to_string(), it.reason.unwrap_or_default());
        Ok(periods.into_iter().map(row).collect())
    }

    fn check(lines: &str, expect: &[(&str, &str, &str)]) {
        let expect: Vec<_> =
            expect.iter().map(|(a, b, c)| ((*a).to_owned(), (*b).to_owned(), (*c).to_owned())).collect();
        assert_eq!(found(lines).as_deref(), Ok(expect.as_slice()), "{lines}");
    }

    #[test]
    fn an_event_is_a_freeze() {
        check(
            "BEGIN:VEVENT\nUID:1\nDTSTART:20261224T170000Z\nDTEND:20261226T230000Z\nSUMMARY:the feast\nEND:VEVENT\n",
            &[("2026-12-24T17:00:00Z", "2026-12-26T23:00:00Z", "the feast")],
        );
        // All day: the end is not a part of it. Without a zone, the calendar's counts.
        check(
            "X-WR-TIMEZONE:Europe/Berlin\nBEGIN:VEVENT\nUID:1\nDTSTART;VALUE=DATE:20261224\nDTEND;VALUE=DATE:20261227\nEND:VEVENT\n",
            &[("2026-12-23T23:00:00Z", "2026-12-26T23:00:00Z", "")],
        );
        check(
            "BEGIN:VEVENT\nUID:1\nDTSTART;TZID=America/New_York:20261126T080000\nDURATION:PT2H\nEND:VEVENT\n",
            &[("2026-11-26T13:00:00Z", "2026-11-26T15:00:00Z", "")],
        );
    }

    #[test]
    fn what_is_over_or_cancelled_is_none() {
        check("BEGIN:VEVENT\nUID:1\nDTSTART:20250101T000000Z\nDTEND:20250102T000000Z\nEND:VEVENT\n", &[]);
        check(
            "BEGIN:VEVENT\nUID:1\nDTSTART:20270101T000000Z\nDTEND:20270102T000000Z\nSTATUS:CANCELLED\nEND:VEVENT\n",
            &[],
        );
        check("BEGIN:VTODO\nUID:1\nDTSTART:20270101T000000Z\nDUE:20270102T000000Z\nEND:VTODO\n", &[]);
        check("", &[]);
    }

    #[test]
    fn clocks_that_are_turned_make_a_freeze_longer() {
        // Every night from 2:30 to 2:45, in Berlin; 2:30 is there twice on the 25th of October.
        let nightly = "BEGIN:VEVENT\nUID:1\nDTSTART;TZID=Europe/Berlin:20261024T023000\nDTEND;TZID=Europe/Berlin:20261024T024500\n\
                       RRULE:FREQ=DAILY;COUNT=3\nSUMMARY:night\nEND:VEVENT\n";
        check(
            nightly,
            &[
                ("2026-10-24T00:30:00Z", "2026-10-24T00:45:00Z", "night"),
                ("2026-10-25T00:30:00Z", "2026-10-25T01:45:00Z", "night"),
                ("2026-10-26T01:30:00Z", "2026-10-26T01:45:00Z", "night"),
            ],
        );
        // And not at all on the 28th of March.
        check(
            "BEGIN:VEVENT\nUID:1\nDTSTART;TZID=Europe/Berlin:20270328T023000\nDTEND;TZID=Europe/Berlin:20270328T024500\nEND:VEVENT\n",
            &[("2027-03-28T00:30:00Z", "2027-03-28T01:45:00Z", "")],
        );
    }

    #[test]
    fn recurrences_end_where_they_say_and_have_exceptions() {
        // Until 23:00 UTC is until midnight in Berlin, and the last one counts.
        check(
            "BEGIN:VEVENT\nUID:1\nDTSTART;TZID=Europe/Berlin:20261229T000000\nDURATION:PT1H\n\
             RRULE:FREQ=DAILY;UNTIL=20261231T230000Z\nEXDATE;TZID=Europe/Berlin:20261230T000000\nEND:VEVENT\n",
            &[
                ("2026-12-28T23:00:00Z", "2026-12-29T00:00:00Z", ""),
                ("2026-12-30T23:00:00Z", "2026-12-31T00:00:00Z", ""),
                ("2026-12-31T23:00:00Z", "2027-01-01T00:00:00Z", ""),
            ],
        );
        let every_week =
            "BEGIN:VEVENT\nUID:1\nDTSTART:20200103T150000Z\nDURATION:PT48H\nRRULE:FREQ=WEEKLY;BYDAY=FR\nEND:VEVENT\n";
        let both = format!("{every_week}{}", every_week.replace("UID:1", "UID:2").replace("BYDAY=FR", "BYDAY=MO"));
        let periods = found(&both).unwrap();
        // Ten and a half years of each: one without an end leaves room for the others.
        assert!((1080..1120).contains(&periods.len()), "{}", periods.len());
        assert_eq!(periods[0].0, "2026-06-01T15:00:00Z");
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let check = |text: &str, expect: &str| {
            let error = events(text, NOW.parse().unwrap()).unwrap_err();
            assert!(error.contains(expect), "{text}: {error}");
        };
        check("", "no VCALENDAR");
        check("<html>\n", "belongs to no calendar");
        check("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n", "has no end");
        check(&calendar("begin:vevent\nUID:1\n"), "has no end");
        let event = |lines: &str| calendar(&format!("BEGIN:VEVENT\nUID:1\n{lines}SUMMARY:the feast\nEND:VEVENT\n"));
        check(&event("DTEND:20261226T230000Z\n"), "the feast");
        check(&event("DTSTART;TZID=Mars/Olympus:20261226T230000\n"), "Mars/Olympus");
        check(
            &event("DTSTART;TZID=Europe/Berlin:20261226T230000\nDTEND;TZID=Asia/Tokyo:20261227T230000\n"),
            "several zones",
        );
        check(&event("DTSTART:20261226T230000Z\nDURATION:PT1S\nRRULE:FREQ=SECONDLY\n"), "more than 100000 events");
        check(&calendar("X-WR-TIMEZONE:Nowhere\n"), "Nowhere");
        // What the library reads as a text would leave the event shorter, or without its repetitions.
        for line in ["RRULE:FREQ=WEEKLYY", "RRULE:weekly", "DTEND:tomorrow", "DURATION:2 days", "RDATE:soon"] {
            let name = line.split(':').next().unwrap();
            check(&event(&format!("DTSTART:20261226T230000Z\n{line}\n")), &format!("{name} of an event is not"));
        }
        check(&event("DTSTART:20261226T230000Z\nDTEND:20261225T230000Z\n"), "ends before it begins (\"the feast\")");
    }
}
