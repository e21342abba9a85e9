//! One Git remote: its automations, and when a wave of them runs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tagwright_core::automation::ObjectName;

use super::job::Job;
use super::moment::Moment;
use super::{FIRST_POLLS, TOLERANCE};

/// Points in time, and how often each.
type Tally = BTreeMap<Duration, usize>;

/// One Git remote: its automations, and when a wave of them runs.
///
/// There may be thousands of automations, and one changes at a time: what they come to together is kept in counts.
#[derive(Debug, Default)]
pub(super) struct Remote {
    pub(super) jobs: BTreeMap<ObjectName, Box<Job>>,
    /// How many automations are due when, as they were last counted.
    due: Tally,
    /// How many wait for polls until when, as they were last counted.
    waiting: Tally,
    /// How many waves have begun.
    begun: u64,
    flying: bool,
}

impl Remote {
    /// When the next wave begins, as the automations were last counted.
    ///
    /// A wave is held for a moment while others of its automations wait for polls: after a start there is one wave rather
    /// than one for each repository.
    pub(super) fn due(&self) -> Option<Duration> {
        if self.flying {
            return None;
        }
        let (first, _) = self.due.first_key_value()?;
        let held = self.waiting.last_key_value().map_or(Duration::ZERO, |(until, _)| *until);
        Some((*first).max(held.min(*first + FIRST_POLLS)))
    }

    /// Counts all automations anew.
    pub(super) fn count(&mut self, now: Moment) {
        self.due.clear();
        self.waiting.clear();
        for job in self.jobs.values_mut() {
            let counted = job.count(now);
            add(&mut self.due, counted.due);
            add(&mut self.waiting, counted.waits_until);
        }
    }

    /// Counts one automation anew that has changed.
    pub(super) fn recount(&mut self, id: &ObjectName, now: Moment) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        let (before, after) = (job.counted, job.count(now));
        remove(&mut self.due, before.due);
        remove(&mut self.waiting, before.waits_until);
        add(&mut self.due, after.due);
        add(&mut self.waiting, after.waits_until);
    }

    /// Begins a wave: all that is due, and what would be in a moment. Returns its number.
    pub(super) fn begin(&mut self, now: Moment) -> (u64, BTreeSet<ObjectName>) {
        let soon = now.elapsed + TOLERANCE;
        let mut due = BTreeSet::new();
        for (id, job) in &mut self.jobs {
            if job.due(now).is_some_and(|at| at <= soon) {
                job.begin(now);
                due.insert(id.clone());
            }
        }
        self.flying = true;
        self.begun += 1;
        (self.begun, due)
    }

    pub(super) fn end(&mut self) {
        self.flying = false;
    }

    /// The number of the wave under way.
    pub(super) fn under_way(&self) -> Option<u64> {
        self.flying.then_some(self.begun)
    }

    /// Whether nothing is left of it.
    pub(super) fn is_done(&self) -> bool {
        self.jobs.is_empty() && !self.flying
    }
}

fn add(tally: &mut Tally, at: Option<Duration>) {
    if let Some(at) = at {
        *tally.entry(at).or_default() += 1;
    }
}

fn remove(tally: &mut Tally, at: Option<Duration>) {
    if let Some(at) = at
        && let Some(count) = tally.get_mut(&at)
    {
        *count -= 1;
        if *count == 0 {
            tally.remove(&at);
        }
    }
}
