//! One of several replicas: what decides which shards it takes, keeps and hands over. No I/O, no clock of its own.

mod life;
mod round;
#[cfg(test)]
mod tests;
mod view;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use tracing::{info, warn};

use crate::lease::{Answer, Held, Holding, Identity, Machine, Now, Order, Request, Ticket, Timing};
use crate::shards::objects::{Objects, Record, Version};
use crate::shards::replica::life::{Fate, Life, Wish};
use crate::shards::replica::view::{Sights, View};
use crate::shards::{Roster, Settings, Shard};

/// How many Leases are written at a time.
const AT_ONCE: usize = 8;

/// The state of a replica.
#[derive(Debug)]
pub(crate) struct Replica {
    settings: Settings,
    objects: Objects,
    life: Life,
    sights: Sights,
    slots: BTreeMap<Shard, Slot>,
    /// When the last list was sent that was answered, in this life.
    listed: Option<Duration>,
    list_at: Duration,
    jobs: VecDeque<Job>,
    asked: BTreeMap<Ticket, Asked>,
    tickets: Ticket,
    target: Target,
    exit: Exit,
    /// Whether a replica with another number of shards is there; said once.
    at_odds: bool,
    /// How many shards we had of how many replicas, when it was last said.
    said: (usize, usize),
}

/// A shard as it was last seen, and what it is to us.
#[derive(Debug, Default)]
struct Slot {
    record: Option<Record>,
    own: Own,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
enum Own {
    #[default]
    Not,
    /// A write that takes it was sent while it had this version, and it is not known whether it was done.
    Taking {
        over: Option<Version>,
    },
    Held(Held),
    /// A write that releases it was sent, or is about to be. It is not ours any more, whatever its Lease says.
    Releasing,
}

/// A write to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Job {
    Take(Shard),
    Release(Shard),
    /// Ends a replica that has been silent for too long.
    End {
        name: String,
        version: Version,
    },
    /// Deletes the Lease of one that has ended.
    Collect {
        name: String,
        version: Version,
    },
}

#[derive(Debug, Clone)]
enum Asked {
    Life,
    List { sent: Duration },
    Job(Job),
}

/// Which shards these members give us.
#[derive(Debug, Default)]
struct Target {
    members: BTreeSet<String>,
    ours: BTreeSet<Shard>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    No,
    Wanted,
    Done,
}

/// Which Leases a replica with these settings lists.
pub(crate) fn selector(settings: &Settings) -> String {
    Objects::new(settings).selector()
}

impl Replica {
    pub(crate) fn new(settings: Settings) -> Replica {
        let identity = Identity::new(&settings.host);
        Replica::with(settings, identity)
    }

    pub(crate) fn with(settings: Settings, identity: Identity) -> Replica {
        let objects = Objects::new(&settings);
        Replica {
            life: Life::new(identity, &objects),
            slots: Shard::all(settings.shards).map(|shard| (shard, Slot::default())).collect(),
            settings,
            objects,
            sights: Sights::default(),
            listed: None,
            list_at: Duration::ZERO,
            jobs: VecDeque::new(),
            asked: BTreeMap::new(),
            tickets: 0,
            target: Target::default(),
            exit: Exit::No,
            at_odds: false,
            said: (0, 0),
        }
    }

    fn timing(&self) -> Timing {
        self.settings.timing
    }

    fn order(&mut self, asked: Asked, request: Request, patience: Duration) -> Order {
        self.tickets += 1;
        self.asked.insert(self.tickets, asked);
        Order { ticket: self.tickets, request, patience }
    }

    /// How long a request may take on which all depends.
    fn patience(&self, now: Now) -> Duration {
        let left = self.until().saturating_sub(now.local);
        self.timing().patience(if left.is_zero() { self.timing().deadline() } else { left })
    }

    fn wish(&self) -> Wish {
        let working = self.slots.values().any(|slot| matches!(slot.own, Own::Held(_)));
        match self.exit {
            Exit::No => Wish::Stay,
            Exit::Wanted | Exit::Done if working => Wish::Leave,
            Exit::Wanted | Exit::Done => Wish::End,
        }
    }

    // What is asked

    fn poll_life(&mut self, now: Now) -> Option<Order> {
        let request = self.life.poll(self.wish(), &self.objects, now)?;
        let patience = self.patience(now);
        Some(self.order(Asked::Life, request, patience))
    }

    fn jobs_asked(&self) -> usize {
        self.asked.values().filter(|asked| matches!(asked, Asked::Job(_))).count()
    }

    fn list_is_due(&self, now: Now) -> bool {
        self.life.renewed.is_some() && now.local >= self.list_at
    }

    fn is_listing(&self) -> bool {
        self.asked.values().any(|asked| matches!(asked, Asked::List { .. }))
    }

    /// A list shows what writes came to, so that it waits for those under way, and others wait for it.
    fn poll_list(&mut self, now: Now) -> Option<Order> {
        if self.is_listing() || self.jobs_asked() > 0 || !self.list_is_due(now) {
            return None;
        }
        let patience = self.patience(now);
        Some(self.order(Asked::List { sent: now.local }, Request::List, patience))
    }

    fn poll_jobs(&mut self, now: Now) -> Vec<Order> {
        let mut orders = Vec::new();
        while self.jobs_asked() < AT_ONCE && !self.list_is_due(now) && !self.is_listing() {
            let Some(job) = self.jobs.pop_front() else {
                break;
            };
            let request = self.request(&job, now);
            let patience = self.timing().deadline() / 5;
            orders.push(self.order(Asked::Job(job), request, patience));
        }
        orders
    }

    fn request(&mut self, job: &Job, now: Now) -> Request {
        match job {
            Job::Take(shard) => self.write_shard(*shard, self.life.identity.as_str(), now),
            Job::Release(shard) => self.write_shard(*shard, "", now),
            Job::End { name, version } => Request::Replace(Box::new(self.objects.ended(name, version, now.wall))),
            Job::Collect { name, version } => Request::Delete { name: name.clone(), version: version.resource.clone() },
        }
    }

    fn write_shard(&self, shard: Shard, holder: &str, now: Now) -> Request {
        let before = self.slots.get(&shard).and_then(|slot| slot.record.as_ref());
        let lease = Box::new(self.objects.shard(shard, holder, before, now.wall));
        match before {
            Some(_) => Request::Replace(lease),
            None => Request::Create(lease),
        }
    }

    // What is answered

    fn answer_life(&mut self, answer: Answer, now: Now) {
        match self.life.answer(answer, &self.objects, self.settings.timing, now) {
            Fate::GoesOn => {}
            Fate::Lost => self.begin_anew(now),
            Fate::Ended => self.exit = Exit::Done,
        }
    }

    /// All that was ours is somebody's. Answers to what is still under way are of no interest: it is about the life before.
    fn begin_anew(&mut self, now: Now) {
        warn!(replica = self.life.identity.as_str(), "another has ended this replica's membership; it joins again");
        self.life = self.life.again(&self.objects);

        self.slots.values_mut().for_each(|slot| slot.own = Own::Not);
        self.listed = None;
        self.list_at = now.local;
        self.jobs.clear();
        self.asked.clear();
        if self.exit == Exit::Wanted {
            self.exit = Exit::Done;
        }
    }

    fn answer_job(&mut self, job: Job, answer: Answer, now: Now) {
        match (&job, answer) {
            (Job::Take(shard), Answer::Lease(lease)) => self.took(*shard, &lease),
            (Job::Take(shard), Answer::Unknown { .. }) => {
                if let Some(slot) = self.slots.get_mut(shard) {
                    let over = slot.record.as_ref().map(|record| record.version.clone());
                    slot.own = Own::Taking { over };
                }
            }
            (Job::Release(shard), Answer::Lease(lease)) => {
                let record = self.objects.record(&lease);
                if let Some(slot) = self.slots.get_mut(shard) {
                    *slot = Slot { record: Some(record), own: Own::Not };
                }
            }
            // What it had is free: the next list gives it to somebody.
            (Job::End { name, .. }, Answer::Lease(_)) => {
                info!(
                    replica = name.as_str(),
                    "a replica was not heard of for the duration of its lease; its shards are free"
                );
                self.list_at = now.local;
            }
            // The next list shows what has become of it.
            (_, _) => {}
        }
    }

    fn took(&mut self, shard: Shard, lease: &Lease) {
        let held = match self.exit {
            Exit::No => Held::Open,
            Exit::Wanted | Exit::Done => Held::Closing,
        };
        let record = self.objects.record(lease);
        if let Some(slot) = self.slots.get_mut(&shard) {
            *slot = Slot { record: Some(record), own: Own::Held(held) };
        }
    }

    /// What it has come to.
    fn say(&mut self) {
        let held = self.slots.values().filter(|slot| matches!(slot.own, Own::Held(_))).count();
        let now = (held, self.target.members.len());
        if now != self.said {
            let (shards, replicas) = now;
            info!(
                replica = self.life.identity.as_str(),
                shards,
                replicas,
                "{shards} of {} shards are here",
                self.slots.len()
            );
            self.said = now;
        }
    }

    fn answer_list(&mut self, sent: Duration, answer: Answer, now: Now) {
        let Answer::Leases(leases) = answer else {
            let pause = match answer {
                Answer::Unknown { after } => after.unwrap_or_default().min(self.timing().retry()),
                _ => Duration::ZERO,
            };
            self.list_at = now.local + pause.max(self.timing().retry() / 5);
            return;
        };
        let view = View::read(&leases, &self.objects, self.settings.shards, &mut self.sights, now.local);
        let own = view.replicas.get(&self.life.name).and_then(|seen| seen.record.as_ref());
        if own.is_none_or(|own| own.holder != self.life.identity.as_str()) {
            self.begin_anew(now);
            return;
        }
        self.listed = Some(sent);
        let round = self.round(&view, now);
        if round.at_rest {
            self.say();
        }
        self.jobs = round.jobs.into();
        let pause = if round.at_rest { self.timing().retry() } else { self.timing().retry() / 5 };
        let next = (sent + pause).max(now.local + self.timing().retry() / 5);
        self.list_at = round.until.map_or(next, |until| next.min(until.max(now.local)));
    }
}

impl Machine for Replica {
    fn poll(&mut self, now: Now) -> Vec<Order> {
        if self.exit == Exit::Wanted && self.wish() == Wish::End && self.life.has_expired(self.timing(), now.local) {
            self.exit = Exit::Done;
        }
        if self.exit == Exit::Done {
            return Vec::new();
        }
        let mut orders: Vec<_> = self.poll_life(now).into_iter().collect();
        if self.wish() != Wish::End {
            orders.extend(self.poll_list(now));
            orders.extend(self.poll_jobs(now));
        }
        orders
    }

    fn answer(&mut self, ticket: Ticket, answer: Answer, now: Now) {
        match self.asked.remove(&ticket) {
            Some(Asked::Life) => self.answer_life(answer, now),
            Some(Asked::List { sent }) => self.answer_list(sent, answer, now),
            Some(Asked::Job(job)) => self.answer_job(job, answer, now),
            None => {}
        }
    }

    fn wake(&self) -> Option<Duration> {
        let waits_for_list = self.life.renewed.is_some() && !self.is_listing() && self.jobs_asked() == 0;
        let list = Some(self.list_at).filter(|_| waits_for_list && self.wish() != Wish::End);
        self.life.wake().into_iter().chain(list).min()
    }

    fn holding(&self) -> Holding {
        let held = self.slots.iter().filter_map(|(shard, slot)| match slot.own {
            Own::Held(held) => Some((*shard, held)),
            Own::Not | Own::Taking { .. } | Own::Releasing => None,
        });
        Holding::Shards(held.collect())
    }

    fn until(&self) -> Duration {
        match (self.life.renewed, self.listed) {
            (Some(renewed), Some(listed)) => renewed.min(listed) + self.timing().deadline(),
            _ => Duration::ZERO,
        }
    }

    fn idle(&mut self, shard: Option<Shard>) {
        let Some(slot) = shard.and_then(|shard| self.slots.get_mut(&shard)) else {
            return;
        };
        if slot.own == Own::Held(Held::Closing) {
            slot.own = Own::Releasing;
            self.jobs.extend(shard.map(Job::Release));
            if self.exit == Exit::Wanted {
                self.life.hurry();
            }
        }
    }

    fn leave(&mut self) {
        if self.exit != Exit::No {
            return;
        }
        self.exit = Exit::Wanted;
        self.life.hurry();
        self.jobs.retain(|job| matches!(job, Job::Release(_)));
        for slot in self.slots.values_mut() {
            if let Own::Held(held) = &mut slot.own {
                *held = Held::Closing;
            }
        }
    }

    fn roster(&self) -> Roster {
        let mut roster = Roster::of(self.life.identity.as_str());
        for member in &self.target.members {
            roster.leases.entry(member.clone()).or_default();
        }
        for (shard, slot) in &self.slots {
            let holder = slot.record.as_ref().map_or("", |record| record.holder.as_str());
            roster.add(holder, self.objects.shard_name(*shard));
        }
        roster
    }

    fn has_left(&self) -> bool {
        self.exit == Exit::Done
    }
}
