//! Gitea, and Forgejo, which has the same interface: pull requests.
//!
//! - The list of requests knows no filter by branch: `GET /pulls/BASE/HEAD` gives the newest one of two branches.
//! - A second request for a branch is refused with 409.
//! - Labels are given by number, those of the repository and of its organisation; what is missing is made in the repository.
//! - A draft is a request whose title begins with `WIP: `.

use reqwest::Method;
use serde_json::{Value, json};

use super::adorn::COLOUR;
use super::error::Error;
use super::exchange::{Answer, Question};
use super::{Adornments, Branches, Comment, Forge, Listed, Merge, Merged, Request, State, Wanted, When};

const REQUEST: &str = "a pull request";
const DRAFT: &str = "WIP: ";
/// How many requests or labels a page has.
const PAGE: usize = 50;
/// How many events of a request are looked at for who closed it.
const MAX_EVENTS: &str = "50";

fn url(forge: &Forge<'_>, parts: &[&str]) -> url::Url {
    let path = forge.place().path();
    forge.place().url(&[&["repos", path[0].as_str(), path[1].as_str()][..], parts].concat())
}

/// Whether the branch is the repository's own: anybody may give the same name to one of a fork.
fn is_own(value: &Value) -> bool {
    value["head"]["repo_id"].is_i64() && value["head"]["repo_id"] == value["base"]["repo_id"]
}

fn read(answer: &Answer, value: &Value) -> Result<Request, Error> {
    let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let number = value["number"].as_u64().ok_or_else(|| answer.malformed("the number of a pull request"))?;
    let state = match value["state"].as_str() {
        _ if value["merged"].as_bool() == Some(true) => State::Merged,
        Some("open") => State::Open,
        _ => State::Closed { by: None },
    };
    Ok(Request {
        number,
        address: text("html_url"),
        state,
        title: text("title"),
        body: text("body"),
        head: value["head"]["ref"].as_str().unwrap_or_default().to_owned(),
        tip: value["head"]["sha"].as_str().map(str::to_owned),
        is_own: is_own(value),
        key: String::new(),
    })
}

pub(crate) async fn list_all(forge: &Forge<'_>, base: &str, which: Listed) -> Result<Vec<Request>, Error> {
    let state = if which == Listed::Open { "open" } else { "closed" };
    let size = PAGE.to_string();
    let question = |page: &str| {
        Question::get(url(forge, &["pulls"]), "the pull requests").query(&[
            ("state", state),
            ("base_branch", base),
            ("limit", &size),
            ("page", page),
        ])
    };
    // Older ones list those to all branches.
    let is_it = |value: &&Value| value["base"]["ref"].as_str() == Some(base) && is_own(value);
    let mut all = Vec::new();
    for answer in forge.pages(PAGE, question).await? {
        for value in answer.items().iter().filter(is_it) {
            all.push(read(&answer, value)?);
        }
    }
    Ok(all)
}

/// The newest request of two branches, whatever became of it.
async fn newest(forge: &Forge<'_>, branches: Branches<'_>) -> Result<Option<Request>, Error> {
    // Each branch is one segment there, its slashes escaped.
    let url = url(forge, &["pulls", branches.base, branches.head]);
    let answer = forge.ask(Question::get(url, "the pull requests").or(&[404])).await?;
    if answer.status == 404 { Ok(None) } else { read(&answer, &answer.body).map(Some) }
}

pub(crate) async fn find(forge: &Forge<'_>, branches: Branches<'_>) -> Result<Option<Request>, Error> {
    Ok(newest(forge, branches).await?.filter(|request| request.state == State::Open))
}

pub(crate) async fn find_closed(forge: &Forge<'_>, branches: Branches<'_>) -> Result<Option<Request>, Error> {
    match newest(forge, branches).await?.filter(|request| request.state != State::Open) {
        Some(request) => closer(forge, request).await.map(Some),
        None => Ok(None),
    }
}

pub(crate) async fn get(forge: &Forge<'_>, number: u64) -> Result<Option<Request>, Error> {
    let url = url(forge, &["pulls", &number.to_string()]);
    let answer = forge.ask(Question::get(url, REQUEST).or(&[404])).await?;
    if answer.status == 404 {
        return Ok(None);
    }
    closer(forge, read(&answer, &answer.body)?).await.map(Some)
}

/// Finds out who closed a request: its events tell.
async fn closer(forge: &Forge<'_>, mut request: Request) -> Result<Request, Error> {
    if let State::Closed { by } = &mut request.state {
        let url = url(forge, &["issues", &request.number.to_string(), "timeline"]);
        let answer = forge.ask(Question::get(url, REQUEST).query(&[("limit", MAX_EVENTS)]).or(&[404])).await?;
        let closed = answer.items().iter().rev().find(|event| event["type"].as_str() == Some("close"));
        *by = closed.and_then(|event| event["user"]["login"].as_str()).map(str::to_owned);
    }
    Ok(request)
}

pub(crate) async fn create(forge: &Forge<'_>, wanted: &Wanted<'_>) -> Result<Option<Request>, Error> {
    let title = if wanted.draft { format!("{DRAFT}{}", wanted.title) } else { wanted.title.to_owned() };
    let body = json!({
        "title": title,
        "head": wanted.branches.head,
        "base": wanted.branches.base,
        "body": wanted.body,
    });
    let question = Question::new(Method::POST, url(forge, &["pulls"]), "a new pull request").with(body);
    let answer = forge.ask(question.or(&[409])).await?;
    if answer.status == 409 { Ok(None) } else { read(&answer, &answer.body).map(Some) }
}

pub(crate) async fn update(forge: &Forge<'_>, request: &Request, title: &str, body: &str) -> Result<(), Error> {
    let title = if request.title.starts_with(DRAFT) { format!("{DRAFT}{title}") } else { title.to_owned() };
    change(forge, request, json!({ "title": title, "body": body })).await
}

pub(crate) async fn close(forge: &Forge<'_>, request: &Request, body: &str) -> Result<(), Error> {
    change(forge, request, json!({ "state": "closed", "body": body })).await
}

async fn change(forge: &Forge<'_>, request: &Request, body: Value) -> Result<(), Error> {
    let url = url(forge, &["pulls", &request.number.to_string()]);
    forge.ask(Question::new(Method::PATCH, url, "a change of a pull request").with(body)).await.map(drop)
}

pub(crate) async fn adorn(forge: &Forge<'_>, request: &Request, with: Adornments<'_>) -> Result<(), Error> {
    let number = request.number.to_string();
    if !with.labels.is_empty() {
        let labels = labels(forge, with.labels).await?;
        let question = Question::new(Method::POST, url(forge, &["issues", &number, "labels"]), "the labels");
        forge.ask(question.with(json!({ "labels": labels }))).await?;
    }
    if !with.assignees.is_empty() {
        change(forge, request, json!({ "assignees": with.assignees })).await?;
    }
    if !with.reviewers.is_empty() {
        let reviewers = url(forge, &["pulls", &number, "requested_reviewers"]);
        let question = Question::new(Method::POST, reviewers, "the reviewers");
        forge.ask(question.with(json!({ "reviewers": with.reviewers }))).await?;
    }
    Ok(())
}

/// The numbers of labels; those that are missing are made.
async fn labels(forge: &Forge<'_>, names: &[String]) -> Result<Vec<u64>, Error> {
    let mut known = listed(forge, url(forge, &["labels"])).await?;
    if names.iter().any(|name| !known.iter().any(|(label, _)| label == name)) {
        known.extend(listed(forge, forge.place().url(&["orgs", forge.place().owner(), "labels"])).await?);
    }
    let mut numbers = Vec::with_capacity(names.len());
    for name in names {
        let number = match known.iter().find(|(label, _)| label == name) {
            Some((_, number)) => *number,
            None => {
                let question = Question::new(Method::POST, url(forge, &["labels"]), "a new label");
                let answer = forge.ask(question.with(json!({ "name": name, "color": COLOUR }))).await?;
                answer.body["id"].as_u64().ok_or_else(|| answer.malformed("the number of a label"))?
            }
        };
        numbers.push(number);
    }
    Ok(numbers)
}

async fn listed(forge: &Forge<'_>, url: url::Url) -> Result<Vec<(String, u64)>, Error> {
    let size = PAGE.to_string();
    // Whoever is a person has no labels beside those of repositories.
    let question =
        |page: &str| Question::get(url.clone(), "the labels").query(&[("page", page), ("limit", &size)]).or(&[404]);
    let label = |value: &Value| Some((value["name"].as_str()?.to_owned(), value["id"].as_u64()?));
    let answers = forge.pages(PAGE, question).await?;
    Ok(answers.iter().flat_map(|answer| answer.items().iter().filter_map(label)).collect())
}

pub(crate) async fn comment(forge: &Forge<'_>, request: &Request, text: &str) -> Result<(), Error> {
    let url = url(forge, &["issues", &request.number.to_string(), "comments"]);
    forge.ask(Question::new(Method::POST, url, "a comment").with(json!({ "body": text }))).await.map(drop)
}

pub(crate) async fn comment_of(forge: &Forge<'_>, number: u64, id: u64) -> Result<Option<Comment>, Error> {
    let url = url(forge, &["issues", "comments", &id.to_string()]);
    let answer = forge.ask(Question::get(url, "a comment").or(&[404])).await?;
    let its = answer.body["pull_request_url"].as_str().filter(|_| answer.status == 200);
    let author = answer.body["user"]["login"].as_str();
    let author = author.filter(|_| its.is_some_and(|it| it.ends_with(&format!("/pulls/{number}"))));
    Ok(author.map(|author| Comment {
        author: author.to_owned(),
        text: answer.body["body"].as_str().unwrap_or_default().to_owned(),
        is_bot: false,
        at: super::time(&answer.body["created_at"]),
        key: author.to_owned(),
    }))
}

pub(crate) async fn may_write(forge: &Forge<'_>, comment: &Comment) -> Result<bool, Error> {
    let url = url(forge, &["collaborators", &comment.key, "permission"]);
    let answer = forge.ask(Question::get(url, "what a user may do").or(&[404])).await?;
    Ok(answer.is_success() && matches!(answer.body["permission"].as_str(), Some("owner" | "admin" | "write")))
}

pub(crate) async fn merge(forge: &Forge<'_>, request: &Request, how: Merge<'_>) -> Result<Merged, Error> {
    let method = match how.method {
        Some(super::Method::Squash) => "squash",
        Some(super::Method::Rebase) => "rebase",
        Some(super::Method::Merge) | None => "merge",
    };
    let body = json!({
        "Do": method,
        "head_commit_id": how.tip,
        "merge_when_checks_succeed": how.when == When::ChecksPass,
        "delete_branch_after_merge": how.delete_branch,
    });
    let url = url(forge, &["pulls", &request.number.to_string(), "merge"]);
    // 405: not now; 409: another commit, a conflict, or it is planned already.
    let answer = forge.ask(Question::new(Method::POST, url, "a merge").with(body).or(&[405, 409])).await?;
    let message = answer.message();
    Ok(match answer.status {
        201 => Merged::Later,
        200..300 => Merged::Now,
        409 if message.contains("scheduled") => Merged::Later,
        _ => Merged::NotYet(message),
    })
}

pub(crate) async fn delete_branch(forge: &Forge<'_>, branch: &str, _: &str) -> Result<(), Error> {
    let parts: Vec<&str> = std::iter::once("branches").chain(branch.split('/')).collect();
    let question = Question::new(Method::DELETE, url(forge, &parts), "the deletion of the branch").or(&[404]);
    forge.ask(question).await.map(drop)
}
