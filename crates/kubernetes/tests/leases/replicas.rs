//! Replicas that share shards: what goes wrong with single requests, and what is written.

use std::sync::Arc;
use std::time::Duration;

use kubernetes::shards::{Replicas, Settings, Share};
use serde_json::json;
use tokio::sync::watch;

use crate::fake::{Fake, Fault};
use crate::time::{Time, soon};

struct Member {
    replicas: Replicas,
    share: watch::Receiver<Arc<Share>>,
}

fn join(fake: &Fake, time: &Time) -> Member {
    let replicas = Replicas::start_by(fake.client(), "flux-system", Settings::new("pod", None), time.clock());
    let share = replicas.mine();
    Member { replicas, share }
}

impl Member {
    async fn has(&mut self, count: usize) {
        soon(self.share.wait_for(|share| share.shards().count() == count)).await.unwrap();
    }
}

/// The replicas' own Leases.
fn memberships(fake: &Fake) -> Vec<String> {
    fake.names().into_iter().filter(|name| name.starts_with("tagwright-replica-")).collect()
}

#[tokio::test(start_paused = true)]
async fn one_has_all_and_two_have_half_each() {
    let (fake, time) = (Fake::new(), Time::new());
    let mut first = join(&fake, &time);
    first.has(64).await;
    assert_eq!(fake.names().len(), 65);
    let mut second = join(&fake, &time);
    second.has(32).await;
    assert_eq!(first.share.borrow().shards().count(), 32);
    assert!(first.share.borrow().shards().all(|shard| !second.share.borrow().holds(shard)));
}

#[tokio::test(start_paused = true)]
async fn only_the_rights_that_are_documented_are_used() {
    let (fake, time) = (Fake::new(), Time::new());
    let mut first = join(&fake, &time);
    first.has(64).await;
    let second = join(&fake, &time);
    tokio::time::sleep(Duration::from_secs(30)).await;
    soon(second.replicas.shutdown()).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    let mut verbs: Vec<_> = fake.asked().into_iter().map(|asked| asked.verb).collect();
    verbs.sort_unstable();
    verbs.dedup();
    // `get` is for a renewal of which nobody knows what became.
    assert_eq!(verbs, ["create", "delete", "list", "update"]);
    assert_eq!(memberships(&fake).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_that_leaves_frees_all_by_one_write() {
    let (fake, time) = (Fake::new(), Time::new());
    let mut member = join(&fake, &time);
    member.has(64).await;
    let before = fake.asked().len();
    soon(member.replicas.shutdown()).await;
    let asked = fake.asked_since(before);
    assert_eq!(asked.len(), 1, "{asked:?}");
    let ended = fake.lease(&memberships(&fake)[0]).unwrap();
    assert_eq!(ended["spec"]["holderIdentity"], json!(""));
    let left = time.elapsed();
    let mut next = join(&fake, &time);
    next.has(64).await;
    assert!(time.elapsed() - left <= Duration::from_secs(3), "{:?}", time.elapsed() - left);
}

#[tokio::test(start_paused = true)]
async fn one_that_leaves_hands_over_what_has_no_work_and_waits_for_the_rest() {
    let (fake, time) = (Fake::new(), Time::new());
    let mut leaving = join(&fake, &time);
    leaving.has(64).await;
    let mut staying = join(&fake, &time);
    staying.has(32).await;
    let shard = leaving.share.borrow().shards().next().unwrap();
    let proof = leaving.share.borrow().proof(shard).unwrap();
    let shutdown = tokio::spawn(leaving.replicas.shutdown());
    staying.has(63).await;
    assert!(!staying.share.borrow().holds(shard) && proof.is_held() && !shutdown.is_finished());
    drop(proof);
    soon(shutdown).await.unwrap();
    staying.has(64).await;
}

#[tokio::test(start_paused = true)]
async fn a_shard_is_handed_over_when_its_work_has_ended() {
    let (fake, time) = (Fake::new(), Time::new());
    let mut first = join(&fake, &time);
    first.has(64).await;
    let proofs: Vec<_> = {
        let share = first.share.borrow();
        share.shards().map(|shard| (shard, share.proof(shard).unwrap())).collect()
    };
    let mut second = join(&fake, &time);
    first.has(32).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(second.share.borrow().is_nothing());
    assert!(proofs.iter().all(|(_, proof)| proof.is_held()));
    drop(proofs);
    second.has(32).await;
}

/// All shards are had within a minute, although the server does this to every third request.
async fn copes_with(fault: Fault) {
    let (fake, time) = (Fake::new(), Time::new());
    let mut count = 0;
    fake.breaks(move |_| {
        count += 1;
        (count % 3 == 0).then_some(fault)
    });
    let mut member = join(&fake, &time);
    member.has(64).await;
    assert!(time.elapsed() <= Duration::from_secs(60), "{:?}", time.elapsed());
}

#[tokio::test(start_paused = true)]
async fn copes_with_conflicts() {
    copes_with(Fault::Status(409, 0)).await;
}

#[tokio::test(start_paused = true)]
async fn copes_with_errors() {
    copes_with(Fault::Status(500, 0)).await;
}

#[tokio::test(start_paused = true)]
async fn copes_with_too_many_requests() {
    copes_with(Fault::Status(429, 1)).await;
}

#[tokio::test(start_paused = true)]
async fn copes_with_requests_that_hang() {
    copes_with(Fault::Hangs).await;
}

#[tokio::test(start_paused = true)]
async fn copes_with_answers_that_never_come() {
    copes_with(Fault::Silent).await;
}

#[tokio::test(start_paused = true)]
async fn copes_with_nonsense() {
    copes_with(Fault::Garbage).await;
}

#[tokio::test(start_paused = true)]
async fn part_of_a_list_is_no_list() {
    let (fake, time) = (Fake::new(), Time::new());
    fake.breaks(|asked| (asked.verb == "list").then_some(Fault::Part));
    let mut member = join(&fake, &time);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(fake.names(), memberships(&fake), "no shard was taken");
    fake.heals();
    member.has(64).await;
}

#[tokio::test(start_paused = true)]
async fn stops_in_time_when_the_server_hangs_and_goes_on_when_nobody_came_between() {
    let (fake, time) = (Fake::new(), Time::new());
    let mut member = join(&fake, &time);
    member.has(64).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let shard = member.share.borrow().shards().next().unwrap();
    let proof = member.share.borrow().proof(shard).unwrap();
    let broke = time.elapsed();
    fake.breaks(|_| Some(Fault::Hangs));
    member.has(0).await;
    assert!(!proof.is_held());
    assert!(time.elapsed() - broke <= Duration::from_secs(10), "{:?}", time.elapsed() - broke);
    fake.heals();
    member.has(64).await;
    assert!(proof.is_held());
}

#[tokio::test(start_paused = true)]
async fn one_that_was_frozen_has_nothing_and_joins_again_as_another() {
    let (fake, time) = (Fake::new(), Time::new());
    let mut frozen = join(&fake, &time);
    frozen.has(64).await;
    let shard = frozen.share.borrow().shards().next().unwrap();
    let proof = frozen.share.borrow().proof(shard).unwrap();
    time.freeze(Duration::from_secs(16));
    assert!(!proof.is_held() && frozen.share.borrow().is_nothing());
    // Another has ended it meanwhile.
    let name = memberships(&fake).remove(0);
    fake.put(&name, |lease| lease["spec"]["holderIdentity"] = json!(""));
    frozen.has(0).await;
    frozen.has(64).await;
    assert!(!proof.is_held(), "what was proved before is of another life");
    assert!(memberships(&fake).iter().any(|other| *other == format!("{name}-2")), "{:?}", memberships(&fake));
}

#[tokio::test(start_paused = true)]
async fn leaves_that_are_not_answered_end_with_the_lease() {
    let (fake, time) = (Fake::new(), Time::new());
    let mut member = join(&fake, &time);
    member.has(64).await;
    fake.breaks(|_| Some(Fault::Hangs));
    let begun = time.elapsed();
    soon(member.replicas.shutdown()).await;
    assert!(time.elapsed() - begun <= Duration::from_secs(21), "{:?}", time.elapsed() - begun);
}
