//! An agenda in a simulated world: polls and runs that take their time and fail as told, and clocks that do as told.

#![allow(clippy::unwrap_used)]

mod adaptive;
mod clock;
mod digests;
mod failures;
mod hour;
mod laws;
mod told;
mod waves;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tagwright_core::automation::{Cron, Gather, Schedule};

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// Half past noon.
const START: &str = "2026-05-01T12:30:00Z";

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn name(name: &str) -> ObjectName {
    ObjectName { namespace: "default".to_owned(), name: name.to_owned() }
}

fn cron(expression: &str) -> Schedule {
    Schedule::Cron(Cron::parse(expression, TimeZone::UTC).unwrap())
}

/// An image repository on `registry`, polled every minute.
fn repository(key: &str) -> RepositoryPlan {
    RepositoryPlan {
        key: key.into(),
        id: name(key),
        image: format!("registry/{key}"),
        registry: "registry".to_owned(),
        schedule: Schedule::Every(MINUTE),
        max_interval: None,
        digests: BTreeMap::new(),
        suspended: false,
    }
}

/// An automation that runs every minute and applies one policy of each repository, named as it is.
fn automation(id: &str, remote: &str, repositories: &[&str]) -> AutomationPlan {
    AutomationPlan {
        id: name(id),
        remote: remote.into(),
        schedule: Schedule::Every(MINUTE),
        gather: Gather::default(),
        suspended: false,
        applies: repositories.iter().map(|key| (name(key), Arc::from(*key))).collect(),
        elsewhere: BTreeSet::new(),
    }
}

/// One automation `shop` on `git` with one image repository `app`.
fn shop() -> Plan {
    Plan { repositories: vec![repository("app")], automations: vec![automation("shop", "git", &["app"])] }
}

/// How a poll or a run goes.
#[derive(Clone)]
struct Course {
    takes: Duration,
    ending: Ending,
    until: Option<Timestamp>,
}

impl Default for Course {
    fn default() -> Self {
        Self { takes: Duration::from_millis(20), ending: Ending::Done, until: None }
    }
}

fn failed(kind: Kind) -> Course {
    Course { ending: Ending::Failed { kind, retry_after: None }, ..Course::default() }
}

fn key_of(work: &Work) -> &str {
    match work {
        Work::Poll { repository, .. } | Work::LookUp { repository, .. } => repository,
        Work::Run { remote, .. } => remote,
    }
}

/// An agenda in a simulated world.
struct World {
    agenda: Agenda,
    elapsed: Duration,
    /// How far the wall clock is off.
    offset: SignedDuration,
    /// How polls and runs of a key go, where that is special.
    courses: BTreeMap<String, Course>,
    /// The policies that select something else at the next poll of their repository.
    released: BTreeSet<ObjectName>,
    /// When the newest tag of a repository was first seen, as far as polls tell.
    newest: BTreeMap<String, Duration>,
    under_way: BTreeMap<(Duration, usize), Work>,
    begun: usize,
    polls: Vec<(Duration, String)>,
    /// When digests were looked up, and of which policies.
    look_ups: Vec<(Duration, BTreeSet<ObjectName>)>,
    runs: Vec<(Duration, String, BTreeSet<ObjectName>)>,
    wakes: usize,
}

impl World {
    fn new(plan: Plan) -> Self {
        let mut world = Self {
            agenda: Agenda::new(42),
            elapsed: Duration::ZERO,
            offset: SignedDuration::ZERO,
            courses: BTreeMap::new(),
            released: BTreeSet::new(),
            newest: BTreeMap::new(),
            under_way: BTreeMap::new(),
            begun: 0,
            polls: Vec::new(),
            look_ups: Vec::new(),
            runs: Vec::new(),
            wakes: 0,
        };
        let now = world.now();
        world.agenda.configure(plan, &News::All, now);
        world
    }

    fn now(&self) -> Moment {
        let start: Timestamp = START.parse().unwrap();
        Moment { elapsed: self.elapsed, time: start + self.elapsed + self.offset }
    }

    fn course(&mut self, key: &str, course: Course) {
        self.courses.insert(key.to_owned(), course);
    }

    fn configure(&mut self, plan: Plan) {
        self.learn(plan, &News::All);
    }

    fn learn(&mut self, plan: Plan, news: &News) {
        let now = self.now();
        self.agenda.configure(plan, news, now);
    }

    fn trigger(&mut self, trigger: Trigger) -> usize {
        let now = self.now();
        self.agenda.trigger(&trigger, now)
    }

    /// A policy selects something else, as the next poll will find.
    fn release(&mut self, policy: &str) {
        self.released.insert(name(policy));
    }

    /// Lets time pass.
    fn pass(&mut self, time: Duration) {
        let end = self.elapsed + time;
        loop {
            self.wake();
            let next = self.agenda.next(self.now());
            assert!(next > self.elapsed, "woken again in the same moment at {:?}", self.elapsed);
            let done = self.under_way.keys().next().map(|(at, _)| *at);
            let at = done.into_iter().chain([next, end]).min().unwrap();
            self.elapsed = at;
            if done == Some(at) {
                self.finish();
            } else if at == end {
                return self.wake();
            }
        }
    }

    fn wake(&mut self) {
        self.wakes += 1;
        let now = self.now();
        for work in self.agenda.take(now) {
            let key = match &work {
                Work::Poll { repository, .. } => {
                    self.polls.push((self.elapsed, repository.to_string()));
                    repository.to_string()
                }
                Work::LookUp { repository, policies, .. } => {
                    self.look_ups.push((self.elapsed, policies.clone()));
                    repository.to_string()
                }
                Work::Run { remote, due, .. } => {
                    self.runs.push((self.elapsed, remote.to_string(), due.clone()));
                    remote.to_string()
                }
            };
            let takes = self.courses.get(&key).cloned().unwrap_or_default().takes;
            self.begun += 1;
            self.under_way.insert((self.elapsed + takes, self.begun), work);
        }
    }

    /// Ends what ends first.
    fn finish(&mut self) {
        let (_, work) = self.under_way.pop_first().unwrap();
        let now = self.now();
        let newest = match (&work, self.newest.get_mut(key_of(&work))) {
            (Work::Poll { repository, .. }, Some(newest)) => {
                if self.released.iter().any(|policy| *policy.name == **repository) {
                    *newest = self.elapsed;
                }
                Some((Arc::clone(repository), self.elapsed - *newest))
            }
            _ => None,
        };
        match work {
            Work::Poll { repository, number, .. } | Work::LookUp { repository, number, .. } => {
                let Course { ending, until, .. } = self.courses.get(&*repository).cloned().unwrap_or_default();
                let changed: BTreeSet<ObjectName> = match ending {
                    Ending::Done => self.released.extract_if(.., |policy| *policy.name == *repository).collect(),
                    Ending::Failed { .. } => BTreeSet::new(),
                };
                let polled = Polled { repository: &repository, number, ending, changed: &changed, until };
                self.agenda.polled(&polled, now);
            }
            Work::Run { remote, number, due } => {
                let Course { ending, until, .. } = self.courses.get(&*remote).cloned().unwrap_or_default();
                let ran: Vec<Ran> = due.into_iter().map(|automation| Ran { automation, ending, until }).collect();
                self.agenda.ran(&remote, number, &ran, now);
            }
        }
        if let Some((repository, quiet)) = newest {
            self.agenda.rest(&repository, quiet, now);
        }
    }

    /// When a repository was polled.
    fn polled(&self, key: &str) -> Vec<Duration> {
        self.polls.iter().filter(|(_, polled)| polled == key).map(|(at, _)| *at).collect()
    }

    /// When an automation ran.
    fn ran(&self, id: &str) -> Vec<Duration> {
        self.runs.iter().filter(|(.., due)| due.contains(&name(id))).map(|(at, ..)| *at).collect()
    }

    /// Forgets what was polled and run.
    fn forget(&mut self) {
        self.polls.clear();
        self.look_ups.clear();
        self.runs.clear();
        self.wakes = 0;
    }
}
