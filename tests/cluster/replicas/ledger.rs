//! What has happened to the Leases of a namespace, in the order in which the API server has it; and whether shards went from one replica
//! to the next as they should.
//!
//! How long that took is printed. What it is held against are no clocks, since a busy machine makes everything late: it is the order of
//! the writes, how long the Leases say that they were apart, and how often a replica renewed its own Lease until it had taken
//! what is its. Whoever is late with the one is late with the other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::{ListParams, WatchEvent, WatchParams};
use tokio::task::JoinHandle;

use super::Disturbance;
use super::fleet::{DURATION, shares};
use crate::cluster::{Space, eventually};

/// How often a replica renews its Lease at most until it has what is its, once nobody comes and nobody falls silent any more: eight
/// times, which is as long as a Lease counts, and twice as often for some lists and 64 writes.
const RENEWALS: usize = 3 * 8;

/// What stands behind an identity that has ended before, with how often it has.
const AGAIN: &str = " again ";

/// A Lease was written, or deleted.
#[derive(Debug, Clone)]
struct Event {
    seen: Instant,
    lease: String,
    /// Empty where it has none, and where the Lease is deleted.
    holder: String,
    /// When whoever has written it says that it was.
    written: Timestamp,
}

/// What has happened to the Leases of a namespace since it began.
pub(super) struct Ledger {
    events: Arc<Mutex<Vec<Event>>>,
    task: JoinHandle<()>,
}

/// Something that was done to a replica.
#[derive(Debug, Clone)]
pub(super) struct Act {
    /// What.
    pub(super) what: Disturbance,
    /// As whom the Leases named the replica.
    pub(super) identity: String,
    /// When it began.
    pub(super) at: Instant,
}

/// What a replica held was taken by others.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Takeover {
    pub(super) what: Disturbance,
    pub(super) shards: usize,
    /// From the act until the last shard was taken.
    pub(super) time: Duration,
    /// How often one of those who took them has renewed its own Lease meanwhile, at most.
    pub(super) renewals: usize,
}

/// When an identity came, renewed its Lease for the last time, and ended: places in the list of events.
#[derive(Debug, Clone, Copy)]
struct Life {
    joined: usize,
    last: usize,
    ended: Option<usize>,
}

impl Ledger {
    /// Begins before there are any Leases.
    pub(super) async fn begin(space: &Space<'_>) -> Self {
        let leases: Api<Lease> = Api::namespaced(space.admin.clone(), &space.name);
        let listed = leases.list(&ListParams::default()).await.unwrap();
        assert!(listed.items.is_empty(), "somebody was there before");
        let events = Arc::new(Mutex::new(Vec::new()));
        let task = tokio::spawn(follow(leases, listed.metadata.resource_version.unwrap(), Arc::clone(&events)));
        Self { events, task }
    }

    /// What came of each act that was about a replica with shards, once all that has happened is known.
    pub(super) async fn judge(self, space: &Space<'_>, acts: &[Act]) -> Vec<Takeover> {
        let is_whole = || async {
            let known = holders(&self.events.lock().unwrap());
            (known == shares(space).await).then_some(())
        };
        eventually("the last change of the Leases is known", is_whole).await;
        assert!(!self.task.is_finished(), "the Leases could be watched all the time");
        self.task.abort();
        let events = apart(&self.events.lock().unwrap());
        let lives = lives(&events);
        acts.iter().filter_map(|act| takeover(&events, &lives, act)).collect()
    }
}

/// Takes down what is told until the end, or until something is missing.
async fn follow(leases: Api<Lease>, mut version: String, events: Arc<Mutex<Vec<Event>>>) {
    loop {
        // It ends every few minutes, and goes on where it was.
        let mut watch = leases.watch(&WatchParams::default(), &version).await.unwrap().boxed();
        while let Some(Ok(event)) = watch.next().await {
            let (lease, is_there) = match event {
                WatchEvent::Added(lease) | WatchEvent::Modified(lease) => (lease, true),
                WatchEvent::Deleted(lease) => (lease, false),
                WatchEvent::Bookmark(mark) => {
                    version = mark.metadata.resource_version;
                    continue;
                }
                WatchEvent::Error(error) => panic!("{error}"),
            };
            version = lease.metadata.resource_version.unwrap();
            let spec = lease.spec.unwrap_or_default();
            let holder = spec.holder_identity.filter(|_| is_there).unwrap_or_default();
            let written = spec.renew_time.map_or(Timestamp::MIN, |time| time.0);
            let event = Event { seen: Instant::now(), lease: lease.metadata.name.unwrap(), holder, written };
            events.lock().unwrap().push(event);
        }
    }
}

fn is_shard(event: &Event) -> bool {
    event.lease.contains("-shard-")
}

/// How many shards each holder has after some events.
fn holders(events: &[Event]) -> BTreeMap<String, usize> {
    let shards: BTreeMap<&str, &str> = events
        .iter()
        .filter(|event| is_shard(event))
        .map(|event| (event.lease.as_str(), event.holder.as_str()))
        .collect();
    let mut held = BTreeMap::new();
    for holder in shards.into_values().filter(|holder| !holder.is_empty()) {
        *held.entry(holder.to_owned()).or_default() += 1;
    }
    held
}

/// The same events with another name for an identity that has ended and comes again.
fn apart(events: &[Event]) -> Vec<Event> {
    let mut ends: BTreeMap<String, usize> = BTreeMap::new();
    let mut of: BTreeMap<String, String> = BTreeMap::new();
    let mut named = events.to_vec();
    for event in &mut named {
        if !is_shard(event) && event.holder.is_empty() {
            let ended = of.remove(&event.lease);
            ended.into_iter().for_each(|identity| *ends.entry(identity).or_default() += 1);
        } else if !is_shard(event) {
            of.insert(event.lease.clone(), event.holder.clone());
        }
        if let Some(ends) = ends.get(&event.holder) {
            event.holder = format!("{}{AGAIN}{ends}", event.holder);
        }
    }
    named
}

fn lives(events: &[Event]) -> BTreeMap<String, Life> {
    let mut lives: BTreeMap<String, Life> = BTreeMap::new();
    let mut of: BTreeMap<&str, &str> = BTreeMap::new();
    for (at, event) in events.iter().enumerate().filter(|(_, event)| !is_shard(event)) {
        if event.holder.is_empty() {
            // First it has no holder, then it is deleted.
            let ended = of.remove(event.lease.as_str()).and_then(|identity| lives.get_mut(identity));
            ended.into_iter().for_each(|life| life.ended = Some(at));
        } else {
            of.insert(&event.lease, &event.holder);
            lives.entry(event.holder.clone()).or_insert(Life { joined: at, last: at, ended: None }).last = at;
        }
    }
    lives
}

/// What came of an act on a replica that had shards: each was free, or the replica had ended, before another took it.
fn takeover(events: &[Event], lives: &BTreeMap<String, Life>, act: &Act) -> Option<Takeover> {
    let begun = events.partition_point(|event| event.seen < act.at);
    // One that has none may come back before anybody has noticed that it was gone.
    let mut known = holders(&events[..begun]).into_keys();
    let identity = known.find(|holder| holder.split(AGAIN).next() == Some(&act.identity))?;
    let mut had: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, event) in events.iter().enumerate().filter(|(_, event)| is_shard(event)) {
        match event.holder == identity {
            true => drop(had.insert(&event.lease, at)),
            // Somebody else had it when it began.
            false if at < begun => drop(had.remove(event.lease.as_str())),
            false => {}
        }
    }
    let taken: BTreeSet<usize> = had.into_iter().map(|had| taken(events, lives, (act.what, &identity), had)).collect();
    let renewals = taken.iter().map(|at| renewals(events, lives, *at)).max()?;
    assert!(renewals <= RENEWALS, "{act:?}: one took its shards only after {renewals} renewals");
    let time = events[*taken.last()?].seen.saturating_duration_since(act.at);
    Some(Takeover { what: act.what, shards: taken.len(), time, renewals })
}

/// Where a shard is taken that the replica has for the last time at a place.
fn taken(
    events: &[Event],
    lives: &BTreeMap<String, Life>,
    (what, holder): (Disturbance, &str),
    (shard, had): (&str, usize),
) -> usize {
    let after = (had + 1..events.len()).filter(|at| events[*at].lease == *shard);
    let mut after = after.skip_while(|at| events[*at].holder == holder);
    let next = after.next().unwrap_or_else(|| panic!("{shard} stays with {holder}, who is gone"));
    if events[next].holder.is_empty() {
        return after.find(|at| !events[*at].holder.is_empty()).unwrap_or_else(|| panic!("{shard} is nobody's"));
    }
    let Life { last, ended, .. } = lives[holder];
    assert!(ended.is_some_and(|ended| ended < next), "{shard} was taken from {holder}, who was there");
    if what == Disturbance::Stopped {
        return next;
    }
    // Where others have ended it, that was as long after its last renewal as Leases count.
    let silence = events[next].written.duration_since(events[last].written);
    assert!(
        silence >= SignedDuration::try_from(DURATION).unwrap(),
        "{shard} was taken from {holder} after {silence:#}"
    );
    next
}

/// How often the one that takes a shard has renewed its own Lease since anybody else came, fell silent or ended: what is whose
/// follows from who is there.
fn renewals(events: &[Event], lives: &BTreeMap<String, Life>, taken: usize) -> usize {
    let taker = &events[taken].holder;
    let others = lives.iter().filter(|(identity, _)| *identity != taker);
    let changes = others.flat_map(|(_, Life { joined, last, ended })| {
        [Some(*joined), ended.map(|_| *last), *ended].into_iter().flatten()
    });
    let since = changes.filter(|at| *at < taken).max().unwrap_or_default();
    events[since..taken].iter().filter(|event| !is_shard(event) && event.holder == *taker).count()
}

/// What is told of a replica `a` that is killed after a second, in whose place `b` puts itself: so many milliseconds after the first event, a
/// Lease has a holder.
fn of_one_that_is_killed(then: &[(u64, &str, &str)]) -> Option<Takeover> {
    let start = Instant::now();
    let before = [(0, "-replica-a", "a"), (0, "-replica-b", "b"), (0, "-shard-00", "a"), (500, "-replica-a", "a")];
    let event = |(after, lease, holder): &(u64, &str, &str)| Event {
        seen: start + Duration::from_millis(*after),
        lease: (*lease).to_owned(),
        holder: (*holder).to_owned(),
        written: Timestamp::UNIX_EPOCH + Duration::from_millis(*after),
    };
    let events: Vec<Event> = before.iter().chain(then).map(event).collect();
    let act = Act { what: Disturbance::Killed, identity: "a".to_owned(), at: start + Duration::from_secs(1) };
    takeover(&events, &lives(&events), &act)
}

#[test]
fn what_is_taken_when_its_holder_has_ended_is_measured() {
    let then =
        [(2000, "-replica-b", "b"), (4600, "-replica-a", ""), (4700, "-replica-b", "b"), (4800, "-shard-00", "b")];
    let expect = Takeover { what: Disturbance::Killed, shards: 1, time: Duration::from_millis(3800), renewals: 1 };
    assert_eq!(of_one_that_is_killed(&then), Some(expect));
}

#[test]
#[should_panic(expected = "-shard-00 was taken from a, who was there")]
fn what_is_taken_from_one_that_is_there_is_found() {
    of_one_that_is_killed(&[(4800, "-shard-00", "b")]);
}

#[test]
#[should_panic(expected = "-shard-00 was taken from a after 3s")]
fn what_is_taken_too_early_is_found() {
    of_one_that_is_killed(&[(3600, "-replica-a", ""), (3700, "-shard-00", "b")]);
}

#[test]
#[should_panic(expected = "after 25 renewals")]
fn what_is_taken_too_late_is_found() {
    let mut then = vec![(4600, "-replica-a", "")];
    then.extend((1..=25).map(|number| (4600 + 500 * number, "-replica-b", "b")));
    then.push((20_000, "-shard-00", "b"));
    of_one_that_is_killed(&then);
}

#[test]
#[should_panic(expected = "-shard-00 stays with a, who is gone")]
fn what_nobody_takes_is_found() {
    of_one_that_is_killed(&[(4600, "-replica-a", "")]);
}
