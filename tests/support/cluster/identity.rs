//! Certificates, tokens and kubeconfigs.

use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// The token of the one who may do everything.
pub(super) const ADMIN: &str = "admin-token";

/// The token of one who may do nothing.
pub(super) const NOBODY: &str = "nobody-token";

/// Tokens that the API server takes: token, user, uid, groups.
const TOKENS: &str = "admin-token,admin,1,\"system:masters\"\nnobody-token,nobody,2\n";

/// An authority, and what it issued to the API server; PEM. Whoever stands in front of the server has the same certificate.
pub(super) struct Certificates {
    pub(super) authority: String,
    certificate: String,
    key: String,
}

impl Certificates {
    pub(super) fn new() -> Self {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.distinguished_name.push(DnType::CommonName, "test-ca");
        let issuer = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let names = ["127.0.0.1", "localhost", "kubernetes.default.svc"].map(str::to_owned);
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
        Self { authority: issuer.pem(), certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// Writes all that the API server reads: certificates, tokens, the keys for those of ServiceAccounts.
    pub(super) fn write(&self, folder: &Path) {
        let signs = KeyPair::generate().unwrap();
        for (name, text) in [
            ("ca.crt", self.authority.as_str()),
            ("server.crt", &self.certificate),
            ("server.key", &self.key),
            ("accounts.key", &signs.serialize_pem()),
            ("accounts.pub", &signs.public_key_pem()),
            ("tokens.csv", TOKENS),
        ] {
            std::fs::write(folder.join(name), text).unwrap();
        }
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let certificate = CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap();
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key);
        TlsAcceptor::from(Arc::new(config.unwrap()))
    }

    pub(super) fn connector(&self) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority.as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        TlsConnector::from(Arc::new(config))
    }
}

/// The text of a kubeconfig, as kubectl reads it as well.
pub(super) fn kubeconfig(url: &str, authority: &Path, token: &str, namespace: &str) -> String {
    let authority = authority.display();
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
         clusters:\n- name: test\n  cluster: {{server: '{url}', certificate-authority: '{authority}'}}\n\
         users:\n- name: test\n  user: {{token: '{token}'}}\n\
         contexts:\n- name: test\n  context: {{cluster: test, user: test, namespace: '{namespace}'}}\n"
    )
}
