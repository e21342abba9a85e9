//! What happened, told to Flux's notification-controller, which makes alerts of it.
//!
//! Each event is a POST of JSON, as Flux's controllers send it: five seconds for an answer, four more tries after no answer or a
//! 5xx. An answer of 429 says that the same was told within five minutes, and is no error. A task of its own sends, one event after
//! the other, so that a receiver that is gone holds nothing up; what waits for longer than five minutes, or finds no room, is lost
//! and counted.
//!
//! Needs no verb, but a way through the network to `--events-addr`.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};
use serde_json::{Value, json};
use tokio::sync::mpsc::Receiver;
use tokio::time::Instant;

use crate::event::{Event, Level, Subject};
use crate::queue::{Lost, Queue};

/// How many events wait to be sent.
pub const QUEUE: usize = 1024;

/// How long an answer may take.
const DEADLINE: Duration = Duration::from_secs(5);

/// The pauses before an event is sent again, in seconds.
const PAUSES: [u64; 4] = [1, 2, 4, 8];

/// Who hears of something after this time is misled by it.
const MAX_AGE: Duration = Duration::from_secs(300);

/// Who tells what happens, to notification-controller.
pub struct Notifier {
    queue: Queue<Told>,
    host: String,
}

/// An address that nothing can be sent to.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// It is no URL with `http` or `https`.
    #[error("`{0}` is no http or https address")]
    Address(String),
    /// There is no HTTP client.
    #[error("no HTTP client: {0}")]
    Client(#[source] reqwest::Error),
}

/// What waits.
struct Told {
    at: Instant,
    body: Value,
}

impl Notifier {
    /// Starts the task that sends to this address, in the name of this host.
    ///
    /// # Errors
    /// The address cannot be used.
    pub fn start(address: &str, host: String) -> Result<Self, Unusable> {
        let url = Url::parse(address).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let url = url.ok_or_else(|| Unusable::Address(words::one_line(address, 200)))?;
        let client = Client::builder().timeout(DEADLINE).redirect(Policy::none()).build().map_err(Unusable::Client)?;
        let queue = Queue::start("notifications", QUEUE, |queue, lost| send_all(client, url, queue, lost));
        Ok(Self { queue, host })
    }

    /// Tells that something happened. Never waits.
    pub fn tell(&self, subject: &Subject, event: Event) {
        let body = body(subject, &event.bounded(), &self.host, Timestamp::now());
        self.queue.put(Told { at: Instant::now(), body });
    }

    /// How many events were lost: there was no room, or nobody took them.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.queue.lost()
    }

    /// Waits until all that was told is sent, but not for longer than this.
    pub async fn finish(self, within: Duration) {
        self.queue.finish(within).await;
    }
}

/// The event in the form of Flux.
fn body(subject: &Subject, event: &Event, host: &str, at: Timestamp) -> Value {
    let severity = match event.level {
        Level::Normal => "info",
        Level::Warning => "error",
    };
    let mut body = json!({
        "involvedObject": {
            "kind": subject.kind,
            "namespace": subject.namespace,
            "name": subject.name,
            "uid": subject.uid,
            "apiVersion": subject.api_version,
            "resourceVersion": subject.resource_version,
        },
        "severity": severity,
        "timestamp": at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "message": event.message,
        "reason": event.reason,
    });
    if !event.annotations.is_empty() {
        body["metadata"] = json!(event.annotations);
    }
    body["reportingController"] = event.component.as_str().into();
    body["reportingInstance"] = host.into();
    body
}

async fn send_all(client: Client, url: Url, mut queue: Receiver<Told>, lost: Lost) {
    while let Some(told) = queue.recv().await {
        if let Err(why) = send(&client, &url, &told).await {
            lost.add("notifications", &why);
        }
    }
}

/// Sends an event until it is taken or refused, or the pauses are over; why it was not taken.
async fn send(client: &Client, url: &Url, told: &Told) -> Result<(), String> {
    let mut pauses = PAUSES.into_iter().map(Duration::from_secs);
    loop {
        if told.at.elapsed() > MAX_AGE {
            return Err("it has waited for too long".to_owned());
        }
        let why = match client.post(url.clone()).json(&told.body).send().await {
            Ok(answer) if answer.status().is_success() || answer.status() == StatusCode::TOO_MANY_REQUESTS => {
                return Ok(());
            }
            Ok(answer) if !answer.status().is_server_error() => {
                return Err(format!("the receiver answered {}", answer.status()));
            }
            Ok(answer) => format!("the receiver answered {}", answer.status()),
            Err(error) => web::reason(&error),
        };
        match pauses.next() {
            Some(pause) => tokio::time::sleep(pause).await,
            None => return Err(why),
        }
    }
}
