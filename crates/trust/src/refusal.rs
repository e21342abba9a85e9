//! Why an image is not verified, in sentences.

use std::fmt;

use jiff::Timestamp;
use thiserror::Error;
use words::one_line;

/// How much of a foreign text is repeated, in characters.
const MAX_SHOWN: usize = 160;
/// How many different refusals a sentence names.
const MAX_NAMED: usize = 3;

/// Why a signature, or an attestation, will not do. Each reads on from "its signature" or "its provenance".
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// It signs something else than what is asked for, such as a list of parts.
    #[error("is none, but a statement of another kind ({predicate})")]
    Foreign {
        /// The kind of statement.
        predicate: String,
    },
    /// It is about another image: that of somebody who copied a signature, or that the tag pointed to before.
    #[error("is for another image ({digest})")]
    OtherImage {
        /// The image it is about.
        digest: String,
    },
    /// It says that another key made it.
    #[error("was made with another key")]
    OtherKey,
    /// The signature is not one over what it is said to sign.
    #[error("does not fit what is signed: that was changed, or it was made with another key")]
    Tampered,
    /// It was made by key, and a certificate is required.
    #[error("was made with a key, and an identity is required")]
    ByKey,
    /// It was made with a certificate, and a key is required.
    #[error("was made without a key, by {identity}, and a key is required")]
    ByIdentity {
        /// Who made it, as the certificate says.
        identity: String,
    },
    /// Somebody else made it.
    #[error("was made by {identity}, which is not the identity that is required")]
    Identity {
        /// Who made it.
        identity: String,
    },
    /// Somebody else vouches for the one who made it.
    #[error("was made by an identity that {issuer} vouches for, which is not the issuer that is required")]
    Issuer {
        /// Who vouches.
        issuer: String,
    },
    /// It was made when its certificate was not valid.
    #[error("was logged at {time}, outside the time of its certificate ({from} to {until})")]
    Expired {
        /// When it was made.
        time: Timestamp,
        /// The certificate's first moment.
        from: Timestamp,
        /// The certificate's last moment.
        until: Timestamp,
    },
    /// The same by a timestamp.
    #[error("was stamped outside the time of its certificate ({from} to {until})")]
    Stamped {
        /// The certificate's first moment.
        from: Timestamp,
        /// The certificate's last moment.
        until: Timestamp,
    },
    /// Its certificate is nobody's that is trusted.
    #[error("has a certificate of an authority that the trusted root does not have")]
    Untrusted,
    /// Its certificate was not made public.
    #[error("has a certificate that no trusted log of certificates has")]
    Unlogged,
    /// The transparency log does not have it.
    #[error("has no proof that the transparency log has it")]
    NoLog,
    /// What is said of the transparency log is wrong.
    #[error("has a proof of the transparency log that does not hold ({detail})")]
    Log {
        /// What is wrong.
        detail: String,
    },
    /// No trusted clock saw it.
    #[error("has no time that a trusted log or timestamp authority has signed")]
    NoTime,
    /// A timestamp is wrong.
    #[error("has a timestamp that does not hold ({detail})")]
    Time {
        /// What is wrong.
        detail: String,
    },
    /// It cannot be read.
    #[error("cannot be read: {detail}")]
    Malformed {
        /// What is wrong.
        detail: String,
    },
    /// It was built from something else.
    #[error("says that it was built from {place}")]
    BuiltElsewhere {
        /// The repository and what of it, as attested.
        place: String,
    },
    /// An attestation says one thing, and the certificate it was signed with another.
    #[error("says that it was built from {said}, but was signed by a run of {signed}")]
    Borrowed {
        /// What the attestation says.
        said: String,
        /// What the certificate says.
        signed: String,
    },
}

impl Refusal {
    pub(crate) fn foreign(predicate: &str) -> Self {
        Self::Foreign { predicate: one_line(predicate, MAX_SHOWN) }
    }

    pub(crate) fn other_image(digest: &str) -> Self {
        Self::OtherImage { digest: one_line(digest, MAX_SHOWN) }
    }

    pub(crate) fn malformed(detail: impl fmt::Display) -> Self {
        Self::Malformed { detail: one_line(&detail.to_string(), MAX_SHOWN) }
    }

    pub(crate) fn log(detail: impl fmt::Display) -> Self {
        Self::Log { detail: one_line(&detail.to_string(), MAX_SHOWN) }
    }

    pub(crate) fn time(detail: impl fmt::Display) -> Self {
        Self::Time { detail: one_line(&detail.to_string(), MAX_SHOWN) }
    }
}

/// Why an image is not verified. It reads on from the image: "it has no signature".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unverified {
    /// `signature` or `provenance`.
    pub(crate) what: &'static str,
    /// Why each of those that there are will not do, in the order in which they were found.
    pub refusals: Vec<Refusal>,
}

impl fmt::Display for Unverified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = self.what;
        let (foreign, own): (Vec<_>, Vec<_>) =
            self.refusals.iter().partition(|refusal| matches!(refusal, Refusal::Foreign { .. }));
        match (own.as_slice(), foreign.as_slice()) {
            ([], []) => write!(f, "it has no {what}"),
            ([], [Refusal::Foreign { predicate }, rest @ ..]) => {
                let more = if rest.is_empty() { "" } else { " and others" };
                write!(f, "it has no {what}, only statements of other kinds ({predicate}{more})")
            }
            ([only], _) => write!(f, "its {what} {only}"),
            (several, _) => {
                let mut named: Vec<&Refusal> = Vec::new();
                several.iter().for_each(|refusal| {
                    if !named.contains(refusal) {
                        named.push(refusal);
                    }
                });
                if let [same] = named.as_slice() {
                    return write!(f, "each of its {} {what}s {same}", several.len());
                }
                write!(f, "none of its {} {what}s will do", several.len())?;
                let shown = named.iter().take(MAX_NAMED);
                shown
                    .enumerate()
                    .try_for_each(|(at, refusal)| write!(f, "{} one {refusal}", if at == 0 { ":" } else { ";" }))?;
                if named.len() > MAX_NAMED { f.write_str("; and more") } else { Ok(()) }
            }
        }
    }
}

impl std::error::Error for Unverified {}
