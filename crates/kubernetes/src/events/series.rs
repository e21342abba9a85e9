//! Which of what happens is an event of its own, which is counted, and which is left out; by the rules of client-go. Pure.
//!
//! 1. The tenth different message, and each one after it, of one object with one reason within ten minutes of the one before
//!    are told as one event, whose message begins with `(combined from similar events): `.
//! 2. What was told before, with the same message, is counted up.
//! 3. Each object has a burst of 25, and then one more every five minutes; what comes beyond that is counted, but not sent.

use jiff::Timestamp;

use super::recent::{Print, Recent};
use crate::event::{Event, Level, Subject};

/// How many different messages make an event a combined one.
const SIMILAR: usize = 10;

/// Messages are similar when they follow each other within this time, in seconds.
const SIMILAR_WITHIN: f64 = 600.0;

/// How many events of an object are sent at once.
const BURST: f64 = 25.0;

/// How many seconds there are for each one after that.
const SECONDS_EACH: f64 = 300.0;

/// How many objects, messages and groups of messages are remembered, each.
const REMEMBERED: usize = 8192;

/// How a combined message begins.
const COMBINED: &str = "(combined from similar events): ";

/// The longest name that an object can have.
const MAX_NAME: usize = 253;

/// What was told, as far as it is remembered.
#[derive(Debug)]
pub(super) struct Memory {
    similar: Recent<Similar>,
    series: Recent<Series>,
    bursts: Recent<Burst>,
    /// The number in the name of the last event.
    number: u64,
}

/// The different messages of one object with one reason.
#[derive(Debug)]
struct Similar {
    messages: Vec<Print>,
    last: Timestamp,
}

#[derive(Debug)]
struct Series {
    number: u64,
    first: Timestamp,
    count: u32,
}

#[derive(Debug)]
struct Burst {
    left: f64,
    at: Timestamp,
}

/// An event as it is to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) name: String,
    /// Whether it is there already, unless the API server has forgotten it.
    pub(super) is_known: bool,
    pub(super) message: String,
    pub(super) count: u32,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
}

impl Memory {
    pub(super) fn new() -> Self {
        let (similar, series, bursts) = (Recent::new(REMEMBERED), Recent::new(REMEMBERED), Recent::new(REMEMBERED));
        Self { similar, series, bursts, number: 0 }
    }

    /// What is to be stored of something that happened; none when there was too much of the object.
    pub(super) fn take(&mut self, subject: &Subject, event: &Event, now: Timestamp) -> Option<Record> {
        let object = Print::of(&[
            &event.component,
            &subject.api_version,
            &subject.kind,
            &subject.namespace,
            &subject.name,
            &subject.uid,
        ]);
        let group = object.with(&[level(event.level), &event.reason]);
        let (key, message) = match self.is_combined(group, &event.message, now) {
            true => (group, format!("{COMBINED}{}", event.message)),
            false => (group.with(&[&event.message]), event.message.clone()),
        };
        let number = self.next_number(now);
        let series = self.series.get(key, || Series { number, first: now, count: 0 });
        series.count = series.count.saturating_add(1);
        let (number, first, count) = (series.number, series.first, series.count);
        self.is_let_through(object, now).then(|| Record {
            name: name(&subject.name, number),
            is_known: count > 1,
            message,
            count,
            first,
            last: now,
        })
    }

    fn is_combined(&mut self, group: Print, message: &str, now: Timestamp) -> bool {
        let similar = self.similar.get(group, || Similar { messages: Vec::new(), last: now });
        if seconds(similar.last, now) > SIMILAR_WITHIN {
            similar.messages.clear();
        }
        similar.last = now;
        let print = Print::of(&[message]);
        if !similar.messages.contains(&print) {
            similar.messages.push(print);
        }
        let is_combined = similar.messages.len() >= SIMILAR;
        if is_combined {
            similar.messages.remove(0);
        }
        is_combined
    }

    fn is_let_through(&mut self, object: Print, now: Timestamp) -> bool {
        let burst = self.bursts.get(object, || Burst { left: BURST, at: now });
        burst.left = (burst.left + seconds(burst.at, now).max(0.0) / SECONDS_EACH).min(BURST);
        burst.at = now;
        let is_let_through = burst.left >= 1.0;
        if is_let_through {
            burst.left -= 1.0;
        }
        is_let_through
    }

    /// The time in nanoseconds, but no number twice.
    fn next_number(&mut self, now: Timestamp) -> u64 {
        let time = u64::try_from(now.as_nanosecond()).unwrap_or(0);
        self.number = time.max(self.number.saturating_add(1));
        self.number
    }
}

/// `<object>.<16 hex digits>`; the name of the object is cut where that is too long.
fn name(object: &str, number: u64) -> String {
    let room = object.floor_char_boundary(MAX_NAME - 17);
    let object = object.get(..room).unwrap_or_default().trim_end_matches(['.', '-']);
    format!("{object}.{number:016x}")
}

/// The `type` of an event.
pub(super) const fn level(level: Level) -> &'static str {
    match level {
        Level::Normal => "Normal",
        Level::Warning => "Warning",
    }
}

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use jiff::ToSpan as _;

    use super::*;
    use crate::kind::Map;

    fn subject(name: &str) -> Subject {
        let [api_version, kind, namespace, uid, resource_version] =
            ["image.toolkit.fluxcd.io/v1", "ImagePolicy", "apps", "u", "7"].map(str::to_owned);
        Subject { api_version, kind, namespace, name: name.to_owned(), uid, resource_version }
    }

    /// A memory, a clock, and what was told of `app`.
    struct Teller {
        memory: Memory,
        now: Timestamp,
    }

    impl Teller {
        fn new() -> Self {
            Self { memory: Memory::new(), now: "2026-11-27T10:00:00Z".parse().unwrap() }
        }

        fn after(&mut self, seconds: i64) {
            self.now += seconds.seconds();
        }

        fn take(&mut self, message: &str) -> Option<Record> {
            self.take_of(&subject("app"), message)
        }

        fn take_of(&mut self, subject: &Subject, message: &str) -> Option<Record> {
            let [component, reason, message] = ["bot", "Succeeded", message].map(str::to_owned);
            let event = Event { component, level: Level::Normal, reason, message, annotations: Map::new() };
            self.memory.take(subject, &event, self.now)
        }
    }

    #[test]
    fn the_same_again_is_counted() {
        let mut teller = Teller::new();
        let first = teller.take("one").unwrap();
        assert_eq!((first.is_known, first.count, first.first == first.last), (false, 1, true));
        teller.after(30);
        let second = teller.take("one").unwrap();
        let expected = Record { is_known: true, count: 2, last: teller.now, ..first.clone() };
        assert_eq!(second, expected);
        for other in [teller.take("two"), teller.take_of(&Subject { uid: "v".to_owned(), ..subject("app") }, "one")] {
            let other = other.unwrap();
            assert_eq!((other.is_known, other.count), (false, 1));
            assert_ne!(other.name, first.name, "even at the same time");
        }
    }

    #[test]
    fn the_tenth_different_message_begins_a_combined_event() {
        let mut teller = Teller::new();
        let told: Vec<Record> = (1..=12).map(|n| teller.take(&format!("message {n}")).unwrap()).collect();
        assert!(told[..9].iter().all(|record| !record.is_known && record.message.starts_with("message ")));
        let combined: Vec<_> =
            told[9..].iter().map(|record| (record.is_known, record.count, record.message.as_str())).collect();
        let of = |n| format!("(combined from similar events): message {n}");
        assert_eq!(combined, [(false, 1, of(10).as_str()), (true, 2, &of(11)), (true, 3, &of(12))]);
        assert!(told[9..].iter().all(|record| record.name == told[9].name));
        assert_eq!(teller.take_of(&subject("other"), "message 13").unwrap().message, "message 13");

        teller.after(601);
        assert_eq!(teller.take("message 14").unwrap().message, "message 14", "they do not follow each other");
    }

    #[test]
    fn each_object_has_a_burst_and_then_one_every_five_minutes() {
        let mut teller = Teller::new();
        let sent = |teller: &mut Teller, times: usize| (0..times).filter_map(|_| teller.take("again")).count();
        assert_eq!(sent(&mut teller, 40), 25);
        assert!(teller.take_of(&subject("other"), "again").is_some());
        teller.after(299);
        assert_eq!(sent(&mut teller, 1), 0);
        teller.after(1);
        let record = teller.take("again").unwrap();
        assert_eq!(record.count, 42, "what was left out is counted");
        assert_eq!(sent(&mut teller, 5), 0);
        // A clock that goes back gives nothing away, and breaks nothing.
        teller.after(-3600);
        assert_eq!(sent(&mut teller, 1), 0);
        teller.after(100 * 300);
        assert_eq!(sent(&mut teller, 100), 25, "no more than a burst is saved up");
    }

    #[test]
    fn names_are_those_of_client_go() {
        let mut teller = Teller::new();
        assert_eq!(teller.take("one").unwrap().name, "app.18ebde9325064000");
        let long = format!("{}.{}", "a".repeat(235), "b".repeat(17));
        let name = teller.take_of(&subject(&long), "one").unwrap().name;
        assert_eq!(name, format!("{}.18ebde9325064001", "a".repeat(235)));
    }
}
