//! Signatures and provenance of images, verified without the network.
//!
//! A [`Policy`] says whose signature an image must have. A [`Verifier`] is made of it, and judges the [`Evidence`] that somebody else
//! has found in a registry ([`Verifier::judge`]): whether a signature will do, or an attestation says that the image was built where it
//! must have been. Everything is bytes in, an answer out: nothing is asked.
//!
//! # What counts
//!
//! - A bundle of Sigstore (what cosign 3 leaves as a referrer): an in-toto statement in a DSSE envelope whose subject is the image's
//!   digest, with the predicate type [`SIGN`]. Whoever may write anything about an image, such as a list of its parts, has not
//!   thereby signed it: other predicates are foreign, and are passed over.
//! - A layer at the tag `sha256-….sig` (what cosign 2 leaves): a payload that names the digest of the image, with the signature in an
//!   annotation.
//! - By key, the signature alone; and with a trusted root, the entry in its transparency log as well. Without a key, a certificate of
//!   the trusted root's authority whose identity and issuer are the ones required, logged, and used while it was valid by a time
//!   that a log or a timestamp authority has signed.
//! - One good signature suffices, and all are looked at: others may add what they like.
//!
//! The cryptography, certificates, logs and timestamps are `sigstore-verify`'s. Ours is what is asked of them, the older form, and a
//! sentence for each way in which a signature will not do ([`Refusal`]).
//!
//! # Limits
//!
//! A bundle has 4 MiB at most ([`MAX_BUNDLE`]), a payload of the older form 64 KiB ([`MAX_PAYLOAD`]), a trusted root 4 MiB
//! ([`MAX_ROOT`]). How many pieces are judged is up to whoever finds them; 64 are enough ([`MAX_EVIDENCE`]).

mod bundle;
mod evidence;
mod policy;
mod provenance;
mod refusal;
#[cfg(test)]
mod tests;
mod verify;

pub use evidence::{Evidence, Simple};
pub use policy::{Identity, Key, Policy, Problem, Root, Signer};
pub use provenance::BuiltFrom;
pub use refusal::{Refusal, Unverified};
pub use verify::{Verified, Verifier};

/// The most bytes of one bundle.
pub const MAX_BUNDLE: usize = 4 * 1024 * 1024;
/// The most bytes of the payload of a signature of the older form.
pub const MAX_PAYLOAD: usize = 64 * 1024;
/// The most bytes of a trusted root.
pub const MAX_ROOT: usize = 4 * 1024 * 1024;
/// How many pieces of evidence of one image are worth looking at.
pub const MAX_EVIDENCE: usize = 64;
/// The predicate type of cosign's signatures.
pub const SIGN: &str = "https://sigstore.dev/cosign/sign/v1";
