//! Webhooks: `POST /hook/DIGEST`, where the path has the secret as Flux derives it, and `POST /hooks/NAMESPACE/NAME`.
//!
//! The door lets everybody in here: who sends is told by the request itself ([`hooks`]). What is accepted is due before the answer goes out,
//! so that there is no queue to lose anything from; how many requests are read at once is bounded, and one more is asked to come again. What the
//! head of a request tells is looked at before its body is read: whoever does not know the token takes no place of those who do.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::to_bytes;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use hooks::{MAX_BODY, Receiver, Refused, Shown};
use jiff::Timestamp;
use otlp::Origin;
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::issuers::Issuers;
use super::routes::{App, no};
use crate::schedule::Handle;
use crate::trace;

/// How many requests are read at once, each of at most [`MAX_BODY`] bytes.
const MAX_READING: usize = 32;

/// How many of those are read at once that only the body can prove, beside the others.
const MAX_STRANGERS: usize = 16;

/// How long the body of one of these may take.
const STRANGERS_WITHIN: Duration = Duration::from_secs(5);

/// How many requests are remembered, to tell one that comes again.
const MAX_REMEMBERED: usize = 10_000;

/// How long a request is remembered that has a time or a number of its own.
const REPLAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long one is remembered that may be sent again and mean it: as long as a sender takes that tries again at once.
const RETRY: Duration = Duration::from_secs(5);

/// How often it is said of a receiver that requests are refused.
const SAY_AGAIN: Duration = Duration::from_secs(60);

/// Paths of webhooks.
pub(super) fn is_hook(path: &str) -> bool {
    path.starts_with("/hook/") || path.starts_with("/hooks/")
}

pub(super) fn routes(handle: Handle) -> Router<App> {
    let hooks = Hooks {
        handle,
        reading: Arc::new(Semaphore::new(MAX_READING)),
        strangers: Arc::new(Semaphore::new(MAX_STRANGERS)),
        issuers: Arc::default(),
        seen: Arc::default(),
        said: Arc::default(),
    };
    Router::new()
        .route("/hook/{digest}", post(by_path))
        .route("/hooks/{namespace}/{name}", post(by_name))
        .with_state(hooks)
}

#[derive(Clone)]
struct Hooks {
    handle: Handle,
    reading: Arc<Semaphore>,
    /// Places for those of whom the head does not say whether they are the sender.
    strangers: Arc<Semaphore>,
    issuers: Arc<Issuers>,
    seen: Arc<Mutex<Seen>>,
    /// When it was last said of a receiver that a request was refused.
    said: Arc<Mutex<HashMap<String, Instant>>>,
}

/// The answer to what is taken.
#[derive(Debug, Serialize)]
struct Taken {
    /// `accepted`, `ignored` or `duplicate`.
    result: &'static str,
    /// How many image repositories and Git remotes are looked at.
    due: usize,
}

async fn by_path(State(hooks): State<Hooks>, Path(digest): Path<String>, request: Request) -> Response {
    let receivers = hooks.handle.receivers();
    match receivers.at(&digest) {
        Some(receiver) => hooks.receive(receiver, true, request).await,
        None => nobody(),
    }
}

async fn by_name(
    State(hooks): State<Hooks>,
    Path((namespace, name)): Path<(String, String)>,
    request: Request,
) -> Response {
    let receivers = hooks.handle.receivers();
    match receivers.named(&namespace, &name) {
        Some(receiver) => hooks.receive(receiver, false, request).await,
        None => nobody(),
    }
}

fn nobody() -> Response {
    no(StatusCode::NOT_FOUND, "there is no receiver at this path").into_response()
}

impl Hooks {
    async fn receive(&self, receiver: &Receiver, by_path: bool, request: Request) -> Response {
        let source = receiver.source.as_str();
        let refuse = |status, result, why: &str| {
            self.handle.received(source, result);
            self.say(receiver, result, why);
            no(status, why).into_response()
        };
        let (head, body) = request.into_parts();
        let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let now = Timestamp::now().as_second();
        // Whose tokens an issuer has signed, its keys tell, which may have to be asked for.
        let shown = match &receiver.identity {
            None => receiver.shown(&hooks::Request { header: &header, body: &[], by_path, keys: None, now }),
            Some(_) => Ok(Shown::ByBody),
        };
        let (places, within) = match shown {
            Ok(Shown::Proven) => (&self.reading, Duration::MAX),
            Ok(Shown::ByBody) => (&self.strangers, STRANGERS_WITHIN),
            Err(refused) => return refuse(StatusCode::UNAUTHORIZED, "unauthenticated", &refused.to_string()),
        };
        let Ok(_place) = places.try_acquire() else {
            let mut response =
                refuse(StatusCode::TOO_MANY_REQUESTS, "busy", "too many webhooks at once; send it again");
            response.headers_mut().insert(RETRY_AFTER, axum::http::HeaderValue::from_static("1"));
            return response;
        };
        let shown = header("authorization").unwrap_or_default();
        let keys = match (&receiver.identity, hooks::bearer(&shown)) {
            (Some(identity), Some(token)) => self.issuers.keys_for(identity, token).await,
            _ => None,
        };
        let keys = keys.as_deref();
        if let Err(refused) = receiver.shown(&hooks::Request { header: &header, body: &[], by_path, keys, now }) {
            return refuse(StatusCode::UNAUTHORIZED, "unauthenticated", &refused.to_string());
        }
        let body = match timeout(within, to_bytes(body, MAX_BODY)).await {
            Ok(Ok(body)) => body,
            Ok(Err(_)) => {
                let why = "the body has more than 1 MiB, or breaks off";
                return refuse(StatusCode::PAYLOAD_TOO_LARGE, "too-large", why);
            }
            Err(_) => return refuse(StatusCode::REQUEST_TIMEOUT, "too-slow", "the body takes too long"),
        };
        let delivery = match receiver.read(&hooks::Request { header: &header, body: &body, by_path, keys, now }) {
            Ok(delivery) => delivery,
            Err(Refused::Unproven(why)) => return refuse(StatusCode::UNAUTHORIZED, "unauthenticated", why),
            Err(Refused::Malformed(why)) => return refuse(StatusCode::BAD_REQUEST, "malformed", why),
        };
        let (fingerprint, now) = (receiver.fingerprint(&body), Instant::now());
        let lasts = if receiver.source.is_unique() && !body.is_empty() { REPLAY } else { RETRY };
        let is_known = self.seen().is_known(&fingerprint, now);
        // Only whoever is genuine is part of a trace, or says of which.
        let parent = header("traceparent").and_then(|it| Origin::of_headers(&it, header("tracestate").as_deref()));
        let span = trace::webhook(receiver, parent);
        let (status, result, due) = match is_known {
            true => (StatusCode::OK, "duplicate", 0),
            false => match span.in_scope(|| self.handle.arrived(&delivery, receiver.scope.as_ref())) {
                0 => (StatusCode::OK, "ignored", 0),
                due => {
                    self.seen().remember(fingerprint, now + lasts, now);
                    (StatusCode::ACCEPTED, "accepted", due)
                }
            },
        };
        trace::count(&span, "http.response.status_code", status.as_u16().into());
        span.record("tagwright.result", result);
        self.handle.received(source, result);
        let (name, images) = (format!("{}/{}", receiver.namespace, receiver.name), delivery.pushed.len());
        if result == "accepted" {
            span.in_scope(|| tracing::info!(receiver = name, source, images, due, "received a webhook"));
        } else {
            tracing::debug!(receiver = name, source, images, result, "received a webhook");
        }
        (status, Json(Taken { result, due })).into_response()
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that a request was refused, now and then: whoever knows the address could fill the log.
    fn say(&self, receiver: &Receiver, result: &'static str, why: &str) {
        let name = format!("{}/{}", receiver.namespace, receiver.name);
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() > MAX_REMEMBERED {
            said.clear();
        }
        if said.get(&name).is_none_or(|last| last.elapsed() >= SAY_AGAIN) {
            tracing::warn!(receiver = name, source = receiver.source.as_str(), result, why, "refused a webhook");
            said.insert(name, Instant::now());
        }
    }
}

/// Requests that were accepted, by their fingerprints, and until when they are remembered.
#[derive(Debug, Default)]
struct Seen {
    until: HashMap<[u8; 32], Instant>,
    order: VecDeque<[u8; 32]>,
}

impl Seen {
    fn is_known(&self, fingerprint: &[u8; 32], now: Instant) -> bool {
        self.until.get(fingerprint).is_some_and(|until| now < *until)
    }

    /// The oldest are forgotten where they are too many.
    fn remember(&mut self, fingerprint: [u8; 32], until: Instant, now: Instant) {
        if self.until.insert(fingerprint, until).is_none() {
            self.order.push_back(fingerprint);
        }
        while let Some(oldest) = self.order.front() {
            let is_over = self.until.get(oldest).is_none_or(|until| *until <= now);
            if !is_over && self.order.len() <= MAX_REMEMBERED {
                break;
            }
            if let Some(oldest) = self.order.pop_front() {
                self.until.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;

    #[test]
    fn what_is_remembered_is_bounded_and_forgotten_in_time() {
        let (mut seen, now) = (Seen::default(), Instant::now());
        let key = |number: usize| <[u8; 32]>::from(Sha256::digest(number.to_le_bytes()));
        for number in 0..MAX_REMEMBERED + 10 {
            seen.remember(key(number), now + REPLAY, now);
        }
        assert_eq!((seen.until.len(), seen.order.len()), (MAX_REMEMBERED, MAX_REMEMBERED));
        assert!(!seen.is_known(&key(0), now) && seen.is_known(&key(MAX_REMEMBERED), now));
        let later = now + REPLAY;
        assert!(!seen.is_known(&key(MAX_REMEMBERED), later));
        seen.remember(key(0), later + RETRY, later);
        assert_eq!((seen.until.len(), seen.order.len()), (1, 1));
    }
}
