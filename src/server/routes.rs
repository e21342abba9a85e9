//! The routes: each path with its handler, its checks and its limits.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, Query, Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures_util::{Stream, StreamExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::door::{Door, guard};
use super::page::Past;
use super::squeeze::squeezed;
use crate::metrics::CONTENT_TYPE as CONTENT;
use crate::schedule::Handle;
use crate::store::Filter;
use crate::wire::history::{Entry, History, Source};
use crate::wire::request::{HistoryQuery, Refusal};
use crate::wire::status::Status;

/// How long a request may take, its body included, unless it submits something or asks for all images.
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
    /// The place for whoever asks for all images.
    pub(super) images: Arc<Semaphore>,
    /// Places for what is submitted.
    pub(super) submissions: Arc<Semaphore>,
    /// Places for those who listen to events.
    pub(super) listeners: Arc<Semaphore>,
    /// Who may come in, and who is logged in.
    pub(super) door: Door,
    /// What the history says of policies and orders, as far as it was read.
    pub(super) past: Arc<Past>,
}

/// An answer that says no.
pub(super) type No = (StatusCode, Json<Refusal>);

/// Everything, for those whom the door lets in.
pub(super) fn all(handle: Handle, door: Door) -> Router {
    let (router, document) = api().split_for_parts();
    let json = Arc::<str>::from(document.to_pretty_json().unwrap_or_default());
    let document = get(move || async move { ([(CONTENT_TYPE, "application/json")], json.to_string()) });
    let router = router.route("/api/v1/openapi.json", document);
    let router = router.merge(super::page::routes()).merge(super::hooks::routes(handle.clone()));
    squeezed(finish(router, handle, door.clone())).layer(from_fn_with_state(door, guard))
}

/// Probes and metrics alone.
pub(super) fn probes(handle: Handle) -> Router {
    squeezed(finish(open().split_for_parts().0, handle, Door::default()))
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
        .merge(super::orders::routes())
        .merge(super::submit::routes())
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

fn finish(router: Router<App>, handle: Handle, door: Door) -> Router {
    let app = App {
        handle,
        ready: Arc::default(),
        histories: Arc::new(Semaphore::new(MAX_HISTORIES)),
        plans: Arc::new(Semaphore::new(MAX_PLANS)),
        images: Arc::new(Semaphore::new(1)),
        submissions: Arc::new(Semaphore::new(super::submit::MAX_SUBMISSIONS)),
        listeners: Arc::new(Semaphore::new(MAX_LISTENERS)),
        door,
        past: Arc::default(),
    };
    router
        .fallback(async || no(StatusCode::NOT_FOUND, "there is nothing at this path"))
        .method_not_allowed_fallback(async || no(StatusCode::METHOD_NOT_ALLOWED, "this path takes another method"))
        .with_state(app)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn(in_time))
}

async fn in_time(request: Request, next: Next) -> Response {
    let deadline = match request.uri().path() {
        super::submit::PATH | super::api::IMAGES => super::submit::DEADLINE,
        _ => DEADLINE,
    };
    match tokio::time::timeout(deadline, next.run(request)).await {
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
    let pieces = futures_util::stream::unfold((body, place), move |(mut body, place)| async move {
        if body.is_empty() {
            return None;
        }
        if Instant::now() >= until {
            return Some((Err(io::ErrorKind::TimedOut.into()), (Bytes::new(), place)));
        }
        let piece = body.split_to(PIECE.min(body.len()));
        Some((Ok(piece), (body, place)))
    });
    // Whoever compresses it asks once more at its end.
    pieces.fuse()
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
