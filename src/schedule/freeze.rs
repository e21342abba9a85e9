//! Carrying out what a person orders about freezes: freezing, ending that, and breaking the glass.

use jiff::{SignedDuration, Timestamp};
use tagwright_core::freeze::{Calendar, Order, Selector};
use thiserror::Error;

use crate::failure::Failure;
use crate::run::Mode;
use crate::store::{self, Event, MAX_REASON_BYTES, Record, Store, Toggle};
use crate::wire::freeze::{Freeze, FreezeStatus, Refrozen, RefrozenResult, Unfreeze};

/// How long an exception counts where nobody says how long.
pub(crate) const EXCEPTION: SignedDuration = SignedDuration::from_hours(1);

/// The longest that an exception counts: one that is forgotten is no freeze any more.
pub(crate) const LONGEST_EXCEPTION: SignedDuration = SignedDuration::from_hours(24);

/// How many selectors one order may have.
const MAX_SELECTORS: usize = 1000;

/// Why an order about freezes is not carried out.
#[derive(Debug, Error)]
pub(crate) enum Error {
    /// Something is no selector.
    #[error(
        "{0:?} is no selector: write NS/NAME for an automation, NS/* for those of a namespace, NS:NAME for a policy, * for everything"
    )]
    Selector(String),
    /// There are too many of them.
    #[error("an order has at most {MAX_SELECTORS} selectors")]
    TooMany,
    /// The reason is too long, or would break a line.
    #[error("the reason is longer than {MAX_REASON_BYTES} bytes, or has control characters")]
    Reason,
    /// Nobody says why.
    #[error("breaking the glass takes a reason, for those who will ask")]
    NoReason,
    /// It would end before it begins.
    #[error("{until} is over already")]
    Over {
        /// The end.
        until: Timestamp,
    },
    /// An exception would count too long.
    #[error("an exception counts for a day at most, and {until} is later")]
    TooLong {
        /// The end.
        until: Timestamp,
    },
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Store(error) => error.into(),
            error => Self::usage(error.to_string(), ""),
        }
    }
}

/// How an order was given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Given<'o> {
    /// Who gave it over HTTP; empty where that is not known.
    pub(crate) by: &'o str,
    /// The calendar, for the answer.
    pub(crate) calendar: &'o Calendar,
    /// When.
    pub(crate) now: Timestamp,
}

/// Reads the selectors of an order; none is everything.
///
/// # Errors
/// One of them is none.
pub(crate) fn selectors(texts: &[String]) -> Result<Vec<Selector>, Error> {
    if texts.len() > MAX_SELECTORS {
        return Err(Error::TooMany);
    }
    let mut selectors = Vec::new();
    for text in texts {
        let selector = Selector::parse(text).ok_or_else(|| Error::Selector(words::one_line(text, 100)))?;
        if !selectors.contains(&selector) {
            selectors.push(selector);
        }
    }
    Ok(if texts.is_empty() { vec![Selector::Everything] } else { selectors })
}

/// Freezes what selectors name, and keeps records of it. Ordered twice is as good as once.
///
/// # Errors
/// The order is wrong, or the store cannot be written.
pub(crate) fn freeze(store: &Store, wish: &Freeze, order: Given<'_>) -> Result<Refrozen, Error> {
    let Given { by, calendar, now } = order;
    let selectors = selectors(&wish.selectors)?;
    let reason = reason(wish.reason.as_deref())?;
    in_time(wish.until, now)?;
    let order = Order { since: now, until: wish.until, reason: reason.map(str::to_owned) };
    let results = store.change_freezes(now, |freezes| {
        let mut results = Vec::new();
        for selector in &selectors {
            // Said again without anything new, it keeps its time.
            let same = |known: &Order| known.until == order.until && (reason.is_none() || known.reason == order.reason);
            let changed = !freezes.frozen.get(selector).is_some_and(same);
            if changed {
                freezes.frozen.insert(selector.clone(), order.clone());
            }
            results.push(RefrozenResult { selector: selector.to_string(), changed, until: order.until });
        }
        results
    })?;
    record(store, &results, Toggle::Frozen, (reason, by), now)?;
    answer(store, results, calendar, now)
}

/// Ends freezes that were ordered by hand, or makes an exception to all of them; keeps records of it.
///
/// # Errors
/// The order is wrong, or the store cannot be written.
pub(crate) fn unfreeze(store: &Store, wish: &Unfreeze, order: Given<'_>) -> Result<Refrozen, Error> {
    let Given { by, calendar, now } = order;
    let reason = reason(wish.reason.as_deref())?;
    let (results, to) = match wish.break_glass {
        true => (break_glass(store, wish, reason.ok_or(Error::NoReason)?, now)?, Toggle::GlassBroken),
        false => (end(store, wish, now)?, Toggle::Unfrozen),
    };
    record(store, &results, to, (reason, by), now)?;
    answer(store, results, calendar, now)
}

/// Breaks the glass for one run of a process, which ends with it. A run that pushes keeps a record of it.
///
/// # Errors
/// The reason is none, or the store cannot be written.
pub(crate) fn this_run(store: &Store, why: &str, mode: Mode) -> Result<Order, Error> {
    let (why, now) = (reason(Some(why))?.ok_or(Error::NoReason)?, Timestamp::now());
    if mode == Mode::Push {
        let result = RefrozenResult { selector: Selector::Everything.to_string(), changed: true, until: None };
        record(store, &[result], Toggle::GlassBroken, (Some(why), ""), now)?;
    }
    Ok(Order { since: now, until: None, reason: Some(why.to_owned()) })
}

fn break_glass(store: &Store, wish: &Unfreeze, reason: &str, now: Timestamp) -> Result<Vec<RefrozenResult>, Error> {
    let selectors = selectors(&wish.selectors)?;
    in_time(wish.until, now)?;
    let until = wish.until.unwrap_or(now + EXCEPTION);
    if until > now + LONGEST_EXCEPTION {
        return Err(Error::TooLong { until });
    }
    let order = Order { since: now, until: Some(until), reason: Some(reason.to_owned()) };
    Ok(store.change_freezes(now, |freezes| {
        let result = |selector: &Selector| {
            freezes.exceptions.insert(selector.clone(), order.clone());
            RefrozenResult { selector: selector.to_string(), changed: true, until: order.until }
        };
        selectors.iter().map(result).collect()
    })?)
}

fn end(store: &Store, wish: &Unfreeze, now: Timestamp) -> Result<Vec<RefrozenResult>, Error> {
    let selectors = selectors(&wish.selectors)?;
    Ok(store.change_freezes(now, |freezes| {
        let known = || freezes.frozen.keys().chain(freezes.exceptions.keys()).cloned();
        let mut ended: Vec<Selector> = if wish.all { known().collect() } else { selectors.clone() };
        ended.sort();
        ended.dedup();
        let result = |selector: Selector| {
            let was_frozen = freezes.frozen.remove(&selector).is_some();
            let was_exception = freezes.exceptions.remove(&selector).is_some_and(|_| wish.all);
            RefrozenResult { selector: selector.to_string(), changed: was_frozen || was_exception, until: None }
        };
        ended.into_iter().map(result).collect()
    })?)
}

fn reason(reason: Option<&str>) -> Result<Option<&str>, Error> {
    let reason = reason.map(str::trim).filter(|reason| !reason.is_empty());
    match reason.is_some_and(|reason| reason.len() > MAX_REASON_BYTES || reason.contains(char::is_control)) {
        true => Err(Error::Reason),
        false => Ok(reason),
    }
}

fn in_time(until: Option<Timestamp>, now: Timestamp) -> Result<(), Error> {
    match until {
        Some(until) if until <= now => Err(Error::Over { until }),
        _ => Ok(()),
    }
}

/// Keeps records of orders.
///
/// # Errors
/// The store cannot be written.
fn record(
    store: &Store,
    results: &[RefrozenResult],
    to: Toggle,
    (reason, by): (Option<&str>, &str),
    now: Timestamp,
) -> Result<(), store::Error> {
    let record = |result: &RefrozenResult| {
        let until = result.until.map(|until| format!("until {until:.0}"));
        let message: Vec<&str> = reason.into_iter().chain(until.as_deref()).collect();
        let event = Event::Switched { name: result.selector.clone(), to };
        Record { by: by.to_owned(), ..Record::of(now, event, message.join(", ")) }
    };
    let records: Vec<Record> = results.iter().filter(|result| result.changed).map(record).collect();
    if records.is_empty() { Ok(()) } else { store.record(records) }
}

fn answer(store: &Store, results: Vec<RefrozenResult>, calendar: &Calendar, now: Timestamp) -> Result<Refrozen, Error> {
    Ok(Refrozen { results, freezes: FreezeStatus::all(&store.switches()?.freezes, calendar, now) })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tagwright_core::freeze::Freezes;

    use super::*;
    use crate::store::Filter;
    use crate::wire::freeze::FreezeKind;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn given(now: Timestamp) -> Given<'static> {
        static NEVER: std::sync::LazyLock<Calendar> = std::sync::LazyLock::new(Calendar::default);
        Given { by: "ann", calendar: &NEVER, now }
    }

    fn freeze_(store: &Store, selectors: &[&str], until: Option<&str>, reason: Option<&str>, now: &str) -> Vec<bool> {
        let selectors = selectors.iter().map(|text| (*text).to_owned()).collect();
        let wish = Freeze { selectors, until: until.map(at), reason: reason.map(str::to_owned) };
        let answer = freeze(store, &wish, given(at(now))).unwrap();
        answer.results.iter().map(|result| result.changed).collect()
    }

    #[test]
    fn ordered_twice_is_as_good_as_once() {
        let store = Store::in_memory();
        assert_eq!(freeze_(&store, &[], None, Some("the fair"), "2026-12-01T00:00:00Z"), [true]);
        assert_eq!(freeze_(&store, &["*"], None, None, "2026-12-01T01:00:00Z"), [false]);
        assert_eq!(freeze_(&store, &["*"], Some("2026-12-04T00:00:00Z"), None, "2026-12-01T02:00:00Z"), [true]);
        assert_eq!(
            freeze_(&store, &["shop/*", "shop:web", "shop/*"], None, None, "2026-12-01T03:00:00Z"),
            [true, true]
        );
        let wish = Unfreeze { selectors: vec!["shop/*".into(), "shop/web".into()], ..Unfreeze::default() };
        let answer = unfreeze(&store, &wish, given(at("2026-12-01T04:00:00Z"))).unwrap();
        let results: Vec<_> = answer.results.iter().map(|it| (it.selector.as_str(), it.changed)).collect();
        assert_eq!(results, [("shop/*", true), ("shop/web", false)]);
        let left: Vec<_> = answer.freezes.iter().map(|it| it.selector.as_str()).collect();
        assert_eq!(left, ["*", "shop:web"]);
        // One that is over is none any more.
        let wish = Unfreeze { all: true, ..Unfreeze::default() };
        let answer = unfreeze(&store, &wish, given(at("2026-12-05T00:00:00Z"))).unwrap();
        assert_eq!(answer.results.len(), 1);
        assert!(answer.freezes.is_empty());
        assert_eq!(store.records(&Filter::default()).unwrap().len(), 6);
    }

    #[test]
    fn the_glass_is_broken_for_a_reason_and_for_a_while() {
        let store = Store::in_memory();
        let now = at("2026-12-01T00:00:00Z");
        let wish = |until: Option<&str>, reason: Option<&str>| Unfreeze {
            selectors: vec!["shop:web".into()],
            break_glass: true,
            until: until.map(at),
            reason: reason.map(str::to_owned),
            ..Unfreeze::default()
        };
        let order = |wish: &Unfreeze| unfreeze(&store, wish, given(now));
        assert!(matches!(order(&wish(None, None)), Err(Error::NoReason)));
        assert!(matches!(order(&wish(None, Some(" "))), Err(Error::NoReason)));
        assert!(matches!(order(&wish(None, Some("a\nb"))), Err(Error::Reason)));
        assert!(matches!(order(&wish(Some("2026-12-02T00:00:01Z"), Some("CVE"))), Err(Error::TooLong { .. })));
        assert!(matches!(order(&wish(Some("2026-12-01T00:00:00Z"), Some("CVE"))), Err(Error::Over { .. })));
        let answer = order(&wish(None, Some("CVE"))).unwrap();
        assert_eq!(answer.results[0].until, Some(at("2026-12-01T01:00:00Z")));
        assert_eq!(answer.freezes[0].kind, FreezeKind::Exception);
        let records = store.records(&Filter { policy: Some("shop:web".into()), ..Filter::default() }).unwrap();
        assert_eq!(records.len(), 1);
        assert_eq!((records[0].message.as_str(), records[0].by.as_str()), ("CVE, until 2026-12-01T01:00:00Z", "ann"));
    }

    #[test]
    fn what_is_no_selector_changes_nothing() {
        let store = Store::in_memory();
        let wish = Freeze { selectors: vec!["shop/web".into(), "web".into()], ..Freeze::default() };
        let error = freeze(&store, &wish, given(Timestamp::UNIX_EPOCH)).unwrap_err();
        assert!(error.to_string().starts_with("\"web\" is no selector: write NS/NAME"), "{error}");
        assert_eq!(store.switches().unwrap().freezes, Freezes::default());
    }

    #[test]
    fn what_the_calendar_has_is_told() {
        use tagwright_core::freeze::Period;
        let period = |from: &str, to: &str| Period { from: at(from), to: at(to), reason: Some("fair".into()) };
        let calendar = Calendar::new(vec![
            period("2026-12-01T00:00:00Z", "2026-12-03T00:00:00Z"),
            period("2026-12-24T00:00:00Z", "2026-12-27T00:00:00Z"),
        ]);
        let told = FreezeStatus::all(&Freezes::default(), &calendar, at("2026-12-02T00:00:00Z"));
        let rows: Vec<_> = told.iter().map(|it| (it.kind, it.active, it.from.to_string())).collect();
        let calendar = FreezeKind::Calendar;
        let expect =
            [(calendar, true, "2026-12-01T00:00:00Z".to_owned()), (calendar, false, "2026-12-24T00:00:00Z".to_owned())];
        assert_eq!(rows, expect);
    }
}
