//! Credentials of a container: ECS and the Pod Identity of EKS.
//!
//! The endpoint is asked with a token that is for it alone, so it has to be `https`, or to be at this machine or its node: of a
//! name at plain HTTP every address it has is looked at, and it is the address that is asked.

use std::net::IpAddr;

use access::Secret;
use url::{Host, Url};

use crate::error::Error;
use crate::machine::Environment;
use crate::request::Request;

/// Where ECS answers for a relative address.
const RELATIVE: &str = "http://169.254.170.2";
const RELATIVE_URI: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
const FULL_URI: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
/// The variable that names the file with the token, which is read anew each time, since it is renewed.
pub(crate) const TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
/// The variable that holds the token itself, where there is no file.
pub(crate) const TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";

/// Returns where the credentials are; None where this is no container.
pub(crate) fn address(environment: &Environment) -> Result<Option<Url>, Error> {
    let (name, text) = match (environment.get(RELATIVE_URI), environment.get(FULL_URI)) {
        (Some(relative), _) if relative.starts_with('/') => (RELATIVE_URI, format!("{RELATIVE}{relative}")),
        (Some(_), _) => return Err(wrong(RELATIVE_URI, "must begin with a slash")),
        (None, Some(full)) => (FULL_URI, full.to_owned()),
        (None, None) => return Ok(None),
    };
    let url = Url::parse(&text).map_err(|_| wrong(name, "is not a URL"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some() {
        return Err(wrong(name, "must begin with http:// or https://, and have no login"));
    }
    Ok(Some(url))
}

/// Returns the address to ask: at plain HTTP one of this machine or its node, which a name must lead to and to nothing else.
pub(crate) async fn checked(url: Url) -> Result<Url, Error> {
    if url.scheme() == "https" {
        return Ok(url);
    }
    let addresses: Vec<IpAddr> = match url.host() {
        Some(Host::Ipv4(address)) => vec![address.into()],
        Some(Host::Ipv6(address)) => vec![address.into()],
        Some(Host::Domain(name)) => {
            let found = tokio::net::lookup_host((name, url.port_or_known_default().unwrap_or(80))).await;
            let found = found.map_err(|_| wrong(FULL_URI, "names a host that is not known"))?;
            found.map(|address| address.ip()).collect()
        }
        None => Vec::new(),
    };
    match addresses.first() {
        Some(first) if addresses.iter().all(is_near) => {
            let mut url = url;
            // This fails only for addresses that cannot have a host.
            let _ = url.set_ip_host(*first);
            Ok(url)
        }
        _ => Err(wrong(FULL_URI, "must begin with https://, since its host is neither this machine nor its node")),
    }
}

fn is_near(address: &IpAddr) -> bool {
    const NODE: [&str; 3] = ["169.254.170.2", "169.254.170.23", "fd00:ec2::23"];
    let address = address.to_canonical();
    address.is_loopback() || NODE.iter().any(|node| node.parse() == Ok(address))
}

pub(crate) fn request(url: Url, token: Option<Secret>) -> Request {
    let request = Request::get(url, "credentials to this container").near();
    match token {
        Some(token) => request.with("authorization", token),
        None => request,
    }
}

fn wrong(name: &str, reason: &str) -> Error {
    Error::Setting { name: name.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn environment(name: &str, value: &str) -> Environment {
        [(name.to_owned(), value.to_owned())].into_iter().collect()
    }

    #[tokio::test]
    async fn whom_the_token_is_for() {
        for (name, value, expect) in [
            (RELATIVE_URI, "/v2/credentials/x?y=z", "http://169.254.170.2/v2/credentials/x?y=z"),
            (FULL_URI, "http://169.254.170.23/v1/credentials", "http://169.254.170.23/v1/credentials"),
            (FULL_URI, "http://[fd00:ec2::23]/v1/credentials", "http://[fd00:ec2::23]/v1/credentials"),
            (FULL_URI, "http://127.0.0.1:8080/x", "http://127.0.0.1:8080/x"),
            (FULL_URI, "https://credentials.example.com/x", "https://credentials.example.com/x"),
        ] {
            let url = address(&environment(name, value)).unwrap().unwrap();
            assert_eq!(checked(url).await.unwrap().as_str(), expect, "{value}");
        }
        let local = address(&environment(FULL_URI, "http://localhost:8080/x")).unwrap().unwrap();
        assert!(
            matches!(checked(local).await.unwrap().host(), Some(Host::Ipv4(_) | Host::Ipv6(_))),
            "what was looked up is asked"
        );
        for value in
            ["http://169.254.169.254/latest", "http://10.0.0.1/x", "http://192.0.2.1/x", "http://[fd00:ec2::254]/x"]
        {
            let url = address(&environment(FULL_URI, value)).unwrap().unwrap();
            assert!(checked(url).await.is_err(), "{value}");
        }
        assert!(address(&environment(FULL_URI, "ftp://127.0.0.1/x")).is_err());
        assert!(address(&environment(RELATIVE_URI, "@evil.example/x")).is_err());
        assert!(address(&Environment::default()).unwrap().is_none());
    }
}
