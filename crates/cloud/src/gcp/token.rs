//! How a token of Google is asked for, and what it looks like.

use std::time::Duration;

use access::{ExposeSecret as _, Secret};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;
use url::Url;

use crate::cache::Fresh;
use crate::error::Error;
use crate::jwt;
use crate::machine::below;
use crate::request::{Answer, Request};

use super::document::{Account, Federation, User};

/// What the tokens are for: registries look at the rights of who asks.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// How long a token of ours is good, in seconds: the longest that Google takes.
const ASSERTION_LIFE: i64 = 3600;
/// How long before now it begins, for clocks that are late.
const ASSERTION_AGE: i64 = 30;

/// Where the metadata has a token of the machine's own service account.
pub(crate) const OF_MACHINE: &str = "instance/service-accounts/default/token";

/// Asks the metadata of a machine.
pub(crate) fn metadata(base: &Url, path: &str) -> Request {
    let url = below(base, &format!("/computeMetadata/v1/{path}"));
    let subject = match path {
        OF_MACHINE => "a token to the service account of this machine",
        _ => "the name of the cluster that this machine is in",
    };
    Request::get(url, subject).near().with("metadata-flavor", "Google")
}

/// Asks as a service account, with its key.
pub(crate) fn with_key(account: &Account, now: Timestamp) -> Result<Request, Error> {
    let begin = now.as_second() - ASSERTION_AGE;
    let claims = json!({
        "iss": account.email, "scope": SCOPE, "aud": account.token_uri.as_str(), "iat": begin, "exp": begin + ASSERTION_LIFE,
    });
    let wrong = |reason: &str| Error::Setting {
        name: format!("`private_key` of the service account {}", account.email),
        reason: reason.to_owned(),
    };
    let assertion = jwt::sign(&account.key, account.key_id.as_deref(), &claims).map_err(wrong)?;
    let fields =
        [("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", assertion.expose_secret())];
    Ok(Request::form(account.token_uri.clone(), &fields, format!("a token to the service account {}", account.email)))
}

/// Asks as a person who has signed in with `gcloud auth application-default login`.
pub(crate) fn with_refresh(user: &User) -> Request {
    let fields = [
        ("grant_type", "refresh_token"),
        ("client_id", user.client.as_str()),
        ("client_secret", user.secret.expose_secret()),
        ("refresh_token", user.refresh.expose_secret()),
    ];
    Request::form(user.token_uri.clone(), &fields, "a token to who signed in with gcloud")
}

/// Exchanges the token of another identity provider.
pub(crate) fn exchange(federation: &Federation, subject: &Secret) -> Request {
    let fields = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("audience", federation.audience.as_str()),
        ("scope", SCOPE),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("subject_token", subject.expose_secret()),
        ("subject_token_type", federation.token_type.as_str()),
    ];
    Request::form(federation.token_url.clone(), &fields, format!("the token for {}", federation.audience))
}

/// Asks, with the token of a federation, for one of a service account.
pub(crate) fn impersonate(url: &Url, token: &Secret) -> Request {
    let body = json!({ "scope": [SCOPE], "lifetime": "3600s" }).to_string();
    let subject = "the token of the federation a token of the service account";
    Request::post(url.clone(), "application/json", body, subject)
        .with("authorization", format!("Bearer {}", token.expose_secret()))
}

/// Reads a token with its life in seconds.
pub(crate) fn read(answer: &Answer) -> Result<Fresh<Secret>, Error> {
    #[derive(Deserialize)]
    struct Document {
        access_token: Option<String>,
        expires_in: Option<u64>,
    }
    let document: Document = parse(answer)?;
    let token = document.access_token.filter(|token| !token.is_empty()).ok_or_else(|| malformed(answer, "no token"))?;
    match document.expires_in {
        Some(0) => Err(malformed(answer, "a token that has ended")),
        Some(seconds) => Ok(Fresh { value: token.into(), life: Duration::from_secs(seconds) }),
        None => Err(malformed(answer, "a token without an end")),
    }
}

/// Reads a token of a service account, with the time at which it ends.
pub(crate) fn read_impersonated(answer: &Answer) -> Result<Fresh<Secret>, Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Document {
        access_token: Option<String>,
        expire_time: Option<Timestamp>,
    }
    let document: Document = parse(answer)?;
    let token = document.access_token.filter(|token| !token.is_empty()).ok_or_else(|| malformed(answer, "no token"))?;
    let end = document.expire_time.ok_or_else(|| malformed(answer, "a token without an end"))?;
    let life = Duration::try_from(end.duration_since(answer.now)).unwrap_or_default();
    match life.is_zero() {
        true => Err(malformed(answer, "a token that has ended")),
        false => Ok(Fresh { value: token.into(), life }),
    }
}

fn parse<'a, T: Deserialize<'a>>(answer: &'a Answer) -> Result<T, Error> {
    serde_json::from_str(answer.body.expose_secret())
        .map_err(|_| malformed(answer, "something else than a token in JSON"))
}

fn malformed(answer: &Answer, reason: &str) -> Error {
    Error::Malformed { url: answer.url.clone(), reason: reason.to_owned() }
}
