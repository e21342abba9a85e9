//! Signatures of commits, made in this process: no `gpg`, no agent, no file.
//!
//! A [`Key`] is opened once, with its passphrase, and then signs as often as asked. What it is made of stays in memory, is wiped
//! when it goes, and is in no message. The same key that is opened again while it is in use is the same value: its passphrase
//! was made slow to try, and configurations are read again whenever anything changes.
//!
//! | format | key | signature |
//! |---|---|---|
//! | [`Format::OpenPgp`] | an armored private key with exactly one entity, RFC 9580 or 4880 | detached, binary, armored |
//! | [`Format::Ssh`] | Ed25519, ECDSA P-256, P-384, P-521, RSA from 2048 bits; OpenSSH's own format, PKCS#8, PKCS#1 or SEC1 as PEM | SSHSIG, namespace `git`, SHA-512 |
//!
//! git puts either into the header `gpgsig` of a commit, over the commit's bytes without it.

mod opened;
mod openpgp;
mod ssh;

use std::fmt;
use std::sync::Arc;

use access::Secret;

/// The largest key that is read: 1 MiB. A cluster allows no more for a whole secret.
const MAX_KEY_BYTES: usize = 1 << 20;

/// How a key is written, and what its signatures are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// OpenPGP, by the secret's `git.asc`.
    OpenPgp,
    /// SSH, by the secret's `identity`.
    Ssh,
}

/// Why a key does not sign. Nothing of the key is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// It is no key of this format.
    #[error("it is not {0}")]
    Malformed(&'static str),
    /// It is only the public half.
    #[error("it is a public key; the private one is needed")]
    Public,
    /// There are several.
    #[error("it has {0} entities, and only one can sign")]
    Several(usize),
    /// It is encrypted, and there is no passphrase.
    #[error("it is protected by a passphrase")]
    Locked,
    /// The passphrase is another.
    #[error("the passphrase does not open it")]
    Passphrase,
    /// Opening it would take this bot's memory or time.
    #[error("its passphrase is made slower than is tried here: {0}")]
    Slow(String),
    /// It is an RSA key with too few bits.
    #[error("RSA keys need at least 2048 bits, and it has {0}")]
    Short(usize),
    /// It is a kind of key, or of encryption, that is not supported.
    #[error("{0} is not supported")]
    Unsupported(String),
    /// Nothing in it may sign.
    #[error("nothing in it is for signing: {0}")]
    Unfit(&'static str),
    /// It was valid until a moment, in seconds since 1970, that has passed.
    #[error("it has expired")]
    Expired(i64),
}

/// A key that signs.
pub struct Key {
    id: String,
    format: Format,
    made_of: MadeOf,
}

enum MadeOf {
    OpenPgp(openpgp::Ring),
    Ssh(ssh::Key),
}

impl Key {
    /// Opens a private key. With a key derivation that was made slow this takes up to a second or so: not for a thread that
    /// others wait for.
    ///
    /// # Errors
    /// As [`Problem`] says; never [`Problem::Expired`], since a key is opened before the moment at which it signs.
    pub fn open(format: Format, key: &Secret, passphrase: Option<&Secret>) -> Result<Arc<Self>, Problem> {
        opened::opened(format, key, passphrase, Self::read)
    }

    fn read(format: Format, key: &str, passphrase: Option<&str>) -> Result<Self, Problem> {
        // An empty passphrase is none.
        let passphrase = passphrase.filter(|passphrase| !passphrase.is_empty());
        match format {
            _ if key.len() > MAX_KEY_BYTES => Err(Problem::Malformed("a key: it is larger than 1 MiB")),
            Format::OpenPgp => {
                let ring = openpgp::Ring::read(key, passphrase)?;
                Ok(Self { id: ring.fingerprint(), format, made_of: MadeOf::OpenPgp(ring) })
            }
            Format::Ssh => {
                let key = ssh::Key::read(key, passphrase)?;
                Ok(Self { id: key.fingerprint(), format, made_of: MadeOf::Ssh(key) })
            }
        }
    }

    /// What it is known by: the fingerprint of its public half, as `gpg` and `ssh-keygen -l` write it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// How it is written.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.format
    }

    /// Signs bytes at a moment, in seconds since 1970. Returns the armored signature, as git writes it into the header of a commit.
    ///
    /// # Errors
    /// [`Problem::Expired`], and [`Problem::Unfit`] when the key cannot sign after all.
    pub fn sign(&self, bytes: &[u8], now: i64) -> Result<String, Problem> {
        match &self.made_of {
            MadeOf::OpenPgp(ring) => ring.sign(bytes, now),
            MadeOf::Ssh(key) => key.sign(bytes),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("format", &self.format).field("id", &self.id).finish_non_exhaustive()
    }
}
