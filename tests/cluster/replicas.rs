//! Replicas that share the work, as processes: killed, frozen, cut off, more of them and fewer. Each selection is committed once, and what
//! one had is taken over as the Leases say.
//!
//! `TAGWRIGHT_DISTURBANCES` makes it as many disturbances as it says, several of them in one wave of commits, `TAGWRIGHT_AUTOMATIONS` as
//! many automations, and `TAGWRIGHT_REMOTES` spreads them over as many remotes. With more automations there is more time for everything, and
//! images are polled at longer intervals.

mod fleet;
mod ledger;

use std::time::Duration;

use self::fleet::Fleet;
use self::ledger::{Ledger, Takeover};
use crate::bot::Chance;
use crate::cluster::Cluster;

pub(crate) use self::fleet::fair;

/// Git remotes and automations, where nobody says how many.
const REMOTES: usize = 6;
const AUTOMATIONS: usize = 12;

/// How many disturbances come in one wave of commits, once there were waves with fewer.
const AT_ONCE: usize = 4;

/// What happens to a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Disturbance {
    Killed,
    Frozen,
    CutOff,
    Stopped,
}

fn from_environment(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_come_and_go_and_each_selection_is_committed_once() {
    const ALL: [Disturbance; 4] = [Disturbance::Killed, Disturbance::Frozen, Disturbance::CutOff, Disturbance::Stopped];
    let automations = from_environment("TAGWRIGHT_AUTOMATIONS", AUTOMATIONS);
    let disturbances = from_environment("TAGWRIGHT_DISTURBANCES", ALL.len());
    let mut fleet = Fleet::new(Cluster::shared(), automations, from_environment("TAGWRIGHT_REMOTES", REMOTES)).await;
    let ledger = Ledger::begin(&fleet.space).await;
    let mut chance = Chance::new(26);
    let (mut waves, mut done) = (0, 0);
    // So many replicas, until so many disturbances have been.
    for (replicas, until) in
        [(1, 0), (3, disturbances / 3), (5, disturbances * 2 / 3), (3, disturbances), (1, disturbances)]
    {
        fleet.be(replicas).await;
        fleet.wave(&[], &mut chance).await;
        while done < until {
            waves += 1;
            let next = AT_ONCE.min(waves).min(until - done);
            let these: Vec<Disturbance> = (done..done + next).map(|number| ALL[number % ALL.len()]).collect();
            fleet.wave(&these, &mut chance).await;
            done += next;
        }
    }

    let commits = fleet.judge();
    let takeovers = ledger.judge(&fleet.space, &fleet.acts).await;
    let Fleet { remotes, releases, .. } = fleet;
    println!(
        "{automations} automations on {remotes} remotes, {disturbances} disturbances in {waves} waves, {releases} tags, {commits} commits"
    );
    for (replicas, (least, most)) in &fleet.shares {
        println!("of {replicas} replicas each has {least} to {most} shards");
    }
    ALL.into_iter().for_each(|what| told(what, &fleet, &takeovers));
    let had_shards = |what| takeovers.iter().any(|takeover| takeover.what == what);
    assert!(disturbances < ALL.len() || ALL.into_iter().all(had_shards), "{takeovers:?}");
}

/// Tells how long takeovers took after a kind of disturbance.
fn told(what: Disturbance, fleet: &Fleet<'_>, takeovers: &[Takeover]) {
    let acts = fleet.acts.iter().filter(|act| act.what == what).count();
    let of: Vec<&Takeover> = takeovers.iter().filter(|takeover| takeover.what == what).collect();
    let mut times: Vec<Duration> = of.iter().map(|takeover| takeover.time).collect();
    times.sort_unstable();
    let [Some(least), Some(median), Some(most)] = [times.first(), times.get(times.len() / 2), times.last()] else {
        return;
    };
    let shards: usize = of.iter().map(|takeover| takeover.shards).sum();
    let renewals = of.iter().map(|takeover| takeover.renewals).max().unwrap_or_default();
    println!(
        "{what:?} {acts} times, {} of them with shards, {shards} in all: taken over within {:.1} s, median {:.1} s, at most {:.1} s and {renewals} renewals",
        of.len(),
        least.as_secs_f64(),
        median.as_secs_f64(),
        most.as_secs_f64(),
    );
}
