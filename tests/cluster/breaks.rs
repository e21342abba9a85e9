//! What goes on although the API server does not: nothing is lost, nothing is done twice, and the status is right in the end.

use std::time::Instant;

use kube::Api;
use kube::api::{DeleteParams, DynamicObject};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};

use crate::bot::Bot;
use crate::cluster::{Answer, Cluster, Line, Manifest, Part, Passing, eventually};
use crate::world::{World, condition, is_ready};

/// Waits until the image was polled again after now.
async fn polled(world: &World<'_>) {
    let (since, path) = (Instant::now(), "/v2/shop/app/tags/list");
    let look = || async {
        world.registry.seen().iter().any(|seen| seen.path.ends_with(path) && seen.at > since).then_some(())
    };
    eventually("the image is polled", look).await;
}

/// Makes the objects, and has the first of their tags committed.
async fn commits_a_first_tag(world: &World<'_>) {
    world.apply().await;
    world.release("1.1.0");
    world.committed("1.1.0").await;
}

/// Ends a bot that was there all along; each selection was committed once.
fn ends_with(world: &World<'_>, mut bot: Bot, selections: usize) {
    bot.is_alive();
    assert!(bot.stop().success());
    assert_eq!(world.commits(), 1 + selections, "each selection was committed once, in this order");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_breaks_in_every_way_loses_and_repeats_nothing() {
    let cluster = Cluster::shared();
    let world = World::new(cluster).await;
    let line = Line::to(cluster).await;
    let bot = world.bot_behind("bot", &line.url).await;
    commits_a_first_tag(&world).await;

    // Watches are cut in the middle of an event.
    line.cut_watches();
    world.release("1.2.0");
    world.committed("1.2.0").await;

    // Nothing passes: what is polled meanwhile is said and committed afterwards.
    line.set(Passing::Frozen);
    world.release("1.3.0");
    polled(&world).await;
    line.set(Passing::Open);
    world.committed("1.3.0").await;

    // Nobody is there.
    line.set(Passing::Refused);
    world.release("1.4.0");
    polled(&world).await;
    line.set(Passing::Open);
    world.committed("1.4.0").await;

    // The watches are too old, and every write is refused in another way.
    for (round, answer) in [
        Answer::refusal(409, "Conflict", "modified"),
        Answer::refusal(500, "InternalError", "oops"),
        Answer::refusal(429, "TooManyRequests", "later").with_header("Retry-After", "1"),
        Answer::refusal(504, "Timeout", "late"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut left = 4;
        line.answer(move |method, path| {
            if path.contains("watch=true") && left > 0 {
                left -= 1;
                return Some(Answer::expired_watch());
            }
            let refuses = method == "PATCH" && path.contains("/status") && left > 0;
            left -= usize::from(refuses);
            refuses.then(|| answer.clone())
        });
        line.cut_watches();
        let tag = format!("1.{}.0", 5 + round);
        world.release(&tag);
        world.committed(&tag).await;
        line.answer_nothing();
    }
    let repository = world.until("ImageRepository", "app", "it is ready", is_ready).await;
    assert_eq!(condition(&repository, "Reconciling"), Value::Null);
    ends_with(&world, bot, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_restarts_freezes_or_goes_back_in_time_is_followed() {
    let cluster = Cluster::start();
    let world = World::new(&cluster).await;
    let bot = world.bot("bot").await;
    commits_a_first_tag(&world).await;

    cluster.restart();
    world.release("1.2.0");
    world.committed("1.2.0").await;
    let snapshot = cluster.snapshot();

    cluster.freeze(Part::ApiServer);
    world.release("1.3.0");
    polled(&world).await;
    cluster.thaw(Part::ApiServer);
    world.committed("1.3.0").await;

    cluster.kill(Part::Etcd);
    world.release("1.4.0");
    polled(&world).await;
    cluster.kill(Part::ApiServer);
    cluster.bring_back();
    world.committed("1.4.0").await;

    // The objects say again what they said two selections ago, with versions that are older than those that were seen.
    cluster.restore(&snapshot);
    let latest = |policy: &Value| policy["status"]["latestRef"]["tag"].clone();
    world.until("ImagePolicy", "app", "it selects the newest tag again", |policy| latest(policy) == "1.4.0").await;
    world.release("1.5.0");
    world.committed("1.5.0").await;
    ends_with(&world, bot, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_that_go_and_come_back_are_followed() {
    let cluster = Cluster::start();
    let world = World::new(&cluster).await;
    let bot = world.bot("bot").await;
    commits_a_first_tag(&world).await;

    let kind = GroupVersionKind::gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    let definitions: Api<DynamicObject> = Api::all_with(world.space.admin.clone(), &ApiResource::from_gvk(&kind));
    let name = "imagepolicies.image.toolkit.fluxcd.io";
    definitions.delete(name, &DeleteParams::default()).await.unwrap();
    eventually("the definition is gone", || async { definitions.get_opt(name).await.ok()?.is_none().then_some(()) })
        .await;
    let automation = |shop: &Value| condition(shop, "Ready")["status"] != "Unknown";
    world.until("ImageUpdateAutomation", "shop", "it still says something", automation).await;

    let crds = Manifest::read(
        std::path::Path::new(crate::world::ROOT).join("fixtures/cluster/crds/imagepolicies.yaml").as_path(),
    );
    cluster.apply(&crds).await;
    world.apply().await;
    world.release("1.2.0");
    world.committed("1.2.0").await;
    ends_with(&world, bot, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_that_is_killed_and_another_that_takes_over_commit_each_selection_once() {
    let cluster = Cluster::shared();
    let world = World::new(cluster).await;
    let mut bot = world.bot("first").await;
    commits_a_first_tag(&world).await;
    bot.kill();
    world.release("1.2.0");
    // On another node, without what the first one kept.
    let bot = world.bot("second").await;
    world.committed("1.2.0").await;
    world.patch("ImageRepository", "app", json!({"spec": {"suspend": true}})).await;
    ends_with(&world, bot, 2);
}
