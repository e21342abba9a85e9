//! Objects of ours that are not as their kinds say, since the cluster's definitions let everything pass.

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::{address, own, post, request, secret, until};
use crate::cluster::{Cluster, Manifest, eventually};
use crate::world::{World, condition, is_ready, own_definitions};

/// Wrong objects: the kind, the name, the spec.
fn wrong_ones() -> Vec<(&'static str, &'static str, Value)> {
    let secret = json!({"name": "ci"});
    let generic = |more: Value| {
        let mut spec = json!({"type": "generic", "address": "http://127.0.0.1:1/"});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        spec
    };
    vec![
        ("Receiver", "no-spec", Value::Null),
        ("Receiver", "text", "text".into()),
        ("Receiver", "list", json!([{"type": "generic"}])),
        ("Receiver", "type-missing", json!({"secretRef": secret})),
        ("Receiver", "type-number", json!({"type": 5, "secretRef": secret})),
        ("Receiver", "type-unknown", json!({"type": "dockerhubb", "secretRef": secret})),
        ("Receiver", "secret-missing", json!({"type": "generic"})),
        ("Receiver", "secret-text", json!({"type": "generic", "secretRef": "ci"})),
        ("Receiver", "secret-number", json!({"type": "generic", "secretRef": {"name": 5}})),
        ("Receiver", "secret-not-there", json!({"type": "generic", "secretRef": {"name": "none"}})),
        ("Receiver", "secret-without-token", json!({"type": "generic", "secretRef": {"name": "empty"}})),
        ("Receiver", "secret-without-account", json!({"type": "gcr", "secretRef": secret})),
        ("Receiver", "events-map", json!({"type": "github", "secretRef": secret, "events": {"push": true}})),
        ("Receiver", "resources-text", json!({"type": "generic", "secretRef": secret, "resources": "all"})),
        ("Receiver", "resources-number", json!({"type": "generic", "secretRef": secret, "resources": [5]})),
        ("Receiver", "resources-nothing", json!({"type": "generic", "secretRef": secret, "resources": [{}]})),
        ("Receiver", "suspend-text", json!({"type": "generic", "secretRef": secret, "suspend": "perhaps"})),
        (
            "Receiver",
            "no-claims",
            json!({"type": "generic-oidc", "oidc": {"issuer": "https://a.example.com", "audience": "a", "claims": {}}}),
        ),
        (
            "Receiver",
            "issuer",
            json!({"type": "generic-oidc", "oidc": {"issuer": "ftp://a", "audience": "a", "claims": {"sub": "x"}}}),
        ),
        ("Notification", "no-spec", Value::Null),
        ("Notification", "text", "text".into()),
        ("Notification", "type-missing", json!({"address": "https://example.com/"})),
        ("Notification", "type-unknown", json!({"type": "slak", "address": "https://example.com/"})),
        ("Notification", "address-missing", json!({"type": "generic"})),
        ("Notification", "address-map", json!({"type": "generic", "address": {"url": "https://example.com/"}})),
        ("Notification", "address-file", generic(json!({"address": "file:///etc/passwd"}))),
        ("Notification", "address-login", generic(json!({"address": "https://a:b@example.com/"}))),
        ("Notification", "secret-list", generic(json!({"secretRef": [secret]}))),
        ("Notification", "secret-not-there", generic(json!({"certSecretRef": {"name": "none"}}))),
        ("Notification", "events-unknown", generic(json!({"events": ["everything"]}))),
        ("Notification", "sources-number", generic(json!({"sources": [1]}))),
        ("Notification", "pattern", generic(json!({"exclude": ["("]}))),
        ("Notification", "template", generic(json!({"template": "{{"}))),
        ("Notification", "group", generic(json!({"group": "-1 fortnight"}))),
        ("Notification", "quiet", generic(json!({"quiet": "48h"}))),
        ("Notification", "mail", json!({"type": "email"})),
        (
            "Notification",
            "mail-to",
            json!({"type": "email", "email": {"host": "mail.example.com", "from": "nobody", "to": []}}),
        ),
    ]
}

/// The definitions of ours, letting everything pass.
fn permissive() -> Manifest {
    let mut all = own_definitions();
    let anything = json!({"x-kubernetes-preserve-unknown-fields": true});
    for definition in &mut all.0 {
        definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = json!({
            "type": "object", "x-kubernetes-preserve-unknown-fields": true,
            "properties": {"spec": anything, "status": anything},
        });
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_objects_say_so_and_the_others_go_on() {
    let cluster = Cluster::bare();
    cluster.apply(&permissive()).await;
    let world = World::new(&cluster).await;
    let space = &world.space;
    secret(space, "ci", "token", "t").await;
    secret(space, "empty", "token", "").await;
    let mut all = wrong_ones();
    all.push(("Receiver", "good", json!({"type": "generic", "secretRef": {"name": "ci"}})));
    // A newer definition may have more fields.
    let unknown = json!({"type": "generic", "secretRef": {"name": "ci"}, "nonsense": {"deep": [1, null]}});
    all.push(("Receiver", "unknown", unknown));
    for (kind, name, spec) in &all {
        let mut object = json!({"apiVersion": "tagwright.dev/v1alpha1", "kind": kind, "metadata": {"name": name}});
        if !spec.is_null() {
            object["spec"] = spec.clone();
        }
        space.apply(&object.to_string()).await;
    }
    let mut bot = world.bot("bot").await;
    let address = address(&bot);
    let lets_in = || async {
        let ping = json!({"image": "example.com/nothing", "tag": "1"});
        let path = format!("/hooks/{}/good", space.name);
        eventually("the good one lets in", || async {
            (post(&address, &path, "t", &ping).await.0 == 200).then_some(())
        })
        .await;
    };
    lets_in().await;
    for (kind, name, _) in wrong_ones() {
        let is_wrong = |it: &Value| condition(it, "Ready")["status"] == "False";
        let object = until(space, kind, name, "it says what is wrong", is_wrong).await;
        let message = condition(&object, "Ready")["message"].as_str().unwrap().to_owned();
        assert!(!message.is_empty() && !message.contains("panicked"), "{kind} {name}: {message}");
        assert!(object["status"]["webhookPath"].is_null(), "{kind} {name} is let in");
        if name.starts_with("secret-not") {
            assert!(message.contains(&format!("secret '{}/none' not found", space.name)), "{kind} {name}: {message}");
        }
    }

    let unknown = until(space, "Receiver", "unknown", "it is ready", is_ready).await;
    let said = condition(&unknown, "tagwright.dev/Findings")["message"].as_str().unwrap().to_owned();
    assert!(said.contains("`spec.nonsense`"), "{said}");

    // Statuses that nobody of us has written.
    let all = own(space, "Receiver").await;
    for (n, status) in
        [json!("text"), json!({"conditions": [5], "webhookPath": [], "observedGeneration": "one"}), json!([1])]
            .into_iter()
            .enumerate()
    {
        let status = Patch::Merge(json!({"status": status}));
        all.patch_status("good", &PatchParams::default(), &status).await.unwrap();
        let object = request(space, "Receiver", "good", &format!("after {n}")).await;
        assert!(is_ready(&object) && object["status"]["webhookPath"].is_string(), "{object}");
    }
    lets_in().await;
    assert!(bot.stop().success());
}
