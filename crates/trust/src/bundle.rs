//! Statements in bundles: what they are about, before anything is verified.

use image::Digest;
use serde_json::Value;
use sigstore_verify::types::{Bundle, DsseEnvelope, Sha256Hash, Sha512Hash, SignatureContent, Statement};

use crate::refusal::Refusal;

/// The type of what DSSE envelopes hold here.
const IN_TOTO: &str = "application/vnd.in-toto+json";

/// What an envelope says.
pub(crate) struct Said {
    pub(crate) predicate_type: String,
    pub(crate) predicate: Value,
}

/// The envelope of a bundle.
pub(crate) fn envelope(bundle: &Bundle) -> Result<&DsseEnvelope, Refusal> {
    match &bundle.content {
        SignatureContent::DsseEnvelope(envelope) if envelope.payload_type == IN_TOTO => Ok(envelope),
        SignatureContent::DsseEnvelope(envelope) => Err(Refusal::foreign(&envelope.payload_type)),
        _ => Err(Refusal::malformed("it signs bytes, and none that name an image")),
    }
}

/// Reads what an envelope says of an image. It is not verified here.
pub(crate) fn said(envelope: &DsseEnvelope, image: &Digest, wanted: &[&str]) -> Result<Said, Refusal> {
    let statement: Statement = serde_json::from_slice(envelope.payload.as_bytes())
        .map_err(|_| Refusal::malformed("its statement is none of in-toto's"))?;
    if !wanted.contains(&statement.predicate_type.as_str()) {
        return Err(Refusal::foreign(&statement.predicate_type));
    }
    if !is_about(&statement, image) {
        let first = statement.subject.first().and_then(|subject| subject.digest.sha256);
        let first = first.map_or_else(|| "none that it names".to_owned(), |hash| format!("sha256:{}", hash.to_hex()));
        return Err(Refusal::other_image(&first));
    }
    Ok(Said { predicate_type: statement.predicate_type, predicate: statement.predicate })
}

/// Whether one of the subjects is an image.
fn is_about(statement: &Statement, image: &Digest) -> bool {
    match image.as_str().split_once(':') {
        Some(("sha256", encoded)) => Sha256Hash::from_hex(encoded).is_ok_and(|hash| statement.matches_sha256(&hash)),
        Some(("sha512", encoded)) => Sha512Hash::from_hex(encoded).is_ok_and(|hash| statement.matches_sha512(&hash)),
        _ => false,
    }
}
