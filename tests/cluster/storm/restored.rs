//! An etcd that is put back to what it was: what was written since is gone, and resourceVersions are given a second time.

use futures_util::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, PostParams};
use serde_json::json;

use super::world::{Kind, World};
use crate::cluster::{Cluster, Passing};

/// How many resourceVersions are ahead; nothing else in a test takes as many.
const FUTURE: usize = 500;

/// A policy that says once what is wrong with it.
const ALAS: &str = "
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImagePolicy
metadata: {name: alas}
spec: {imageRepositoryRef: {name: none}, policy: {semver: {range: 1.x}}}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn etcd_is_put_back() {
    let cluster = Cluster::start();
    let world = World::new(&cluster, 3).await;
    world.populate().await;
    world.space.apply(ALAS).await;
    let snapshot = cluster.snapshot();
    let mut bot = world.bot_with(&[]).await;
    world.release_all();
    world.settles(&mut bot, "at first").await;
    world.disturb(1).await;
    world.release_all();
    world.settles(&mut bot, "before it is put back").await;
    is_sorry(&world, "at first").await;
    let commits = world.history().updates();

    // Every status is gone, and every finalizer.
    world.goes_back(&snapshot);
    world.settles(&mut bot, "after it was put back").await;
    is_sorry(&world, "after it was put back").await;
    assert_eq!(world.history().updates(), commits, "nothing is committed twice");

    world.disturb(2).await;
    world.release_all();
    world.settles(&mut bot, "with a new tag").await;
    let automation = world.get(Kind::Automation, "shop").await;
    assert_eq!(automation["status"]["lastPushCommit"], world.remote.at("main"));
    assert!(bot.stop().success());
}

/// Whoever stands between the bot and the API server may hold connections while that is away. Then a watch goes on from a
/// resourceVersion that is still to come, and an API server tells nothing until then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_is_from_the_future() {
    let cluster = Cluster::start();
    let world = World::new(&cluster, 2).await;
    world.populate().await;
    let snapshot = cluster.snapshot();
    let mut bot = world.bot_with(&[]).await;
    world.settles(&mut bot, "at first").await;
    // The future is far.
    let maps: Api<ConfigMap> = Api::namespaced(world.space.admin.clone(), &world.space.name);
    let make = |n: usize| {
        let (maps, map) = (&maps, json!({"metadata": {"name": format!("map-{n}")}}));
        async move { maps.create(&PostParams::default(), &serde_json::from_value(map).unwrap()).await.unwrap() }
    };
    stream::iter(0..FUTURE).map(make).buffer_unordered(16).collect::<Vec<_>>().await;
    world.disturb(1).await;
    world.settles(&mut bot, "in the future").await;

    world.line.set(Passing::Frozen);
    world.goes_back(&snapshot);
    world.line.set(Passing::Open);
    world.disturb(2).await;
    world.release_all();
    world.settles(&mut bot, "in the past").await;
    assert!(bot.stop().success());
}

/// While nobody looks, an object goes and another one of its name comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_is_another_one() {
    let world = World::new(Cluster::shared(), 1).await;
    world.populate().await;
    world.space.apply(ALAS).await;
    let mut bot = world.bot().await;
    world.settles(&mut bot, "at first").await;
    is_sorry(&world, "at first").await;

    world.line.set(Passing::Refused);
    for (kind, name) in [(Kind::Policy, "alas"), (Kind::Policy, "app-0"), (Kind::Repository, "app-0")] {
        world.delete(kind, name).await;
        world.patch(kind, name, json!({"metadata": {"finalizers": null}})).await;
    }
    world.space.apply(&[ALAS, &world.repository(0, ""), &world.policy(0)].concat()).await;
    world.line.set(Passing::Open);
    world.settles(&mut bot, "as others").await;
    is_sorry(&world, "as another one").await;
    assert!(bot.stop().success());
}

async fn is_sorry(world: &World<'_>, when: &str) {
    world.says(Kind::Policy, "alas", when, |(_, reason, _)| reason == "DependencyNotReady").await;
}
