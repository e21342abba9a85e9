//! Questions about parts: policies with their tags and why, automations with what they would write, holds, findings, freezes.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use image::Tag;
use jiff::Timestamp;
use tagwright_core::automation::ObjectName;
use tagwright_core::explain::{self, Ages, Fate, Tags};
use tagwright_core::policy::Order;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::routes::{App, No, Refusals, current, no, on_disk};
use crate::report::diff;
use crate::report::explain::{Images, Known, Story};
use crate::run::Report;
use crate::wire::api::{Automations, Finding, Findings, Freezes, Held, Holds, Pending, Policies, Registries, Remotes};
use crate::wire::explain::{Document, One};
use crate::wire::images::{COMMITS, Images as UsedImages, MAX_COMMITS};
use crate::wire::machinery::Replicas;
use crate::wire::request::ImagesQuery;
use crate::wire::run::Run;
use crate::wire::status::{AutomationStatus, PolicyStatus};

/// Where all images are asked for, which takes as long as a submission may.
pub(super) const IMAGES: &str = "/api/v1/images";

/// The longest answer with images, in bytes.
const MAX_IMAGES_BYTES: usize = 8 << 20;

/// The questions, each with its description.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(policies))
        .routes(routes!(one_policy))
        .routes(routes!(tags))
        .routes(routes!(one_tag))
        .routes(routes!(automations))
        .routes(routes!(one_automation))
        .routes(routes!(pending))
        .routes(routes!(holds))
        .routes(routes!(findings))
        .routes(routes!(freezes))
        .routes(routes!(registries))
        .routes(routes!(remotes))
        .routes(routes!(replicas))
        .routes(routes!(images))
}

fn unknown(what: &str, name: &ObjectName) -> No {
    no(StatusCode::NOT_FOUND, format!("there is no {what} {name}"))
}

/// All policies.
#[utoipa::path(get, path = "/api/v1/policies", tag = "questions", responses((status = 200, description = "The policies", body = Policies), Refusals))]
async fn policies(State(app): State<App>) -> Result<Json<Policies>, No> {
    Ok(Json(Policies { policies: current(&app).await?.policies }))
}

/// One policy.
#[utoipa::path(get, path = "/api/v1/policies/{namespace}/{name}", tag = "questions", params(("namespace" = String, Path), ("name" = String, Path)), responses((status = 200, description = "The policy", body = PolicyStatus), Refusals))]
async fn one_policy(
    State(app): State<App>,
    Path((namespace, name)): Path<(String, String)>,
) -> Result<Json<PolicyStatus>, No> {
    let name = ObjectName { namespace, name };
    let found = current(&app).await?.policies.into_iter().find(|it| it.id() == name);
    found.map(Json).ok_or_else(|| unknown("policy", &name))
}

/// The tags of a policy's image, as they were last listed, and what becomes of each.
#[utoipa::path(get, path = "/api/v1/policies/{namespace}/{name}/tags", tag = "questions", params(("namespace" = String, Path), ("name" = String, Path)), responses((status = 200, description = "As `explain --output json`, without places", body = Document), Refusals))]
async fn tags(State(app): State<App>, Path((namespace, name)): Path<(String, String)>) -> Result<Json<Document>, No> {
    story(&app, &ObjectName { namespace, name }, None).await.map(|(document, _)| Json(document))
}

/// What becomes of one tag, or would if it were listed.
#[utoipa::path(get, path = "/api/v1/policies/{namespace}/{name}/tags/{tag}", tag = "questions", params(("namespace" = String, Path), ("name" = String, Path), ("tag" = String, Path)), responses((status = 200, description = "As `explain --tag --output json`", body = One), Refusals))]
async fn one_tag(
    State(app): State<App>,
    Path((namespace, name, tag)): Path<(String, String, String)>,
) -> Result<Json<One>, No> {
    let name = ObjectName { namespace, name };
    let (_, one) = story(&app, &name, Some(tag)).await?;
    one.map(Json).ok_or_else(|| unknown("tag of policy", &name))
}

/// What becomes of the tags of a policy, and of the one that is asked for.
pub(super) async fn story(app: &App, name: &ObjectName, tag: Option<String>) -> Result<(Document, Option<One>), No> {
    let policy = app.handle.policy(name).ok_or_else(|| unknown("policy", name))?;
    let known = app.handle.image(&policy).await;
    let report = app.handle.report(&policy);
    on_disk(move || {
        let since: BTreeMap<Tag, Timestamp> =
            known.tags.iter().map(|tag| (tag.name.clone(), tag.pushed.unwrap_or(tag.first_seen))).collect();
        let since = |tag: &str| since.get(tag).copied();
        let allowed = known.tags.iter().map(|tag| tag.name.clone()).collect();
        let tags = Tags { allowed, refused: 0, refused_sample: Vec::new() };
        let ages = Some(Ages { since: &since, now: Timestamp::now() });
        let mut funnel = explain::guarded(&policy, &tags, ages);
        let mut held = match (policy.suspended, policy.repository.suspended) {
            (true, _) => Some("the policy is suspended".to_owned()),
            (_, true) => Some("its image repository is suspended".to_owned()),
            _ => None,
        };
        // What is required of images was looked at by the last poll.
        let report = report.filter(|_| policy.asks());
        let images = if policy.asks() && report.is_none() { Images::No } else { Images::Yes };
        let (mut digest, mut passed_over, mut remarks) = (None, None, Vec::new());
        if let Some(report) = &report {
            funnel.pass_over(&report.passed_over);
            remarks = report.remarks();
            if let (Order::Newest, Ok(selection)) = (&policy.policy.order, &report.selection) {
                let selected = selection.tag.iter().map(Tag::as_str);
                funnel.sort_by(report.newer.iter().map(String::as_str).chain(selected));
            }
            passed_over = report.passed_over.first().cloned();
            match &report.selection {
                Ok(selection) => digest = selection.digest.clone().filter(|_| policy.writes_digests()),
                Err(reason) => held = held.or_else(|| Some(reason.to_string())),
            }
        }
        let source = policy.repository.image.name();
        let (is_known, places) = (Known::Yes, Vec::new());
        let story = Story {
            policy: &policy,
            source,
            funnel,
            ages: is_known,
            digest,
            passed_over,
            remarks,
            images,
            held,
            places,
        };
        let one = tag.map(|tag| {
            let mut more = tags.clone();
            let absent = Tag::parse(&tag).ok().filter(|_| story.funnel.fate(&tag) == Fate::Absent);
            let is_absent = absent.is_some();
            more.allowed.extend(absent);
            let with = is_absent.then(|| explain::guarded(&policy, &more, ages));
            One::of(&story, &explain::escaped(&tag), with.as_ref())
        });
        Ok((Document::of(&story), one))
    })
    .await
}

/// All automations.
#[utoipa::path(get, path = "/api/v1/automations", tag = "questions", responses((status = 200, description = "The automations", body = Automations), Refusals))]
async fn automations(State(app): State<App>) -> Result<Json<Automations>, No> {
    Ok(Json(Automations { automations: current(&app).await?.automations }))
}

/// One automation.
#[utoipa::path(get, path = "/api/v1/automations/{namespace}/{name}", tag = "questions", params(("namespace" = String, Path), ("name" = String, Path)), responses((status = 200, description = "The automation", body = AutomationStatus), Refusals))]
async fn one_automation(
    State(app): State<App>,
    Path((namespace, name)): Path<(String, String)>,
) -> Result<Json<AutomationStatus>, No> {
    let name = ObjectName { namespace, name };
    let found = current(&app).await?.automations.into_iter().find(|it| it.id() == name);
    found.map(Json).ok_or_else(|| unknown("automation", &name))
}

/// What an automation would write if it ran now: its remote is asked, and nothing is pushed.
#[utoipa::path(get, path = "/api/v1/automations/{namespace}/{name}/pending", tag = "questions", params(("namespace" = String, Path), ("name" = String, Path)), responses((status = 200, description = "What would be written, with what is held", body = Pending), Refusals))]
async fn pending(State(app): State<App>, Path((namespace, name)): Path<(String, String)>) -> Result<Json<Pending>, No> {
    plan(&app, &ObjectName { namespace, name }).await.map(Json)
}

/// What an automation would write if it ran now.
pub(super) async fn plan(app: &App, name: &ObjectName) -> Result<Pending, No> {
    let busy = |_| no(StatusCode::SERVICE_UNAVAILABLE, "too many ask for what would be written at once; try again");
    let _place = Arc::clone(&app.plans).try_acquire_owned().map_err(busy)?;
    let planned = Box::pin(app.handle.pending(name)).await.ok_or_else(|| unknown("automation", name))?;
    let diff = planned.automations.iter().map(diff::of_automation).collect();
    let report = Report { automations: planned.automations, ..Report::default() };
    let automation = Run::from(&report).automations.pop().ok_or_else(|| unknown("automation", name))?;
    Ok(Pending { automation, diff })
}

/// All fields that keep their values although others are selected.
#[utoipa::path(get, path = "/api/v1/holds", tag = "questions", responses((status = 200, description = "The holds", body = Holds), Refusals))]
async fn holds(State(app): State<App>) -> Result<Json<Holds>, No> {
    let mut holds = Vec::new();
    for automation in current(&app).await?.automations {
        let name = automation.id().to_string();
        holds.extend(automation.holds.into_iter().map(|field| Held { automation: name.clone(), field }));
    }
    Ok(Json(Holds { holds }))
}

/// What is wrong in files, the gravest 100 of each automation.
#[utoipa::path(get, path = "/api/v1/findings", tag = "questions", responses((status = 200, description = "The findings", body = Findings), Refusals))]
async fn findings(State(app): State<App>) -> Result<Json<Findings>, No> {
    let mut findings = Vec::new();
    for automation in current(&app).await?.automations {
        let name = automation.id().to_string();
        findings.extend(automation.findings.into_iter().map(|finding| Finding { automation: name.clone(), finding }));
    }
    Ok(Json(Findings { findings }))
}

/// Freezes, exceptions, and what the calendar has next.
#[utoipa::path(get, path = "/api/v1/freezes", tag = "questions", responses((status = 200, description = "The freezes", body = Freezes), Refusals))]
async fn freezes(State(app): State<App>) -> Result<Json<Freezes>, No> {
    Ok(Json(Freezes { freezes: current(&app).await?.freezes }))
}

/// What is asked of registries.
#[utoipa::path(get, path = "/api/v1/registries", tag = "questions", responses((status = 200, description = "The registries", body = Registries), Refusals))]
async fn registries(State(app): State<App>) -> Result<Json<Registries>, No> {
    Ok(Json(Registries { registries: current(&app).await?.registries }))
}

/// Git remotes and their mirrors.
#[utoipa::path(get, path = "/api/v1/remotes", tag = "questions", responses((status = 200, description = "The remotes", body = Remotes), Refusals))]
async fn remotes(State(app): State<App>) -> Result<Json<Remotes>, No> {
    Ok(Json(Remotes { remotes: app.handle.remotes() }))
}

/// Who does what of the work.
#[utoipa::path(get, path = "/api/v1/replicas", tag = "questions", responses((status = 200, description = "The processes that share the work, as this one sees them", body = Replicas), Refusals))]
async fn replicas(State(app): State<App>) -> Result<Json<Replicas>, No> {
    Ok(Json(app.handle.replicas()))
}

/// The images that Git references, now and in the commits before: the remotes are asked, for one at a time.
#[utoipa::path(get, path = "/api/v1/images", tag = "questions", params(ImagesQuery), responses((status = 200, description = "As `images --output json`", body = UsedImages), Refusals))]
async fn images(
    State(app): State<App>,
    query: Result<Query<ImagesQuery>, QueryRejection>,
) -> Result<impl IntoResponse, No> {
    let wrong = |why: String| no(StatusCode::BAD_REQUEST, why);
    let Query(ImagesQuery { commits, registry }) = query.map_err(|error| wrong(error.body_text()))?;
    let commits = commits.unwrap_or(COMMITS);
    if !(1..=MAX_COMMITS).contains(&commits) {
        return Err(wrong(format!("commits is {commits}, and has to be from 1 to {MAX_COMMITS}")));
    }
    let busy = |_| no(StatusCode::SERVICE_UNAVAILABLE, "somebody else asks for all images; try again");
    let _place = Arc::clone(&app.images).try_acquire_owned().map_err(busy)?;
    let mut images = Box::pin(app.handle.images(commits)).await;
    if let Some(registry) = registry {
        images.keep(&registry);
    }
    let body = on_disk(move || {
        let body = serde_json::to_vec(&images);
        body.map_err(|error| no(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
    })
    .await?;
    match body.len() > MAX_IMAGES_BYTES {
        true => {
            Err(wrong("the answer would have more than 8 MiB; ask for fewer commits, or for one registry".to_owned()))
        }
        false => Ok(([(CONTENT_TYPE, "application/json")], body)),
    }
}
