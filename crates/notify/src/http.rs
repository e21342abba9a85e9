//! Programs: each event by itself, in the form in which Flux's notification-controller sends it.
//!
//! ```json
//! {
//!   "involvedObject": {"apiVersion": "tagwright.dev/v1alpha1", "kind": "ImageAutomation", "namespace": "default", "name": "shop"},
//!   "severity": "info",
//!   "timestamp": "2026-11-27T12:00:00Z",
//!   "message": "default/shop: pushed 1a2b3c4 to main of https://git.example.com/acme/config, 2 changes",
//!   "reason": "pushed",
//!   "metadata": {"revision": "main@sha1:1a2b3c4…"},
//!   "reportingController": "tagwright",
//!   "reportingInstance": "bot-7d9f"
//! }
//! ```
//!
//! A CloudEvent of version 1.0 has that as its `data`, in the structured mode.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use access::ExposeSecret as _;
use aws_lc_rs::hmac;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value, json};

use super::event::{Event, Name, Object};
use super::exchange::{Exchange, Failure, Post};
use super::gather::Entry;
use super::target::{Http, Route, url};
use super::text::Words;

/// The header with the signature, as Flux has it.
const SIGNATURE: &str = "x-signature";

/// The longest sentence, in characters.
pub(crate) const SENTENCE: usize = 10_000;

/// What tells the events of one process apart.
static NUMBER: AtomicU64 = AtomicU64::new(1);

/// An event in the form of Flux, with this sentence.
pub(crate) fn event(entry: &Entry, words: Words<'_>, message: &str) -> Value {
    let Event { kind, severity, about, at, commit, hint, .. } = &entry.event;
    let mut metadata = Map::new();
    let mut add = |name: &str, value: String| {
        if !value.is_empty() {
            metadata.insert(name.to_owned(), value.into());
        }
    };
    words.metadata.iter().for_each(|(name, value)| add(name, value.clone()));
    add("summary", words.summary.to_owned());
    if let Some(commit) = commit {
        add("revision", format!("{}@sha1:{}", commit.branch, commit.id));
        add("link", commit.page.clone().unwrap_or_default());
    }
    add("remote", about.remote.clone().unwrap_or_default());
    add("hint", hint.clone().unwrap_or_default());
    let listed = |names: &[Name]| names.iter().map(Name::to_string).collect::<Vec<_>>().join(",");
    add("automations", listed(&about.automations));
    add("policies", listed(&about.policies));
    if entry.affected > 1 {
        add("affected", entry.affected.to_string());
    }
    let mut body = json!({
        "involvedObject": involved(&entry.event),
        "severity": severity.as_str(),
        "timestamp": at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "message": message,
        "reason": kind.as_str(),
    });
    body["metadata"] = metadata.into();
    body["reportingController"] = "tagwright".into();
    body["reportingInstance"] = instance().into();
    body
}

/// What an automation is of which nothing else is known.
const OURS: Object = Object { api_version: "tagwright.dev/v1alpha1", kind: "ImageAutomation" };

/// The object that an event is about, above all.
fn involved(event: &Event) -> Value {
    let about = &event.about;
    let of = |version: &str, kind: &str, name: &Name| json!({"apiVersion": version, "kind": kind, "namespace": name.namespace, "name": name.name});
    const IMAGES: &str = "image.toolkit.fluxcd.io/v1";
    match (&about.repositories[..], &about.policies[..], &about.automations[..]) {
        ([repository, ..], _, _) => of(IMAGES, "ImageRepository", repository),
        ([], [policy], []) => of(IMAGES, "ImagePolicy", policy),
        ([], _, [automation, ..]) => {
            let Object { api_version, kind } = about.object.unwrap_or(OURS);
            of(api_version, kind, automation)
        }
        ([], _, []) => json!({"kind": "Configuration", "namespace": "", "name": "tagwright"}),
    }
}

fn instance() -> String {
    std::env::var("HOSTNAME").ok().filter(|name| !name.is_empty()).unwrap_or_else(|| "tagwright".to_owned())
}

pub(crate) async fn send(
    exchange: &Exchange,
    (http, route): (&Http, &Route),
    event: &Value,
) -> Result<Duration, Failure> {
    let (body, form) = match http.is_cloud_event {
        true => (cloud_event(event).to_string(), "application/cloudevents+json; charset=utf-8"),
        false => (event.to_string(), "application/json"),
    };
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(form));
    let unfit = |name: &str| Failure::Never(format!("the header {name} has characters that no header can have"));
    for (name, value) in &http.headers {
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unfit(&words::escape(name)))?;
        let mut value = HeaderValue::from_str(value.expose_secret()).map_err(|_| unfit(name))?;
        value.set_sensitive(true);
        headers.insert(header, value);
    }
    if let Some(key) = &http.key {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose_secret().as_bytes());
        let tag = hmac::sign(&key, body.as_bytes());
        let digits: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let value = HeaderValue::from_str(&format!("sha256={digits}")).map_err(|_| unfit(SIGNATURE))?;
        headers.insert(HeaderName::from_static(SIGNATURE), value);
    }
    let url = url(&http.address).ok_or_else(|| Failure::Never("the address is no URL".to_owned()))?;
    exchange.post(Post { url, headers, body: body.into_bytes(), route }).await.map(|_| Duration::ZERO)
}

/// An event as a CloudEvent. Its number stays the same when it is sent again, since it was given when it was written.
fn cloud_event(event: &Value) -> Value {
    let object = &event["involvedObject"];
    let part = |name: &str| object[name].as_str().unwrap_or_default();
    let subject = format!("{}/{}/{}", part("kind"), part("namespace"), part("name"));
    let mut data = event.clone();
    let id = data.as_object_mut().and_then(|data| data.shift_remove(ID)).unwrap_or_default();
    json!({
        "specversion": "1.0",
        "id": id,
        "source": format!("/tagwright/{}", part_of_path(&instance())),
        "type": format!("dev.tagwright.{}", event["reason"].as_str().unwrap_or_default()),
        "subject": subject,
        "time": event["timestamp"],
        "datacontenttype": "application/json",
        "data": data,
    })
}

/// Where an event that becomes a CloudEvent has its number.
const ID: &str = "id";

/// Gives an event a number of its own.
pub(crate) fn numbered(mut event: Value, at: jiff::Timestamp) -> Value {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    event[ID] = format!("{}-{}-{number}", at.as_microsecond(), std::process::id()).into();
    event
}

fn part_of_path(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || "-._".contains(*c)).collect()
}
