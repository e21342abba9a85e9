//! HTTP clients, one for each set of certificates and proxy, so that connections are reused.
//!
//! Building one reads the system's certificate authorities, which takes milliseconds; a client per repository would pay
//! that, and a TLS handshake, a thousand times.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use access::{Proxy, Registry, TlsIdentity};
use indexmap::IndexMap;
use secrecy::ExposeSecret as _;
use secrecy::zeroize::Zeroizing;
use sha2::{Digest as _, Sha256};

use super::error::Error;

/// The most clients kept; certificates change over the months that a bot runs.
const MAX_CLIENTS: usize = 64;
/// How long an unused connection is kept.
const IDLE: Duration = Duration::from_secs(60);

/// Which proxy is asked when the configuration names none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// The one of the environment.
    Environment,
    /// None, since the registry is on this machine.
    Direct,
}

/// Whether the server may see the client certificate configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Identity {
    /// It is the one that the certificate is for.
    Shown,
    /// It is another one.
    Withheld,
}

/// A client, and whether it can trust anybody.
#[derive(Debug, Clone)]
pub(crate) struct Transport {
    pub(crate) http: reqwest::Client,
    pub(crate) trust: Trust,
}

/// Whether there are certificate authorities at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Those of the system, and those configured.
    Authorities,
    /// None, so that only plain HTTP can work.
    Nobody,
}

/// What every client has in common.
#[derive(Debug, Clone)]
pub(crate) struct Common {
    pub(crate) user_agent: String,
    pub(crate) connect_timeout: Duration,
    pub(crate) read_timeout: Duration,
    pub(crate) idle_per_host: usize,
}

/// The clients in use.
#[derive(Debug)]
pub(crate) struct Transports {
    common: Common,
    known: Mutex<IndexMap<[u8; 32], Transport>>,
}

impl Transports {
    pub(crate) fn new(common: Common) -> Self {
        Self { common, known: Mutex::default() }
    }

    /// Returns the client for a registry's certificates and proxy.
    ///
    /// # Errors
    /// A certificate, a key or the proxy's address cannot be used; `authority` is named in the message.
    pub(crate) fn get(
        &self,
        access: &Registry,
        authority: &str,
        route: Route,
        identity: Identity,
    ) -> Result<Transport, Error> {
        let identity = access.tls.identity.as_ref().filter(|_| identity == Identity::Shown);
        let key = fingerprint(access, route, identity);
        // A client is built while the lock is held: it takes milliseconds, and many polls want the same at first.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(transport) = known.get(&key) {
            return Ok(transport.clone());
        }
        let transport = self.build(access, authority, route, identity)?;
        if known.len() >= MAX_CLIENTS {
            known.shift_remove_index(0);
        }
        known.insert(key, transport.clone());
        Ok(transport)
    }

    fn build(
        &self,
        access: &Registry,
        authority: &str,
        route: Route,
        identity: Option<&TlsIdentity>,
    ) -> Result<Transport, Error> {
        let authorities = authorities(access, authority)?;
        let configured = self.configure(access, authority, route, identity)?;
        let has_own = !authorities.is_empty();
        match configured.tls_certs_merge(authorities).build() {
            Ok(http) => Ok(Transport { http, trust: Trust::Authorities }),
            Err(error) if has_own => Err(certificate(authority, "certificates", reason(&error))),
            // A machine without authorities, such as a bare container, must still reach its plain HTTP registry.
            Err(_) => {
                let bare = self.configure(access, authority, route, identity)?.tls_certs_only([]).build();
                let http = bare.map_err(|error| certificate(authority, "certificates", reason(&error)))?;
                Ok(Transport { http, trust: Trust::Nobody })
            }
        }
    }

    /// Everything but the authorities.
    fn configure(
        &self,
        access: &Registry,
        authority: &str,
        route: Route,
        identity: Option<&TlsIdentity>,
    ) -> Result<reqwest::ClientBuilder, Error> {
        let mut builder = reqwest::Client::builder()
            .user_agent(&self.common.user_agent)
            .connect_timeout(self.common.connect_timeout)
            .read_timeout(self.common.read_timeout)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(self.common.idle_per_host)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .http1_only();
        if let Some(identity) = identity {
            builder = builder.identity(client_identity(identity, authority)?);
        }
        builder = match (&access.proxy, route) {
            (Some(proxy), _) => builder.proxy(named_proxy(proxy, authority)?),
            (None, Route::Direct) => builder.no_proxy(),
            (None, Route::Environment) => builder,
        };
        Ok(builder)
    }
}

fn authorities(access: &Registry, authority: &str) -> Result<Vec<reqwest::Certificate>, Error> {
    let Some(pem) = &access.tls.ca else { return Ok(Vec::new()) };
    let what = "certificate authority";
    let found = reqwest::Certificate::from_pem_bundle(pem.as_bytes());
    let found = found.map_err(|error| certificate(authority, what, reason(&error)))?;
    match found.is_empty() {
        true => Err(certificate(authority, what, "it holds no PEM certificate".to_owned())),
        false => Ok(found),
    }
}

fn client_identity(identity: &TlsIdentity, authority: &str) -> Result<reqwest::Identity, Error> {
    let mut pem = Zeroizing::new(identity.key.expose_secret().as_bytes().to_vec());
    pem.push(b'\n');
    pem.extend_from_slice(identity.certificate.as_bytes());
    reqwest::Identity::from_pem(&pem)
        .map_err(|error| certificate(authority, "client certificate and key", reason(&error)))
}

/// Go lets the proxy resolve names for `socks5` too, and users of Flux rely on it.
fn named_proxy(proxy: &Proxy, authority: &str) -> Result<reqwest::Proxy, Error> {
    let fail = |reason: &str| Error::Proxy { registry: authority.to_owned(), reason: reason.to_owned() };
    let address = match proxy.address.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("socks5") => format!("socks5h://{rest}"),
        Some((scheme, _)) if ["http", "https", "socks5h"].iter().any(|s| scheme.eq_ignore_ascii_case(s)) => {
            proxy.address.clone()
        }
        _ => return Err(fail("its address must begin with http://, https:// or socks5://")),
    };
    let named = reqwest::Proxy::all(address).map_err(|_| fail("its address is not a URL"))?;
    Ok(match &proxy.login {
        Some(login) => named.basic_auth(&login.username, login.password.expose_secret()),
        None => named,
    })
}

fn certificate(authority: &str, what: &'static str, reason: String) -> Error {
    Error::Certificate { registry: authority.to_owned(), what, reason }
}

/// Returns the innermost reason of a failure; the outer ones only say that there was one.
pub(crate) fn reason(error: &(dyn std::error::Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

fn fingerprint(access: &Registry, route: Route, identity: Option<&TlsIdentity>) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut add = |text: Option<&str>| {
        hash.update(text.map_or(u64::MAX, |text| text.len() as u64).to_le_bytes());
        hash.update(text.unwrap_or_default());
    };
    add(access.tls.ca.as_deref());
    add(identity.map(|identity| identity.certificate.as_str()));
    add(identity.map(|identity| identity.key.expose_secret()));
    let proxy = access.proxy.as_ref();
    let login = proxy.and_then(|proxy| proxy.login.as_ref());
    add(proxy.map(|proxy| proxy.address.as_str()));
    add(login.map(|login| login.username.as_str()));
    add(login.map(|login| login.password.expose_secret()));
    add((route == Route::Direct).then_some("direct"));
    hash.finalize().into()
}
