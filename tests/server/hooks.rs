//! Webhooks as senders make them: who is believed, what comes of it, and that nobody can make it cost much.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use serde_json::{Value, json};
use tagwright::config;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::world::{World, answer};

const TOKEN: &str = "s3cret-of-the-hook";

const RECEIVERS: &str = "
apiVersion: tagwright.dev/v1alpha1
kind: Receiver
metadata: {name: ci}
spec: {type: generic, secretRef: {name: hook}}
---
apiVersion: notification.toolkit.fluxcd.io/v1
kind: Receiver
metadata: {name: ghcr, namespace: default}
spec:
  type: github
  events: [ping, package]
  secretRef: {name: hook}
  resources: [{kind: ImageRepository, name: web}]
---
apiVersion: tagwright.dev/v1alpha1
kind: Receiver
metadata: {name: elsewhere}
spec: {type: github, secretRef: {name: hook}, resources: [{kind: ImageRepository, name: postgres}]}
---
apiVersion: tagwright.dev/v1alpha1
kind: Receiver
metadata: {name: pushes}
spec: {type: gitlab, secretRef: {name: hook}}
---
apiVersion: tagwright.dev/v1alpha1
kind: Receiver
metadata: {name: off}
spec: {type: generic, secretRef: {name: hook}, suspend: true}
---
apiVersion: v1
kind: Secret
metadata: {name: hook}
stringData: {token: s3cret-of-the-hook}
";

async fn world() -> World {
    let world = World::start().await;
    world.handle.take_receivers(config::parse("hooks.yaml", RECEIVERS).unwrap().receivers);
    world
}

fn fixture(name: &str) -> (Vec<(String, String)>, Vec<u8>) {
    let path = format!("{}/fixtures/webhooks/{name}.http", env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(path).unwrap();
    let end = bytes.windows(2).position(|two| two == b"\n\n").unwrap();
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let headers = head.lines().skip(1).map(|line| line.split_once(": ").unwrap());
    (headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(), bytes[end + 2..].to_vec())
}

async fn post(world: &World, path: &str, headers: &[(String, String)], body: Vec<u8>) -> (u16, Value) {
    let (client, base) = world.public();
    let request = client.post(format!("{base}{path}")).body(body);
    answer(headers.iter().fold(request, |request, (name, value)| request.header(name, value))).await
}

fn bearer() -> Vec<(String, String)> {
    vec![("Authorization".to_owned(), format!("Bearer {TOKEN}"))]
}

fn body(tag: &str) -> Vec<u8> {
    json!({"image": "ghcr.io/acme/web", "tag": tag}).to_string().into_bytes()
}

/// What was counted, by source and result.
async fn counted(world: &World) -> BTreeMap<(String, String), u64> {
    let (client, base) = world.public();
    let text = client.get(format!("{base}/metrics")).send().await.unwrap().text().await.unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix("tagwright_webhooks_total{"));
    let word = |labels: &str, name: &str| {
        labels.split(&format!("{name}=\"")).nth(1).and_then(|rest| rest.split('"').next()).unwrap().to_owned()
    };
    lines
        .map(|line| {
            let (labels, value) = line.split_once("} ").unwrap();
            ((word(labels, "source"), word(labels, "result")), value.parse().unwrap())
        })
        .collect()
}

#[tokio::test]
async fn a_webhook_is_believed_by_its_proof_and_taken_once() {
    let world = world().await;
    let taken = |due: usize| (202, json!({"result": "accepted", "due": due}));
    let said = |result: &str| (200, json!({"result": result, "due": 0}));
    assert_eq!(post(&world, "/hooks/default/ci", &bearer(), body("1.2.3")).await, taken(1));
    assert_eq!(post(&world, "/hooks/default/ci", &bearer(), body("1.2.3")).await, said("duplicate"));
    assert_eq!(post(&world, "/hooks/default/ci", &bearer(), body("1.2.4")).await, taken(1));
    let other = json!({"image": "ghcr.io/acme/other:1.0.0"}).to_string().into_bytes();
    assert_eq!(post(&world, "/hooks/default/ci", &bearer(), other).await, said("ignored"));
    // Without a body, everything that it is about; what is suspended is not.
    assert_eq!(post(&world, "/hooks/default/ci", &bearer(), Vec::new()).await, taken(1));
    let (code, _) = post(&world, "/hooks/default/ci", &[], body("1.2.5")).await;
    assert_eq!(code, 401);
    let (code, _) = post(&world, "/hooks/default/ci", &bearer(), b"garbage".to_vec()).await;
    assert_eq!(code, 400);
    for path in ["/hooks/default/off", "/hooks/default/nobody", "/hooks/other/ci", "/hook/abc", "/hooks/ci"] {
        assert_eq!(post(&world, path, &bearer(), body("1.2.6")).await.0, 404, "{path}");
    }
    let config = config::parse("hooks.yaml", RECEIVERS).unwrap();
    let digest = config.receivers.iter().find(|it| it.name == "ci").unwrap().digest();
    assert_eq!(post(&world, &format!("/hook/{digest}"), &[], body("1.2.7")).await, taken(1));
    let counted = counted(&world).await;
    let of = |result: &str| counted.get(&("generic".to_owned(), result.to_owned())).copied().unwrap_or_default();
    assert_eq!(["accepted", "duplicate", "ignored", "unauthenticated", "malformed"].map(of), [4, 1, 1, 1, 1]);
}

#[tokio::test]
async fn a_signature_is_of_the_body_and_the_scope_is_kept() {
    let world = world().await;
    let (headers, body) = fixture("ghcr");
    // It is about another image than any that is followed.
    assert_eq!(
        post(&world, "/hooks/default/ghcr", &headers, body.clone()).await,
        (200, json!({"result": "ignored", "due": 0}))
    );
    let sign = |body: &[u8], event: &str| {
        use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
        let tag = sign(&Key::new(HMAC_SHA256, TOKEN.as_bytes()), body);
        let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        vec![
            ("X-Hub-Signature-256".to_owned(), format!("sha256={hex}")),
            ("X-GitHub-Event".to_owned(), event.to_owned()),
        ]
    };
    let ours = String::from_utf8(body).unwrap().replace("Web/App", "web").into_bytes();
    assert_eq!(post(&world, "/hooks/default/ghcr", &headers, ours.clone()).await.0, 401, "it was signed before");
    assert_eq!(
        post(&world, "/hooks/default/elsewhere", &sign(&ours, "package"), ours.clone()).await.1["result"],
        "ignored"
    );
    assert_eq!(post(&world, "/hooks/default/ghcr", &sign(&ours, "push"), ours.clone()).await.1["result"], "ignored");
    assert_eq!(
        post(&world, "/hooks/default/ghcr", &sign(&ours, "package"), ours.clone()).await.1["result"],
        "accepted"
    );
    assert_eq!(post(&world, "/hooks/default/ghcr", &sign(&ours, "package"), ours).await.1["result"], "duplicate");
    let (headers, push) = fixture("gitlab-push");
    assert_eq!(post(&world, "/hooks/default/pushes", &headers, push.clone()).await.1["result"], "ignored");
    let ours = String::from_utf8(push).unwrap().replace("gitlab.example.com", "git.example.com").into_bytes();
    assert_eq!(
        post(&world, "/hooks/default/pushes", &headers, ours).await,
        (202, json!({"result": "accepted", "due": 1}))
    );
}

#[tokio::test]
async fn a_large_body_is_not_read() {
    let world = world().await;
    let (client, base) = world.public();
    let sent =
        client.post(format!("{base}/hooks/default/ci")).bearer_auth(TOKEN).body(vec![b'x'; 10 << 20]).send().await;
    // Who does not stop sending has the connection closed.
    if let Ok(response) = sent {
        assert_eq!(response.status(), 413);
    }
    assert_eq!(counted(&world).await.get(&("generic".to_owned(), "too-large".to_owned())), Some(&1));
    assert_eq!(post(&world, "/hooks/default/ci", &bearer(), body("1.2.3")).await.0, 202);
}

/// Many who know no token, and send the head of a request and hardly more: whoever knows one is heard.
#[tokio::test(flavor = "multi_thread")]
async fn strangers_that_send_slowly_keep_nobody_away() {
    let world = world().await;
    let (_, base) = world.public();
    let address = base.trim_start_matches("http://").to_owned();
    // Each waits until it is heard of the first line of an answer, which is that its body is waited for, or that it has to go.
    let begin = async |path: &str, header: &str| {
        let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: bot\r\n{header}\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut line = [0; 12];
        stream.read_exact(&mut line).await.unwrap();
        (stream, String::from_utf8_lossy(&line[9..]).into_owned())
    };
    // What the head tells is told without the body.
    for (path, header) in [
        ("/hooks/default/ci", "Authorization: Bearer wrong"),
        ("/hooks/default/ci", "Accept: text/plain"),
        ("/hooks/default/pushes", "X-Gitlab-Token: wrong"),
        ("/hooks/default/ghcr", "Accept: text/plain"),
    ] {
        assert_eq!(begin(path, header).await.1, "401", "{path} {header}");
    }
    let mut strangers = Vec::new();
    for _ in 0..40 {
        let (stream, line) = begin("/hooks/default/ghcr", "X-Hub-Signature-256: sha256=00").await;
        assert!(["100", "429"].contains(&line.as_str()), "{line}");
        strangers.push(stream);
    }
    assert_eq!(post(&world, "/hooks/default/ci", &bearer(), body("1.2.3")).await.0, 202);
}

/// A thousand at once: each is taken, or told to come again, and what was taken is due.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_bounded_and_nothing_that_was_accepted_is_lost() {
    let world = world().await;
    // Fewer connections than the server has places for.
    let (client, base) = world.public();
    let codes: Vec<u16> = futures_util::stream::iter(0..1_000)
        .map(|number| {
            let request = client.post(format!("{base}/hooks/default/ci")).bearer_auth(TOKEN);
            async move { answer(request.body(body(&format!("1.0.{number}")))).await.0 }
        })
        .buffer_unordered(100)
        .collect()
        .await;
    let count = |code: u16| codes.iter().filter(|other| **other == code).count();
    assert_eq!(count(202) + count(429), 1_000, "{codes:?}");
    assert!(count(202) > 0);
    let counted = counted(&world).await;
    let of = |result: &str| counted.get(&("generic".to_owned(), result.to_owned())).copied().unwrap_or_default();
    assert_eq!((of("accepted"), of("busy")), (count(202) as u64, count(429) as u64));
}

/// A comment is looked at where its repository is one to which requests are opened, and once.
#[tokio::test]
async fn a_comment_on_a_request_has_its_remote_looked_at() {
    const AUTOMATION: &str = "
apiVersion: tagwright.dev/v1alpha1
kind: ImageAutomation
metadata: {name: shop}
spec:
  git:
    url: https://gitlab.example.com/acme/config
    branch: main
    push: {pullRequest: {forge: {kind: gitlab}}}
  images: [{name: web, image: ghcr.io/acme/web, policy: {semver: {range: 1.x}}}]
";
    let (headers, body) = fixture("gitlab-note");
    for (automation, first) in [
        (AUTOMATION.to_owned(), (202, json!({"result": "accepted", "due": 1}))),
        (
            AUTOMATION.replace("    push: {pullRequest: {forge: {kind: gitlab}}}\n", ""),
            (200, json!({"result": "ignored", "due": 0})),
        ),
    ] {
        let world = World::with_configuration(&automation).await;
        world.handle.take_receivers(config::parse("hooks.yaml", RECEIVERS).unwrap().receivers);
        assert_eq!(post(&world, "/hooks/default/pushes", &headers, body.clone()).await, first);
        if first.0 == 202 {
            let again = post(&world, "/hooks/default/pushes", &headers, body.clone()).await;
            assert_eq!(again, (200, json!({"result": "duplicate", "due": 0})));
        }
    }
}
