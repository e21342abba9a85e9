//! What is selected, and why this tag and not that one?

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use serde::Deserialize;
use tagwright_core::automation::ObjectName;

use super::act::Action;
use super::entries::Day;
use super::frame::{Frame, Viewer};
use super::model::{ByHand, Offer, PolicyRow, State as Mark, User, finds};
use super::past::{Selected, Spark};
use super::{LAST, ROWS, Wrong, count, filters, last, show};
use crate::server::api::story;
use crate::server::routes::{current, failed, on_disk};
use crate::store::{Filter, Toggle};
use crate::wire::explain::Document;
use crate::wire::status::PolicyStatus;

/// How many selections the view of a policy has.
const SELECTIONS: usize = 10;

/// What is asked for in the address of a list.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Search {
    #[serde(default)]
    q: String,
    #[serde(default)]
    page: usize,
}

/// A policy in the list, with what its history says.
struct Row {
    row: PolicyRow,
    spark: Spark,
    selected: Option<Selected>,
}

#[derive(Template)]
#[template(path = "policies.html")]
struct Policies {
    frame: Frame,
    line: String,
    query: String,
    rows: Vec<Row>,
    page: usize,
    pages: usize,
}

pub(super) async fn list(viewer: Viewer, search: Result<Query<Search>, QueryRejection>) -> Result<Response, Wrong> {
    let Query(Search { q: query, page }) = search.map_err(|error| Wrong(StatusCode::BAD_REQUEST, error.body_text()))?;
    let status = current(&viewer.app).await?;
    let all = status.policies.len();
    let found: Vec<PolicyRow> =
        status.policies.into_iter().map(PolicyRow::of).filter(|row| finds(&query, row)).collect();
    let wrong = found.iter().filter(|row| row.state != Mark::Current).count();
    let of = if query.trim().is_empty() { String::new() } else { format!(" of {all}") };
    let line = format!("{}{of}, {wrong} not current", count(found.len(), "policy", "policies"));
    let pages = found.len().div_ceil(ROWS).max(1);
    let page = page.clamp(1, pages);
    let shown: Vec<PolicyRow> = found.into_iter().skip((page - 1) * ROWS).take(ROWS).collect();
    let (app, now) = (viewer.app.clone(), Timestamp::now());
    let rows = on_disk(move || {
        let past = app.past.read(app.handle.store()).map_err(|error| failed(&error))?;
        let row = |row: PolicyRow| {
            let name = row.policy.id().marker();
            Row { spark: past.spark(&name, now), selected: past.selections(&name).next().cloned(), row }
        };
        Ok(shown.into_iter().map(row).collect())
    });
    let rows = rows.await?;
    Ok(show(&Policies { frame: viewer.frame("policies"), line, query, rows, page, pages }))
}

#[derive(Template)]
#[template(path = "policy.html")]
struct PolicyPage {
    frame: Frame,
    name: String,
    policy: PolicyStatus,
    state: Mark,
    held: Option<ByHand>,
    offers: Vec<Offer>,
    story: Document,
    /// The tag that is asked for, and what becomes of it.
    tag: String,
    answer: String,
    users: Vec<User>,
    yaml: String,
    spark: Spark,
    selections: Vec<Selected>,
    entries: Vec<Day>,
}

/// Of which tag somebody wants to know.
#[derive(Debug, Default, Deserialize)]
pub(super) struct WhyNot {
    #[serde(default)]
    tag: String,
}

/// The longest tag that is looked at, in bytes; OCI allows 128.
const MAX_TAG: usize = 300;

pub(super) async fn one(
    viewer: Viewer,
    Path((namespace, name)): Path<(String, String)>,
    why: Result<Query<WhyNot>, QueryRejection>,
) -> Result<Response, Wrong> {
    let Query(WhyNot { tag }) = why.map_err(|error| Wrong(StatusCode::BAD_REQUEST, error.body_text()))?;
    let id = ObjectName { namespace, name };
    let name = id.marker();
    let status = current(&viewer.app).await?;
    let found = status.policies.iter().find(|it| it.id() == id).cloned();
    let none = || Wrong(StatusCode::NOT_FOUND, format!("There is no policy {name}."));
    let policy = found.ok_or_else(none)?;
    let asked = Some(tag.trim().to_owned()).filter(|tag| !tag.is_empty() && tag.len() <= MAX_TAG);
    let (story, answer) = story(&viewer.app, &id, asked).await?;
    let filter = Filter { policy: Some(name.clone()), most: LAST, ..Filter::default() };
    let (entries, _) = last(&viewer.app, filter).await?;
    let users = viewer.app.handle.users(&id).iter().map(|user| User::of(user, &status)).collect();
    let yaml = viewer.app.handle.policy(&id).map(|policy| crate::report::policy::yaml(&policy)).unwrap_or_default();
    let (app, wanted, now) = (viewer.app.clone(), name.clone(), Timestamp::now());
    let (held, selections, spark) = on_disk(move || {
        let store = app.handle.store();
        let past = app.past.read(store).map_err(|error| failed(&error))?;
        let switches = store.switches().map_err(|error| failed(&error))?;
        let held = switches.held.get(&wanted).map(|switch| ByHand::of(switch, past.by(&wanted, Toggle::Held)));
        let selections: Vec<Selected> = past.selections(&wanted).take(SELECTIONS).cloned().collect();
        Ok((held, selections, past.spark(&wanted, now)))
    })
    .await?;
    let is_back = status
        .automations
        .iter()
        .flat_map(|it| &it.holds)
        .any(|hold| hold.policy == name && matches!(hold.code.as_str(), "reverted" | "contested"));
    let mut actions = vec![if held.is_some() || is_back { Action::Release } else { Action::Hold }];
    if story.dropped.iter().any(|group| group.cause == "too-young") {
        actions.push(Action::Hurry);
    }
    actions.push(Action::Poll);
    Ok(show(&PolicyPage {
        frame: viewer.frame("policies"),
        state: Mark::of_policy(&policy),
        offers: actions.into_iter().map(|action| Offer::new(action, &name)).collect(),
        answer: answer.map(|one| one.sentence).unwrap_or_default(),
        name,
        policy,
        held,
        story,
        tag,
        users,
        yaml,
        spark,
        selections,
        entries,
    }))
}
