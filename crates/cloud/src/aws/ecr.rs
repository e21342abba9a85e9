//! ECR: which hosts are its registries, how a login is asked for, and what it looks like.

use std::time::Duration;

use access::{ExposeSecret as _, Secret};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::Value;
use url::Url;

use crate::cache::Fresh;
use crate::error::Error;
use crate::machine;
use crate::request::{Answer, Request};

use super::{Keys, region, sign};

/// The user name beside all passwords of ECR.
pub(crate) const USER: &str = "AWS";

/// Both services speak JSON of this version.
const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// Where the login of a registry comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) region: String,
    kind: Kind,
    /// The variables that may name another endpoint.
    pub(crate) variables: [&'static str; 2],
    endpoint: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Private,
    Public,
}

impl Place {
    /// Returns where the login of a registry comes from; None if the host is not one of ECR.
    ///
    /// A private registry is `ACCOUNT.dkr.ecr[-fips].REGION.amazonaws.com`, or `ACCOUNT.dkr-ecr[-fips].REGION.on.aws` by IPv6,
    /// and the same in the domains of other partitions.
    pub(crate) fn of_host(host: &str) -> Option<Self> {
        let host = host.to_ascii_lowercase();
        if matches!(host.as_str(), "public.ecr.aws" | "ecr-public.aws.com") {
            return Some(Self {
                region: "us-east-1".to_owned(),
                kind: Kind::Public,
                variables: ["AWS_ENDPOINT_URL_ECR_PUBLIC", "AWS_ENDPOINT_URL"],
                endpoint: "https://api.ecr-public.us-east-1.amazonaws.com/".to_owned(),
            });
        }
        let (account, rest) = host.split_once('.')?;
        if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let rest = rest.strip_prefix("dkr.").or_else(|| rest.strip_prefix("dkr-"))?;
        let rest = rest.strip_prefix("ecr")?;
        let (fips, rest) = match rest.strip_prefix("-fips") {
            Some(rest) => ("-fips", rest),
            None => ("", rest),
        };
        let (name, domain) = rest.strip_prefix('.')?.split_once('.')?;
        let name = region::parse(name)?;
        let usual = region::domain(name);
        let endpoint = match domain {
            "on.aws" if usual == "amazonaws.com" => format!("https://ecr{fips}.{name}.api.aws/"),
            "on.amazonwebservices.com.cn" if usual == "amazonaws.com.cn" => {
                format!("https://ecr{fips}.{name}.api.amazonwebservices.com.cn/")
            }
            domain if domain == usual => format!("https://api.ecr{fips}.{name}.{usual}/"),
            _ => return None,
        };
        let variables = ["AWS_ENDPOINT_URL_ECR", "AWS_ENDPOINT_URL"];
        Some(Self { region: name.to_owned(), kind: Kind::Private, variables, endpoint })
    }

    /// Returns the request for a login, at an endpoint that somebody has named or at the usual one.
    pub(crate) fn request(&self, named: Option<Url>, keys: &Keys, at: Timestamp) -> Result<Request, Error> {
        let (target, service) = match self.kind {
            Kind::Private => ("AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken", "ecr"),
            Kind::Public => ("SpencerFrontendService.GetAuthorizationToken", "ecr-public"),
        };
        let url = match named {
            Some(url) => url,
            None => machine::address("the host of the registry", &self.endpoint)?,
        };
        let subject = format!("a login of ECR for the access key {}", keys.id);
        let request = Request::post(url, CONTENT_TYPE, "{}".to_owned(), subject).with("x-amz-target", target);
        Ok(sign::sign(request, keys, &sign::Scope { region: &self.region, service, at }))
    }
}

/// Reads a password: of private registries it is in the first of a list, of the public one in an object.
pub(crate) fn read(answer: &Answer) -> Result<Fresh<Secret>, Error> {
    let malformed = |reason: &str| Error::Malformed { url: answer.url.clone(), reason: reason.to_owned() };
    let json: Value = serde_json::from_str(answer.body.expose_secret()).map_err(|_| malformed("what is not JSON"))?;
    let data = json.get("authorizationData");
    let data = data.and_then(|data| data.get(0).or(data.is_object().then_some(data)));
    let token = data.and_then(|data| data.get("authorizationToken")?.as_str()).ok_or_else(|| malformed("no token"))?;
    let pair = STANDARD.decode(token).ok().and_then(|pair| String::from_utf8(pair).ok());
    let password = pair.as_deref().and_then(|pair| pair.strip_prefix(USER)?.strip_prefix(':'));
    let password = password.ok_or_else(|| malformed("a token that is no user name and password"))?;
    let life = data.and_then(|data| life(data.get("expiresAt")?, answer.now)).unwrap_or(DEFAULT_LIFE);
    if life.is_zero() {
        return Err(malformed("a token that has ended"));
    }
    Ok(Fresh { value: password.into(), life })
}

/// How long a token is used whose end is not told. ECR's own live for half a day.
const DEFAULT_LIFE: Duration = Duration::from_secs(3600);

/// The end is a number of seconds since 1970; some that stand in for ECR write it as a text.
fn life(end: &Value, now: Timestamp) -> Option<Duration> {
    let end = match end {
        Value::Number(seconds) => Timestamp::from_second(seconds.as_f64()? as i64).ok()?,
        Value::String(text) => text.parse().ok()?,
        _ => return None,
    };
    Some(Duration::try_from(end.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn hosts() {
        let cases = [
            ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "eu-west-1", "https://api.ecr.eu-west-1.amazonaws.com/"),
            ("123456789012.DKR.ecr.EU-west-1.amazonaws.com", "eu-west-1", "https://api.ecr.eu-west-1.amazonaws.com/"),
            (
                "123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com",
                "us-gov-west-1",
                "https://api.ecr-fips.us-gov-west-1.amazonaws.com/",
            ),
            (
                "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn",
                "cn-north-1",
                "https://api.ecr.cn-north-1.amazonaws.com.cn/",
            ),
            ("123456789012.dkr-ecr.us-east-2.on.aws", "us-east-2", "https://ecr.us-east-2.api.aws/"),
            ("123456789012.dkr-ecr-fips.us-east-2.on.aws", "us-east-2", "https://ecr-fips.us-east-2.api.aws/"),
            (
                "123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu",
                "eusc-de-east-1",
                "https://api.ecr.eusc-de-east-1.amazonaws.eu/",
            ),
            ("public.ecr.aws", "us-east-1", "https://api.ecr-public.us-east-1.amazonaws.com/"),
            ("ecr-public.aws.com", "us-east-1", "https://api.ecr-public.us-east-1.amazonaws.com/"),
        ];
        for (host, region, endpoint) in cases {
            let place = Place::of_host(host).unwrap_or_else(|| panic!("{host}"));
            assert_eq!((place.region.as_str(), place.endpoint.as_str()), (region, endpoint), "{host}");
        }
        for host in [
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.example",
            "123456789012.dkr.ecr.eu-west-1.evil.example",
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com:8443",
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com.cn",
            "123456789012.dkr.ecr.cn-north-1.amazonaws.com",
            "123456789012.dkr.ecr.eu/west-1.amazonaws.com",
            "12345678901.dkr.ecr.eu-west-1.amazonaws.com",
            "12345678901x.dkr.ecr.eu-west-1.amazonaws.com",
            "123456789012.dkr.ecr..amazonaws.com",
            "evil.public.ecr.aws",
            "ghcr.io",
            "",
        ] {
            assert_eq!(Place::of_host(host), None, "{host}");
        }
    }

    fn answer(body: &str) -> Answer {
        let now = "2026-11-27T08:00:00Z".parse().unwrap();
        Answer { url: "https://ecr".to_owned(), body: body.into(), flavor: None, now }
    }

    #[test]
    fn answers() {
        let token = STANDARD.encode("AWS:pass:word");
        let end = "2026-11-27T20:00:00Z".parse::<Timestamp>().unwrap().as_second();
        let item = format!(r#"{{"authorizationToken":"{token}","expiresAt":{end}.123,"proxyEndpoint":"x"}}"#);
        for body in [format!(r#"{{"authorizationData":[{item}]}}"#), format!(r#"{{"authorizationData":{item}}}"#)] {
            let fresh = read(&answer(&body)).unwrap();
            assert_eq!(fresh.value.expose_secret(), "pass:word");
            assert_eq!(fresh.life, Duration::from_secs(12 * 3600));
        }
        let bad = [
            ("x", "what is not JSON"),
            ("{}", "no token"),
            (r#"{"authorizationData":[]}"#, "no token"),
            (r#"{"authorizationData":[{"authorizationToken":"%"}]}"#, "a token that is no user name and password"),
            (
                &format!(r#"{{"authorizationData":[{{"authorizationToken":"{token}","expiresAt":1}}]}}"#),
                "a token that has ended",
            ),
        ];
        for (body, expect) in bad {
            assert_eq!(read(&answer(body)).unwrap_err().to_string(), format!("https://ecr answers with {expect}"));
        }
    }
}
