//! The table of situations, `fixtures/flux/KIND/SITUATION.json`, and what holds for all of them.
//!
//! A situation is what is stored of an object, what a pass over it came to, and what is stored and said afterwards, in full. It is
//! [`NOW`] in all of them. `reads` is what readers make of the status that is left.

#![allow(clippy::unwrap_used)]

mod laws;
mod outcomes;
mod reads;

use std::fs;
use std::path::Path;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::kstatus::{self, Progress};
use crate::{Ending, Event, Remark, Remarks, Seen, Severity, Verdict};

/// The time of every pass.
const NOW: &str = "2026-11-26T10:00:00Z";

/// The kinds, by the folders of their situations.
const KINDS: [&str; 5] = ["repository", "policy", "automation", "native", "standing"];

/// A situation.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Situation {
    #[serde(skip)]
    name: String,
    #[serde(rename = "about")]
    _about: String,
    generation: i64,
    requested: Option<String>,
    stored: Value,
    outcome: Value,
    #[serde(default)]
    remarks: Value,
    status: Value,
    events: Vec<Told>,
    ending: Option<Value>,
    reads: String,
}

/// An event, as a situation has it.
#[derive(Deserialize, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
struct Told {
    severity: String,
    reason: String,
    message: String,
}

/// What became of an object; a suspended one has no ending.
struct Left {
    status: Value,
    events: Vec<Event>,
    ending: Option<Ending>,
}

impl From<Verdict> for Left {
    fn from(verdict: Verdict) -> Self {
        Self { status: verdict.status, events: verdict.events, ending: Some(verdict.ending) }
    }
}

impl From<Value> for Left {
    fn from(status: Value) -> Self {
        Self { status, events: Vec::new(), ending: None }
    }
}

impl Situation {
    fn seen<'a>(&'a self, status: &'a Value) -> Seen<'a> {
        Seen { generation: self.generation, status, requested: self.requested.as_deref(), now: now() }
    }
}

#[test]
fn image_repositories() {
    check("repository", 60);
}

#[test]
fn image_policies() {
    check("policy", 50);
}

#[test]
fn image_update_automations() {
    check("automation", 50);
}

#[test]
fn image_automations() {
    check("native", 15);
}

#[test]
fn receivers_and_notifications() {
    check("standing", 10);
}

fn check(kind: &str, at_least: usize) {
    let situations = situations(kind);
    assert!(situations.len() >= at_least, "{} situations of {kind}", situations.len());
    for situation in &situations {
        let place = format!("{kind}/{}", situation.name);
        let left =
            outcomes::pass(kind, &situation.seen(&situation.stored), &situation.outcome, &remarks(&situation.remarks));
        assert_eq!(pretty(&left.status), pretty(&situation.status), "{place}: status");
        assert_eq!(left.events.iter().map(told).collect::<Vec<_>>(), situation.events, "{place}: events");
        assert_eq!(left.ending.map(ending), situation.ending, "{place}: ending");
        let progress = kstatus::progress(situation.generation, &left.status);
        assert_eq!(word(progress), situation.reads, "{place}: how it reads");
    }
}

fn situations(kind: &str) -> Vec<Situation> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/flux").join(kind);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| situation(file)).collect()
}

fn situation(file: &Path) -> Situation {
    let read: Situation = serde_json::from_str(&fs::read_to_string(file).unwrap())
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    Situation { name: file.file_stem().unwrap().to_str().unwrap().to_owned(), ..read }
}

fn remarks(value: &Value) -> Remarks<'_> {
    let remark = |name| match value.get(name) {
        None => Remark::Unknown,
        Some(Value::String(word)) if word == "nothing" => Remark::Nothing,
        Some(said) => Remark::Say { code: said["code"].as_str().unwrap(), message: said["message"].as_str().unwrap() },
    };
    Remarks { held: remark("held"), findings: remark("findings") }
}

fn told(event: &Event) -> Told {
    let severity = match event.severity {
        Severity::Info => "info",
        Severity::Error => "error",
        Severity::Trace => "trace",
    };
    Told { severity: severity.to_owned(), reason: event.reason.clone(), message: event.message.clone() }
}

fn ending(ending: Ending) -> Value {
    match ending {
        Ending::Ready => "ready".into(),
        Ending::Retry => "retry".into(),
        Ending::Stalled => "stalled".into(),
        Ending::Later(time) => serde_json::json!({ "later": time.as_secs() }),
    }
}

/// How an object reads, in a word.
fn word(progress: Progress) -> &'static str {
    match progress {
        Progress::Current => "current",
        Progress::InProgress => "in-progress",
        Progress::Failed => "failed",
    }
}

/// A status on many lines with its fields in order, so that a difference can be seen.
fn pretty(value: &Value) -> String {
    let mut value = value.clone();
    value.sort_all_objects();
    format!("{value:#}")
}

fn now() -> Timestamp {
    NOW.parse().unwrap()
}
