//! What a registry has that may be a signature, and the older form as a bundle.
//!
//! The older form has its parts in the annotations of a layer (cosign's `SIGNATURE_SPEC.md`). They say what a bundle of Sigstore says,
//! in other words, so that they are put into one, and one verifier judges both.

use std::collections::BTreeMap;

use image::Digest;
use serde::Deserialize;
use serde_json::value::RawValue;
use sigstore_verify::types::{
    Bundle, CanonicalizedBody, DerCertificate, DigestBytes, HashAlgorithm, InclusionPromise, KindVersion, LogId,
    LogIndex, LogKeyId, MediaType, MessageDigest, MessageSignature, PublicKeyIdentifier, Rfc3161Timestamp,
    SignatureBytes, SignatureContent, SignedTimestamp, TimestampToken, TimestampVerificationData, TransparencyLogEntry,
    VerificationMaterial, VerificationMaterialContent, X509Certificate,
};

use crate::refusal::Refusal;
use crate::{MAX_BUNDLE, MAX_PAYLOAD};

/// The annotation with the signature.
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// The annotation with the certificate, and with those between it and its authority.
const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
const CHAIN: &str = "dev.sigstore.cosign/chain";
/// The annotation with the entry in the transparency log.
const LOG_ENTRY: &str = "dev.sigstore.cosign/bundle";
/// The annotation with a signed timestamp.
const TIMESTAMP: &str = "dev.sigstore.cosign/rfc3161timestamp";
/// What the payload calls itself.
const TYPE: &str = "cosign container image signature";
/// The most certificates between one and its authority.
const MAX_CHAIN: usize = 8;

/// A piece of evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// A bundle of Sigstore, as JSON.
    Bundle(Vec<u8>),
    /// A signature of the older form.
    Simple(Simple),
    /// Something that may have been one, and could not be had; why, in a few words.
    Unreadable(String),
}

/// A signature of the older form: a layer, with what is noted on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Simple {
    /// The layer: what is signed.
    pub payload: Vec<u8>,
    /// What is noted on it.
    pub annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Payload {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    image: Image,
    r#type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Image {
    docker_manifest_digest: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LogBundle {
    signed_entry_timestamp: String,
    payload: LogPayload,
}

#[derive(Deserialize)]
struct LogPayload {
    body: String,
    #[serde(rename = "integratedTime")]
    integrated_time: i64,
    #[serde(rename = "logIndex")]
    log_index: u64,
    #[serde(rename = "logID")]
    log_id: String,
}

#[derive(Deserialize)]
struct Kind {
    kind: String,
    #[serde(rename = "apiVersion")]
    api_version: String,
}

#[derive(Deserialize)]
struct Stamp<'a> {
    #[serde(rename = "SignedRFC3161Timestamp", borrow)]
    signed: &'a RawValue,
}

/// Reads a bundle.
pub(crate) fn bundle(json: &[u8]) -> Result<Bundle, Refusal> {
    if json.len() > MAX_BUNDLE {
        return Err(malformed(format!("it is larger than {MAX_BUNDLE} bytes")));
    }
    let text = std::str::from_utf8(json).map_err(|_| malformed("it is no text"))?;
    // What the parser says may repeat the text.
    serde_json::from_str(text).map_err(|error: serde_json::Error| {
        malformed(format!("it is no bundle of one signature (line {}, column {})", error.line(), error.column()))
    })
}

impl Simple {
    /// Checks that the payload names an image.
    pub(crate) fn check(&self, image: &Digest) -> Result<(), Refusal> {
        if self.payload.len() > MAX_PAYLOAD {
            return Err(malformed(format!("its payload is larger than {MAX_PAYLOAD} bytes")));
        }
        let payload: Payload =
            serde_json::from_slice(&self.payload).map_err(|_| malformed("its payload is none of cosign's"))?;
        let Critical { image: named, r#type } = payload.critical;
        if r#type != TYPE {
            return Err(Refusal::foreign(&r#type));
        }
        match named.docker_manifest_digest == image.as_str() {
            true => Ok(()),
            false => Err(Refusal::other_image(&named.docker_manifest_digest)),
        }
    }

    /// Puts it into a bundle. What it has of logs and times is kept.
    pub(crate) fn bundle(&self) -> Result<Bundle, Refusal> {
        let signature = self.annotation(SIGNATURE).ok_or_else(|| malformed("its layer has no signature"))?;
        let signature = SignatureBytes::from_base64(signature).map_err(|_| malformed("its signature is not base64"))?;
        let hash = DigestBytes::new(<sha2::Sha256 as sha2::Digest>::digest(&self.payload).to_vec());
        let message =
            MessageSignature::new(signature).with_message_digest(MessageDigest::new(HashAlgorithm::Sha2256, hash));
        let content = match self.annotation(CERTIFICATE) {
            None => VerificationMaterialContent::PublicKey(PublicKeyIdentifier::new("")),
            Some(certificate) => {
                VerificationMaterialContent::X509CertificateChain { certificates: self.certificates(certificate)? }
            }
        };
        let mut material = VerificationMaterial::new(content);
        if let Some(entry) = self.annotation(LOG_ENTRY) {
            material = material.with_tlog_entries(vec![log_entry(entry)?]);
        }
        if let Some(stamp) = self.annotation(TIMESTAMP) {
            let token = timestamp(stamp)?;
            material = material
                .with_timestamp_verification_data(TimestampVerificationData::new(vec![Rfc3161Timestamp::new(token)]));
        }
        Ok(Bundle::new(MediaType::Bundle0_1, material, SignatureContent::MessageSignature(message)))
    }

    /// A certificate, and what is between it and its authority. The authority itself is the trusted root's.
    fn certificates(&self, certificate: &str) -> Result<Vec<X509Certificate>, Refusal> {
        const END: &str = "-----END CERTIFICATE-----";
        let chain = self.annotation(CHAIN).unwrap_or_default();
        let between = chain.split_inclusive(END).filter(|text| text.contains(END)).take(MAX_CHAIN);
        let read = |text: &str| DerCertificate::from_pem(text.trim()).map(X509Certificate::new);
        let all: Result<Vec<_>, _> = std::iter::once(certificate).chain(between).map(read).collect();
        all.map_err(|_| malformed("its certificate cannot be read"))
    }

    fn annotation(&self, name: &str) -> Option<&str> {
        self.annotations.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }
}

fn log_entry(json: &str) -> Result<TransparencyLogEntry, Refusal> {
    let wrong = || malformed("its entry of the transparency log cannot be read");
    let LogBundle { signed_entry_timestamp, payload } = serde_json::from_str(json).map_err(|_| wrong())?;
    let body = CanonicalizedBody::from_base64(&payload.body).map_err(|_| wrong())?;
    let kind: Kind = serde_json::from_slice(body.as_bytes()).map_err(|_| wrong())?;
    if (kind.kind.as_str(), kind.api_version.as_str()) != ("hashedrekord", "0.0.1") {
        return Err(malformed("its entry of the transparency log is of a kind that is none of a signature"));
    }
    let log_id = LogKeyId::new(unhex(&payload.log_id).ok_or_else(wrong)?);
    let time = jiff::Timestamp::from_second(payload.integrated_time).map_err(|_| wrong())?;
    let promise = SignedTimestamp::from_base64(&signed_entry_timestamp).map_err(|_| wrong())?;
    let index = LogIndex::new(payload.log_index).map_err(|_| wrong())?;
    Ok(TransparencyLogEntry::new(index, LogId::new(log_id), KindVersion::HashedRekordV001, body)
        .with_integrated_time(time)
        .with_inclusion_promise(InclusionPromise::new(promise)))
}

fn timestamp(json: &str) -> Result<TimestampToken, Refusal> {
    let wrong = || malformed("its timestamp cannot be read");
    let stamp: Stamp<'_> = serde_json::from_str(json).map_err(|_| wrong())?;
    let token: String = serde_json::from_str(stamp.signed.get()).map_err(|_| wrong())?;
    TimestampToken::from_base64(&token).map_err(|_| wrong())
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || text.len() % 2 == 1 {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

fn malformed(detail: impl std::fmt::Display) -> Refusal {
    Refusal::malformed(detail)
}
