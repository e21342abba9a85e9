//! GitLab: merge requests.
//!
//! - The project is one segment of the address, its slashes escaped.
//! - A second request for a branch is refused with 409.
//! - Right after a request was made, and after each push, GitLab has yet to find out whether it can be merged, and answers 405 to
//!   whoever asks for that: `detailed_merge_status` tells when it knows.
//! - `auto_merge` is there from 17.11 on; before, it was `merge_when_pipeline_succeeds`. Both are sent. Where no pipeline runs there is
//!   nothing to wait for, and GitLab wants the plain merge.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::adorn::numbers;
use super::error::Error;
use super::exchange::{Answer, Question};
use super::{Adornments, Branches, Comment, Forge, Listed, Merge, Merged, Request, State, Wanted, When};

const REQUEST: &str = "a merge request";
const DRAFT: &str = "Draft: ";
/// How often GitLab is asked whether it knows by now, and the wait before the second time; it doubles.
const LOOKS: usize = 5;
const FIRST_LOOK: Duration = Duration::from_millis(200);
/// What it says as long as it does not know.
const UNDECIDED: [&str; 4] = ["unchecked", "checking", "preparing", "approvals_syncing"];

fn url(forge: &Forge<'_>, parts: &[&str]) -> url::Url {
    let project = forge.place().path().join("/");
    forge.place().url(&[&["projects", &project][..], parts].concat())
}

fn of(forge: &Forge<'_>, request: &Request, parts: &[&str]) -> url::Url {
    url(forge, &[&["merge_requests", &request.number.to_string()][..], parts].concat())
}

fn read(answer: &Answer, value: &Value) -> Result<Request, Error> {
    let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let number = value["iid"].as_u64().ok_or_else(|| answer.malformed("the iid of a merge request"))?;
    let state = match value["state"].as_str() {
        Some("opened" | "locked") => State::Open,
        Some("merged") => State::Merged,
        _ => State::Closed { by: value["closed_by"]["username"].as_str().map(str::to_owned) },
    };
    Ok(Request {
        number,
        address: text("web_url"),
        state,
        title: text("title"),
        body: text("description"),
        head: text("source_branch"),
        tip: value["sha"].as_str().map(str::to_owned),
        is_own: is_own(value),
        key: text("detailed_merge_status"),
    })
}

/// Whether the branch is the project's own: anybody may give the same name to one of a fork.
fn is_own(value: &Value) -> bool {
    value["source_project_id"].is_u64() && value["source_project_id"] == value["target_project_id"]
}

async fn list(forge: &Forge<'_>, branches: Branches<'_>, state: &[(&str, &str)]) -> Result<Vec<Request>, Error> {
    let question = Question::get(url(forge, &["merge_requests"]), "the merge requests")
        .query(&[("source_branch", branches.head), ("target_branch", branches.base), ("order_by", "created_at")])
        .query(state);
    let answer = forge.ask(question).await?;
    answer.items().iter().filter(|value| is_own(value)).map(|value| read(&answer, value)).collect()
}

pub(crate) async fn list_all(forge: &Forge<'_>, base: &str, which: Listed) -> Result<Vec<Request>, Error> {
    const PAGE: usize = 100;
    let states: &[&str] = if which == Listed::Open { &["opened"] } else { &["closed", "merged"] };
    let size = PAGE.to_string();
    let mut all = Vec::new();
    for state in states {
        let question = |page: &str| {
            Question::get(url(forge, &["merge_requests"]), "the merge requests").query(&[
                ("state", *state),
                ("target_branch", base),
                ("order_by", "created_at"),
                ("sort", "desc"),
                ("per_page", &size),
                ("page", page),
            ])
        };
        for answer in forge.pages(PAGE, question).await? {
            for value in answer.items().iter().filter(|value| is_own(value)) {
                all.push(read(&answer, value)?);
            }
        }
    }
    Ok(all)
}

pub(crate) async fn find(forge: &Forge<'_>, branches: Branches<'_>) -> Result<Option<Request>, Error> {
    Ok(list(forge, branches, &[("state", "opened")]).await?.into_iter().find(|request| request.state == State::Open))
}

pub(crate) async fn find_closed(forge: &Forge<'_>, branches: Branches<'_>) -> Result<Option<Request>, Error> {
    let all = list(forge, branches, &[("state", "all"), ("sort", "desc")]).await?;
    Ok(all.into_iter().find(|request| request.state != State::Open))
}

pub(crate) async fn get(forge: &Forge<'_>, number: u64) -> Result<Option<Request>, Error> {
    let url = url(forge, &["merge_requests", &number.to_string()]);
    let answer = forge.ask(Question::get(url, REQUEST).or(&[404])).await?;
    if answer.status == 404 {
        return Ok(None);
    }
    read(&answer, &answer.body).map(Some)
}

pub(crate) async fn create(forge: &Forge<'_>, wanted: &Wanted<'_>) -> Result<Option<Request>, Error> {
    let title = if wanted.draft { format!("{DRAFT}{}", wanted.title) } else { wanted.title.to_owned() };
    let body = json!({
        "source_branch": wanted.branches.head,
        "target_branch": wanted.branches.base,
        "title": title,
        "description": wanted.body,
        "remove_source_branch": wanted.delete_branch,
    });
    let url = url(forge, &["merge_requests"]);
    let answer = forge.ask(Question::new(Method::POST, url, "a new merge request").with(body).or(&[409])).await?;
    if answer.status == 409 { Ok(None) } else { read(&answer, &answer.body).map(Some) }
}

pub(crate) async fn update(forge: &Forge<'_>, request: &Request, title: &str, body: &str) -> Result<(), Error> {
    let title = if request.title.starts_with(DRAFT) { format!("{DRAFT}{title}") } else { title.to_owned() };
    change(forge, request, json!({ "title": title, "description": body })).await
}

pub(crate) async fn close(forge: &Forge<'_>, request: &Request, body: &str) -> Result<(), Error> {
    change(forge, request, json!({ "state_event": "close", "description": body })).await
}

async fn change(forge: &Forge<'_>, request: &Request, body: Value) -> Result<(), Error> {
    let question = Question::new(Method::PUT, of(forge, request, &[]), "a change of a merge request");
    forge.ask(question.with(body)).await.map(drop)
}

pub(crate) async fn adorn(forge: &Forge<'_>, request: &Request, with: Adornments<'_>) -> Result<(), Error> {
    let mut body = json!({});
    if !with.labels.is_empty() {
        body["add_labels"] = json!(with.labels.join(","));
    }
    let user = |name: &str| Question::get(forge.place().url(&["users"]), "the users").query(&[("username", name)]);
    for (field, names) in [("reviewer_ids", with.reviewers), ("assignee_ids", with.assignees)] {
        if !names.is_empty() {
            body[field] = numbers(forge, names, user, |found| found.get("id").cloned()).await?.into();
        }
    }
    match body.as_object().is_some_and(|fields| !fields.is_empty()) {
        true => change(forge, request, body).await,
        false => Ok(()),
    }
}

pub(crate) async fn comment(forge: &Forge<'_>, request: &Request, text: &str) -> Result<(), Error> {
    let question = Question::new(Method::POST, of(forge, request, &["notes"]), "a comment");
    forge.ask(question.with(json!({ "body": text }))).await.map(drop)
}

pub(crate) async fn comment_of(forge: &Forge<'_>, number: u64, id: u64) -> Result<Option<Comment>, Error> {
    let url = url(forge, &["merge_requests", &number.to_string(), "notes", &id.to_string()]);
    let answer = forge.ask(Question::get(url, "a comment").or(&[404])).await?;
    let author = &answer.body["author"];
    let key = author["id"].as_u64().filter(|_| answer.is_success());
    Ok(key.map(|key| Comment {
        author: author["username"].as_str().unwrap_or_default().to_owned(),
        text: answer.body["body"].as_str().unwrap_or_default().to_owned(),
        is_bot: answer.body["system"].as_bool() != Some(false) || author["bot"].as_bool() == Some(true),
        at: super::time(&answer.body["created_at"]),
        key: key.to_string(),
    }))
}

pub(crate) async fn may_write(forge: &Forge<'_>, comment: &Comment) -> Result<bool, Error> {
    // The role Developer, by whichever group.
    const DEVELOPER: u64 = 30;
    let url = url(forge, &["members", "all", &comment.key]);
    let answer = forge.ask(Question::get(url, "what a user may do").or(&[404])).await?;
    let is_active = answer.body["state"].as_str() == Some("active");
    let level = answer.body["access_level"].as_u64().filter(|_| answer.is_success() && is_active);
    Ok(level.is_some_and(|level| level >= DEVELOPER))
}

pub(crate) async fn merge(forge: &Forge<'_>, request: &Request, how: Merge<'_>) -> Result<Merged, Error> {
    let status = decided(forge, request).await?;
    let is_auto = how.when == When::ChecksPass;
    match ask_for_merge(forge, request, how, is_auto).await? {
        // It could be merged, and there is nothing to wait for.
        Merged::NotYet(_) if is_auto && status == "mergeable" => ask_for_merge(forge, request, how, false).await,
        merged => Ok(merged),
    }
}

/// Waits until GitLab knows whether it can be merged; returns what it says then.
async fn decided(forge: &Forge<'_>, request: &Request) -> Result<String, Error> {
    let mut wait = FIRST_LOOK;
    let mut status = request.key.clone();
    for look in 0..LOOKS {
        let seen = get(forge, request.number).await?;
        let is_pushed = seen.as_ref().is_some_and(|seen| seen.tip == request.tip || request.tip.is_none());
        status = seen.map(|seen| seen.key).unwrap_or_default();
        if is_pushed && !UNDECIDED.contains(&status.as_str()) {
            break;
        }
        if look + 1 < LOOKS {
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
    }
    Ok(status)
}

async fn ask_for_merge(forge: &Forge<'_>, request: &Request, how: Merge<'_>, is_auto: bool) -> Result<Merged, Error> {
    let mut body = json!({ "sha": how.tip, "should_remove_source_branch": how.delete_branch });
    if is_auto {
        (body["auto_merge"], body["merge_when_pipeline_succeeds"]) = (json!(true), json!(true));
    }
    match how.method {
        Some(super::Method::Squash) => body["squash"] = json!(true),
        Some(super::Method::Merge) => body["squash"] = json!(false),
        // Whether commits are put on top is a setting of the project.
        Some(super::Method::Rebase) | None => {}
    }
    let question = Question::new(Method::PUT, of(forge, request, &["merge"]), "a merge").with(body);
    // 405: not now; 406, 422: conflicts; 409: another commit.
    let answer = forge.ask(question.or(&[405, 406, 409, 422])).await?;
    Ok(match (answer.is_success(), answer.body["state"].as_str()) {
        (true, Some("merged")) => Merged::Now,
        (true, _) => Merged::Later,
        (false, _) => Merged::NotYet(answer.message()),
    })
}

pub(crate) async fn delete_branch(forge: &Forge<'_>, branch: &str, _: &str) -> Result<(), Error> {
    let url = url(forge, &["repository", "branches", branch]);
    forge.ask(Question::new(Method::DELETE, url, "the deletion of the branch").or(&[404])).await.map(drop)
}
