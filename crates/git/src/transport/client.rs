//! HTTP clients, one for each combination of certificates and proxy, so that connections are shared.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use access::{self, ExposeSecret};
use reqwest::{Certificate, Client, Identity, Proxy};
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::rules::Rules;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// The most clients kept; beyond that, all are forgotten.
const MAX_CLIENTS: usize = 256;

/// The largest file with authorities.
const MAX_CA_BYTES: u64 = 8 << 20;

/// What servers see. The first word is what Git hosts look for.
const USER_AGENT: &str = concat!("git/2 (tagwright/", env!("CARGO_PKG_VERSION"), ")");

/// All clients of this process.
#[derive(Default)]
pub(crate) struct Clients(Mutex<HashMap<[u8; 32], Client>>);

/// What makes one client differ from another.
struct Parts<'a> {
    ca: Vec<String>,
    identity: Option<&'a access::TlsIdentity>,
    proxy: ProxyChoice<'a>,
}

enum ProxyChoice<'a> {
    /// Of the environment.
    Machine,
    /// Switched off by git's configuration.
    None,
    Address(&'a str, Option<&'a access::Login>),
}

impl Clients {
    /// Returns the client for a remote, made or found. To another server than the one configured `is_home` is false, and the
    /// client shows no certificate.
    pub(super) fn client(
        &self,
        rules: &Rules,
        access: &access::Git,
        remote: &str,
        url: &url::Url,
        is_home: bool,
    ) -> Result<Client, Error> {
        let mut parts = Parts::of(rules, access, remote, url)?;
        parts.identity = parts.identity.filter(|_| is_home);
        let key = parts.key();
        if let Some(client) = self.lock().get(&key) {
            return Ok(client.clone());
        }
        let client = parts.build(remote)?;
        let mut clients = self.lock();
        if clients.len() >= MAX_CLIENTS {
            clients.clear();
        }
        clients.insert(key, client.clone());
        Ok(client)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], Client>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> Parts<'a> {
    fn of(rules: &'a Rules, access: &'a access::Git, remote: &str, url: &url::Url) -> Result<Self, Error> {
        let mut ca: Vec<String> = access.tls.ca.clone().into_iter().collect();
        if let Some(path) = rules.ca_info(url) {
            ca.push(read_ca(&path, remote)?);
        }
        let proxy = match (&access.proxy, rules.proxy(url)) {
            (Some(proxy), _) => ProxyChoice::Address(&proxy.address, proxy.login.as_ref()),
            (None, Some("")) => ProxyChoice::None,
            (None, Some(address)) => ProxyChoice::Address(address, None),
            (None, None) => ProxyChoice::Machine,
        };
        Ok(Self { ca, identity: access.tls.identity.as_ref(), proxy })
    }

    /// Hashes everything, so that no secret is kept as a key.
    fn key(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let mut add = |text: &str| {
            hash.update(text.len().to_le_bytes());
            hash.update(text);
        };
        self.ca.iter().for_each(|ca| add(ca));
        add("identity");
        if let Some(identity) = self.identity {
            add(&identity.certificate);
            add(identity.key.expose_secret());
        }
        match self.proxy {
            ProxyChoice::Machine => add("machine"),
            ProxyChoice::None => add("none"),
            ProxyChoice::Address(address, login) => {
                add("proxy");
                add(address);
                if let Some(login) = login {
                    add(&login.username);
                    add(login.password.expose_secret());
                }
            }
        }
        hash.finalize().into()
    }

    fn build(&self, remote: &str) -> Result<Client, Error> {
        let failed = |what| move |source: reqwest::Error| unusable(remote, what, Some(source.without_url()));
        let mut builder = Client::builder()
            .user_agent(USER_AGENT)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT);
        for pem in &self.ca {
            let authorities = Certificate::from_pem_bundle(pem.as_bytes()).map_err(failed("certificate authority"))?;
            if authorities.is_empty() {
                return Err(unusable(remote, "certificate authority", None));
            }
            builder = builder.tls_certs_merge(authorities);
        }
        if let Some(identity) = self.identity {
            let pem = format!("{}\n{}", identity.certificate, identity.key.expose_secret());
            let identity = Identity::from_pem(pem.as_bytes()).map_err(failed("client certificate"))?;
            builder = builder.identity(identity);
        }
        builder = match self.proxy {
            ProxyChoice::Machine => builder,
            ProxyChoice::None => builder.no_proxy(),
            ProxyChoice::Address(address, login) => {
                let mut proxy = Proxy::all(address).map_err(failed("proxy"))?;
                if let Some(login) = login {
                    proxy = proxy.basic_auth(&login.username, login.password.expose_secret());
                }
                builder.no_proxy().proxy(proxy)
            }
        };
        builder.build().map_err(failed("set of certificates"))
    }
}

fn read_ca(path: &Path, remote: &str) -> Result<String, Error> {
    let size = std::fs::metadata(path).map(|metadata| metadata.len());
    if size.as_ref().is_ok_and(|size| *size > MAX_CA_BYTES) {
        return Err(unusable(remote, "file of http.sslCAInfo", None));
    }
    let text = size.and_then(|_| std::fs::read_to_string(path));
    text.map_err(|source| Error::File { what: "read", path: path.to_owned(), source })
}

fn unusable(remote: &str, what: &'static str, source: Option<reqwest::Error>) -> Error {
    Error::Tls { remote: remote.to_owned(), what, source }
}
