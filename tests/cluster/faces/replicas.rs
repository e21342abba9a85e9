//! A webhook reaches whichever replica a Service chooses, and whoever works on the image looks at the tag, without a list.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{address, committed, post, request, secret, until, world};
use crate::bot::Bot;
use crate::cluster::{Cluster, Space, eventually};
use crate::replicas::fair;
use crate::world::{World, deployed, is_ready, own_definitions};

/// A Lease counts for longer than a test takes: whoever takes over an image lists its tags, and nobody is to because the machine is busy.
const TIMING: [&str; 3] = [
    "--leader-election-lease-duration=1200s",
    "--leader-election-renew-deadline=900s",
    "--leader-election-retry-period=500ms",
];

/// Where the tags stand that replicas have told each other of.
const PUSHED: &str = "tagwright.dev/pushed";

/// What asks for a pass.
const REQUESTED: &str = "reconcile.fluxcd.io/requestedAt";

fn annotation<'o>(object: &'o Value, name: &str) -> &'o Value {
    &object["metadata"]["annotations"][name]
}

/// Starts so many replicas, and waits until each of them receives webhooks.
async fn replicas(world: &World<'_>, count: usize, mode: &str) -> Vec<Bot> {
    let space = &world.space;
    for roles in ["standalone/namespaced/rbac.yaml", "standalone/replicas/rbac.yaml"] {
        space.apply_file(deployed(roles)).await;
    }
    secret(space, "ci", "token", "t").await;
    space
        .apply("apiVersion: tagwright.dev/v1alpha1\nkind: Receiver\nmetadata: {name: ci}\nspec: {type: generic, secretRef: {name: ci}}\n")
        .await;
    let token = space.token("tagwright").await;
    let start = |number| {
        let mut command = world.command(&format!("replica-{number}"), &space.cluster.url(), &token);
        Bot::start(command.args(["--watch-all-namespaces=false", mode]).args(TIMING))
    };
    let mut bots = vec![start(0)];
    if mode == "--replicas-share" {
        // Whoever is alone takes what nobody has ever had; where there are several, they wait for as long as a Lease counts.
        fair(space, 1).await;
    }
    bots.extend((1..count).map(start));
    until(space, "Receiver", "ci", "it is ready", is_ready).await;
    if mode == "--replicas-share" {
        fair(space, count).await;
    }
    for bot in &bots {
        let other = json!({"image": "registry.example/other", "tag": "1"});
        let look = || async { (tell(space, bot, &other).await.0 == 200).then_some(()) };
        eventually("a replica lets in", look).await;
    }
    bots
}

async fn tell(space: &Space<'_>, bot: &Bot, body: &Value) -> (u16, Value) {
    post(&address(bot), &format!("/hooks/{}/ci", space.name), "t", body).await
}

/// Tells a replica of a tag, which has somebody look.
async fn push(world: &World<'_>, bot: &Bot, tag: &str) {
    world.release(tag);
    let (status, answer) = tell(&world.space, bot, &json!({"image": world.image(), "tag": tag})).await;
    assert_eq!((status, &answer["due"]), (202, &json!(1)), "{answer}");
}

/// The replicas may be told to end in any order.
fn end(bots: Vec<Bot>) {
    bots.into_iter().for_each(|mut bot| assert!(bot.stop().success()));
}

/// Each of three is told of some tags, at once: one works on the image, and the others pass on to it what they are told.
#[tokio::test(flavor = "multi_thread")]
async fn of_replicas_that_share_each_is_told_by_any_and_nobody_lists() {
    const ALL: std::ops::RangeInclusive<usize> = 1..=9;
    let cluster = Cluster::shared();
    cluster.apply(&own_definitions()).await;
    let world = World::new(cluster).await;
    // No tag hides another: each is one that a policy of its own selects.
    let policy = |number: usize| {
        format!(
            "---\napiVersion: image.toolkit.fluxcd.io/v1\nkind: ImagePolicy\nmetadata: {{name: app-{number}}}\n\
             spec: {{imageRepositoryRef: {{name: app}}, policy: {{semver: {{range: {number}.x}}}}}}\n"
        )
    };
    ALL.for_each(|number| world.release(&format!("{number}.0.1")));
    world.space.apply(&world.objects_with("", "").replace("interval: 1s", "interval: 1h")).await;
    world.space.apply(&ALL.map(policy).collect::<String>()).await;
    let bots = replicas(&world, 3, "--replicas-share").await;
    for number in ALL {
        world.until("ImagePolicy", &format!("app-{number}"), "it is ready", is_ready).await;
    }
    world.committed("1.0.1").await;
    // Whoever has the image now has listed it.
    world.patch("ImageRepository", "app", json!({"metadata": {"annotations": {REQUESTED: "now"}}})).await;
    world
        .until("ImageRepository", "app", "what is asked for is done", |it| {
            it["status"]["lastHandledReconcileAt"] == "now"
        })
        .await;
    let lists = || world.registry.count("/tags/list");
    let listed = lists();

    let tags: Vec<(usize, String)> = ALL.map(|number| (number, format!("{number}.1.0"))).collect();
    join_all(tags.iter().map(|(number, tag)| push(&world, &bots[number % 3], tag))).await;
    for (number, tag) in &tags {
        let selects = |policy: &Value| policy["status"]["latestRef"]["tag"] == tag.as_str();
        world.until("ImagePolicy", &format!("app-{number}"), "it selects what was pushed", selects).await;
    }
    world.committed("1.1.0").await;
    // One after the other, too, to each of them.
    for (number, bot) in bots.iter().enumerate() {
        let tag = format!("1.{}.0", number + 2);
        push(&world, bot, &tag).await;
        world.committed(&tag).await;
    }
    assert_eq!(lists(), listed, "nobody lists what a webhook tells of");
    assert_eq!(world.commits(), 6, "each tag once");
    let repository = world.object("ImageRepository", "app").await;
    assert_eq!(annotation(&repository, REQUESTED), "now", "nobody has asked for a list");
    let told = annotation(&repository, PUSHED).as_str().unwrap_or_default();
    // Two of three pass on what they are told.
    assert_eq!(told.lines().count(), 8, "{told}");
    end(bots);
}

/// Who leads may be Flux's controller, which reads nothing but requests.
#[tokio::test(flavor = "multi_thread")]
async fn of_replicas_one_of_which_leads_the_leader_is_told_by_any() {
    let cluster = Cluster::shared();
    cluster.apply(&own_definitions()).await;
    let world = World::new(cluster).await;
    world.space.apply(&world.objects_with("", "").replace("interval: 1s", "interval: 1h")).await;
    let bots = replicas(&world, 2, "--enable-leader-election").await;
    world.until("ImagePolicy", "app", "it is ready", is_ready).await;
    world.until("ImageUpdateAutomation", "shop", "it is ready", is_ready).await;
    for (number, bot) in bots.iter().enumerate() {
        let tag = format!("1.{}.0", number + 1);
        push(&world, bot, &tag).await;
        world.committed(&tag).await;
    }
    assert_eq!(world.commits(), 3, "each tag once");
    let is_asked = |it: &Value| annotation(it, REQUESTED).is_string();
    let repository = world.until("ImageRepository", "app", "one has asked the other", is_asked).await;
    assert_eq!(repository["status"]["lastHandledReconcileAt"], *annotation(&repository, REQUESTED));
    assert_eq!(*annotation(&repository, PUSHED), Value::Null);
    end(bots);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_automation_brings_along_is_told_on_it_to_who_shares() {
    is_told_on_an_automation("--replicas-share").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_automation_brings_along_is_told_on_it_to_who_leads() {
    is_told_on_an_automation("--enable-leader-election").await;
}

async fn is_told_on_an_automation(mode: &str) {
    let world = world(Cluster::shared(), "1h").await;
    let bots = replicas(&world, 2, mode).await;
    request(&world.space, "ImageAutomation", "shop", "now").await;
    let lists = || world.registry.count("/tags/list");
    let listed = lists();
    for (number, bot) in bots.iter().enumerate() {
        let tag = format!("1.{}.0", number + 1);
        push(&world, bot, &tag).await;
        committed(&world, &tag).await;
    }
    assert_eq!((lists(), world.commits()), (listed, 3), "each tag once, and without a list");
    let shop = until(&world.space, "ImageAutomation", "shop", "one was told by the other", |it| {
        annotation(it, PUSHED).is_string()
    })
    .await;
    let told = annotation(&shop, PUSHED).as_str().unwrap_or_default();
    assert!(told.lines().count() == 1 && told.contains(&format!(" {}:1.", world.image())), "{told}");
    assert_eq!(*annotation(&shop, REQUESTED), "now");
    end(bots);
}
