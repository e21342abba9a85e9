//! The judgement on evidence.

use image::Digest;
use jiff::Timestamp;
use sha2::{Digest as _, Sha512};
use sigstore_verify::crypto::{CertificateInfo, KeyAlgorithm, SigningScheme, VerificationKey, parse_certificate_info};
use sigstore_verify::trust_root::TrustedRoot;
use sigstore_verify::types::{
    Artifact, ArtifactDigest, Bundle, Sha256Hash, SignatureBytes, SignatureContent, VerificationMaterialContent,
};
use sigstore_verify::{
    CertificateError, Error, PublicKeyVerificationPolicy, TimestampError, TransparencyLogError, VerificationPolicy,
    VerificationResult,
};

use crate::SIGN;
use crate::bundle::{Said, envelope, said};
use crate::evidence::{self, Evidence, Simple};
use crate::policy::{Key, Policy, Problem, Signer};
use crate::provenance::{BuiltFrom, V1, V02};
use crate::refusal::{Refusal, Unverified};

/// What a signature that will do says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Who made it: the fingerprint of a key, or an identity.
    pub by: String,
    /// The earliest time that a trusted log or timestamp authority has signed for it.
    pub time: Option<Timestamp>,
}

/// Judges evidence by a policy.
pub struct Verifier {
    policy: Policy,
    fingerprint: String,
    sigstore: sigstore_verify::Verifier,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").field("policy", &self.policy).finish_non_exhaustive()
    }
}

impl Verifier {
    /// Makes a verifier of a policy.
    ///
    /// # Errors
    /// The policy cannot be used.
    pub fn new(policy: Policy) -> Result<Self, Problem> {
        policy.check()?;
        let sigstore = match &policy.root {
            Some(root) => sigstore_verify::Verifier::new(&root.root),
            None => TrustedRoot::from_json(NO_ROOT)
                .map_err(Error::from)
                .and_then(|root| sigstore_verify::Verifier::new(&root)),
        };
        let sigstore = sigstore.map_err(|error| Problem::Root(error.to_string()))?;
        let fingerprint = policy.fingerprint().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { policy, fingerprint, sigstore })
    }

    /// What tells its policy from every other.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The policy.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Judges one piece of evidence of an image: whether it is a signature that will do; or where the policy says what images are
    /// built from, an attestation of the same signer that says so, which is a signature, too, and says more.
    ///
    /// # Errors
    /// It will not do, and why.
    pub fn judge(&self, image: &Digest, evidence: &Evidence) -> Result<Verified, Refusal> {
        match &self.policy.built_from {
            Some(built_from) => self.provenance(built_from, image, evidence),
            None => self.signature(image, evidence),
        }
    }

    /// Says of an image of which nothing will do, why each that there is will not.
    #[must_use]
    pub fn unverified(&self, refusals: Vec<Refusal>) -> Unverified {
        let what = if self.policy.built_from.is_some() { "provenance" } else { "signature" };
        Unverified { what, refusals }
    }

    fn provenance(&self, built_from: &BuiltFrom, image: &Digest, evidence: &Evidence) -> Result<Verified, Refusal> {
        let json = match evidence {
            Evidence::Bundle(json) => json,
            Evidence::Simple(_) => return Err(Refusal::foreign(SIMPLE)),
            Evidence::Unreadable(why) => return Err(Refusal::malformed(why)),
        };
        let bundle = evidence::bundle(json)?;
        let Said { predicate_type, predicate } = said(envelope(&bundle)?, image, &[V1, V02])?;
        let Proven { verified, certificate } = self.prove(bundle, image_artifact(image)?)?;
        built_from.check(&predicate_type, &predicate, certificate.as_ref())?;
        Ok(verified)
    }

    fn signature(&self, image: &Digest, evidence: &Evidence) -> Result<Verified, Refusal> {
        match evidence {
            Evidence::Bundle(json) => {
                let bundle = evidence::bundle(json)?;
                said(envelope(&bundle)?, image, &[SIGN])?;
                Ok(self.prove(bundle, image_artifact(image)?)?.verified)
            }
            Evidence::Simple(simple) => self.simple(image, simple),
            Evidence::Unreadable(why) => Err(Refusal::malformed(why)),
        }
    }

    fn simple(&self, image: &Digest, simple: &Simple) -> Result<Verified, Refusal> {
        simple.check(image)?;
        Ok(self.prove(simple.bundle()?, Artifact::Blob(&simple.payload))?.verified)
    }

    /// Verifies the signature of a bundle, by whoever must have made it.
    fn prove(&self, bundle: Bundle, artifact: Artifact<'_>) -> Result<Proven, Refusal> {
        let certificate = match bundle.signing_certificate() {
            Some(certificate) => Some(parse_certificate_info(certificate).map_err(Refusal::malformed)?),
            None => None,
        };
        match (&self.policy.signer, certificate) {
            (Signer::Keys(keys), None) => self.by_keys(keys, bundle, artifact),
            (Signer::Keys(_), Some(certificate)) => Err(Refusal::ByIdentity { identity: name(&certificate) }),
            (Signer::Keyless { .. }, None) => Err(Refusal::ByKey),
            (Signer::Keyless { identity, issuer }, Some(certificate)) => {
                let result = self.by_certificate(&bundle, artifact, &certificate)?;
                // Only now is what the certificate says worth anything.
                let signed_by = name(&certificate);
                if certificate.issuer.as_deref() != Some(issuer.as_str()) {
                    let issuer = certificate.issuer.as_deref().unwrap_or("nobody");
                    return Err(Refusal::Issuer { issuer: words::one_line(issuer, 160) });
                }
                match certificate.identity.as_ref().is_some_and(|actual| identity.is(actual.as_str())) {
                    true => Ok(Proven {
                        verified: Verified { by: signed_by, time: result.verified_timestamps().iter().min().copied() },
                        certificate: Some(certificate),
                    }),
                    false => Err(Refusal::Identity { identity: signed_by }),
                }
            }
        }
    }

    fn by_certificate(
        &self,
        bundle: &Bundle,
        artifact: Artifact<'_>,
        certificate: &CertificateInfo,
    ) -> Result<VerificationResult, Refusal> {
        let root = self.policy.root.as_ref().map(|root| &root.root);
        let has = |count: usize| root.is_some_and(|_| count > 0);
        let (has_logs, has_certificate_logs) =
            (has(root.map_or(0, |root| root.tlogs.len())), has(root.map_or(0, |root| root.ctlogs.len())));
        let entries = &bundle.verification_material.tlog_entries;
        // A root without logs, such as that of GitHub's private repositories, goes by timestamps alone.
        if has_logs && !entries.iter().any(|entry| entry.inclusion_proof.is_some() || entry.inclusion_promise.is_some())
        {
            return Err(Refusal::NoLog);
        }
        let mut policy = VerificationPolicy::any_identity();
        if !has_certificate_logs {
            policy = policy.skip_sct();
        }
        if !has_logs {
            policy = policy.skip_tlog_unsafe();
        }
        self.sigstore.verify(artifact, bundle, &policy).map_err(|error| refusal(error, bundle, Some(certificate)))
    }

    fn by_keys(&self, keys: &[Key], bundle: Bundle, artifact: Artifact<'_>) -> Result<Proven, Refusal> {
        let hint = match &bundle.verification_material.content {
            VerificationMaterialContent::PublicKey(known) => known.hint.clone(),
            _ => String::new(),
        };
        let mut refused = None;
        for key in keys {
            match self.by_key(key, &bundle, &artifact) {
                Ok(time) => {
                    return Ok(Proven {
                        verified: Verified { by: format!("the key {}", key.fingerprint()), time },
                        certificate: None,
                    });
                }
                Err(refusal) => refused = refused.or(Some(refusal)),
            }
        }
        // A hint is only a hint, but that none of the keys made it has been found out.
        let is_ours = hint.is_empty() || keys.iter().any(|key| key.hint() == hint);
        match refused {
            Some(Refusal::Tampered) | None if !is_ours => Err(Refusal::OtherKey),
            Some(refusal) => Err(refusal),
            None => Err(Refusal::OtherKey),
        }
    }

    fn by_key(&self, key: &Key, bundle: &Bundle, artifact: &Artifact<'_>) -> Result<Option<Timestamp>, Refusal> {
        check_signature(key, bundle, artifact)?;
        if self.policy.root.as_ref().is_none_or(|root| root.root.tlogs.is_empty()) {
            return Ok(None);
        }
        let entries = &bundle.verification_material.tlog_entries;
        if !entries.iter().any(|entry| entry.inclusion_proof.is_some() || entry.inclusion_promise.is_some()) {
            return Err(Refusal::NoLog);
        }
        let policy = PublicKeyVerificationPolicy::new(key.0.clone());
        let result = self.sigstore.verify(artifact.clone(), bundle, &policy);
        let result = result.map_err(|error| refusal(error, bundle, None))?;
        Ok(result.verified_timestamps().iter().min().copied())
    }
}

/// What has been verified.
struct Proven {
    verified: Verified,
    certificate: Option<CertificateInfo>,
}

/// What a signature of the older form is called where it is not looked for.
const SIMPLE: &str = "a plain signature";

/// A root that trusts nobody, for signatures by key alone.
const NO_ROOT: &str = r#"{"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1"}"#;

/// Checks a signature by a key: over the statement, or over the payload. Cosign has signed with SHA-256 by keys of P-384, too.
fn check_signature(key: &Key, bundle: &Bundle, artifact: &Artifact<'_>) -> Result<(), Refusal> {
    let (message, signature): (Vec<u8>, &SignatureBytes) = match (&bundle.content, artifact) {
        (SignatureContent::DsseEnvelope(envelope), _) => (envelope.pae(), &envelope.signature.sig),
        (SignatureContent::MessageSignature(message), Artifact::Blob(bytes)) => (bytes.to_vec(), &message.signature),
        _ => return Err(Refusal::malformed("it signs nothing that is known")),
    };
    let schemes: &[SigningScheme] = match KeyAlgorithm::from_spki(&key.0) {
        Ok(KeyAlgorithm::EcdsaP256) => &[SigningScheme::EcdsaP256Sha256],
        Ok(KeyAlgorithm::EcdsaP384) => &[SigningScheme::EcdsaP384Sha384, SigningScheme::EcdsaP384Sha256],
        Ok(KeyAlgorithm::Ed25519) => &[SigningScheme::Ed25519],
        Ok(KeyAlgorithm::Rsa) => &[SigningScheme::RsaPkcs1Sha256, SigningScheme::RsaPssSha256],
        _ => &[],
    };
    let fits = |scheme: &SigningScheme| {
        VerificationKey::from_spki_with_scheme(&key.0, *scheme).is_ok_and(|key| key.verify(&message, signature).is_ok())
    };
    match schemes.iter().any(fits) || is_prehashed(key, &message, signature) {
        true => Ok(()),
        false => Err(Refusal::Tampered),
    }
}

/// Whether a signature is one of Ed25519ph, which cosign makes by keys of Ed25519.
fn is_prehashed(key: &Key, message: &[u8], signature: &SignatureBytes) -> bool {
    let known = VerificationKey::from_spki_with_scheme(&key.0, SigningScheme::Ed25519).ok();
    let known = known.and_then(|key| <[u8; 32]>::try_from(key.as_bytes()).ok());
    let known = known.and_then(|bytes| ed25519_dalek::VerifyingKey::from_bytes(&bytes).ok());
    let signature = ed25519_dalek::Signature::from_slice(signature.as_bytes()).ok();
    let hash = Sha512::new().chain_update(message);
    known.zip(signature).is_some_and(|(key, signature)| key.verify_prehashed_strict(hash, None, &signature).is_ok())
}

fn image_artifact(image: &Digest) -> Result<Artifact<'static>, Refusal> {
    let encoded = image.as_str().strip_prefix("sha256:");
    let hash = encoded.and_then(|encoded| Sha256Hash::from_hex(encoded).ok());
    hash.map(|hash| Artifact::Digest(ArtifactDigest::sha256(hash)))
        .ok_or_else(|| Refusal::malformed("only images with a digest of SHA-256 are signed"))
}

fn name(certificate: &CertificateInfo) -> String {
    certificate
        .identity
        .as_ref()
        .map_or_else(|| "nobody".to_owned(), |identity| words::one_line(identity.as_str(), 200))
}

/// Says why a bundle will not do.
fn refusal(error: Error, bundle: &Bundle, certificate: Option<&CertificateInfo>) -> Refusal {
    let outside = || {
        let CertificateInfo { not_before: from, not_after: until, .. } = certificate?;
        let times = bundle.verification_material.tlog_entries.iter().filter_map(|entry| entry.integrated_time);
        let time = times.into_iter().find(|time| time < from || time > until)?;
        Some(Refusal::Expired { time, from: *from, until: *until })
    };
    // The library tells the cause in words alone.
    let stamped = |detail: &str| {
        let is_time = detail.contains("CertExpired") || detail.contains("CertNotValidYet");
        let it = certificate.filter(|_| {
            is_time && !bundle.verification_material.timestamp_verification_data.rfc3161_timestamps.is_empty()
        })?;
        Some(Refusal::Stamped { from: it.not_before, until: it.not_after })
    };
    match error {
        Error::SignatureInvalid(_) | Error::ArtifactMismatch(_) | Error::Crypto(_) => Refusal::Tampered,
        Error::Certificate(CertificateError::Sct(_)) => Refusal::Unlogged,
        Error::Certificate(CertificateError::Malformed(detail)) => Refusal::malformed(detail),
        Error::Certificate(CertificateError::Expired { time, .. } | CertificateError::NotYetValid { time, .. }) => {
            certificate.map_or(Refusal::Untrusted, |it| Refusal::Expired {
                time,
                from: it.not_before,
                until: it.not_after,
            })
        }
        Error::Certificate(CertificateError::ChainInvalid(detail)) => {
            outside().or_else(|| stamped(&detail)).unwrap_or(Refusal::Untrusted)
        }
        Error::Certificate(_) => outside().unwrap_or(Refusal::Untrusted),
        Error::TransparencyLog(TransparencyLogError::IntegratedTime(detail)) => {
            outside().unwrap_or_else(|| Refusal::log(detail))
        }
        Error::TransparencyLog(error) => Refusal::log(error),
        Error::Bundle(_) => Refusal::NoLog,
        Error::Timestamp(TimestampError::NoVerifiedTimestamp(_)) => Refusal::NoTime,
        Error::Timestamp(error) => Refusal::time(error),
        other => Refusal::malformed(other),
    }
}
