//! What somebody may try who may write objects in one namespace, and no more.

use kube::api::{DynamicObject, Patch, PatchParams, ValidationDirective};
use serde_json::{Value, json};

use super::{Program, address, committed, own, post, says, secret, until, world};
use crate::bot::Bot;
use crate::cluster::{Cluster, Space};
use crate::world::{condition, deployed, is_ready};

async fn apply(space: &Space<'_>, kind: &str, name: &str, spec: &Value) {
    let object = json!({
        "apiVersion": "tagwright.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec,
    });
    space.apply(&object.to_string()).await;
}

/// What the API server says against an object whose fields it is told to know.
async fn complaint(space: &Space<'_>, kind: &str, spec: Value) -> String {
    let object = json!({"apiVersion": "tagwright.dev/v1alpha1", "kind": kind, "metadata": {"name": "x"}, "spec": spec});
    let mut params = PatchParams::apply("tenant").dry_run();
    params.field_validation = Some(ValidationDirective::Strict);
    let applied: Result<DynamicObject, _> = own(space, kind).await.patch("x", &params, &Patch::Apply(&object)).await;
    applied.map(|_| String::new()).unwrap_or_else(|error| error.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_reaches_into_another_namespace() {
    let cluster = Cluster::start();
    // The namespace of others, with what a tenant would like to have.
    let world = world(&cluster, "1s").await;
    let (others, tenant) = (&world.space, Space::new(&cluster).await);
    let (theirs, ours) = (Program::start().await, Program::start().await);
    secret(others, "victim", "token", "theirs").await;
    secret(others, "events", "address", &theirs.url).await;
    let told = json!({"type": "generic", "secretRef": {"name": "events"}, "group": "0s", "quiet": "0s"});
    apply(others, "Notification", "events", &told).await;
    others.apply_file(deployed("standalone/cluster-wide/rbac.yaml")).await;
    let token = others.token("tagwright").await;
    let mut command = world.command("bot", &cluster.url(), &token);
    let proxy = ours.url.strip_suffix("/events").unwrap();
    let mut bot = Bot::start(command.arg("--no-cross-namespace-refs").env("http_proxy", proxy));
    let address = address(&bot);
    until(others, "Notification", "events", "it is ready", is_ready).await;

    // A secret of others: by its name, which is looked for here; by its namespace, which there is no field for.
    let by_name =
        json!({"type": "generic-hmac", "address": "https://tenant.example.com/", "secretRef": {"name": "victim"}});
    let missing = format!("secret '{}/victim' not found", tenant.name);
    for (kind, spec) in
        [("Notification", by_name), ("Receiver", json!({"type": "generic", "secretRef": {"name": "victim"}}))]
    {
        apply(&tenant, kind, "thief", &spec).await;
        until(&tenant, kind, "thief", "the secret is not here", says("AccessDenied", &missing)).await;
        let mut named = spec.clone();
        named["secretRef"]["namespace"] = others.name.as_str().into();
        let said = complaint(&tenant, kind, named).await;
        assert!(said.contains("field not declared in schema"), "{kind}: {said}");
        let mut path = spec;
        path["secretRef"]["name"] = format!("../{}/victim", others.name).into();
        let said = complaint(&tenant, kind, path).await;
        assert!(said.contains("spec.secretRef.name"), "{kind}: {said}");
    }
    let asked = cluster.asked_by(&others.user("tagwright"));
    let read = asked.iter().filter(|asked| asked.resource == "secrets");
    let read: Vec<(&str, &str)> = read.map(|asked| (asked.verb.as_str(), asked.name.as_str())).collect();
    assert!(read.iter().all(|(verb, _)| *verb == "get"), "secrets are asked for by name: {read:?}");
    let of_others = asked.iter().filter(|asked| asked.resource == "secrets" && asked.namespace == others.name);
    assert!(of_others.clone().all(|asked| asked.name != "victim"), "{:?}", of_others.collect::<Vec<_>>());

    // Objects of others, by name.
    let all = json!([{"kind": "ImageAutomation", "name": "*", "namespace": others.name}]);
    let blocked = format!("of the namespace '{}', and cross-namespace references have been blocked", others.name);
    secret(&tenant, "ci", "token", "ours").await;
    let spy = json!({"type": "generic", "secretRef": {"name": "events"}, "group": "0s", "sources": all});
    let nag = json!({"type": "generic", "secretRef": {"name": "ci"}, "resources": all});
    for (kind, spec) in [("Notification", spy), ("Receiver", nag)] {
        apply(&tenant, kind, "spy", &spec).await;
        let stalled = until(&tenant, kind, "spy", "it is refused", says("AccessDenied", &blocked)).await;
        assert_eq!(condition(&stalled, "Stalled")["status"], "True", "{kind}");
    }
    let pushed = json!({"image": world.image(), "tag": "1.0.0"});
    assert_eq!(post(&address, &format!("/hooks/{}/spy", tenant.name), "ours", &pushed).await.0, 404);

    // Whoever says nothing of what it is about is about its own namespace.
    apply(&tenant, "Receiver", "ci", &json!({"type": "generic", "secretRef": {"name": "ci"}})).await;
    // By a proxy, as clusters have it whose way out is one: this machine is nowhere that a tenant has anything sent to.
    let far = json!({"type": "generic", "address": "http://events.example.com/", "group": "0s", "quiet": "0s"});
    apply(&tenant, "Notification", "events", &far).await;
    for (kind, name) in [("Receiver", "ci"), ("Notification", "events")] {
        until(&tenant, kind, name, "it is ready", is_ready).await;
    }
    let answer = post(&address, &format!("/hooks/{}/ci", tenant.name), "ours", &pushed).await;
    assert_eq!(answer, (200, json!({"result": "ignored", "due": 0})), "the image is of others");
    world.release("1.1.0");
    committed(&world, "1.1.0").await;
    theirs.hears("pushed", 1).await;
    let own_image = json!({
        "interval": "1s", "git": {"url": world.server.url(), "branch": "main"},
        "images": [{"name": "gone", "image": format!("{}/shop/gone", world.registry.host()), "insecure": true,
            "policy": {"semver": {"range": "1.x"}}}],
    });
    apply(&tenant, "ImageAutomation", "mine", &own_image).await;
    ours.hears("failing", 1).await;
    let heard = ours.heard();
    // A look through the paths may end before or after the poll does, and its finding is of the tenant's object.
    let mine = format!("{}/mine: ", tenant.name);
    let own =
        |(reason, said): &(String, String)| reason == "failing" || (reason == "finding" && said.starts_with(&mine));
    assert!(heard.iter().all(own), "what others do is not told: {heard:?}");
    assert!(theirs.heard().iter().all(|(reason, _)| reason == "pushed"), "{:?}", theirs.heard());

    // What is secret does not go to the metadata service of the cluster's machines, nor anywhere else without TLS.
    let metadata = json!({"type": "generic", "address": "http://169.254.169.254/latest/", "secretRef": {"name": "ci"}});
    apply(&tenant, "Notification", "metadata", &metadata).await;
    let clear = says("InvalidConfiguration", "begins with http://, and something secret goes there");
    until(&tenant, "Notification", "metadata", "it is refused", clear).await;
    let refused = format!("where notifications of the namespace '{}' alone go", others.name);
    for (n, address) in
        ["http://169.254.169.254/latest/", theirs.url.as_str(), "http://localhost:9090/"].iter().enumerate()
    {
        let near = json!({"type": "generic", "address": address, "group": "0s", "quiet": "0s"});
        apply(&tenant, "Notification", &format!("near-{n}"), &near).await;
        let stalled =
            until(&tenant, "Notification", &format!("near-{n}"), "it is refused", says("AccessDenied", &refused)).await;
        assert_eq!(condition(&stalled, "Stalled")["status"], "True");
    }
    let issuer = json!({"type": "generic-oidc", "oidc": {"issuer": "http://169.254.169.254/", "audience": "a", "claims": {"sub": "x"}}});
    let said = complaint(&tenant, "Receiver", issuer).await;
    assert!(said.contains("spec.oidc.issuer"), "{said}");
    assert!(bot.stop().success());
}
