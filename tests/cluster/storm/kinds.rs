//! Kinds that a cluster loses and gets back: their definitions are taken away, with all objects, and put back.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams};

use super::world::{Kind, World};
use crate::cluster::{Cluster, Manifest, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kinds_go_and_come_back() {
    let cluster = Cluster::start();
    let world = World::new(&cluster, 2).await;
    world.populate().await;
    let mut bot = world.bot_with(&[]).await;
    world.settles(&mut bot, "at first").await;

    // The objects have finalizers of ours, so that a kind does not go without us.
    lose(&world, Kind::Automation).await;
    let commits = world.history().updates();
    world.release_all();
    for n in 0..2 {
        selects(&world, n).await;
    }
    assert_eq!(world.history().updates(), commits, "there is nobody to commit for");

    lose(&world, Kind::Policy).await;
    world.release_all();
    for n in 0..2 {
        let tags = world.newest(n) + 1;
        eventually("its repository goes on", || async {
            let repository = world.get(Kind::Repository, &format!("app-{n}")).await;
            (repository["status"]["lastScanResult"]["tagCount"] == tags).then_some(())
        })
        .await;
    }
    bot.is_alive();

    for kind in [Kind::Policy, Kind::Automation] {
        put_back(&cluster, kind).await;
    }
    world.populate().await;
    world.settles(&mut bot, "with all kinds").await;

    lose(&world, Kind::Git).await;
    lose(&world, Kind::Repository).await;
    for kind in [Kind::Git, Kind::Repository] {
        put_back(&cluster, kind).await;
    }
    world.populate().await;
    world.release_all();
    world.settles(&mut bot, "with all kinds again").await;
    assert!(bot.stop().success());
}

/// Takes a definition away, and waits until all objects are gone.
async fn lose(world: &World<'_>, kind: Kind) {
    let definitions = Api::<CustomResourceDefinition>::all(world.space.admin.clone());
    let name = kind.definition();
    definitions.delete(&name, &DeleteParams::default()).await.unwrap();
    eventually(&format!("{name} is gone"), || async { definitions.get_opt(&name).await.ok().filter(Option::is_none) })
        .await;
}

async fn put_back(cluster: &Cluster, kind: Kind) {
    let file = format!("fixtures/cluster/crds/{}.yaml", kind.resource().plural);
    cluster.apply(&Manifest::read(file.as_ref())).await;
}

async fn selects(world: &World<'_>, n: usize) {
    let tag = format!("1.0.{}", world.newest(n));
    eventually(&format!("app-{n} selects {tag}"), || async {
        let policy = world.get(Kind::Policy, &format!("app-{n}")).await;
        (policy["status"]["latestRef"]["tag"] == tag.as_str()).then_some(())
    })
    .await;
}
