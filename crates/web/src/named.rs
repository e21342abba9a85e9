//! A certificate that is trusted by itself, since it is one of those that are configured. It has no need of an issuer.
//!
//! Webpki reads neither certificates of X.509's first version nor common names, so x509-parser does. Only what an operator has
//! named gets here, nothing that a server sends beyond it.

use std::net::IpAddr;
use std::time::Duration;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::client::verify_server_name;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, PeerMisbehaved};
use webpki::RawPublicKeyEntity;

/// What counts of it.
#[derive(Debug)]
pub(super) struct Named {
    key: SubjectPublicKeyInfoDer<'static>,
    from: UnixTime,
    until: UnixTime,
    /// Whether it is for servers, as far as it says.
    is_for_servers: bool,
    /// The host names in its subject, where it has no others.
    common_names: Option<Vec<String>>,
}

impl Named {
    /// Reads a certificate. `None` where it is none.
    pub(super) fn read(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, read) = x509_parser::parse_x509_certificate(certificate).ok()?;
        let at = |time: x509_parser::time::ASN1Time| {
            UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(time.timestamp()).unwrap_or(0)))
        };
        let usage = read.extended_key_usage().ok()?;
        let has_names = read.subject_alternative_name().ok()?.is_some();
        let common =
            || read.subject().iter_common_name().filter_map(|name| name.as_str().ok()).map(str::to_owned).collect();
        Some(Self {
            key: SubjectPublicKeyInfoDer::from(read.public_key().raw.to_vec()),
            from: at(read.validity().not_before),
            until: at(read.validity().not_after),
            is_for_servers: usage.is_none_or(|usage| usage.value.server_auth || usage.value.any),
            common_names: (!has_names).then(common),
        })
    }

    /// Checks that it counts now, and for a host that is a server.
    pub(super) fn is_for(
        &self,
        certificate: &CertificateDer<'_>,
        host: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        if now < self.from {
            return Err(CertificateError::NotValidYetContext { time: now, not_before: self.from }.into());
        }
        if now > self.until {
            return Err(CertificateError::ExpiredContext { time: now, not_after: self.until }.into());
        }
        if !self.is_for_servers {
            return Err(CertificateError::InvalidPurpose.into());
        }
        match &self.common_names {
            None => verify_server_name(&ParsedCertificate::try_from(certificate)?, host),
            Some(names) if names.iter().any(|name| is_name_of(name, host)) => Ok(()),
            Some(names) => {
                let (expected, presented) = (host.to_owned(), names.clone());
                Err(CertificateError::NotValidForNameContext { expected, presented }.into())
            }
        }
    }

    /// Checks a signature of a handshake of TLS 1.2 by the key alone.
    pub(super) fn has_signed_tls12(
        &self,
        message: &[u8],
        signed: &DigitallySignedStruct,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = RawPublicKeyEntity::try_from(&self.key).map_err(|_| CertificateError::BadEncoding)?;
        let possible = algorithms.mapping.iter().find(|(scheme, _)| *scheme == signed.scheme);
        let (_, possible) = possible.ok_or(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme)?;
        let is_valid =
            possible.iter().any(|algorithm| key.verify_signature(*algorithm, message, signed.signature()).is_ok());
        if is_valid { Ok(HandshakeSignatureValid::assertion()) } else { Err(CertificateError::BadSignature.into()) }
    }

    /// Checks a signature of a handshake of TLS 1.3 by the key alone.
    pub(super) fn has_signed_tls13(
        &self,
        message: &[u8],
        signed: &DigitallySignedStruct,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature_with_raw_key(message, &self.key, signed, algorithms)
    }
}

/// Whether a common name is a host's: the same address, the same name, or a name with `*` for its first label.
fn is_name_of(name: &str, host: &ServerName<'_>) -> bool {
    match host {
        ServerName::IpAddress(address) => name.parse::<IpAddr>().is_ok_and(|name| name == IpAddr::from(*address)),
        ServerName::DnsName(host) => {
            let (host, name) = (host.as_ref().trim_end_matches('.'), name.trim_end_matches('.'));
            let rest = |text: &str| text.split_once('.').map(|(_, rest)| rest.to_ascii_lowercase());
            let is_wild =
                name.starts_with("*.") && rest(name).is_some_and(|own| own.contains('.') && rest(host) == Some(own));
            is_wild || host.eq_ignore_ascii_case(name)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn common_names() {
        let is_name = |name: &str, host: &str| is_name_of(name, &ServerName::try_from(host.to_owned()).unwrap());
        for (name, host) in [
            ("registry.local", "registry.local"),
            ("Registry.Local", "registry.local"),
            ("*.example.com", "r.example.com"),
            ("127.0.0.1", "127.0.0.1"),
            ("::1", "::1"),
        ] {
            assert!(is_name(name, host), "{name} {host}");
        }
        for (name, host) in [
            ("registry.local", "other.local"),
            ("*.example.com", "example.com"),
            ("*.example.com", "a.b.example.com"),
            ("*.com", "example.com"),
            ("*", "registry"),
            ("r.*.com", "r.example.com"),
            ("127.0.0.1", "127.0.0.2"),
            ("", "registry.local"),
        ] {
            assert!(!is_name(name, host), "{name} {host}");
        }
    }
}
