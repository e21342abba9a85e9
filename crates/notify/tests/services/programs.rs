//! Programs that take events as JSON.

use std::sync::Arc;

use notify::{Http, Kind, Notification, Object, Service};
use serde_json::json;

use crate::service::{SECRET, Simulated, World, event, fails, notification, pushed, target};

fn http(service: &Simulated) -> Http {
    Http { address: format!("{}/events", service.url).into(), headers: Vec::new(), key: None, is_cloud_event: false }
}

#[tokio::test]
async fn events_have_the_form_of_flux() {
    let program = Simulated::start().await;
    let headers = vec![("x-api-key".to_owned(), SECRET.to_owned().into())];
    let world = World::telling([target(Service::Http(Http { headers, ..http(&program) }))]);
    world.voice.tell(pushed("https://git.example.com/acme/config"));
    for image in ["a", "b", "c"] {
        world.voice.tell(fails(image, Some("ghcr.io"), Kind::Failing));
    }
    assert_eq!(world.end().await, [("generic", "sent"); 2]);
    let seen = program.taken(2).await;
    assert_eq!((seen[0].header("x-api-key"), seen[0].header("content-type")), (SECRET, "application/json"));
    let (mut first, second) = (seen[0].json(), seen[1].json());
    first["reportingInstance"] = "here".into();
    assert_eq!(
        first,
        json!({
            "involvedObject": {"apiVersion": "tagwright.dev/v1alpha1", "kind": "ImageAutomation", "namespace": "default", "name": "shop"},
            "severity": "info",
            "timestamp": "1970-01-01T00:00:00Z",
            "message": "default/shop: pushed c0ffeec to main",
            "reason": "pushed",
            "metadata": {
                "revision": "main@sha1:c0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ff",
                "remote": "https://git.example.com/acme/config",
                "automations": "default/shop",
            },
            "reportingController": "tagwright",
            "reportingInstance": "here",
        })
    );
    assert_eq!((second["severity"].as_str(), second["metadata"]["affected"].as_str()), (Some("error"), Some("3")));
}

#[tokio::test]
async fn an_event_is_about_what_is_there() {
    let program = Simulated::start().await;
    let world = World::telling([target(Service::Http(Http { is_cloud_event: true, ..http(&program) }))]);
    let mut told = pushed("https://git.example.com/acme/config");
    told.about.object = Some(Object { api_version: "image.toolkit.fluxcd.io/v1", kind: "ImageUpdateAutomation" });
    world.voice.tell(told);
    world.end().await;
    let body = program.taken(1).await.remove(0).json();
    let object = &body["data"]["involvedObject"];
    assert_eq!(
        (&object["apiVersion"], &object["kind"]),
        (&"image.toolkit.fluxcd.io/v1".into(), &"ImageUpdateAutomation".into())
    );
    assert_eq!(body["subject"], "ImageUpdateAutomation/default/shop");
}

#[tokio::test]
async fn names_and_values_of_an_alert_go_along_and_what_an_event_says_wins() {
    let program = Simulated::start().await;
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let told = Notification {
        summary: "cluster".to_owned(),
        metadata: vec![pair("env", "prod"), pair("revision", "mine")],
        ..notification("alert", target(Service::Http(http(&program))))
    };
    let world = World::of(vec![Arc::new(told)]);
    world.voice.tell(pushed("https://git.example.com/acme/config"));
    world.end().await;
    let seen = program.taken(1).await.remove(0);
    let metadata = &seen.json()["metadata"];
    assert_eq!((&metadata["env"], &metadata["summary"]), (&"prod".into(), &"cluster".into()));
    assert!(metadata["revision"].as_str().unwrap().starts_with("main@sha1:"), "{metadata}");
    assert_eq!(seen.header("user-agent"), concat!("tagwright/", env!("CARGO_PKG_VERSION")));
}

/// One message to people names a hundred events; a program gets each of them.
#[tokio::test]
async fn a_program_gets_every_event_however_many_come() {
    let program = Simulated::start().await;
    let world = World::telling([target(Service::Http(http(&program)))]);
    for number in 0..300 {
        world.voice.tell(event(Kind::Held, &format!("{number} waits")));
    }
    assert_eq!(world.end().await, [("generic", "sent"); 300]);
    let seen = program.taken(300).await;
    assert!(seen.iter().enumerate().all(|(at, seen)| seen.json()["message"] == format!("{at} waits")));
}

/// The receiver of webhooks, which knows nothing of this, takes the signature.
#[tokio::test]
async fn a_signature_is_of_the_form_that_receivers_check() {
    let program = Simulated::start().await;
    let key = Some(SECRET.to_owned().into());
    let world = World::telling([target(Service::Http(Http { key, ..http(&program) }))]);
    world.voice.tell(pushed("https://git.example.com/acme/config"));
    assert_eq!(world.end().await, [("generic-hmac", "sent")]);
    let seen = program.taken(1).await.remove(0);
    let receiver = |token: &str| hooks::Receiver {
        namespace: "default".to_owned(),
        name: "events".to_owned(),
        source: hooks::Source::GenericHmac,
        token: token.to_owned().into(),
        events: Vec::new(),
        scope: None,
        identity: None,
    };
    let header = |name: &str| seen.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let read = |token: &str| {
        let request =
            hooks::Request { header: &header, body: seen.body.as_bytes(), by_path: false, keys: None, now: 0 };
        // What it says is no push.
        !matches!(receiver(token).read(&request), Err(hooks::Refused::Unproven(_)))
    };
    assert!(read(SECRET) && !read("another"));
}

#[tokio::test]
async fn a_cloud_event_has_what_it_needs_and_keeps_its_number() {
    let program = Simulated::start().await;
    program.next([crate::service::say(503, "busy")]);
    let world = World::telling([target(Service::Http(Http { is_cloud_event: true, ..http(&program) }))]);
    world.voice.tell(pushed("https://git.example.com/acme/config"));
    world.voice.tell(pushed("https://git.example.com/acme/config"));
    world.end().await;
    let seen = program.taken(3).await;
    let bodies: Vec<_> = seen.iter().map(crate::service::Seen::json).collect();
    assert_eq!(seen[0].header("content-type"), "application/cloudevents+json; charset=utf-8");
    let body = &bodies[0];
    assert_eq!((body["specversion"].as_str(), body["type"].as_str()), (Some("1.0"), Some("dev.tagwright.pushed")));
    assert_eq!(body["subject"], "ImageAutomation/default/shop");
    assert_eq!((&body["time"], &body["datacontenttype"]), (&"1970-01-01T00:00:00Z".into(), &"application/json".into()));
    assert_eq!((body["data"]["reason"].as_str(), body["data"].get("id")), (Some("pushed"), None));
    assert!(body["source"].as_str().unwrap().starts_with("/tagwright/"));
    assert_eq!(body["id"], bodies[1]["id"], "what is sent again is the same");
    assert_ne!(body["id"], bodies[2]["id"]);
}
