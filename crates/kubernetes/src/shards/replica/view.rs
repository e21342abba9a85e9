//! All replicas and shards as one list shows them, and what follows from it by our clock.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;

use crate::shards::Shard;
use crate::shards::objects::{Kind, Objects, Record, Version};

/// Since when each Lease is as it is, by our clock. Outlives what a replica holds, since it is about others.
#[derive(Debug, Default)]
pub(crate) struct Sights(BTreeMap<String, Sight>);

#[derive(Debug)]
struct Sight {
    /// `None` while it is not there.
    version: Option<Version>,
    since: Duration,
}

impl Sights {
    /// Since when a Lease has this version, or is not there.
    fn see(&mut self, name: &str, version: Option<&Version>, now: Duration) -> Duration {
        match self.0.get_mut(name) {
            Some(sight) if sight.version.as_ref() == version => sight.since,
            Some(sight) => {
                *sight = Sight { version: version.cloned(), since: now };
                now
            }
            None => {
                self.0.insert(name.to_owned(), Sight { version: version.cloned(), since: now });
                now
            }
        }
    }

    fn forget_others(&mut self, known: &BTreeSet<String>) {
        self.0.retain(|name, _| known.contains(name));
    }
}

/// What a list shows.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) replicas: BTreeMap<String, Seen>,
    pub(crate) shards: BTreeMap<Shard, Seen>,
}

/// A Lease, and since when it is as it is. No record: it is not there.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) record: Option<Record>,
    pub(crate) since: Duration,
}

/// What a replica is, to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Until then, if it does not renew.
    Alive { until: Duration },
    /// Not heard of for the whole duration: it may be ended.
    Silent,
    /// Ended, by itself or by another: what it has is free.
    Ended,
    /// Somebody deleted its Lease: it may go on until then.
    Deleted { until: Duration },
}

impl View {
    /// Reads a list that was answered at `now`.
    pub(crate) fn read(leases: &[Lease], objects: &Objects, count: u16, sights: &mut Sights, now: Duration) -> View {
        let mut view = View { replicas: BTreeMap::new(), shards: BTreeMap::new() };
        let mut known = BTreeSet::new();
        for (name, kind, record) in leases.iter().filter_map(|lease| objects.read(lease)) {
            let since = sights.see(&name, Some(&record.version), now);
            known.insert(name.clone());
            let seen = Seen { record: Some(record), since };
            match kind {
                Kind::Replica => drop(view.replicas.insert(name, seen)),
                Kind::Shard(shard) => drop(view.shards.insert(shard, seen)),
            }
        }
        let named: BTreeSet<_> = view.shards.values().filter_map(|seen| holder(objects, seen)).collect();
        for name in named.into_iter().filter(|name| !view.replicas.contains_key(name)).collect::<Vec<_>>() {
            view.replicas.insert(name.clone(), absent(sights, &mut known, name, now));
        }
        for shard in Shard::all(count).filter(|shard| !view.shards.contains_key(shard)).collect::<Vec<_>>() {
            view.shards.insert(shard, absent(sights, &mut known, objects.shard_name(shard), now));
        }
        sights.forget_others(&known);
        view
    }

    /// What a replica is, if others wait for `duration` where its Lease does not say.
    pub(crate) fn standing(&self, replica: &str, duration: Duration, now: Duration) -> Standing {
        let Some(seen) = self.replicas.get(replica) else {
            return Standing::Deleted { until: now.saturating_add(duration) };
        };
        let until =
            seen.since.saturating_add(seen.record.as_ref().and_then(|record| record.duration).unwrap_or(duration));
        match &seen.record {
            Some(record) if record.holder.is_empty() => Standing::Ended,
            Some(_) if now < until => Standing::Alive { until },
            Some(_) => Standing::Silent,
            None if now < until => Standing::Deleted { until },
            None => Standing::Ended,
        }
    }

    /// The replicas whose Leases some shard names.
    pub(crate) fn holders(&self, objects: &Objects) -> BTreeSet<String> {
        self.shards.values().filter_map(|seen| holder(objects, seen)).collect()
    }
}

fn absent(sights: &mut Sights, known: &mut BTreeSet<String>, name: String, now: Duration) -> Seen {
    let since = sights.see(&name, None, now);
    known.insert(name);
    Seen { record: None, since }
}

fn holder(objects: &Objects, shard: &Seen) -> Option<String> {
    let record = shard.record.as_ref().filter(|record| !record.holder.is_empty())?;
    Some(objects.replica_name(&record.holder))
}
