//! HTTP clients, one for each way to a server, so that connections are reused.
//!
//! A client for each repository would pay for a TLS handshake and for the system's certificate authorities a thousand times. What
//! makes one client differ from another is a [`Route`]; what all clients of one user have in common is [`Common`]. The
//! authorities are read once for all of them, when the first is built that may have to trust somebody; `trust` says whom.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use access::{Distinct, ExposeSecret as _, Fingerprint, Login, Marks, TlsIdentity};
use indexmap::IndexMap;
use reqwest::ClientBuilder;
use url::Url;

use super::elsewhere::Elsewhere;
use super::place::is_loopback;
use super::silence::reason;
use super::trust::{self, Trusted};

/// The most clients kept; of more, the one that was not used for longest goes. Certificates change over the months that a bot
/// runs.
const MAX_CLIENTS: usize = 64;
/// How often a connection of HTTP/2 on which answers are waited for is asked for a sign of life, and how long that may take.
const PING: Duration = Duration::from_secs(10);
/// How long an unused connection is kept.
const IDLE: Duration = Duration::from_secs(60);

/// What all clients have in common.
#[derive(Debug, Clone)]
pub struct Common {
    /// What the `User-Agent` header says.
    pub user_agent: String,
    /// How long a connection, TLS included, may take.
    pub connect_timeout: Duration,
    /// How long a server may be silent, before an answer or in the middle of it.
    pub read_timeout: Duration,
    /// How many unused connections to one host are kept.
    pub idle_per_host: usize,
}

/// What makes one client differ from another.
#[derive(Debug, Clone)]
pub struct Route<'a> {
    /// Authorities, and certificates of servers, trusted in addition to the system's, as PEM.
    pub authorities: Vec<&'a str>,
    /// The certificate and key that the server may see.
    pub identity: Option<&'a TlsIdentity>,
    /// The proxy.
    pub proxy: ProxyChoice<'a>,
    /// What is spoken.
    pub protocol: Protocol,
}

/// Which proxy is asked.
#[derive(Debug, Clone, Copy)]
pub enum ProxyChoice<'a> {
    /// The one of the environment; for an address of this machine none, since the proxy's own machine cannot be meant.
    Environment,
    /// None.
    Direct,
    /// This one, and none of the environment.
    Named {
        /// `http://`, `https://`, `socks4://`, `socks4a://`, `socks5://` or `socks5h://`, host and port.
        address: &'a str,
        /// User name and password for the proxy.
        login: Option<&'a Login>,
    },
}

/// Which versions of HTTP are spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// 1.1: one request at a time is all that is asked.
    Http1,
    /// 2 where a server at `https` offers it, so that many requests at once are one connection; otherwise 1.1.
    Any,
}

impl Protocol {
    /// What is offered to servers at `https`, the best first.
    fn offered(self) -> Vec<Vec<u8>> {
        let names: &[&[u8]] = match self {
            Self::Http1 => &[b"http/1.1"],
            Self::Any => &[b"h2", b"http/1.1"],
        };
        names.iter().map(|name| name.to_vec()).collect()
    }
}

/// Why no client can be had. Nothing in it is secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// A certificate authority cannot be read.
    #[error("{0}")]
    Authority(String),
    /// The client's own certificate or its key cannot be read.
    #[error("{0}")]
    Identity(String),
    /// The certificates, each readable, cannot be used.
    #[error("{0}")]
    Certificates(String),
    /// The proxy cannot be used.
    #[error("its address {0}")]
    Proxy(&'static str),
    /// Something at `https` is asked for, and nobody can be trusted.
    #[error("this machine has no certificate authorities, and none is configured")]
    NoAuthorities,
}

/// The clients in use, at most 64.
#[derive(Debug)]
pub struct Clients {
    common: Common,
    /// Whether names must not lead to this machine.
    elsewhere: bool,
    known: Mutex<IndexMap<(Fingerprint, Trust), Kept>>,
}

/// A client, and whether it can trust anybody.
#[derive(Debug, Clone)]
struct Kept {
    http: reqwest::Client,
    trust: Trust,
}

/// Whom a client trusts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Trust {
    /// The authorities of the system, and those configured.
    Authorities,
    /// Nobody, so that only plain HTTP can work.
    Nobody,
}

impl Clients {
    /// Creates an empty cache. Nothing is built yet.
    #[must_use]
    pub fn new(common: Common) -> Self {
        Self { common, elsewhere: false, known: Mutex::default() }
    }

    /// The same, where names must lead to other machines, and further than to what is on this one's link. An address in the place of a
    /// name is for the caller to look at: [`is_at_hand`](crate::is_at_hand).
    #[must_use]
    pub fn elsewhere(common: Common) -> Self {
        Self { elsewhere: true, ..Self::new(common) }
    }

    /// Returns the client that goes to an address by a route, made or found. It follows no redirects: that is what a
    /// [`Trail`](crate::Trail) is for.
    ///
    /// # Errors
    /// A certificate, a key or the proxy's address cannot be used, or `to` is at `https` and nobody can be trusted.
    pub fn get(&self, route: &Route<'_>, to: &Url) -> Result<reqwest::Client, Unusable> {
        let proxy = match route.proxy {
            ProxyChoice::Environment if is_loopback(to) => ProxyChoice::Direct,
            chosen => chosen,
        };
        // No proxy is on the way that might be spoken to by TLS.
        let is_plain = to.scheme() == "http" && matches!(proxy, ProxyChoice::Direct);
        let trust = if is_plain { Trust::Nobody } else { Trust::Authorities };
        let kept = self.find(&Route { proxy, ..route.clone() }, trust)?;
        match (kept.trust, to.scheme()) {
            (Trust::Nobody, "https") => Err(Unusable::NoAuthorities),
            _ => Ok(kept.http),
        }
    }

    fn find(&self, route: &Route<'_>, trust: Trust) -> Result<Kept, Unusable> {
        if route.identity.is_some() && speaks_tls(route.proxy) {
            let reason = "begins with https://, so that the proxy would be shown the client certificate too; use one at http:// or \
                          socks5://";
            return Err(Unusable::Proxy(reason));
        }
        let key = (route.fingerprint(), trust);
        // A client is built while the lock is held: it takes milliseconds, and many ask for the same at first.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = match known.shift_remove(&key) {
            Some(kept) => kept,
            None => self.build(route, trust)?,
        };
        if known.len() >= MAX_CLIENTS {
            known.shift_remove_index(0);
        }
        known.insert(key, kept.clone());
        Ok(kept)
    }

    /// Builds a client. It trusts nobody if that is wanted, and on a machine without authorities, such as a bare container, which must
    /// still reach its plain HTTP servers.
    fn build(&self, route: &Route<'_>, wanted: Trust) -> Result<Kept, Unusable> {
        let named = Trusted::of(&route.authorities)?;
        let trusted = match wanted {
            Trust::Authorities => named.and_the_system(),
            Trust::Nobody => Trusted::nobody(),
        };
        let trust = if trusted.is_nobody() { Trust::Nobody } else { Trust::Authorities };
        let mut tls = trust::configuration(trusted, route.identity)?;
        tls.alpn_protocols = route.protocol.offered();
        let mut builder = configure(&self.common, route)?;
        if self.elsewhere {
            builder = builder.dns_resolver(Elsewhere::of_process());
        }
        let http = builder.tls_backend_preconfigured(tls).build();
        Ok(Kept { http: http.map_err(|error| Unusable::Certificates(reason(&error)))?, trust })
    }
}

impl Distinct for Route<'_> {
    fn mark(&self, marks: &mut Marks) {
        let Self { authorities, identity, proxy, protocol } = self;
        authorities.mark(marks);
        identity.mark(marks);
        match proxy {
            ProxyChoice::Environment => "environment".mark(marks),
            ProxyChoice::Direct => "direct".mark(marks),
            ProxyChoice::Named { address, login } => {
                "named".mark(marks);
                address.mark(marks);
                login.mark(marks);
            }
        }
        match protocol {
            Protocol::Http1 => "1".mark(marks),
            Protocol::Any => "any".mark(marks),
        }
    }
}

/// Everything but TLS.
fn configure(common: &Common, route: &Route<'_>) -> Result<ClientBuilder, Unusable> {
    let mut builder = reqwest::Client::builder()
        .user_agent(&common.user_agent)
        .connect_timeout(common.connect_timeout)
        .read_timeout(common.read_timeout)
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(common.idle_per_host)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false);
    match route.protocol {
        Protocol::Http1 => builder = builder.http1_only(),
        // A connection that has died would take all requests with it until their deadlines.
        Protocol::Any => builder = builder.http2_keep_alive_interval(PING).http2_keep_alive_timeout(PING),
    }
    Ok(match route.proxy {
        ProxyChoice::Environment => builder,
        ProxyChoice::Direct => builder.no_proxy(),
        ProxyChoice::Named { address, login } => builder.no_proxy().proxy(named_proxy(address, login)?),
    })
}

/// Go lets the proxy resolve names for `socks5` too, and users of Flux rely on it; a name of the inside, which only the proxy
/// can resolve, is the usual reason to have one.
fn named_proxy(address: &str, login: Option<&Login>) -> Result<reqwest::Proxy, Unusable> {
    const SCHEMES: [&str; 5] = ["http", "https", "socks4", "socks4a", "socks5h"];
    let address = match address.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("socks5") => format!("socks5h://{rest}"),
        Some((scheme, _)) if SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known)) => address.to_owned(),
        _ => return Err(Unusable::Proxy("must begin with http://, https:// or socks5://")),
    };
    let named = reqwest::Proxy::all(address).map_err(|_| Unusable::Proxy("is not a URL"))?;
    Ok(match login {
        Some(login) => named.basic_auth(&login.username, login.password.expose_secret()),
        None => named,
    })
}

/// Whether a proxy is spoken to by TLS itself: a client has one configuration of TLS, for the proxy and for what is behind it.
fn speaks_tls(proxy: ProxyChoice<'_>) -> bool {
    let is_secure = |address: &str| address.trim().get(..8).is_some_and(|start| start.eq_ignore_ascii_case("https://"));
    let variables = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    match proxy {
        ProxyChoice::Named { address, .. } => is_secure(address),
        ProxyChoice::Environment => {
            variables.iter().any(|name| std::env::var(name).is_ok_and(|value| is_secure(&value)))
        }
        ProxyChoice::Direct => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn clients() -> Clients {
        let second = Duration::from_secs(1);
        let (connect_timeout, read_timeout) = (second, second);
        Clients::new(Common { user_agent: "test".to_owned(), connect_timeout, read_timeout, idle_per_host: 1 })
    }

    fn route(address: &str) -> Route<'_> {
        let proxy = ProxyChoice::Named { address, login: None };
        Route { authorities: Vec::new(), identity: None, proxy, protocol: Protocol::Http1 }
    }

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn the_ones_used_last_are_kept() {
        let clients = clients();
        let addresses: Vec<String> = (0..=MAX_CLIENTS).map(|number| format!("http://proxy-{number}:3128")).collect();
        let get = |at: usize| clients.get(&route(&addresses[at]), &url("http://a.io/")).unwrap();
        let has = |at: usize| {
            clients.known.lock().unwrap().contains_key(&(route(&addresses[at]).fingerprint(), Trust::Authorities))
        };
        (0..MAX_CLIENTS).for_each(|at| drop(get(at)));
        drop(get(0));
        drop(get(MAX_CLIENTS));
        assert_eq!(clients.known.lock().unwrap().len(), MAX_CLIENTS);
        assert!(has(0) && !has(1) && has(2) && has(MAX_CLIENTS));
    }

    #[test]
    fn every_part_of_a_route_counts() {
        let identity = TlsIdentity { certificate: "c".to_owned(), key: "k".into() };
        let login = Login { username: "u".to_owned(), password: "p".into() };
        let plain = || Route { proxy: ProxyChoice::Environment, ..route("") };
        let named = |address, login| Route { proxy: ProxyChoice::Named { address, login }, ..plain() };
        let all = [
            plain(),
            Route { proxy: ProxyChoice::Direct, ..plain() },
            Route { protocol: Protocol::Any, ..plain() },
            Route { authorities: vec!["a"], ..plain() },
            Route { authorities: vec!["a", ""], ..plain() },
            Route { identity: Some(&identity), ..plain() },
            named("http://p", None),
            named("http://p", Some(&login)),
        ];
        for (at, one) in all.iter().enumerate() {
            for (other_at, other) in all.iter().enumerate() {
                assert_eq!(one.fingerprint() == other.fingerprint(), at == other_at, "{at} {other_at}");
            }
        }
    }

    /// Whether the environment names a proxy is not known here; this machine is never reached by one.
    #[test]
    fn this_machine_is_reached_without_the_proxy_of_the_environment() {
        let clients = clients();
        let route = Route { proxy: ProxyChoice::Environment, ..route("") };
        let has = |route: &Route<'_>, trust| clients.known.lock().unwrap().contains_key(&(route.fingerprint(), trust));
        let direct = Route { proxy: ProxyChoice::Direct, ..route.clone() };
        clients.get(&route, &url("http://127.0.0.1:5000/")).unwrap();
        assert!(has(&direct, Trust::Nobody), "plain HTTP needs nobody to trust");
        assert!(!has(&route, Trust::Authorities) && !has(&route, Trust::Nobody));
        clients.get(&route, &url("http://a.io/")).unwrap();
        assert!(has(&route, Trust::Authorities), "the proxy may be spoken to by TLS");
    }

    #[test]
    fn what_cannot_be_used_is_told_without_secrets() {
        let clients = clients();
        let get = |route: &Route<'_>| clients.get(route, &url("https://a.io/")).unwrap_err();
        let junk = TlsIdentity { certificate: "junk".to_owned(), key: "hunter2".into() };
        let direct = || Route { proxy: ProxyChoice::Direct, ..route("") };
        let identity = get(&Route { identity: Some(&junk), ..direct() });
        assert!(matches!(&identity, Unusable::Identity(text) if !text.contains("hunter2")), "{identity:?}");
        assert_eq!(
            get(&Route { authorities: vec!["junk"], ..direct() }),
            Unusable::Authority("it holds no PEM certificate".to_owned())
        );
        for address in ["ftp://u:hunter2@p", "p:3128", "http://"] {
            let error = get(&route(address));
            assert!(matches!(error, Unusable::Proxy(_)), "{error:?}");
            assert!(!error.to_string().contains("hunter2"));
        }
    }
}
