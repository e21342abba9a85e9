//! Whom a client trusts, and what it shows of itself: its configuration of TLS.
//!
//! A server is trusted by the authorities of the system and those that are configured, as webpki sees it. Beyond that, a server's
//! certificate is trusted where it is itself one of those that are configured, byte for byte, whatever it is otherwise:
//!
//! - a self-signed one that says of itself that it is an authority, as OpenSSL's defaults and Docker's recipe make it, or that
//!   it is none, or is of X.509's first version and says nothing;
//! - one that an authority has issued which nobody named.
//!
//! Its dates and its purpose count, and its name has to be the host's, in `subjectAltName`, or, where it has none, as its common name; and the
//! server proves that it has the key, as always. That is how curl, git and Go take such certificates. Nothing becomes weaker by
//! it: who has the key of a certificate that is named here could issue any other with it. Where nothing is configured, only
//! those of the system can be meant, of which the same is true.

use std::sync::{Arc, LazyLock};

use access::{ExposeSecret as _, TlsIdentity};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::clients::Unusable;
use super::named::Named;

/// The certificates of the system, where `SSL_CERT_FILE` and `SSL_CERT_DIR` do not name others. Reading them opens hundreds of
/// files, which was two thirds of what a run with nothing to do costs.
static SYSTEM: LazyLock<Trusted> = LazyLock::new(|| {
    let mut system = Trusted::nobody();
    // One that cannot be used is none; it must not spoil the others.
    rustls_native_certs::load_native_certs().certs.into_iter().for_each(|certificate| drop(system.add(certificate)));
    system
});

/// What a client trusts. Clones share it: the system's certificates take half a megabyte.
#[derive(Debug, Clone)]
pub(super) struct Trusted {
    authorities: Arc<RootCertStore>,
    certificates: Arc<Vec<CertificateDer<'static>>>,
}

impl Trusted {
    /// Trusts nobody.
    pub(super) fn nobody() -> Self {
        Self { authorities: Arc::new(RootCertStore::empty()), certificates: Arc::default() }
    }

    /// Trusts the certificates in texts of PEM.
    ///
    /// # Errors
    /// A text has no certificate, or one that cannot be read.
    pub(super) fn of(texts: &[&str]) -> Result<Self, Unusable> {
        let mut trusted = Self::nobody();
        for pem in texts {
            let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
            let found = found.map_err(|_| unreadable("a PEM certificate in it is cut off or damaged"))?;
            if found.is_empty() {
                return Err(unreadable("it holds no PEM certificate"));
            }
            for certificate in found {
                trusted.add(certificate)?;
            }
        }
        Ok(trusted)
    }

    /// Trusts the system's certificates as well.
    pub(super) fn and_the_system(mut self) -> Self {
        if self.is_nobody() {
            return SYSTEM.clone();
        }
        Arc::make_mut(&mut self.authorities).extend(SYSTEM.authorities.roots.iter().cloned());
        Arc::make_mut(&mut self.certificates).extend(SYSTEM.certificates.iter().cloned());
        self
    }

    /// Whether nobody is trusted.
    pub(super) fn is_nobody(&self) -> bool {
        self.certificates.is_empty()
    }

    fn add(&mut self, certificate: CertificateDer<'static>) -> Result<(), Unusable> {
        let is_authority = Arc::make_mut(&mut self.authorities).add(certificate.clone()).is_ok();
        if !is_authority && Named::read(&certificate).is_none() {
            return Err(unreadable("what a PEM certificate in it holds is none"));
        }
        Arc::make_mut(&mut self.certificates).push(certificate);
        Ok(())
    }
}

/// Returns the configuration of TLS of a client.
///
/// # Errors
/// The client's own certificate or its key cannot be used.
pub(super) fn configuration(trusted: Trusted, identity: Option<&TlsIdentity>) -> Result<ClientConfig, Unusable> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = Arc::new(Verifier::new(trusted, &provider));
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| Unusable::Certificates(error.to_string()))?;
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    let configuration = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let (chain, key) = read(identity)?;
            let unusable = |_| Unusable::Identity("the key does not belong to the certificate".to_owned());
            builder.with_client_auth_cert(chain, key).map_err(unusable)?
        }
    };
    Ok(configuration)
}

fn read(identity: &TlsIdentity) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Unusable> {
    let unusable = |reason: &str| Unusable::Identity(reason.to_owned());
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(identity.certificate.as_bytes()).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(|| unusable("the certificate is no PEM"))?;
    let key = PrivateKeyDer::from_pem_slice(identity.key.expose_secret().as_bytes());
    Ok((chain, key.map_err(|_| unusable("the key is no PEM key without a passphrase"))?))
}

fn unreadable(reason: &str) -> Unusable {
    Unusable::Authority(reason.to_owned())
}

/// Decides whether a server is the one that is meant.
#[derive(Debug)]
struct Verifier {
    trusted: Trusted,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    fn new(trusted: Trusted, provider: &CryptoProvider) -> Self {
        Self { trusted, algorithms: provider.signature_verification_algorithms }
    }

    /// Asks webpki.
    fn is_vouched_for(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        let certificate = ParsedCertificate::try_from(certificate)?;
        let Trusted { authorities, .. } = &self.trusted;
        verify_server_cert_signed_by_trust_anchor(&certificate, authorities, others, now, self.algorithms.all)?;
        verify_server_name(&certificate, host)
    }

    /// Returns a certificate that is itself among those that are trusted.
    fn named(&self, certificate: &CertificateDer<'_>) -> Option<Named> {
        self.trusted.certificates.contains(certificate).then(|| Named::read(certificate)).flatten()
    }

    /// Returns the same where webpki cannot read it, so that a signature has to be checked by its key alone.
    fn known_by_key(&self, certificate: &CertificateDer<'_>) -> Option<Named> {
        self.named(certificate).filter(|_| ParsedCertificate::try_from(certificate).is_err())
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.is_vouched_for(end_entity, intermediates, server_name, now) {
            Ok(()) => {}
            Err(error) => self.named(end_entity).ok_or(error)?.is_for(end_entity, server_name, now)?,
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self.known_by_key(cert) {
            Some(named) => named.has_signed_tls12(message, dss, &self.algorithms),
            None => verify_tls12_signature(message, cert, dss, &self.algorithms),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self.known_by_key(cert) {
            Some(named) => named.has_signed_tls13(message, dss, &self.algorithms),
            None => verify_tls13_signature(message, cert, dss, &self.algorithms),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
