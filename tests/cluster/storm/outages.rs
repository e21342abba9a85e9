//! An API server that is killed, stands still, and loses its etcd. Each of these is a cluster of its own.

use std::time::Duration;

use super::world::World;
use crate::bot::Bot;
use crate::cluster::{Cluster, Part};

/// How long a bot may take to find out that nobody answers: its requests have a deadline of 30 s.
const NOTICED_WITHIN: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_server_is_killed_and_stands_still() {
    let cluster = Cluster::start();
    let world = World::new(&cluster, 4).await;
    world.populate().await;
    let mut bot = world.bot_with(&[]).await;
    world.settles(&mut bot, "at first").await;

    world.disturb(1).await;
    cluster.kill(Part::ApiServer);
    world.release_all();
    world.polled_again(0).await;
    cluster.bring_back();
    world.disturb(2).await;
    world.settles(&mut bot, "after the API server was killed").await;

    let from = bot.position();
    world.disturb(3).await;
    cluster.freeze(Part::ApiServer);
    world.release_all();
    is_late(&bot, from);
    cluster.thaw(Part::ApiServer);
    world.disturb(4).await;
    world.release(1);
    world.settles(&mut bot, "after the API server stood still").await;

    world.disturb(5).await;
    world.release_all();
    // Whatever was under way when etcd lost its power is there, or was never answered.
    cluster.kill(Part::Etcd);
    cluster.kill(Part::ApiServer);
    world.release(2);
    world.polled_again(2).await;
    cluster.bring_back();
    world.disturb(6).await;
    world.settles(&mut bot, "after both were killed").await;
    assert!(bot.stop().success());
}

/// Waits until a request of the bot was given up.
#[track_caller]
fn is_late(bot: &Bot, from: usize) {
    let is = |line: &serde_json::Value| line.to_string().contains("did not answer within");
    assert!(bot.wait_for(from, NOTICED_WITHIN, is).is_some(), "no request is given up: {:#?}", bot.complaints());
}
