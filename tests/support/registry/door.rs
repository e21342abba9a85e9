//! How connections get into the simulated registry: counted, and over TLS where it has certificates.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, IsCa, KeyPair};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs::sign::any_supported_type;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::{ALL_VERSIONS, RootCertStore, ServerConfig, SupportedProtocolVersion};

/// Either side of a connection.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Accepts connections.
pub(super) struct Door {
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    count: Arc<AtomicUsize>,
    certified: Arc<AtomicUsize>,
}

impl Door {
    pub(super) fn new(
        listener: TcpListener,
        acceptor: Option<TlsAcceptor>,
        count: Arc<AtomicUsize>,
        certified: Arc<AtomicUsize>,
    ) -> Self {
        Self { listener, acceptor, count, certified }
    }
}

impl axum::serve::Listener for Door {
    type Io = Box<dyn Stream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            let Ok((stream, address)) = self.listener.accept().await else { continue };
            self.count.fetch_add(1, Ordering::SeqCst);
            match &self.acceptor {
                None => return (Box::new(stream), address),
                Some(acceptor) => {
                    // Whoever does not get through the handshake is the client's business.
                    if let Ok(stream) = acceptor.accept(stream).await {
                        let is_certified = stream.get_ref().1.peer_certificates().is_some();
                        self.certified.fetch_add(usize::from(is_certified), Ordering::SeqCst);
                        return (Box::new(stream), address);
                    }
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A certificate authority made for one test, and what it issued.
pub struct Certificates {
    /// The authority, PEM.
    pub ca: String,
    /// A client's certificate, PEM.
    pub client_certificate: String,
    /// Its key, PEM.
    pub client_key: String,
    /// The certificate of the server, PEM.
    pub server_certificate: String,
    server_key: String,
    clients: Clients,
    /// The versions of TLS that are spoken.
    pub versions: &'static [&'static SupportedProtocolVersion],
    /// Whether HTTP/2 is offered.
    pub http2: bool,
}

/// Whether clients must show a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clients {
    Anybody,
    /// They are asked for one, and may have none.
    Asked,
    Certified,
}

impl Certificates {
    /// Makes an authority, a server certificate for 127.0.0.1 and localhost, and a client certificate.
    pub fn new(clients: Clients) -> Self {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let issue = |names: &[&str]| {
            let key = KeyPair::generate().unwrap();
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
            (certificate.pem(), key.serialize_pem())
        };
        let (server_certificate, server_key) = issue(&["127.0.0.1", "localhost"]);
        let (client_certificate, client_key) = issue(&["client.example.com"]);
        let ca = issuer.pem();
        let (versions, http2) = (ALL_VERSIONS, false);
        Self { ca, client_certificate, client_key, server_certificate, server_key, clients, versions, http2 }
    }

    /// An authority, and a server certificate with other properties.
    pub fn issued(change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let (key, params) = (KeyPair::generate().unwrap(), for_this_machine(change));
        let certificate = params.signed_by(&key, &issuer).unwrap();
        Self::pair(issuer.pem(), certificate.pem(), key.serialize_pem())
    }

    /// A server certificate with other properties that nobody has signed but its own key; it is its own authority.
    pub fn self_signed(change: impl FnOnce(&mut CertificateParams)) -> Self {
        let (key, params) = (KeyPair::generate().unwrap(), for_this_machine(change));
        let certificate = params.self_signed(&key).unwrap().pem();
        Self::pair(certificate.clone(), certificate, key.serialize_pem())
    }

    /// A certificate of X.509's first version, its own authority.
    pub fn of_version_one() -> Self {
        let certificate = include_str!("../../../fixtures/tls/v1.pem").to_owned();
        Self::pair(certificate.clone(), certificate, include_str!("../../../fixtures/tls/v1-key.pem").to_owned())
    }

    fn pair(ca: String, server_certificate: String, server_key: String) -> Self {
        Self { ca, server_certificate, server_key, ..Self::new(Clients::Anybody) }
    }

    /// Who speaks TLS with them.
    pub fn acceptor(&self) -> TlsAcceptor {
        let builder = ServerConfig::builder_with_protocol_versions(self.versions);
        let builder = match self.clients {
            Clients::Anybody => builder.with_no_client_auth(),
            Clients::Asked | Clients::Certified => {
                let mut roots = RootCertStore::empty();
                roots.add(CertificateDer::from_pem_slice(self.ca.as_bytes()).unwrap()).unwrap();
                let verifier = WebPkiClientVerifier::builder(Arc::new(roots));
                let verifier = match self.clients {
                    Clients::Asked => verifier.allow_unauthenticated(),
                    _ => verifier,
                };
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let certificate = CertificateDer::from_pem_slice(self.server_certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(self.server_key.as_bytes()).unwrap();
        // Without a look at whether they belong together, since no certificate of the first version would pass that.
        let key = any_supported_type(&key).unwrap();
        let resolver = SingleCertAndKey::from(CertifiedKey::new(vec![certificate], key));
        let mut config = builder.with_cert_resolver(Arc::new(resolver));
        if self.http2 {
            config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        }
        TlsAcceptor::from(Arc::new(config))
    }
}

fn for_this_machine(change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let mut params = CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    params.distinguished_name = DistinguishedName::new();
    change(&mut params);
    params
}
