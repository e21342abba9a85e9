//! Bounded concurrency: what is due, what is under way, and whether one more may begin.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::queue::{Key, Queue};
use crate::metrics::Queued;

/// How much may be under way at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// What is under way, but for what has taken long.
    pub(super) places: usize,
    /// What is under way in one group.
    pub(super) per_group: usize,
    /// After this long something gives up its place, so that a few peers that hang do not stop all others.
    pub(super) long: Duration,
    /// What is under way in all.
    pub(super) most: usize,
}

/// What is due, what is under way, and whether one more may begin.
#[derive(Debug)]
pub(super) struct Lane {
    limits: Limits,
    pub(super) queue: Queue,
    tasks: BTreeMap<Key, Task>,
    /// Groups in which nothing begins before a point in time.
    paused: HashMap<String, Duration>,
}

#[derive(Debug)]
struct Task {
    since: Duration,
    group: String,
}

impl Lane {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, queue: Queue::default(), tasks: BTreeMap::new(), paused: HashMap::new() }
    }

    /// Begins what is due and may begin, the longest due first. `group` tells the group of a key.
    pub(super) fn begin<'g>(&mut self, now: Duration, group: impl Fn(&Key) -> &'g str) -> Vec<Key> {
        self.paused.retain(|_, until| *until > now);
        let mut left = self.places(now);
        let mut taken: HashMap<&str, usize> = HashMap::new();
        for task in self.tasks.values() {
            *taken.entry(&task.group).or_default() += 1;
        }
        let full = self.limits.per_group;
        let room = |taken: &HashMap<&str, usize>, group: &str| {
            let is_paused = self.paused.contains_key(group);
            if is_paused { 0 } else { full.saturating_sub(taken.get(group).copied().unwrap_or_default()) }
        };
        self.queue.take_back(|group| room(&taken, group));
        let mut begun: Vec<(Key, String)> = Vec::new();
        let mut blocked: Vec<(Key, String)> = Vec::new();
        for key in self.queue.ready(now) {
            if left == 0 {
                break;
            }
            let group = group(key);
            if room(&taken, group) > 0 {
                *taken.entry(group).or_default() += 1;
                left -= 1;
                begun.push((Arc::clone(key), group.to_owned()));
            } else {
                blocked.push((Arc::clone(key), group.to_owned()));
            }
        }
        for (key, group) in &blocked {
            self.queue.set_aside(key, group);
        }
        for (key, group) in &begun {
            self.queue.set(key, None);
            self.tasks.insert(Arc::clone(key), Task { since: now, group: group.clone() });
        }
        begun.into_iter().map(|(key, _)| key).collect()
    }

    /// What is due and waits, and what is under way.
    pub(super) fn queued(&self, now: Duration) -> Queued {
        let (waiting, first) = self.queue.overdue(now);
        let longest = first.map_or(Duration::ZERO, |due| now.saturating_sub(due));
        Queued { waiting, longest, under_way: self.tasks.len() }
    }

    /// Ends what was under way.
    pub(super) fn end(&mut self, key: &str) {
        self.tasks.remove(key);
    }

    /// Begins nothing of a group for a while.
    pub(super) fn pause(&mut self, group: &str, until: Duration) {
        let pause = self.paused.entry(group.to_owned()).or_insert(until);
        *pause = until.max(*pause);
    }

    /// When there may be something to begin, unless something ends before.
    pub(super) fn next(&self, now: Duration) -> Option<Duration> {
        let next = self.queue.after(now);
        if !self.queue.has_ready(now) {
            return next;
        }
        let freed = self.tasks.values().map(|task| task.since + self.limits.long).filter(|at| *at > now).min();
        let resumed = self.paused.values().copied().filter(|at| *at > now).min();
        next.into_iter().chain(freed).chain(resumed).min()
    }

    fn places(&self, now: Duration) -> usize {
        let taken = self.tasks.values().filter(|task| task.since + self.limits.long > now).count();
        let left = self.limits.most.saturating_sub(self.tasks.len());
        self.limits.places.saturating_sub(taken).min(left)
    }
}
