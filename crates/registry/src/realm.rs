//! Which servers may give out the tokens of a registry.
//!
//! A registry names its token server, and nobody else knows where that is (Docker Hub's is elsewhere), so it may be on any host of
//! the web. There are limits, since a login goes there, and since a registry out there must not make us ask around inside:
//!
//! - HTTPS. Plain HTTP where the registry itself speaks it, so that nothing is said in the open that was secret before; what
//!   stayed on this machine was.
//! - A private address only where it is the registry's own host, or where the registry is on a private network, too: its name
//!   is such an address, or one that only a private network has. Addresses by which clouds give out credentials never count.
//! - Of a registry on this machine, another address of this machine only when no login goes along: there, anybody may listen.
//!
//! Whoever knows better says so with [`TokenServers`], for one registry and one server.

use url::Url;
use web::words::one_line;
use web::{Origin, is_inside, is_loopback, is_private, show};

use super::endpoint::{Endpoint, canonical_host};
use super::error::Error;
use super::login::Credential;
use super::pair::{Pair, WrongPair};

/// Servers that an operator trusts with the tokens of a registry, wherever they are.
///
/// ```
/// use registry::TokenServers;
/// assert!(TokenServers::parse("harbor.example.com=https://10.0.0.5, git.example.com:5050=http://10.0.0.6:8080").is_ok());
/// assert!(TokenServers::parse("10.0.0.5").is_err());
/// ```
#[derive(Debug, Clone, Default)]
pub struct TokenServers(Vec<(String, Origin)>);

impl TokenServers {
    /// The environment variable that names them.
    pub const VARIABLE: &str = "TAGWRIGHT_TOKEN_SERVERS";

    /// Reads `HOST=URL` for each registry, with blanks or commas between them. Scheme, host and port of the address count.
    ///
    /// # Errors
    /// A part has another form, or its address a login, a query or a fragment.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let parts = text.split([',', ' ', '\t', '\n']).filter(|part| !part.is_empty());
        let server = |part| match Pair::parse(part) {
            Ok(Pair { host, url }) => Ok((canonical_host(&host), Origin::of(&url))),
            Err(WrongPair { text, reason }) => Err(Error::TokenServer { text, reason }),
        };
        Ok(Self(parts.map(server).collect::<Result<_, _>>()?))
    }

    fn allow(&self, endpoint: &Endpoint, realm: &Url) -> bool {
        let realm = Origin::of(realm);
        self.0.iter().any(|(host, server)| *host == endpoint.authority && *server == realm)
    }
}

/// Reads the realm that a registry names, and checks that tokens may be asked for there with a credential.
///
/// # Errors
/// They may not.
pub(crate) fn check(
    realm: &str,
    endpoint: &Endpoint,
    credential: &Credential,
    servers: &TokenServers,
) -> Result<Url, Error> {
    let refuse = |realm: String, reason| Error::Realm { registry: endpoint.authority.clone(), realm, reason };
    let own = realm.starts_with('/').then_some(&endpoint.root);
    let Ok(url) = Url::options().base_url(own).parse(realm) else {
        return Err(refuse(format!("{:?}", one_line(realm, 100)), "is not an address"));
    };
    let root = &endpoint.root;
    let reason = if !matches!(url.scheme(), "http" | "https") {
        "is not an address of the web"
    } else if !url.username().is_empty() || url.password().is_some() {
        "has a login in it"
    } else if servers.allow(endpoint, &url) {
        return Ok(url);
    } else if url.scheme() == "http" && root.scheme() != "http" {
        "is plain HTTP"
    } else if url.scheme() == "http" && is_loopback(root) && !is_loopback(&url) {
        "is plain HTTP, and not on this machine as the registry is"
    } else if is_private(&url) && !is_near(&url, root, credential) {
        "is a private address and not the registry's own"
    } else {
        return Ok(url);
    };
    Err(refuse(show(&url), reason))
}

/// Whether a private address may be asked because of where the registry is.
fn is_near(url: &Url, root: &Url, credential: &Credential) -> bool {
    let is_own = url.host() == root.host();
    let is_on_this_machine = is_loopback(root) && is_loopback(url) && credential.is_anonymous();
    is_own || is_on_this_machine || (is_inside(root) && is_inside(url))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use access::Login;
    use image::Repository;

    /// An endpoint as it is once it is known what is spoken there: plain HTTP on port 5000.
    fn endpoint(name: &str) -> Endpoint {
        let mut endpoint = Endpoint::all(&Repository::parse(name).unwrap(), &[], false).unwrap().remove(0);
        if endpoint.root.port() == Some(5000) {
            endpoint.root.set_scheme("http").unwrap();
        }
        endpoint
    }

    fn login() -> Credential {
        Credential::Login(Login { username: "me".to_owned(), password: "sesame".into() })
    }

    #[test]
    fn realms() {
        let servers = TokenServers::default();
        let cases = [
            ("ghcr.io/a/b", "https://ghcr.io/token", "ok"),
            ("ghcr.io/a/b", "https://auth.example.com:8443/t?x=y", "ok"),
            (
                "ghcr.io/a/b",
                "http://ghcr.io/token",
                "'ghcr.io' names http://ghcr.io/token for tokens, which is plain HTTP",
            ),
            (
                "ghcr.io/a/b",
                "https://10.0.0.1/t?s=secret",
                "'ghcr.io' names https://10.0.0.1/t for tokens, which is a private address and not the registry's own",
            ),
            (
                "ghcr.io/a/b",
                "https://169.254.169.254/",
                "'ghcr.io' names https://169.254.169.254/ for tokens, which is a private address and not the registry's own",
            ),
            (
                "ghcr.io/a/b",
                "https://u:p@ghcr.io/",
                "'ghcr.io' names https://ghcr.io/ for tokens, which has a login in it",
            ),
            ("ghcr.io/a/b", "", "'ghcr.io' names \"\" for tokens, which is not an address"),
            (
                "ghcr.io/a/b",
                "file:///etc/passwd",
                "'ghcr.io' names file:///etc/passwd for tokens, which is not an address of the web",
            ),
            ("10.0.0.1/ab", "https://10.0.0.2:8443/token", "ok"),
            ("10.0.0.1/ab", "https://[fd00::2]/token", "ok"),
            ("10.0.0.1:5000/ab", "http://192.168.0.2/token", "ok"),
            ("100.64.0.1/ab", "https://100.64.0.2/token", "ok"),
            ("127.0.0.1:5000/ab", "http://127.0.0.1:5001/token", "ok"),
            (
                "127.0.0.1:5000/ab",
                "http://127.0.0.2:5001/token",
                "'127.0.0.1:5000' names http://127.0.0.2:5001/token for tokens, which is a private address and not the registry's own",
            ),
            (
                "127.0.0.1:5000/ab",
                "http://auth.example.com/token",
                "'127.0.0.1:5000' names http://auth.example.com/token for tokens, which is plain HTTP, and not on this machine as the registry is",
            ),
            ("10.0.0.1:5000/ab", "http://auth.example.com/token", "ok"),
            ("10.0.0.1/ab", "https://auth.example.com/token", "ok"),
            (
                "127.0.0.1:5001/ab",
                "http://127.0.0.1:5001/token",
                "'127.0.0.1:5001' names http://127.0.0.1:5001/token for tokens, which is plain HTTP",
            ),
        ];
        for (name, realm, expect) in cases {
            let found =
                check(realm, &endpoint(name), &login(), &servers).map_or_else(|error| error.to_string(), String::from);
            assert_eq!(found, if expect == "ok" { realm } else { expect }, "{name} {realm}");
        }
    }

    #[test]
    fn private_networks() {
        let servers = TokenServers::default();
        let ask =
            |name: &str, realm: &str, credential: &Credential| check(realm, &endpoint(name), credential, &servers);
        for name in
            ["harbor.lan/a/b", "registry.corp:8443/a/b", "registry.tools.svc/a/b", "r.tools.svc.cluster.local/a/b"]
        {
            assert!(ask(name, "https://10.0.0.5/service/token", &login()).is_ok(), "{name}");
        }
        for realm in [
            "https://169.254.169.254/t",
            "https://[fd00:ec2::254]/t",
            "https://100.100.100.200/t",
            "https://127.0.0.1/t",
        ] {
            assert!(ask("10.0.0.1/a/b", realm, &Credential::Anonymous).is_err(), "{realm}");
            assert!(ask("harbor.lan/a/b", realm, &Credential::Anonymous).is_err(), "{realm}");
        }
        let aside = "http://127.0.0.2:5001/token";
        assert!(ask("127.0.0.1:5000/a/b", aside, &Credential::Anonymous).is_ok());
        assert!(ask("127.0.0.1:5000/a/b", aside, &login()).is_err());
        assert_eq!(ask("ghcr.io/a/b", "/token?x=y", &login()).unwrap().as_str(), "https://ghcr.io/token?x=y");
        assert!(ask("ghcr.io/a/b", "//10.0.0.1/token", &login()).is_err());
    }

    #[test]
    fn what_an_operator_allows() {
        let servers = TokenServers::parse("GHCR.io=https://10.0.0.5:8443/x docker.io=http://10.0.0.6").unwrap();
        let ask = |name: &str, realm: &str| check(realm, &endpoint(name), &login(), &servers).is_ok();
        assert!(ask("ghcr.io/a/b", "https://10.0.0.5:8443/token"));
        assert!(ask("alpine", "http://10.0.0.6/token"), "the scheme is the operator's choice");
        assert!(!ask("ghcr.io/a/b", "https://10.0.0.5/token"), "another port");
        assert!(!ask("ghcr.io/a/b", "http://10.0.0.5:8443/token"), "another scheme");
        assert!(!ask("quay.io/a/b", "https://10.0.0.5:8443/token"), "another registry");
        assert!(!ask("ghcr.io/a/b", "https://u:p@10.0.0.5:8443/token"));
        let error = TokenServers::parse("a.io=https://u:hunter2@10.0.0.1").unwrap_err().to_string();
        assert!(error.starts_with("TAGWRIGHT_TOKEN_SERVERS: \"a.io=https://…@10.0.0.1\""), "{error}");
    }
}
