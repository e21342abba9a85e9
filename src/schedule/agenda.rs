//! When what is due: a state machine without clock, I/O or chance. The same calls with the same seed give the same answers.
//!
//! - **Image repositories** are due at once at the start, and then at their interval, at a point of it that is stable for
//!   each repository in one process and spreads thousands of them. A cron schedule is spread over [`CRON_SPREAD`]. Where an
//!   interval may be stretched, the next poll comes after a [`STRETCH`]th of the time for which the list has got no new tag.
//! - **Digests** that a policy wants more often than its repository is polled are looked up in between, at points of the same
//!   grid, without the list of tags. A poll takes along those that are due with it.
//! - **Automations** are grouped by remote, and one wave at a time runs on each remote. The point of the interval comes from
//!   the remote, so that those with the same interval, or a multiple of it, are due together; a wave takes along what would
//!   be due within [`TOLERANCE`]. What becomes due while a wave runs is collected for the next.
//! - The first run of an automation waits for the polls of its repositories, though no longer than [`PATIENCE`].
//! - A policy that selects something else makes the automations that apply it due: at once, or after their quiet period,
//!   which each further change starts anew, but no later than their longest delay after the first. As long as changes are
//!   gathered the interval is no reason to run. A [`Trigger`] is.
//! - **Failures**: after a transient one comes the next attempt with exponential backoff and jitter, from [`FIRST_RETRY`]
//!   up to the interval or [`LONGEST_RETRY`], and never before the time that the other side asked for. What was denied is
//!   tried again at the interval. What only another configuration can help is tried again with that, and otherwise every
//!   [`CONFIG_RECHECK`], because some of it (a credential helper, a missing tag) comes right by itself.
//! - A point in time that an attempt waits for (a window that opens, a tag that comes of age) is due then.
//! - **Concurrency** is bounded for polls, for polls of one registry and for remotes. What has taken long gives up its
//!   place, so that peers that hang do not stop the others.
//! - **The wall clock** may jump. Cron schedules are found anew when it went back, and due once when it went past them;
//!   intervals do not care.

mod job;
mod lane;
mod limits;
mod moment;
mod plan;
mod queue;
mod remote;
mod repository;
mod spread;
mod timing;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tagwright_core::automation::ObjectName;

use self::job::Job;
use self::lane::{Lane, Limits};
use self::limits::{CLOCK_DRIFT, CLOCK_JUMP};
use self::queue::Key;
use self::remote::Remote;
use self::repository::{Flying, Repository};
use crate::failure::Kind;
use crate::metrics::Queued;
use crate::run::CONCURRENT_REMOTES;
use crate::schedule::assignment::News;

pub(crate) use self::limits::{
    CONCURRENT_POLLS, CONCURRENT_POLLS_PER_REGISTRY, CONFIG_RECHECK, CRON_SPREAD, FIRST_POLLS, FIRST_RETRY, LONG_POLL,
    LONG_RUN, LONGEST_RETRY, LONGEST_SLEEP, MAX_REGISTRY_PAUSE, MAX_RETRY_AFTER, MIN_WAIT, MOST_POLLS, MOST_RUNS,
    PATIENCE, STRETCH, TOLERANCE,
};
pub(crate) use self::moment::Moment;
pub(crate) use self::plan::{AutomationPlan, Plan, RepositoryPlan};

/// What makes something due at once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trigger {
    /// Everything is polled, then everything runs.
    All,
    /// The image repository of this canonical name (`registry/path`) is polled.
    Image(String),
    /// The image repository of this name is polled.
    Repository(ObjectName),
    /// Somebody has told of tags of the image repository of this name. They are looked at, and the list only where it is due anyway.
    Told(ObjectName),
    /// Its repository is polled, then the automations that apply the policy run.
    Policy(ObjectName),
    /// Its repositories are polled, then it runs.
    Automation(ObjectName),
    /// It runs, on what the last polls came to.
    Run(ObjectName),
    /// All automations of the remote of this URL run.
    Remote(String),
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Well, whether there was something to do or not.
    Done,
    /// It failed.
    Failed {
        /// What that calls for.
        kind: Kind,
        /// How long the other side asks to wait.
        retry_after: Option<Duration>,
    },
}

/// What is to be done now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Work {
    /// Poll an image repository.
    Poll {
        /// The repository's key in the [`Plan`].
        repository: Arc<str>,
        /// The number of this poll, given back when it has ended.
        number: u64,
        /// Whether the list of tags is wanted, and not only what somebody was told of.
        lists: bool,
    },
    /// Look up the digests of the tags that policies of an image repository select, and nothing else.
    LookUp {
        /// The repository's key in the [`Plan`].
        repository: Arc<str>,
        /// The number of this look-up, given back when it has ended.
        number: u64,
        /// Which policies.
        policies: BTreeSet<ObjectName>,
    },
    /// Run the automations of a remote that are due.
    Run {
        /// The remote's URL.
        remote: Arc<str>,
        /// The number of this run, given back when it has ended.
        number: u64,
        /// Which of its automations are due.
        due: BTreeSet<ObjectName>,
    },
}

/// How a poll, or a look-up of digests, ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Polled<'p> {
    /// The repository's key.
    pub(crate) repository: &'p str,
    /// The number of the poll or look-up.
    pub(crate) number: u64,
    /// How it ended.
    pub(crate) ending: Ending,
    /// The policies that select something else than before.
    pub(crate) changed: &'p BTreeSet<ObjectName>,
    /// The point in time that something waits for. Ignored for a look-up, which says nothing of that.
    pub(crate) until: Option<Timestamp>,
}

/// How one automation of a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ran {
    /// The automation.
    pub(crate) automation: ObjectName,
    /// How it ended.
    pub(crate) ending: Ending,
    /// The point in time that something waits for.
    pub(crate) until: Option<Timestamp>,
}

/// When what is due.
#[derive(Debug)]
pub(crate) struct Agenda {
    seed: u64,
    /// Boxed, as automations are: half of the places of a tree are empty.
    repositories: BTreeMap<Key, Box<Repository>>,
    remotes: BTreeMap<Key, Remote>,
    polls: Lane,
    runs: Lane,
    /// The moment that points on the wall clock were last found at.
    found: Option<Moment>,
}

impl Agenda {
    /// An agenda with nothing on it. Processes with different seeds poll at different points of an interval.
    #[must_use]
    pub(crate) fn new(seed: u64) -> Self {
        let polls = Limits {
            places: CONCURRENT_POLLS,
            per_group: CONCURRENT_POLLS_PER_REGISTRY,
            long: LONG_POLL,
            most: MOST_POLLS,
        };
        let runs = Limits { places: CONCURRENT_REMOTES, per_group: MOST_RUNS, long: LONG_RUN, most: MOST_RUNS };
        let (polls, runs) = (Lane::new(polls), Lane::new(runs));
        Self { seed, repositories: BTreeMap::new(), remotes: BTreeMap::new(), polls, runs, found: None }
    }

    /// Takes a plan in place of the one before. What is new on it is due at once; what is under way goes on.
    pub(crate) fn configure(&mut self, plan: Plan, news: &News, now: Moment) {
        self.repositories.values_mut().for_each(|repository| repository.leave());
        for plan in plan.repositories {
            match self.repositories.get_mut(&plan.key) {
                Some(repository) => {
                    let is_new = news.has_repository(&plan.id);
                    repository.configure(plan, now);
                    if is_new {
                        repository.ask(now);
                    }
                }
                None => {
                    let key = Arc::clone(&plan.key);
                    self.repositories.insert(key, Box::new(Repository::new(plan, self.seed, now)));
                }
            }
        }
        let mut before: BTreeMap<(Key, ObjectName), Box<Job>> = BTreeMap::new();
        for (url, remote) in &mut self.remotes {
            let jobs = std::mem::take(&mut remote.jobs);
            before.extend(jobs.into_iter().map(|(id, job)| ((Arc::clone(url), id), job)));
        }
        for plan in plan.automations {
            let place = (Arc::clone(&plan.remote), plan.id.clone());
            let (job, is_new) = match before.remove(&place) {
                Some(job) => {
                    let is_new = news.has_automation(&plan.id);
                    (Box::new(job.configured(plan, now)), is_new)
                }
                None => (Box::new(Job::new(plan, self.seed, now)), true),
            };
            self.place(place, job, is_new, now);
        }
        self.refresh(now);
    }

    /// Puts an automation where it belongs. One that is new is due as soon as its repositories have been polled.
    fn place(&mut self, (url, id): (Key, ObjectName), mut job: Box<Job>, is_new: bool, now: Moment) {
        let mut waits = Vec::new();
        for (_, key) in &job.plan.applies {
            if let Some(repository) = self.repositories.get_mut(key) {
                repository.used_by(&url, &id);
                if is_new {
                    waits.push((Arc::clone(key), repository.ask(now)));
                }
            }
        }
        if is_new {
            job.ask(waits, now);
        }
        self.remotes.entry(url).or_default().jobs.insert(id, job);
    }

    /// Makes something due at once. Returns how many image repositories and automations that concerns.
    pub(crate) fn trigger(&mut self, trigger: &Trigger, now: Moment) -> usize {
        let mut asked: BTreeMap<Key, u64> = BTreeMap::new();
        for (key, repository) in &mut self.repositories {
            let number = match trigger {
                Trigger::Image(image) if *image == repository.plan.image => repository.ask(now),
                Trigger::Repository(id) if *id == repository.plan.id => repository.ask(now),
                Trigger::Told(id) if *id == repository.plan.id => repository.ask_told(now),
                _ => continue,
            };
            asked.insert(Arc::clone(key), number);
        }
        let mut count = 0;
        let mut touched: BTreeMap<Key, Vec<ObjectName>> = BTreeMap::new();
        let jobs =
            self.remotes.iter_mut().flat_map(|(url, remote)| remote.jobs.values_mut().map(move |job| (url, job)));
        for (url, job) in jobs {
            if job.plan.is_meant(trigger) {
                touched.entry(Arc::clone(url)).or_default().push(job.plan.id.clone());
                let mut waits = Vec::new();
                for key in job.plan.polls(trigger) {
                    if let Some(repository) = self.repositories.get_mut(key) {
                        waits.push((Arc::clone(key), repository.ask(now)));
                    }
                }
                asked.extend(waits.iter().cloned());
                job.ask(waits, now);
                count += 1;
            }
        }
        // What is not meant is due when it was: thousands may be asked for, one by one.
        asked.keys().for_each(|key| self.refresh_repository(key, now));
        for (url, ids) in touched {
            if let Some(remote) = self.remotes.get_mut(&url) {
                ids.iter().for_each(|id| remote.recount(id, now));
            }
            self.refresh_counted(&url);
        }
        count + asked.len()
    }

    /// Begins what is due, as far as the limits allow.
    pub(crate) fn take(&mut self, now: Moment) -> Vec<Work> {
        self.look_at_clock(now);
        let mut work = Vec::new();
        let registry =
            |key: &Key| self.repositories.get(key).map_or("", |repository| repository.plan.registry.as_str());
        for key in self.polls.begin(now.elapsed, registry) {
            if let Some(repository) = self.repositories.get_mut(&key) {
                work.push(match repository.begin(now) {
                    (number, Flying::Poll { lists }) => Work::Poll { repository: key, number, lists },
                    (number, Flying::Digests(policies)) => Work::LookUp { repository: key, number, policies },
                });
            }
        }
        // A remote that has a run under way is not due, so that groups have nothing to bound here.
        for url in self.runs.begin(now.elapsed, |_| "") {
            if let Some(remote) = self.remotes.get_mut(&url) {
                let (number, due) = remote.begin(now);
                work.push(Work::Run { remote: url, number, due });
            }
        }
        work
    }

    /// Takes in how a poll, or a look-up of digests, ended.
    pub(crate) fn polled(&mut self, poll: &Polled<'_>, now: Moment) {
        let Some(repository) = self.repositories.get_mut(poll.repository) else { return };
        if repository.under_way() != Some(poll.number) {
            return;
        }
        let key = Arc::clone(&repository.plan.key);
        repository.end(poll.ending, poll.until, now);
        self.polls.end(&key);
        if let Ending::Failed { retry_after: Some(wait), .. } = poll.ending {
            self.polls.pause(&repository.plan.registry, now.elapsed + wait.min(MAX_REGISTRY_PAUSE));
        }
        let mut touched: BTreeSet<Key> = BTreeSet::new();
        for (url, id) in repository.users.clone() {
            let Some(remote) = self.remotes.get_mut(&url) else { continue };
            let Some(job) = remote.jobs.get_mut(&id) else { continue };
            let is_waited_for = job.polled(&key, poll.number);
            let is_changed = job.plan.applies.iter().any(|(policy, _)| poll.changed.contains(policy));
            if is_changed {
                job.change(now);
            }
            if is_waited_for || is_changed {
                remote.recount(&id, now);
                touched.insert(url);
            }
        }
        self.refresh_repository(&key, now);
        for url in touched {
            self.refresh_counted(&url);
        }
    }

    /// Takes in for how long the list of a repository has got no new tags.
    pub(crate) fn rest(&mut self, repository: &str, quiet: Duration, now: Moment) {
        let Some(repository) = self.repositories.get_mut(repository) else { return };
        repository.rest(quiet, now);
        let key = Arc::clone(&repository.plan.key);
        self.refresh_repository(&key, now);
    }

    /// Takes in that policies whose repositories are polled elsewhere select something else.
    pub(crate) fn changed(&mut self, policies: &BTreeSet<ObjectName>, now: Moment) {
        if policies.is_empty() {
            return;
        }
        let mut touched: BTreeSet<Key> = BTreeSet::new();
        for (url, remote) in &mut self.remotes {
            for id in remote.jobs.keys().cloned().collect::<Vec<_>>() {
                let Some(job) = remote.jobs.get_mut(&id) else { continue };
                let applies = job.plan.applies.iter().map(|(policy, _)| policy);
                if applies.chain(&job.plan.elsewhere).any(|policy| policies.contains(policy)) {
                    job.change(now);
                    remote.recount(&id, now);
                    touched.insert(Arc::clone(url));
                }
            }
        }
        for url in touched {
            self.refresh_counted(&url);
        }
    }

    /// Takes in how a run ended.
    pub(crate) fn ran(&mut self, url: &str, number: u64, automations: &[Ran], now: Moment) {
        let Some((url, remote)) = self.remotes.get_key_value(url) else { return };
        if remote.under_way() != Some(number) {
            return;
        }
        let url = Arc::clone(url);
        self.runs.end(&url);
        if let Some(remote) = self.remotes.get_mut(&url) {
            remote.end();
            for ran in automations {
                if let Some(job) = remote.jobs.get_mut(&ran.automation) {
                    job.end(ran.ending, ran.until, now);
                }
            }
        }
        self.refresh_remote(&url, now);
    }

    /// When to call [`Agenda::take`] again, unless something else happens before.
    #[must_use]
    pub(crate) fn next(&self, now: Moment) -> Duration {
        let latest = now.elapsed + LONGEST_SLEEP;
        self.polls.next(now.elapsed).into_iter().chain(self.runs.next(now.elapsed)).fold(latest, Duration::min)
    }

    /// What waits and what is under way, of polls and of runs.
    #[must_use]
    pub(crate) fn queued(&self, now: Moment) -> (Queued, Queued) {
        (self.polls.queued(now.elapsed), self.runs.queued(now.elapsed))
    }

    /// When the registry is asked next what a policy of an image repository needs: for its tags, or for the digest alone.
    #[must_use]
    pub(crate) fn next_poll(&self, repository: &str, policy: &ObjectName, now: Moment) -> Option<Timestamp> {
        Some(now.time_at(self.repositories.get(repository)?.next(policy, now)?))
    }

    /// When an automation runs next.
    #[must_use]
    pub(crate) fn next_run(&self, remote: &str, automation: &ObjectName, now: Moment) -> Option<Timestamp> {
        Some(now.time_at(self.remotes.get(remote)?.jobs.get(automation)?.due(now)?))
    }

    /// Finds points on the wall clock anew when that has moved against the other one.
    fn look_at_clock(&mut self, now: Moment) {
        let moved = self.found.map_or(SignedDuration::ZERO, |found| now.jump(found));
        if self.found.is_some() && moved.abs() < CLOCK_DRIFT {
            return;
        }
        self.found = Some(now);
        if moved < -CLOCK_JUMP {
            self.repositories.values_mut().for_each(|repository| repository.rewind(now));
            self.remotes.values_mut().flat_map(|remote| remote.jobs.values_mut()).for_each(|job| job.rewind(now));
        }
        self.refresh(now);
    }

    /// Finds anew when everything is due, and drops what is neither configured nor under way.
    fn refresh(&mut self, now: Moment) {
        for key in self.repositories.keys().cloned().collect::<Vec<_>>() {
            self.refresh_repository(&key, now);
        }
        for url in self.remotes.keys().cloned().collect::<Vec<_>>() {
            self.refresh_remote(&url, now);
        }
    }

    fn refresh_repository(&mut self, key: &Key, now: Moment) {
        self.polls.queue.set(key, self.repositories.get(key).and_then(|repository| repository.due(now)));
        if self.repositories.get(key).is_some_and(|repository| repository.is_done()) {
            self.repositories.remove(key);
        }
    }

    fn refresh_remote(&mut self, url: &Key, now: Moment) {
        if let Some(remote) = self.remotes.get_mut(url) {
            remote.count(now);
        }
        self.refresh_counted(url);
    }

    /// Finds anew when a remote is due of which all automations that have changed were counted.
    fn refresh_counted(&mut self, url: &Key) {
        self.runs.queue.set(url, self.remotes.get(url).and_then(Remote::due));
        if self.remotes.get(url).is_some_and(Remote::is_done) {
            self.remotes.remove(url);
        }
    }
}
