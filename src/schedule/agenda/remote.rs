//! One Git remote: its automations, and when a wave of them runs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tagwright_core::automation::ObjectName;

use super::job::Job;
use super::moment::Moment;
use super::{FIRST_POLLS, TOLERANCE};

/// One Git remote: its automations, and when a wave of them runs.
#[derive(Debug, Default)]
pub(super) struct Remote {
    pub(super) jobs: BTreeMap<ObjectName, Job>,
    /// How many waves have begun.
    begun: u64,
    flying: bool,
}

impl Remote {
    /// When the next wave begins.
    ///
    /// A wave is held for a moment while others of its automations wait for polls: after a start there is one wave rather
    /// than one for each repository.
    pub(super) fn due(&self, now: Moment) -> Option<Duration> {
        if self.flying {
            return None;
        }
        let first = self.jobs.values().filter_map(|job| job.due(now)).min()?;
        let held = self.jobs.values().filter_map(Job::waits_until).max().unwrap_or_default();
        Some(first.max(held.min(first + FIRST_POLLS)))
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
