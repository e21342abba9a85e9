//! A `Notification`: who is told of a failure and of its end, and since when.

use serde_json::json;

use super::{Program, address, committed, own, patch, request, says, secret, until, world};
use crate::cluster::{Cluster, eventually};
use crate::simulated::Fault;
use crate::world::{World, condition, is_ready};

fn break_registry(world: &World<'_>, is_broken: bool) {
    world.registry.change(|registry| {
        registry.broken.clear();
        if is_broken {
            registry.broken.insert("tags/list".to_owned(), Fault::error(403, "DENIED", "not for you"));
        }
    });
}

/// Somebody who is told at once, by an address in a secret.
async fn notification(world: &World<'_>, name: &str, more: &str) {
    let text = format!(
        "apiVersion: tagwright.dev/v1alpha1\nkind: Notification\nmetadata: {{name: {name}}}\n\
         spec: {{type: generic, secretRef: {{name: {name}}}, group: 0s, quiet: 0s{more}}}\n"
    );
    world.space.apply(&text).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_and_its_end_are_told_to_whoever_wants_to_hear_of_it() {
    let world = world(Cluster::shared(), "1s").await;
    let space = &world.space;
    let (program, witness) = (Program::start().await, Program::start().await);
    let mut bot = world.bot("bot").await;
    address(&bot);
    until(space, "ImageAutomation", "shop", "it is ready", is_ready).await;

    notification(&world, "events", "").await;
    let missing = format!("secret '{}/events' not found", space.name);
    until(space, "Notification", "events", "the secret is missing", says("AccessDenied", &missing)).await;
    secret(space, "events", "address", &program.url).await;
    request(space, "Notification", "events", "the secret is there").await;
    let ready = until(space, "Notification", "events", "it is ready", is_ready).await;
    assert_eq!(condition(&ready, "Ready")["message"], "tells by generic what happens");
    assert!(ready["status"]["webhookPath"].is_null(), "{ready}");

    world.release("1.1.0");
    committed(&world, "1.1.0").await;
    program.hears("pushed", 1).await;
    break_registry(&world, true);
    program.hears("failing", 1).await;
    let (_, message) = program.heard().into_iter().find(|(reason, _)| reason == "failing").unwrap();
    assert!(message.contains("not for you"), "{message}");
    break_registry(&world, false);
    program.hears("recovered", 1).await;

    // Suspended: the other one hears of what fails.
    notification(&world, "witness", ", severity: error").await;
    secret(space, "witness", "address", &witness.url).await;
    request(space, "Notification", "witness", "the secret is there").await;
    until(space, "Notification", "witness", "it is ready", is_ready).await;
    patch(space, "Notification", "events", json!({"spec": {"suspend": true}})).await;
    let is_observed = |it: &serde_json::Value| it["status"]["observedGeneration"] == it["metadata"]["generation"];
    until(space, "Notification", "events", "its suspension is taken note of", is_observed).await;
    break_registry(&world, true);
    witness.hears("failing", 1).await;
    assert_eq!(program.count("failing"), 1, "nobody is told who is suspended");

    // Whoever is back hears of what fails, and the other one not again.
    patch(space, "Notification", "events", json!({"spec": {"suspend": false}})).await;
    program.hears("failing", 2).await;
    // However often objects change meanwhile.
    for n in 0..3 {
        request(space, "Notification", "witness", &format!("look {n}")).await;
    }
    break_registry(&world, false);
    program.hears("recovered", 2).await;
    witness.hears("recovered", 1).await;
    assert_eq!((program.count("failing"), witness.count("failing")), (2, 1));
    assert_eq!(witness.count("pushed"), 0, "it wants to hear of errors alone");

    // Deleted: nobody is left but the witness.
    own(space, "Notification").await.delete("events", &Default::default()).await.unwrap();
    // Known to be gone once something that was changed later is known to be read.
    request(space, "Notification", "witness", "after the end").await;
    break_registry(&world, true);
    witness.hears("failing", 2).await;
    assert_eq!(program.count("failing"), 2);

    // What is no notification says so, and the others go on.
    for (change, words) in [
        (json!({"include": ["("]}), "missing closing"),
        (json!({"include": null, "template": "{{ .Nope }}"}), "Nope"),
        (json!({"template": null, "group": "2h"}), "longer than 1 h"),
    ] {
        patch(space, "Notification", "witness", json!({"spec": change})).await;
        let is_it = |it: &serde_json::Value| is_observed(it) && says("InvalidConfiguration", "")(it);
        let stalled = until(space, "Notification", "witness", words, is_it).await;
        assert_eq!(condition(&stalled, "Stalled")["status"], "True");
        let message = condition(&stalled, "Ready")["message"].as_str().unwrap().to_owned();
        assert!(message.contains(words), "{message}");
    }
    patch(space, "Notification", "witness", json!({"spec": {"group": "0s"}})).await;
    until(space, "Notification", "witness", "it is put right", is_ready).await;
    break_registry(&world, false);
    eventually("the end is told", || async { (witness.count("recovered") >= 2).then_some(()) }).await;
    assert!(bot.stop().success());
}
