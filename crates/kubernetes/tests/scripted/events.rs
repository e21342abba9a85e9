//! Events: what is sent, and what becomes of every answer.

use std::time::Duration;

use kubernetes::events::{Event, Level, QUEUE, Recorder, Subject};
use serde_json::{Value, json};

use crate::script::{Answer, Seen, answered};

/// Longer than anything takes.
const WITHIN: Duration = Duration::from_secs(3600);

const PATH: &str = "/api/v1/namespaces/apps/events";

fn subject() -> Subject {
    let [api_version, kind, namespace, name, uid, resource_version] =
        ["image.toolkit.fluxcd.io/v1", "ImagePolicy", "apps", "app", "u", "7"].map(str::to_owned);
    Subject { api_version, kind, namespace, name, uid, resource_version }
}

fn event(message: &str) -> Event {
    let [component, reason, message] = ["image-reflector-controller", "Succeeded", message].map(str::to_owned);
    let annotations = [("event.toolkit.fluxcd.io/team".to_owned(), "shop".to_owned())].into_iter().collect();
    Event { component, level: Level::Normal, reason, message, annotations }
}

/// Tells events to a server that answers by a function; what it saw, and how many were lost.
async fn told(events: Vec<Event>, script: impl FnMut(&Seen) -> Answer + Send + 'static) -> (Vec<Seen>, u64) {
    let (client, log) = answered(script);
    let recorder = Recorder::start(client);
    for event in &events {
        recorder.tell(subject(), event.clone());
    }
    // Whoever has lost something has said so by the time when the last one is sent.
    let lost = {
        let mut lost = recorder.lost();
        for _ in 0..1000 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            lost = recorder.lost();
        }
        lost
    };
    recorder.finish(WITHIN).await;
    (log.all(), lost)
}

fn anything(_: &Seen) -> Answer {
    Answer::Object(json!({}))
}

#[tokio::test(start_paused = true)]
async fn the_first_is_created_and_the_same_again_is_counted_on_it() {
    let (seen, lost) = told(vec![event("all is well"), event("all is well")], anything).await;
    assert_eq!(lost, 0);
    let [created, counted] = <[Seen; 2]>::try_from(seen).unwrap();
    assert_eq!(
        (created.method.as_str(), created.path.replace("?&", "?")),
        ("POST", format!("{PATH}?fieldManager=image-reflector-controller"))
    );
    let mut body = created.body;
    let name = body["metadata"]["name"].take().as_str().unwrap().to_owned();
    assert!(name.len() == 20 && name.starts_with("app."), "{name}");
    let first = body["firstTimestamp"].take();
    assert_eq!((first.as_str().unwrap().len(), &first), ("2026-11-27T10:00:00Z".len(), &body["lastTimestamp"].take()));
    let expected = json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": null, "namespace": "apps", "annotations": {"event.toolkit.fluxcd.io/team": "shop"}},
        "involvedObject": {
            "apiVersion": "image.toolkit.fluxcd.io/v1", "kind": "ImagePolicy", "namespace": "apps", "name": "app",
            "uid": "u", "resourceVersion": "7",
        },
        "type": "Normal",
        "reason": "Succeeded",
        "message": "all is well",
        "source": {"component": "image-reflector-controller"},
        "reportingComponent": "image-reflector-controller",
        "reportingInstance": "",
        "firstTimestamp": null,
        "lastTimestamp": null,
        "count": 1,
    });
    assert_eq!(body, expected);

    assert_eq!((counted.method.as_str(), counted.content_type.as_str()), ("PATCH", "application/merge-patch+json"));
    assert!(counted.path.starts_with(&format!("{PATH}/{name}?")), "{}", counted.path);
    let mut patch = counted.body;
    assert!(patch["lastTimestamp"].take().is_string());
    assert_eq!(patch, json!({"count": 2, "lastTimestamp": null, "message": "all is well"}));
}

#[tokio::test(start_paused = true)]
async fn an_event_that_the_server_has_forgotten_is_created_again() {
    let (seen, lost) = told(vec![event("one"), event("one")], |seen| match seen.method.as_str() {
        "PATCH" => Answer::Refusal(404, "not found"),
        _ => anything(seen),
    })
    .await;
    let counts: Vec<(String, Value)> =
        seen.iter().map(|seen| (seen.method.clone(), seen.body["count"].clone())).collect();
    let of = |method: &str, count: u32| (method.to_owned(), json!(count));
    assert_eq!((counts, lost), (vec![of("POST", 1), of("PATCH", 2), of("POST", 2)], 0));
    assert_eq!(seen[0].body["metadata"]["name"], seen[2].body["metadata"]["name"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_lost_and_the_next_one_is_sent() {
    for code in [403, 409, 422] {
        let (seen, lost) = told(vec![event("one"), event("two")], move |seen| match seen.body["message"].as_str() {
            Some("one") => Answer::Refusal(code, "no"),
            _ => anything(seen),
        })
        .await;
        assert_eq!((seen.len(), lost), (2, 1), "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_down_is_asked_again_for_a_while() {
    for answer in [Answer::Refusal(500, "oops"), Answer::Lost, Answer::Throttled(429, 3)] {
        let mut down = 3;
        let failing = answer.clone();
        let (seen, lost) = told(vec![event("one")], move |seen| match down {
            0 => anything(seen),
            _ => {
                down -= 1;
                failing.clone()
            }
        })
        .await;
        assert_eq!((seen.len(), lost), (4, 0), "{answer:?}");
        let pauses: Vec<u64> = seen.windows(2).map(|pair| (pair[1].at - pair[0].at).as_secs()).collect();
        let expected = if matches!(answer, Answer::Throttled(..)) { [3, 3, 4] } else { [1, 2, 4] };
        assert_eq!(pauses, expected, "{answer:?}");
    }
    let (seen, lost) = told(vec![event("one")], |_| Answer::Lost).await;
    assert_eq!((seen.len(), lost), (5, 1), "and then no more");
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_server_that_does_not_answer() {
    let (client, _) = answered(|_| Answer::Silence);
    let recorder = Recorder::start(client);
    // Nothing is awaited, so that the task that sends has no turn meanwhile.
    for _ in 0..QUEUE + 10 {
        recorder.tell(subject(), event("one"));
    }
    assert_eq!(recorder.lost(), 10);
    let started = tokio::time::Instant::now();
    recorder.finish(Duration::from_secs(10)).await;
    assert_eq!(started.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn what_belongs_to_no_namespace_is_told_in_default() {
    let (client, log) = answered(anything);
    let recorder = Recorder::start(client);
    recorder.tell(Subject { namespace: String::new(), ..subject() }, event("one"));
    recorder.finish(WITHIN).await;
    assert!(log.all()[0].path.starts_with("/api/v1/namespaces/default/events?"));
}
