//! Where a request goes: Docker Hub's names, mirrors, and where plain HTTP is allowed.

use image::{DOCKER_HUB, Repository};
use url::{Host, Url};
use web::{authority, is_loopback};

use super::error::Error;
use super::mirror::Mirror;

/// The hosts under which Docker Hub is known. Requests go to the first, which serves the API as the others do, and is the
/// one that Flux asks.
const DOCKER_HUB_HOSTS: [&str; 3] = [DOCKER_HUB, "docker.io", "registry-1.docker.io"];

/// Whether plain HTTP may be spoken with a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PlainHttp {
    /// Yes; HTTPS is still tried first.
    Allowed,
    /// No.
    Refused,
}

/// One place that may have the tags of a repository.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    /// `host[:port]`, for credentials.
    pub(crate) authority: String,
    /// The API's root when HTTPS is spoken, or the address of a mirror as configured. Ends with a slash.
    pub(crate) root: Url,
    /// The repository's name there, for token scopes.
    pub(crate) scope_name: String,
    /// The repository's name below the root.
    pub(crate) name: String,
    /// Whether plain HTTP may be spoken there.
    pub(crate) plain_http: PlainHttp,
    /// Whether this is the registry itself or a mirror of it.
    pub(crate) role: Role,
}

/// What an endpoint is to the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The registry in the repository's name.
    Registry,
    /// A mirror; its address says what is spoken.
    Mirror,
}

impl Endpoint {
    /// Returns where to ask, in order: mirrors first, then the registry itself.
    pub(crate) fn all(repository: &Repository, mirrors: &[Mirror], insecure: bool) -> Result<Vec<Self>, Error> {
        let unusable = || Error::Name { name: repository.name().to_owned() };
        // The address would be resolved to another one.
        if repository.path().split('/').any(|segment| matches!(segment, "." | "..")) {
            return Err(unusable());
        }
        let mirrors = mirrors.iter().filter(|mirror| mirror.stands_for(repository.registry()));
        let mut all: Vec<Self> = mirrors.map(|mirror| Self::mirror(repository, mirror)).collect();
        all.push(Self::registry(repository, insecure).ok_or_else(unusable)?);
        Ok(all)
    }

    fn registry(repository: &Repository, insecure: bool) -> Option<Self> {
        let authority = canonical_host(repository.registry());
        let root = Url::parse(&format!("https://{authority}/v2/")).ok()?;
        let plain_http = if insecure || is_local(&root) { PlainHttp::Allowed } else { PlainHttp::Refused };
        let name = repository.path().to_owned();
        Some(Self { authority, root, scope_name: name.clone(), name, plain_http, role: Role::Registry })
    }

    fn mirror(repository: &Repository, mirror: &Mirror) -> Self {
        let (root, before) = mirror.root();
        let plain_http = if root.scheme() == "http" { PlainHttp::Allowed } else { PlainHttp::Refused };
        let name = repository.path().to_owned();
        let scope_name = format!("{before}{name}");
        Self { authority: authority(&root), root, scope_name, name, plain_http, role: Role::Mirror }
    }
}

/// Whether a registry's authority is one of Docker Hub's.
pub(crate) fn is_docker_hub(authority: &str) -> bool {
    DOCKER_HUB_HOSTS.iter().any(|host| host.eq_ignore_ascii_case(authority))
}

/// Returns the authority in lower case, and for Docker Hub its canonical one.
pub(crate) fn canonical_host(authority: &str) -> String {
    if is_docker_hub(authority) { DOCKER_HUB.to_owned() } else { authority.to_ascii_lowercase() }
}

/// Whether plain HTTP is allowed without being asked for: this machine and RFC 1918's networks, by their literal
/// addresses, `localhost` and names below it. Flux looks for `127.0.0.1` and `::1` anywhere in the text, which would also
/// take `127.0.0.1.example.com`; this does not.
fn is_local(url: &Url) -> bool {
    is_loopback(url) || matches!(url.host(), Some(Host::Ipv4(address)) if address.is_private())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn plain_http() {
        let cases = [
            ("ghcr.io/a/b", PlainHttp::Refused),
            ("alpine", PlainHttp::Refused),
            ("localhost:5000/ab", PlainHttp::Allowed),
            ("registry.localhost/ab", PlainHttp::Allowed),
            ("registry.localhost:8080/ab", PlainHttp::Allowed),
            ("127.0.0.1:5000/ab", PlainHttp::Allowed),
            ("127.0.0.1/ab", PlainHttp::Allowed),
            ("[::1]:5000/ab", PlainHttp::Allowed),
            ("10.1.2.3/ab", PlainHttp::Allowed),
            ("172.31.0.1:80/ab", PlainHttp::Allowed),
            ("172.32.0.1/ab", PlainHttp::Refused),
            ("192.168.0.9/ab", PlainHttp::Allowed),
            ("8.8.8.8/ab", PlainHttp::Refused),
            ("127.0.0.1.example.com/ab", PlainHttp::Refused),
            ("localhost.example.com:5000/ab", PlainHttp::Refused),
        ];
        for (name, expect) in cases {
            let repository = Repository::parse(name).unwrap();
            let endpoint = &Endpoint::all(&repository, &[], false).unwrap()[0];
            assert_eq!(endpoint.plain_http, expect, "{name}");
            let endpoint = &Endpoint::all(&repository, &[], true).unwrap()[0];
            assert_eq!(endpoint.plain_http, PlainHttp::Allowed, "{name}");
        }
    }

    #[test]
    fn where_to_ask() {
        let mirrors = [
            Mirror::parse("docker.io=http://10.0.0.1:5000/hub").unwrap(),
            Mirror::parse("ghcr.io=https://harbor.example.com/v2/gh").unwrap(),
        ];
        let cases: [(&str, &[&str]); 4] = [
            ("alpine", &["http://10.0.0.1:5000/hub/v2/ library/alpine", "https://index.docker.io/v2/ library/alpine"]),
            ("registry-1.docker.io/a/b", &["http://10.0.0.1:5000/hub/v2/ a/b", "https://index.docker.io/v2/ a/b"]),
            ("ghcr.io/x/y", &["https://harbor.example.com/v2/gh/ gh/x/y", "https://ghcr.io/v2/ x/y"]),
            ("quay.io:8443/x/y", &["https://quay.io:8443/v2/ x/y"]),
        ];
        for (name, expect) in cases {
            let endpoints = Endpoint::all(&Repository::parse(name).unwrap(), &mirrors, false).unwrap();
            let shown: Vec<String> = endpoints.iter().map(|e| format!("{} {}", e.root, e.scope_name)).collect();
            assert_eq!(shown, expect, "{name}");
        }
        assert!(Endpoint::all(&Repository::parse("ghcr.io/../x").unwrap(), &mirrors, false).is_err());
    }
}
