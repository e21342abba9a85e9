//! Freezes: what a bot says of them, what is asked of it, and its answers.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tagwright_core::freeze::{Calendar, Freezes, Order, Period, Selector};
use utoipa::ToSchema;

/// A freeze, or an exception to freezes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FreezeStatus {
    /// What it is about: `*` for everything, `namespace/*`, an automation (`namespace/name`) or a policy (`namespace:name`).
    pub selector: String,
    /// Who says so.
    pub kind: FreezeKind,
    /// Whether it is in force; otherwise it comes.
    pub active: bool,
    /// Since when, or from when on.
    pub from: Timestamp,
    /// When it ends by itself; none if it does not.
    pub until: Option<Timestamp>,
    /// Why; empty where nobody has said it.
    pub reason: String,
}

/// The kinds of freezes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FreezeKind {
    /// Somebody froze it by hand.
    Hand,
    /// The calendar says it.
    Calendar,
    /// It is no freeze: somebody lets the bot write although something is frozen.
    Exception,
}

/// How many freezes of the calendar are told before they begin.
const MAX_COMING: usize = 10;

impl FreezeStatus {
    /// What is in force, and what the calendar has next.
    #[must_use]
    pub(crate) fn all(freezes: &Freezes, calendar: &Calendar, now: Timestamp) -> Vec<Self> {
        let orders = |orders: &BTreeMap<Selector, Order>, kind| {
            let active = orders.iter().filter(|(_, order)| order.is_at(now));
            let told = active.map(|(selector, Order { since, until, reason })| Self {
                selector: selector.to_string(),
                kind,
                active: true,
                from: *since,
                until: *until,
                reason: reason.clone().unwrap_or_default(),
            });
            told.collect::<Vec<Self>>()
        };
        let of_calendar = |period: &Period| Self {
            selector: Selector::Everything.to_string(),
            kind: FreezeKind::Calendar,
            active: period.is_at(now),
            from: period.from,
            until: Some(period.to),
            reason: period.reason.clone().unwrap_or_default(),
        };
        let mut told = orders(&freezes.frozen, FreezeKind::Hand);
        told.extend(calendar.at(now).map(of_calendar));
        told.extend(orders(&freezes.exceptions, FreezeKind::Exception));
        told.extend(calendar.after(now).take(MAX_COMING).map(of_calendar));
        told
    }
}

/// The request to write nothing of what selectors name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Freeze {
    /// What is to be frozen; none is everything.
    #[serde(default)]
    pub(crate) selectors: Vec<String>,
    /// When it ends by itself.
    #[serde(default)]
    pub(crate) until: Option<Timestamp>,
    /// Why, for those who will ask.
    #[serde(default)]
    pub(crate) reason: Option<String>,
}

/// The request to end freezes that were ordered by hand, or to write in spite of all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Unfreeze {
    /// What is to be written again, as it was frozen; none is what `*` has frozen.
    #[serde(default)]
    pub(crate) selectors: Vec<String>,
    /// All that was ordered by hand, exceptions included.
    #[serde(default)]
    pub(crate) all: bool,
    /// Whether what the selectors name is written for a while, whatever else freezes it. That takes a reason.
    #[serde(default)]
    pub(crate) break_glass: bool,
    /// When an exception ends; without, an hour from now.
    #[serde(default)]
    pub(crate) until: Option<Timestamp>,
    /// Why.
    #[serde(default)]
    pub(crate) reason: Option<String>,
}

/// The answer to both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Refrozen {
    /// What became of each selector.
    pub(crate) results: Vec<RefrozenResult>,
    /// All freezes and exceptions that there are now.
    pub(crate) freezes: Vec<FreezeStatus>,
}

/// What became of a selector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RefrozenResult {
    /// The selector.
    pub(crate) selector: String,
    /// Whether something is otherwise than before.
    pub(crate) changed: bool,
    /// When the freeze, or the exception, ends by itself.
    pub(crate) until: Option<Timestamp>,
}
