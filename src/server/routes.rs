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
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use futures_util::Stream;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tagwright_core::automation::ObjectName;
use tagwright_core::freeze::Selector;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::door::{Caller, Door, guard};
use super::order;
use crate::metrics::CONTENT_TYPE as CONTENT;
use crate::schedule::freeze::{self, Error as FreezeError, Given};
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

/// How many plans of what would be written are made at once: each asks a remote.
const MAX_PLANS: usize = 2;

/// How many may listen to events at once: less than there are connections, so that others are still answered.
const MAX_LISTENERS: usize = 32;

/// How long a client may take to read one.
const LONGEST_HISTORY: Duration = Duration::from_secs(30);

/// How much of a long answer is handed over at once, in bytes.
const PIECE: usize = 64 * 1024;

/// The longest body of a request: orders are short.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// The state that all handlers share.
#[derive(Clone)]
pub(super) struct App {
    pub(super) handle: Handle,
    /// Whether every policy has been polled once; that stays so when a new configuration has new ones.
    ready: Arc<AtomicBool>,
    /// Places for answers with the history.
    histories: Arc<Semaphore>,
    /// Places for plans of what would be written.
    pub(super) plans: Arc<Semaphore>,
    /// Places for those who listen to events.
    pub(super) listeners: Arc<Semaphore>,
}

/// An answer that says no.
pub(super) type No = (StatusCode, Json<Refusal>);

/// Everything, for those whom the door lets in.
pub(super) fn all(handle: Handle, door: Door) -> Router {
    let (router, document) = api().split_for_parts();
    let json = Arc::<str>::from(document.to_pretty_json().unwrap_or_default());
    let document = get(move || async move { ([(CONTENT_TYPE, "application/json")], json.to_string()) });
    finish(
        router
            .route("/api/v1/openapi.json", document)
            .merge(super::page::routes())
            .merge(super::hooks::routes(handle.clone())),
        handle,
    )
    .layer(from_fn_with_state(door, guard))
}

/// Probes and metrics alone.
pub(super) fn probes(handle: Handle) -> Router {
    finish(open().split_for_parts().0, handle)
}

/// What everybody may ask.
fn open() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(livez))
        .routes(routes!(healthz))
        .routes(routes!(readyz))
        .routes(routes!(metrics))
}

/// Each path with its handler and its description.
fn api() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi())
        .merge(open())
        .routes(routes!(status))
        .routes(routes!(history))
        .merge(super::events::routes())
        .merge(super::api::routes())
        .routes(routes!(policy))
        .routes(routes!(automation))
        .routes(routes!(refrozen))
        .routes(routes!(unfrozen))
        .routes(routes!(poll))
}

/// What the document says beside the paths.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "tagwright",
        description = "What a bot selects, does and waits for, and orders to it. docs/reference/http.md says who may ask and who may order.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
        version = "v1"
    ),
    modifiers(&Bearer),
    security(("token" = [])),
    tags(
        (name = "probes", description = "For everybody"),
        (name = "questions", description = "With a token of either kind; without tokens, from this machine"),
        (name = "orders", description = "With a token that may act, or on the socket")
    )
)]
struct Document;

/// How a token is shown.
struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    }
}

/// Answers that say no. Nothing is ever made of it: it describes them.
#[derive(utoipa::IntoResponses)]
#[allow(dead_code)]
pub(super) enum Refusals {
    /// The request is wrong.
    #[response(status = 400)]
    Wrong(Refusal),
    /// It is not known who asks.
    #[response(status = 401)]
    Unknown(Refusal),
    /// Who asks may not do that.
    #[response(status = 403)]
    Forbidden(Refusal),
    /// There is no such thing.
    #[response(status = 404)]
    Missing(Refusal),
    /// The body is too long.
    #[response(status = 413)]
    Long(String),
    /// The data directory cannot be used.
    #[response(status = 500)]
    Failed(Refusal),
    /// It takes too long, or too many ask at once.
    #[response(status = 503)]
    Busy(Refusal),
}

fn finish(router: Router<App>, handle: Handle) -> Router {
    let app = App {
        handle,
        ready: Arc::default(),
        histories: Arc::new(Semaphore::new(MAX_HISTORIES)),
        plans: Arc::new(Semaphore::new(MAX_PLANS)),
        listeners: Arc::new(Semaphore::new(MAX_LISTENERS)),
    };
    router
        .fallback(async || no(StatusCode::NOT_FOUND, "there is nothing at this path"))
        .method_not_allowed_fallback(async || no(StatusCode::METHOD_NOT_ALLOWED, "this path takes another method"))
        .with_state(app)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn(in_time))
}

async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(DEADLINE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => no(StatusCode::SERVICE_UNAVAILABLE, "this takes too long; try again").into_response(),
    }
}

pub(super) fn no(status: StatusCode, error: impl Into<String>) -> No {
    (status, Json(Refusal { error: error.into() }))
}

#[utoipa::path(get, path = "/livez", tag = "probes", security(()), responses((status = 200, description = "The bot moves", body = String), (status = 503, description = "It is stuck", body = Refusal)))]
async fn livez(State(app): State<App>) -> Result<&'static str, No> {
    match app.handle.live() {
        Ok(()) => Ok("ok\n"),
        Err(stuck) => Err(no(StatusCode::SERVICE_UNAVAILABLE, stuck)),
    }
}

#[utoipa::path(get, path = "/healthz", tag = "probes", security(()), responses((status = 200, description = "The bot moves", body = String), (status = 503, description = "It is stuck", body = Refusal)))]
async fn healthz(app: State<App>) -> Result<&'static str, No> {
    livez(app).await
}

/// Ready once every policy was polled, with whatever result, and as long as the data directory can be used.
#[utoipa::path(get, path = "/readyz", tag = "probes", security(()), responses((status = 200, description = "It is ready", body = String), (status = 503, description = "It is not, and why", body = Refusal)))]
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

#[utoipa::path(get, path = "/metrics", tag = "probes", security(()), responses((status = 200, description = "Metrics in OpenMetrics", body = String, content_type = "application/openmetrics-text")))]
async fn metrics(State(app): State<App>) -> Result<impl IntoResponse, No> {
    let handle = app.handle.clone();
    let text = on_disk(move || Ok(handle.metrics())).await?;
    Ok(([(CONTENT_TYPE, CONTENT)], text))
}

/// What the bot says about itself.
#[utoipa::path(get, path = "/api/v1/status", tag = "questions", responses((status = 200, description = "The status", body = Status), Refusals))]
async fn status(State(app): State<App>) -> Result<Json<Status>, No> {
    current(&app).await.map(Json)
}

pub(super) async fn current(app: &App) -> Result<Status, No> {
    let handle = app.handle.clone();
    on_disk(move || Ok(handle.status())).await
}

/// What was done, and what people ordered.
#[utoipa::path(get, path = "/api/v1/history", tag = "questions", params(HistoryQuery), responses((status = 200, description = "The history, newest first", body = History), Refusals))]
async fn history(
    State(app): State<App>,
    query: Result<Query<HistoryQuery>, QueryRejection>,
) -> Result<impl IntoResponse, No> {
    let Query(query) = query.map_err(|error| no(StatusCode::BAD_REQUEST, error.body_text()))?;
    // What is written down may be much more than what is asked for at once should cost.
    let busy = |_| no(StatusCode::SERVICE_UNAVAILABLE, "too many ask for the history at once; try again");
    let place = Arc::clone(&app.histories).try_acquire_owned().map_err(busy)?;
    let body = on_disk(move || {
        let (records, next) = app.handle.store().page(&Filter::from(&query)).map_err(|error| failed(&error))?;
        let entries = records.into_iter().map(Entry::from).collect();
        let history = History { source: Source::Store, entries, next };
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

/// Holds a policy, or releases it.
#[utoipa::path(post, path = "/api/v1/policies/{namespace}/{name}/{order}", tag = "orders", params(("namespace" = String, Path), ("name" = String, Path), ("order" = String, Path, description = "hold or release", pattern = "^(hold|release)$")), request_body = Option<Wish>, responses((status = 200, description = "It is carried out", body = Obeyed), Refusals))]
async fn policy(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((namespace, name, order)): Path<(String, String, String)>,
    body: Bytes,
) -> Result<Json<Obeyed>, No> {
    let order = [Order::Hold, Order::Release, Order::Hurry].into_iter().find(|known| known.as_str() == order);
    let name = ObjectName { namespace, name };
    let trigger = Trigger::Policy(name.clone());
    obey((app, caller), order, name, trigger, &body).await
}

/// Suspends an automation, or resumes it.
#[utoipa::path(post, path = "/api/v1/automations/{namespace}/{name}/{order}", tag = "orders", params(("namespace" = String, Path), ("name" = String, Path), ("order" = String, Path, description = "suspend or resume", pattern = "^(suspend|resume)$")), request_body = Option<Wish>, responses((status = 200, description = "It is carried out", body = Obeyed), Refusals))]
async fn automation(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((namespace, name, order)): Path<(String, String, String)>,
    body: Bytes,
) -> Result<Json<Obeyed>, No> {
    let order = [Order::Suspend, Order::Resume].into_iter().find(|known| known.as_str() == order);
    let name = ObjectName { namespace, name };
    let trigger = Trigger::Automation(name.clone());
    obey((app, caller), order, name, trigger, &body).await
}

/// Carries out an order about something that is configured, and lets the bot see to it at once.
async fn obey(
    (app, caller): (App, Caller),
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
    let (handle, by) = (app.handle.clone(), Arc::clone(&caller.0));
    let obeyed = on_disk(move || {
        let store = handle.store();
        let given = (reason.as_deref(), &*by);
        order::obey(order, store, &name, given, Timestamp::now()).map_err(|error| failed(&error))
    })
    .await?;
    if obeyed.changed {
        tracing::info!(order = order.as_str(), subject = obeyed.name, by = &*caller.0, "received command");
        app.handle.trigger(&trigger);
    }
    Ok(Json(obeyed))
}

/// Freezes what selectors name.
#[utoipa::path(post, path = "/api/v1/freeze", tag = "orders", request_body = Option<Freeze>, responses((status = 200, description = "It is carried out", body = Refrozen), Refusals))]
async fn refrozen(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<Json<Refrozen>, No> {
    let wish = read::<Freeze>(&body)?;
    let order = move |store: &Store, given: Given<'_>| freeze::freeze(store, &wish, given);
    refreeze((app, caller), &read::<Freeze>(&body)?.selectors, "freeze", order).await
}

/// Ends freezes, or makes an exception to them.
#[utoipa::path(post, path = "/api/v1/unfreeze", tag = "orders", request_body = Option<Unfreeze>, responses((status = 200, description = "It is carried out", body = Refrozen), Refusals))]
async fn unfrozen(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<Json<Refrozen>, No> {
    let wish = read::<Unfreeze>(&body)?;
    let name = if wish.break_glass { "break the glass" } else { "unfreeze" };
    // What was frozen and is not configured any more can still be ended.
    let named = if wish.break_glass { wish.selectors.clone() } else { Vec::new() };
    let order = move |store: &Store, given: Given<'_>| freeze::unfreeze(store, &wish, given);
    refreeze((app, caller), &named, name, order).await
}

/// Carries out an order about freezes, and lets the bot see at once to what it names.
async fn refreeze(
    (app, caller): (App, Caller),
    named: &[String],
    name: &'static str,
    order: impl FnOnce(&Store, Given<'_>) -> Result<Refrozen, FreezeError> + Send + 'static,
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
    let (handle, by) = (app.handle.clone(), Arc::clone(&caller.0));
    let answer = on_disk(move || {
        let given = Given { by: &by, calendar: &handle.calendar(), now: Timestamp::now() };
        order(handle.store(), given).map_err(|error| refused(&error))
    })
    .await?;
    for result in answer.results.iter().filter(|result| result.changed) {
        tracing::info!(order = name, subject = result.selector, by = &*caller.0, "received command");
        if let Some(selector) = Selector::parse(&result.selector) {
            app.handle.look_at(&selector);
        }
    }
    Ok(Json(answer))
}

/// Polls everything, or what was asked for, now.
#[utoipa::path(post, path = "/api/v1/poll", tag = "orders", request_body = Option<Poll>, responses((status = 200, description = "It is due", body = Due), Refusals))]
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

/// Reads the body of an order; none, and null, is as good as an empty object. A list is no object, although its items could be
/// taken for the fields in their order.
fn read<T: DeserializeOwned + Default>(body: &Bytes) -> Result<T, No> {
    let wrong = |error: String| no(StatusCode::BAD_REQUEST, format!("the body is not an order: {error}"));
    if body.is_empty() {
        return Ok(T::default());
    }
    match serde_json::from_slice(body).map_err(|error| wrong(error.to_string()))? {
        Value::Null => Ok(T::default()),
        object @ Value::Object(_) => serde_json::from_value(object).map_err(|error| wrong(error.to_string())),
        _ => Err(wrong("it is no object".to_owned())),
    }
}

pub(super) fn failed(error: &crate::store::Error) -> No {
    tracing::error!(error = %error, "cannot answer a request");
    no(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}

/// Runs work that may have to wait for the disk.
pub(super) async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> Result<T, No> + Send + 'static) -> Result<T, No> {
    let failed = |_| no(StatusCode::INTERNAL_SERVER_ERROR, "the request could not be handled");
    tokio::task::spawn_blocking(work).await.map_err(failed)?
}
