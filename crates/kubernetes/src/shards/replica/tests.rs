//! Single steps, with answers made by hand: what rarely happens in the simulation.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;

use crate::shards::assign::assign;
use crate::shards::objects::Version;

use super::*;

/// A replica of one shard, and the Leases as the test has them.
struct Case {
    replica: Replica,
    leases: BTreeMap<String, Lease>,
    version: u32,
    now: Duration,
}

const SHARD: &str = "tagwright-shard-00";

impl Case {
    fn new() -> Case {
        let settings = Settings { shards: 1, ..Settings::new("pod", None) };
        let replica = Replica::with(settings, Identity::from("us"));
        Case { replica, leases: BTreeMap::new(), version: 0, now: Duration::from_secs(1_000) }
    }

    /// One that has the shard.
    fn with_the_shard() -> Case {
        let mut case = Case::new();
        case.until(|case| case.holds());
        case
    }

    fn now(&self) -> Now {
        Now { local: self.now, wall: Timestamp::UNIX_EPOCH }
    }

    fn holds(&self) -> bool {
        !self.replica.holding().is_nothing()
    }

    fn holder(&self) -> Option<String> {
        self.leases.get(SHARD)?.spec.clone()?.holder_identity
    }

    /// Writes a Lease, whoever does that.
    fn put(&mut self, mut lease: Lease) -> Lease {
        self.version += 1;
        lease.metadata.resource_version = Some(self.version.to_string());
        lease.metadata.uid.get_or_insert_with(|| format!("object-{}", self.version));
        self.leases.insert(lease.metadata.name.clone().unwrap(), lease.clone());
        lease
    }

    fn put_shard(&mut self, holder: &str) {
        let shard = Shard::all(1).next().unwrap();
        let lease = self.replica.objects.shard(shard, holder, None, Timestamp::UNIX_EPOCH);
        self.put(lease);
    }

    fn put_replica(&mut self, identity: &str) {
        let lease = self.replica.objects.replica(&Identity::from(identity), None, false, Timestamp::UNIX_EPOCH);
        self.put(lease);
    }

    /// What the server answers.
    fn done(&mut self, request: &Request) -> Answer {
        match request {
            Request::Get(name) => {
                self.leases.get(name).cloned().map_or(Answer::Missing, |lease| Answer::Lease(Box::new(lease)))
            }
            Request::List => Answer::Leases(self.leases.values().cloned().collect()),
            Request::Create(lease) | Request::Replace(lease) => {
                let there = self.leases.get(lease.metadata.name.as_deref().unwrap());
                match there.map(|there| &there.metadata.resource_version) {
                    Some(version) if *version != lease.metadata.resource_version => Answer::Conflict,
                    None if lease.metadata.uid.is_some() => Answer::Conflict,
                    _ => Answer::Lease(Box::new(self.put((**lease).clone()))),
                }
            }
            Request::Delete { name, .. } => {
                self.leases.remove(name);
                Answer::Deleted
            }
        }
    }

    /// Polls once, and answers what `answer` does not.
    fn step(&mut self, answer: &mut dyn FnMut(&Request) -> Option<Answer>) {
        for order in self.replica.poll(self.now()) {
            let told = match answer(&order.request) {
                Some(told) => told,
                None => self.done(&order.request),
            };
            self.replica.answer(order.ticket, told, self.now());
        }
    }

    fn until(&mut self, is: impl Fn(&Case) -> bool) {
        for _ in 0..1_000 {
            if is(self) {
                return;
            }
            self.step(&mut |_| None);
            self.now += Duration::from_millis(100);
        }
        panic!("it does not come to that: {:?}", self.replica);
    }

    /// Lets time pass, and asserts what is so all the while.
    fn always(&mut self, seconds: u64, is: impl Fn(&Case) -> bool) {
        for _ in 0..seconds * 10 {
            self.step(&mut |_| None);
            assert!(is(self), "{:?}", self.replica);
            self.now += Duration::from_millis(100);
        }
    }
}

/// Whether a request writes the shard's Lease.
fn writes_shard(request: &Request) -> bool {
    matches!(request, Request::Create(lease) | Request::Replace(lease) if lease.metadata.name.as_deref() == Some(SHARD))
}

/// An identity that is to have the only shard, when it is there.
fn rival() -> String {
    let wins = |name: &String| assign(&["us", name], 1).values().all(|member| *member != "us");
    (0..).map(|number| format!("rival-{number}")).find(wins).unwrap()
}

#[test]
fn what_was_released_without_an_answer_is_not_ours_before_it_is_taken_again() {
    let mut case = Case::with_the_shard();
    let rival = rival();
    case.put_replica(&rival);
    case.until(|case| {
        case.replica.holding() == Holding::Shards([(Shard::all(1).next().unwrap(), Held::Closing)].into())
    });
    case.replica.idle(Shard::all(1).next());
    assert!(!case.holds());
    let mut late = None;
    while late.is_none() {
        case.now += Duration::from_millis(100);
        case.step(&mut |request| {
            late = late.take().or_else(|| writes_shard(request).then(|| request.clone()));
            writes_shard(request).then_some(Answer::Unknown { after: None })
        });
    }
    // The rival has gone, so that the shard should be ours; its Lease still names us; and the release is still under way.
    let name = case.replica.objects.replica_name(&rival);
    case.leases.remove(&name);
    for _ in 0..100 {
        case.now += Duration::from_millis(100);
        case.step(&mut |request| writes_shard(request).then_some(Answer::Unknown { after: None }));
        assert!(!case.holds() && case.holder().as_deref() == Some("us"));
    }
    let late = late.unwrap();
    assert!(matches!(case.done(&late), Answer::Lease(_)));
    assert_eq!(case.holder().as_deref(), Some(""));
    case.until(|case| case.holds());
    assert!(matches!(case.done(&late), Answer::Conflict), "a release of before frees nothing any more");
}

#[test]
fn the_roster_tells_who_has_what() {
    let case = Case::new();
    assert_eq!(case.replica.roster(), Roster::of("us"));
    let (mut case, rival) = (Case::with_the_shard(), rival());
    let has = |case: &Case, who: &str| case.replica.roster().leases.get(who).map(|leases| leases.contains(SHARD));
    assert_eq!((has(&case, "us"), has(&case, &rival)), (Some(true), None));
    case.put_replica(&rival);
    case.until(|case| has(case, &rival) == Some(false));
    case.until(|case| {
        case.replica.holding() == Holding::Shards([(Shard::all(1).next().unwrap(), Held::Closing)].into())
    });
    case.replica.idle(Shard::all(1).next());
    case.until(|case| case.holder().as_deref() == Some(""));
    case.put_shard(&rival);
    case.until(|case| has(case, &rival) == Some(true));
    assert_eq!((has(&case, "us"), case.replica.roster().this.as_str()), (Some(false), "us"));
}

#[test]
fn a_taking_without_an_answer_is_found_in_a_list() {
    let mut case = Case::new();
    let mut unanswered = 0;
    while unanswered == 0 {
        case.now += Duration::from_millis(100);
        let mut taken = None;
        case.step(&mut |request| {
            taken = writes_shard(request).then(|| request.clone()).or_else(|| taken.take());
            writes_shard(request).then_some(Answer::Unknown { after: None })
        });
        if let Some(request) = taken {
            case.done(&request);
            unanswered += 1;
        }
    }
    assert!(!case.holds() && case.holder().as_deref() == Some("us"));
    let version = case.leases[SHARD].metadata.resource_version.clone();
    case.until(|case| case.holds());
    assert_eq!(case.leases[SHARD].metadata.resource_version, version, "it need not be written again");
}

#[test]
fn a_name_of_ours_that_we_did_not_write_is_waited_out() {
    let mut case = Case::new();
    // As a store has it that was put back to when we had the shard: somebody else has it since.
    case.put_shard("us");
    case.always(15, |case| !case.holds());
    case.until(|case| case.holds());
}

#[test]
fn a_shard_that_was_given_to_another_by_hand_is_lost() {
    let mut case = Case::with_the_shard();
    case.put_replica("other");
    case.put_shard("other");
    let since = case.now;
    case.until(|case| !case.holds());
    assert!(case.now - since <= Duration::from_secs(6));
    assert_eq!(case.holder().as_deref(), Some("other"));
}

#[test]
fn a_membership_that_was_ended_is_over_for_good() {
    let mut case = Case::with_the_shard();
    let ours = case.replica.life.name.clone();
    let version = Version::of(&case.leases[&ours]);
    let ended = case.replica.objects.ended(&ours, &version, Timestamp::UNIX_EPOCH);
    case.put(ended);
    case.until(|case| case.replica.life.name != ours);
    assert!(!case.holds() && case.replica.until() == Duration::ZERO);
    case.until(|case| case.holds());
    assert_eq!(case.holder().as_deref(), Some("us-2"));
    // Nothing names it any more, so that it is collected.
    case.until(|case| !case.leases.contains_key(&ours));
}

/// As while a replica was frozen: an update of what is not there must not make it anew.
#[test]
fn a_membership_that_was_collected_is_not_renewed() {
    let mut case = Case::with_the_shard();
    let ours = case.replica.life.name.clone();
    case.leases.remove(&ours);
    case.put_shard("other");
    case.until(|case| case.replica.life.name != ours);
    assert!(!case.holds() && !case.leases.contains_key(&ours));
}

#[test]
fn a_replica_that_waits_wants_to_be_asked_later_not_now() {
    let mut case = Case::with_the_shard();
    for _ in 0..100 {
        case.step(&mut |_| None);
        assert!(case.replica.wake().unwrap() > case.now);
        case.now = case.replica.wake().unwrap();
    }
}
