//! Events of the API server, as client-go's recorder writes them: core/v1, which `kubectl events` and `flux events` read, and
//! which the roles of Flux's controllers allow.
//!
//! What is told is sent by a task of its own, so that nobody waits for it. The queue has a bound, and so has the memory of what was told;
//! what does not fit is lost, and counted. The same message again is a count and a time on the event that there is; many
//! similar ones become one; and each object has a burst of 25 events, then one more every five minutes.
//!
//! An event that the API server does not take since it is down, or throttles, is tried again for a while. Those that it refuses are
//! lost: the namespace is going, or we may not.
//!
//! Needs the verbs `create` and `patch` on `events` of the core group.

mod recent;
mod series;

use std::time::Duration;

use jiff::Timestamp;
use kube::Client;
use kube::api::{Patch, PatchParams, PostParams};
use kube::core::Request;
use serde_json::{Value, json};
use tokio::sync::mpsc::Receiver;

use self::series::{Memory, Record};
pub use crate::event::{Event, Level, MAX_MESSAGE, Subject};

use crate::ask::ask;
use crate::error::{Error, Reason};
use crate::queue::{Lost, Queue};

/// How many events wait to be sent.
pub const QUEUE: usize = 4096;

/// The pauses before an event is tried again, in seconds.
const PAUSES: [u64; 4] = [1, 2, 4, 8];

/// The longest pause that a server gets that wants to be left alone.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The namespace of events about objects that are in none.
const ELSEWHERE: &str = "default";

/// Who tells what happens, to the API server.
pub struct Recorder(Queue<(Subject, Event)>);

impl Recorder {
    /// Starts the task that sends.
    #[must_use]
    pub fn start(client: Client) -> Self {
        Self(Queue::start("events", QUEUE, |queue, lost| send_all(client, queue, lost)))
    }

    /// Tells that something happened. Never waits.
    pub fn tell(&self, subject: Subject, event: Event) {
        self.0.put((subject, event.bounded()));
    }

    /// How many events were lost: there was no room, or the API server did not take them.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.0.lost()
    }

    /// Waits until all that was told is sent, but not for longer than this.
    pub async fn finish(self, within: Duration) {
        self.0.finish(within).await;
    }
}

async fn send_all(client: Client, mut queue: Receiver<(Subject, Event)>, lost: Lost) {
    let mut memory = Memory::new();
    while let Some((subject, event)) = queue.recv().await {
        if let Some(record) = memory.take(&subject, &event, Timestamp::now())
            && let Err(error) = send(&client, &subject, &event, &record).await
        {
            lost.add("events", &error.message);
        }
    }
}

/// Counts the event up, or creates it where it is new or the API server has forgotten it.
async fn send(client: &Client, subject: &Subject, event: &Event, record: &Record) -> Result<(), Error> {
    if record.is_known {
        match persistently(client, || count(subject, event, record)).await {
            Err(error) if error.is_not_found() => {}
            counted => return counted,
        }
    }
    persistently(client, || create(subject, event, record)).await
}

/// Sends a request until it is taken or refused, or the pauses are over.
async fn persistently(client: &Client, request: impl Fn() -> Result<Asking, Error>) -> Result<(), Error> {
    let mut pauses = PAUSES.into_iter().map(Duration::from_secs);
    loop {
        let error = match ask::<Value>(client, request()?).await {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        match pauses.next() {
            Some(pause) if error.reason == Reason::Transient => {
                tokio::time::sleep(error.retry_after.unwrap_or_default().max(pause).min(LONGEST_PAUSE)).await;
            }
            _ => return Err(error),
        }
    }
}

type Asking = http::Request<Vec<u8>>;

fn create(subject: &Subject, event: &Event, record: &Record) -> Result<Asking, Error> {
    let params = PostParams { field_manager: Some(event.component.clone()), ..PostParams::default() };
    let body = body(subject, event, record).to_string().into_bytes();
    events(subject).create(&params, body).map_err(|error| kube::Error::BuildRequest(error).into())
}

fn count(subject: &Subject, event: &Event, record: &Record) -> Result<Asking, Error> {
    let params = PatchParams { field_manager: Some(event.component.clone()), ..PatchParams::default() };
    let patch = json!({"count": record.count, "lastTimestamp": time(record.last), "message": record.message});
    let request = events(subject).patch(&record.name, &params, &Patch::Merge(patch));
    request.map_err(|error| kube::Error::BuildRequest(error).into())
}

fn events(subject: &Subject) -> Request {
    Request::new(format!("/api/v1/namespaces/{}/events", namespace(subject)))
}

fn namespace(subject: &Subject) -> &str {
    match subject.namespace.as_str() {
        "" => ELSEWHERE,
        namespace => namespace,
    }
}

fn body(subject: &Subject, event: &Event, record: &Record) -> Value {
    let mut metadata = json!({"name": record.name, "namespace": namespace(subject)});
    if !event.annotations.is_empty() {
        metadata["annotations"] = json!(event.annotations);
    }
    json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": metadata,
        "involvedObject": {
            "apiVersion": subject.api_version,
            "kind": subject.kind,
            "namespace": subject.namespace,
            "name": subject.name,
            "uid": subject.uid,
            "resourceVersion": subject.resource_version,
        },
        "type": series::level(event.level),
        "reason": event.reason,
        "message": record.message,
        "source": {"component": event.component},
        "reportingComponent": event.component,
        "reportingInstance": "",
        "firstTimestamp": time(record.first),
        "lastTimestamp": time(record.last),
        "count": record.count,
    })
}

fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
