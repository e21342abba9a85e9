//! Bitbucket Data Center: pull requests.
//!
//! - Each change names the version that it is made on, and is refused with 409 where that is not the newest.
//! - A change has to repeat the reviewers, since those that it leaves out are removed.
//! - A list by branch is one of what comes out of it only where that is said: `direction=OUTGOING`.
//! - From 8.15 on it merges by itself once checks pass, with `autoMerge` in the body of a merge. There are no labels and no assignees.

use reqwest::Method;
use serde_json::{Value, json};

use super::error::Error;
use super::exchange::{Answer, Question};
use super::{Adornments, Branches, Comment, Forge, Listed, MAX_LISTED, Merge, Merged, Request, State, Wanted, When};

const REQUEST: &str = "a pull request";
const NAME: &str = "Bitbucket Data Center";
/// How often a change is made again where somebody was faster.
const ATTEMPTS: usize = 3;

fn url(forge: &Forge<'_>, api: &str, parts: &[&str]) -> url::Url {
    let path = forge.place().path();
    let repository = [api, "latest", "projects", path[0].as_str(), "repos", path[1].as_str()];
    forge.place().url(&[&repository[..], parts].concat())
}

fn of(forge: &Forge<'_>, request: &Request, parts: &[&str]) -> url::Url {
    url(forge, "api", &[&["pull-requests", &request.number.to_string()][..], parts].concat())
}

fn reference(branch: &str) -> String {
    format!("refs/heads/{branch}")
}

/// Whether the branch is the repository's own: anybody may give the same name to one of a fork.
fn is_own(value: &Value) -> bool {
    let id = |end: &str| value[end]["repository"]["id"].as_u64();
    id("fromRef").is_some() && id("fromRef") == id("toRef")
}

fn read(answer: &Answer, value: &Value) -> Result<Request, Error> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let number = value["id"].as_u64().ok_or_else(|| answer.malformed("the id of a pull request"))?;
    let state = match value["state"].as_str() {
        Some("OPEN") => State::Open,
        Some("MERGED") => State::Merged,
        _ => State::Closed { by: None },
    };
    Ok(Request {
        number,
        address: text(&value["links"]["self"][0]["href"]),
        state,
        title: text(&value["title"]),
        body: text(&value["description"]),
        head: text(&value["fromRef"]["id"]).trim_start_matches("refs/heads/").to_owned(),
        tip: value["fromRef"]["latestCommit"].as_str().map(str::to_owned),
        is_own: is_own(value),
        key: value["version"].as_u64().unwrap_or_default().to_string(),
    })
}

pub(crate) async fn list_all(forge: &Forge<'_>, base: &str, which: Listed) -> Result<Vec<Request>, Error> {
    const PAGE: usize = 100;
    let base = reference(base);
    let states: &[&str] = if which == Listed::Open { &["OPEN"] } else { &["DECLINED", "MERGED"] };
    let mut all = Vec::new();
    for state in states {
        let mut start = 0;
        for _ in 0..MAX_LISTED / PAGE {
            let (from, size) = (start.to_string(), PAGE.to_string());
            let question = Question::get(url(forge, "api", &["pull-requests"]), "the pull requests").query(&[
                ("at", base.as_str()),
                ("direction", "INCOMING"),
                ("state", state),
                ("order", "NEWEST"),
                ("start", &from),
                ("limit", &size),
            ]);
            let answer = forge.ask(question).await?;
            for value in answer.body["values"].as_array().into_iter().flatten().filter(|value| is_own(value)) {
                all.push(read(&answer, value)?);
            }
            match answer.body["nextPageStart"].as_u64() {
                Some(next) if next > start => start = next,
                _ => break,
            }
        }
    }
    Ok(all)
}

async fn newest(forge: &Forge<'_>, branches: Branches<'_>, states: &[&str]) -> Result<Option<Request>, Error> {
    let (head, base) = (reference(branches.head), reference(branches.base));
    let question = Question::get(url(forge, "api", &["pull-requests"]), "the pull requests").query(&[
        ("at", &head),
        ("direction", "OUTGOING"),
        ("state", if states == ["OPEN"] { "OPEN" } else { "ALL" }),
        ("order", "NEWEST"),
    ]);
    let answer = forge.ask(question).await?;
    let is_it = |value: &&Value| {
        is_own(value)
            && value["toRef"]["id"].as_str() == Some(&base)
            && value["state"].as_str().is_some_and(|it| states.contains(&it))
    };
    let found = answer.body["values"].as_array().into_iter().flatten().find(is_it);
    found.map(|value| read(&answer, value)).transpose()
}

pub(crate) async fn find(forge: &Forge<'_>, branches: Branches<'_>) -> Result<Option<Request>, Error> {
    newest(forge, branches, &["OPEN"]).await
}

pub(crate) async fn find_closed(forge: &Forge<'_>, branches: Branches<'_>) -> Result<Option<Request>, Error> {
    match newest(forge, branches, &["MERGED", "DECLINED"]).await? {
        Some(request) => closer(forge, request).await.map(Some),
        None => Ok(None),
    }
}

pub(crate) async fn get(forge: &Forge<'_>, number: u64) -> Result<Option<Request>, Error> {
    let url = url(forge, "api", &["pull-requests", &number.to_string()]);
    let answer = forge.ask(Question::get(url, REQUEST).or(&[404])).await?;
    if answer.status == 404 {
        return Ok(None);
    }
    closer(forge, read(&answer, &answer.body)?).await.map(Some)
}

/// Finds out who declined a request: its activities tell, the newest first.
async fn closer(forge: &Forge<'_>, mut request: Request) -> Result<Request, Error> {
    if request.state == (State::Closed { by: None }) {
        let answer = forge.ask(Question::get(of(forge, &request, &["activities"]), REQUEST)).await?;
        let activities = answer.body["values"].as_array().into_iter().flatten();
        let declined = activities.into_iter().find(|activity| activity["action"].as_str() == Some("DECLINED"));
        let by = declined.and_then(|activity| activity["user"]["name"].as_str()).map(str::to_owned);
        request.state = State::Closed { by };
    }
    Ok(request)
}

pub(crate) async fn create(forge: &Forge<'_>, wanted: &Wanted<'_>) -> Result<Option<Request>, Error> {
    let body = json!({
        "title": wanted.title,
        "description": wanted.body,
        "fromRef": { "id": reference(wanted.branches.head) },
        "toRef": { "id": reference(wanted.branches.base) },
        "draft": wanted.draft,
    });
    let url = url(forge, "api", &["pull-requests"]);
    let answer = forge.ask(Question::new(Method::POST, url, "a new pull request").with(body).or(&[409])).await?;
    match answer.status {
        409 if answer.body.to_string().contains("DuplicatePullRequestException") => Ok(None),
        409 => Err(answer.refused("a new pull request")),
        _ => read(&answer, &answer.body).map(Some),
    }
}

pub(crate) async fn update(forge: &Forge<'_>, request: &Request, title: &str, body: &str) -> Result<(), Error> {
    change(forge, request, |_| Some((title.to_owned(), body.to_owned(), Vec::new()))).await
}

/// Changes title, text and reviewers on the newest version; again where that was not the newest any more.
async fn change(
    forge: &Forge<'_>,
    request: &Request,
    wanted: impl Fn(&Value) -> Option<(String, String, Vec<String>)>,
) -> Result<(), Error> {
    let mut attempts = 0;
    loop {
        let now = forge.ask(Question::get(of(forge, request, &[]), REQUEST)).await?.body;
        let Some((title, description, more)) = wanted(&now) else { return Ok(()) };
        let mut reviewers: Vec<Value> = now["reviewers"].as_array().cloned().unwrap_or_default();
        reviewers.iter_mut().for_each(|reviewer| *reviewer = json!({ "user": { "name": reviewer["user"]["name"] } }));
        for name in more {
            let reviewer = json!({ "user": { "name": name } });
            if !reviewers.contains(&reviewer) {
                reviewers.push(reviewer);
            }
        }
        let body = json!({
            "version": now["version"],
            "title": title,
            "description": description,
            "reviewers": reviewers,
        });
        attempts += 1;
        let question = Question::new(Method::PUT, of(forge, request, &[]), "a change of a pull request").with(body);
        let answer = forge.ask(question.or(&[409])).await?;
        match answer.status {
            409 if attempts < ATTEMPTS && now["state"].as_str() == Some("OPEN") => {}
            409 => return Err(answer.refused("a change of a pull request")),
            _ => return Ok(()),
        }
    }
}

pub(crate) async fn close(forge: &Forge<'_>, request: &Request, body: &str) -> Result<(), Error> {
    update(forge, request, &request.title, body).await?;
    let version = version(forge, request).await?;
    let question = Question::new(Method::POST, of(forge, request, &["decline"]), "the end of a pull request");
    forge.ask(question.query(&[("version", &version)]).with(json!({}))).await.map(drop)
}

async fn version(forge: &Forge<'_>, request: &Request) -> Result<String, Error> {
    let answer = forge.ask(Question::get(of(forge, request, &[]), REQUEST)).await?;
    Ok(answer.body["version"].as_u64().unwrap_or_default().to_string())
}

pub(crate) async fn adorn(forge: &Forge<'_>, request: &Request, with: Adornments<'_>) -> Result<(), Error> {
    if !with.labels.is_empty() {
        return Err(Error::Unsupported { product: NAME, what: "labels" });
    }
    if !with.assignees.is_empty() {
        return Err(Error::Unsupported { product: NAME, what: "assignees" });
    }
    if with.reviewers.is_empty() {
        return Ok(());
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    change(forge, request, |now| Some((text(&now["title"]), text(&now["description"]), with.reviewers.to_vec()))).await
}

pub(crate) async fn comment(forge: &Forge<'_>, request: &Request, text: &str) -> Result<(), Error> {
    let question = Question::new(Method::POST, of(forge, request, &["comments"]), "a comment");
    forge.ask(question.with(json!({ "text": text }))).await.map(drop)
}

pub(crate) async fn comment_of(forge: &Forge<'_>, number: u64, id: u64) -> Result<Option<Comment>, Error> {
    let url = url(forge, "api", &["pull-requests", &number.to_string(), "comments", &id.to_string()]);
    let answer = forge.ask(Question::get(url, "a comment").or(&[404])).await?;
    let author = &answer.body["author"];
    let name = author["name"].as_str().filter(|_| answer.is_success());
    Ok(name.map(|name| Comment {
        author: name.to_owned(),
        text: answer.body["text"].as_str().unwrap_or_default().to_owned(),
        is_bot: author["type"].as_str() != Some("NORMAL"),
        at: answer.body["createdDate"].as_i64().and_then(|at| jiff::Timestamp::from_millisecond(at).ok()),
        key: name.to_owned(),
    }))
}

pub(crate) async fn may_write(forge: &Forge<'_>, comment: &Comment) -> Result<bool, Error> {
    let path = forge.place().path();
    // Users who have this permission, by whichever group.
    let url = forge.place().url(&["api", "latest", "users"]);
    let question = Question::get(url, "what a user may do").query(&[
        ("filter", comment.key.as_str()),
        // The filter finds the name also within others; a page has 25 of them unless told otherwise.
        ("limit", "1000"),
        ("permission.1", "REPO_WRITE"),
        ("permission.1.projectKey", &path[0]),
        ("permission.1.repositorySlug", &path[1]),
    ]);
    let answer = forge.ask(question).await?;
    let mut users = answer.body["values"].as_array().into_iter().flatten();
    Ok(users.any(|user| user["name"].as_str() == Some(comment.key.as_str()) && user["active"].as_bool() == Some(true)))
}

pub(crate) async fn merge(forge: &Forge<'_>, request: &Request, how: Merge<'_>) -> Result<Merged, Error> {
    let now = forge.ask(Question::get(of(forge, request, &[]), REQUEST)).await?;
    if now.body["fromRef"]["latestCommit"].as_str() != Some(how.tip) {
        return Ok(Merged::NotYet("the branch is at another commit".to_owned()));
    }
    let version = now.body["version"].as_u64().unwrap_or_default().to_string();
    let mut body = json!({});
    if how.when == When::ChecksPass {
        body["autoMerge"] = json!(true);
    }
    if let Some(method) = how.method {
        body["strategyId"] = json!(match method {
            super::Method::Merge => "no-ff",
            super::Method::Squash => "squash",
            super::Method::Rebase => "rebase-ff-only",
        });
    }
    let question = Question::new(Method::POST, of(forge, request, &["merge"]), "a merge");
    let answer = forge.ask(question.query(&[("version", &version)]).with(body).or(&[409])).await?;
    Ok(match (answer.is_success(), answer.body["state"].as_str()) {
        (true, Some("MERGED")) => Merged::Now,
        (true, _) => Merged::Later,
        (false, _) => Merged::NotYet(answer.message()),
    })
}

pub(crate) async fn delete_branch(forge: &Forge<'_>, branch: &str, tip: &str) -> Result<(), Error> {
    let body = json!({ "name": reference(branch), "endPoint": tip, "dryRun": false });
    let url = url(forge, "branch-utils", &["branches"]);
    // 400: it is gone, or at another commit.
    forge
        .ask(Question::new(Method::DELETE, url, "the deletion of the branch").with(body).or(&[400, 404]))
        .await
        .map(drop)
}
