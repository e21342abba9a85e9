//! Objects that want to be trouble: large ones, many, in namespaces that go, with secrets that nobody may read.

use std::time::Instant;

use futures_util::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{DeleteParams, DynamicObject, ListParams, PostParams};
use serde_json::{Value, json};

use crate::bot::Bot;
use crate::cluster::{Cluster, Manifest, eventually};
use crate::world::{IMAGE, World, condition, deployed, is_ready};

/// Objects that lack something, beside those that are to be worked on meanwhile.
const MANY: usize = 500;

/// How many are created at a time.
const AT_A_TIME: usize = 16;

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_objects_that_lack_something_hold_nobody_up() {
    let cluster = Cluster::start();
    let world = World::new(&cluster).await;
    let policies = world.all("ImagePolicy").await;
    let create = |n: usize| {
        let policies = policies.clone();
        async move {
            // As large as annotations can be, together with what the API server adds.
            let ballast = if n.is_multiple_of(50) { 200_000 } else { 200 };
            let policy: DynamicObject = serde_json::from_value(json!({
                "apiVersion": IMAGE, "kind": "ImagePolicy",
                "metadata": {"name": format!("lonely-{n}"), "annotations": {"tagwright.dev/note": "x".repeat(ballast)}},
                "spec": {"imageRepositoryRef": {"name": "nowhere"}, "policy": {"semver": {"range": "*"}}},
            }))
            .unwrap();
            policies.create(&PostParams::default(), &policy).await.unwrap();
        }
    };
    stream::iter(0..MANY).map(create).buffer_unordered(AT_A_TIME).collect::<Vec<()>>().await;
    world.apply().await;
    world.release("1.1.0");
    let mut bot = world.bot("bot").await;
    world.committed("1.1.0").await;
    // Each of them says what it lacks.
    let all_say_so = || async {
        let all = policies.list(&ListParams::default()).await.ok()?.items;
        let lonely = all.iter().filter(|policy| policy.metadata.name.as_deref().unwrap().starts_with("lonely-"));
        let says = lonely.filter(|policy| condition(&json!(policy), "Ready")["reason"] == "DependencyNotReady").count();
        (says == MANY).then_some(())
    };
    eventually("each policy says what it lacks", all_say_so).await;
    bot.is_alive();
    assert!(bot.stop().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_nobody_may_read_is_its_objects_problem() {
    let world = World::new(Cluster::shared()).await;
    // The roles for one namespace, without the one for secrets.
    let mut roles = Manifest::read(&deployed("standalone/namespaced/rbac.yaml"));
    roles.0.retain(|object| object["metadata"]["name"] != "tagwright-secrets");
    world.space.cluster.apply(&roles.placed(&world.space.name)).await;
    let token = world.space.token("tagwright").await;
    let url = world.space.cluster.url();
    let mut bot = Bot::start(world.command("bot", &url, &token).arg("--watch-all-namespaces=false"));
    let private = format!(
        "
---
apiVersion: v1
kind: Secret
metadata: {{name: login}}
stringData: {{password: hunter2}}
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageRepository
metadata: {{name: private}}
spec: {{image: '{}', interval: 1s, insecure: true, secretRef: {{name: login}}}}
",
        world.image()
    );
    world.space.apply(&format!("{}{private}", world.objects_with("", ""))).await;
    world.release("1.1.0");
    world.committed("1.1.0").await;
    let failed = |object: &Value| condition(object, "Ready")["reason"] == "AuthenticationFailed";
    let object = world.until("ImageRepository", "private", "it may not", failed).await;
    let message = condition(&object, "Ready")["message"].as_str().unwrap().to_owned();
    assert!(message.contains("secret") && message.contains("login") && !message.contains("hunter2"), "{message}");
    assert!(bot.stop().success());
    assert!(bot.log().iter().all(|line| !line.to_string().contains("hunter2")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_goes_is_let_go() {
    let cluster = Cluster::start();
    let world = World::new(&cluster).await;
    world.space.apply_file(deployed("standalone/cluster-wide/rbac.yaml")).await;
    let token = world.space.token("tagwright").await;
    let mut bot = Bot::start(&mut world.command("bot", &cluster.url(), &token));
    world.apply().await;
    world.release("1.1.0");
    world.committed("1.1.0").await;
    let doomed = World::new(&cluster).await;
    doomed.apply().await;
    doomed.until("ImageRepository", "app", "it is ready", is_ready).await;

    let namespaces: Api<Namespace> = Api::all(doomed.space.admin.clone());
    namespaces.delete(&doomed.space.name, &DeleteParams::default()).await.unwrap();
    // What a controller would do after that.
    for (kind, name) in [("ImageUpdateAutomation", "shop"), ("ImagePolicy", "app"), ("ImageRepository", "app")] {
        doomed.all(kind).await.delete(name, &DeleteParams::default()).await.unwrap();
        doomed.until(kind, name, "it is gone", Value::is_null).await;
    }
    let since = Instant::now();
    world.release("1.2.0");
    world.committed("1.2.0").await;
    let late = doomed.registry.seen().into_iter().filter(|seen| seen.at > since).count();
    assert_eq!(late, 0, "nobody polls for what is gone");
    bot.is_alive();
    assert!(bot.stop().success());
}
