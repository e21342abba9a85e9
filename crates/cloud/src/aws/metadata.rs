//! The metadata of a machine at EC2, version 2: a token first, then the role, then its keys.

use access::Secret;
use reqwest::Method;
use url::Url;

use crate::error::Error;
use crate::machine::{self, Environment, below};
use crate::request::Request;

/// The variable that says not to ask.
pub(crate) const DISABLED: &str = "AWS_EC2_METADATA_DISABLED";
const ENDPOINT: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
const MODE: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE";
/// How long a token is to be good, in seconds: the longest that there is.
const TOKEN_LIFE: &str = "21600";

/// Returns where the metadata is.
pub(crate) fn address(environment: &Environment) -> Result<Url, Error> {
    if let Some(url) = environment.endpoint(&[ENDPOINT])? {
        return Ok(url);
    }
    match environment.get(MODE) {
        Some(mode) if mode.eq_ignore_ascii_case("ipv6") => machine::address(MODE, "http://[fd00:ec2::254]"),
        _ => machine::address(ENDPOINT, "http://169.254.169.254"),
    }
}

pub(crate) fn token(base: &Url) -> Request {
    let url = below(base, "/latest/api/token");
    let request = Request { method: Method::PUT, ..Request::get(url, "a token for the metadata of this machine") };
    request.near().with("x-aws-ec2-metadata-token-ttl-seconds", TOKEN_LIFE)
}

/// Asks for the name of the machine's role.
pub(crate) fn role(base: &Url, token: &Secret) -> Request {
    let url = below(base, "/latest/meta-data/iam/security-credentials/");
    Request::get(url, "the role of this machine").near().with("x-aws-ec2-metadata-token", token.clone())
}

/// Asks for the keys of a role. Its name came from the metadata.
pub(crate) fn keys(base: &Url, token: &Secret, role: &str) -> Request {
    let mut url = below(base, "/latest/meta-data/iam/security-credentials");
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.push(role);
    }
    Request::get(url, format!("credentials of the role {role}")).near().with("x-aws-ec2-metadata-token", token.clone())
}
