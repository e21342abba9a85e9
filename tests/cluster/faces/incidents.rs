//! An outage that several replicas see is told once, and so is its end, whoever of them comes and goes meanwhile.

use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use serde_json::{Value, json};

use super::{Program, secret, until};
use crate::bot::Bot;
use crate::cluster::{Cluster, Space, eventually};
use crate::replicas::fair;
use crate::simulated::Fault;
use crate::world::{World, condition, deployed, is_ready, own_definitions};

/// The Leases count for so long, so that a test need not wait for minutes.
const TIMING: [&str; 3] = [
    "--leader-election-lease-duration=4s",
    "--leader-election-renew-deadline=3s",
    "--leader-election-retry-period=500ms",
];

/// So many images that each replica has some of them.
const IMAGES: usize = 12;

/// What the replicas have told together, as their Lease says it.
async fn incidents(space: &Space<'_>) -> Vec<Value> {
    let leases: Api<Lease> = Api::namespaced(space.admin.clone(), &space.name);
    let lease = leases.get_opt("tagwright-incidents").await.unwrap();
    let text = lease.and_then(|lease| lease.metadata.annotations?.remove("tagwright.dev/incidents"));
    let told: Value = serde_json::from_str(&text.unwrap_or_default()).unwrap_or_default();
    told["incidents"].as_array().cloned().unwrap_or_default()
}

/// Waits until the Lease says something of what goes on.
async fn until_incidents(space: &Space<'_>, what: &str, is: impl Fn(&[Value]) -> bool) {
    let look = || async { Some(incidents(space).await).filter(|all| is(all)).map(drop) };
    eventually(what, look).await;
}

async fn images(world: &World<'_>) {
    for n in 0..IMAGES {
        let (name, image) = (format!("more-{n}"), format!("{}/shop/more-{n}", world.registry.host()));
        world.registry.change(|it| drop(it.repositories.insert(format!("shop/more-{n}"), vec!["1.0.0".to_owned()])));
        let text = format!(
            "apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImageRepository\nmetadata: {{name: {name}}}\n\
             spec: {{image: '{image}', interval: 1s, timeout: 30s, insecure: true}}\n"
        );
        world.space.apply(&text).await;
    }
}

/// Waits until all images are ready, or none is.
async fn all_are(world: &World<'_>, ready: bool, what: &str) {
    for n in 0..IMAGES {
        let is = |it: &Value| is_ready(it) == ready && !condition(it, "Ready").is_null();
        world.until("ImageRepository", &format!("more-{n}"), what, is).await;
    }
}

/// Has all images looked at by whoever has them now.
async fn all_are_looked_at(world: &World<'_>, text: &str) {
    for n in 0..IMAGES {
        let asked = json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": text}}});
        world.patch("ImageRepository", &format!("more-{n}"), asked).await;
    }
    for n in 0..IMAGES {
        let is_handled = |it: &Value| it["status"]["lastHandledReconcileAt"] == text;
        world.until("ImageRepository", &format!("more-{n}"), "it was looked at", is_handled).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_that_replicas_see_is_one_message_and_one_all_clear() {
    let cluster = Cluster::shared();
    cluster.apply(&own_definitions()).await;
    let world = World::new(cluster).await;
    let space = &world.space;
    for roles in ["standalone/namespaced/rbac.yaml", "standalone/replicas/rbac.yaml"] {
        space.apply_file(deployed(roles)).await;
    }
    let program = Program::start().await;
    secret(space, "events", "address", &program.url).await;
    space
        .apply(
            "apiVersion: tagwright.dev/v1alpha1\nkind: Notification\nmetadata: {name: events}\n\
             spec: {type: generic, secretRef: {name: events}, severity: error, group: 0s, quiet: 0s}\n",
        )
        .await;
    images(&world).await;
    let token = space.token("tagwright").await;
    let start = |name: &str| {
        let mut command = world.command(name, &cluster.url(), &token);
        Bot::start(command.args(["--watch-all-namespaces=false", "--replicas-share"]).args(TIMING))
    };
    let (mut one, mut two) = (start("one"), start("two"));
    fair(space, 2).await;
    until(space, "Notification", "events", "it is ready", is_ready).await;
    all_are(&world, true, "it is ready").await;

    let outage = |is_broken: bool| {
        world.registry.change(|registry| {
            registry.broken.clear();
            if is_broken {
                registry.broken.insert("tags/list".to_owned(), Fault::error(503, "UNAVAILABLE", "closed for repairs"));
            }
        });
    };
    outage(true);
    program.hears("failing", 1).await;
    all_are(&world, false, "it fails").await;
    until_incidents(space, "it is known to have arrived", |all| {
        all.len() == 1 && all[0]["arrived"] == true && all[0]["host"] == world.registry.host()
    })
    .await;

    // One is killed, and another one ends; others have their shards, and know what was told.
    one.kill();
    let mut three = start("three");
    fair(space, 2).await;
    all_are_looked_at(&world, "after the first").await;
    assert!(two.stop().success());
    let mut four = start("four");
    fair(space, 2).await;
    all_are_looked_at(&world, "after the second").await;

    outage(false);
    all_are(&world, true, "it works again").await;
    program.hears("recovered", 1).await;
    until_incidents(space, "nothing goes on", <[Value]>::is_empty).await;
    assert_eq!((program.count("failing"), program.count("recovered")), (1, 1), "{:?}", program.heard());

    // It is another one.
    outage(true);
    program.hears("failing", 2).await;
    outage(false);
    program.hears("recovered", 2).await;
    for bot in [&mut three, &mut four] {
        assert!(bot.stop().success());
    }
}
