//! One image repository: when it is polled, and when digests of its tags are looked up between two polls.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tagwright_core::automation::{ObjectName, Schedule};

use super::moment::Moment;
use super::queue::Key;
use super::spread::Spread;
use super::timing::Timing;
use super::{Ending, RepositoryPlan, TOLERANCE};

/// One image repository: when it is polled, and when digests of its tags are looked up between two polls.
#[derive(Debug)]
pub(super) struct Repository {
    pub(super) plan: RepositoryPlan,
    timing: Timing,
    /// When digests are looked up, by policy. Their points are on the grid of the polls, so that a poll takes along what
    /// would be due with it.
    digests: BTreeMap<ObjectName, Timing>,
    /// Since when a poll is asked for.
    asked: Option<Duration>,
    /// Whether somebody wants the list of tags. Who was told of a tag does not.
    wants_list: bool,
    /// How many polls and look-ups have begun.
    begun: u64,
    flying: Option<Flying>,
    /// It is not configured any more.
    gone: bool,
    /// The automations that apply policies of it, by URL and name, sorted.
    pub(super) users: Vec<(Key, ObjectName)>,
}

/// What is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Flying {
    /// A poll; whether the list of tags is wanted, and not only what somebody was told of.
    Poll { lists: bool },
    /// A look-up of the digests of these policies.
    Digests(BTreeSet<ObjectName>),
}

impl Repository {
    /// A repository that is due at once.
    pub(super) fn new(plan: RepositoryPlan, seed: u64, now: Moment) -> Self {
        let spread = Spread::new(seed, &plan.key);
        let timing = Timing::new(plan.regular(), spread, now);
        Self {
            digests: digests(&plan, spread, now),
            plan,
            timing,
            asked: Some(now.elapsed),
            wants_list: true,
            begun: 0,
            flying: None,
            gone: false,
            users: Vec::new(),
        }
    }

    /// Takes a new configuration.
    pub(super) fn configure(&mut self, plan: RepositoryPlan, now: Moment) {
        self.timing.configure(plan.regular(), now);
        self.digests = digests(&plan, self.timing.spread(), now);
        self.plan = plan;
        self.gone = false;
    }

    /// Is not configured any more.
    pub(super) fn leave(&mut self) {
        self.gone = true;
        self.users.clear();
    }

    /// Takes in that an automation applies a policy of it.
    pub(super) fn used_by(&mut self, url: &Key, id: &ObjectName) {
        let user = (Arc::clone(url), id.clone());
        if let Err(at) = self.users.binary_search(&user) {
            // Most have one.
            self.users.reserve_exact(1);
            self.users.insert(at, user);
        }
    }

    /// Whether nothing is left of it.
    pub(super) fn is_done(&self) -> bool {
        self.gone && self.flying.is_none()
    }

    /// Asks for a poll that begins from now on; returns its number.
    pub(super) fn ask(&mut self, now: Moment) -> u64 {
        self.wants_list = true;
        self.ask_told(now)
    }

    /// The same, for whoever was told of tags and needs no list.
    pub(super) fn ask_told(&mut self, now: Moment) -> u64 {
        self.asked.get_or_insert(now.elapsed);
        self.begun + 1
    }

    pub(super) fn due(&self, now: Moment) -> Option<Duration> {
        if self.flying.is_some() || self.gone {
            return None;
        }
        let digests = self.digests.values().filter_map(|timing| timing.due(now));
        let wanted = self.poll_due(now).into_iter().chain(digests).min()?;
        Some(wanted.max(self.forbidden_before()))
    }

    /// When a poll is due, whatever is under way.
    fn poll_due(&self, now: Moment) -> Option<Duration> {
        self.asked.or_else(|| self.timing.due(now))
    }

    /// Before when the registry is not asked, for whatever: it said so.
    fn forbidden_before(&self) -> Duration {
        let timings = self.digests.values().chain([&self.timing]);
        timings.filter_map(Timing::forbidden_before).max().unwrap_or_default()
    }

    /// When the registry is next asked what a policy needs: for all tags, or for the digest alone. As far as that is known.
    pub(super) fn next(&self, policy: &ObjectName, now: Moment) -> Option<Duration> {
        let digest = self.digests.get(policy).and_then(|timing| timing.due(now));
        if self.flying.is_some() {
            return self.timing.due(now).into_iter().chain(digest).min();
        }
        if self.gone {
            return None;
        }
        let wanted = self.poll_due(now).into_iter().chain(digest).min()?;
        Some(wanted.max(self.forbidden_before()))
    }

    /// Begins a poll where one is due, otherwise a look-up of the digests that are; returns its number, and what it is.
    pub(super) fn begin(&mut self, now: Moment) -> (u64, Flying) {
        let soon = now.elapsed + TOLERANCE;
        let flying = if self.poll_due(now).is_some_and(|at| at <= soon) {
            self.asked = None;
            let is_due = self.timing.due(now).is_some_and(|at| at <= soon);
            let lists = std::mem::take(&mut self.wants_list) || is_due;
            self.timing.begin(now);
            self.digests.values_mut().for_each(|timing| timing.begin(now));
            Flying::Poll { lists }
        } else {
            let due = self.digests.iter_mut().filter(|(_, timing)| timing.due(now).is_some_and(|at| at <= soon));
            Flying::Digests(
                due.map(|(policy, timing)| {
                    timing.begin(now);
                    policy.clone()
                })
                .collect(),
            )
        };
        self.begun += 1;
        (self.begun, self.flying.insert(flying).clone())
    }

    /// Ends the poll or the look-up under way.
    pub(super) fn end(&mut self, ending: Ending, until: Option<jiff::Timestamp>, now: Moment) {
        match self.flying.take() {
            Some(Flying::Digests(policies)) => {
                let looked_up = self.digests.iter_mut().filter(|(policy, _)| policies.contains(*policy));
                looked_up.for_each(|(_, timing)| timing.end(ending, None, now));
            }
            Some(Flying::Poll { .. }) => {
                // A poll that failed is tried again with all that belongs to it.
                self.digests.values_mut().for_each(|timing| timing.end(Ending::Done, None, now));
                self.timing.end(ending, until, now);
            }
            None => {}
        }
    }

    /// Takes in for how long the list has got no new tags.
    pub(super) fn rest(&mut self, quiet: Duration, now: Moment) {
        if let (Some(longest), false) = (self.plan.max_interval, self.plan.suspended) {
            self.timing.stretch(longest, quiet, now);
        }
    }

    /// The number of the poll or look-up under way.
    pub(super) fn under_way(&self) -> Option<u64> {
        self.flying.as_ref().map(|_| self.begun)
    }

    pub(super) fn rewind(&mut self, now: Moment) {
        self.timing.rewind(now);
    }
}

/// When the digests of a repository's tags are looked up.
fn digests(plan: &RepositoryPlan, spread: Spread, now: Moment) -> BTreeMap<ObjectName, Timing> {
    let wanted = plan.digests.iter().filter(|_| !plan.suspended);
    wanted.map(|(policy, every)| (policy.clone(), Timing::new(Some(Schedule::Every(*every)), spread, now))).collect()
}
