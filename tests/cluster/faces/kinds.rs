//! Kinds of ours that a cluster loses and gets back.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams};
use serde_json::json;

use super::{Program, address, post, until, world};
use crate::cluster::{Cluster, eventually};
use crate::world::{is_ready, own_definitions};

const OBJECTS: &str = "
apiVersion: tagwright.dev/v1alpha1
kind: Receiver
metadata: {name: ci}
spec: {type: generic, secretRef: {name: both}}
---
apiVersion: tagwright.dev/v1alpha1
kind: Notification
metadata: {name: events}
spec: {type: generic, secretRef: {name: both}, group: 0s, quiet: 0s}
";

#[tokio::test(flavor = "multi_thread")]
async fn receivers_and_notifications_go_with_their_kinds_and_come_back() {
    let cluster = Cluster::start();
    let world = world(&cluster, "1s").await;
    let (space, program) = (&world.space, Program::start().await);
    let both = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: both}}\nstringData: {{token: t, address: '{}'}}\n",
        program.url
    );
    space.apply(&both).await;
    space.apply(OBJECTS).await;
    let mut bot = world.bot("bot").await;
    let (address, path) = (address(&bot), format!("/hooks/{}/ci", space.name));
    let answers = |status: u16| {
        let (address, path) = (address.clone(), path.clone());
        async move {
            let ping = json!({"image": "example.com/nothing", "tag": "1"});
            let look = || async { (post(&address, &path, "t", &ping).await.0 == status).then_some(()) };
            eventually(&format!("{path} answers {status}"), look).await;
        }
    };
    answers(200).await;
    for (kind, name) in [("Receiver", "ci"), ("Notification", "events")] {
        until(space, kind, name, "it is ready", is_ready).await;
    }

    let definitions = Api::<CustomResourceDefinition>::all(space.admin.clone());
    for name in ["receivers.tagwright.dev", "notifications.tagwright.dev"] {
        definitions.delete(name, &DeleteParams::default()).await.unwrap();
        let is_gone = || async { definitions.get_opt(name).await.ok().filter(Option::is_none) };
        eventually(&format!("{name} is gone"), is_gone).await;
    }
    answers(404).await;
    world.release("1.1.0");
    super::committed(&world, "1.1.0").await;

    cluster.apply(&own_definitions()).await;
    space.apply(OBJECTS).await;
    answers(200).await;
    until(space, "Notification", "events", "it is ready again", is_ready).await;
    let before = program.heard();
    world.release("1.2.0");
    super::committed(&world, "1.2.0").await;
    program.hears("pushed", before.iter().filter(|(reason, _)| reason == "pushed").count() + 1).await;
    assert!(bot.stop().success());
}
