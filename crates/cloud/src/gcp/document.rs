//! The file that `GOOGLE_APPLICATION_CREDENTIALS` names: the key of a service account, a federation, or somebody who signed in.

use std::collections::BTreeMap;

use access::{ExposeSecret as _, Secret};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::machine;

/// Where keys and refresh tokens are exchanged, unless the file says otherwise.
const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";

/// What a file says.
#[derive(Debug)]
pub(crate) enum Document {
    Account(Account),
    Federation(Box<Federated>),
    User(User),
}

/// A service account with its key.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) email: String,
    pub(crate) key: Secret,
    pub(crate) key_id: Option<String>,
    pub(crate) token_uri: Url,
}

/// Somebody who signed in.
#[derive(Debug)]
pub(crate) struct User {
    pub(crate) client: String,
    pub(crate) secret: Secret,
    pub(crate) refresh: Secret,
    pub(crate) token_uri: Url,
}

/// Another identity provider, whose tokens Google takes.
#[derive(Debug)]
pub(crate) struct Federation {
    pub(crate) audience: String,
    pub(crate) token_type: String,
    pub(crate) token_url: Url,
    pub(crate) impersonation: Option<Url>,
}

/// The same, and where the token is.
#[derive(Debug)]
pub(crate) struct Federated {
    pub(crate) federation: Federation,
    pub(crate) source: Source,
    /// The field of a JSON document in which the token is; without one the text is the token.
    pub(crate) field: Option<String>,
}

/// Where the token of the other identity provider is.
#[derive(Debug)]
pub(crate) enum Source {
    File(String),
    Url(Url, BTreeMap<String, Secret>),
}

#[derive(Deserialize)]
struct Raw {
    r#type: Option<String>,
    client_email: Option<String>,
    private_key: Option<String>,
    private_key_id: Option<String>,
    token_uri: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
    refresh_token: Option<String>,
    audience: Option<String>,
    subject_token_type: Option<String>,
    token_url: Option<String>,
    service_account_impersonation_url: Option<String>,
    credential_source: Option<RawSource>,
}

#[derive(Deserialize)]
struct RawSource {
    file: Option<String>,
    url: Option<String>,
    headers: Option<BTreeMap<String, String>>,
    format: Option<RawFormat>,
    executable: Option<Value>,
    environment_id: Option<String>,
}

#[derive(Deserialize)]
struct RawFormat {
    r#type: Option<String>,
    subject_token_field_name: Option<String>,
}

impl Document {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// In words behind the path of the file.
    pub(crate) fn parse(text: &Secret) -> Result<Self, String> {
        let raw: Raw =
            serde_json::from_str(text.expose_secret()).map_err(|_| "is not the JSON of a credential of Google")?;
        let kind = raw.r#type.clone().unwrap_or_default();
        match kind.as_str() {
            "service_account" => Ok(Self::Account(Account {
                email: needed(raw.client_email, "client_email")?,
                key: needed(raw.private_key, "private_key")?.into(),
                key_id: raw.private_key_id,
                token_uri: address("token_uri", raw.token_uri.as_deref().unwrap_or(TOKEN_URI))?,
            })),
            "authorized_user" => Ok(Self::User(User {
                client: needed(raw.client_id, "client_id")?,
                secret: needed(raw.client_secret, "client_secret")?.into(),
                refresh: needed(raw.refresh_token, "refresh_token")?.into(),
                token_uri: address("token_uri", raw.token_uri.as_deref().unwrap_or(TOKEN_URI))?,
            })),
            "external_account" => federation(raw).map(Box::new).map(Self::Federation),
            other => Err(format!(
                "has the type {other:?}; the types are service_account, external_account and authorized_user"
            )),
        }
    }
}

fn federation(raw: Raw) -> Result<Federated, String> {
    let source = needed(raw.credential_source, "credential_source")?;
    let field = match source.format {
        Some(RawFormat { r#type: Some(kind), subject_token_field_name: Some(field) }) if kind == "json" => Some(field),
        Some(RawFormat { r#type: Some(kind), .. }) if kind == "json" => {
            return Err("has a `format` of type json without `subject_token_field_name`".to_owned());
        }
        _ => None,
    };
    let from = match (source.file, source.url) {
        _ if source.executable.is_some() => {
            return Err("has a `credential_source` that runs a program, which is not done".to_owned());
        }
        _ if source.environment_id.is_some() => {
            return Err("has a `credential_source` of AWS, which is not supported; use a token in a file".to_owned());
        }
        (Some(file), _) => Source::File(file),
        (None, Some(url)) => {
            let headers = source.headers.unwrap_or_default().into_iter();
            Source::Url(
                address("credential_source.url", &url)?,
                headers.map(|(name, value)| (name, value.into())).collect(),
            )
        }
        (None, None) => return Err("has a `credential_source` without `file` and `url`".to_owned()),
    };
    let impersonation = raw.service_account_impersonation_url;
    let federation = Federation {
        audience: needed(raw.audience, "audience")?,
        token_type: needed(raw.subject_token_type, "subject_token_type")?,
        token_url: address("token_url", &needed(raw.token_url, "token_url")?)?,
        impersonation: impersonation.map(|url| address("service_account_impersonation_url", &url)).transpose()?,
    };
    Ok(Federated { federation, source: from, field })
}

fn needed<T>(value: Option<T>, name: &str) -> Result<T, String> {
    value.ok_or_else(|| format!("has no `{name}`"))
}

fn address(name: &str, text: &str) -> Result<Url, String> {
    machine::endpoint(&format!("`{name}`"), text).map_err(|error| format!("is wrong: {error}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_cannot_be() {
        let cases = [
            ("x", "is not the JSON of a credential of Google"),
            ("{}", "has the type \"\"; the types are service_account, external_account and authorized_user"),
            (r#"{"type":"service_account","client_email":"e"}"#, "has no `private_key`"),
            (
                r#"{"type":"service_account","client_email":"e","private_key":"k","token_uri":"http://evil.example/"}"#,
                "is wrong: `token_uri` must begin with https://, since plain HTTP is for this machine and private networks",
            ),
            (r#"{"type":"external_account"}"#, "has no `credential_source`"),
            (
                r#"{"type":"external_account","credential_source":{"executable":{"command":"x"}}}"#,
                "has a `credential_source` that runs a program, which is not done",
            ),
            (
                r#"{"type":"external_account","credential_source":{"environment_id":"aws1","url":"http://169.254.169.254"}}"#,
                "has a `credential_source` of AWS, which is not supported; use a token in a file",
            ),
            (
                r#"{"type":"external_account","credential_source":{"file":"/t","format":{"type":"json"}}}"#,
                "has a `format` of type json without `subject_token_field_name`",
            ),
        ];
        for (text, expect) in cases {
            assert_eq!(Document::parse(&text.into()).unwrap_err(), expect, "{text}");
        }
    }
}
