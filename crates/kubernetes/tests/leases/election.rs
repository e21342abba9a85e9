//! One leader: what is written, what is waited for, and when it is given up.

use std::sync::Arc;
use std::time::Duration;

use kubernetes::lease::{Election, Identity, Proof, Timing};
use kubernetes::shards::{Replicas, Shard, Share};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::fake::{Fake, Fault};
use crate::time::{Time, soon};

const LEASE: &str = "image-automation-controller-leader-election";

/// A candidate, and the server that it asks.
struct Stand {
    fake: Fake,
    time: Time,
    identity: String,
    replicas: Replicas,
    share: watch::Receiver<Arc<Share>>,
}

impl Stand {
    fn new() -> Stand {
        Stand::before(Fake::new())
    }

    fn before(fake: Fake) -> Stand {
        let time = Time::new();
        let identity = Identity::new("pod-1");
        let election = Election { lease: LEASE.to_owned(), identity: identity.clone(), timing: Timing::FLUX };
        let replicas = Replicas::lead_by(fake.client(), "flux-system", election, time.clock());
        let share = replicas.mine();
        Stand { fake, time, identity: identity.to_string(), replicas, share }
    }

    async fn leads(&mut self) {
        soon(self.share.wait_for(|share| share.is_all())).await.unwrap();
    }

    async fn stops(&mut self) {
        soon(self.share.wait_for(|share| share.is_nothing())).await.unwrap();
    }

    fn proof(&self) -> Proof {
        self.share.borrow().proof(Shard::of("anything", 64)).unwrap()
    }

    fn spec(&self) -> Value {
        self.fake.lease(LEASE).unwrap()["spec"].take()
    }

    /// Until the server has been asked for something new.
    async fn asks(&self, verb: &str) {
        let before = self.fake.asked().len();
        let asked = || self.fake.asked_since(before).iter().any(|asked| asked.verb == verb);
        soon(async {
            while !asked() {
                tokio::time::sleep(Duration::from_millis(10)).await
            }
        })
        .await;
    }
}

/// A Lease that another has.
fn of_another(fake: &Fake) {
    fake.put(LEASE, |lease| {
        lease["metadata"]["labels"] = json!({"team": "a"});
        lease["spec"] = json!({"holderIdentity": "flux", "leaseDurationSeconds": 20, "leaseTransitions": 7, "renewTime": "2000-01-01T00:00:00.000000Z"});
    });
}

#[tokio::test(start_paused = true)]
async fn writes_and_releases_a_lease_as_client_go_does() {
    let mut stand = Stand::new();
    stand.leads().await;
    let first = stand.spec();
    assert_eq!(first["holderIdentity"], json!(stand.identity));
    assert_eq!((&first["leaseDurationSeconds"], &first["leaseTransitions"]), (&json!(35), &json!(0)));
    assert_eq!(first["acquireTime"], first["renewTime"]);
    stand.asks("update").await;
    assert_eq!(stand.spec()["acquireTime"], first["acquireTime"]);
    let (fake, identity) = (stand.fake.clone(), stand.identity.clone());
    soon(stand.replicas.shutdown()).await;
    let spec = &fake.lease(LEASE).unwrap()["spec"];
    assert_eq!((&spec["holderIdentity"], &spec["leaseDurationSeconds"]), (&json!(""), &json!(1)));
    assert_eq!(spec["leaseTransitions"], json!(0));
    assert!(fake.asked().iter().all(|asked| matches!(asked.verb, "get" | "create" | "update")), "{identity}");
}

#[tokio::test(start_paused = true)]
async fn at_rest_a_leader_writes_once_per_retry_and_reads_nothing() {
    let mut stand = Stand::new();
    stand.leads().await;
    let before = stand.fake.asked().len();
    tokio::time::sleep(Duration::from_secs(62)).await;
    let asked = stand.fake.asked_since(before);
    assert_eq!(asked.len(), 12);
    assert!(asked.iter().all(|asked| asked.verb == "update"));
}

#[tokio::test(start_paused = true)]
async fn takes_what_another_has_when_it_was_silent_for_its_duration() {
    let fake = Fake::new();
    of_another(&fake);
    let mut stand = Stand::before(fake);
    stand.leads().await;
    // The time in the record is long ago, and plays no part.
    assert_eq!(stand.time.elapsed().as_secs(), 20);
    let spec = stand.spec();
    assert_eq!((&spec["holderIdentity"], &spec["leaseTransitions"]), (&json!(stand.identity), &json!(8)));
    assert_eq!(stand.fake.lease(LEASE).unwrap()["metadata"]["labels"], json!({"team": "a"}));
}

#[tokio::test(start_paused = true)]
async fn waits_as_long_as_another_renews() {
    let fake = Fake::new();
    of_another(&fake);
    let mut stand = Stand::before(fake);
    for second in 0..10 {
        tokio::time::sleep(Duration::from_secs(15)).await;
        stand
            .fake
            .put(LEASE, |lease| lease["spec"]["renewTime"] = json!(format!("2000-01-01T00:00:{second:02}.000000Z")));
    }
    assert!(stand.share.borrow().is_nothing());
    assert!(stand.fake.asked().iter().all(|asked| !asked.is_write()));
    stand.fake.put(LEASE, |lease| lease["spec"]["holderIdentity"] = json!(""));
    let released = stand.time.elapsed();
    stand.leads().await;
    assert!(stand.time.elapsed() - released <= Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_another_has_taken_is_lost_at_once() {
    let mut stand = Stand::new();
    stand.leads().await;
    let proof = stand.proof();
    of_another(&stand.fake);
    stand.stops().await;
    assert!(!proof.is_held());
    assert!(stand.time.elapsed() <= Duration::from_secs(6));
    assert_eq!(stand.spec()["holderIdentity"], json!("flux"));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_somebody_labels_is_kept_with_its_label() {
    let mut stand = Stand::new();
    stand.leads().await;
    let proof = stand.proof();
    stand.fake.put(LEASE, |lease| lease["metadata"]["labels"] = json!({"team": "b"}));
    stand.asks("update").await;
    stand.asks("update").await;
    assert!(proof.is_held());
    let lease = stand.fake.lease(LEASE).unwrap();
    assert_eq!((&lease["spec"]["leaseTransitions"], &lease["metadata"]["labels"]), (&json!(0), &json!({"team": "b"})));
}

/// A leader stops 30 seconds after the last renewal was sent that was done, not sooner and not later, and leads again when the
/// server is well before anybody took the Lease.
async fn gives_up_when(fault: Fault) {
    let mut stand = Stand::new();
    stand.leads().await;
    stand.asks("update").await;
    let (renewed, proof) = (stand.time.elapsed(), stand.proof());
    stand.fake.breaks(move |_| Some(fault));
    stand.stops().await;
    let stopped = stand.time.elapsed() - renewed;
    assert!(!proof.is_held());
    assert!(stopped > Duration::from_secs(29) && stopped <= Duration::from_millis(30_050), "{stopped:?}");
    stand.fake.heals();
    stand.leads().await;
    assert!(proof.is_held());
    assert_eq!(stand.spec()["leaseTransitions"], json!(0));
}

#[tokio::test(start_paused = true)]
async fn gives_up_in_time_when_the_server_refuses() {
    gives_up_when(Fault::Status(500, 0)).await;
}

#[tokio::test(start_paused = true)]
async fn gives_up_in_time_when_the_server_wants_peace() {
    gives_up_when(Fault::Status(429, 3_600)).await;
}

#[tokio::test(start_paused = true)]
async fn gives_up_in_time_when_the_server_hangs() {
    gives_up_when(Fault::Hangs).await;
}

#[tokio::test(start_paused = true)]
async fn gives_up_in_time_when_the_server_talks_nonsense() {
    gives_up_when(Fault::Garbage).await;
}

#[tokio::test(start_paused = true)]
async fn gives_up_in_time_when_a_right_is_taken_away() {
    gives_up_when(Fault::Status(403, 0)).await;
}

#[tokio::test(start_paused = true)]
async fn a_hanging_request_leaves_time_for_another() {
    let mut stand = Stand::new();
    stand.leads().await;
    let proof = stand.proof();
    let mut first = true;
    stand.fake.breaks(move |_| std::mem::take(&mut first).then_some(Fault::Hangs));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(proof.is_held());
    // Two renewals after the one that hung, at the latest.
    assert!(stand.share.borrow().is_all());
}

#[tokio::test(start_paused = true)]
async fn one_that_was_frozen_knows_it_before_it_has_asked_anybody() {
    let mut stand = Stand::new();
    stand.leads().await;
    let proof = stand.proof();
    let before = stand.fake.asked().len();
    stand.time.freeze(Duration::from_secs(31));
    assert!(!proof.is_held());
    assert!(stand.share.borrow().is_nothing() && stand.share.borrow().proof(Shard::of("anything", 64)).is_none());
    assert_eq!(stand.fake.asked().len(), before);
    of_another(&stand.fake);
    stand.stops().await;
    assert_eq!(stand.spec()["holderIdentity"], json!("flux"));
}

#[tokio::test(start_paused = true)]
async fn a_write_without_an_answer_is_found() {
    let fake = Fake::new();
    let mut writes = 0;
    fake.breaks(move |asked| {
        writes += u32::from(asked.is_write());
        (asked.is_write() && writes == 1).then_some(Fault::Silent)
    });
    let mut stand = Stand::before(fake);
    stand.leads().await;
    // Half of the deadline for the first request, and a look after that: no wait for our own lease to expire.
    assert!(stand.time.elapsed() <= Duration::from_secs(21), "{:?}", stand.time.elapsed());
    assert_eq!(stand.spec()["leaseTransitions"], json!(0));
}

#[tokio::test(start_paused = true)]
async fn two_that_want_it_at_once_are_told_by_the_server() {
    let first = Stand::new();
    let second = Stand::before(first.fake.clone());
    let (mut shares, mut leaders) = ([first.share.clone(), second.share.clone()], 0);
    tokio::time::sleep(Duration::from_secs(120)).await;
    for share in &mut shares {
        leaders += u32::from(share.borrow_and_update().is_all());
    }
    assert_eq!(leaders, 1);
    assert_eq!(first.spec()["leaseTransitions"], json!(0));
}

#[tokio::test(start_paused = true)]
async fn work_that_goes_on_is_waited_for() {
    let mut stand = Stand::new();
    stand.leads().await;
    let proof = stand.proof();
    let (fake, time, share) = (stand.fake.clone(), stand.time.clone(), stand.share.clone());
    let shutdown = tokio::spawn(stand.replicas.shutdown());
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert!(!shutdown.is_finished() && proof.is_held());
    assert!(share.borrow().is_nothing(), "nothing new may begin");
    drop(proof);
    soon(shutdown).await.unwrap();
    assert!(time.elapsed() < Duration::from_secs(101));
    assert_eq!(fake.lease(LEASE).unwrap()["spec"]["holderIdentity"], json!(""));
}

#[tokio::test(start_paused = true)]
async fn leaving_a_server_that_is_gone_ends_with_the_lease() {
    let mut stand = Stand::new();
    stand.leads().await;
    stand.fake.breaks(|_| Some(Fault::Hangs));
    let begun = stand.time.elapsed();
    let time = stand.time.clone();
    soon(stand.replicas.shutdown()).await;
    assert!(time.elapsed() - begun <= Duration::from_secs(36), "{:?}", time.elapsed() - begun);
}
