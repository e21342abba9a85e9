//! Freezes: times in which nothing is written, or nothing of what a selector names.
//!
//! A freeze is given by hand or by a calendar; an exception to it is given by hand alone, and says why. Polls and plans go on
//! while something is frozen, so that what waits is known. Who is frozen by several waits for the last of them.
//!
//! | selector | names |
//! |---|---|
//! | `*` | everything |
//! | `NS/*` | the automations of a namespace |
//! | `NS/NAME` | an automation |
//! | `NS:NAME` | a policy: its fields, whichever automation writes them |
//!
//! ```
//! use std::collections::BTreeMap;
//! use tagwright_core::automation::ObjectName;
//! use tagwright_core::freeze::{Active, Calendar, Freezes, Order, Period, Selector};
//!
//! let at = |text: &str| text.parse().unwrap();
//! let name = |name: &str| ObjectName { namespace: "shop".into(), name: name.into() };
//! let fair = Period { from: at("2026-12-01T00:00:00Z"), to: at("2026-12-04T00:00:00Z"), reason: Some("the fair".into()) };
//! let calendar = Calendar::new(vec![fair]);
//! let mut freezes = Freezes::default();
//! let hold = |freezes: &Freezes, now: &str| {
//!     Active::at(freezes, &calendar, at(now)).hold(&name("web"), &name("podinfo"), &[]).map(|hold| hold.to_string())
//! };
//! assert!(hold(&freezes, "2026-12-01T00:00:00Z").unwrap().starts_with("frozen by the calendar until 2026-12-04T00:00:00Z (the fair)"));
//! assert_eq!(hold(&freezes, "2026-12-04T00:00:00Z"), None, "the end is no part of it");
//! let order = Order { since: at("2026-12-02T08:00:00Z"), until: Some(at("2026-12-02T09:00:00Z")), reason: Some("a CVE".into()) };
//! freezes.exceptions.insert(Selector::parse("shop:podinfo").unwrap(), order);
//! assert_eq!(hold(&freezes, "2026-12-02T08:30:00Z"), None, "the glass is broken");
//! assert!(hold(&freezes, "2026-12-02T09:00:00Z").is_some());
//! ```

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;

use crate::automation::ObjectName;
use crate::guard::{Frozen, Hold};

/// What a freeze, or an exception to it, is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Selector {
    /// Everything.
    Everything,
    /// The automations of a namespace.
    Namespace(String),
    /// An automation.
    Automation(ObjectName),
    /// The fields of a policy.
    Policy(ObjectName),
}

impl Selector {
    /// Reads a selector as people write it; none where it is not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Everything);
        }
        let sign = text.find(['/', ':'])?;
        let (namespace, name) = (&text[..sign], &text[sign + 1..]);
        let is_name = |text: &str| {
            !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control() || "/:*".contains(c))
        };
        let object = || ObjectName { namespace: namespace.to_owned(), name: name.to_owned() };
        match (is_name(namespace), text.as_bytes()[sign], name) {
            (true, b'/', "*") => Some(Self::Namespace(namespace.to_owned())),
            (true, b'/', name) if is_name(name) => Some(Self::Automation(object())),
            (true, _, name) if is_name(name) => Some(Self::Policy(object())),
            _ => None,
        }
    }

    /// Whether it names a policy's fields in the files of an automation.
    #[must_use]
    pub fn covers(&self, automation: &ObjectName, policy: &ObjectName) -> bool {
        match self {
            Self::Policy(named) => named == policy,
            _ => self.covers_automation(automation),
        }
    }

    /// Whether it names an automation, with all that it writes.
    #[must_use]
    pub fn covers_automation(&self, automation: &ObjectName) -> bool {
        match self {
            Self::Everything => true,
            Self::Namespace(namespace) => *namespace == automation.namespace,
            Self::Automation(named) => named == automation,
            Self::Policy(_) => false,
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("*"),
            Self::Namespace(namespace) => write!(f, "{namespace}/*"),
            Self::Automation(name) => name.fmt(f),
            Self::Policy(name) => f.write_str(&name.marker()),
        }
    }
}

/// A time in a calendar in which nothing is written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period {
    /// From then on.
    pub from: Timestamp,
    /// Until just before.
    pub to: Timestamp,
    /// Why.
    pub reason: Option<String>,
}

impl Period {
    /// Whether it is under way.
    #[must_use]
    pub fn is_at(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.to
    }
}

/// Times in which nothing at all is written, the earliest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Calendar(Vec<Period>);

impl Calendar {
    /// A calendar of these times, in whatever order.
    #[must_use]
    pub fn new(mut periods: Vec<Period>) -> Self {
        periods.sort();
        periods.dedup();
        Self(periods)
    }

    /// Those that are under way.
    pub fn at(&self, now: Timestamp) -> impl Iterator<Item = &Period> {
        self.0.iter().take_while(move |period| period.from <= now).filter(move |period| period.is_at(now))
    }

    /// Those that begin later, the next first.
    pub fn after(&self, now: Timestamp) -> impl Iterator<Item = &Period> {
        self.0.iter().filter(move |period| period.from > now)
    }
}

/// An order that somebody gave: to freeze, or to write all the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Order {
    /// When it was given.
    pub since: Timestamp,
    /// When it ends by itself, if it does.
    pub until: Option<Timestamp>,
    /// Why, in the words of who gave it.
    pub reason: Option<String>,
}

impl Order {
    /// Whether it is in force.
    #[must_use]
    pub fn is_at(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// What people ordered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Freezes {
    /// What is frozen by hand.
    pub frozen: BTreeMap<Selector, Order>,
    /// What is written although it is frozen.
    pub exceptions: BTreeMap<Selector, Order>,
}

impl Freezes {
    /// Whether nobody ordered anything that is in force.
    #[must_use]
    pub fn is_quiet(&self, now: Timestamp) -> bool {
        !self.frozen.values().chain(self.exceptions.values()).any(|order| order.is_at(now))
    }
}

/// What is in force at a point in time.
#[derive(Debug)]
pub struct Active<'f> {
    frozen: Vec<(&'f Selector, &'f Order)>,
    exceptions: Vec<&'f Selector>,
    calendar: Vec<&'f Period>,
    now: Timestamp,
}

impl<'f> Active<'f> {
    /// Finds what is in force.
    #[must_use]
    pub fn at(freezes: &'f Freezes, calendar: &'f Calendar, now: Timestamp) -> Self {
        let in_force = |(_, order): &(&Selector, &Order)| order.is_at(now);
        let exceptions = freezes.exceptions.iter().filter(in_force).map(|(selector, _)| selector);
        Self {
            frozen: freezes.frozen.iter().filter(in_force).collect(),
            exceptions: exceptions.collect(),
            calendar: calendar.at(now).collect(),
            now,
        }
    }

    /// What holds the fields of a policy in the files of an automation that has a calendar of its own: of several freezes, the one that
    /// ends last.
    #[must_use]
    pub fn hold(&self, automation: &ObjectName, policy: &ObjectName, own: &[Period]) -> Option<Hold> {
        if self.exceptions.iter().any(|selector| selector.covers(automation, policy)) {
            return None;
        }
        self.last(|selector| selector.covers(automation, policy), automation, own)
    }

    /// What holds all that an automation writes, whichever policies it applies.
    #[must_use]
    pub fn hold_all(&self, automation: &ObjectName, own: &[Period]) -> Option<Hold> {
        if self.exceptions.iter().any(|selector| selector.covers_automation(automation)) {
            return None;
        }
        self.last(|selector| selector.covers_automation(automation), automation, own)
    }

    fn last(&self, covers: impl Fn(&Selector) -> bool, automation: &ObjectName, own: &[Period]) -> Option<Hold> {
        let by_hand = self.frozen.iter().filter(|(selector, _)| covers(selector)).map(|(selector, order)| Frozen {
            selector: Some(selector.to_string()),
            automation: automation.clone(),
            since: order.since,
            until: order.until,
            reason: order.reason.clone(),
        });
        let own = own.iter().filter(|period| period.is_at(self.now));
        let calendar = self.calendar.iter().copied().chain(own).map(|period| Frozen {
            selector: None,
            automation: automation.clone(),
            since: period.from,
            until: Some(period.to),
            reason: period.reason.clone(),
        });
        // One without an end ends last.
        let last = by_hand.chain(calendar).max_by_key(|frozen| (frozen.until.is_none(), frozen.until))?;
        Some(Hold::Frozen(Box::new(last)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn name(text: &str) -> ObjectName {
        let (namespace, name) = text.split_once(['/', ':']).unwrap();
        ObjectName { namespace: namespace.to_owned(), name: name.to_owned() }
    }

    #[test]
    fn selectors_are_read_as_they_are_written() {
        for text in ["*", "shop/*", "shop/web", "shop:podinfo"] {
            assert_eq!(Selector::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "web", "/", ":", "/web", "shop/", "shop:*", "*/web", "**", "a/b/c", "a:b/c", "a b/c", "a/b\n"]
        {
            assert_eq!(Selector::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_selector_names_what_it_says() {
        let check = |selector: &str, automation: &str, policy: &str, expect: (bool, bool)| {
            let selector = Selector::parse(selector).unwrap();
            let (automation, policy) = (name(automation), name(policy));
            let found = (selector.covers(&automation, &policy), selector.covers_automation(&automation));
            assert_eq!(found, expect, "{selector} {automation} {policy:?}");
        };
        check("*", "shop/web", "shop:podinfo", (true, true));
        check("shop/*", "shop/web", "other:podinfo", (true, true));
        check("shop/*", "other/web", "shop:podinfo", (false, false));
        check("shop/web", "shop/web", "shop:podinfo", (true, true));
        check("shop/web", "shop/api", "shop:web", (false, false));
        check("shop:web", "shop/web", "shop:web", (true, false));
        check("shop:web", "shop/web", "shop:api", (false, false));
    }

    #[test]
    fn of_several_freezes_the_last_counts() {
        let order =
            |until: Option<&str>| Order { since: at("2026-12-01T00:00:00Z"), until: until.map(at), reason: None };
        let frozen = |all: &[(&str, Option<&str>)]| {
            let freezes = all.iter().map(|(selector, until)| (Selector::parse(selector).unwrap(), order(*until)));
            let freezes = Freezes { frozen: freezes.collect(), exceptions: BTreeMap::new() };
            let own = Period { from: at("2026-12-01T00:00:00Z"), to: at("2026-12-05T00:00:00Z"), reason: None };
            let hold = Active::at(&freezes, &Calendar::default(), at("2026-12-02T00:00:00Z"))
                .hold_all(&name("shop/web"), &[own])
                .unwrap();
            let Hold::Frozen(frozen) = hold else { panic!("{hold}") };
            frozen.selector
        };
        let (early, late) = (Some("2026-12-03T00:00:00Z"), Some("2026-12-24T00:00:00Z"));
        assert_eq!(frozen(&[]), None);
        assert_eq!(frozen(&[("*", early)]), None);
        assert_eq!(frozen(&[("*", late)]).as_deref(), Some("*"));
        assert_eq!(frozen(&[("*", late), ("shop/web", None)]).as_deref(), Some("shop/web"));
        assert_eq!(frozen(&[("other/web", None)]), None);
    }

    #[test]
    fn an_exception_for_a_policy_is_none_for_the_automation() {
        let order = Order { since: at("2026-12-01T00:00:00Z"), until: None, reason: None };
        let mut freezes = Freezes::default();
        freezes.frozen.insert(Selector::Everything, order.clone());
        freezes.exceptions.insert(Selector::parse("shop:podinfo").unwrap(), order);
        let calendar = Calendar::default();
        let active = Active::at(&freezes, &calendar, at("2026-12-02T00:00:00Z"));
        let web = name("shop/web");
        assert_eq!(active.hold(&web, &name("shop:podinfo"), &[]), None);
        assert!(active.hold(&web, &name("shop:other"), &[]).is_some());
        assert!(active.hold_all(&web, &[]).is_some());
    }

    #[test]
    fn a_calendar_says_what_is_and_what_comes() {
        let period = |from: &str, to: &str| Period { from: at(from), to: at(to), reason: None };
        let long = period("2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z");
        let short = period("2026-12-10T00:00:00Z", "2026-12-11T00:00:00Z");
        let next = period("2027-03-01T00:00:00Z", "2027-03-02T00:00:00Z");
        let calendar = Calendar::new(vec![next.clone(), short.clone(), long.clone(), long.clone()]);
        let now = at("2026-12-10T12:00:00Z");
        assert_eq!(calendar.at(now).collect::<Vec<_>>(), [&long, &short]);
        assert_eq!(calendar.after(now).collect::<Vec<_>>(), [&next]);
        assert_eq!(calendar.at(at("2026-12-11T00:00:00Z")).collect::<Vec<_>>(), [&long]);
    }
}
