//! Azure DevOps, Services and Server: pull requests.
//!
//! - A second request for a branch is refused with 409.
//! - People are GUIDs; a name or an address is looked up among the identities of the organisation.
//! - A text has at most 4,000 characters, and is cut before that.
//! - Auto-complete is set by somebody: by whoever the token is.

use reqwest::Method;
use serde_json::{Value, json};
use url::Url;

use super::adorn::unknown;
use super::error::Error;
use super::exchange::{Answer, Question};
use super::{Adornments, Branches, Comment, Forge, Listed, MAX_LISTED, Merge, Merged, Request, State, Wanted, When};

const REQUEST: &str = "a pull request";
/// The longest text, in UTF-16 units as they count there.
const MAX_BODY: usize = 4_000;
/// After how many a list cuts it.
const MAX_LISTED_BODY: usize = 400;
const VERSION: (&str, &str) = ("api-version", "7.1");
/// The id of what is not there: a branch that is to be deleted.
const NOTHING: &str = "0000000000000000000000000000000000000000";

fn url(forge: &Forge<'_>, parts: &[&str]) -> Url {
    let path = forge.place().path();
    let repository = [path[1].as_str(), "_apis", "git", "repositories", path[2].as_str()];
    versioned(forge.place().url(&[&repository[..], parts].concat()))
}

fn versioned(mut url: Url) -> Url {
    url.query_pairs_mut().append_pair(VERSION.0, VERSION.1);
    url
}

fn of(forge: &Forge<'_>, request: &Request, parts: &[&str]) -> Url {
    url(forge, &[&["pullrequests", &request.number.to_string()][..], parts].concat())
}

fn reference(branch: &str) -> String {
    format!("refs/heads/{branch}")
}

/// The beginning of a text, and the comment of HTML that it ends with, if it does.
fn cut(text: &str) -> String {
    if text.encode_utf16().count() <= MAX_BODY {
        return text.to_owned();
    }
    let (text, end) = text.rfind("\n<!--").map_or((text, ""), |at| text.split_at(at));
    let end = if end.encode_utf16().count() < MAX_BODY { end } else { "" };
    let mut left = MAX_BODY - end.encode_utf16().count();
    let fits = |c: &char| {
        let fits = left >= c.len_utf16();
        left = left.saturating_sub(c.len_utf16());
        fits
    };
    text.chars().take_while(fits).collect::<String>() + end
}

/// Whether the branch is the repository's own: anybody may give the same name to one of a fork.
fn is_own(value: &Value) -> bool {
    value["forkSource"].is_null()
}

fn read(forge: &Forge<'_>, answer: &Answer, value: &Value) -> Result<Request, Error> {
    let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let number = value["pullRequestId"].as_u64().ok_or_else(|| answer.malformed("the id of a pull request"))?;
    let state = match value["status"].as_str() {
        Some("active") => State::Open,
        Some("completed") => State::Merged,
        _ => State::Closed { by: value["closedBy"]["uniqueName"].as_str().map(str::to_owned) },
    };
    let path = forge.place().path();
    let page = forge.place().url(&[&path[1], "_git", &path[2], "pullrequest", &number.to_string()]);
    Ok(Request {
        number,
        address: page.to_string(),
        state,
        title: text("title"),
        body: text("description"),
        head: text("sourceRefName").trim_start_matches("refs/heads/").to_owned(),
        tip: value["lastMergeSourceCommit"]["commitId"].as_str().map(str::to_owned),
        is_own: is_own(value),
        key: String::new(),
    })
}

/// A request of a list with all of its text, which lists cut.
async fn whole(forge: &Forge<'_>, request: Request) -> Result<Option<Request>, Error> {
    match request.body.encode_utf16().count() >= MAX_LISTED_BODY {
        true => get(forge, request.number).await,
        false => Ok(Some(request)),
    }
}

pub(crate) async fn list_all(forge: &Forge<'_>, base: &str, which: Listed) -> Result<Vec<Request>, Error> {
    const PAGE: usize = 100;
    let base = reference(base);
    let states: &[&str] = if which == Listed::Open { &["active"] } else { &["abandoned", "completed"] };
    let mut all = Vec::new();
    for state in states {
        for page in 0..MAX_LISTED / PAGE {
            let (skip, size) = ((page * PAGE).to_string(), PAGE.to_string());
            let question = Question::get(url(forge, &["pullrequests"]), "the pull requests").query(&[
                ("searchCriteria.targetRefName", base.as_str()),
                ("searchCriteria.status", state),
                ("$top", &size),
                ("$skip", &skip),
            ]);
            let answer = forge.ask(question).await?;
            let values = answer.body["value"].as_array().map_or(&[][..], Vec::as_slice);
            for value in values.iter().filter(|value| is_own(value)) {
                all.extend(whole(forge, read(forge, &answer, value)?).await?);
            }
            if values.len() < PAGE || which == Listed::Ended {
                break;
            }
        }
    }
    Ok(all)
}

async fn newest(forge: &Forge<'_>, branches: Branches<'_>, status: &str) -> Result<Option<Request>, Error> {
    let question = Question::get(url(forge, &["pullrequests"]), "the pull requests").query(&[
        ("searchCriteria.sourceRefName", &reference(branches.head)),
        ("searchCriteria.targetRefName", &reference(branches.base)),
        ("searchCriteria.status", status),
    ]);
    let answer = forge.ask(question).await?;
    let all = answer.body["value"].as_array().into_iter().flatten();
    let own = all.filter(|value| is_own(value));
    let closed = own.filter(|value| status == "active" || value["status"].as_str() != Some("active"));
    match closed.max_by_key(|value| value["pullRequestId"].as_u64()) {
        Some(value) => whole(forge, read(forge, &answer, value)?).await,
        None => Ok(None),
    }
}

pub(crate) async fn find(forge: &Forge<'_>, branches: Branches<'_>) -> Result<Option<Request>, Error> {
    newest(forge, branches, "active").await
}

pub(crate) async fn find_closed(forge: &Forge<'_>, branches: Branches<'_>) -> Result<Option<Request>, Error> {
    newest(forge, branches, "all").await
}

pub(crate) async fn get(forge: &Forge<'_>, number: u64) -> Result<Option<Request>, Error> {
    let url = url(forge, &["pullrequests", &number.to_string()]);
    let answer = forge.ask(Question::get(url, REQUEST).or(&[404])).await?;
    if answer.status == 404 { Ok(None) } else { read(forge, &answer, &answer.body).map(Some) }
}

pub(crate) async fn create(forge: &Forge<'_>, wanted: &Wanted<'_>) -> Result<Option<Request>, Error> {
    let body = json!({
        "sourceRefName": reference(wanted.branches.head),
        "targetRefName": reference(wanted.branches.base),
        "title": wanted.title,
        "description": cut(wanted.body),
        "isDraft": wanted.draft,
    });
    let question = Question::new(Method::POST, url(forge, &["pullrequests"]), "a new pull request").with(body);
    let answer = forge.ask(question.or(&[409])).await?;
    if answer.status == 409 { Ok(None) } else { read(forge, &answer, &answer.body).map(Some) }
}

pub(crate) async fn update(forge: &Forge<'_>, request: &Request, title: &str, body: &str) -> Result<(), Error> {
    change(forge, request, json!({ "title": title, "description": cut(body) })).await.map(drop)
}

pub(crate) async fn close(forge: &Forge<'_>, request: &Request, body: &str) -> Result<(), Error> {
    // One that is abandoned takes no other text.
    change(forge, request, json!({ "description": cut(body) })).await?;
    change(forge, request, json!({ "status": "abandoned" })).await.map(drop)
}

async fn change(forge: &Forge<'_>, request: &Request, body: Value) -> Result<Answer, Error> {
    let question = Question::new(Method::PATCH, of(forge, request, &[]), "a change of a pull request");
    forge.ask(question.with(body).or(&[409])).await
}

pub(crate) async fn adorn(forge: &Forge<'_>, request: &Request, with: Adornments<'_>) -> Result<(), Error> {
    if !with.assignees.is_empty() {
        return Err(Error::Unsupported { product: "Azure DevOps", what: "assignees" });
    }
    for label in with.labels {
        let question = Question::new(Method::POST, of(forge, request, &["labels"]), "a label");
        forge.ask(question.with(json!({ "name": label }))).await?;
    }
    for name in with.reviewers {
        let id = identity(forge, name).await?;
        let question = Question::new(Method::PUT, of(forge, request, &["reviewers", &id]), "a reviewer");
        forge.ask(question.with(json!({ "vote": 0 }))).await?;
    }
    Ok(())
}

/// The GUID of somebody, by GUID, name or address.
async fn identity(forge: &Forge<'_>, name: &str) -> Result<String, Error> {
    let is_guid = name.len() == 36 && name.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    if is_guid {
        return Ok(name.to_owned());
    }
    let mut identities = versioned(forge.place().url(&["_apis", "identities"]));
    // Those of the services are on a host of their own.
    if identities.host_str() == Some("dev.azure.com") {
        let _ = identities.set_host(Some("vssps.dev.azure.com"));
    }
    let search = [("searchFilter", "General"), ("filterValue", name)];
    let answer = forge.ask(Question::get(identities, "the identities").query(&search)).await?;
    let found = answer.body["value"].as_array().and_then(|found| found.first());
    let id = found.and_then(|identity| identity["id"].as_str()).map(str::to_owned);
    id.ok_or_else(|| unknown(forge, "user", name))
}

pub(crate) async fn comment(forge: &Forge<'_>, request: &Request, text: &str) -> Result<(), Error> {
    let comment = json!({ "parentCommentId": 0, "content": text, "commentType": "text" });
    let question = Question::new(Method::POST, of(forge, request, &["threads"]), "a comment");
    forge.ask(question.with(json!({ "comments": [comment], "status": "closed" }))).await.map(drop)
}

/// Nobody can ask there what others than oneself may do, so that no comment can be obeyed.
pub(crate) async fn comment_of(_: &Forge<'_>, _: u64, _: u64) -> Result<Option<Comment>, Error> {
    Ok(None)
}

pub(crate) async fn may_write(_: &Forge<'_>, _: &Comment) -> Result<bool, Error> {
    Ok(false)
}

pub(crate) async fn merge(forge: &Forge<'_>, request: &Request, how: Merge<'_>) -> Result<Merged, Error> {
    let mut options = json!({ "deleteSourceBranch": how.delete_branch });
    if let Some(method) = how.method {
        options["mergeStrategy"] = json!(match method {
            super::Method::Merge => "noFastForward",
            super::Method::Squash => "squash",
            super::Method::Rebase => "rebase",
        });
    }
    let body = match how.when {
        When::Now => json!({
            "status": "completed",
            "lastMergeSourceCommit": { "commitId": how.tip },
            "completionOptions": options,
        }),
        When::ChecksPass => {
            let connection = versioned(forge.place().url(&["_apis", "connectionData"]));
            let answer = forge.ask(Question::get(connection, "whose the token is")).await?;
            let own = answer.body["authenticatedUser"]["id"].as_str().ok_or_else(|| answer.malformed("a user"))?;
            json!({ "autoCompleteSetBy": { "id": own }, "completionOptions": options })
        }
    };
    let answer = change(forge, request, body).await?;
    Ok(match (answer.is_success(), answer.body["status"].as_str()) {
        (true, Some("completed")) => Merged::Now,
        // It is merged behind the scenes, or once its policies are satisfied.
        (true, _) => Merged::Later,
        (false, _) => Merged::NotYet(answer.message()),
    })
}

pub(crate) async fn delete_branch(forge: &Forge<'_>, branch: &str, tip: &str) -> Result<(), Error> {
    let body = json!([{ "name": reference(branch), "oldObjectId": tip, "newObjectId": NOTHING }]);
    let url = url(forge, &["refs"]);
    // What has moved, or is gone, is told in the answer, and stays as it is.
    forge.ask(Question::new(Method::POST, url, "the deletion of the branch").with(body)).await.map(drop)
}
