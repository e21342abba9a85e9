//! Bitbucket Cloud: pull requests.
//!
//! - A change has to repeat the reviewers, since those that it leaves out are removed; and the branch that it goes to.
//! - Nothing refuses a second request for a branch, so it is looked for first; there are no labels and no assignees.
//! - A request is declined, not closed, and the text is changed beforehand: a declined one cannot be changed.
//! - It does not merge by itself once checks pass.

use reqwest::Method;
use serde_json::{Value, json};

use super::error::Error;
use super::exchange::{Answer, Question};
use super::{Adornments, Branches, Comment, Forge, Listed, MAX_LISTED, Merge, Merged, Request, State, Wanted, When};

const REQUEST: &str = "a pull request";
const OPEN: &str = "state = \"OPEN\"";
const ENDED: &str = "state = \"MERGED\" OR state = \"DECLINED\" OR state = \"SUPERSEDED\"";
const NAME: &str = "Bitbucket Cloud";

fn url(forge: &Forge<'_>, parts: &[&str]) -> url::Url {
    let path = forge.place().path();
    forge.place().url(&[&["repositories", path[0].as_str(), path[1].as_str()][..], parts].concat())
}

fn of(forge: &Forge<'_>, request: &Request, parts: &[&str]) -> url::Url {
    url(forge, &[&["pullrequests", &request.number.to_string()][..], parts].concat())
}

fn read(answer: &Answer, value: &Value) -> Result<Request, Error> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let number = value["id"].as_u64().ok_or_else(|| answer.malformed("the id of a pull request"))?;
    let state = match value["state"].as_str() {
        Some("OPEN") => State::Open,
        Some("MERGED") => State::Merged,
        _ => State::Closed { by: value["closed_by"]["nickname"].as_str().map(str::to_owned) },
    };
    Ok(Request {
        number,
        address: text(&value["links"]["html"]["href"]),
        state,
        title: text(&value["title"]),
        body: text(&value["description"]),
        head: text(&value["source"]["branch"]["name"]),
        tip: value["source"]["commit"]["hash"].as_str().map(str::to_owned),
        is_own: is_own(value),
        key: text(&value["destination"]["branch"]["name"]),
    })
}

/// Whether the branch is the repository's own: anybody may give the same name to one of a fork.
fn is_own(value: &Value) -> bool {
    let name = |end: &str| value[end]["repository"]["full_name"].as_str();
    name("source").is_some() && name("source") == name("destination")
}

/// A text in a filter. No branch name has a quote or a backslash that would end it: git allows `"` only.
fn quoted(name: &str) -> String {
    name.replace('\\', "\\\\").replace('"', "\\\"")
}

pub(crate) async fn list_all(forge: &Forge<'_>, base: &str, which: Listed) -> Result<Vec<Request>, Error> {
    const PAGE: usize = 50;
    let states = if which == Listed::Open { OPEN } else { ENDED };
    let filter = format!("destination.branch.name = \"{}\" AND ({states})", quoted(base));
    let mut all = Vec::new();
    for page in 1..=MAX_LISTED / PAGE {
        let (page, size) = (page.to_string(), PAGE.to_string());
        let question = Question::get(url(forge, &["pullrequests"]), "the pull requests");
        let question =
            question.query(&[("q", &filter), ("sort", "-created_on"), ("pagelen", size.as_str()), ("page", &page)]);
        let answer = forge.ask(question).await?;
        let values = answer.body["values"].as_array().map_or(&[][..], Vec::as_slice);
        for value in values.iter().filter(|value| is_own(value)) {
            all.push(read(&answer, value)?);
        }
        if values.len() < PAGE {
            break;
        }
    }
    Ok(all)
}

async fn newest(forge: &Forge<'_>, branches: Branches<'_>, state: &str) -> Result<Option<Request>, Error> {
    let filter = format!(
        "source.branch.name = \"{}\" AND destination.branch.name = \"{}\" AND ({state})",
        quoted(branches.head),
        quoted(branches.base)
    );
    let question = Question::get(url(forge, &["pullrequests"]), "the pull requests");
    let answer = forge.ask(question.query(&[("q", &filter), ("sort", "-created_on")])).await?;
    let first = answer.body["values"].as_array().into_iter().flatten().find(|value| is_own(value));
    first.map(|value| read(&answer, value)).transpose()
}

pub(crate) async fn find(forge: &Forge<'_>, branches: Branches<'_>) -> Result<Option<Request>, Error> {
    newest(forge, branches, OPEN).await
}

pub(crate) async fn find_closed(forge: &Forge<'_>, branches: Branches<'_>) -> Result<Option<Request>, Error> {
    newest(forge, branches, ENDED).await
}

pub(crate) async fn get(forge: &Forge<'_>, number: u64) -> Result<Option<Request>, Error> {
    let url = url(forge, &["pullrequests", &number.to_string()]);
    let answer = forge.ask(Question::get(url, REQUEST).or(&[404])).await?;
    if answer.status == 404 { Ok(None) } else { read(&answer, &answer.body).map(Some) }
}

pub(crate) async fn create(forge: &Forge<'_>, wanted: &Wanted<'_>) -> Result<Option<Request>, Error> {
    let body = json!({
        "title": wanted.title,
        "description": wanted.body,
        "source": { "branch": { "name": wanted.branches.head } },
        "destination": { "branch": { "name": wanted.branches.base } },
        "close_source_branch": wanted.delete_branch,
        "draft": wanted.draft,
    });
    let question = Question::new(Method::POST, url(forge, &["pullrequests"]), "a new pull request").with(body);
    let answer = forge.ask(question).await?;
    read(&answer, &answer.body).map(Some)
}

pub(crate) async fn update(forge: &Forge<'_>, request: &Request, title: &str, body: &str) -> Result<(), Error> {
    let reviewers = reviewers(forge, request).await?;
    change(forge, request, title, body, &reviewers).await
}

/// Whoever is asked for a review by now.
async fn reviewers(forge: &Forge<'_>, request: &Request) -> Result<Vec<Value>, Error> {
    let answer = forge.ask(Question::get(of(forge, request, &[]), REQUEST)).await?;
    let uuid = |reviewer: &Value| reviewer.get("uuid").map(|uuid| json!({ "uuid": uuid }));
    Ok(answer.body["reviewers"].as_array().into_iter().flatten().filter_map(uuid).collect())
}

async fn change(
    forge: &Forge<'_>,
    request: &Request,
    title: &str,
    body: &str,
    reviewers: &[Value],
) -> Result<(), Error> {
    let body = json!({
        "title": title,
        "description": body,
        "destination": { "branch": { "name": request.key } },
        "reviewers": reviewers,
    });
    let question = Question::new(Method::PUT, of(forge, request, &[]), "a change of a pull request");
    forge.ask(question.with(body)).await.map(drop)
}

pub(crate) async fn close(forge: &Forge<'_>, request: &Request, body: &str) -> Result<(), Error> {
    update(forge, request, &request.title, body).await?;
    forge
        .ask(Question::new(Method::POST, of(forge, request, &["decline"]), "the end of a pull request"))
        .await
        .map(drop)
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
    let mut all = reviewers(forge, request).await?;
    for name in with.reviewers {
        // A user is named by the account's id, in braces or not, since names are nobody's alone.
        let reviewer = match name.starts_with('{') {
            true => json!({ "uuid": name }),
            false => json!({ "account_id": name }),
        };
        if !all.contains(&reviewer) {
            all.push(reviewer);
        }
    }
    change(forge, request, &request.title, &request.body, &all).await
}

pub(crate) async fn comment(forge: &Forge<'_>, request: &Request, text: &str) -> Result<(), Error> {
    let question = Question::new(Method::POST, of(forge, request, &["comments"]), "a comment");
    forge.ask(question.with(json!({ "content": { "raw": text } }))).await.map(drop)
}

pub(crate) async fn comment_of(forge: &Forge<'_>, number: u64, id: u64) -> Result<Option<Comment>, Error> {
    let url = url(forge, &["pullrequests", &number.to_string(), "comments", &id.to_string()]);
    let answer = forge.ask(Question::get(url, "a comment").or(&[404])).await?;
    let user = &answer.body["user"];
    let key = user["uuid"].as_str().filter(|_| answer.is_success() && answer.body["deleted"].as_bool() != Some(true));
    Ok(key.map(|key| Comment {
        author: user["nickname"].as_str().or(user["display_name"].as_str()).unwrap_or_default().to_owned(),
        text: answer.body["content"]["raw"].as_str().unwrap_or_default().to_owned(),
        is_bot: user["type"].as_str() != Some("user"),
        at: super::time(&answer.body["created_on"]),
        key: key.to_owned(),
    }))
}

pub(crate) async fn may_write(forge: &Forge<'_>, comment: &Comment) -> Result<bool, Error> {
    let path = forge.place().path();
    // What it comes to, by whichever group; only administrators are told.
    let url = forge.place().url(&["workspaces", path[0].as_str(), "permissions", "repositories", path[1].as_str()]);
    let filter = format!("user.uuid=\"{}\"", quoted(&comment.key));
    let answer = forge.ask(Question::get(url, "what a user may do").query(&[("q", &filter)])).await?;
    let own = |it: &&Value| it["user"]["uuid"].as_str() == Some(comment.key.as_str());
    let found = answer.body["values"].as_array().into_iter().flatten().find(own);
    Ok(found.is_some_and(|it| matches!(it["permission"].as_str(), Some("admin" | "write"))))
}

pub(crate) async fn merge(forge: &Forge<'_>, request: &Request, how: Merge<'_>) -> Result<Merged, Error> {
    if how.when == When::ChecksPass {
        return Err(Error::Unsupported { product: NAME, what: "merge once checks pass" });
    }
    // What is asked for is a merge of this very commit, and Bitbucket cannot be told which one.
    let seen = get(forge, request.number).await?.and_then(|seen| seen.tip).unwrap_or_default();
    if seen.is_empty() || !how.tip.starts_with(&seen) {
        return Ok(Merged::NotYet("the branch is at another commit".to_owned()));
    }
    let mut body = json!({ "close_source_branch": how.delete_branch });
    if let Some(method) = how.method {
        body["merge_strategy"] = json!(match method {
            super::Method::Merge => "merge_commit",
            super::Method::Squash => "squash",
            super::Method::Rebase => "fast_forward",
        });
    }
    let question = Question::new(Method::POST, of(forge, request, &["merge"]), "a merge").with(body);
    let answer = forge.ask(question.or(&[400, 409])).await?;
    Ok(match answer.status {
        // It goes on behind the scenes, and the next look sees what came of it.
        202 => Merged::Later,
        200..300 => Merged::Now,
        _ => Merged::NotYet(answer.message()),
    })
}

pub(crate) async fn delete_branch(forge: &Forge<'_>, branch: &str, _: &str) -> Result<(), Error> {
    let parts: Vec<&str> = ["refs", "branches"].into_iter().chain(branch.split('/')).collect();
    let question = Question::new(Method::DELETE, url(forge, &parts), "the deletion of the branch").or(&[404]);
    forge.ask(question).await.map(drop)
}
