//! How a token is asked for: where, with what, and how the answer is read.

use std::time::Duration;

use access::{ExposeSecret as _, Secret};
use serde::Deserialize;
use url::Url;
use web::words::one_line;
use web::{is_loopback, is_private, show};

use super::endpoint::Endpoint;
use super::error::Error;
use super::token::{Token, TokenKey};

/// The field of the form that holds a secret.
pub(crate) const SECRET_FIELD: &str = "refresh_token";
/// The most bytes that are read of a token server's answer.
pub(crate) const MAX_ANSWER: usize = 1024 * 1024;
/// How long a token counts when its server does not say, by the distribution specification.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(60);
/// The longest that a token is kept, whatever its server says.
const MAX_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// How long before its end a token is not used any more; a fifth of its life where that is less.
const MARGIN: Duration = Duration::from_secs(10);

/// Checks that a realm is one to which credentials may go: HTTPS (plain HTTP where the registry itself speaks it, so that
/// nothing is said in the open that was secret before; what stayed on this machine was), and no private address unless it is
/// the registry's own.
pub(crate) fn check_realm(realm: &str, endpoint: &Endpoint) -> Result<Url, Error> {
    let refuse = |realm: String, reason| Error::Realm { registry: endpoint.authority.clone(), realm, reason };
    let Ok(url) = Url::parse(realm) else {
        return Err(refuse(format!("{:?}", one_line(realm, 100)), "is not an address"));
    };
    let reason = if !matches!(url.scheme(), "http" | "https") {
        "is not an address of the web"
    } else if url.scheme() == "http" && endpoint.root.scheme() != "http" {
        "is plain HTTP"
    } else if url.scheme() == "http" && is_loopback(&endpoint.root) && !is_loopback(&url) {
        "is plain HTTP, and not on this machine as the registry is"
    } else if is_private(&url) && url.host() != endpoint.root.host() {
        "is a private address and not the registry's own"
    } else if !url.username().is_empty() || url.password().is_some() {
        "has a login in it"
    } else {
        return Ok(url);
    };
    Err(refuse(show(&url), reason))
}

/// Adds the service and the scope to a realm; whatever else its query has stays.
pub(crate) fn address(key: &TokenKey) -> Url {
    let kept: Vec<(String, String)> = key
        .realm
        .query_pairs()
        .filter(|(name, _)| name != "service" && name != "scope")
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    let mut url = key.realm.clone();
    url.set_fragment(None);
    url.query_pairs_mut()
        .clear()
        .extend_pairs(kept)
        .extend_pairs(key.service.iter().map(|service| ("service", service)))
        .append_pair("scope", &key.scope);
    url
}

/// Returns the form by which a refresh token is exchanged, by the distribution specification's OAuth 2 endpoint.
pub(crate) fn form(key: &TokenKey, refresh: &Secret) -> Vec<(&'static str, String)> {
    vec![
        ("grant_type", "refresh_token".to_owned()),
        ("service", key.service.clone().unwrap_or_default()),
        ("scope", key.scope.clone()),
        ("client_id", env!("CARGO_PKG_NAME").to_owned()),
        (SECRET_FIELD, refresh.expose_secret().to_owned()),
    ]
}

/// Reads a token server's answer.
pub(crate) fn read(url: &Url, body: &[u8]) -> Result<Token, Error> {
    #[derive(Deserialize)]
    struct Answer {
        token: Option<String>,
        access_token: Option<String>,
        expires_in: Option<serde_json::Value>,
    }
    let malformed = |reason: &str| Error::Malformed { url: show(url), reason: reason.to_owned() };
    let answer: Answer = serde_json::from_slice(body).map_err(|_| malformed("something else than a token in JSON"))?;
    let text = [answer.token, answer.access_token].into_iter().flatten().find(|text| !text.is_empty());
    let text = text.ok_or_else(|| malformed("no token"))?;
    let header = web::bearer(&Secret::from(text)).ok_or_else(|| malformed("a token that no header can hold"))?;
    Ok(Token::new(header, usable(lifetime(answer.expires_in))))
}

/// Some servers write the number as a text or with a fraction.
fn lifetime(value: Option<serde_json::Value>) -> Duration {
    let seconds = match value {
        Some(serde_json::Value::Number(number)) => number.as_f64(),
        Some(serde_json::Value::String(text)) => text.parse().ok(),
        _ => None,
    };
    match seconds.and_then(|seconds: f64| Duration::try_from_secs_f64(seconds.max(0.0)).ok()) {
        Some(lifetime) => lifetime.min(MAX_LIFETIME),
        None => DEFAULT_LIFETIME,
    }
}

fn usable(lifetime: Duration) -> Duration {
    lifetime - MARGIN.min(lifetime / 5)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use image::Repository;

    /// An endpoint as it is once it is known what is spoken there: plain HTTP on port 5000.
    fn endpoint(name: &str) -> Endpoint {
        let mut endpoint = Endpoint::all(&Repository::parse(name).unwrap(), &[], false).unwrap().remove(0);
        if endpoint.root.port() == Some(5000) {
            endpoint.root.set_scheme("http").unwrap();
        }
        endpoint
    }

    #[test]
    fn realms() {
        let cases = [
            ("ghcr.io/a/b", "https://ghcr.io/token", "ok"),
            ("ghcr.io/a/b", "https://auth.example.com:8443/t?x=y", "ok"),
            (
                "ghcr.io/a/b",
                "http://ghcr.io/token",
                "'ghcr.io' names http://ghcr.io/token for tokens, which is plain HTTP",
            ),
            (
                "ghcr.io/a/b",
                "https://10.0.0.1/t?s=secret",
                "'ghcr.io' names https://10.0.0.1/t for tokens, which is a private address and not the registry's own",
            ),
            (
                "ghcr.io/a/b",
                "https://169.254.169.254/",
                "'ghcr.io' names https://169.254.169.254/ for tokens, which is a private address and not the registry's own",
            ),
            (
                "ghcr.io/a/b",
                "https://u:p@ghcr.io/",
                "'ghcr.io' names https://ghcr.io/ for tokens, which has a login in it",
            ),
            ("ghcr.io/a/b", "/token", "'ghcr.io' names \"/token\" for tokens, which is not an address"),
            ("ghcr.io/a/b", "", "'ghcr.io' names \"\" for tokens, which is not an address"),
            (
                "ghcr.io/a/b",
                "file:///etc/passwd",
                "'ghcr.io' names file:///etc/passwd for tokens, which is not an address of the web",
            ),
            ("127.0.0.1:5000/ab", "http://127.0.0.1:5001/token", "ok"),
            (
                "127.0.0.1:5000/ab",
                "http://127.0.0.2:5001/token",
                "'127.0.0.1:5000' names http://127.0.0.2:5001/token for tokens, which is a private address and not the registry's own",
            ),
            (
                "127.0.0.1:5000/ab",
                "http://auth.example.com/token",
                "'127.0.0.1:5000' names http://auth.example.com/token for tokens, which is plain HTTP, and not on this machine as the registry is",
            ),
            ("10.0.0.1:5000/ab", "http://auth.example.com/token", "ok"),
            ("10.0.0.1/ab", "https://auth.example.com/token", "ok"),
            (
                "127.0.0.1:5001/ab",
                "http://127.0.0.1:5001/token",
                "'127.0.0.1:5001' names http://127.0.0.1:5001/token for tokens, which is plain HTTP",
            ),
        ];
        for (name, realm, expect) in cases {
            let found = check_realm(realm, &endpoint(name)).map_or_else(|error| error.to_string(), |_| "ok".to_owned());
            assert_eq!(found, expect, "{name} {realm}");
        }
    }

    #[test]
    fn addresses() {
        let key = |realm: &str, service: Option<&str>| TokenKey {
            registry: Url::parse("https://r.io/v2/").unwrap(),
            realm: Url::parse(realm).unwrap(),
            service: service.map(str::to_owned),
            scope: "repository:a/b:pull".to_owned(),
            credential: access::Distinct::fingerprint(""),
        };
        let cases = [
            ("https://a.io/t", None, "https://a.io/t?scope=repository%3Aa%2Fb%3Apull"),
            (
                "https://a.io/t?x=1&scope=other#f",
                Some("s&t"),
                "https://a.io/t?x=1&service=s%26t&scope=repository%3Aa%2Fb%3Apull",
            ),
        ];
        for (realm, service, expect) in cases {
            assert_eq!(address(&key(realm, service)).as_str(), expect);
        }
    }

    #[test]
    fn answers() {
        let url = Url::parse("https://a.io/t").unwrap();
        let lifetimes = [
            (r#"{"token": "t"}"#, 60 - 10),
            (r#"{"access_token": "t", "expires_in": 300}"#, 300 - 10),
            (r#"{"token": "", "access_token": "t", "expires_in": 10}"#, 10 - 2),
            (r#"{"token": "t", "expires_in": "300"}"#, 300 - 10),
            (r#"{"token": "t", "expires_in": 0}"#, 0),
            (r#"{"token": "t", "expires_in": -5}"#, 0),
            (r#"{"token": "t", "expires_in": 1e300}"#, 60 - 10),
            (r#"{"token": "t", "expires_in": 1e9}"#, 24 * 60 * 60 - 10),
        ];
        for (body, seconds) in lifetimes {
            let token = read(&url, body.as_bytes()).unwrap();
            assert_eq!(token.header.to_str().unwrap(), "Bearer t", "{body}");
            let left = token.left();
            assert!(
                left <= Duration::from_secs(seconds) && left + Duration::from_secs(5) > Duration::from_secs(seconds),
                "{body}: {left:?}"
            );
            assert!(!format!("{token:?}").contains("Bearer t"));
        }
        let failures = [
            ("secret", "https://a.io/t answered with something else than a token in JSON"),
            ("{}", "https://a.io/t answered with no token"),
            (r#"{"token": "a\nb"}"#, "https://a.io/t answered with a token that no header can hold"),
        ];
        for (body, expect) in failures {
            assert_eq!(read(&url, body.as_bytes()).unwrap_err().to_string(), expect);
        }
    }
}
