//! The routes: each path with its handler, its checks and its limits.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::Stream;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use tagwright_core::automation::ObjectName;
use tagwright_core::freeze::{Calendar, Selector};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::order;
use crate::metrics::CONTENT_TYPE as CONTENT;
use crate::schedule::freeze::{self, Error as FreezeError};
use crate::schedule::{Handle, Trigger};
use crate::store::{Filter, MAX_REASON_BYTES, Store};
use crate::wire::freeze::{Freeze, Refrozen, Unfreeze};
use crate::wire::history::{Entry, History, Source};
use crate::wire::request::{Due, HistoryQuery, Obeyed, Order, Poll, Refusal, Wish};
use crate::wire::status::Status;

/// How long a request may take, its body included.
const DEADLINE: Duration = Duration::from_secs(10);

/// How many answers with the history are under way at once, each of at most [`MAX_ANSWER_BYTES`](crate::store::MAX_ANSWER_BYTES).
const MAX_HISTORIES: usize = 4;

/// How long a client may take to read one.
const LONGEST_HISTORY: Duration = Duration::from_secs(30);

/// How much of a long answer is handed over at once, in bytes.
const PIECE: usize = 64 * 1024;

/// The longest body of a request: orders are short.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// The state that all handlers share.
#[derive(Clone)]
struct App {
    handle: Handle,
    /// Whether every policy has been polled once; that stays so when a new configuration has new ones.
    ready: Arc<AtomicBool>,
    /// Places for answers with the history.
    histories: Arc<Semaphore>,
}

/// An answer that says no.
type No = (StatusCode, Json<Refusal>);

/// The routes that only answer questions, for anyone who reaches the bot.
pub(super) fn questions(handle: Handle) -> Router {
    finish(asked(), handle)
}

/// The same, and what only the user who runs the bot may order.
pub(super) fn questions_and_orders(handle: Handle) -> Router {
    let router = asked()
        .route("/api/v1/policies/{namespace}/{name}/{order}", post(policy))
        .route("/api/v1/automations/{namespace}/{name}/{order}", post(automation))
        .route("/api/v1/freeze", post(refrozen))
        .route("/api/v1/unfreeze", post(unfrozen))
        .route("/api/v1/poll", post(poll));
    finish(router, handle)
}

fn asked() -> Router<App> {
    Router::new()
        .route("/livez", get(livez))
        .route("/healthz", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/api/v1/status", get(status))
        .route("/api/v1/history", get(history))
}

fn finish(router: Router<App>, handle: Handle) -> Router {
    router
        .fallback(async || no(StatusCode::NOT_FOUND, "there is nothing at this path"))
        .method_not_allowed_fallback(async || no(StatusCode::METHOD_NOT_ALLOWED, "this path takes another method"))
        .with_state(App { handle, ready: Arc::default(), histories: Arc::new(Semaphore::new(MAX_HISTORIES)) })
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn(in_time))
}

async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(DEADLINE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => no(StatusCode::SERVICE_UNAVAILABLE, "this takes too long; try again").into_response(),
    }
}

fn no(status: StatusCode, error: impl Into<String>) -> No {
    (status, Json(Refusal { error: error.into() }))
}

async fn livez(State(app): State<App>) -> Result<&'static str, No> {
    match app.handle.live() {
        Ok(()) => Ok("ok\n"),
        Err(stuck) => Err(no(StatusCode::SERVICE_UNAVAILABLE, stuck)),
    }
}

/// Ready once every policy was polled, with whatever result, and as long as the data directory can be used.
async fn readyz(State(app): State<App>) -> Result<&'static str, No> {
    if let Some(failure) = app.handle.data_failure() {
        let error = format!("the data directory cannot be used: {failure}");
        return Err(no(StatusCode::SERVICE_UNAVAILABLE, error));
    }
    if app.ready.load(Ordering::Relaxed) {
        return Ok("ok\n");
    }
    let (left, all) = app.handle.unpolled();
    if left > 0 {
        return Err(no(StatusCode::SERVICE_UNAVAILABLE, format!("{left} of {all} policies were not polled yet")));
    }
    app.ready.store(true, Ordering::Relaxed);
    Ok("ok\n")
}

async fn metrics(State(app): State<App>) -> Result<impl IntoResponse, No> {
    let handle = app.handle.clone();
    let text = on_disk(move || Ok(handle.metrics())).await?;
    Ok(([(CONTENT_TYPE, CONTENT)], text))
}

async fn status(State(app): State<App>) -> Result<Json<Status>, No> {
    current(&app).await.map(Json)
}

async fn current(app: &App) -> Result<Status, No> {
    let handle = app.handle.clone();
    on_disk(move || Ok(handle.status())).await
}

async fn history(
    State(app): State<App>,
    query: Result<Query<HistoryQuery>, QueryRejection>,
) -> Result<impl IntoResponse, No> {
    let Query(query) = query.map_err(|error| no(StatusCode::BAD_REQUEST, error.body_text()))?;
    // What is written down may be much more than what is asked for at once should cost.
    let busy = |_| no(StatusCode::SERVICE_UNAVAILABLE, "too many ask for the history at once; try again");
    let place = Arc::clone(&app.histories).try_acquire_owned().map_err(busy)?;
    let body = on_disk(move || {
        let records = app.handle.store().records(&Filter::from(&query)).map_err(|error| failed(&error))?;
        let history = History { source: Source::Store, entries: records.into_iter().map(Entry::from).collect() };
        serde_json::to_vec(&history).map_err(|error| no(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
    })
    .await?;
    Ok(([(CONTENT_TYPE, "application/json")], Body::from_stream(in_pieces(body.into(), place))))
}

/// Sends a long answer piece by piece, so that its place is taken until the client has read it, or for as long as that may last.
fn in_pieces(body: Bytes, place: OwnedSemaphorePermit) -> impl Stream<Item = io::Result<Bytes>> {
    let until = Instant::now() + LONGEST_HISTORY;
    futures_util::stream::unfold((body, place), move |(mut body, place)| async move {
        if body.is_empty() {
            return None;
        }
        if Instant::now() >= until {
            return Some((Err(io::ErrorKind::TimedOut.into()), (Bytes::new(), place)));
        }
        let piece = body.split_to(PIECE.min(body.len()));
        Some((Ok(piece), (body, place)))
    })
}

async fn policy(
    State(app): State<App>,
    Path((namespace, name, order)): Path<(String, String, String)>,
    body: Bytes,
) -> Result<Json<Obeyed>, No> {
    let order = [Order::Hold, Order::Release].into_iter().find(|known| known.as_str() == order);
    let name = ObjectName { namespace, name };
    let trigger = Trigger::Policy(name.clone());
    obey(app, order, name, trigger, &body).await
}

async fn automation(
    State(app): State<App>,
    Path((namespace, name, order)): Path<(String, String, String)>,
    body: Bytes,
) -> Result<Json<Obeyed>, No> {
    let order = [Order::Suspend, Order::Resume].into_iter().find(|known| known.as_str() == order);
    let name = ObjectName { namespace, name };
    let trigger = Trigger::Automation(name.clone());
    obey(app, order, name, trigger, &body).await
}

/// Carries out an order about something that is configured, and lets the bot see to it at once.
async fn obey(
    app: App,
    order: Option<Order>,
    name: ObjectName,
    trigger: Trigger,
    body: &Bytes,
) -> Result<Json<Obeyed>, No> {
    let order = order.ok_or_else(|| no(StatusCode::NOT_FOUND, "there is no such order"))?;
    let reason = read::<Wish>(body)?.reason.filter(|reason| !reason.is_empty());
    if reason.as_ref().is_some_and(|reason| reason.len() > MAX_REASON_BYTES || reason.contains(char::is_control)) {
        let error = format!("the reason is longer than {MAX_REASON_BYTES} bytes, or has control characters");
        return Err(no(StatusCode::BAD_REQUEST, error));
    }
    let status = current(&app).await?;
    let known = match &trigger {
        Trigger::Policy(_) => status.policies.iter().any(|it| it.id() == name),
        _ => status.automations.iter().any(|it| it.id() == name),
    };
    if !known {
        return Err(no(StatusCode::NOT_FOUND, format!("{} is not configured", order.written(&name))));
    }
    let handle = app.handle.clone();
    let obeyed = on_disk(move || {
        let store = handle.store();
        order::obey(order, store, &name, reason.as_deref(), Timestamp::now()).map_err(|error| failed(&error))
    })
    .await?;
    if obeyed.changed {
        tracing::info!(order = order.as_str(), subject = obeyed.name, "received command");
        app.handle.trigger(&trigger);
    }
    Ok(Json(obeyed))
}

async fn refrozen(State(app): State<App>, body: Bytes) -> Result<Json<Refrozen>, No> {
    let wish = read::<Freeze>(&body)?;
    let order = move |store: &Store, calendar: &Calendar| freeze::freeze(store, &wish, calendar, Timestamp::now());
    refreeze(app, &read::<Freeze>(&body)?.selectors, "freeze", order).await
}

async fn unfrozen(State(app): State<App>, body: Bytes) -> Result<Json<Refrozen>, No> {
    let wish = read::<Unfreeze>(&body)?;
    let name = if wish.break_glass { "break the glass" } else { "unfreeze" };
    // What was frozen and is not configured any more can still be ended.
    let named = if wish.break_glass { wish.selectors.clone() } else { Vec::new() };
    let order = move |store: &Store, calendar: &Calendar| freeze::unfreeze(store, &wish, calendar, Timestamp::now());
    refreeze(app, &named, name, order).await
}

/// Carries out an order about freezes, and lets the bot see at once to what it names.
async fn refreeze(
    app: App,
    named: &[String],
    name: &'static str,
    order: impl FnOnce(&Store, &Calendar) -> Result<Refrozen, FreezeError> + Send + 'static,
) -> Result<Json<Refrozen>, No> {
    let refused = |error: &FreezeError| match error {
        FreezeError::Store(error) => failed(error),
        error => no(StatusCode::BAD_REQUEST, error.to_string()),
    };
    for selector in freeze::selectors(named).map_err(|error| refused(&error))? {
        if !app.handle.is_known(&selector) {
            return Err(no(StatusCode::NOT_FOUND, format!("{selector} names nothing that is configured")));
        }
    }
    let handle = app.handle.clone();
    let answer = on_disk(move || order(handle.store(), &handle.calendar()).map_err(|error| refused(&error))).await?;
    for result in answer.results.iter().filter(|result| result.changed) {
        tracing::info!(order = name, subject = result.selector, "received command");
        if let Some(selector) = Selector::parse(&result.selector) {
            app.handle.look_at(&selector);
        }
    }
    Ok(Json(answer))
}

/// Polls everything, or what was asked for, now.
async fn poll(State(app): State<App>, body: Bytes) -> Result<Json<Due>, No> {
    let name = |text: &str, sign: char, wanted: &str| {
        let parts = text.split_once(sign).ok_or_else(|| no(StatusCode::BAD_REQUEST, wanted))?;
        Ok::<_, No>(ObjectName { namespace: parts.0.to_owned(), name: parts.1.to_owned() })
    };
    let trigger = match read::<Poll>(&body)? {
        Poll { policy: None, automation: None } => Trigger::All,
        Poll { policy: Some(policy), automation: None } => {
            Trigger::Policy(name(&policy, ':', "a policy is written namespace:name")?)
        }
        Poll { policy: None, automation: Some(automation) } => {
            Trigger::Automation(name(&automation, '/', "an automation is written namespace/name")?)
        }
        Poll { .. } => {
            return Err(no(StatusCode::BAD_REQUEST, "a policy or an automation can be polled, not both at once"));
        }
    };
    match app.handle.trigger(&trigger) {
        0 => Err(no(StatusCode::NOT_FOUND, "nothing of that is configured, or all of it is suspended")),
        due => Ok(Json(Due { due })),
    }
}

/// Reads the body of an order; none is as good as an empty object.
fn read<T: DeserializeOwned + Default>(body: &Bytes) -> Result<T, No> {
    if body.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(body)
        .map_err(|error| no(StatusCode::BAD_REQUEST, format!("the body is not an order: {error}")))
}

fn failed(error: &crate::store::Error) -> No {
    tracing::error!(error = %error, "cannot answer a request");
    no(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}

/// Runs work that may have to wait for the disk.
async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> Result<T, No> + Send + 'static) -> Result<T, No> {
    let failed = |_| no(StatusCode::INTERNAL_SERVER_ERROR, "the request could not be handled");
    tokio::task::spawn_blocking(work).await.map_err(failed)?
}
