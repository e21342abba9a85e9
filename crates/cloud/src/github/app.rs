//! Where an App's GitHub is, how its token is asked for, and what it looks like.

use std::time::Duration;

use access::{ExposeSecret as _, GithubApp, Secret};
use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use url::Url;

use crate::cache::Fresh;
use crate::error::Error;
use crate::jwt;
use crate::machine::{self, below};
use crate::request::{Answer, Request};

/// The user name beside a token.
pub(crate) const USER: &str = "x-access-token";
/// The API of github.com.
const API: &str = "https://api.github.com/";
/// How long before now a token of ours begins, for clocks that are ahead, and how long it is good, in seconds.
const AGE: i64 = 30;
const LIFE: i64 = 120;

/// Returns the API of an App's GitHub. GitHub Enterprise has it below `/api/v3/`, unless it has a host of its own.
pub(crate) fn api(app: &GithubApp) -> Result<Url, Error> {
    let Some(base) = &app.base_url else { return machine::address("githubAppBaseURL", API) };
    let mut url = machine::endpoint("githubAppBaseURL", base)?;
    let host = url.host_str().unwrap_or_default();
    let has_own_host = host.starts_with("api.") || host.contains(".api.");
    let path = url.path().trim_end_matches('/').to_owned();
    if !has_own_host && !path.ends_with("/api/v3") {
        url.set_path(&format!("{path}/api/v3/"));
    }
    Ok(url)
}

/// Returns the host of the remotes for which an API gives tokens.
pub(crate) fn git_host(api: &Url) -> String {
    let host = api.host_str().unwrap_or_default();
    match (host.strip_prefix("api."), host.split_once(".api.")) {
        (Some(rest), _) => rest.to_owned(),
        (None, Some((name, rest))) => format!("{name}.{rest}"),
        (None, None) => host.to_owned(),
    }
}

/// Asks for the installation at an organisation, or at a person's account.
pub(crate) fn installation(
    app: &GithubApp,
    api: &Url,
    kind: &str,
    owner: &str,
    now: Timestamp,
) -> Result<Request, Error> {
    let mut url = below(api, kind);
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.push(owner).push("installation");
    }
    ask(Method::GET, url, app, format!("the installation of the GitHub App {} at {owner}", app.id), now)
}

/// Asks for a token of an installation.
pub(crate) fn token(app: &GithubApp, api: &Url, installation: u64, now: Timestamp) -> Result<Request, Error> {
    let url = below(api, &format!("app/installations/{installation}/access_tokens"));
    let subject = format!("a token to the installation {installation} of the GitHub App {}", app.id);
    ask(Method::POST, url, app, subject, now)
}

fn ask(method: Method, url: Url, app: &GithubApp, subject: String, now: Timestamp) -> Result<Request, Error> {
    let begin = now.as_second() - AGE;
    let claims = json!({ "iss": app.id, "iat": begin, "exp": begin + LIFE });
    let wrong = |reason: &str| Error::Setting { name: "githubAppPrivateKey".to_owned(), reason: reason.to_owned() };
    let token = jwt::sign(&app.key, None, &claims).map_err(wrong)?;
    Ok(Request { method, ..Request::get(url, subject) }
        .with("authorization", format!("Bearer {}", token.expose_secret()))
        .with("accept", "application/vnd.github+json")
        .with("x-github-api-version", "2022-11-28"))
}

/// Reads the number of an installation.
pub(crate) fn read_installation(answer: &Answer) -> Result<u64, Error> {
    #[derive(Deserialize)]
    struct Document {
        id: u64,
    }
    let document: Result<Document, _> = serde_json::from_str(answer.body.expose_secret());
    document.map(|document| document.id).map_err(|_| malformed(answer, "no installation in JSON"))
}

/// Reads a token.
pub(crate) fn read(answer: &Answer) -> Result<Fresh<Secret>, Error> {
    #[derive(Deserialize)]
    struct Document {
        token: String,
        expires_at: Timestamp,
    }
    let document: Result<Document, _> = serde_json::from_str(answer.body.expose_secret());
    let document = document.map_err(|_| malformed(answer, "something else than a token in JSON"))?;
    let life = Duration::try_from(document.expires_at.duration_since(answer.now)).unwrap_or_default();
    match life.is_zero() {
        true => Err(malformed(answer, "a token that has ended")),
        false => Ok(Fresh { value: document.token.into(), life }),
    }
}

fn malformed(answer: &Answer, reason: &str) -> Error {
    Error::Malformed { url: answer.url.clone(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use access::Installation;

    use super::*;

    #[test]
    fn places() {
        let cases = [
            (None, "https://api.github.com/", "github.com"),
            (Some("https://github.example.com"), "https://github.example.com/api/v3/", "github.example.com"),
            (Some("https://github.example.com/api/v3"), "https://github.example.com/api/v3", "github.example.com"),
            (Some("https://github.example.com/api/v3/"), "https://github.example.com/api/v3/", "github.example.com"),
            (Some("https://api.acme.ghe.com"), "https://api.acme.ghe.com/", "acme.ghe.com"),
            (Some("https://x.api.example.com/"), "https://x.api.example.com/", "x.example.com"),
        ];
        for (base, expect, host) in cases {
            let base_url = base.map(str::to_owned);
            let app = GithubApp { id: "1".to_owned(), installation: Installation::Id(1), key: "".into(), base_url };
            let api = api(&app).unwrap();
            assert_eq!((api.as_str(), git_host(&api).as_str()), (expect, host));
            let request = below(&api, "app/installations/7/access_tokens");
            assert_eq!(request.as_str(), format!("{}/app/installations/7/access_tokens", expect.trim_end_matches('/')));
        }
    }
}
