//! A webhook reaches whichever replica a Service chooses, and whoever works on the image acts.

use serde_json::{Value, json};

use super::{address, post, secret, until};
use crate::bot::Bot;
use crate::cluster::{Cluster, eventually};
use crate::replicas::fair;
use crate::world::{World, deployed, is_ready, own_definitions};

/// The Leases count for so long, so that a test need not wait for minutes.
pub(super) const TIMING: [&str; 3] = [
    "--leader-election-lease-duration=4s",
    "--leader-election-renew-deadline=3s",
    "--leader-election-retry-period=500ms",
];

#[tokio::test(flavor = "multi_thread")]
async fn of_replicas_that_share_each_is_told_by_any() {
    any_replica_may_be_told("--replicas-share").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_replicas_one_of_which_leads_the_leader_is_told_by_any() {
    any_replica_may_be_told("--enable-leader-election").await;
}

async fn any_replica_may_be_told(mode: &str) {
    let cluster = Cluster::shared();
    cluster.apply(&own_definitions()).await;
    let world = World::new(cluster).await;
    let space = &world.space;
    for roles in ["standalone/namespaced/rbac.yaml", "standalone/replicas/rbac.yaml"] {
        space.apply_file(deployed(roles)).await;
    }
    secret(space, "ci", "token", "t").await;
    space
        .apply("apiVersion: tagwright.dev/v1alpha1\nkind: Receiver\nmetadata: {name: ci}\nspec: {type: generic, secretRef: {name: ci}}\n")
        .await;
    space.apply(&world.objects_with("", "").replace("interval: 1s", "interval: 1h")).await;
    let token = space.token("tagwright").await;
    let mut bots = Vec::new();
    for name in ["one", "two"] {
        let mut command = world.command(name, &cluster.url(), &token);
        bots.push(Bot::start(command.args(["--watch-all-namespaces=false", mode]).args(TIMING)));
    }
    until(space, "Receiver", "ci", "it is ready", is_ready).await;
    if mode == "--replicas-share" {
        fair(space, 2).await;
    }
    world.until("ImagePolicy", "app", "it is ready", is_ready).await;
    world.until("ImageUpdateAutomation", "shop", "it is ready", is_ready).await;

    // Both let in; one of them has somebody else look.
    for (n, bot) in bots.iter().enumerate() {
        let tag = format!("1.{}.0", n + 1);
        world.release(&tag);
        let path = format!("/hooks/{}/ci", space.name);
        let pushed = json!({"image": world.image(), "tag": tag});
        let look = || async {
            let (status, answer) = post(&address(bot), &path, "t", &pushed).await;
            (status == 202).then_some(answer)
        };
        let answer = eventually("a replica takes it", look).await;
        assert_eq!(answer["due"], 1, "{answer}");
        world.committed(&tag).await;
    }
    assert_eq!(world.commits(), 3, "each tag once");
    let has_asked = |it: &Value| !it["metadata"]["annotations"]["reconcile.fluxcd.io/requestedAt"].is_null();
    let repository = world.until("ImageRepository", "app", "one has asked the other", has_asked).await;
    assert_eq!(
        repository["status"]["lastHandledReconcileAt"],
        repository["metadata"]["annotations"]["reconcile.fluxcd.io/requestedAt"]
    );
    // The one that leads, or that has the image, may be told to end in any order.
    for bot in &mut bots {
        assert!(bot.stop().success());
    }
}
