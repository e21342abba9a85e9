//! One image repository: when it is polled.

use std::collections::BTreeSet;
use std::time::Duration;

use tagwright_core::automation::ObjectName;

use super::moment::Moment;
use super::phase::Dice;
use super::queue::Key;
use super::timing::Timing;
use super::{Ending, RepositoryPlan};

/// One image repository: when it is polled.
#[derive(Debug)]
pub(super) struct Repository {
    pub(super) plan: RepositoryPlan,
    timing: Timing,
    /// Since when a poll is asked for.
    asked: Option<Duration>,
    /// How many polls have begun.
    begun: u64,
    flying: bool,
    /// It is not configured any more.
    gone: bool,
    /// The automations that apply policies of it, by URL and name.
    pub(super) users: BTreeSet<(Key, ObjectName)>,
}

impl Repository {
    /// A repository that is due at once.
    pub(super) fn new(plan: RepositoryPlan, seed: u64, now: Moment) -> Self {
        let dice = Dice::new(seed, &plan.key);
        let timing = Timing::new(plan.regular(), dice, now);
        Self { plan, timing, asked: Some(now.elapsed), begun: 0, flying: false, gone: false, users: BTreeSet::new() }
    }

    /// Takes a new configuration, and is due at once.
    pub(super) fn configure(&mut self, plan: RepositoryPlan, now: Moment) {
        self.timing.configure(plan.regular(), now);
        self.plan = plan;
        self.gone = false;
        self.ask(now);
    }

    /// Is not configured any more.
    pub(super) fn leave(&mut self) {
        self.gone = true;
        self.users.clear();
    }

    /// Whether nothing is left of it.
    pub(super) fn is_done(&self) -> bool {
        self.gone && !self.flying
    }

    /// Asks for a poll that begins from now on; returns its number.
    pub(super) fn ask(&mut self, now: Moment) -> u64 {
        self.asked.get_or_insert(now.elapsed);
        self.begun + 1
    }

    pub(super) fn due(&self, now: Moment) -> Option<Duration> {
        if self.flying || self.gone {
            return None;
        }
        let wanted = self.asked.or_else(|| self.timing.due(now))?;
        Some(wanted.max(self.timing.forbidden_before().unwrap_or_default()))
    }

    /// When it is polled next, as far as that is known.
    pub(super) fn next(&self, now: Moment) -> Option<Duration> {
        if self.flying { self.timing.due(now) } else { self.due(now) }
    }

    /// Begins a poll; returns its number.
    pub(super) fn begin(&mut self, now: Moment) -> u64 {
        self.timing.begin(now);
        self.asked = None;
        self.flying = true;
        self.begun += 1;
        self.begun
    }

    /// Ends the poll under way.
    pub(super) fn end(&mut self, ending: Ending, until: Option<jiff::Timestamp>, now: Moment) {
        self.flying = false;
        self.timing.end(ending, until, now);
    }

    /// The number of the poll under way.
    pub(super) fn under_way(&self) -> Option<u64> {
        self.flying.then_some(self.begun)
    }

    pub(super) fn rewind(&mut self, now: Moment) {
        self.timing.rewind(now);
    }
}
