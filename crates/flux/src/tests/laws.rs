//! What holds whatever is stored and whatever a pass came to: every stored status of the table with every outcome, and
//! statuses that nobody would write.

use std::collections::HashSet;
use std::fmt;
use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::condition::{self, MAX_MESSAGE};
use crate::kstatus::{self, Progress};
use crate::shape::{Field, Shape};
use crate::tests::{KINDS, Left, Situation, now, outcomes, remarks, situations};
use crate::{Ending, FINDINGS, HELD, Remarks, Seen, Severity, policy, repository};

const FLUXS: [&str; 3] = ["Stalled", "Reconciling", "Ready"];
const OURS: [&str; 2] = [HELD, FINDINGS];

/// What a failure leaves as it is.
const KEPT: [Field; 6] = [
    ("latestRef", Shape::Image),
    ("observedPreviousRef", Shape::Image),
    ("lastScanResult", Shape::Scan),
    ("canonicalImageName", Shape::Text),
    ("lastPushCommit", Shape::Text),
    ("observedSourceRevision", Shape::Text),
];

/// The situations of each kind.
static TABLE: LazyLock<Vec<(&str, Vec<Situation>)>> =
    LazyLock::new(|| KINDS.into_iter().map(|kind| (kind, situations(kind))).collect());

#[test]
fn every_outcome_on_every_status() {
    for (kind, situations) in &*TABLE {
        let passes = different(situations, |it| format!("{} {}", it.outcome, it.remarks));
        for before in different(situations, |it| format!("{} {} {:?}", it.stored, it.generation, it.requested)) {
            for pass in &passes {
                hold(kind, &before.seen(&before.stored), pass);
            }
        }
    }
}

/// The first situations of those that differ in something.
fn different(situations: &[Situation], by: impl Fn(&Situation) -> String) -> Vec<&Situation> {
    let mut known = HashSet::new();
    situations.iter().filter(|situation| known.insert(by(situation))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_outcome_on_any_status(kind in any::<prop::sample::Index>(), status in status(), at in any::<prop::sample::Index>()) {
        let (kind, situations) = kind.get(&TABLE);
        let pass = at.get(situations);
        hold(kind, &pass.seen(&status), pass);
    }

    #[test]
    fn any_status_can_be_read(status in status(), generation in -2i64..3) {
        let seen = Seen { generation, status: &status, requested: Some("now"), now: now() };
        let _ = kstatus::progress(generation, &status);
        let _ = kstatus::message(&status);
        let _ = policy::latest(&status);
        let names = repository::Names { canonical: "a/b", exclusions: &["x"] };
        let _ = repository::due(&seen, &names, std::time::Duration::MAX, true);
    }
}

/// What a law was broken by.
struct Place<'a> {
    kind: &'a str,
    pass: &'a str,
    on: &'a Value,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} on {:#}", self.kind, self.pass, self.on)
    }
}

/// The laws, for one pass.
fn hold(kind: &str, seen: &Seen<'_>, pass: &Situation) {
    let remarks = remarks(&pass.remarks);
    let left = outcomes::pass(kind, seen, &pass.outcome, &remarks);
    let place = Place { kind, pass: &pass.name, on: seen.status };
    stays(kind, seen, &left, &place);
    let Some(ending) = left.ending else { return };
    conditions(seen, &left, &remarks, &place);
    ends(seen, &left, ending, &place);
    again(kind, seen, pass, &left, &place);
}

/// What is not ours stays, and what was asked for is answered.
fn stays(kind: &str, seen: &Seen<'_>, left: &Left, place: &Place<'_>) {
    for (name, value) in seen.status.as_object().into_iter().flatten() {
        let unknown = ["extra", "latestImage", "artifact", "history"].contains(&name.as_str());
        assert!(!unknown || left.status.get(name) == Some(value), "{name} stays: {place}");
    }
    let foreign = |status: &Value| -> Vec<Value> {
        let mut others = list(status).to_vec();
        others.retain(|condition| {
            let kind = condition.get("type").and_then(Value::as_str);
            kind.is_some_and(|kind| !FLUXS.contains(&kind) && !OURS.contains(&kind))
        });
        others.sort_by_key(|condition| condition["type"].as_str().map(str::to_owned));
        others
    };
    if left.ending.is_some() {
        assert_eq!(foreign(&left.status), foreign(seen.status), "{place}");
    } else {
        assert_eq!(left.status.get("conditions"), seen.status.get("conditions"), "{place}");
    }
    if let Some(requested) = seen.requested.filter(|_| kind != "automation" || left.ending.is_some()) {
        assert_eq!(left.status["lastHandledReconcileAt"], requested, "{place}");
    }
}

/// Ours are there once each, in order, whole, and none with what excludes it.
fn conditions(seen: &Seen<'_>, left: &Left, remarks: &Remarks<'_>, place: &Place<'_>) {
    let list = list(&left.status);
    let kinds: Vec<&str> = list.iter().map(|condition| condition["type"].as_str().unwrap()).collect();
    assert!(!(kinds.contains(&"Stalled") && kinds.contains(&"Reconciling")), "{place}");
    for kind in FLUXS.iter().chain(&OURS) {
        assert!(kinds.iter().filter(|other| *other == kind).count() <= 1, "{kind} once: {place}");
    }
    let places: Vec<usize> = kinds.iter().map(|kind| FLUXS.iter().position(|it| it == kind).unwrap_or(9)).collect();
    assert!(places.is_sorted() && places[0] < 9, "{kinds:?}: {place}");
    assert!(kinds[places.iter().filter(|it| **it < 9).count()..].is_sorted(), "{kinds:?}: {place}");
    let written = |kind: &str| {
        let kept = remarks.each().iter().any(|(it, _, remark)| *it == kind && *remark == crate::Remark::Unknown);
        FLUXS.contains(&kind) || (OURS.contains(&kind) && !kept)
    };
    for condition in list.iter().filter(|condition| written(condition["type"].as_str().unwrap())) {
        assert_eq!(condition["observedGeneration"], seen.generation, "{place}");
        assert!(condition["lastTransitionTime"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{place}");
        assert!(condition["message"].as_str().unwrap().len() <= MAX_MESSAGE, "{place}");
        let reason = condition["reason"].as_str().unwrap();
        assert!(!reason.is_empty() && reason.chars().all(|c| c.is_ascii_alphanumeric()), "{reason}: {place}");
        assert_eq!(condition.as_object().unwrap().len(), 6, "{place}");
    }
}

/// The ending, the way the status reads, the observed generation and the first event agree.
fn ends(seen: &Seen<'_>, left: &Left, ending: Ending, place: &Place<'_>) {
    let before = if seen.status.is_object() { seen.status.get("observedGeneration") } else { Some(&Value::Null) };
    let before = before.map(|value| value.as_i64().unwrap_or(-1));
    let observed = left.status.get("observedGeneration").map(|value| value.as_i64().unwrap());
    let progress = kstatus::progress(seen.generation, &left.status);
    let first = &left.events[0];
    match ending {
        Ending::Ready => {
            assert_eq!((progress, observed), (Progress::Current, Some(seen.generation)), "{place}");
            assert_eq!(first.reason, "Succeeded", "{place}");
            assert_ne!(first.severity, Severity::Error, "{place}");
        }
        Ending::Stalled => assert_eq!((progress, observed), (Progress::Failed, Some(seen.generation)), "{place}"),
        Ending::Retry | Ending::Later(_) => assert_eq!((progress, observed), (Progress::InProgress, before), "{place}"),
    }
    if ending != Ending::Ready {
        let ready = condition::find(list(&left.status), "Ready").unwrap();
        assert_eq!(first.severity, Severity::Error, "{place}");
        assert_eq!(
            (first.reason.as_str(), first.message.as_str()),
            (text(ready, "reason"), text(ready, "message")),
            "{place}"
        );
        for (kept, shape) in KEPT {
            let was = seen.status.get(kept).filter(|was| shape.fits(was));
            assert!(was.is_none() || left.status.get(kept) == was, "{kept} stays: {place}");
        }
    }
}

/// Twice is once; an hour later, too, but for the times of scans and runs. And what was told is not told again.
fn again(kind: &str, seen: &Seen<'_>, pass: &Situation, left: &Left, place: &Place<'_>) {
    let remarks = remarks(&pass.remarks);
    let second = outcomes::pass(kind, &Seen { status: &left.status, ..*seen }, &pass.outcome, &remarks);
    assert_eq!(second.status, left.status, "{place}");
    assert_eq!(second.ending, left.ending, "{place}");
    assert_eq!(second.events.len(), 1, "{place}");
    let pushed = second.events[0].message.starts_with("pushed commit ");
    assert_eq!(second.events[0].severity == Severity::Info, pushed, "{place}");
    let later = Seen { status: &left.status, now: now() + jiff::SignedDuration::from_hours(1), ..*seen };
    let third = outcomes::pass(kind, &later, &pass.outcome, &remarks);
    let timeless = |status: &Value| {
        let mut status = status.clone();
        if let Some(scan) = status.get_mut("lastScanResult").filter(|scan| scan.is_object()) {
            scan["scanTime"] = Value::Null;
        }
        status
    };
    assert_eq!(timeless(&third.status), timeless(&left.status), "{place}");
}

/// A status that may be anything: fields of the kinds and others, with values of any type.
fn status() -> impl Strategy<Value = Value> {
    let field = prop::sample::select(vec![
        "observedGeneration",
        "lastHandledReconcileAt",
        "lastScanResult",
        "canonicalImageName",
        "observedExclusionList",
        "latestRef",
        "observedPreviousRef",
        "lastAutomationRunTime",
        "lastRunTime",
        "lastPushCommit",
        "lastPushTime",
        "observedPolicies",
        "observedSourceRevision",
        "latestImage",
        "extra",
    ]);
    let conditions =
        prop_oneof![3 => prop::collection::vec(stored_condition(), 0..6).prop_map(Value::from), 1 => anything()];
    let fields = prop::collection::vec((field, anything()), 0..8);
    let whole = (fields, prop::option::of(conditions)).prop_map(|(fields, conditions)| {
        let mut status: Map<String, Value> = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        status.extend(conditions.map(|conditions| ("conditions".to_owned(), conditions)));
        Value::Object(status)
    });
    prop_oneof![9 => whole, 1 => anything()]
}

fn stored_condition() -> impl Strategy<Value = Value> {
    let kind = prop::sample::select(vec!["Stalled", "Reconciling", "Ready", HELD, FINDINGS, "Other", "a.io/B"]);
    let status = prop::sample::select(vec!["True", "False", "Unknown"]);
    let whole = (kind, status, anything(), anything(), anything()).prop_map(|(kind, status, reason, message, since)| {
        json!({"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": since})
    });
    prop_oneof![6 => whole, 1 => anything()]
}

fn anything() -> impl Strategy<Value = Value> {
    let words =
        ["", "Succeeded", "repository up-to-date", "2026-11-26T09:00:00Z", "ghcr.io/org/app", "1.2.0", "sha256:1"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-2i64..3).prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(words.to_vec()).prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let name =
            prop::sample::select(vec!["name", "tag", "digest", "revision", "tagCount", "scanTime", "type", "image"]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name, inner), 0..4).prop_map(|fields| {
                fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>().into()
            }),
        ]
    })
}

fn list(status: &Value) -> &[Value] {
    status.get("conditions").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text<'a>(condition: &'a Value, key: &str) -> &'a str {
    condition[key].as_str().unwrap()
}
