//! Resources that are submitted to a bot over HTTP.

use axum::routing::post;
use axum::{Json, Router};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::remote::Remote;
use crate::world::{World, answer};

fn configuration(remote: &Remote) -> String {
    format!(
        "apiVersion: tagwright.dev/v1alpha1\nkind: GitSync\nmetadata: {{name: rendered}}\nspec: {{url: {}, branch: main, path: prod, prune: true}}\n",
        remote.path()
    )
}

fn config_map(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  namespace: shop\n")
}

fn commits(remote: &Remote) -> usize {
    crate::remote::git(&remote.bare(), &["rev-list", "--count", "main"]).trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_submitted_is_pushed_told_and_shown() {
    let remote = Remote::with(&[("README.md", "ours\n")]);
    let world = World::with_configuration(&configuration(&remote)).await;
    let before = commits(&remote);
    let both = format!("{}---\n{}", config_map("a"), config_map("b"));
    let (code, dry) = world.order("/api/v1/submit?sync=rendered&dryRun=true", &both).await;
    assert_eq!((code, dry["outcome"].as_str(), commits(&remote)), (200, Some("would-push"), before), "{dry}");
    let (code, done) = world.order("/api/v1/submit?sync=default/rendered", &both).await;
    assert_eq!((code, done["outcome"].as_str()), (200, Some("pushed")), "{done}");
    assert_eq!(done["created"][1]["file"], "prod/shop/configmap-b.yaml");
    assert_eq!(remote.show("main:prod/shop/configmap-a.yaml").trim(), config_map("a").trim());
    let (_, again) = world.order("/api/v1/submit?sync=rendered", &both).await;
    assert_eq!((again["outcome"].as_str(), again["unchanged"].as_u64()), (Some("unchanged"), Some(2)), "{again}");
    let (_, pruned) = world.order("/api/v1/submit?sync=rendered", &config_map("a")).await;
    assert_eq!(pruned["removed"][0]["name"], "b", "{pruned}");
    assert_eq!(commits(&remote), before + 2);
    // The status and the history have it, and who it was.
    let (_, status) = world.ask("/api/v1/status").await;
    let row = &status["automations"][0];
    assert_eq!((row["name"].as_str(), row["ready"].as_str()), (Some("rendered"), Some("True")), "{row}");
    assert_eq!(row["lastCommit"], pruned["commit"]);
    let (_, history) = world.ask("/api/v1/history").await;
    assert_eq!(history["entries"].as_array().unwrap().len(), 2, "{history}");
    assert_eq!(history["entries"][0]["by"], "socket", "{history}");
    // The page has it as well.
    let (client, base) = world.public();
    for path in ["/automations", "/automations/default/rendered", "/history"] {
        let (code, page) = answer(client.get(format!("{base}{path}"))).await;
        assert!(code == 200 && page.to_string().contains("rendered"), "{path}: {code} {page}");
    }
    // Suspended by hand, it takes nothing.
    let (code, _) = world.order("/api/v1/automations/default/rendered/suspend", "").await;
    assert_eq!(code, 200);
    let (code, held) = world.order("/api/v1/submit?sync=rendered", &both).await;
    assert_eq!((code, held["outcome"].as_str()), (200, Some("held")), "{held}");
}

/// A bot of which a program is told what becomes of what is submitted.
async fn told_of(remote: &Remote) -> (World, mpsc::UnboundedReceiver<Value>) {
    let (heard, told) = mpsc::unbounded_channel::<Value>();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let take = move |Json(event): Json<Value>| {
        heard.send(event).unwrap();
        std::future::ready("taken")
    };
    let router = Router::new().route("/events", post(take));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let notification = format!(
        "apiVersion: tagwright.dev/v1alpha1\nkind: Notification\nmetadata: {{name: program}}\n\
         spec: {{type: generic, address: 'http://{address}/events', group: 1s, quiet: 1s, sources: [{{kind: GitSync, name: rendered}}]}}\n"
    );
    (World::with_configuration(&format!("{}---\n{notification}", configuration(remote))).await, told)
}

/// Whoever is told of commits is told of these, and not of what would be written.
#[tokio::test(flavor = "multi_thread")]
async fn commits_of_what_is_submitted_are_told() {
    let remote = Remote::with(&[("README.md", "ours\n")]);
    let (world, mut told) = told_of(&remote).await;
    let (_, dry) = world.order("/api/v1/submit?sync=rendered&dryRun=true", &config_map("a")).await;
    assert_eq!(dry["outcome"], "would-push", "{dry}");
    let (_, done) = world.order("/api/v1/submit?sync=rendered", &config_map("a")).await;
    let commit = done["commit"].as_str().unwrap();
    let event = told.recv().await.unwrap();
    assert_eq!((&event["reason"], &event["involvedObject"]["kind"]), (&"pushed".into(), &"GitSync".into()), "{event}");
    assert_eq!(event["metadata"]["revision"], format!("main@sha1:{commit}"));
    let message = event["message"].as_str().unwrap();
    assert!(message.ends_with(", 1 new of what was submitted"), "{message}");
    assert!(told.try_recv().is_err());
}

/// As of automations: what fails is told once, whether the submitter or the remote is to blame, and its end, too.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_submitted_is_told_once_and_that_it_works_again() {
    let remote = Remote::with(&[("README.md", "ours\n"), ("prod/shop/configmap-theirs.yaml", "a: b\n")]);
    let (world, mut told) = told_of(&remote).await;
    let submit = async |name: &str| world.order("/api/v1/submit?sync=rendered", &config_map(name)).await.0;
    assert_eq!((submit("theirs").await, submit("theirs").await), (400, 400));
    let event = told.recv().await.unwrap();
    assert_eq!((&event["reason"], &event["involvedObject"]["kind"]), (&"failing".into(), &"GitSync".into()), "{event}");
    let message = event["message"].as_str().unwrap();
    assert!(message.contains("default/rendered") && message.contains("was not written by this submitter"), "{message}");
    let two = async |told: &mut mpsc::UnboundedReceiver<Value>| {
        let mut reasons = [told.recv().await.unwrap(), told.recv().await.unwrap()].map(|it| it["reason"].to_string());
        reasons.sort();
        reasons
    };
    assert_eq!(submit("a").await, 200);
    assert_eq!(two(&mut told).await, ["\"pushed\"", "\"recovered\""]);

    let away = remote.bare().with_extension("away");
    std::fs::rename(remote.bare(), &away).unwrap();
    assert_ne!(submit("b").await, 200);
    assert_eq!(told.recv().await.unwrap()["reason"], "failing");
    std::fs::rename(&away, remote.bare()).unwrap();
    assert_eq!(submit("b").await, 200);
    assert_eq!(two(&mut told).await, ["\"pushed\"", "\"recovered\""]);
    assert!(told.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_written_is_refused() {
    let remote = Remote::with(&[("README.md", "ours\n"), ("prod/shop/configmap-theirs.yaml", "a: b\n")]);
    let world = World::with_configuration(&configuration(&remote)).await;
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: shop}\ndata: {a: c2VzYW1l}\n";
    let large = format!("a: {}\n", "x".repeat(17 << 20));
    for (sync, body, code, says) in [
        ("rendered", secret, 400, "is not encrypted"),
        ("rendered", "", 400, "there is no resource to submit"),
        ("rendered", "a: [", 400, "not YAML"),
        ("rendered", &config_map("theirs"), 400, "was not written by this submitter"),
        ("nobody", &config_map("a"), 404, "there is no GitSync default/nobody"),
        ("rendered", &large, 413, "16 MiB"),
    ] {
        let (found, answer) = world.order(&format!("/api/v1/submit?sync={sync}"), body).await;
        assert_eq!(found, code, "{answer}");
        assert!(answer.to_string().contains(says) && !answer.to_string().contains("c2VzYW1l"), "{answer}");
    }
    let (code, _) = world.order("/api/v1/submit", &config_map("a")).await;
    assert_eq!(code, 400, "it does not say where to");
    remote.fsck();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_only_ask_submits_nothing() {
    let hash = |token: &str| Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let world = World::with_tokens(&format!("grafana read {}\nann act {}\n", hash("asks"), hash("orders"))).await;
    let (client, base) = world.public();
    let submit = async |token: &str| -> (u16, Value) {
        let request = client.post(format!("{base}/api/v1/submit?sync=rendered")).bearer_auth(token);
        answer(request.body(config_map("a"))).await
    };
    assert_eq!(submit("asks").await.0, 403);
    assert_eq!(submit("nobody").await.0, 401);
    assert_eq!(submit("orders").await.0, 404, "it may, and there is no such GitSync");
}

/// More at once than there are places would be refused, so that these are as many; all of them arrive.
#[tokio::test(flavor = "multi_thread")]
async fn several_at_once_write_one_after_the_other() {
    let remote = Remote::with(&[("README.md", "ours\n")]);
    let two = format!("{}---\n{}", configuration(&remote), configuration(&remote).replace("rendered", "other"));
    let world = World::with_configuration(&two).await;
    let before = commits(&remote);
    let (a, b) = (config_map("a"), config_map("b"));
    let (one, two) =
        tokio::join!(world.order("/api/v1/submit?sync=rendered", &a), world.order("/api/v1/submit?sync=other", &b));
    for (code, done) in [one, two] {
        assert_eq!((code, done["outcome"].as_str()), (200, Some("pushed")), "{done}");
    }
    assert_eq!(commits(&remote), before + 2);
    remote.fsck();
}
