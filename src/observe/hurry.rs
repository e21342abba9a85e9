//! What a person let be selected before it is old enough.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tagwright_core::automation::ImagePolicy;

use crate::run::Context;
use crate::store::Switch;

/// How long after the order something may be seen for the first time and still count as there when it was given: it was given
/// for a release that its person had seen, and the bot had not yet.
const GRACE: SignedDuration = SignedDuration::from_mins(10);

/// An order that what is there by then need not become older.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hurry {
    until: Timestamp,
    given: Timestamp,
    reason: Option<String>,
}

impl Hurry {
    /// The orders about policies that wait for anything, by `namespace:name`.
    pub(super) async fn all<'p>(
        context: Context<'_>,
        policies: impl Iterator<Item = &'p ImagePolicy>,
    ) -> BTreeMap<String, Self> {
        let waiting: Vec<String> =
            policies.filter(|policy| policy.guards.minimum_age.is_some()).map(|policy| policy.id.marker()).collect();
        if waiting.is_empty() {
            return BTreeMap::new();
        }
        let hurried = context.switches().await.hurried;
        waiting.into_iter().filter_map(|name| Some((name.clone(), Self::of(hurried.get(&name)?)))).collect()
    }

    pub(super) fn of(switch: &Switch) -> Self {
        let Switch { since, reason } = switch;
        Self { until: since.checked_add(GRACE).unwrap_or(*since), given: *since, reason: reason.clone() }
    }

    /// Since when something counts as known: for what was there when the order was given, for ever.
    pub(super) fn since(hurry: Option<&Self>, since: Option<Timestamp>) -> Option<Timestamp> {
        match (hurry, since) {
            (Some(hurry), Some(since)) if since <= hurry.until => Some(Timestamp::UNIX_EPOCH),
            _ => since,
        }
    }

    /// Says by whose word something was selected, if it would not have been without; it is known since then.
    pub(super) fn told(&self, since: Option<Timestamp>, minimum: Option<Duration>, now: Timestamp) -> Option<String> {
        let minimum = SignedDuration::try_from(minimum?).ok()?;
        let since = since.filter(|since| *since <= self.until && now.duration_since(*since) < minimum)?;
        let reason = self.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        Some(format!(
            "known since {since:.0}, it need not become older, as ordered by hand at {:.0}{reason}",
            self.given
        ))
    }
}
