//! The way to an HTTP remote: what its access says of certificates and proxies, and what git's own configuration adds.

use std::path::Path;
use std::time::Duration;

use access::TlsIdentity;
use web::{Clients, Common, Protocol, ProxyChoice, Route, Unusable};

use crate::error::Error;
use crate::rules::{Place, Rules};
use crate::settings::Settings;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// How many unused connections to one host are kept.
const IDLE_PER_HOST: usize = 16;

/// The largest file with certificates or a key, in bytes.
const MAX_PEM_BYTES: u64 = 8 << 20;

/// What servers see. The first word is what Git hosts look for.
const USER_AGENT: &str = concat!("git/2 (tagwright/", env!("CARGO_PKG_VERSION"), ")");

/// Returns the clients of this process, none of them built yet.
pub(crate) fn clients(settings: &Settings) -> Clients {
    Clients::new(Common {
        user_agent: USER_AGENT.to_owned(),
        connect_timeout: CONNECT_TIMEOUT,
        read_timeout: settings.read_timeout,
        idle_per_host: IDLE_PER_HOST,
    })
}

/// How a server is reached.
#[derive(Clone)]
pub(super) struct Contact {
    pub(super) client: reqwest::Client,
    /// The proxy on the way, fit to be shown.
    pub(super) proxy: Option<String>,
}

/// What is needed to find the client for a remote, for one operation.
pub(super) struct Ways<'a> {
    access: &'a access::Git,
    remote: &'a str,
    /// The content of the file that `http.sslCAInfo` names.
    ca_info: Option<String>,
    /// The content of the files that `http.sslCert` and `http.sslKey` name.
    identity: Option<TlsIdentity>,
    /// What `http.proxy` says, with a scheme; empty to switch proxies off.
    proxy: Option<String>,
}

impl<'a> Ways<'a> {
    /// Reads what git's configuration says about a remote.
    ///
    /// # Errors
    ///
    /// [`Error::File`] or [`Error::Tls`] when a file that it names cannot be used.
    pub(super) fn of(rules: &Rules, access: &'a access::Git, remote: &'a str, place: Place<'_>) -> Result<Self, Error> {
        let read = |path: &Path, what| read(path, remote, what);
        let ca_info = rules.ca_info(place).map(|path| read(&path, "file of http.sslCAInfo")).transpose()?;
        let identity = match (&access.tls.identity, rules.client_certificate(place)) {
            (None, Some((certificate, key))) => Some(TlsIdentity {
                certificate: read(&certificate, "file of http.sslCert")?,
                key: read(&key, "file of http.sslKey")?.into(),
            }),
            _ => None,
        };
        Ok(Self { access, remote, ca_info, identity, proxy: rules.proxy(place).map(with_scheme) })
    }

    /// Returns how a place is reached; without the client certificate where that is not the remote's home.
    ///
    /// # Errors
    ///
    /// [`Error::Tls`] when a certificate, a key or the proxy cannot be used.
    pub(super) fn contact(&self, clients: &Clients, to: &url::Url, is_home: bool) -> Result<Contact, Error> {
        let tls = &self.access.tls;
        let route = Route {
            authorities: [&tls.ca, &self.ca_info].into_iter().filter_map(|ca| ca.as_deref()).collect(),
            identity: tls.identity.as_ref().or(self.identity.as_ref()).filter(|_| is_home),
            proxy: match (&self.access.proxy, self.proxy.as_deref()) {
                (Some(proxy), _) => ProxyChoice::Named { address: &proxy.address, login: proxy.login.as_ref() },
                (None, Some("")) => ProxyChoice::Direct,
                (None, Some(address)) => ProxyChoice::Named { address, login: None },
                (None, None) => ProxyChoice::Environment,
            },
            protocol: Protocol::Http1,
        };
        let client = clients.get(&route, to).map_err(|unusable| {
            let what = match unusable {
                Unusable::Authority(_) => "certificate authority",
                Unusable::Identity(_) => "client certificate",
                Unusable::Certificates(_) | Unusable::NoAuthorities => "set of certificates",
                Unusable::Proxy(_) => "proxy",
            };
            Error::Tls { remote: self.remote.to_owned(), what, source: Some(unusable) }
        })?;
        Ok(Contact { client, proxy: route.proxy_to(to) })
    }
}

/// git takes `host:port` for a proxy that speaks HTTP.
fn with_scheme(address: &str) -> String {
    match address.is_empty() || address.contains("://") {
        true => address.to_owned(),
        false => format!("http://{address}"),
    }
}

fn read(path: &Path, remote: &str, what: &'static str) -> Result<String, Error> {
    let metadata = std::fs::metadata(path);
    // A pipe would keep us waiting, and a device never end.
    let is_special = metadata.as_ref().is_ok_and(|metadata| !metadata.is_file());
    let size = metadata.map(|metadata| metadata.len());
    if is_special || size.as_ref().is_ok_and(|size| *size > MAX_PEM_BYTES) {
        return Err(Error::Tls { remote: remote.to_owned(), what, source: None });
    }
    let text = size.and_then(|_| std::fs::read_to_string(path));
    text.map_err(|source| Error::File { what: "read", path: path.to_owned(), source })
}
