//! Objects whose labels say that they are ours, and then no more.

use serde_json::json;

use super::world::{Kind, World};
use crate::bot::Bot;
use crate::cluster::{Cluster, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_loses_its_label_is_left_alone_until_it_has_it_again() {
    let world = World::new(Cluster::shared(), 2).await;
    world.populate().await;
    let flags = ["--watch-all-namespaces=false", "--watch-label-selector=team=shop"];
    let mut bot = world.bot_with(&flags).await;
    world.settles(&mut bot, "at first").await;

    label(&world, Kind::Repository, "app-1", "others").await;
    label(&world, Kind::Policy, "app-1", "others").await;
    rests(&world, &mut bot).await;
    let before = [world.get(Kind::Repository, "app-1").await, world.get(Kind::Policy, "app-1").await];
    world.release(1);
    let patch = world.release(0);
    // The policies are seen by whoever runs automations, whatever their labels.
    eventually("the other one is committed", || async { world.is_committed(0).then_some(()) }).await;
    rests(&world, &mut bot).await;
    assert_eq!(before, [world.get(Kind::Repository, "app-1").await, world.get(Kind::Policy, "app-1").await]);
    assert!(before.iter().all(|object| object["metadata"]["finalizers"] == json!(["finalizers.fluxcd.io"])));
    assert!(!world.is_committed(1), "{patch}");
    // Nobody keeps us from working on what is left, and nobody else is kept from deleting what is not ours: not by us.
    label(&world, Kind::Repository, "app-1", "shop").await;
    label(&world, Kind::Policy, "app-1", "shop").await;
    world.settles(&mut bot, "with all labels").await;

    label(&world, Kind::Automation, "shop", "others").await;
    let commits = world.history().updates();
    world.release_all();
    for n in 0..2 {
        selects(&world, n).await;
    }
    let automation = world.get(Kind::Automation, "shop").await;
    assert_eq!(automation["metadata"]["finalizers"], json!(["finalizers.fluxcd.io"]));
    assert_eq!(world.history().updates(), commits, "nobody commits");
    label(&world, Kind::Automation, "shop", "shop").await;
    world.settles(&mut bot, "with the label of the automation").await;
    assert!(bot.stop().success());
}

async fn label(world: &World<'_>, kind: Kind, name: &str, team: &str) {
    world.patch(kind, name, json!({"metadata": {"labels": {"team": team}}})).await;
}

/// Waits until the second image is not polled while the first one is.
async fn rests(world: &World<'_>, bot: &mut Bot) {
    eventually("the second image rests", || async {
        world.polled_again(0).await;
        let before = world.polls(1);
        world.polled_again(0).await;
        (world.polls(1) == before).then_some(())
    })
    .await;
    bot.is_alive();
}

async fn selects(world: &World<'_>, n: usize) {
    let tag = format!("1.0.{}", world.newest(n));
    eventually(&format!("app-{n} selects {tag}"), || async {
        let policy = world.get(Kind::Policy, &format!("app-{n}")).await;
        (policy["status"]["latestRef"]["tag"] == tag.as_str()).then_some(())
    })
    .await;
}
