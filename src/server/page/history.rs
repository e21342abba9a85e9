//! What did the bot do, and who ordered what?

use askama::Template;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::entries::Day;
use super::frame::{Frame, Viewer};
use super::overview::next_poll;
use super::{Wrong, count, filters, last, show};
use crate::server::routes::current;
use crate::store::Filter;

/// How many entries a page of the history has.
const ENTRIES: usize = 50;

#[derive(Template)]
#[template(path = "history.html")]
struct HistoryPage {
    frame: Frame,
    line: String,
    entries: Vec<Day>,
    older: Option<u64>,
    next: String,
    /// What the entries are about; empty is everything.
    about: String,
}

/// Which page of the history is asked for.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Paged {
    #[serde(default)]
    before: Option<u64>,
    /// A policy (`namespace:name`), or an automation (`namespace/name`).
    #[serde(default)]
    about: String,
}

pub(super) async fn history(viewer: Viewer, paged: Result<Query<Paged>, QueryRejection>) -> Result<Response, Wrong> {
    let Query(Paged { before, about }) = paged.map_err(|error| Wrong(StatusCode::BAD_REQUEST, error.body_text()))?;
    let next = next_poll(&current(&viewer.app).await?);
    let (policy, automation) = match about.trim() {
        "" => (None, None),
        about if about.contains(':') => (Some(about.to_owned()), None),
        about => (None, Some(about.to_owned())),
    };
    let filter = Filter { most: ENTRIES, before, policy, automation, ..Filter::default() };
    let (entries, older) = last(&viewer.app, filter).await?;
    let line = line(&entries, before.is_some());
    Ok(show(&HistoryPage { frame: viewer.frame("history"), line, entries, older, next, about }))
}

/// What is on a page of the history, in one sentence.
fn line(days: &[Day], is_older: bool) -> String {
    let all = || days.iter().flat_map(|day| &day.entries);
    let (commits, others) = (all().filter(|entry| !entry.commit.is_empty()).count(), all().count());
    let Some(first) = all().last() else { return "Nothing is written down.".to_owned() };
    let since = first.time.strftime("%Y-%m-%d %H:%M");
    let more = others - commits;
    let of = if is_older { "of older ones, back to" } else { "since" };
    format!("{} and {} {of} {since}.", count(commits, "commit", "commits"), count(more, "other entry", "other entries"))
}
