//! Elections and replicas as the API server takes them, with the rights that are documented and no others.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client};
use kubernetes::lease::{Election, Identity, Timing};
use kubernetes::shards::{Replicas, Settings, Shard, Share};
use tokio::sync::watch;

use crate::cluster::{Cluster, Line, Passing, Space, WITHIN, eventually};

const LEASE: &str = "image-automation-controller-leader-election";

fn rights(verbs: &str) -> String {
    format!(
        "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: leases}}
rules: [{{apiGroups: [coordination.k8s.io], resources: [leases], verbs: [{verbs}]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: leases}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: leases}}
subjects: [{{kind: ServiceAccount, name: bot}}]
"
    )
}

const ELECTION: &str = "get, create, update";
const REPLICAS: &str = "get, list, create, update, delete";

/// Short, but long enough for a machine that has much to do.
fn timing() -> Timing {
    Timing::new(Duration::from_secs(8), Duration::from_secs(5), Duration::from_secs(1)).unwrap()
}

/// One process, as far as its leases go.
struct Bot {
    replicas: Replicas,
    share: watch::Receiver<Arc<Share>>,
}

impl Bot {
    fn of(replicas: Replicas) -> Self {
        let share = replicas.mine();
        Self { replicas, share }
    }

    fn candidate(client: Client, space: &Space<'_>) -> Self {
        let election = Election { lease: LEASE.to_owned(), identity: Identity::new("pod"), timing: timing() };
        Self::of(Replicas::lead(client, &space.name, election))
    }

    fn replica(client: Client, space: &Space<'_>) -> Self {
        let settings = Settings { timing: timing(), ..Settings::new("pod", None) };
        Self::of(Replicas::start(client, &space.name, settings))
    }

    async fn comes_to(&mut self, what: &str, is: impl FnMut(&Arc<Share>) -> bool) {
        tokio::time::timeout(WITHIN, self.share.wait_for(is)).await.unwrap_or_else(|_| panic!("not {what}")).unwrap();
    }

    async fn leads(&mut self) {
        self.comes_to("the leader", |share| share.is_all()).await;
    }

    async fn has(&mut self, count: usize) {
        self.comes_to("as many shards", |share| share.shards().count() == count).await;
    }
}

async fn space_with(verbs: &str) -> Space<'static> {
    let space = Space::new(Cluster::shared()).await;
    space.apply(&rights(verbs)).await;
    space
}

/// Which verbs a ServiceAccount has used, each once; panics if one was refused.
fn verbs(space: &Space<'_>) -> Vec<String> {
    let asked = space.cluster.asked_by(&space.user("bot"));
    assert!(asked.iter().all(|asked| asked.code != 403), "{asked:?}");
    let mut verbs: Vec<_> = asked.into_iter().map(|asked| asked.verb).collect();
    verbs.sort_unstable();
    verbs.dedup();
    verbs
}

#[tokio::test]
async fn a_leader_releases_its_lease_and_the_next_one_leads() {
    let space = space_with(ELECTION).await;
    let mut first = Bot::candidate(space.client("bot").await, &space);
    first.leads().await;
    let mut second = Bot::candidate(space.client("bot").await, &space);
    let leases = Api::<Lease>::namespaced(space.admin.clone(), &space.name);
    let spec = leases.get(LEASE).await.unwrap().spec.unwrap();
    assert_eq!((spec.lease_duration_seconds, spec.lease_transitions), (Some(8), Some(0)));
    first.replicas.shutdown().await;
    second.leads().await;
    assert_eq!(leases.get(LEASE).await.unwrap().spec.unwrap().lease_transitions, Some(1));
    assert_eq!(verbs(&space), ["create", "get", "update"]);
}

#[tokio::test]
async fn a_leader_that_is_cut_off_stops_before_another_leads() {
    let space = space_with(ELECTION).await;
    let line = Line::to(space.cluster).await;
    let token = space.token("bot").await;
    let mut first = Bot::candidate(space.cluster.client(&line.url, &token).await, &space);
    first.leads().await;
    let mut second = Bot::candidate(space.client("bot").await, &space);
    let proof = first.share.borrow().proof(Shard::of("", 64)).unwrap();
    line.set(Passing::Frozen);
    second.leads().await;
    // Asked in this order, whatever the machine does meanwhile: it has stopped by its own clock, and has heard of nothing.
    assert!(first.share.borrow().is_nothing() && !proof.is_held());
    // It hears of it only now, and does not get it back.
    line.set(Passing::Open);
    let before = space.cluster.asked_by(&space.user("bot")).len();
    eventually("both are heard again", || async {
        let asked = space.cluster.asked_by(&space.user("bot"));
        let verbs = |verb| asked.iter().skip(before).filter(|asked| asked.verb == verb).count();
        (verbs("get") >= 2 && verbs("update") >= 2).then_some(())
    })
    .await;
    assert!(!proof.is_held() && first.share.borrow().is_nothing());
    assert!(second.share.borrow().is_all());
}

#[tokio::test]
async fn replicas_share_and_take_over_with_the_documented_rights() {
    let space = space_with(REPLICAS).await;
    let mut bots = Vec::new();
    for _ in 0..3 {
        bots.push(Bot::replica(space.client("bot").await, &space));
    }
    for bot in &mut bots {
        bot.comes_to("a fair share", |share| matches!(share.shards().count(), 21 | 22)).await;
    }
    // One dies without a word, one leaves.
    drop(bots.remove(0));
    for bot in &mut bots {
        bot.has(32).await;
    }
    bots.remove(0).replicas.shutdown().await;
    bots[0].has(64).await;
    let leases = Api::<Lease>::namespaced(space.admin.clone(), &space.name);
    eventually("the Leases of those who are gone are collected", || async {
        let all = leases.list(&Default::default()).await.unwrap().items;
        (all.len() == 65).then_some(())
    })
    .await;
    let used = verbs(&space);
    assert!(["create", "delete", "list", "update"].iter().all(|verb| used.contains(&(*verb).to_owned())), "{used:?}");
}

#[tokio::test]
async fn a_replica_that_is_cut_off_stops_before_another_takes_its_shards() {
    let space = space_with(REPLICAS).await;
    let line = Line::to(space.cluster).await;
    let token = space.token("bot").await;
    let mut first = Bot::replica(space.cluster.client(&line.url, &token).await, &space);
    first.has(64).await;
    let mut second = Bot::replica(space.client("bot").await, &space);
    second.has(32).await;
    let held: Vec<_> = first.share.borrow().shards().collect();
    let proofs: Vec<_> = held.iter().map(|shard| first.share.borrow().proof(*shard).unwrap()).collect();
    line.set(Passing::Frozen);
    second.has(64).await;
    assert!(first.share.borrow().is_nothing() && !proofs.iter().any(|proof| proof.is_held()));
    drop(proofs);
    let identity = first.replicas.roster().borrow().this.clone();
    let leases: Api<Lease> = Api::namespaced(space.admin.clone(), &space.name);
    let name = format!("tagwright-replica-{}", identity.replace('_', "-"));
    let is_collected = || async { leases.get_opt(&name).await.ok()?.is_none().then_some(()) };
    eventually("nothing names it any more, and its Lease is deleted", is_collected).await;
    line.set(Passing::Open);
    // It comes back as another, and gets its share again: what it sends late makes no Lease anew.
    first.has(32).await;
    assert_ne!(first.replicas.roster().borrow().this, identity);
    second.has(32).await;
    assert!(first.share.borrow().shards().all(|shard| !second.share.borrow().holds(shard)));
}

#[tokio::test]
async fn a_store_that_goes_back_ends_with_each_shard_held_once() {
    let cluster = Cluster::start();
    let space = Space::new(&cluster).await;
    space.apply(&rights(REPLICAS)).await;
    let mut first = Bot::replica(space.client("bot").await, &space);
    first.has(64).await;
    let snapshot = cluster.snapshot();
    let mut second = Bot::replica(space.client("bot").await, &space);
    second.has(32).await;
    cluster.restore(&snapshot);
    eventually("each shard has one holder", || async {
        let (first, second) = (first.share.borrow(), second.share.borrow());
        let fair = first.shards().count() == 32 && second.shards().count() == 32;
        (fair && first.shards().all(|shard| !second.holds(shard))).then_some(())
    })
    .await;
}
