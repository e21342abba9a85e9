//! Keys in the order in which they are due.

use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

/// The name of something that can be due.
pub(super) type Key = Arc<str>;

/// Keys in the order in which they are due.
#[derive(Debug, Default)]
pub(super) struct Queue {
    order: BTreeSet<(Duration, Key)>,
    due: HashMap<Key, Duration>,
}

impl Queue {
    /// Says when a key is due; none takes it out.
    pub(super) fn set(&mut self, key: &Key, due: Option<Duration>) {
        if let Some(before) = self.due.remove(key) {
            self.order.remove(&(before, Arc::clone(key)));
        }
        if let Some(due) = due {
            self.due.insert(Arc::clone(key), due);
            self.order.insert((due, Arc::clone(key)));
        }
    }

    /// What is due by now, the longest due first.
    pub(super) fn ready(&self, now: Duration) -> impl Iterator<Item = &Key> {
        self.order.iter().take_while(move |(due, _)| *due <= now).map(|(_, key)| key)
    }

    /// When the next key is due after now.
    pub(super) fn after(&self, now: Duration) -> Option<Duration> {
        // No key is larger than all others, so that those due at this very moment are filtered rather than bounded.
        let from = (Bound::Included((now, Arc::from(""))), Bound::Unbounded);
        self.order.range::<(Duration, Key), _>(from).map(|(due, _)| *due).find(|due| *due > now)
    }

    /// Whether something is due by now.
    pub(super) fn has_ready(&self, now: Duration) -> bool {
        self.order.first().is_some_and(|(due, _)| *due <= now)
    }
}
