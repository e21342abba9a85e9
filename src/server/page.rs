//! The status page: what the API answers, for people. Rendered here, with nothing from other hosts; all of it is there without scripts.
//!
//! Every view says in its first line what it is about; what needs attention comes first. Whoever may act has buttons, which lead to a
//! sentence that says what will happen (`act`); whoever may not has the command beside what it is about.

mod act;
mod automations;
mod entries;
mod filters;
mod frame;
mod history;
mod holds;
mod login;
mod machinery;
mod model;
mod overview;
mod past;
mod policies;

use askama::Template;
use axum::Router;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use self::entries::{Day, days, older};
pub(super) use self::login::ask_for_login;
pub(super) use self::past::Past;
use super::routes::{App, No, on_disk};
use crate::store::Filter;

/// What a browser may load for a page: its style sheet and its script, what the script asks for here, and where forms go.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const STYLE: &str = include_str!("page/style.css");

const SCRIPT: &str = include_str!("page/tagwright.js");

/// How many rows a page has.
const ROWS: usize = 100;

/// How many entries of the history the overview, and a view of one thing, has.
const LAST: usize = 10;

/// The views, and what is ordered on them.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(overview::overview))
        .route("/policies", get(policies::list))
        .route("/policies/{namespace}/{name}", get(policies::one))
        .route("/automations", get(automations::list))
        .route("/automations/{namespace}/{name}", get(automations::one))
        .route("/history", get(history::history))
        .route("/holds", get(holds::holds))
        .route("/registries", get(machinery::registries))
        .route("/remotes", get(machinery::remotes))
        .route("/replicas", get(machinery::replicas))
        .route("/do/{action}", get(act::ask).post(act::act))
        .route("/login", get(login::form).post(login::login))
        .route("/logout", axum::routing::post(login::logout))
        .route("/style.css", get(async || file("text/css; charset=utf-8", STYLE)))
        .route("/tagwright.js", get(async || file("text/javascript; charset=utf-8", SCRIPT)))
}

/// A file of the page. Its address has the version, so that a browser may keep it.
fn file(kind: &'static str, text: &'static str) -> impl IntoResponse {
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "max-age=86400")], text)
}

/// A page that cannot be shown.
#[derive(Debug)]
struct Wrong(StatusCode, String);

impl From<No> for Wrong {
    fn from((status, refusal): No) -> Self {
        Self(status, refusal.0.error)
    }
}

#[derive(Template)]
#[template(path = "wrong.html")]
struct WrongPage {
    frame: frame::Frame,
    line: String,
}

impl IntoResponse for Wrong {
    fn into_response(self) -> Response {
        (self.0, show(&WrongPage { frame: frame::Frame::bare(), line: self.1 })).into_response()
    }
}

/// A number of things, in words.
fn count(number: usize, one: &str, several: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {several}") }
}

/// The page, with what browsers go by.
fn show(page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => {
            let headers = [
                (CONTENT_TYPE, "text/html; charset=utf-8"),
                (CONTENT_SECURITY_POLICY, POLICY),
                // Without an origin, which `no-referrer` takes away from forms, nobody knows whose page has sent one.
                (REFERRER_POLICY, "same-origin"),
            ];
            (headers, text).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "a page cannot be shown");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Entries of the history by day, and what to ask for older ones.
async fn last(app: &App, filter: Filter) -> Result<(Vec<Day>, Option<u64>), No> {
    let app = app.clone();
    on_disk(move || older(&app, &filter).map(|(entries, next)| (days(entries), next))).await
}
