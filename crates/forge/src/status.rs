//! The status of a commit, as GitHub, GitLab, Gitea and Forgejo have it: `POST` with state, name, text and page.
//!
//! GitHub has check runs as well, with a page of their own, which only an App may write: `POST` with name, commit and outcome.
//!
//! GitLab refuses with 400 to set a status that is so already (`Cannot transition status`), which is as good as done.

use reqwest::Method;
use serde_json::json;

use super::error::Error;
use super::exchange::Question;
use super::{Forge, Mark, Product};

const STATUS: &str = "the status of a commit";
const CHECK: &str = "a check run";

pub(crate) async fn mark(forge: &Forge<'_>, commit: &str, mark: Mark<'_>) -> Result<(), Error> {
    let Mark { context, description, address } = mark;
    let (place, path) = (forge.place(), forge.place().path());
    let product = place.product();
    let (url, mut body) = match product {
        Product::GitHub | Product::Gitea | Product::Forgejo => (
            place.url(&["repos", path[0].as_str(), path[1].as_str(), "statuses", commit]),
            json!({"state": "success", "context": context, "description": description}),
        ),
        Product::GitLab => (
            place.url(&["projects", &path.join("/"), "statuses", commit]),
            json!({"state": "success", "name": context, "description": description}),
        ),
        _ => return Err(Error::Unsupported { product: product.name(), what: "status of a commit that is set here" }),
    };
    if let Some(address) = address {
        body["target_url"] = address.into();
    }
    let question = Question::new(Method::POST, url, STATUS).with(body).or(&[400]);
    let answer = forge.ask(question).await?;
    let is_there = product == Product::GitLab && answer.message().contains("Cannot transition status");
    match answer.is_success() || is_there {
        true => Ok(()),
        false => Err(answer.refused(STATUS)),
    }
}

pub(crate) async fn check(forge: &Forge<'_>, commit: &str, mark: Mark<'_>) -> Result<(), Error> {
    let Mark { context, description, address } = mark;
    let (place, path) = (forge.place(), forge.place().path());
    if place.product() != Product::GitHub {
        return Err(Error::Unsupported { product: place.product().name(), what: "check run of an App" });
    }
    let mut body = json!({
        "name": context,
        "head_sha": commit,
        "status": "completed",
        "conclusion": "success",
        "output": {"title": description, "summary": description},
    });
    if let Some(address) = address {
        body["details_url"] = address.into();
    }
    let url = place.url(&["repos", path[0].as_str(), path[1].as_str(), "check-runs"]);
    forge.ask(Question::new(Method::POST, url, CHECK).with(body)).await.map(drop)
}
