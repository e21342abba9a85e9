//! One automation: when it is due, and what it waits for.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::moment::Moment;
use super::queue::Key;
use super::spread::Spread;
use super::timing::Timing;
use super::{AutomationPlan, Ending, PATIENCE};

/// One automation: when it is due, and what it waits for.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) plan: AutomationPlan,
    timing: Timing,
    /// Since when a run is asked for.
    asked: Option<Duration>,
    /// Changes of selections that wait for others.
    gathering: Option<Gathering>,
    /// The polls to wait for, by repository: the first that will do.
    waits: BTreeMap<Key, u64>,
    /// As it was last counted.
    pub(super) counted: Counted,
}

/// What an automation is to its remote.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counted {
    /// When it is due.
    pub(super) due: Option<Duration>,
    /// Until when it waits for polls.
    pub(super) waits_until: Option<Duration>,
}

/// Changes of selections that wait for others.
#[derive(Debug, Clone, Copy)]
struct Gathering {
    first: Duration,
    due: Duration,
}

impl Job {
    pub(super) fn new(plan: AutomationPlan, seed: u64, now: Moment) -> Self {
        // The phase comes from the remote, so that the automations of one remote are due together.
        let timing = Timing::new(plan.regular(), Spread::new(seed, &plan.remote), now);
        let counted = Counted::default();
        Self { plan, timing, asked: None, gathering: None, waits: BTreeMap::new(), counted }
    }

    /// Takes a new configuration. What is being gathered goes on to be.
    pub(super) fn configured(mut self, plan: AutomationPlan, now: Moment) -> Self {
        self.timing.configure(plan.regular(), now);
        self.waits.clear();
        self.plan = plan;
        self
    }

    /// Asks for a run, as soon as these polls have ended.
    pub(super) fn ask(&mut self, waits: impl IntoIterator<Item = (Key, u64)>, now: Moment) {
        self.asked.get_or_insert(now.elapsed);
        self.waits.extend(waits);
    }

    /// Takes in that a policy selects something else.
    pub(super) fn change(&mut self, now: Moment) {
        let gather = self.plan.gather;
        let first = self.gathering.map_or(now.elapsed, |gathering| gathering.first);
        let latest = first + gather.max_delay.max(gather.quiet_period);
        self.gathering = Some(Gathering { first, due: latest.min(now.elapsed + gather.quiet_period) });
    }

    /// Takes in that a poll has ended. Returns whether that was waited for.
    pub(super) fn polled(&mut self, repository: &Key, number: u64) -> bool {
        let waited = self.waits.get(repository).is_some_and(|wanted| *wanted <= number);
        if waited {
            self.waits.remove(repository);
        }
        waited
    }

    /// Until when it waits for polls, if it does.
    pub(super) fn waits_until(&self) -> Option<Duration> {
        let waits = !self.plan.suspended && !self.waits.is_empty();
        self.asked.filter(|_| waits).map(|asked| asked + PATIENCE)
    }

    pub(super) fn due(&self, now: Moment) -> Option<Duration> {
        if self.plan.suspended {
            return None;
        }
        let wanted = match (self.asked, self.gathering) {
            (Some(asked), _) => self.waits_until().unwrap_or(asked),
            (None, Some(gathering)) => gathering.due.max(self.timing.not_before().unwrap_or_default()),
            (None, None) => self.timing.due(now)?,
        };
        Some(wanted.max(self.timing.forbidden_before().unwrap_or_default()))
    }

    /// Returns what it is to its remote now, and keeps that to tell what changes.
    pub(super) fn count(&mut self, now: Moment) -> Counted {
        self.counted = Counted { due: self.due(now), waits_until: self.waits_until() };
        self.counted
    }

    pub(super) fn begin(&mut self, now: Moment) {
        self.timing.begin(now);
        self.asked = None;
        self.gathering = None;
        self.waits.clear();
    }

    pub(super) fn end(&mut self, ending: Ending, until: Option<Timestamp>, now: Moment) {
        self.timing.end(ending, until, now);
    }

    pub(super) fn rewind(&mut self, now: Moment) {
        self.timing.rewind(now);
    }
}
