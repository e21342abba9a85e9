//! Docker's credential files as data: `config.json`, `.dockerconfigjson` and `.dockercfg`.
//!
//! Configuration reads them from Kubernetes secrets, the registry edge from the machine's own files. Only text comes in
//! here. The shapes are those of Docker's and Podman's files: an entry has `username` and `password`, or `auth`, which is
//! the base64 of `user:password` and wins over both; `identitytoken` is a refresh token, `registrytoken` a bearer token.
//! Whatever else a file holds is passed over, as Docker itself does.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use thiserror::Error;

use crate::{Login, RegistryLogin, Secret};

/// The longest file that is read, in bytes.
pub const MAX_LENGTH: usize = 1024 * 1024;

/// Why a credential file cannot be used. No message shows what the file holds, since that is secret.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Error {
    /// The file is longer than [`MAX_LENGTH`].
    #[error("longer than {MAX_LENGTH} bytes")]
    TooLong,
    /// The text is not JSON of the expected shape.
    #[error("not the JSON of a Docker configuration (line {line}, column {column})")]
    Json {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// An `auth` field is not the base64 of `user:password`.
    #[error("the 'auth' of {key:?} is not the base64 of 'user:password'")]
    Auth {
        /// The key of the entry.
        key: String,
    },
}

/// A Docker configuration, reduced to what concerns credentials.
#[derive(Debug, Clone, Default)]
pub struct DockerConfig {
    /// The entries of `auths`, in the order of their keys.
    pub logins: Vec<RegistryLogin>,
    /// `credHelpers`: registry to the suffix of a `docker-credential-…` program.
    pub helpers: BTreeMap<String, String>,
    /// `credsStore`: the helper for registries that nothing else names.
    pub store: Option<String>,
}

/// Reads a `config.json`, or the `.dockerconfigjson` of a secret.
///
/// ```
/// use access::dockerconfig;
/// let config = dockerconfig::parse(br#"{"auths": {"ghcr.io": {"auth": "bWU6c2VzYW1l"}}}"#)?;
/// assert_eq!(config.logins[0].key, "ghcr.io");
/// assert_eq!(config.logins[0].login.as_ref().map(|login| login.username.as_str()), Some("me"));
/// # Ok::<(), dockerconfig::Error>(())
/// ```
///
/// # Errors
/// The text is too long, is not JSON of this shape, or has an `auth` that cannot be decoded.
pub fn parse(text: &[u8]) -> Result<DockerConfig, Error> {
    let raw: RawConfig = read(text)?;
    Ok(DockerConfig {
        logins: logins(raw.auths.unwrap_or_default())?,
        helpers: raw.cred_helpers.unwrap_or_default(),
        store: raw.creds_store.filter(|store| !store.is_empty()),
    })
}

/// Reads the `.dockercfg` of a secret: the entries alone, without `auths` around them.
///
/// # Errors
/// As [`parse`].
pub fn parse_legacy(text: &[u8]) -> Result<Vec<RegistryLogin>, Error> {
    logins(read(text)?)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawConfig {
    auths: Option<BTreeMap<String, Option<RawEntry>>>,
    cred_helpers: Option<BTreeMap<String, String>>,
    creds_store: Option<String>,
}

#[derive(Deserialize, Default)]
struct RawEntry {
    username: Option<String>,
    password: Option<String>,
    auth: Option<String>,
    #[serde(alias = "identityToken")]
    identitytoken: Option<String>,
    #[serde(alias = "registryToken")]
    registrytoken: Option<String>,
}

fn read<'t, T: Deserialize<'t>>(text: &'t [u8]) -> Result<T, Error> {
    if text.len() > MAX_LENGTH {
        return Err(Error::TooLong);
    }
    // The parser's own message may quote a value, so only the position is kept.
    serde_json::from_slice(text).map_err(|error| Error::Json { line: error.line(), column: error.column() })
}

fn logins(entries: BTreeMap<String, Option<RawEntry>>) -> Result<Vec<RegistryLogin>, Error> {
    entries.into_iter().map(|(key, entry)| login(key, entry.unwrap_or_default())).collect()
}

fn login(key: String, entry: RawEntry) -> Result<RegistryLogin, Error> {
    let (username, password) = match entry.auth.as_deref().map(str::trim).filter(|auth| !auth.is_empty()) {
        Some(auth) => decode(auth).ok_or_else(|| Error::Auth { key: key.clone() })?,
        None => (entry.username.unwrap_or_default(), entry.password.unwrap_or_default()),
    };
    let password = password.trim_end_matches(['\r', '\n']);
    let login = match username.is_empty() && password.is_empty() {
        true => None,
        false => Some(Login { username, password: password.into() }),
    };
    Ok(RegistryLogin {
        key,
        login,
        identity_token: secret(entry.identitytoken),
        registry_token: secret(entry.registrytoken),
    })
}

fn secret(text: Option<String>) -> Option<Secret> {
    text.filter(|text| !text.is_empty()).map(Secret::from)
}

/// Decodes `auth`, with or without padding. Docker pads short passwords with NUL bytes, which do not belong to them. Neither does
/// the newline of an `echo` in front of `base64`, which the caller drops.
fn decode(auth: &str) -> Option<(String, String)> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    let text = String::from_utf8(LENIENT.decode(auth).ok()?).ok()?;
    let (username, password) = text.split_once(':')?;
    Some((username.to_owned(), password.trim_matches('\0').to_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ExposeSecret as _;

    /// Shows entries as `key user:password identity registry`, `-` for what is absent.
    fn show(logins: &[RegistryLogin]) -> Vec<String> {
        let plain = |secret: &Option<Secret>| secret.as_ref().map_or("-".to_owned(), |s| s.expose_secret().to_owned());
        let pair = |login: &Login| format!("{}:{}", login.username, login.password.expose_secret());
        let one = |login: &RegistryLogin| {
            let name = login.login.as_ref().map_or("-".to_owned(), pair);
            format!("{} {name} {} {}", login.key, plain(&login.identity_token), plain(&login.registry_token))
        };
        logins.iter().map(one).collect()
    }

    fn check(entries: &str, expect: &[&str]) {
        assert_eq!(show(&parse_legacy(entries.as_bytes()).unwrap()), expect, "{entries}");
        let wrapped = format!(r#"{{"auths": {entries}, "HttpHeaders": {{"a": "b"}}}}"#);
        assert_eq!(show(&parse(wrapped.as_bytes()).unwrap().logins), expect, "{wrapped}");
    }

    #[test]
    fn entries() {
        check(r#"{}"#, &[]);
        check(r#"{"a.io": {"username": "u", "password": "p"}}"#, &["a.io u:p - -"]);
        check(r#"{"a.io": {"username": "u", "password": "p", "auth": "eDp5"}}"#, &["a.io x:y - -"]);
        check(r#"{"a.io": {"username": "u", "password": "p", "auth": ""}}"#, &["a.io u:p - -"]);
        check(r#"{"a.io": {"auth": "eDp5Onp6"}}"#, &["a.io x:y:zz - -"]);
        check(r#"{"a.io": {"auth": "dXNlcjpwYQ"}}"#, &["a.io user:pa - -"]);
        check(r#"{"a.io": {"auth": "dXNlcjpwYQ==\n"}}"#, &["a.io user:pa - -"]);
        check(r#"{"a.io": {"auth": "dTpwAAA="}}"#, &["a.io u:p - -"]);
        check(r#"{"a.io": {"auth": "dTpwCg=="}}"#, &["a.io u:p - -"]);
        check(r#"{"a.io": {"username": "u", "password": "p\r\n"}}"#, &["a.io u:p - -"]);
        check(r#"{"a.io": {"auth": "eDo=", "identitytoken": "t"}}"#, &["a.io x: t -"]);
        check(r#"{"a.io": {"registrytoken": "r", "email": "me@example.com"}}"#, &["a.io - - r"]);
        check(r#"{"b.io": null, "a.io/x": {}}"#, &["a.io/x - - -", "b.io - - -"]);
    }

    #[test]
    fn helpers_and_store() {
        let config =
            parse(br#"{"credHelpers": {"x.dkr.ecr.eu-west-1.amazonaws.com": "ecr-login"}, "credsStore": "pass"}"#);
        let config = config.unwrap();
        assert_eq!(config.helpers["x.dkr.ecr.eu-west-1.amazonaws.com"], "ecr-login");
        assert_eq!(config.store.as_deref(), Some("pass"));
        assert_eq!(parse(br#"{"credsStore": "", "auths": null}"#).unwrap().store, None);
    }

    #[test]
    fn messages_show_no_secret() {
        let cases = [
            (r#"{"a.io": {"auth": "c2VjcmV0"}}"#, r#"the 'auth' of "a.io" is not the base64 of 'user:password'"#),
            (r#"{"a.io": {"auth": "!secret!"}}"#, r#"the 'auth' of "a.io" is not the base64 of 'user:password'"#),
            (r#"{"a.io": "secret"}"#, "not the JSON of a Docker configuration (line 1, column 17)"),
            (r#"{"a.io": {"password": "secret"#, "not the JSON of a Docker configuration (line 1, column 29)"),
            ("secret", "not the JSON of a Docker configuration (line 1, column 1)"),
        ];
        for (text, expect) in cases {
            assert_eq!(parse_legacy(text.as_bytes()).unwrap_err().to_string(), expect, "{text}");
        }
        assert_eq!(parse(&vec![b' '; MAX_LENGTH + 1]).unwrap_err(), Error::TooLong);
    }
}
