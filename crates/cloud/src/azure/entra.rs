//! Entra ID: how a token is asked for, and what it looks like.

use std::time::Duration;

use access::{ExposeSecret as _, Secret};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::cache::Fresh;
use crate::error::Error;
use crate::machine::below;
use crate::request::{Answer, Request};

/// What ends the name of a scope, and is no part of the resource behind it.
const DEFAULT: &str = "/.default";
/// How a token from a file is called that stands in for a password.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// An application, by the names that Entra ID has for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Application<'a> {
    pub(crate) authority: &'a Url,
    pub(crate) tenant: &'a str,
    pub(crate) client: &'a str,
}

/// Whether a text can be the name of a tenant or an application, and a part of an address.
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 255
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

/// Asks with a password.
pub(crate) fn with_secret(application: Application<'_>, scope: &str, secret: &str) -> Request {
    ask(application, scope, &[("client_secret", secret)])
}

/// Asks with a token that a cluster has given out.
pub(crate) fn with_assertion(application: Application<'_>, scope: &str, assertion: &Secret) -> Request {
    let assertion = assertion.expose_secret().trim();
    ask(application, scope, &[("client_assertion_type", ASSERTION_TYPE), ("client_assertion", assertion)])
}

fn ask(application: Application<'_>, scope: &str, proof: &[(&str, &str)]) -> Request {
    let Application { authority, tenant, client } = application;
    let url = below(authority, &format!("{tenant}/oauth2/v2.0/token"));
    let mut fields = vec![("grant_type", "client_credentials"), ("scope", scope), ("client_id", client)];
    fields.extend_from_slice(proof);
    Request::form(url, &fields, format!("a token to the application {client} of the tenant {tenant}"))
}

/// Asks the metadata of a machine; with several identities, for the one of an application.
pub(crate) fn managed(base: &Url, scope: &str, client: Option<&str>) -> Request {
    let mut url = below(base, "/metadata/identity/oauth2/token");
    let resource = scope.strip_suffix(DEFAULT).unwrap_or(scope);
    url.query_pairs_mut()
        .append_pair("api-version", "2019-08-01")
        .append_pair("resource", resource)
        .extend_pairs(client.map(|client| ("client_id", client)));
    Request::get(url, "a token to the managed identity of this machine").near().with("metadata", "true")
}

/// Reads a token. The metadata writes its life as a text.
pub(crate) fn read(answer: &Answer) -> Result<Fresh<Secret>, Error> {
    #[derive(Deserialize)]
    struct Document {
        access_token: Option<String>,
        expires_in: Option<Value>,
    }
    let malformed = |reason: &str| Error::Malformed { url: answer.url.clone(), reason: reason.to_owned() };
    let document: Document = serde_json::from_str(answer.body.expose_secret())
        .map_err(|_| malformed("something else than a token in JSON"))?;
    let token = document.access_token.filter(|token| !token.is_empty()).ok_or_else(|| malformed("no token"))?;
    let seconds = match document.expires_in {
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(text)) => text.parse().ok(),
        _ => None,
    };
    match seconds {
        Some(0) => Err(malformed("a token that has ended")),
        Some(seconds) => Ok(Fresh { value: token.into(), life: Duration::from_secs(seconds) }),
        None => Err(malformed("a token without an end")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn requests() {
        let authority = Url::parse("https://login.microsoftonline.com/").unwrap();
        let application = Application { authority: &authority, tenant: "t", client: "c" };
        let request = with_assertion(application, "https://r/.default", &"a.b.c\n".into());
        assert_eq!(request.url.as_str(), "https://login.microsoftonline.com/t/oauth2/v2.0/token");
        assert_eq!(
            request.body.unwrap().expose_secret(),
            "grant_type=client_credentials&scope=https%3A%2F%2Fr%2F.default&client_id=c\
             &client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=a.b.c"
        );
        let base = Url::parse("http://169.254.169.254").unwrap();
        let request = managed(&base, "https://containerregistry.azure.net/.default", Some("c"));
        assert_eq!(
            request.url.as_str(),
            "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2019-08-01\
             &resource=https%3A%2F%2Fcontainerregistry.azure.net&client_id=c"
        );
        assert!(is_name("11111111-2222-3333-4444-555555555555") && is_name("example.onmicrosoft.com"));
        assert!(!is_name("../x") && !is_name("") && !is_name("a?b"));
    }

    #[test]
    fn answers() {
        let read = |body: &str| {
            let now = jiff::Timestamp::UNIX_EPOCH;
            read(&Answer { url: "u".to_owned(), body: body.into(), flavor: None, now })
        };
        assert_eq!(read(r#"{"access_token":"t","expires_in":3599}"#).unwrap().life.as_secs(), 3599);
        assert_eq!(read(r#"{"access_token":"t","expires_in":"86399"}"#).unwrap().life.as_secs(), 86399);
        for bad in ["", "{}", r#"{"access_token":"t"}"#, r#"{"access_token":"t","expires_in":0}"#] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
