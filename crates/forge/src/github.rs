//! GitHub, and GitHub Enterprise: pull requests by REST, auto-merge by GraphQL.
//!
//! - In lists, the branch has its owner in front: `head=ACME:branch`.
//! - A second request for a branch is refused with 422 and `A pull request already exists`.
//! - Auto-merge is refused as long as there is nothing to wait for (`clean status`), and a merge as long as there is something
//!   (405). Which of the two it is may change at any moment, so both are tried.

use reqwest::Method;
use serde_json::{Value, json};

use super::error::Error;
use super::exchange::{Answer, Question};
use super::{Adornments, Branches, Comment, Forge, Listed, Merge, Merged, Request, State, Wanted, When};

const REQUEST: &str = "a pull request";

fn url(forge: &Forge<'_>, parts: &[&str]) -> url::Url {
    let path = forge.place().path();
    let repository = ["repos", path[0].as_str(), path[1].as_str()];
    forge.place().url(&[&repository[..], parts].concat())
}

/// Whether the branch is the repository's own: anybody may give the same name to one of a fork.
fn is_own(value: &Value) -> bool {
    value["head"]["repo"]["id"].is_u64() && value["head"]["repo"]["id"] == value["base"]["repo"]["id"]
}

fn read(answer: &Answer, value: &Value) -> Result<Request, Error> {
    let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let number = value["number"].as_u64().ok_or_else(|| answer.malformed("the number of a pull request"))?;
    let is_merged = value["merged"].as_bool() == Some(true) || !value["merged_at"].is_null();
    let state = match value["state"].as_str() {
        _ if is_merged => State::Merged,
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
        key: text("node_id"),
    })
}

async fn list(forge: &Forge<'_>, branches: Branches<'_>, state: &str) -> Result<Vec<Request>, Error> {
    let head = format!("{}:{}", forge.place().owner(), branches.head);
    let question = Question::get(url(forge, &["pulls"]), "the pull requests").query(&[
        ("state", state),
        ("head", &head),
        ("base", branches.base),
        ("sort", "created"),
        ("direction", "desc"),
    ]);
    let answer = forge.ask(question).await?;
    answer.items().iter().filter(|value| is_own(value)).map(|value| read(&answer, value)).collect()
}

pub(crate) async fn list_all(forge: &Forge<'_>, base: &str, which: Listed) -> Result<Vec<Request>, Error> {
    const PAGE: usize = 100;
    let state = if which == Listed::Open { "open" } else { "closed" };
    let size = PAGE.to_string();
    let question = |page: &str| {
        Question::get(url(forge, &["pulls"]), "the pull requests").query(&[
            ("state", state),
            ("base", base),
            ("sort", "created"),
            ("direction", "desc"),
            ("per_page", &size),
            ("page", page),
        ])
    };
    let mut all = Vec::new();
    for answer in forge.pages(PAGE, question).await? {
        for value in answer.items().iter().filter(|value| is_own(value)) {
            all.push(read(&answer, value)?);
        }
    }
    Ok(all)
}

pub(crate) async fn find(forge: &Forge<'_>, branches: Branches<'_>) -> Result<Option<Request>, Error> {
    Ok(list(forge, branches, "open").await?.into_iter().find(|request| request.state == State::Open))
}

pub(crate) async fn find_closed(forge: &Forge<'_>, branches: Branches<'_>) -> Result<Option<Request>, Error> {
    let newest = list(forge, branches, "closed").await?.into_iter().find(|request| request.state != State::Open);
    match newest {
        Some(request) if request.state != State::Merged => get(forge, request.number).await,
        newest => Ok(newest),
    }
}

pub(crate) async fn get(forge: &Forge<'_>, number: u64) -> Result<Option<Request>, Error> {
    let number = number.to_string();
    let answer = forge.ask(Question::get(url(forge, &["pulls", &number]), REQUEST).or(&[404])).await?;
    if answer.status == 404 {
        return Ok(None);
    }
    let mut request = read(&answer, &answer.body)?;
    if let State::Closed { by } = &mut request.state {
        // Who closed it is known of the issue that each pull request is.
        let issue = forge.ask(Question::get(url(forge, &["issues", &number]), REQUEST)).await?;
        *by = issue.body["closed_by"]["login"].as_str().map(str::to_owned);
    }
    Ok(Some(request))
}

pub(crate) async fn create(forge: &Forge<'_>, wanted: &Wanted<'_>) -> Result<Option<Request>, Error> {
    let body = json!({
        "title": wanted.title,
        "head": wanted.branches.head,
        "base": wanted.branches.base,
        "body": wanted.body,
        "draft": wanted.draft,
    });
    let question = Question::new(Method::POST, url(forge, &["pulls"]), "a new pull request").with(body).or(&[422]);
    let answer = forge.ask(question).await?;
    match answer.is_success() {
        true => read(&answer, &answer.body).map(Some),
        false if answer.message().contains("already exists") => Ok(None),
        false => Err(answer.refused("a new pull request")),
    }
}

pub(crate) async fn update(forge: &Forge<'_>, request: &Request, title: &str, body: &str) -> Result<(), Error> {
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
    let post = |parts: &[&str], what, body| forge.ask(Question::new(Method::POST, url(forge, parts), what).with(body));
    if !with.labels.is_empty() {
        post(&["issues", &number, "labels"], "the labels", json!({ "labels": with.labels })).await?;
    }
    if !with.assignees.is_empty() {
        post(&["issues", &number, "assignees"], "the assignees", json!({ "assignees": with.assignees })).await?;
    }
    if !with.reviewers.is_empty() {
        let team = |name: &&String| name.contains('/');
        let slugs = with.reviewers.iter().filter(team).filter_map(|name| name.rsplit('/').next());
        let people = with.reviewers.iter().filter(|name| !team(name));
        let body = json!({ "reviewers": people.collect::<Vec<_>>(), "team_reviewers": slugs.collect::<Vec<_>>() });
        post(&["pulls", &number, "requested_reviewers"], "the reviewers", body).await?;
    }
    Ok(())
}

pub(crate) async fn comment(forge: &Forge<'_>, request: &Request, text: &str) -> Result<(), Error> {
    let url = url(forge, &["issues", &request.number.to_string(), "comments"]);
    forge.ask(Question::new(Method::POST, url, "a comment").with(json!({ "body": text }))).await.map(drop)
}

pub(crate) async fn comment_of(forge: &Forge<'_>, number: u64, id: u64) -> Result<Option<Comment>, Error> {
    let url = url(forge, &["issues", "comments", &id.to_string()]);
    let answer = forge.ask(Question::get(url, "a comment").or(&[404])).await?;
    let is_its = answer.body["issue_url"].as_str().is_some_and(|it| it.ends_with(&format!("/issues/{number}")));
    let author = answer.body["user"]["login"].as_str().filter(|_| answer.is_success() && is_its);
    Ok(author.map(|author| Comment {
        author: author.to_owned(),
        text: answer.body["body"].as_str().unwrap_or_default().to_owned(),
        is_bot: answer.body["user"]["type"].as_str() != Some("User"),
        at: super::time(&answer.body["created_at"]),
        key: author.to_owned(),
    }))
}

pub(crate) async fn may_write(forge: &Forge<'_>, comment: &Comment) -> Result<bool, Error> {
    let url = url(forge, &["collaborators", &comment.key, "permission"]);
    let answer = forge.ask(Question::get(url, "what a user may do").or(&[404])).await?;
    Ok(answer.is_success() && matches!(answer.body["permission"].as_str(), Some("admin" | "write")))
}

pub(crate) async fn merge(forge: &Forge<'_>, request: &Request, how: Merge<'_>) -> Result<Merged, Error> {
    if how.when == When::Now {
        return merge_now(forge, request, how).await;
    }
    let refusal = match enable(forge, request, how).await? {
        Ok(merged) => return Ok(merged),
        Err(refusal) => refusal,
    };
    // Nothing is waited for: either it can be merged, or that has changed since.
    if !(refusal.contains("clean status") || refusal.contains("unstable status")) {
        return Ok(Merged::NotYet(refusal));
    }
    match merge_now(forge, request, how).await? {
        Merged::NotYet(_) => Ok(enable(forge, request, how).await?.unwrap_or_else(Merged::NotYet)),
        merged => Ok(merged),
    }
}

async fn merge_now(forge: &Forge<'_>, request: &Request, how: Merge<'_>) -> Result<Merged, Error> {
    let mut body = json!({ "sha": how.tip });
    if let Some(method) = how.method {
        body["merge_method"] = json!(word(method));
    }
    let url = url(forge, &["pulls", &request.number.to_string(), "merge"]);
    let answer = forge.ask(Question::new(Method::PUT, url, "a merge").with(body).or(&[405, 409])).await?;
    Ok(if answer.is_success() { Merged::Now } else { Merged::NotYet(answer.message()) })
}

const fn word(method: super::Method) -> &'static str {
    match method {
        super::Method::Merge => "merge",
        super::Method::Squash => "squash",
        super::Method::Rebase => "rebase",
    }
}

/// Has GitHub merge it; the inner error is what it has against that.
async fn enable(forge: &Forge<'_>, request: &Request, how: Merge<'_>) -> Result<Result<Merged, String>, Error> {
    const MUTATION: &str = "mutation($input: EnablePullRequestAutoMergeInput!) { enablePullRequestAutoMerge(input: $input) { \
                            pullRequest { id } } }";
    let mut input = json!({ "pullRequestId": request.key, "expectedHeadOid": how.tip });
    if let Some(method) = how.method {
        input["mergeMethod"] = json!(word(method).to_ascii_uppercase());
    }
    let mut url = forge.place().api().clone();
    // `https://api.github.com/graphql`, and `https://HOST/api/graphql` beside `https://HOST/api/v3`.
    let root = url.path().trim_end_matches('/').trim_end_matches("/v3").to_owned();
    url.set_path(&format!("{root}/graphql"));
    let body = json!({ "query": MUTATION, "variables": { "input": input } });
    let answer = forge.ask(Question::new(Method::POST, url, "auto-merge").with(body)).await?;
    let errors = answer.body["errors"].as_array().filter(|errors| !errors.is_empty());
    Ok(match errors {
        None => Ok(Merged::Later),
        Some(_) => Err(answer.message()),
    })
}

pub(crate) async fn delete_branch(forge: &Forge<'_>, branch: &str, _: &str) -> Result<(), Error> {
    let parts: Vec<&str> = ["git", "refs", "heads"].into_iter().chain(branch.split('/')).collect();
    // One that is gone already is answered with 404, or with 422.
    let question = Question::new(Method::DELETE, url(forge, &parts), "the deletion of the branch").or(&[404, 422]);
    forge.ask(question).await.map(drop)
}
