//! OpenPGP keys and signatures, by rPGP.
//!
//! What signs is what `gpg` would take: the newest subkey that is for signing, else the primary key if it is. What a key may do,
//! and until when, counts only where the primary key has signed that.

use pgp::composed::{ArmorOptions, Deserializable, DetachedSignature, SignedSecretKey, SignedSecretSubKey};
use pgp::packet::{KeyFlags, SecretKey, SecretSubkey, Signature, SignatureType, Subpacket, SubpacketData};
use pgp::types::{KeyDetails as _, Password, S2kParams, SecretParams, SigningKey, StringToKey, Tag, Timestamp};
use rand08::rngs::OsRng;

use crate::Problem;

/// What Argon2 may take of this bot's memory: 2^18 KiB are 256 MiB. RFC 9106 recommends 64 MiB for those who have little.
const MAX_ARGON2_MEMORY: u8 = 18;

/// How often it may go over that.
const MAX_ARGON2_PASSES: u8 = 8;

const NO_KEY: &str = "an armored OpenPGP private key";

/// The keys of one entity that sign, unlocked; the first of them that has not expired is taken.
pub(crate) struct Ring {
    fingerprint: String,
    keys: Vec<Signer>,
}

struct Signer {
    key: Half,
    /// Seconds since 1970.
    created: i64,
    expires: Option<i64>,
}

enum Half {
    Primary(SecretKey),
    Sub(SecretSubkey),
}

impl Ring {
    pub(crate) fn read(armored: &str, passphrase: Option<&str>) -> Result<Self, Problem> {
        let entity = only(armored)?;
        let primary = entity.primary_key.public_key();
        if entity.details.revocation_signatures.iter().any(|it| it.verify_key(primary).is_ok()) {
            return Err(Problem::Unfit("it is revoked"));
        }
        let own = newest(self_signatures(&entity));
        let own = own.ok_or(Problem::Unfit("it has not signed a name of its own"))?;
        let created = seconds(primary.created_at());
        let ends = expiry(created, own);
        let mut keys: Vec<Signer> =
            entity.secret_subkeys.iter().filter_map(|subkey| signer(&entity, subkey, ends)).collect();
        keys.sort_by_key(|key| std::cmp::Reverse(key.created));
        let flags = own.key_flags();
        if (flags.sign() || flags == KeyFlags::default()) && primary.algorithm().can_sign() {
            keys.push(Signer { key: Half::Primary(entity.primary_key.clone()), created, expires: ends });
        }
        // Of what `gpg --export-secret-subkeys` writes, the primary key is a stub.
        keys.retain(|key| !is_stub(key.key.params()));
        if keys.is_empty() {
            return Err(Problem::Unfit("it has no private key that may sign"));
        }
        for key in &mut keys {
            key.key.unlock(passphrase)?;
        }
        Ok(Self { fingerprint: format!("{:X}", primary.fingerprint()), keys })
    }

    /// As gpg writes it.
    pub(crate) fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }

    pub(crate) fn sign(&self, bytes: &[u8], now: i64) -> Result<String, Problem> {
        let is_valid = |key: &&Signer| key.expires.is_none_or(|expires| now < expires);
        let Some(signer) = self.keys.iter().find(is_valid) else {
            return Err(Problem::Expired(self.keys.iter().filter_map(|key| key.expires).max().unwrap_or_default()));
        };
        let failed = |_| Problem::Unfit("it does not sign");
        let at = Timestamp::from_secs(u32::try_from(now.max(signer.created)).unwrap_or(u32::MAX));
        let signature = match &signer.key {
            Half::Primary(key) => detached(key, bytes, at),
            Half::Sub(key) => detached(key, bytes, at),
        };
        signature.and_then(|signature| signature.to_armored_string(ArmorOptions::default())).map_err(failed)
    }
}

impl Half {
    fn params(&self) -> &SecretParams {
        match self {
            Self::Primary(key) => key.secret_params(),
            Self::Sub(key) => key.secret_params(),
        }
    }

    fn unlock(&mut self, passphrase: Option<&str>) -> Result<(), Problem> {
        let SecretParams::Encrypted(encrypted) = self.params() else { return Ok(()) };
        let passphrase = passphrase.ok_or(Problem::Locked)?;
        match encrypted.string_to_key_params() {
            S2kParams::Aead { s2k: StringToKey::Argon2 { t, m_enc, .. }, .. }
            | S2kParams::Cfb { s2k: StringToKey::Argon2 { t, m_enc, .. }, .. }
                if *m_enc > MAX_ARGON2_MEMORY || *t > MAX_ARGON2_PASSES =>
            {
                let limit = format!("{MAX_ARGON2_PASSES} passes of Argon2 over 256 MiB are the most");
                return Err(Problem::Slow(limit));
            }
            _ => {}
        }
        let password = Password::from(passphrase);
        let unlocked = match self {
            Self::Primary(key) => key.remove_password(&password),
            Self::Sub(key) => key.remove_password(&password),
        };
        unlocked.map_err(|_| Problem::Passphrase)
    }
}

/// The only entity.
fn only(armored: &str) -> Result<SignedSecretKey, Problem> {
    let malformed = |_| match armored.contains("BEGIN PGP PUBLIC KEY") {
        true => Problem::Public,
        false => Problem::Malformed(NO_KEY),
    };
    let (entities, _) = SignedSecretKey::from_armor_many(armored.as_bytes()).map_err(malformed)?;
    let entities: Vec<SignedSecretKey> = entities.collect::<Result<_, _>>().map_err(malformed)?;
    match entities.len() {
        0 => Err(Problem::Malformed(NO_KEY)),
        1 => entities.into_iter().next().ok_or(Problem::Malformed(NO_KEY)),
        count => Err(Problem::Several(count)),
    }
}

/// What the primary key has signed about itself.
fn self_signatures(entity: &SignedSecretKey) -> impl Iterator<Item = &Signature> {
    let primary = entity.primary_key.public_key();
    let direct = entity.details.direct_signatures.iter().filter(move |it| it.verify_key(primary).is_ok());
    let names = entity.details.users.iter().flat_map(move |user| {
        let by_itself = |it: &&Signature| it.verify_certification(primary, Tag::UserId, &user.id).is_ok();
        user.signatures.iter().filter(|it| it.is_certification()).filter(by_itself)
    });
    direct.chain(names)
}

fn newest<'s>(signatures: impl Iterator<Item = &'s Signature>) -> Option<&'s Signature> {
    signatures.max_by_key(|signature| signature.created().map(Timestamp::as_secs))
}

/// A subkey that signs; none if it is not for that.
fn signer(entity: &SignedSecretKey, subkey: &SignedSecretSubKey, ends: Option<i64>) -> Option<Signer> {
    let (primary, public) = (entity.primary_key.public_key(), subkey.key.public_key());
    if subkey.signatures.iter().any(|it| it.typ() == Some(SignatureType::SubkeyRevocation)) {
        return None;
    }
    let bindings = subkey.signatures.iter().filter(|it| it.typ() == Some(SignatureType::SubkeyBinding));
    let binding = newest(bindings.filter(|it| it.verify_subkey_binding(primary, public).is_ok()))?;
    // A subkey for signing says itself, too, whose it is; nobody would take its signatures otherwise.
    binding.embedded_signature()?.verify_primary_key_binding(public, primary).ok()?;
    let created = seconds(public.created_at());
    let expires = [expiry(created, binding), ends].into_iter().flatten().min();
    let is_fit = binding.key_flags().sign() && public.algorithm().can_sign();
    is_fit.then(|| Signer { key: Half::Sub(subkey.key.clone()), created, expires })
}

/// When a key expires that was made at a moment.
fn expiry(created: i64, signature: &Signature) -> Option<i64> {
    let lasts = signature.key_expiration_time().map(|lasts| lasts.as_secs()).filter(|lasts| *lasts > 0)?;
    Some(created + i64::from(lasts))
}

fn seconds(moment: Timestamp) -> i64 {
    i64::from(moment.as_secs())
}

/// Whether the private part is elsewhere: on a smartcard, or left out.
fn is_stub(params: &SecretParams) -> bool {
    let SecretParams::Encrypted(encrypted) = params else { return false };
    let private = |s2k: &StringToKey| matches!(s2k, StringToKey::Private { .. });
    match encrypted.string_to_key_params() {
        S2kParams::Aead { s2k, .. } | S2kParams::Cfb { s2k, .. } | S2kParams::MalleableCfb { s2k, .. } => private(s2k),
        _ => false,
    }
}

/// A signature over bytes, made at a moment.
fn detached(key: &impl SigningKey, bytes: &[u8], at: Timestamp) -> pgp::errors::Result<DetachedSignature> {
    use pgp::composed::SubpacketConfig;
    let hashed = vec![
        Subpacket::critical(SubpacketData::SignatureCreationTime(at))?,
        Subpacket::regular(SubpacketData::IssuerFingerprint(key.fingerprint()))?,
    ];
    let unhashed = match key.version() {
        pgp::types::KeyVersion::V4 => vec![Subpacket::regular(SubpacketData::IssuerKeyId(key.legacy_key_id()))?],
        _ => Vec::new(),
    };
    let subpackets = SubpacketConfig::UserDefined { hashed, unhashed };
    let (password, hash) = (Password::empty(), key.hash_alg());
    DetachedSignature::sign_binary_data_with_subpackets(OsRng, key, &password, hash, bytes, subpackets)
}
