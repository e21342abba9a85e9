//! Replicas and candidates in a made-up cluster: kills, freezes, cuts, lost and late messages, clocks that drift.
//!
//! Whatever a process does, the [`World`] asserts that no other would act on the same shard at that moment. `PROPTEST_CASES=5000`
//! tries more seeds.

#![allow(clippy::unwrap_used)]

mod server;
mod world;

use std::time::Duration;

use proptest::prelude::*;

use crate::lease::{Candidate, Election, Identity, Machine, Timing};
use crate::shards::{Replica, Settings, Shard};
use crate::simulation::world::{Cut, Network, SECOND, State, Time, World};

/// How long it takes until all is calm after the last trouble: a lease by the slowest clock, a look at it, the slowest work,
/// and the hand-over.
const CALM: Time = 45 * SECOND;

fn replica(shards: u16, number: usize) -> Replica {
    let identity = Identity::from(format!("pod_{number}").as_str());
    Replica::with(Settings { shards, ..Settings::new("pod", None) }, identity)
}

fn candidate(timing: Timing, number: usize) -> Candidate {
    let identity = Identity::from(format!("pod_{number}").as_str());
    Candidate::new(Election { lease: "leader".to_owned(), identity, timing })
}

fn start<M: Machine>(world: &mut World<M>, count: u64, new: impl Fn(usize) -> M) {
    for _ in 0..count {
        world.start(new(world.processes.len()));
    }
}

/// Makes trouble for a while, of all kinds, then lets everything run again.
fn trouble<M: Machine>(world: &mut World<M>, until: Time, new: impl Fn(usize) -> M) {
    while world.now < until {
        let pause = world.chance.below(8 * SECOND);
        world.run_until(world.now + pause);
        let running = world.running();
        let some = running.get(world.chance.below(running.len() as u64) as usize).copied();
        let span = world.chance.below(60 * SECOND);
        match (world.chance.below(7), some) {
            (0, Some(process)) => world.kill(process),
            (1, Some(process)) => world.leave(process),
            (2, Some(process)) => world.freeze(process, span),
            (3, Some(process)) if span.is_multiple_of(3) => world.cut(process, Cut::Refused, span),
            (3, Some(process)) => world.cut(process, Cut::Silent, span),
            (4, _) => world.network = Network { lost: 10, slow: 30, long: 12 * SECOND },
            (5, _) => world.network = Network::GOOD,
            (_, _) if running.len() < 5 => start(world, 1, &new),
            (_, _) => {}
        }
    }
    world.network = Network::GOOD;
    // The last freezes and cuts end, and who wanted to leave has left.
    world.run_until(world.now + 70 * SECOND);
    if world.running().is_empty() {
        world.start(new(world.processes.len()));
    }
}

/// How many shards each running process has, in order; panics if one has nobody, or if two differ by more than one.
fn shares<M: Machine>(world: &World<M>, count: u16) -> Vec<usize> {
    let running = world.running();
    for shard in Shard::all(count) {
        assert!(running.iter().any(|process| world.processes[*process].begins(shard)), "nobody has shard {shard}");
    }
    let mut shares: Vec<_> = running
        .iter()
        .map(|process| Shard::all(count).filter(|shard| world.processes[*process].begins(*shard)).count())
        .collect();
    shares.sort_unstable();
    assert!(shares.last().unwrap() - shares.first().unwrap() <= 1, "{shares:?}");
    shares
}

/// So many seeds, or as many as somebody wants.
fn seeds(cases: u32) -> ProptestConfig {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => config,
        None => ProptestConfig { cases, ..config },
    }
}

proptest! {
    #![proptest_config(seeds(60))]

    #[test]
    fn no_two_replicas_ever_act_on_a_shard(seed: u64) {
        let mut world = World::new(seed, 8);
        (world.drift, world.work) = (170, 6 * SECOND);
        start(&mut world, 3, |number| replica(8, number));
        trouble(&mut world, 200 * SECOND, |number| replica(8, number));
        world.run_until(world.now + CALM);
        shares(&world, 8);
    }

    #[test]
    fn a_lease_that_a_person_deletes_makes_no_two_act(seed: u64) {
        let mut world = World::new(seed, 8);
        world.work = 6 * SECOND;
        start(&mut world, 3, |number| replica(8, number));
        world.run_until(40 * SECOND + seed % (10 * SECOND));
        let names: Vec<_> = world.server.leases.keys().cloned().collect();
        world.server.leases.remove(&names[seed as usize % names.len()]);
        // One that comes at this moment is to have some shards that it finds deleted.
        start(&mut world, 1, |number| replica(8, number));
        world.run_until(world.now + 60 * SECOND);
        shares(&world, 8);
    }
}

proptest! {
    #![proptest_config(seeds(1_000))]

    #[test]
    fn no_two_candidates_ever_lead(seed: u64) {
        let mut world = World::new(seed, 1);
        (world.drift, world.work) = (60, 6 * SECOND);
        let timing = Timing::FLUX;
        start(&mut world, 3, |number| candidate(timing, number));
        trouble(&mut world, 300 * SECOND, |number| candidate(timing, number));
        world.run_until(world.now + CALM);
        let leads = |process: &usize| Shard::all(1).any(|shard| world.processes[*process].begins(shard));
        prop_assert_eq!(world.running().iter().filter(|process| leads(process)).count(), 1);
    }
}

#[test]
fn the_simulation_finds_clocks_that_differ_too_much() {
    let run = |seed| {
        std::panic::catch_unwind(|| {
            let mut world = World::new(seed, 8);
            (world.drift, world.work) = (450, 6 * SECOND);
            start(&mut world, 3, |number| replica(8, number));
            trouble(&mut world, 200 * SECOND, |number| replica(8, number));
        })
    };
    assert!((0..50).any(|seed| run(seed).is_err()), "the check of the simulation sees nothing");
}

#[test]
fn at_rest_each_replica_writes_and_lists_twelve_times_a_minute() {
    let mut world = World::new(1, 64);
    start(&mut world, 5, |number| replica(64, number));
    world.run_until(60 * SECOND);
    assert_eq!(shares(&world, 64), [12, 13, 13, 13, 13]);
    let (writes, lists) = (world.server.writes, world.server.lists);
    world.run_until(120 * SECOND);
    assert!((55..=60).contains(&(world.server.writes - writes)), "{} writes", world.server.writes - writes);
    assert!((55..=60).contains(&(world.server.lists - lists)), "{} lists", world.server.lists - lists);
}

#[test]
fn any_number_of_replicas_has_fair_shares() {
    for replicas in 1..=10 {
        let mut world = World::new(replicas, 64);
        start(&mut world, replicas, |number| replica(64, number));
        world.run_until(60 * SECOND);
        let mean = 64.0 / replicas as f64;
        for share in shares(&world, 64) {
            assert!((share as f64 - mean).abs() <= mean * 0.2, "{share} of {replicas}, where {mean} is fair");
        }
    }
}

#[test]
fn the_shards_of_a_dead_replica_are_taken_within_its_lease_and_a_renewal() {
    for seed in 0..20 {
        let mut world = World::new(seed, 64);
        start(&mut world, 3, |number| replica(64, number));
        world.run_until(40 * SECOND + seed * SECOND / 4);
        world.kill(0);
        let timing = Timing::SHARED;
        let bound = (timing.duration() + timing.retry() + Duration::from_secs(1)).as_micros();
        world.run_until(world.now + Time::try_from(bound).unwrap());
        assert_eq!(shares(&world, 64), [32, 32], "seed {seed}");
    }
}

#[test]
fn the_lease_of_a_dead_replica_is_collected() {
    let mut world = World::new(7, 8);
    start(&mut world, 2, |number| replica(8, number));
    world.run_until(20 * SECOND);
    world.kill(0);
    world.run_until(60 * SECOND);
    let left: Vec<_> = world.server.leases.keys().filter(|name| name.contains("replica")).collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn from_one_to_five_and_back_no_shard_is_without_a_holder_for_long() {
    for seed in 0..10 {
        let mut world = World::new(seed, 64);
        world.work = 2 * SECOND;
        world.start(replica(64, 0));
        world.run_until(10 * SECOND);
        assert_eq!(shares(&world, 64), [64]);
        start(&mut world, 4, |number| replica(64, number));
        let longest = longest_without_holder(&mut world, 40 * SECOND);
        assert_eq!(shares(&world, 64).len(), 5);
        for process in 0..4 {
            world.leave(process);
        }
        let longest = longest.max(longest_without_holder(&mut world, 40 * SECOND));
        assert_eq!(shares(&world, 64), [64]);
        assert!((0..4).all(|process| world.processes[process].state == State::Gone));
        // Work that goes on where it was, and one look of those who are at rest.
        assert!(longest <= 8 * SECOND, "seed {seed}: {} ms", longest / 1_000);
    }
}

fn longest_without_holder<M: Machine>(world: &mut World<M>, span: Time) -> Time {
    let end = world.now + span;
    let mut since = vec![world.now; 64];
    let mut longest = 0;
    while world.now < end {
        world.run_until(world.now + SECOND / 10);
        for (shard, since) in Shard::all(64).zip(&mut since) {
            longest = longest.max(world.now - *since);
            if world.running().iter().any(|process| world.processes[*process].begins(shard)) {
                *since = world.now;
            }
        }
    }
    longest
}

#[test]
fn one_that_is_cut_off_for_a_moment_keeps_its_shards() {
    let mut world = World::new(3, 64);
    start(&mut world, 3, |number| replica(64, number));
    world.run_until(40 * SECOND);
    let held: Vec<_> = Shard::all(64).filter(|shard| world.processes[0].begins(*shard)).collect();
    // Long enough that it stops by its own clock, too short for others to start.
    let left = world.processes[0].left();
    world.cut(0, Cut::Refused, left + 2 * SECOND);
    world.run_until(world.now + left + SECOND);
    assert!(!held.iter().any(|shard| world.processes[0].begins(*shard)));
    world.run_until(world.now + 3 * SECOND);
    assert!(held.iter().all(|shard| world.processes[0].begins(*shard)));
}

#[test]
fn a_replica_with_another_number_of_shards_waits_until_the_others_are_gone() {
    let mut world = World::new(5, 64);
    let old = world.start(replica(32, 0));
    world.run_until(10 * SECOND);
    let new = world.start(replica(64, 1));
    world.run_until(60 * SECOND);
    assert!(Shard::all(32).all(|shard| world.processes[old].begins(shard)));
    assert!(!Shard::all(64).any(|shard| world.processes[new].begins(shard)));
    world.leave(old);
    world.run_until(80 * SECOND);
    assert!(Shard::all(64).all(|shard| world.processes[new].begins(shard)));
}
