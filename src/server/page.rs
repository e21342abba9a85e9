//! The status page: what the API answers, for people. Rendered here, without scripts and with nothing from other hosts.
//!
//! Every view says in its first line what it is about; what needs attention comes first. Nothing is ordered here: where somebody
//! may do something, the command stands beside it.

mod entries;
mod model;

use askama::Template;
use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use jiff::Timestamp;
use serde::Deserialize;
use tagwright_core::automation::ObjectName;

use self::entries::{Day, days, older};
use self::model::{
    Attention, AutomationRow, DiffLine, FreezeRow, HoldRow, PolicyRow, State as Mark, User, attention, diff_lines,
    finds,
};
use super::api::{plan, story};
use super::routes::{App, No, current, on_disk};
use crate::store::Filter;
use crate::wire::explain::Document;
use crate::wire::status::{AutomationStatus, PolicyStatus, Status};

/// What a browser may load for a page: its style sheet, and where its search goes.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const STYLE: &str = include_str!("page/style.css");

/// How many rows a page has.
const ROWS: usize = 100;

/// How many entries of the history the overview, and a view of one thing, has.
const LAST: usize = 10;

/// How many entries a page of the history has.
const ENTRIES: usize = 50;

/// The views.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(overview))
        .route("/policies", get(policies))
        .route("/policies/{namespace}/{name}", get(policy))
        .route("/automations", get(automations))
        .route("/automations/{namespace}/{name}", get(automation))
        .route("/history", get(history))
        .route("/holds", get(holds))
        .route("/style.css", get(style))
}

async fn style() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "max-age=3600")], STYLE)
}

/// A page that cannot be shown.
struct Wrong(StatusCode, String);

impl From<No> for Wrong {
    fn from((status, refusal): No) -> Self {
        Self(status, refusal.0.error)
    }
}

#[derive(Template)]
#[template(path = "wrong.html")]
struct WrongPage {
    here: &'static str,
    version: &'static str,
    now: Timestamp,
    line: String,
}

impl IntoResponse for Wrong {
    fn into_response(self) -> Response {
        let (here, version, now) = frame("");
        (self.0, show(&WrongPage { here, version, now, line: self.1 })).into_response()
    }
}

/// A number of things, in words.
fn count(number: usize, one: &str, several: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {several}") }
}

/// What every page has.
fn frame(here: &'static str) -> (&'static str, &'static str, Timestamp) {
    (here, env!("CARGO_PKG_VERSION"), Timestamp::now())
}

fn show(page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => ([(CONTENT_SECURITY_POLICY, POLICY)], Html(text)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page cannot be shown");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    here: &'static str,
    version: &'static str,
    now: Timestamp,
    line: String,
    attention: Vec<Attention>,
    /// How many more there are.
    more: usize,
    automations: usize,
    freezes: Vec<FreezeRow>,
    entries: Vec<Day>,
    next: String,
}

async fn overview(State(app): State<App>) -> Result<Response, Wrong> {
    let (here, version, now) = frame("overview");
    let status = current(&app).await?;
    let (entries, _) = last(&app, Filter { most: LAST, ..Filter::default() }).await?;
    let mut attention = attention(&status);
    let waiting = status.policies.iter().filter(|policy| Mark::of_policy(policy) == Mark::Waiting).count();
    let line = match (attention.len(), status.policies.len()) {
        (0, 0) => "Nothing is configured yet.".to_owned(),
        (0, all) if waiting > 0 => {
            format!("Nothing needs attention; {waiting} of {all} policies have not been polled yet.")
        }
        (0, 1) => "The only policy is current.".to_owned(),
        (0, all) => format!("All {all} policies are current."),
        (1, _) => "1 thing needs attention.".to_owned(),
        (count, _) => format!("{count} things need attention."),
    };
    let more = attention.len().saturating_sub(ROWS);
    attention.truncate(ROWS);
    let freezes = status.freezes.iter().map(FreezeRow::of).collect();
    let next = next_poll(&status);
    let automations = status.automations.len();
    Ok(show(&Overview { here, version, now, line, attention, more, automations, freezes, entries, next }))
}

/// When something is polled next, in one sentence.
fn next_poll(status: &Status) -> String {
    let next = status.policies.iter().filter_map(|policy| policy.next).min();
    next.map_or_else(String::new, |next| format!("The next poll is at {}.", next.strftime("%H:%M:%S UTC")))
}

/// What is asked for in the address of a list.
#[derive(Debug, Default, Deserialize)]
struct Search {
    #[serde(default)]
    q: String,
    #[serde(default)]
    page: usize,
}

#[derive(Template)]
#[template(path = "policies.html")]
struct Policies {
    here: &'static str,
    version: &'static str,
    now: Timestamp,
    line: String,
    query: String,
    rows: Vec<PolicyRow>,
    page: usize,
    pages: usize,
}

async fn policies(State(app): State<App>, search: Result<Query<Search>, QueryRejection>) -> Result<Response, Wrong> {
    let Query(Search { q: query, page }) = search.map_err(|error| Wrong(StatusCode::BAD_REQUEST, error.body_text()))?;
    let (here, version, now) = frame("policies");
    let status = current(&app).await?;
    let all = status.policies.len();
    let found: Vec<PolicyRow> =
        status.policies.into_iter().map(PolicyRow::of).filter(|row| finds(&query, row)).collect();
    let wrong = found.iter().filter(|row| row.state != Mark::Current).count();
    let of = if query.trim().is_empty() { String::new() } else { format!(" of {all}") };
    let line = format!("{}{of}, {wrong} not current", count(found.len(), "policy", "policies"));
    let pages = found.len().div_ceil(ROWS).max(1);
    let page = page.clamp(1, pages);
    let rows = found.into_iter().skip((page - 1) * ROWS).take(ROWS).collect();
    Ok(show(&Policies { here, version, now, line, query, rows, page, pages }))
}

#[derive(Template)]
#[template(path = "policy.html")]
struct PolicyPage {
    here: &'static str,
    version: &'static str,
    now: Timestamp,
    policy: PolicyStatus,
    state: Mark,
    story: Document,
    users: Vec<User>,
    entries: Vec<Day>,
    command: String,
}

async fn policy(State(app): State<App>, Path((namespace, name)): Path<(String, String)>) -> Result<Response, Wrong> {
    let (here, version, now) = frame("policies");
    let name = ObjectName { namespace, name };
    let status = current(&app).await?;
    let users = status.automations.iter().filter(|it| it.holds.iter().any(|hold| hold.policy == name.marker()));
    let users = users.map(User::of).collect();
    let found = status.policies.into_iter().find(|it| it.id() == name);
    let policy = found.ok_or_else(|| Wrong(StatusCode::NOT_FOUND, format!("There is no policy {}.", name.marker())))?;
    let story = story(&app, &name).await?;
    let filter = Filter { policy: Some(name.marker()), most: LAST, ..Filter::default() };
    let (entries, _) = last(&app, filter).await?;
    let state = Mark::of_policy(&policy);
    let command = format!("tagwright hold {} --reason TEXT", name.marker());
    Ok(show(&PolicyPage { here, version, now, policy, state, story, users, entries, command }))
}

#[derive(Template)]
#[template(path = "automations.html")]
struct Automations {
    here: &'static str,
    version: &'static str,
    now: Timestamp,
    line: String,
    rows: Vec<AutomationRow>,
}

async fn automations(State(app): State<App>) -> Result<Response, Wrong> {
    let (here, version, now) = frame("automations");
    let rows: Vec<AutomationRow> = current(&app).await?.automations.into_iter().map(AutomationRow::of).collect();
    let wrong = rows.iter().filter(|row| row.state != Mark::Current).count();
    let line = format!("{}, {wrong} not current", count(rows.len(), "automation", "automations"));
    Ok(show(&Automations { here, version, now, line, rows }))
}

/// What an automation would write.
struct Plan {
    line: String,
    diff: Vec<DiffLine>,
}

#[derive(Template)]
#[template(path = "automation.html")]
struct AutomationPage {
    here: &'static str,
    version: &'static str,
    now: Timestamp,
    automation: AutomationStatus,
    state: Mark,
    pending: Option<Plan>,
    entries: Vec<Day>,
    command: String,
}

/// Whether the view of an automation has what it would write.
#[derive(Debug, Default, Deserialize)]
struct Wanted {
    #[serde(default)]
    plan: Option<String>,
}

async fn automation(
    State(app): State<App>,
    Path((namespace, name)): Path<(String, String)>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Wrong> {
    let Query(wanted) = wanted.map_err(|error| Wrong(StatusCode::BAD_REQUEST, error.body_text()))?;
    let (here, version, now) = frame("automations");
    let name = ObjectName { namespace, name };
    let found = current(&app).await?.automations.into_iter().find(|it| it.id() == name);
    let automation = found.ok_or_else(|| Wrong(StatusCode::NOT_FOUND, format!("There is no automation {name}.")))?;
    let pending = match wanted.plan {
        Some(_) => {
            let pending = Box::pin(plan(&app, &name)).await?;
            let (changes, holds) = (pending.automation.changes.len(), pending.automation.holds.len());
            let line = match (pending.automation.error.as_str(), changes, holds) {
                ("", 0, 0) => "Nothing.".to_owned(),
                ("", _, 0) => format!("{}.", count(changes, "field", "fields")),
                ("", ..) => format!("{}; {} held.", count(changes, "field", "fields"), count(holds, "field", "fields")),
                (error, 0, _) => format!("Nothing: {error}"),
                (error, ..) => format!("{}: {error}", count(changes, "field", "fields")),
            };
            Some(Plan { line, diff: diff_lines(&pending.diff) })
        }
        None => None,
    };
    let filter = Filter { automation: Some(name.to_string()), most: LAST, ..Filter::default() };
    let (entries, _) = last(&app, filter).await?;
    let state = Mark::of_automation(&automation);
    let command = match automation.suspended {
        true => format!("tagwright resume {name}"),
        false => format!("tagwright suspend {name} --reason TEXT"),
    };
    Ok(show(&AutomationPage { here, version, now, automation, state, pending, entries, command }))
}

#[derive(Template)]
#[template(path = "history.html")]
struct HistoryPage {
    here: &'static str,
    version: &'static str,
    now: Timestamp,
    line: String,
    entries: Vec<Day>,
    older: Option<u64>,
    next: String,
}

/// Which page of the history is asked for.
#[derive(Debug, Default, Deserialize)]
struct Paged {
    #[serde(default)]
    before: Option<u64>,
}

async fn history(State(app): State<App>, paged: Result<Query<Paged>, QueryRejection>) -> Result<Response, Wrong> {
    let Query(Paged { before }) = paged.map_err(|error| Wrong(StatusCode::BAD_REQUEST, error.body_text()))?;
    let (here, version, now) = frame("history");
    let next = next_poll(&current(&app).await?);
    let filter = Filter { most: ENTRIES, before, ..Filter::default() };
    let (entries, older) = last(&app, filter).await?;
    let line = older_line(&entries, before.is_some());
    Ok(show(&HistoryPage { here, version, now, line, entries, older, next }))
}

/// What is on a page of the history, in one sentence.
fn older_line(days: &[Day], is_older: bool) -> String {
    let all = || days.iter().flat_map(|day| &day.entries);
    let (commits, others) = (all().filter(|entry| !entry.commit.is_empty()).count(), all().count());
    let Some(first) = all().last() else { return "Nothing is written down.".to_owned() };
    let since = first.time.strftime("%Y-%m-%d %H:%M");
    let more = others - commits;
    let of = if is_older { "of older ones, back to" } else { "since" };
    format!("{} and {} {of} {since}.", count(commits, "commit", "commits"), count(more, "other entry", "other entries"))
}

/// Entries of the history by day, and what to ask for older ones.
async fn last(app: &App, filter: Filter) -> Result<(Vec<Day>, Option<u64>), No> {
    let app = app.clone();
    on_disk(move || older(&app, &filter).map(|(entries, next)| (days(entries), next))).await
}

#[derive(Template)]
#[template(path = "holds.html")]
struct Holds {
    here: &'static str,
    version: &'static str,
    now: Timestamp,
    line: String,
    holds: Vec<HoldRow>,
}

async fn holds(State(app): State<App>) -> Result<Response, Wrong> {
    let (here, version, now) = frame("holds");
    let mut holds = Vec::new();
    for automation in current(&app).await?.automations {
        holds.extend(HoldRow::of(automation));
    }
    let line = match holds.len() {
        0 => "No update is held.".to_owned(),
        1 => "1 update is held.".to_owned(),
        count => format!("{count} updates are held."),
    };
    Ok(show(&Holds { here, version, now, line, holds }))
}
