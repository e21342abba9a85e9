//! Flux's `Receiver`, `Provider` and `Alert`: left alone, unless somebody says that there is nobody else to obey them.

use std::collections::BTreeSet;

use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use super::{Program, address, committed, post, secret, until, world};
use crate::bot::Bot;
use crate::cluster::{Cluster, Manifest, Space, eventually};
use crate::world::{World, deployed, is_ready};

const GROUP: &str = "notification.toolkit.fluxcd.io";

/// The kinds of Flux's notification-controller, with their versions.
const KINDS: [(&str, &str, &str); 3] =
    [("Receiver", "receivers", "v1"), ("Provider", "providers", "v1beta3"), ("Alert", "alerts", "v1beta3")];

/// Definitions of these that let everything pass.
fn definitions() -> Manifest {
    let anything = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let definition = |(kind, plural, version): (&str, &str, &str)| {
        json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.{GROUP}")},
            "spec": {
                "group": GROUP, "scope": "Namespaced",
                "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase(), "listKind": format!("{kind}List")},
                "versions": [{
                    "name": version, "served": true, "storage": true, "subresources": {"status": {}},
                    "schema": {"openAPIV3Schema": anything},
                }],
            },
        })
    };
    Manifest(KINDS.map(definition).into())
}

/// Objects as Flux's users have them; what they say of the controller's last look is a status.
async fn apply(space: &Space<'_>) {
    let objects = format!(
        "
apiVersion: {GROUP}/v1
kind: Receiver
metadata: {{name: ci}}
spec: {{type: generic, interval: 10m, secretRef: {{name: ci}}, resources: [{{kind: ImageAutomation, name: shop}}, {{kind: ImagePolicy, name: '*'}}]}}
---
apiVersion: {GROUP}/v1beta3
kind: Provider
metadata: {{name: chat}}
spec: {{type: generic, secretRef: {{name: chat}}}}
---
apiVersion: {GROUP}/v1beta3
kind: Alert
metadata: {{name: all}}
spec: {{providerRef: {{name: chat}}, eventSeverity: info, eventSources: [{{kind: ImagePolicy, name: '*'}}]}}
"
    );
    space.apply(&objects).await;
}

async fn objects(space: &Space<'_>, (kind, _, version): (&str, &str, &str)) -> Api<DynamicObject> {
    space.objects(&space.admin, &format!("{GROUP}/{version}"), kind).await
}

/// A bot for the namespace with more flags.
async fn bot(world: &World<'_>, name: &str, flags: &[&str]) -> Bot {
    let space = &world.space;
    let token = space.token("tagwright").await;
    let mut command = world.command(name, &space.cluster.url(), &token);
    Bot::start(command.args(flags))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_flux_s_is_obeyed_where_nobody_else_does() {
    let cluster = Cluster::start();
    cluster.apply(&definitions()).await;
    let world = world(&cluster, "1h").await;
    let (space, program) = (&world.space, Program::start().await);
    space.apply_file(deployed("standalone/cluster-wide/rbac.yaml")).await;
    secret(space, "ci", "token", "t").await;
    secret(space, "chat", "address", &program.url).await;
    apply(space).await;
    let status = json!({"status": {"webhookPath": "/hook/of-the-controller", "observedGeneration": 1}});
    for kind in KINDS {
        let (all, name) = (objects(space, kind).await, if kind.0 == "Receiver" { "ci" } else { "chat" });
        if kind.0 != "Alert" {
            all.patch_status(name, &PatchParams::default(), &Patch::Merge(&status)).await.unwrap();
        }
    }
    let of_flux = || {
        let asked = cluster.asked_by(&space.user("tagwright")).into_iter().filter(|asked| asked.group == GROUP);
        asked.map(|asked| (asked.verb, asked.code)).collect::<BTreeSet<(String, u64)>>()
    };

    // By default nobody is let in, nor told; and nobody looks.
    let mut first = bot(&world, "first", &[]).await;
    let path = format!("/hooks/{}/ci", space.name);
    let pushed = |tag: &str| json!({"image": world.image(), "tag": tag});
    until(space, "ImageAutomation", "shop", "it is ready", is_ready).await;
    assert_eq!(post(&address(&first), &path, "t", &pushed("1.1.0")).await.0, 404);
    assert!(first.stop().success());
    assert!(of_flux().is_empty(), "{:?}", of_flux());

    // Where somebody says so, with the right to look.
    space.apply_file(deployed("standalone/flux-notifications/rbac.yaml")).await;
    let mut second = bot(&world, "second", &["--flux-notifications"]).await;
    let address = address(&second);
    world.release("1.1.0");
    let look = || async { (post(&address, &path, "t", &pushed("1.1.0")).await.0 == 202).then_some(()) };
    eventually("the receiver of Flux lets in", look).await;
    committed(&world, "1.1.0").await;
    program.hears("pushed", 1).await;

    // What the controller has said stays, and nobody has written anything.
    for kind in &KINDS[..2] {
        let name = if kind.0 == "Receiver" { "ci" } else { "chat" };
        let object: Value = json!(objects(space, *kind).await.get(name).await.unwrap());
        assert_eq!(object["status"], status["status"], "{}", kind.0);
    }
    let done = of_flux();
    assert!(done.iter().all(|(verb, code)| ["list", "watch"].contains(&verb.as_str()) && *code == 200), "{done:?}");

    // Suspended: nobody is let in.
    let suspended = Patch::Merge(json!({"spec": {"suspend": true}}));
    objects(space, KINDS[0]).await.patch("ci", &PatchParams::default(), &suspended).await.unwrap();
    let look = || async { (post(&address, &path, "t", &pushed("1.2.0")).await.0 == 404).then_some(()) };
    eventually("the receiver of Flux lets nobody in", look).await;
    // Without its secret: the log says so, and the others go on.
    let without = Patch::Merge(json!({"spec": {"suspend": false, "secretRef": {"name": "none"}}}));
    objects(space, KINDS[0]).await.patch("ci", &PatchParams::default(), &without).await.unwrap();
    let is_said = |line: &Value| {
        line["kind"] == "Receiver" && line["reason"].as_str().is_some_and(|it| it.contains("/none' is not here"))
    };
    assert!(second.wait_for(0, crate::cluster::WITHIN, is_said).is_some(), "{:?}", second.complaints());
    assert!(second.stop().success());
}
