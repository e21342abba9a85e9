//! How a token is asked for: with what, and how the answer is read.

use std::time::Duration;

use access::{ExposeSecret as _, Secret};
use serde::Deserialize;
use url::Url;
use web::show;

use super::error::Error;
use super::token::{Issuer, Token};

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

/// Adds the service and the scopes to a realm; whatever else its query has stays.
pub(crate) fn address(issuer: &Issuer, scopes: &[&str]) -> Url {
    let kept: Vec<(String, String)> = issuer
        .realm
        .query_pairs()
        .filter(|(name, _)| name != "service" && name != "scope")
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    let mut url = issuer.realm.clone();
    url.set_fragment(None);
    url.query_pairs_mut()
        .clear()
        .extend_pairs(kept)
        .extend_pairs(issuer.service.iter().map(|service| ("service", service)))
        .extend_pairs(scopes.iter().map(|scope| ("scope", scope)));
    url
}

/// Returns the form by which a refresh token is exchanged, by the distribution specification's OAuth 2 endpoint.
pub(crate) fn form(issuer: &Issuer, scopes: &[&str], refresh: &Secret) -> Vec<(&'static str, String)> {
    vec![
        ("grant_type", "refresh_token".to_owned()),
        ("service", issuer.service.clone().unwrap_or_default()),
        ("scope", scopes.join(" ")),
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

    #[test]
    fn addresses() {
        let issuer = |realm: &str, service: Option<&str>| Issuer {
            registry: Url::parse("https://r.io/v2/").unwrap(),
            realm: Url::parse(realm).unwrap(),
            service: service.map(str::to_owned),
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
            assert_eq!(address(&issuer(realm, service), &["repository:a/b:pull"]).as_str(), expect);
        }
        let several = address(&issuer("https://a.io/t", None), &["repository:a:pull", "repository:b:pull"]);
        assert_eq!(several.as_str(), "https://a.io/t?scope=repository%3Aa%3Apull&scope=repository%3Ab%3Apull");
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
