//! A `Receiver`: from its first condition to the commit that a webhook brings about, and to its end.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{address, committed, own, patch, post, request, says, secret, until, world};
use crate::cluster::{Cluster, eventually};
use crate::world::{World, condition, is_ready, own_definitions};

/// The receiver of the namespace.
async fn receiver(world: &World<'_>, more: &str) {
    let text = format!(
        "apiVersion: tagwright.dev/v1alpha1\nkind: Receiver\nmetadata: {{name: ci}}\n\
         spec: {{type: generic, secretRef: {{name: ci}}{more}}}\n"
    );
    world.space.apply(&text).await;
}

/// Where Flux's controller would receive.
fn flux_path(world: &World<'_>, token: &str) -> String {
    let digest = Sha256::digest(format!("{token}ci{}", world.space.name));
    format!("/hook/{}", digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// Waits until a path answers so.
async fn answers(address: &str, path: &str, body: &Value, status: u16) -> Value {
    let look = || async { Some(post(address, path, "first", body).await).filter(|(is, _)| *is == status) };
    eventually(&format!("{path} answers {status}"), look).await.1
}

/// How many tags were asked for by themselves.
fn looks(world: &World<'_>) -> usize {
    world.registry.seen().iter().filter(|seen| seen.path.contains("/manifests/")).count()
}

/// Flux's objects: what was pushed is on the policy and in the branch at once, and the image repository says what the last list came to
/// until somebody wants the next.
#[tokio::test(flavor = "multi_thread")]
async fn a_pushed_tag_is_looked_at_by_itself() {
    let cluster = Cluster::shared();
    cluster.apply(&own_definitions()).await;
    let world = World::new(cluster).await;
    let space = &world.space;
    secret(space, "ci", "token", "first").await;
    receiver(&world, "").await;
    let objects = world.objects_with("", "").replace("interval: 1s", "interval: 1h");
    space.apply(&objects.replace("1.x}}", "1.x}}, digestReflectionPolicy: IfNotPresent")).await;
    let mut bot = world.bot("bot").await;
    let address = address(&bot);
    until(space, "Receiver", "ci", "it is ready", is_ready).await;
    let before = world.until("ImagePolicy", "app", "it is ready", is_ready).await;
    world.until("ImageUpdateAutomation", "shop", "it is ready", is_ready).await;
    let first = world.until("ImageRepository", "app", "it is ready", is_ready).await;
    let lists = || world.registry.count("/tags/list");
    let (listed, looked) = (lists(), looks(&world));

    let path = format!("/hooks/{}/ci", space.name);
    let pushed = |tag: &str| json!({"image": world.image(), "tag": tag});
    world.release("1.1.0");
    assert_eq!(post(&address, &path, "first", &pushed("1.1.0")).await.0, 202);
    let selects = |policy: &Value| policy["status"]["latestRef"]["tag"] == "1.1.0" && is_ready(policy);
    let policy = world.until("ImagePolicy", "app", "it selects what was pushed", selects).await;
    let digest = &policy["status"]["latestRef"]["digest"];
    assert!(digest.is_string() && *digest != before["status"]["latestRef"]["digest"], "{policy}");
    let says = || async { world.remote.show("main:app.yaml").contains(":1.1.0").then_some(()) };
    eventually("it is in the branch", says).await;
    assert_eq!((lists(), looks(&world)), (listed, looked + 1));
    // One that is not there changes nothing.
    assert_eq!(post(&address, &path, "first", &pushed("1.9.0")).await.0, 202);
    eventually("it is asked for", || async { (looks(&world) > looked + 1).then_some(()) }).await;
    let repository = world.object("ImageRepository", "app").await;
    assert_eq!(repository["status"], first["status"], "it says what the last list came to");

    world
        .patch(
            "ImageRepository",
            "app",
            json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "now"}}}),
        )
        .await;
    let is_handled = |it: &Value| it["status"]["lastHandledReconcileAt"] == "now";
    let repository = world.until("ImageRepository", "app", "the scan that is asked for is made", is_handled).await;
    assert_eq!(repository["status"]["lastScanResult"]["tagCount"], 2);
    assert_eq!(lists(), listed + 1);
    assert!(selects(&world.object("ImagePolicy", "app").await) && bot.stop().success());
    assert_eq!(world.commits(), 3, "the digest of the first tag, and the other tag");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_is_let_in_and_what_it_pushed_is_committed() {
    let world = world(Cluster::shared(), "1h").await;
    let space = &world.space;
    let mut bot = world.bot("bot").await;
    let address = address(&bot);
    until(space, "ImageAutomation", "shop", "it is ready", is_ready).await;
    let lists = || world.registry.count("/tags/list");
    let (image, by_name) = (world.image(), format!("/hooks/{}/ci", space.name));
    let pushed = |tag: &str| json!({"image": image, "tag": tag});

    // Without its secret nobody is let in, which it says.
    receiver(&world, "").await;
    let missing = format!("secret '{}/ci' not found", space.name);
    let lacking = until(space, "Receiver", "ci", "the secret is missing", says("AccessDenied", &missing)).await;
    assert_eq!(
        (&lacking["status"]["observedGeneration"], &lacking["status"]["webhookPath"]),
        (&json!(-1), &json!(null))
    );
    assert_eq!(condition(&lacking, "Reconciling")["reason"], "ProgressingWithRetry");
    assert_eq!(post(&address, &by_name, "first", &pushed("1.1.0")).await.0, 404);

    // With it, it is received where Flux would.
    secret(space, "ci", "token", "first").await;
    request(space, "Receiver", "ci", "the secret is there").await;
    let ready = until(space, "Receiver", "ci", "it is ready", is_ready).await;
    let path = ready["status"]["webhookPath"].as_str().unwrap().to_owned();
    assert_eq!(path, flux_path(&world, "first"));
    assert_eq!(condition(&ready, "Ready")["message"], format!("receives webhooks at {path}"));
    assert_eq!(ready["metadata"]["finalizers"], json!(null), "nothing holds it");
    let (before, looks_before) = (lists(), looks(&world));
    world.release("1.1.0");
    assert_eq!(
        post(&address, &path, "nobody's", &pushed("1.1.0")).await,
        (202, json!({"result": "accepted", "due": 1}))
    );
    committed(&world, "1.1.0").await;
    assert_eq!(post(&address, &by_name, "nobody's", &pushed("1.2.0")).await.0, 401);
    world.release("1.2.0");
    assert_eq!(post(&address, &by_name, "first", &pushed("1.2.0")).await.0, 202);
    committed(&world, "1.2.0").await;
    assert_eq!(
        (lists(), looks(&world)),
        (before, looks_before + 2),
        "each tag is asked for by itself, once, and no list"
    );

    // Another token: another path.
    secret(space, "ci", "token", "second").await;
    let other = request(space, "Receiver", "ci", "another token").await;
    let other = match other["status"]["webhookPath"] == flux_path(&world, "second") {
        true => other,
        false => {
            let moved = |it: &Value| it["status"]["webhookPath"] == flux_path(&world, "second");
            until(space, "Receiver", "ci", "another path", moved).await
        }
    };
    assert!(is_ready(&other), "{other}");
    answers(&address, &path, &pushed("1.3.0"), 404).await;

    // About another image alone: what it tells of this one is none of its business.
    let path = flux_path(&world, "second");
    patch(space, "Receiver", "ci", json!({"spec": {"resources": [{"kind": "ImagePolicy", "name": "other"}]}})).await;
    let idle = until(space, "Receiver", "ci", "what it is about is not there", |it| {
        is_ready(it) && condition(it, "tagwright.dev/Findings")["status"] == "True"
    })
    .await;
    let said = condition(&idle, "tagwright.dev/Findings")["message"].as_str().unwrap().to_owned();
    assert!(said.contains(&format!("{}/other, which is not here", space.name)), "{said}");
    assert_eq!(answers(&address, &path, &pushed("1.3.0"), 200).await["result"], "ignored");
    patch(space, "Receiver", "ci", json!({"spec": {"resources": null}})).await;
    until(space, "Receiver", "ci", "nothing is in vain", |it| {
        is_ready(it) && condition(it, "tagwright.dev/Findings").is_null()
    })
    .await;

    // Suspended and resumed, then deleted.
    patch(space, "Receiver", "ci", json!({"spec": {"suspend": true}})).await;
    answers(&address, &path, &pushed("1.3.0"), 404).await;
    until(space, "Receiver", "ci", "its suspension is taken note of", is_ready).await;
    patch(space, "Receiver", "ci", json!({"spec": {"suspend": false}})).await;
    world.release("1.3.0");
    answers(&address, &path, &pushed("1.3.0"), 202).await;
    committed(&world, "1.3.0").await;
    own(space, "Receiver").await.delete("ci", &Default::default()).await.unwrap();
    answers(&address, &path, &pushed("1.4.0"), 404).await;
    assert_eq!(world.commits(), 4, "each tag once");
    assert!(bot.stop().success());
}
