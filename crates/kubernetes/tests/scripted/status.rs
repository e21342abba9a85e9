//! Statuses and finalizers: what is sent, and what becomes of every answer.

use std::time::Duration;

use kube::core::ApiResource;
use kubernetes::object::{Key, Object, Wire};
use kubernetes::status::{self, PATIENCE, TRIES, Target, Written};
use kubernetes::{Kind, Reason, finalizer};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::script::{Answer, Log, Seen, answered};

const POLICY: Kind =
    Kind { group: "image.toolkit.fluxcd.io", versions: &["v1"], name: "ImagePolicy", plural: "imagepolicies" };

const PATH: &str = "/apis/image.toolkit.fluxcd.io/v1/namespaces/apps/imagepolicies/app";

fn stored(uid: &str, version: &str, status: &Value) -> Value {
    let metadata = json!({"namespace": "apps", "name": "app", "uid": uid, "resourceVersion": version});
    json!({"apiVersion": "image.toolkit.fluxcd.io/v1", "kind": "ImagePolicy", "metadata": metadata, "status": status})
}

fn object(stored: Value) -> Object {
    serde_json::from_value::<Wire>(stored).unwrap().into_object(&POLICY.resource("v1"), |_| true)
}

/// One object on a server that answers by a function.
struct Policy {
    client: kube::Client,
    resource: ApiResource,
    key: Key,
    log: Log,
}

impl Policy {
    fn on(script: impl FnMut(&Seen) -> Answer + Send + 'static) -> Self {
        let (client, log) = answered(script);
        let key = Key { namespace: "apps".to_owned(), name: "app".to_owned() };
        Self { client, resource: POLICY.resource("v1"), key, log }
    }

    fn target(&self) -> Target<'_> {
        let (client, resource, key) = (&self.client, &self.resource, &self.key);
        Target { client, resource, key, manager: "image-reflector-controller", keeps: |_| true }
    }

    async fn write(&self, old: &Value, new: &Value) -> Result<Written, kubernetes::Error> {
        status::write(self.target(), "7", old, new).await
    }

    /// Writes a status that differs.
    async fn write_something(&self) -> Result<Written, kubernetes::Error> {
        self.write(&json!({}), &json!({"observedGeneration": 1})).await
    }
}

#[tokio::test]
async fn one_merge_patch_of_the_status_has_nulls_for_what_is_gone() {
    let policy = Policy::on(|_| Answer::Object(stored("u", "8", &json!({"observedGeneration": 2}))));
    let old = json!({"observedGeneration": 1, "latestRef": {"name": "app", "tag": "1", "digest": "sha256:00"}});
    let new = json!({"observedGeneration": 2, "latestRef": {"name": "app", "tag": "2"}});
    let written = policy.write(&old, &new).await.unwrap();
    let Written::Stored(object) = written else { panic!("{written:?}") };
    assert_eq!((object.resource_version.as_str(), object.status()), ("8", json!({"observedGeneration": 2})));

    let [seen] = <[Seen; 1]>::try_from(policy.log.all()).unwrap();
    assert_eq!((seen.method.as_str(), seen.content_type.as_str()), ("PATCH", "application/merge-patch+json"));
    assert_eq!(seen.path.replace("?&", "?"), format!("{PATH}/status?fieldManager=image-reflector-controller"));
    let change = json!({"observedGeneration": 2, "latestRef": {"tag": "2", "digest": null}});
    assert_eq!(seen.body, json!({"metadata": {"resourceVersion": "7"}, "status": change}));
}

#[tokio::test]
async fn nothing_is_sent_when_nothing_changed() {
    let policy = Policy::on(|_| Answer::Lost);
    let status = json!({"observedGeneration": 1, "conditions": [{"type": "Ready"}]});
    assert!(matches!(policy.write(&status, &status).await, Ok(Written::Unchanged)));
    assert_eq!(policy.log.all().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn each_answer_has_its_outcome() {
    for (answer, outcome) in [
        (Answer::Refusal(409, "the object has been modified"), "conflict"),
        (Answer::Refusal(404, "not found"), "gone"),
        (Answer::Refusal(410, "gone"), "gone"),
        (Answer::Refusal(422, "spec.interval: is\u{1b}[2J wrong"), r"refused: spec.interval: is\u{1b}[2J wrong"),
        (Answer::Refusal(401, "who are you?"), "Unknown: who are you?"),
        (Answer::Refusal(403, "may not"), "Forbidden: may not"),
        (Answer::Refusal(500, "oops"), "Transient: oops"),
        (Answer::Throttled(503, 600), "Transient: Too many requests, please try again later."),
        (Answer::Lost, "Transient: ServiceError: the connection is lost"),
        (Answer::Object(json!("a page")), "Transient: the API server answered with something else than an object"),
        (Answer::Silence, "Transient: the API server did not answer within 30 s"),
    ] {
        let policy = Policy::on(move |_| answer.clone());
        let came = match policy.write_something().await {
            Ok(Written::Conflict) => "conflict".to_owned(),
            Ok(Written::Gone) => "gone".to_owned(),
            Ok(Written::Refused(message)) => format!("refused: {message}"),
            Ok(other) => panic!("{other:?}"),
            Err(error) => format!("{:?}: {}", error.reason, error.message),
        };
        assert!(came.starts_with(outcome), "{came:?} is not {outcome:?}");
        assert_eq!(policy.log.all().len(), 1, "{outcome}: nothing is tried again");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_wants_to_be_left_alone_is() {
    let mut left = 2;
    let policy = Policy::on(move |_| match left {
        0 => Answer::Object(stored("u", "8", &json!({}))),
        _ => {
            left -= 1;
            Answer::Throttled(429, 3)
        }
    });
    assert!(matches!(policy.write_something().await, Ok(Written::Stored(_))));
    let seen = policy.log.all();
    let pauses: Vec<Duration> = seen.windows(2).map(|pair| pair[1].at - pair[0].at).collect();
    assert!(pauses.len() == 2 && pauses.iter().all(|pause| *pause >= Duration::from_secs(3)), "{pauses:?}");
}

#[tokio::test(start_paused = true)]
async fn who_would_wait_for_too_long_is_told_so() {
    let started = Instant::now();
    let policy = Policy::on(|_| Answer::Throttled(429, 60));
    let error = policy.write_something().await.unwrap_err();
    assert_eq!((error.reason, error.retry_after), (Reason::Transient, Some(Duration::from_secs(60))));
    assert_eq!((started.elapsed(), policy.log.all().len()), (Duration::ZERO, 1));

    let policy = Policy::on(|_| Answer::Throttled(429, 0));
    let error = policy.write_something().await.unwrap_err();
    assert_eq!(error.retry_after, Some(Duration::ZERO));
    assert!(started.elapsed() <= PATIENCE);
    assert_eq!(policy.log.all().len(), 21, "one a second, whatever it says");
}

#[tokio::test(start_paused = true)]
async fn after_a_conflict_the_status_is_computed_again_from_what_is_there() {
    let mut version = 7;
    let policy = Policy::on(move |seen| {
        let written = seen.body["metadata"]["resourceVersion"] == "9";
        match seen.method.as_str() {
            "GET" => {
                version += 1;
                Answer::Object(stored("u", &version.to_string(), &json!({"tags": version})))
            }
            _ if written => Answer::Object(stored("u", "10", &seen.body["status"])),
            _ => Answer::Refusal(409, "modified"),
        }
    });
    let first = object(stored("u", "7", &json!({"tags": 7})));
    let written = status::update(policy.target(), &first, |object| json!({"seen": object.status()["tags"]})).await;
    let Ok(Written::Stored(object)) = written else { panic!("{written:?}") };
    assert_eq!(object.status(), json!({"seen": 9, "tags": null}));
    let methods: Vec<String> = policy.log.all().into_iter().map(|seen| seen.method).collect();
    assert_eq!(methods, ["PATCH", "GET", "PATCH", "GET", "PATCH"]);
}

#[tokio::test(start_paused = true)]
async fn conflicts_without_an_end_have_one() {
    let policy = Policy::on(|seen| match seen.method.as_str() {
        "GET" => Answer::Object(stored("u", "8", &json!({}))),
        _ => Answer::Refusal(409, "modified"),
    });
    let first = object(stored("u", "7", &json!({})));
    let written = status::update(policy.target(), &first, |_| json!({"observedGeneration": 1})).await;
    assert!(matches!(written, Ok(Written::Conflict)), "{written:?}");
    let patches = policy.log.of("PATCH");
    assert_eq!(patches.len(), TRIES as usize);
    for (tried, pair) in patches.windows(2).enumerate() {
        let (pause, least) = (pair[1].at - pair[0].at, Duration::from_millis(100 << tried));
        assert!((least..=least * 2 + Duration::from_millis(2)).contains(&pause), "{pause:?} after {tried}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_object_of_the_same_name_that_was_made_since_is_another() {
    for found in [Answer::Object(stored("other", "9", &json!({}))), Answer::Refusal(404, "not found")] {
        let policy = Policy::on(move |seen| match seen.method.as_str() {
            "GET" => found.clone(),
            _ => Answer::Refusal(409, "modified"),
        });
        let first = object(stored("u", "7", &json!({})));
        let written = status::update(policy.target(), &first, |_| json!({"observedGeneration": 1})).await;
        assert!(matches!(written, Ok(Written::Gone)), "{written:?}");
        assert_eq!(policy.log.of("PATCH").len(), 1);
    }
}

#[tokio::test]
async fn finalizers_of_others_stay() {
    let held = |finalizers: &[&str], deleting: bool| {
        let mut held = stored("u", "7", &Value::Null);
        held["metadata"]["finalizers"] = json!(finalizers);
        if deleting {
            held["metadata"]["deletionTimestamp"] = json!("2026-11-27T10:00:00Z");
        }
        held
    };
    let policy = Policy::on(move |seen| {
        let mut left = stored("u", "8", &Value::Null);
        left["metadata"]["finalizers"] = seen.body["metadata"]["finalizers"].clone();
        left["metadata"]["deletionTimestamp"] = json!("2026-11-27T10:00:00Z");
        Answer::Object(left)
    });
    let target = policy.target();
    let added = finalizer::add(target, &object(held(&["theirs"], false)), "ours").await;
    assert!(matches!(added, Ok(Written::Stored(object)) if object.finalizers == ["theirs", "ours"]));
    let removed = finalizer::remove(target, &object(held(&["ours", "theirs"], true)), "ours").await;
    assert!(matches!(removed, Ok(Written::Stored(object)) if object.finalizers == ["theirs"]));
    let last = finalizer::remove(target, &object(held(&["ours"], true)), "ours").await;
    assert!(matches!(last, Ok(Written::Gone)), "{last:?}");
    let patches = policy.log.all();
    assert_eq!(patches.len(), 3);
    assert!(patches.iter().all(|seen| seen.body["metadata"]["resourceVersion"] == "7"), "{patches:?}");
    assert!(patches.iter().all(|seen| seen.path.starts_with(&format!("{PATH}?"))), "{patches:?}");

    for unchanged in [
        finalizer::add(target, &object(held(&["ours"], false)), "ours").await,
        finalizer::add(target, &object(held(&["theirs"], true)), "ours").await,
        finalizer::remove(target, &object(held(&["theirs"], true)), "ours").await,
    ] {
        assert!(matches!(unchanged, Ok(Written::Unchanged)), "{unchanged:?}");
    }
    assert_eq!(policy.log.all().len(), 3, "nothing more was sent");
}
