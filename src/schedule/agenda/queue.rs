//! Keys in the order in which they are due.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

/// The name of something that can be due.
pub(super) type Key = Arc<str>;

/// Keys by when they are due.
type Order = BTreeSet<(Duration, Key)>;

/// Keys in the order in which they are due.
///
/// What is due in a group of which nothing more may begin is set aside, so that it need not be passed over each time that
/// something else begins: with ten thousand keys in one group, that would be most of the work.
#[derive(Debug, Default)]
pub(super) struct Queue {
    order: Order,
    /// What was due, by group.
    aside: BTreeMap<String, Order>,
    due: HashMap<Key, Duration>,
}

impl Queue {
    /// Says when a key is due; none takes it out.
    pub(super) fn set(&mut self, key: &Key, due: Option<Duration>) {
        if let Some(before) = self.due.remove(key) {
            let place = (before, Arc::clone(key));
            if !self.order.remove(&place) {
                self.aside.values_mut().any(|order| order.remove(&place));
                self.aside.retain(|_, order| !order.is_empty());
            }
        }
        if let Some(due) = due {
            self.due.insert(Arc::clone(key), due);
            self.order.insert((due, Arc::clone(key)));
        }
    }

    /// What is due by now and was not set aside, the longest due first.
    pub(super) fn ready(&self, now: Duration) -> impl Iterator<Item = &Key> {
        self.order.iter().take_while(move |(due, _)| *due <= now).map(|(_, key)| key)
    }

    /// Sets a key aside that is due.
    pub(super) fn set_aside(&mut self, key: &Key, group: &str) {
        let Some(due) = self.due.get(key) else { return };
        if let Some(place) = self.order.take(&(*due, Arc::clone(key))) {
            match self.aside.get_mut(group) {
                Some(order) => drop(order.insert(place)),
                None => drop(self.aside.insert(group.to_owned(), Order::from([place]))),
            }
        }
    }

    /// Takes back what was set aside, the longest due of each group and as many of it as there is room for.
    pub(super) fn take_back(&mut self, room: impl Fn(&str) -> usize) {
        for (group, order) in &mut self.aside {
            for _ in 0..room(group) {
                self.order.extend(order.pop_first());
            }
        }
        self.aside.retain(|_, order| !order.is_empty());
    }

    /// When the next key is due after now.
    pub(super) fn after(&self, now: Duration) -> Option<Duration> {
        // No key is larger than all others, so that those due at this very moment are filtered rather than bounded.
        let from = (Bound::Included((now, Arc::from(""))), Bound::Unbounded);
        self.order.range::<(Duration, Key), _>(from).map(|(due, _)| *due).find(|due| *due > now)
    }

    /// How many are due by now, those set aside included, and since when the first of them is.
    pub(super) fn overdue(&self, now: Duration) -> (usize, Option<Duration>) {
        let waiting = self.order.iter().take_while(|(due, _)| *due <= now);
        let aside = self.aside.values();
        let first = aside.clone().filter_map(|order| order.first()).chain(self.order.first());
        let first = first.map(|(due, _)| *due).min().filter(|due| *due <= now);
        (waiting.count() + aside.map(BTreeSet::len).sum::<usize>(), first)
    }

    /// Whether something is due by now.
    pub(super) fn has_ready(&self, now: Duration) -> bool {
        !self.aside.is_empty() || self.order.first().is_some_and(|(due, _)| *due <= now)
    }
}
