//! What did an automation do, and what would it write now?

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use tagwright_core::automation::ObjectName;
use tagwright_core::pages::Pages;

use super::act::Action;
use super::entries::Day;
use super::frame::{Frame, Viewer};
use super::model::{AutomationRow, ByHand, DiffLine, HoldRow, Offer, State as Mark, diff_lines};
use super::{LAST, ROWS, Wrong, count, filters, last, show};
use crate::server::api::plan;
use crate::server::routes::{current, failed, on_disk};
use crate::store::{Filter, Toggle};
use crate::wire::status::AutomationStatus;

#[derive(Template)]
#[template(path = "automations.html")]
struct Automations {
    frame: Frame,
    line: String,
    query: String,
    rows: Vec<AutomationRow>,
    page: usize,
    pages: usize,
}

/// Which page of the list is asked for.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Paged {
    #[serde(default)]
    page: usize,
}

pub(super) async fn list(viewer: Viewer, paged: Result<Query<Paged>, QueryRejection>) -> Result<Response, Wrong> {
    let Query(Paged { page }) = paged.map_err(|error| Wrong(StatusCode::BAD_REQUEST, error.body_text()))?;
    let rows: Vec<AutomationRow> = current(&viewer.app).await?.automations.into_iter().map(AutomationRow::of).collect();
    let wrong = rows.iter().filter(|row| row.state != Mark::Current).count();
    let line = format!("{}, {wrong} not current", count(rows.len(), "automation", "automations"));
    let pages = rows.len().div_ceil(ROWS).max(1);
    let page = page.clamp(1, pages);
    let rows = rows.into_iter().skip((page - 1) * ROWS).take(ROWS).collect();
    Ok(show(&Automations { frame: viewer.frame("automations"), line, query: String::new(), rows, page, pages }))
}

/// What an automation would write.
struct Plan {
    line: String,
    diff: Vec<DiffLine>,
}

#[derive(Template)]
#[template(path = "automation.html")]
struct AutomationPage {
    frame: Frame,
    name: String,
    automation: AutomationStatus,
    state: Mark,
    suspended: Option<ByHand>,
    offers: Vec<Offer>,
    pending: Option<Plan>,
    holds: Vec<HoldRow>,
    /// The last commit at the forge, where that is known.
    commit: String,
    entries: Vec<Day>,
}

/// Whether the view of an automation has what it would write.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    plan: Option<String>,
}

pub(super) async fn one(
    viewer: Viewer,
    Path((namespace, name)): Path<(String, String)>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Wrong> {
    let Query(wanted) = wanted.map_err(|error| Wrong(StatusCode::BAD_REQUEST, error.body_text()))?;
    let id = ObjectName { namespace, name };
    let name = id.to_string();
    let found = current(&viewer.app).await?.automations.into_iter().find(|it| it.id() == id);
    let automation = found.ok_or_else(|| Wrong(StatusCode::NOT_FOUND, format!("There is no automation {name}.")))?;
    let pending = match wanted.plan {
        Some(_) => Some(planned(&viewer, &id).await?),
        None => None,
    };
    let filter = Filter { automation: Some(name.clone()), most: LAST, ..Filter::default() };
    let (entries, _) = last(&viewer.app, filter).await?;
    let (app, wanted) = (viewer.app.clone(), name.clone());
    let suspended = on_disk(move || {
        let store = app.handle.store();
        let past = app.past.read(store).map_err(|error| failed(&error))?;
        let switches = store.switches().map_err(|error| failed(&error))?;
        Ok(switches.suspended.get(&wanted).map(|switch| ByHand::of(switch, past.by(&wanted, Toggle::Suspended))))
    })
    .await?;
    let actions: &[Action] = match (&suspended, automation.suspended) {
        (Some(_), _) => &[Action::Resume],
        // What the configuration suspends, only the configuration resumes.
        (None, true) => &[],
        (None, false) => &[Action::Run, Action::Poll, Action::Suspend, Action::Freeze],
    };
    let forge = Pages::of(&automation.remote);
    let commit = automation.last_commit.as_deref().zip(forge).map(|(commit, forge)| forge.commit(commit));
    Ok(show(&AutomationPage {
        frame: viewer.frame("automations"),
        state: Mark::of_automation(&automation),
        offers: actions.iter().map(|action| Offer::new(*action, &name)).collect(),
        holds: HoldRow::of(automation.clone()).collect(),
        commit: commit.unwrap_or_default(),
        name,
        automation,
        suspended,
        pending,
        entries,
    }))
}

async fn planned(viewer: &Viewer, id: &ObjectName) -> Result<Plan, Wrong> {
    let pending = Box::pin(plan(&viewer.app, id)).await?;
    let (changes, holds) = (pending.automation.changes.len(), pending.automation.holds.len());
    let line = match (pending.automation.error.as_str(), changes, holds) {
        ("", 0, 0) => "Nothing.".to_owned(),
        ("", _, 0) => format!("{}.", count(changes, "field", "fields")),
        ("", ..) => format!("{}; {} held.", count(changes, "field", "fields"), count(holds, "field", "fields")),
        (error, 0, _) => format!("Nothing: {error}"),
        (error, ..) => format!("{}: {error}", count(changes, "field", "fields")),
    };
    Ok(Plan { line, diff: diff_lines(&pending.diff) })
}
