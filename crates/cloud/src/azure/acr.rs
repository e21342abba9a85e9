//! Azure's container registries: their hosts, and the exchange of a token of Entra ID for one of the registry.

use std::time::Duration;

use access::{ExposeSecret as _, Secret};
use serde::Deserialize;
use url::Url;

use crate::cache::Fresh;
use crate::error::Error;
use crate::jwt;
use crate::machine;
use crate::request::{Answer, Request};

/// The user name beside a registry's refresh token.
pub(crate) const USER: &str = "00000000-0000-0000-0000-000000000000";
/// What the token of Entra ID is for. The audience of the resource manager, which was usual once, can be forbidden.
pub(crate) const SCOPE: &str = "https://containerregistry.azure.net/.default";
/// How long a registry's token is used that does not say when it ends. They live for three hours.
const DEFAULT_LIFE: Duration = Duration::from_secs(3600);

/// Returns who knows the users of a registry, by its cloud; None if the host is not one of Azure's.
pub(crate) fn authority(host: &str) -> Option<&'static str> {
    const CLOUDS: [(&str, &str); 4] = [
        (".azurecr.io", "https://login.microsoftonline.com/"),
        (".azurecr.cn", "https://login.chinacloudapi.cn/"),
        (".azurecr.us", "https://login.microsoftonline.us/"),
        (".azurecr.de", "https://login.microsoftonline.de/"),
    ];
    let host = host.to_ascii_lowercase();
    let is_name =
        |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
    let found = CLOUDS.iter().find(|(end, _)| host.strip_suffix(end).is_some_and(is_name));
    found.map(|(_, authority)| *authority)
}

/// Asks the registry for its own token.
pub(crate) fn exchange(host: &str, token: &Secret) -> Result<Request, Error> {
    let url = Url::parse(&format!("https://{host}/oauth2/exchange"));
    let url = url.or_else(|_| machine::address("the host of the registry", host))?;
    let fields = [("grant_type", "access_token"), ("service", host), ("access_token", token.expose_secret())];
    Ok(Request::form(url, &fields, "the token of Entra ID"))
}

/// Reads the registry's token, which says itself when it ends.
pub(crate) fn read(answer: &Answer) -> Result<Fresh<Secret>, Error> {
    #[derive(Deserialize)]
    struct Document {
        refresh_token: Option<String>,
    }
    let malformed = |reason: &str| Error::Malformed { url: answer.url.clone(), reason: reason.to_owned() };
    let document: Document = serde_json::from_str(answer.body.expose_secret())
        .map_err(|_| malformed("something else than a token in JSON"))?;
    let token = document.refresh_token.filter(|token| !token.is_empty()).ok_or_else(|| malformed("no token"))?;
    let life = match jwt::end(&token) {
        Some(end) => Duration::try_from(end.duration_since(answer.now)).unwrap_or_default(),
        None => DEFAULT_LIFE,
    };
    match life.is_zero() {
        true => Err(malformed("a token that has ended")),
        false => Ok(Fresh { value: token.into(), life }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    #[test]
    fn hosts() {
        assert_eq!(authority("acme.azurecr.io"), Some("https://login.microsoftonline.com/"));
        assert_eq!(authority("Acme.azurecr.CN"), Some("https://login.chinacloudapi.cn/"));
        for host in [
            "azurecr.io",
            ".azurecr.io",
            "acme.azurecr.io.evil.example",
            "acme.azurecr.io:8443",
            "evil/x.azurecr.io",
            "acme.azurecr.com",
        ] {
            assert_eq!(authority(host), None, "{host}");
        }
    }

    #[test]
    fn answers() {
        let now = "2026-11-27T08:00:00Z".parse().unwrap();
        let read = |body: String| read(&Answer { url: "u".to_owned(), body: body.into(), flavor: None, now });
        let token = |seconds: i64| {
            let claims = format!(r#"{{"exp":{}}}"#, now.as_second() + seconds);
            format!(r#"{{"refresh_token":"e30.{}.sig"}}"#, URL_SAFE_NO_PAD.encode(claims))
        };
        assert_eq!(read(token(10_800)).unwrap().life, Duration::from_secs(10_800));
        assert_eq!(read(r#"{"refresh_token":"opaque"}"#.to_owned()).unwrap().life, DEFAULT_LIFE);
        assert_eq!(read(token(-1)).unwrap_err().to_string(), "u answers with a token that has ended");
        assert_eq!(read("{}".to_owned()).unwrap_err().to_string(), "u answers with no token");
    }
}
