//! What follows from a list: whom to count on, what to take, keep, hand over.

use std::collections::BTreeSet;
use std::time::Duration;

use tracing::warn;

use crate::lease::{Held, Now};
use crate::shards::Shard;
use crate::shards::assign::assign;
use crate::shards::replica::view::{Standing, View};
use crate::shards::replica::{Exit, Job, Own, Replica, Target};

/// What a list leads to.
#[derive(Debug)]
pub(crate) struct Round {
    /// Writes to be sent.
    pub(crate) jobs: Vec<Job>,
    /// Whether nothing is about to change.
    pub(crate) at_rest: bool,
    /// When something changes that nobody writes.
    pub(crate) until: Option<Duration>,
}

impl Round {
    fn push(&mut self, job: Job) {
        self.at_rest = false;
        self.jobs.push(job);
    }

    fn look_at(&mut self, at: Duration) {
        self.until = Some(self.until.map_or(at, |until| until.min(at)));
    }
}

impl Replica {
    /// Takes in a list that has our membership.
    pub(crate) fn round(&mut self, view: &View, now: Now) -> Round {
        let mut round = Round { jobs: Vec::new(), at_rest: true, until: None };
        let members = self.members(view, &mut round, now);
        self.aim(members);
        let takes = self.exit == Exit::No && !self.at_odds;
        for shard in Shard::all(self.settings.shards) {
            self.shard(shard, takes, view, &mut round, now);
        }
        round
    }

    /// Who is to share the work, we among them; and what is to be done about those who are not.
    fn members(&mut self, view: &View, round: &mut Round, now: Now) -> BTreeSet<String> {
        let mut members = BTreeSet::new();
        let mut others_count = None;
        if self.exit == Exit::No {
            members.insert(self.life.identity.to_string());
        }
        let named = view.holders(&self.objects);
        let mut ended = Vec::new();
        for (name, seen) in view.replicas.iter().filter(|(name, _)| **name != self.life.name) {
            let Some(record) = &seen.record else {
                continue;
            };
            let (name, version) = (name.clone(), record.version.clone());
            match view.standing(&name, self.timing().duration(), now.local) {
                Standing::Alive { until } => {
                    round.look_at(until);
                    others_count = others_count.or(record.other_count.clone());
                    if !record.leaving && record.other_count.is_none() {
                        members.insert(record.holder.clone());
                    }
                }
                Standing::Silent => {
                    round.at_rest = false;
                    round.jobs.push(Job::End { name, version });
                }
                Standing::Ended if !named.contains(&name) => ended.push(Job::Collect { name, version }),
                Standing::Ended | Standing::Deleted { .. } => {}
            }
        }
        // One is enough to collect them.
        if members.first().is_some_and(|first| first == self.life.identity.as_str()) {
            round.jobs.append(&mut ended);
        }
        self.note_odds(others_count);
        members
    }

    fn note_odds(&mut self, others_count: Option<String>) {
        if let (false, Some(count)) = (self.at_odds, &others_count) {
            let ours = self.settings.shards;
            warn!(
                "another replica of this group cuts the work into {count} shards, this one into {ours}: it takes none as long as the other is there"
            );
        }
        self.at_odds = others_count.is_some();
    }

    fn aim(&mut self, members: BTreeSet<String>) {
        if members == self.target.members {
            return;
        }
        let names: Vec<_> = members.iter().map(String::as_str).collect();
        let given = assign(&names, self.settings.shards);
        let own = self.life.identity.as_str();
        let ours = given.iter().filter(|(_, member)| **member == own).map(|(shard, _)| *shard).collect();
        self.target = Target { members, ours };
    }

    fn shard(&mut self, shard: Shard, takes: bool, view: &View, round: &mut Round, now: Now) {
        let (Some(seen), Some(slot)) = (view.shards.get(&shard), self.slots.get_mut(&shard)) else {
            return;
        };
        slot.record.clone_from(&seen.record);
        let holder = seen.record.as_ref().map(|record| record.holder.as_str()).unwrap_or_default();
        let names_us = holder == self.life.identity.as_str();
        let wanted = takes && self.target.ours.contains(&shard);
        // At odds with others about the number of shards, one keeps what one has.
        let keeps = self.exit == Exit::No && (wanted || self.at_odds);
        let held = if keeps { Held::Open } else { Held::Closing };
        let version = seen.record.as_ref().map(|record| &record.version);
        slot.own = match std::mem::take(&mut slot.own) {
            Own::Held(_) | Own::Taking { .. } if names_us => Own::Held(held),
            Own::Releasing if names_us => Own::Releasing,
            // It may still be done.
            Own::Taking { over } if over.as_ref() == version => Own::Taking { over },
            Own::Held(_) | Own::Taking { .. } | Own::Releasing | Own::Not => Own::Not,
        };
        match slot.own {
            Own::Held(Held::Open) => {}
            Own::Held(Held::Closing) => round.at_rest = false,
            Own::Releasing => round.push(Job::Release(shard)),
            Own::Taking { .. } | Own::Not if wanted || names_us => {
                round.at_rest = false;
                let free = self.free(shard, view, now);
                match free {
                    Some(at) if at <= now.local && wanted => round.push(Job::Take(shard)),
                    Some(at) if at <= now.local => self.release(shard, round),
                    Some(at) => round.look_at(at),
                    None => {}
                }
            }
            Own::Taking { .. } | Own::Not => {}
        }
    }

    fn release(&mut self, shard: Shard, round: &mut Round) {
        if let Some(slot) = self.slots.get_mut(&shard) {
            slot.own = Own::Releasing;
        }
        round.push(Job::Release(shard));
    }

    /// When a shard may be taken. `None` while its holder is there.
    fn free(&self, shard: Shard, view: &View, now: Now) -> Option<Duration> {
        let seen = view.shards.get(&shard)?;
        let waited = seen.since.saturating_add(self.timing().duration());
        let Some(record) = &seen.record else {
            // Somebody may have deleted it, and its holder be there; not when nobody is.
            let alone = view
                .replicas
                .keys()
                .filter(|name| **name != self.life.name)
                .all(|name| view.standing(name, self.timing().duration(), now.local) == Standing::Ended);
            return Some(if alone { now.local } else { waited });
        };
        if record.holder.is_empty() {
            return Some(now.local);
        }
        if record.holder == self.life.identity.as_str() {
            // We did not take it: a store that has gone back. Whoever has it thinks so until then.
            return Some(waited);
        }
        match view.standing(&self.objects.replica_name(&record.holder), self.timing().duration(), now.local) {
            Standing::Ended => Some(now.local),
            Standing::Deleted { until } => Some(until),
            Standing::Alive { .. } | Standing::Silent => None,
        }
    }
}
