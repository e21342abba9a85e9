//! Objects as people change them: suspended, relabelled, deleted, wrong; and how often each of them is written.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::bot::Bot;
use crate::cluster::{Answer, Asked, Cluster, Line, eventually};
use crate::remote::git;
use crate::world::{World, condition, is_ready};

/// How often the tags of the image were asked for since a moment.
fn polls(world: &World<'_>, since: Instant) -> usize {
    world.registry.seen().iter().filter(|seen| seen.path.ends_with("/v2/shop/app/tags/list") && seen.at > since).count()
}

/// Waits until the image was polled so often after now.
async fn polled(world: &World<'_>, times: usize) {
    let since = Instant::now();
    eventually("the image is polled", || async { (polls(world, since) >= times).then_some(()) }).await;
}

/// The writes of a bot so far, as `VERB RESOURCE NAME`.
fn writes(world: &World<'_>) -> Vec<String> {
    let asked = world.space.cluster.asked_by(&world.space.user("tagwright"));
    // What is refused because of another's write is tried again.
    let is_one = |asked: &Asked| asked.is_write() && asked.code != 409 && asked.resource != "events";
    let writes = asked.into_iter().filter(is_one);
    writes.map(|asked| format!("{} {} {}", asked.verb, asked.resource, asked.name)).collect()
}

/// The writes of a bot that has ended, all of them: what was asked later is written down later.
async fn all_writes(world: &World<'_>) -> Vec<String> {
    for n in 0..3 {
        let name = format!("asked-after-{n}");
        world.object("ImagePolicy", &name).await;
        let is_written_down =
            || async { world.space.cluster.asked().iter().any(|asked| asked.name == name).then_some(()) };
        eventually("what was asked last is written down", is_written_down).await;
    }
    writes(world)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_is_one_write_and_a_pass_that_changes_nothing_is_none() {
    let world = World::new(Cluster::shared()).await;
    let mut bot = world.bot("bot").await;
    world.apply().await;
    world.release("1.1.0");
    world.committed("1.1.0").await;
    world.until("ImagePolicy", "app", "it is ready", is_ready).await;
    // From here on the image is only scanned.
    polled(&world, 5).await;
    assert!(bot.stop().success());
    let scans = world.registry.count("/v2/shop/app/tags/list");
    // Of all that there was, and not of a part: the API server writes down what it has answered some time after it has, so that no
    // moment divides what is written down as it divides what was done.
    let all = all_writes(&world).await;
    let of = |what: &str| all.iter().filter(|write| *write == what).count();
    let written = of("patch imagerepositories/status app");
    assert!(written > 1 && written <= scans, "{written} writes for {scans} scans: {all:#?}");
    assert_eq!(of("patch imagerepositories app"), 1, "its finalizer");
    assert_eq!((of("patch imagepolicies app"), of("patch imageupdateautomations shop")), (1, 1));
    // What selects, applies and finds the same as before is not written again, however often it is looked at: of a policy there are two
    // tags to say, and that it was not ready before; of an automation that, a commit and a run that finds nothing more to do.
    assert!(of("patch imagepolicies/status app") <= 3, "{all:#?}");
    assert!(of("patch imageupdateautomations/status shop") <= 4, "{all:#?}");
    let known = ["imagerepositories", "imagepolicies", "imageupdateautomations"];
    let is_known = |write: &String| known.iter().any(|kind| write.starts_with(&format!("patch {kind}")));
    assert!(all.iter().all(is_known), "{all:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_suspended_is_left_alone_until_it_is_resumed() {
    let world = World::new(Cluster::shared()).await;
    let mut bot = world.bot("bot").await;
    world.apply().await;
    world.release("1.1.0");
    world.committed("1.1.0").await;

    world.patch("ImageUpdateAutomation", "shop", json!({"spec": {"suspend": true}})).await;
    world.release("1.2.0");
    let selects = |policy: &Value| policy["status"]["latestRef"]["tag"] == "1.2.0";
    world.until("ImagePolicy", "app", "it selects the new tag", selects).await;
    polled(&world, 2).await;
    assert_eq!(world.commits(), 2, "nobody commits it");
    world.patch("ImageUpdateAutomation", "shop", json!({"spec": {"suspend": false}})).await;
    world.committed("1.2.0").await;
    assert!(bot.stop().success());
    assert_eq!(world.commits(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_stays_missing_is_asked_for_and_nothing_is_read_again() {
    let world = World::new(Cluster::shared()).await;
    let mut bot = world.bot("bot").await;
    world.space.apply(&world.objects_with("", ", secretRef: {name: login}")).await;
    let lacks = |app: &Value| condition(app, "Ready")["reason"] == "AuthenticationFailed";
    world.until("ImageRepository", "app", "its login is missing", lacks).await;
    let asked = || {
        let asked = world.space.cluster.asked_by(&world.space.user("tagwright"));
        asked.iter().filter(|asked| (asked.resource.as_str(), asked.name.as_str()) == ("secrets", "login")).count()
    };
    let reads = |bot: &Bot| bot.log().iter().filter(|line| line["message"] == "reads the objects").count();
    let asked_again = async |times: usize| {
        let before = asked();
        eventually("the secret is asked for", || async { (asked() >= before + times).then_some(()) }).await;
    };
    // What is under way ends.
    asked_again(1).await;
    let before = reads(&bot);
    asked_again(2).await;
    assert_eq!(reads(&bot), before);
    assert!(before > 0 && bot.stop().success());
}

/// A release is about what was taken back until it was obeyed, also while nobody can take it off.
#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_cannot_be_taken_off_is_obeyed_once() {
    let world = World::new(Cluster::shared()).await;
    let line = Line::to(world.space.cluster).await;
    let mut bot = world.bot_behind("bot", &line.url).await;
    world.apply().await;
    world.release("1.1.0");
    world.committed("1.1.0").await;
    line.answer(|method, path| {
        let is_of_order =
            method == "PATCH" && path.split('?').next().is_some_and(|path| path.ends_with("/imagepolicies/app"));
        is_of_order.then(|| Answer::refusal(409, "Conflict", "the object has been modified"))
    });
    let order = |text: &str| json!({"metadata": {"annotations": {"tagwright.dev/release": text}}});
    world.patch("ImagePolicy", "app", order("one")).await;
    let released = |bot: &Bot| bot.log().iter().filter(|line| line["message"] == "released").count();
    eventually("the release is obeyed", || async { (released(&bot) > 0).then_some(()) }).await;
    // Objects are read again.
    world.patch("ImagePolicy", "app", json!({"spec": {"policy": {"semver": {"range": "1.x || 0.x"}}}})).await;
    world.until("ImagePolicy", "app", "its new range is observed", is_ready).await;
    assert_eq!(released(&bot), 1);
    // Another one is another.
    world.patch("ImagePolicy", "app", order("two")).await;
    eventually("the other one is obeyed", || async { (released(&bot) > 1).then_some(()) }).await;
    line.answer_nothing();
    let is_off = |app: &Value| app["metadata"]["annotations"]["tagwright.dev/release"].is_null();
    world.until("ImagePolicy", "app", "has no order any more", is_off).await;
    assert_eq!(released(&bot), 2);
    assert!(bot.stop().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_moves_to_another_shard_is_worked_on_there_and_keeps_its_status() {
    let world = World::new(Cluster::shared()).await;
    let shard = |name: &str| json!({"metadata": {"labels": {"sharding.fluxcd.io/key": name}}});
    let kinds = [("ImageRepository", "app"), ("ImagePolicy", "app"), ("ImageUpdateAutomation", "shop")];
    world.space.apply_file(crate::world::deployed("standalone/namespaced/rbac.yaml")).await;
    let token = world.space.token("tagwright").await;
    let url = world.space.cluster.url();
    let start = |name: &str| {
        let mut command = world.command(name, &url, &token);
        command.args(["--watch-all-namespaces=false", "--watch-label-selector"]);
        Bot::start(command.arg(format!("sharding.fluxcd.io/key={name}")))
    };
    let mut bots = [start("one"), start("two")];
    world.space.apply(&world.objects_with(", labels: {sharding.fluxcd.io/key: one}", "")).await;
    world.release("1.1.0");
    world.committed("1.1.0").await;
    for (kind, name) in kinds {
        world.patch(kind, name, shard("two")).await;
    }
    world.release("1.2.0");
    world.committed("1.2.0").await;
    for (kind, name) in kinds {
        let object = world.object(kind, name).await;
        assert_eq!(object["metadata"]["finalizers"], json!(["finalizers.fluxcd.io"]), "{kind}: it is not gone");
    }
    let repository = world.object("ImageRepository", "app").await;
    assert_eq!(repository["status"]["lastScanResult"]["tagCount"], 3);
    for bot in &mut bots {
        bot.is_alive();
        assert!(bot.stop().success());
    }
    assert_eq!(world.commits(), 3, "each selection was committed once");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_is_let_go_and_what_comes_back_is_new() {
    let world = World::new(Cluster::shared()).await;
    let mut bot = world.bot("bot").await;
    world.apply().await;
    world.release("1.1.0");
    world.committed("1.1.0").await;
    for (kind, name) in [("ImageUpdateAutomation", "shop"), ("ImagePolicy", "app"), ("ImageRepository", "app")] {
        world.all(kind).await.delete(name, &Default::default()).await.unwrap();
        world.until(kind, name, "it is gone", Value::is_null).await;
    }
    world.release("1.2.0");
    world.apply().await;
    world.committed("1.2.0").await;
    assert!(bot.stop().success());
    assert_eq!(world.commits(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_wrong_says_so_and_the_others_go_on() {
    let world = World::new(Cluster::shared()).await;
    let mut bot = world.bot("bot").await;
    let more = "
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageRepository
metadata: {name: wrong}
spec: {image: 'https://registry.example.com/app', interval: 1s}
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImagePolicy
metadata: {name: wrong}
spec: {imageRepositoryRef: {name: app}, policy: {semver: {range: 'not a range'}}}
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImagePolicy
metadata: {name: lonely}
spec: {imageRepositoryRef: {name: nowhere}, policy: {semver: {range: '*'}}}
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageUpdateAutomation
metadata: {name: lonely}
spec: {interval: 1h, sourceRef: {kind: GitRepository, name: nowhere}, git: {commit: {author: {email: bot@example.com}}}}
---
apiVersion: v1
kind: Secret
metadata: {name: empty}
stringData: {other: x}
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageUpdateAutomation
metadata: {name: unsigned}
spec:
  interval: 1h
  sourceRef: {kind: GitRepository, name: config}
  git: {commit: {author: {email: bot@example.com}, signingKey: {secretRef: {name: empty}}}}
";
    world.space.apply(&format!("{}{more}", world.objects_with("", ""))).await;
    world.release("1.1.0");
    world.committed("1.1.0").await;
    for (kind, name, reason, stalled) in [
        ("ImageRepository", "wrong", "ImageURLInvalid", true),
        ("ImagePolicy", "wrong", "InvalidPolicy", true),
        ("ImagePolicy", "lonely", "DependencyNotReady", false),
        ("ImageUpdateAutomation", "lonely", "SourceManagerFailed", false),
        ("ImageUpdateAutomation", "unsigned", "SourceManagerFailed", false),
    ] {
        let says = |object: &Value| condition(object, "Ready")["reason"] == reason;
        let object = world.until(kind, name, reason, says).await;
        assert_eq!(condition(&object, "Ready")["status"], "False", "{kind} {name}");
        assert_eq!(condition(&object, "Stalled")["status"] == "True", stalled, "{kind} {name}: {object:#}");
        if name == "unsigned" {
            let namespace = &world.space.name;
            let says = format!("signing key secret '{namespace}/empty' does not contain a 'git.asc' key");
            assert_eq!(condition(&object, "Ready")["message"], format!("failed configuring source manager: {says}"));
        }
    }
    assert!(bot.stop().success());
}

/// The key comes from a Secret of the namespace, which may come last.
#[tokio::test(flavor = "multi_thread")]
async fn commits_are_signed_with_the_key_of_a_secret() {
    let world = World::new(Cluster::shared()).await;
    let folder = std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/signing"));
    let key = std::fs::read_to_string(folder.join("ssh-ed25519")).unwrap();
    let secret =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "signing"}, "stringData": {"identity": key}});
    let signs = "author: {email: bot@example.com}, signingKey: {type: ssh, secretRef: {name: signing}}";
    let objects = world.objects_with("", "").replace("author: {email: bot@example.com}", signs);
    world.space.apply(&format!("{objects}---\n{secret}\n")).await;
    let mut bot = world.bot("bot").await;
    world.release("1.1.0");
    world.committed("1.1.0").await;
    world.until("ImageUpdateAutomation", "shop", "it is ready", is_ready).await;
    let commit = git(&world.remote.bare(), &["cat-file", "commit", "main"]);
    let signature = commit.split("\ngpgsig ").nth(1).unwrap_or_else(|| panic!("{commit}"));
    assert!(signature.starts_with("-----BEGIN SSH SIGNATURE-----\n "), "{commit}");
    let log = bot.log().iter().map(ToString::to_string).collect::<String>();
    assert!(!log.contains("PRIVATE KEY") && bot.stop().success());
}

/// What notification-controller got.
type Got = Arc<Mutex<Vec<Value>>>;

async fn receiver() -> (String, Got) {
    let got = Got::default();
    let take = |State(got): State<Got>, Json(body): Json<Value>| async move {
        got.lock().unwrap().push(body);
        StatusCode::ACCEPTED
    };
    let router = axum::Router::new().fallback(take).with_state(Arc::clone(&got));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, got)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_told_to_the_api_server_and_to_notification_controller() {
    let world = World::new(Cluster::shared()).await;
    let (url, got) = receiver().await;
    world.space.apply_file(crate::world::deployed("standalone/namespaced/rbac.yaml")).await;
    let token = world.space.token("tagwright").await;
    let mut command = world.command("bot", &world.space.cluster.url(), &token);
    let mut bot = Bot::start(command.args(["--watch-all-namespaces=false", "--events-addr", &url]));
    let annotations = ", annotations: {event.toolkit.fluxcd.io/team: shop, example.com/other: kept}";
    world.space.apply(&world.objects_with(annotations, "")).await;
    world.release("1.1.0");
    world.committed("1.1.0").await;
    let head = world.remote.at("main");

    let pushed = || async {
        let got = got.lock().unwrap().clone();
        got.into_iter().find(|event| event["involvedObject"]["kind"] == "ImageUpdateAutomation")
    };
    let pushed = eventually("the push is told", pushed).await;
    let message = pushed["message"].as_str().unwrap();
    assert!(message.starts_with(&format!("pushed commit '{}' to branch 'main'", &head[..7])), "{message}");
    assert_eq!((pushed["severity"].as_str(), pushed["reason"].as_str()), (Some("info"), Some("Succeeded")));
    assert_eq!(pushed["metadata"], json!({"event.toolkit.fluxcd.io/team": "shop"}));
    assert_eq!(pushed["reportingController"], "image-automation-controller");
    assert!(bot.stop().success());
    // Only now, since traces come as long as images are scanned.
    let traces =
        got.lock().unwrap().iter().filter(|event| event["message"].as_str().unwrap().contains("next scan in")).count();
    assert_eq!(traces, 0, "traces are for the API server alone");
    let events = world.events("ImageUpdateAutomation").await;
    assert!(events.iter().any(|event| event == &format!("Normal Succeeded: {message}")), "{events:#?}");
    let events = world.events("ImageRepository").await;
    assert!(events.iter().any(|event| event.starts_with("Normal Succeeded: successful scan: found ")), "{events:#?}");
    let events = world.events("ImagePolicy").await;
    let latest = format!("Normal Succeeded: Latest image tag for {} resolved to 1.1.0", world.image());
    assert!(events.iter().any(|event| event.starts_with(&latest)), "{events:#?}");
}
