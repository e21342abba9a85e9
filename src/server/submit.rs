//! Resources that are submitted to a `GitSync` of the configuration: an order whose body is what is to be written.

use std::sync::Arc;
use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use tagwright_core::automation::ObjectName;
use tagwright_core::submit::{Input, Refused, Submission};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::door::Caller;
use super::routes::{App, No, Refusals, no};
use crate::failure::{Failure, Kind};
use crate::run::Outcome;
use crate::wire::submit::{SubmitQuery, Submitted};

/// Where it is ordered.
pub(super) const PATH: &str = "/api/v1/submit";

/// How long it may take: less than a connection lasts. What has begun goes on.
pub(super) const DEADLINE: Duration = Duration::from_secs(100);

/// The longest body.
const MAX_BODY_BYTES: usize = 16 << 20;

/// How many submissions are under way at once, each of which takes several times its body.
pub(super) const MAX_SUBMISSIONS: usize = 4;

/// What messages call the body.
const BODY: &str = "body";

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(submit))
}

/// Writes resources into a Git repository: documents of YAML, or of JSON.
#[utoipa::path(post, path = "/api/v1/submit", tag = "orders", params(SubmitQuery), request_body(content = String, content_type = "application/yaml", description = "Documents of YAML or JSON with the resources, and lists of them"), responses((status = 200, description = "What became of it: pushed, unchanged, held or would-push", body = Submitted), Refusals))]
async fn submit(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    query: Result<Query<SubmitQuery>, QueryRejection>,
    request: Request,
) -> Result<Json<Submitted>, No> {
    let Query(query) = query.map_err(|error| no(StatusCode::BAD_REQUEST, error.body_text()))?;
    let busy = |_| no(StatusCode::SERVICE_UNAVAILABLE, "too many submit at once; try again");
    let place = Arc::clone(&app.submissions).try_acquire_owned().map_err(busy)?;
    let (namespace, name) = query.sync.split_once('/').unwrap_or(("default", &query.sync));
    let id = ObjectName { namespace: namespace.to_owned(), name: name.to_owned() };
    let missing =
        || no(StatusCode::NOT_FOUND, format!("there is no GitSync {}", words::one_line(&id.to_string(), 200)));
    let sync = app.handle.sync(&id).ok_or_else(missing)?;
    let secrets = sync.secrets;
    // Only who has a place has a body here: it may be long.
    let too_large = |_| no(StatusCode::PAYLOAD_TOO_LARGE, "the body has more than 16 MiB, or breaks off");
    let body = to_bytes(request.into_body(), MAX_BODY_BYTES).await.map_err(too_large)?;
    let read = tokio::task::spawn_blocking(move || {
        let text = std::str::from_utf8(&body).map_err(|_| no(StatusCode::BAD_REQUEST, "the body is not UTF-8 text"))?;
        Submission::read(&[Input { name: BODY, text }], secrets).map_err(|refused| wrong(&refused))
    });
    let broke = |_| no(StatusCode::INTERNAL_SERVER_ERROR, "the request could not be handled");
    let submission = read.await.map_err(broke)??;
    if submission.resources.is_empty() && !query.allow_empty {
        return Err(no(StatusCode::BAD_REQUEST, "there is no resource to submit; allowEmpty=true goes on with none"));
    }
    let count = submission.resources.len();
    tracing::info!(
        order = "submit",
        subject = id.to_string(),
        resources = count,
        by = &*caller.name,
        "received command"
    );
    let (handle, by) = (app.handle.clone(), Arc::clone(&caller.name));
    // It ends as a whole, also where whoever asked has gone.
    let task = tokio::spawn(async move {
        let _place = place;
        Box::pin(handle.submit(&sync, &submission, &by, query.dry_run)).await
    });
    let report = task.await.map_err(broke)?;
    if let Outcome::Failed(error) = &report.outcome {
        let failure = Failure::from(error);
        let status = match failure.kind() {
            Kind::Config => StatusCode::BAD_REQUEST,
            Kind::Transient => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let hint = failure.hint().map_or_else(String::new, |hint| format!("; {hint}"));
        return Err(no(status, format!("{}{hint}", failure.line())));
    }
    Ok(Json(Submitted::from(&report)))
}

fn wrong(refused: &Refused) -> No {
    let hint = refused.hint().map_or_else(String::new, |hint| format!("; {hint}"));
    no(StatusCode::BAD_REQUEST, format!("{}{hint}", words::lines(&refused.to_string())))
}
