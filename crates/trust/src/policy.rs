//! Whose signature is required, as it is configured and checked.

use gotext::pattern::Pattern;
use sha2::{Digest as _, Sha256};
use sigstore_verify::crypto::KeyAlgorithm;
use sigstore_verify::trust_root::TrustedRoot;
use sigstore_verify::types::DerPublicKey;
use thiserror::Error;
use words::one_line;

use crate::{BuiltFrom, MAX_ROOT};

/// How much of a text is repeated in a message, in characters.
const MAX_SHOWN: usize = 120;

/// Why a policy cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Problem {
    /// A public key is none.
    #[error(
        "expected a public key (ECDSA P-256 or P-384, Ed25519, or RSA) as PEM, between BEGIN PUBLIC KEY and END PUBLIC KEY"
    )]
    Key,
    /// A private key stands where a public one belongs.
    #[error("this is a private key: give the public one that belongs to it")]
    PrivateKey,
    /// The pattern of an identity is none.
    #[error("{0}")]
    Pattern(String),
    /// A trusted root is none.
    #[error("expected a trusted root of Sigstore as JSON, as `cosign trusted-root create` writes it: {0}")]
    Root(String),
    /// A trusted root has no certificate authority, and no key is given either.
    #[error(
        "the trusted root has no certificate authority, so that no signature without a key could be verified by it"
    )]
    NoAuthority,
    /// A key of Ed25519 stands beside a trusted root with transparency logs.
    #[error(
        "a key of Ed25519 cannot be used together with the logs of a trusted root, since cosign signs with Ed25519ph by it: leave \
         the root out, or use another key"
    )]
    LoggedEd25519,
    /// A repository that images are built from is none.
    #[error("expected the address of a repository, such as https://github.com/acme/app")]
    Repository,
    /// A branch that images are built from is none.
    #[error("expected the name of a branch, such as main")]
    Branch,
}

/// Whose signature an image must have, and what it must have been built from.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Who signs.
    pub signer: Signer,
    /// Certificate authorities, logs and timestamp authorities that are trusted. Signatures without a key cannot do without.
    pub root: Option<Root>,
    /// What the image must have been built from, by an attestation of the same signer.
    pub built_from: Option<BuiltFrom>,
}

/// Who signs.
#[derive(Debug, Clone)]
pub enum Signer {
    /// Whoever has one of these keys.
    Keys(Vec<Key>),
    /// Whoever an issuer vouches for under an identity.
    Keyless {
        /// Who that is: the subject of the certificate.
        identity: Identity,
        /// Who vouches for it: the issuer of the token, such as `https://token.actions.githubusercontent.com`.
        issuer: String,
    },
}

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(pub(crate) DerPublicKey);

impl Key {
    /// Reads a public key as PEM.
    ///
    /// # Errors
    /// It is none, or of a kind that nobody signs images with.
    pub fn parse(pem: &str) -> Result<Self, Problem> {
        if pem.contains("PRIVATE KEY-----") {
            return Err(Problem::PrivateKey);
        }
        let key = DerPublicKey::from_pem(pem.trim()).map_err(|_| Problem::Key)?;
        match KeyAlgorithm::from_spki(&key) {
            Ok(KeyAlgorithm::EcdsaP256 | KeyAlgorithm::EcdsaP384 | KeyAlgorithm::Ed25519 | KeyAlgorithm::Rsa) => {
                Ok(Self(key))
            }
            _ => Err(Problem::Key),
        }
    }

    /// What tells the key from others: the start of the digest of its bytes.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let hash = Sha256::digest(self.0.as_bytes());
        format!("sha256:{}", hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect::<String>())
    }

    fn is_ed25519(&self) -> bool {
        matches!(KeyAlgorithm::from_spki(&self.0), Ok(KeyAlgorithm::Ed25519))
    }

    /// What cosign calls it by in a bundle.
    pub(crate) fn hint(&self) -> String {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(Sha256::digest(self.0.as_bytes()))
    }
}

/// Who signed, as a certificate has it.
#[derive(Debug, Clone)]
pub enum Identity {
    /// Exactly this.
    Exact(String),
    /// What this pattern matches from its first to its last character.
    Pattern(Pattern),
}

impl Identity {
    /// Reads a pattern in the syntax of Go. It has to match all of an identity: anybody can have one that only contains what it
    /// matches.
    ///
    /// # Errors
    /// It is none.
    pub fn pattern(text: &str) -> Result<Self, Problem> {
        // By itself first: what is wrong with it is said of what was written, and what is around it cannot be closed by it.
        Pattern::parse(text).map_err(|error| Problem::Pattern(error.to_string()))?;
        let anchored = Pattern::parse(&format!(r"\A(?:{text})\z"));
        anchored.map(Self::Pattern).map_err(|error| Problem::Pattern(error.to_string()))
    }

    /// Whether it is this one.
    #[must_use]
    pub fn is(&self, identity: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == identity,
            Self::Pattern(pattern) => pattern.is_match(identity),
        }
    }

    fn text(&self) -> &str {
        match self {
            Self::Exact(text) => text,
            Self::Pattern(pattern) => pattern.as_str(),
        }
    }
}

/// What is trusted.
#[derive(Debug, Clone)]
pub struct Root {
    pub(crate) root: TrustedRoot,
    hash: [u8; 32],
}

impl Root {
    /// Reads a trusted root.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(json: &str) -> Result<Self, Problem> {
        if json.len() > MAX_ROOT {
            return Err(Problem::Root(format!("it is larger than {MAX_ROOT} bytes")));
        }
        let wrong = |error: &dyn std::fmt::Display| Problem::Root(one_line(&error.to_string(), MAX_SHOWN));
        let root = TrustedRoot::from_json(json).map_err(|error| wrong(&error))?;
        sigstore_verify::Verifier::new(&root).map_err(|error| wrong(&error))?;
        Ok(Self { root, hash: Sha256::digest(json.as_bytes()).into() })
    }
}

impl Policy {
    /// Checks that it can be used.
    ///
    /// # Errors
    /// No signature could be verified by it.
    pub fn check(&self) -> Result<(), Problem> {
        match (&self.signer, &self.root) {
            (Signer::Keyless { .. }, Some(root)) if root.root.certificate_authorities.is_empty() => {
                Err(Problem::NoAuthority)
            }
            (Signer::Keyless { .. }, None) => Err(Problem::NoAuthority),
            (Signer::Keys(keys), Some(root)) if !root.root.tlogs.is_empty() && keys.iter().any(Key::is_ed25519) => {
                Err(Problem::LoggedEd25519)
            }
            _ => Ok(()),
        }
    }

    /// What tells it from every other: an answer that was given by one policy says nothing about another.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let mut add = |part: &[u8]| {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        };
        match &self.signer {
            Signer::Keys(keys) => {
                add(b"keys");
                keys.iter().for_each(|key| add(key.0.as_bytes()));
            }
            Signer::Keyless { identity, issuer } => {
                add(if matches!(identity, Identity::Exact(_)) { b"exact" } else { b"pattern" });
                add(identity.text().as_bytes());
                add(issuer.as_bytes());
            }
        }
        add(b"root");
        add(self.root.as_ref().map_or(&[], |root| root.hash.as_slice()));
        if let Some(built) = &self.built_from {
            add(built.repository().as_bytes());
            add(built.branch().unwrap_or_default().as_bytes());
        }
        hash.finalize().into()
    }
}
