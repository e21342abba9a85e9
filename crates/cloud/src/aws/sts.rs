//! The security token service: taking a role.

use access::{ExposeSecret as _, Secret};
use jiff::Timestamp;
use url::Url;

use crate::cache::Fresh;
use crate::error::Error;
use crate::machine;
use crate::request::{Answer, Request};
use crate::xml;

use super::profile::Role;
use super::{Keys, region, sign};

const VERSION: (&str, &str) = ("Version", "2011-06-15");
/// The name of our sessions where nobody has chosen another.
const SESSION: &str = "tagwright";

/// Where a role is taken: at an endpoint that somebody has named, or at that of the region.
pub(crate) fn address(named: Option<Url>, region: &str) -> Result<Url, Error> {
    match named {
        Some(url) => Ok(url),
        None => machine::address("AWS_REGION", &format!("https://sts.{region}.{}/", region::domain(region))),
    }
}

/// Takes a role with the token of whoever knows us: a cluster, or another identity provider. There is nothing to sign with.
pub(crate) fn with_web_identity(url: Url, role: &Role, token: &Secret) -> Request {
    let session = role.session.as_deref().unwrap_or(SESSION);
    let fields = [
        ("Action", "AssumeRoleWithWebIdentity"),
        VERSION,
        ("RoleArn", role.arn.as_str()),
        ("RoleSessionName", session),
        ("WebIdentityToken", token.expose_secret()),
    ];
    Request::form(url, &fields, format!("the role {} to the token of this machine", role.arn))
}

/// Takes a role with keys.
pub(crate) fn with_keys(url: Url, role: &Role, keys: &Keys, region: &str, at: Timestamp) -> Request {
    let session = role.session.as_deref().unwrap_or(SESSION);
    let mut fields =
        vec![("Action", "AssumeRole"), VERSION, ("RoleArn", role.arn.as_str()), ("RoleSessionName", session)];
    fields.extend(role.external_id.as_deref().map(|id| ("ExternalId", id)));
    let request = Request::form(url, &fields, format!("the role {} to the access key {}", role.arn, keys.id));
    sign::sign(request, keys, &sign::Scope { region, service: "sts", at })
}

/// Reads the keys of a role.
pub(crate) fn read(answer: &Answer) -> Result<Fresh<Keys>, Error> {
    let malformed = |reason: String| Error::Malformed { url: answer.url.clone(), reason };
    let text = |name: &str| {
        let found = xml::text(answer.body.expose_secret(), name);
        found.ok_or_else(|| malformed(format!("no `{name}`")))
    };
    let (id, secret, session) = (text("AccessKeyId")?, text("SecretAccessKey")?, text("SessionToken")?);
    let end = text("Expiration")?.parse().map_err(|_| malformed("an `Expiration` that is no time".to_owned()))?;
    Keys { id, secret: secret.into(), session: Some(session.into()) }.until(end, answer.now).map_err(malformed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;

    #[test]
    fn answers() {
        let now = "2026-11-27T08:00:00Z".parse().unwrap();
        let answer = |body: &str| Answer { url: "https://sts".to_owned(), body: body.into(), flavor: None, now };
        let good = "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleWithWebIdentityResult>\
            <Credentials><SessionToken>a/b+c=</SessionToken><SecretAccessKey>s</SecretAccessKey><Expiration>2026-11-27T09:00:00Z</Expiration>\
            <AccessKeyId>ASIA</AccessKeyId></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>";
        let fresh = read(&answer(good)).unwrap();
        assert_eq!((fresh.value.id.as_str(), fresh.life), ("ASIA", Duration::from_secs(3600)));
        assert_eq!(fresh.value.session.unwrap().expose_secret(), "a/b+c=");
        let fail = |body: &str| read(&answer(body)).unwrap_err().to_string();
        assert_eq!(
            fail(&good.replace("T09", "T07")),
            "https://sts answers with credentials that ended at 2026-11-27T07:00:00Z"
        );
        assert_eq!(fail("<html/>"), "https://sts answers with no `AccessKeyId`");
    }
}
