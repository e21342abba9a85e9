//! Orders: what somebody who may act has the bot do, over the API and on the page. Each is told in the log with who gave it, and what
//! outlives it is in the history.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tagwright_core::automation::ObjectName;
use tagwright_core::freeze::Selector;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::door::Caller;
use super::routes::{App, No, Refusals, current, failed, no, on_disk};
use crate::schedule::Trigger;
use crate::schedule::freeze::{self, Error as FreezeError, Given};
use crate::store::{self, Event, MAX_REASON_BYTES, Record, Store, Toggle};
use crate::wire::freeze::{Freeze, Refrozen, Unfreeze};
use crate::wire::request::{Due, Obeyed, Order, Poll, Run, Wish};

/// The orders, each with its description.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(policy))
        .routes(routes!(automation))
        .routes(routes!(refrozen))
        .routes(routes!(unfrozen))
        .routes(routes!(poll))
        .routes(routes!(run))
}

/// Holds a policy, or releases it.
#[utoipa::path(post, path = "/api/v1/policies/{namespace}/{name}/{order}", tag = "orders", params(("namespace" = String, Path), ("name" = String, Path), ("order" = String, Path, description = "hold, release or hurry", pattern = "^(hold|release|hurry)$")), request_body = Option<Wish>, responses((status = 200, description = "It is carried out", body = Obeyed), Refusals))]
async fn policy(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((namespace, name, order)): Path<(String, String, String)>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Obeyed>, No> {
    let order = [Order::Hold, Order::Release, Order::Hurry].into_iter().find(|known| known.as_str() == order);
    let order = order.ok_or_else(no_order)?;
    switch(&app, &caller, order, ObjectName { namespace, name }, read::<Wish>(body)?).await.map(Json)
}

/// Suspends an automation, or resumes it.
#[utoipa::path(post, path = "/api/v1/automations/{namespace}/{name}/{order}", tag = "orders", params(("namespace" = String, Path), ("name" = String, Path), ("order" = String, Path, description = "suspend or resume", pattern = "^(suspend|resume)$")), request_body = Option<Wish>, responses((status = 200, description = "It is carried out", body = Obeyed), Refusals))]
async fn automation(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((namespace, name, order)): Path<(String, String, String)>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Obeyed>, No> {
    let order = [Order::Suspend, Order::Resume].into_iter().find(|known| known.as_str() == order);
    let order = order.ok_or_else(no_order)?;
    switch(&app, &caller, order, ObjectName { namespace, name }, read::<Wish>(body)?).await.map(Json)
}

fn no_order() -> No {
    no(StatusCode::NOT_FOUND, "there is no such order")
}

/// Freezes what selectors name.
#[utoipa::path(post, path = "/api/v1/freeze", tag = "orders", request_body = Option<Freeze>, responses((status = 200, description = "It is carried out", body = Refrozen), Refusals))]
async fn refrozen(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Refrozen>, No> {
    freeze(&app, &caller, read::<Freeze>(body)?).await.map(Json)
}

/// Ends freezes, or makes an exception to them.
#[utoipa::path(post, path = "/api/v1/unfreeze", tag = "orders", request_body = Option<Unfreeze>, responses((status = 200, description = "It is carried out", body = Refrozen), Refusals))]
async fn unfrozen(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Refrozen>, No> {
    unfreeze(&app, &caller, read::<Unfreeze>(body)?).await.map(Json)
}

/// Polls everything, or what was asked for, now.
#[utoipa::path(post, path = "/api/v1/poll", tag = "orders", request_body = Option<Poll>, responses((status = 200, description = "It is due", body = Due), Refusals))]
async fn poll(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Due>, No> {
    let Poll { policy, automation, reason } = read(body)?;
    let trigger = match (policy, automation) {
        (None, None) => Trigger::All,
        (Some(policy), None) => Trigger::Policy(policy_name(&policy)?),
        (None, Some(automation)) => Trigger::Automation(automation_name(&automation)?),
        _ => {
            return Err(no(StatusCode::BAD_REQUEST, "a policy or an automation can be polled, not both at once"));
        }
    };
    due(&app, &caller, Toggle::Polled, &trigger, said(reason)?).await.map(Json)
}

/// Runs an automation now, on what the last polls came to.
#[utoipa::path(post, path = "/api/v1/run", tag = "orders", request_body = Run, responses((status = 200, description = "It is due", body = Due), Refusals))]
async fn run(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Due>, No> {
    let Run { automation, reason } = read(body)?;
    let trigger = Trigger::Run(automation_name(&automation)?);
    due(&app, &caller, Toggle::Ran, &trigger, said(reason)?).await.map(Json)
}

fn policy_name(text: &str) -> Result<ObjectName, No> {
    name(text, ':').ok_or_else(|| no(StatusCode::BAD_REQUEST, "a policy is written namespace:name"))
}

fn automation_name(text: &str) -> Result<ObjectName, No> {
    name(text, '/').ok_or_else(|| no(StatusCode::BAD_REQUEST, "an automation is written namespace/name"))
}

fn name(text: &str, sign: char) -> Option<ObjectName> {
    let (namespace, name) = text.split_once(sign)?;
    Some(ObjectName { namespace: namespace.to_owned(), name: name.to_owned() })
}

/// Why somebody orders something, where it is said.
fn said(reason: Option<String>) -> Result<Option<String>, No> {
    let reason = reason.filter(|reason| !reason.is_empty());
    if reason.as_ref().is_some_and(|reason| reason.len() > MAX_REASON_BYTES || reason.contains(char::is_control)) {
        let error = format!("the reason is longer than {MAX_REASON_BYTES} bytes, or has control characters");
        return Err(no(StatusCode::BAD_REQUEST, error));
    }
    Ok(reason)
}

/// Carries out an order about something that is configured, and lets the bot see to it at once.
pub(super) async fn switch(
    app: &App,
    caller: &Caller,
    order: Order,
    name: ObjectName,
    wish: Wish,
) -> Result<Obeyed, No> {
    let reason = said(wish.reason)?;
    let status = current(app).await?;
    let (known, trigger) = match order.is_for_policies() {
        true => (status.policies.iter().any(|it| it.id() == name), Trigger::Policy(name.clone())),
        false => (status.automations.iter().any(|it| it.id() == name), Trigger::Automation(name.clone())),
    };
    if !known {
        return Err(no(StatusCode::NOT_FOUND, format!("{} is not configured", order.written(&name))));
    }
    let (handle, by) = (app.handle.clone(), Arc::clone(&caller.name));
    let obeyed = on_disk(move || {
        let store = handle.store();
        let given = (reason.as_deref(), &*by);
        store::obey(order, store, &name, given, Timestamp::now()).map_err(|error| failed(&error))
    })
    .await?;
    if obeyed.changed {
        tracing::info!(order = order.as_str(), subject = obeyed.name, by = &*caller.name, "received command");
        app.handle.trigger(&trigger);
    }
    Ok(obeyed)
}

/// Freezes what a wish names.
pub(super) async fn freeze(app: &App, caller: &Caller, wish: Freeze) -> Result<Refrozen, No> {
    let named = wish.selectors.clone();
    let order = move |store: &Store, given: Given<'_>| freeze::freeze(store, &wish, given);
    refreeze(app, caller, &named, "freeze", order).await
}

/// Ends freezes, or makes exceptions to them.
pub(super) async fn unfreeze(app: &App, caller: &Caller, wish: Unfreeze) -> Result<Refrozen, No> {
    let name = if wish.break_glass { "break the glass" } else { "unfreeze" };
    // What was frozen and is not configured any more can still be ended.
    let named = if wish.break_glass { wish.selectors.clone() } else { Vec::new() };
    let order = move |store: &Store, given: Given<'_>| freeze::unfreeze(store, &wish, given);
    refreeze(app, caller, &named, name, order).await
}

/// Carries out an order about freezes, and lets the bot see at once to what it names.
async fn refreeze(
    app: &App,
    caller: &Caller,
    named: &[String],
    name: &'static str,
    order: impl FnOnce(&Store, Given<'_>) -> Result<Refrozen, FreezeError> + Send + 'static,
) -> Result<Refrozen, No> {
    let refused = |error: &FreezeError| match error {
        FreezeError::Store(error) => failed(error),
        error => no(StatusCode::BAD_REQUEST, error.to_string()),
    };
    for selector in freeze::selectors(named).map_err(|error| refused(&error))? {
        if !app.handle.is_known(&selector) {
            return Err(no(StatusCode::NOT_FOUND, format!("{selector} names nothing that is configured")));
        }
    }
    let (handle, by) = (app.handle.clone(), Arc::clone(&caller.name));
    let answer = on_disk(move || {
        let given = Given { by: &by, calendar: &handle.calendar(), now: Timestamp::now() };
        order(handle.store(), given).map_err(|error| refused(&error))
    })
    .await?;
    for result in answer.results.iter().filter(|result| result.changed) {
        tracing::info!(order = name, subject = result.selector, by = &*caller.name, "received command");
        if let Some(selector) = Selector::parse(&result.selector) {
            app.handle.look_at(&selector);
        }
    }
    Ok(answer)
}

/// Makes something due, and says so in the log with who wanted it; in the history, too, where it is said why. Whoever orders every minute
/// says nothing, and takes no room there from what was done.
pub(super) async fn due(
    app: &App,
    caller: &Caller,
    order: Toggle,
    trigger: &Trigger,
    reason: Option<String>,
) -> Result<Due, No> {
    let due = app.handle.trigger(trigger);
    if due == 0 {
        return Err(no(StatusCode::NOT_FOUND, "nothing of that is configured, or all of it is suspended"));
    }
    let subject = match trigger {
        Trigger::Policy(name) => name.marker(),
        Trigger::Automation(name) | Trigger::Run(name) => name.to_string(),
        _ => "*".to_owned(),
    };
    let word = if order == Toggle::Ran { "run" } else { "poll" };
    tracing::info!(order = word, subject, by = &*caller.name, reason, "received command");
    if let Some(reason) = reason {
        let (handle, by) = (app.handle.clone(), caller.name.to_string());
        let event = Event::Switched { name: subject, to: order };
        let record = Record { by, ..Record::of(Timestamp::now(), event, reason) };
        on_disk(move || handle.store().record(vec![record]).map_err(|error| failed(&error))).await?;
    }
    Ok(Due { due })
}

/// Reads the body of an order; none, and null, is as good as an empty object. A list is no object, although its items could be
/// taken for the fields in their order.
fn read<T: DeserializeOwned + Default>(body: Result<Bytes, BytesRejection>) -> Result<T, No> {
    let body = body.map_err(|error| no(error.status(), error.body_text()))?;
    let wrong = |error: String| no(StatusCode::BAD_REQUEST, format!("the body is not an order: {error}"));
    if body.is_empty() {
        return Ok(T::default());
    }
    match serde_json::from_slice(&body).map_err(|error| wrong(error.to_string()))? {
        Value::Null => Ok(T::default()),
        object @ Value::Object(_) => serde_json::from_value(object).map_err(|error| wrong(error.to_string())),
        _ => Err(wrong("it is no object".to_owned())),
    }
}
