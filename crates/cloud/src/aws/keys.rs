//! An access key, and the document in which the metadata of containers and machines give one out.

use std::time::Duration;

use access::Secret;
use jiff::Timestamp;
use serde::Deserialize;

use crate::cache::Fresh;

/// How long keys without an end are used before they are looked for again: files change.
pub(crate) const STATIC_LIFE: Duration = Duration::from_secs(300);

/// An access key.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    /// Its name, which is no secret.
    pub(crate) id: String,
    pub(crate) secret: Secret,
    /// The third part of keys that were given out for a while.
    pub(crate) session: Option<Secret>,
}

impl Keys {
    /// Keys that somebody wrote down.
    pub(crate) fn written(self) -> Fresh<Self> {
        Fresh { value: self, life: STATIC_LIFE }
    }

    /// Keys that end at a time, by the clock of the server that gave them.
    pub(crate) fn until(self, end: Timestamp, now: Timestamp) -> Result<Fresh<Self>, String> {
        let life = Duration::try_from(end.duration_since(now)).unwrap_or_default();
        match life.is_zero() {
            true => Err(format!("credentials that ended at {end}")),
            false => Ok(Fresh { value: self, life }),
        }
    }
}

/// Reads the document of a container's endpoint or of a machine's metadata.
///
/// # Errors
/// In words behind `answers with`.
pub(crate) fn read(body: &str, now: Timestamp) -> Result<Fresh<Keys>, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Document {
        code: Option<String>,
        message: Option<String>,
        access_key_id: Option<String>,
        secret_access_key: Option<String>,
        token: Option<String>,
        expiration: Option<Timestamp>,
    }
    let document: Document =
        serde_json::from_str(body).map_err(|_| "something else than credentials in JSON".to_owned())?;
    if let Some(code) = document.code.filter(|code| code != "Success") {
        let message = document.message.unwrap_or_default();
        return Err(format!("no credentials: {}", web::words::one_line(format!("{code} {message}").trim(), 200)));
    }
    let (Some(id), Some(secret)) = (document.access_key_id, document.secret_access_key) else {
        return Err("no credentials".to_owned());
    };
    let keys = Keys { id, secret: secret.into(), session: document.token.map(Secret::from) };
    match document.expiration {
        Some(end) => keys.until(end, now),
        None => Ok(keys.written()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn documents() {
        let now = "2026-11-27T08:00:00Z".parse().unwrap();
        let good = r#"{"Code":"Success","Type":"AWS-HMAC","AccessKeyId":"ASIA","SecretAccessKey":"s","Token":"t","Expiration":"2026-11-27T14:00:00Z"}"#;
        let fresh = read(good, now).unwrap();
        assert_eq!((fresh.value.id.as_str(), fresh.life), ("ASIA", Duration::from_secs(6 * 3600)));
        let container = r#"{"RoleArn":"r","AccessKeyId":"ASIA","SecretAccessKey":"s"}"#;
        assert_eq!(read(container, now).unwrap().life, STATIC_LIFE);
        let bad = [
            (good.replace("T14", "T07"), "credentials that ended at 2026-11-27T07:00:00Z"),
            (
                r#"{"Code":"AssumeRoleUnauthorizedAccess","Message":"EC2 cannot assume"}"#.to_owned(),
                "no credentials: AssumeRoleUnauthorizedAccess EC2 cannot assume",
            ),
            ("{}".to_owned(), "no credentials"),
            ("<html>".to_owned(), "something else than credentials in JSON"),
        ];
        for (body, expect) in bad {
            assert_eq!(read(&body, now).unwrap_err(), expect);
        }
    }
}
