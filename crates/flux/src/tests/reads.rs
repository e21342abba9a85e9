//! What is read of statuses, and what is made of words.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::kstatus;
use crate::policy::{self, Outcome};
use crate::repository::{self, Due, Names};
use crate::tests::{now, word};
use crate::{ImageRef, MAX_MESSAGE, Remarks, Seen, Severity, metadata};

/// When a scan is due: the word for why now, or in how many seconds.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Row {
    about: String,
    status: Value,
    requested: Option<String>,
    image: String,
    exclusions: Vec<String>,
    interval: u64,
    has_tags: bool,
    due: Value,
}

/// How an object reads.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    about: String,
    generation: i64,
    status: Value,
    reads: String,
}

#[test]
fn scans_are_due() {
    let rows: Vec<Row> = serde_json::from_str(include_str!("../../../../fixtures/flux/due.json")).unwrap();
    for row in &rows {
        let seen = Seen { generation: 1, status: &row.status, requested: row.requested.as_deref(), now: now() };
        let exclusions: Vec<&str> = row.exclusions.iter().map(String::as_str).collect();
        let names = Names { canonical: &row.image, exclusions: &exclusions };
        let due = match repository::due(&seen, &names, Duration::from_secs(row.interval), row.has_tags) {
            Due::Now(why) => Value::from(why.to_string()),
            Due::In(left) => Value::from(left.as_secs_f64()),
        };
        let same = due == row.due || (due.is_f64() && due.as_f64() == row.due.as_f64());
        assert!(same, "{}: {due}, not {}", row.about, row.due);
    }
}

#[test]
fn statuses_read_as_in_kstatus() {
    let rows: Vec<Read> = serde_json::from_str(include_str!("../../../../fixtures/flux/kstatus.json")).unwrap();
    for row in &rows {
        assert_eq!(word(kstatus::progress(row.generation, &row.status)), row.reads, "{}", row.about);
    }
}

#[test]
fn what_is_ready_is_told_by_its_message() {
    let message = |conditions| kstatus::message(&json!({ "conditions": conditions })).map(str::to_owned);
    assert_eq!(
        message(json!([{"type": "Other", "message": "x"}, {"type": "Ready", "message": "y"}])),
        Some("y".to_owned())
    );
    assert_eq!(message(json!([{"type": "Ready", "message": 7}])), None);
    assert_eq!(message(json!("Ready")), None);
}

#[test]
fn long_messages_are_cut_between_characters() {
    // 32,765 bytes are left beside the dots; a euro sign has three.
    for (before, kept) in [(0, MAX_MESSAGE - 2), (1, MAX_MESSAGE - 1), (2, MAX_MESSAGE)] {
        let error = "x".repeat(before) + &"€".repeat(20_000);
        let status = json!({"observedGeneration": 1});
        let seen = Seen { generation: 1, status: &status, requested: None, now: now() };
        let first = policy::verdict(&seen, &Outcome::Malformed(&error), &Remarks::default());
        for condition in first.status["conditions"].as_array().unwrap() {
            let message = condition["message"].as_str().unwrap();
            assert_eq!(message.len(), kept);
            assert!(error.starts_with(message.strip_suffix("...").unwrap()));
        }
        assert_eq!(first.events[0].message.len(), kept);
        let later = Seen { now: now() + jiff::SignedDuration::from_secs(1), status: &first.status, ..seen };
        assert_eq!(policy::verdict(&later, &Outcome::Malformed(&error), &Remarks::default()).status, first.status);
    }
}

#[test]
fn messages_that_just_fit_are_whole() {
    let error = "x".repeat(MAX_MESSAGE);
    let seen = Seen { generation: 1, status: &Value::Null, requested: None, now: now() };
    let verdict = policy::verdict(&seen, &Outcome::Malformed(&error), &Remarks::default());
    assert_eq!(verdict.status["conditions"][0]["message"], error);
}

#[test]
fn times_are_to_the_second() {
    let status = Value::Null;
    let seen =
        Seen { generation: 1, status: &status, requested: None, now: "2026-01-02T03:04:05.999Z".parse().unwrap() };
    let verdict = policy::verdict(&seen, &Outcome::FilteredOut, &Remarks::default());
    assert_eq!(verdict.status["conditions"][0]["lastTransitionTime"], "2026-01-02T03:04:05Z");
}

#[test]
fn selections_are_read_of_all_versions() {
    let latest = |status: Value| policy::latest(&status).map(|latest| latest.to_string());
    let digest = "sha256:1";
    let cases = [
        (json!({"latestRef": {"name": "a/b", "tag": "1"}}), Some("a/b:1")),
        (json!({"latestRef": {"name": "a/b", "tag": "1", "digest": digest}}), Some("a/b:1@sha256:1")),
        (json!({"latestRef": {"name": "a/b", "tag": "1", "digest": ""}}), Some("a/b:1")),
        (json!({"latestRef": {"image": "a/b", "tag": "1"}}), Some("a/b:1")),
        (json!({"latestRef": {"name": "a/b", "tag": "1"}, "latestImage": "a/b:2"}), Some("a/b:1")),
        (json!({"latestImage": "localhost:5000/b:2"}), Some("localhost:5000/b:2")),
        (json!({"latestImage": "a/b:2@sha256:1"}), Some("a/b:2@sha256:1")),
        (json!({"latestImage": "localhost:5000/b"}), None),
        (json!({"latestImage": ""}), None),
        (json!({"latestRef": {"name": "a/b"}}), None),
        (json!({"latestRef": "a/b:1"}), None),
        (json!(null), None),
    ];
    for (status, wanted) in cases {
        assert_eq!(latest(status.clone()).as_deref(), wanted, "{status}");
    }
}

#[test]
fn digests_are_kept_of_the_same_image_and_tag() {
    let of = |latest: Value| policy::kept_digest(&json!({ "latestRef": latest }), "a/b", "1").map(str::to_owned);
    assert_eq!(of(json!({"name": "a/b", "tag": "1", "digest": "sha256:1"})).as_deref(), Some("sha256:1"));
    assert_eq!(of(json!({"name": "a/b", "tag": "1"})), None);
    assert_eq!(of(json!({"name": "a/b", "tag": "1", "digest": ""})), None);
    assert_eq!(of(json!({"name": "a/b", "tag": "2", "digest": "sha256:1"})), None);
    assert_eq!(of(json!({"name": "a/c", "tag": "1", "digest": "sha256:1"})), None);
    assert_eq!(of(json!(null)), None);
}

#[test]
fn references_are_written_as_they_are_read() {
    for digest in [None, Some("sha256:1")] {
        let reference = ImageRef { name: "a/b", tag: "1", digest };
        assert_eq!(ImageRef::read(&reference.value()), Some(reference));
    }
    assert_eq!(ImageRef { name: "a/b", tag: "1", digest: Some("") }.value(), json!({"name": "a/b", "tag": "1"}));
}

#[test]
fn events_take_their_own_annotations_along() {
    let annotations = [
        ("event.toolkit.fluxcd.io/deploymentID", "e076e315"),
        ("event.toolkit.fluxcd.io", "no"),
        ("reconcile.fluxcd.io/requestedAt", "now"),
    ];
    assert_eq!(metadata(annotations).into_iter().collect::<Vec<_>>(), [annotations[0]]);
}

#[test]
fn severities_have_the_words_of_who_listens() {
    let words = [Severity::Info, Severity::Error, Severity::Trace].map(|it| (it.event_type(), it.notified()));
    assert_eq!(words, [("Normal", Some("info")), ("Warning", Some("error")), ("Normal", None)]);
}
