//! SSH keys, and the signatures of `ssh-keygen -Y sign` (PROTOCOL.sshsig of OpenSSH).
//!
//! What a key and a signature look like is `ssh-key`'s. The signing itself is AWS-LC's: `ssh-key` 0.6 makes wrong signatures
//! with RSA, and has a crate for each curve.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA512, RsaKeyPair,
};
use rsa::BigUint;
use rsa::pkcs1::der::asn1::UintRef;
use rsa::pkcs1::der::{Decode as _, SecretDocument};
use rsa::{pkcs1, pkcs8};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use ssh_key::private::{EcdsaKeypair, KeypairData, RsaKeypair};
use ssh_key::public::{EcdsaPublicKey, Ed25519PublicKey, KeyData, RsaPublicKey};
use ssh_key::{Algorithm, HashAlg, Kdf, LineEnding, Mpint, PrivateKey, Signature, SshSig};

use crate::Problem;

/// What the signature is for; git asks for this one.
const NAMESPACE: &str = "git";

/// Fewer bits are not signed with, as with Flux and OpenSSH.
const MIN_RSA_BITS: usize = 2048;

/// The most rounds of bcrypt that are tried; `ssh-keygen` makes 24 unless told otherwise, and each takes some milliseconds.
const MAX_ROUNDS: u32 = 1024;

const OPENSSH: &str = "-----BEGIN OPENSSH PRIVATE KEY-----";

/// What signatures are made with, and the public half.
pub(crate) struct Key {
    pair: Pair,
    public: KeyData,
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    Ecdsa(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

impl Key {
    pub(crate) fn read(text: &str, passphrase: Option<&str>) -> Result<Self, Problem> {
        let text = text.trim_start();
        if text.starts_with(OPENSSH) {
            return openssh(text, passphrase);
        }
        if text.starts_with("ssh-") || text.starts_with("ecdsa-") || text.contains("PUBLIC KEY-----") {
            return Err(Problem::Public);
        }
        // `DEK-Info` is OpenSSL's encryption of old, whose passphrase is hashed once with MD5.
        if text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("\nProc-Type: 4,ENCRYPTED") {
            let kind = "an encrypted key that is not in OpenSSH's own format (`ssh-keygen -p -f KEY` writes it anew)";
            return Err(Problem::Unsupported(kind.to_owned()));
        }
        let der = PrivateKeyDer::from_pem_slice(text.as_bytes())
            .map_err(|_| Problem::Malformed("a private key of SSH in a PEM block"))?;
        pem(&der)
    }

    /// As `ssh-keygen -l` writes it.
    pub(crate) fn fingerprint(&self) -> String {
        self.public.fingerprint(HashAlg::Sha256).to_string()
    }

    pub(crate) fn sign(&self, bytes: &[u8]) -> Result<String, Problem> {
        let failed = || Problem::Unfit("it does not sign");
        let data = SshSig::signed_data(NAMESPACE, HashAlg::Sha512, bytes).map_err(|_| failed())?;
        let signature = self.raw(&data).ok_or_else(failed)?;
        let signed = SshSig::new(self.public.clone(), NAMESPACE, HashAlg::Sha512, signature).map_err(|_| failed())?;
        signed.to_pem(LineEnding::LF).map_err(|_| failed())
    }

    fn raw(&self, data: &[u8]) -> Option<Signature> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Ed25519(pair) => Signature::new(Algorithm::Ed25519, pair.sign(data).as_ref()).ok(),
            Pair::Ecdsa(pair) => {
                let fixed = pair.sign(&random, data).ok()?;
                let (r, s) = fixed.as_ref().split_at(fixed.as_ref().len() / 2);
                let mut encoded = Vec::new();
                for number in [r, s] {
                    let number = Mpint::from_positive_bytes(number).ok()?;
                    encoded.extend(u32::try_from(number.as_bytes().len()).ok()?.to_be_bytes());
                    encoded.extend_from_slice(number.as_bytes());
                }
                Signature::new(self.public.algorithm(), encoded).ok()
            }
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA512, &random, data, &mut signature).ok()?;
                Signature::new(Algorithm::Rsa { hash: Some(HashAlg::Sha512) }, signature).ok()
            }
        }
    }
}

fn openssh(text: &str, passphrase: Option<&str>) -> Result<Key, Problem> {
    let malformed = |_| Problem::Malformed("a private key in OpenSSH's own format");
    // The decoder wants the end of the block to be the end of the text, but for one newline.
    let key = PrivateKey::from_openssh(format!("{}\n", text.trim_end())).map_err(malformed)?;
    let key = match (key.is_encrypted(), passphrase) {
        (false, _) => key,
        (true, None) => return Err(Problem::Locked),
        (true, Some(passphrase)) => {
            if let Kdf::Bcrypt { rounds, .. } = key.kdf()
                && *rounds > MAX_ROUNDS
            {
                return Err(Problem::Slow(format!("{rounds} rounds of bcrypt, and the most are {MAX_ROUNDS}")));
            }
            key.decrypt(passphrase).map_err(|_| Problem::Passphrase)?
        }
    };
    let broken = Problem::Malformed("a whole key: its halves do not belong together");
    match key.key_data() {
        KeypairData::Ed25519(pair) => {
            let (seed, public) = (pair.private.as_ref(), pair.public.as_ref());
            let signer = Ed25519KeyPair::from_seed_and_public_key(seed, public).map_err(|_| broken)?;
            Ok(Key { pair: Pair::Ed25519(signer), public: KeyData::Ed25519(pair.public) })
        }
        KeypairData::Ecdsa(pair) => {
            let (algorithm, public) = match pair {
                EcdsaKeypair::NistP256 { .. } => (&ECDSA_P256_SHA256_FIXED_SIGNING, pair.public_key_bytes()),
                EcdsaKeypair::NistP384 { .. } => (&ECDSA_P384_SHA384_FIXED_SIGNING, pair.public_key_bytes()),
                EcdsaKeypair::NistP521 { .. } => (&ECDSA_P521_SHA512_FIXED_SIGNING, pair.public_key_bytes()),
            };
            let signer = EcdsaKeyPair::from_private_key_and_public_key(algorithm, pair.private_key_bytes(), public);
            ecdsa(signer.map_err(|_| broken)?)
        }
        KeypairData::Rsa(pair) => rsa(pair),
        other => {
            let name = other
                .algorithm()
                .map_or_else(|_| "a key of this kind".to_owned(), |it| format!("a key of the kind {it}"));
            Err(Problem::Unsupported(name))
        }
    }
}

/// OpenSSH leaves out two of the numbers that a key in DER has.
fn rsa(pair: &RsaKeypair) -> Result<Key, Problem> {
    let broken = || Problem::Malformed("a whole key: its numbers do not belong together");
    let bytes = |number: &Mpint| number.as_positive_bytes().map(<[u8]>::to_vec).ok_or_else(broken);
    let [n, e] = [bytes(&pair.public.n)?, bytes(&pair.public.e)?];
    let private = &pair.private;
    let [d, p, q, coefficient] = [bytes(&private.d)?, bytes(&private.p)?, bytes(&private.q)?, bytes(&private.iqmp)?];
    long_enough(&n)?;
    let one = BigUint::from(1_u8);
    let exponent = |prime: &[u8]| {
        let prime = BigUint::from_bytes_be(prime);
        (prime > one).then(|| (BigUint::from_bytes_be(&d) % (prime - &one)).to_bytes_be()).ok_or_else(broken)
    };
    let [dp, dq] = [exponent(&p)?, exponent(&q)?];
    let uint = |bytes| UintRef::new(bytes).map_err(|_| broken());
    let whole = pkcs1::RsaPrivateKey {
        modulus: uint(&n)?,
        public_exponent: uint(&e)?,
        private_exponent: uint(&d)?,
        prime1: uint(&p)?,
        prime2: uint(&q)?,
        exponent1: uint(&dp)?,
        exponent2: uint(&dq)?,
        coefficient: uint(&coefficient)?,
        other_prime_infos: None,
    };
    let document = SecretDocument::try_from(&whole).map_err(|_| broken())?;
    let signer = RsaKeyPair::from_der(document.as_bytes()).map_err(|_| broken())?;
    Ok(Key { pair: Pair::Rsa(signer), public: KeyData::Rsa(pair.public.clone()) })
}

fn long_enough(modulus: &[u8]) -> Result<(), Problem> {
    let bits = BigUint::from_bytes_be(modulus).bits();
    if bits < MIN_RSA_BITS { Err(Problem::Short(bits)) } else { Ok(()) }
}

/// A key in one of OpenSSL's formats.
fn pem(der: &PrivateKeyDer<'_>) -> Result<Key, Problem> {
    let bytes = der.secret_der();
    if let PrivateKeyDer::Pkcs1(_) = der {
        return rsa_der(bytes);
    }
    if let PrivateKeyDer::Pkcs8(_) = der
        && let Ok(info) = pkcs8::PrivateKeyInfo::from_der(bytes)
        && info.algorithm.oid == pkcs1::ALGORITHM_OID
    {
        return rsa_der(info.private_key);
    }
    if let Ok(signer) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(bytes) {
        let public: [u8; 32] = signer.public_key().as_ref().try_into().map_err(|_| unknown())?;
        return Ok(Key { public: KeyData::Ed25519(Ed25519PublicKey(public)), pair: Pair::Ed25519(signer) });
    }
    const CURVES: [&EcdsaSigningAlgorithm; 3] =
        [&ECDSA_P256_SHA256_FIXED_SIGNING, &ECDSA_P384_SHA384_FIXED_SIGNING, &ECDSA_P521_SHA512_FIXED_SIGNING];
    let signer = CURVES.iter().find_map(|curve| EcdsaKeyPair::from_private_key_der(curve, bytes).ok());
    ecdsa(signer.ok_or_else(unknown)?)
}

fn rsa_der(der: &[u8]) -> Result<Key, Problem> {
    let numbers = pkcs1::RsaPrivateKey::from_der(der).map_err(|_| unknown())?;
    long_enough(numbers.modulus.as_bytes())?;
    let signer = RsaKeyPair::from_der(der).map_err(|_| unknown())?;
    let number = |number: &UintRef<'_>| Mpint::from_positive_bytes(number.as_bytes()).map_err(|_| unknown());
    let (n, e) = (number(&numbers.modulus)?, number(&numbers.public_exponent)?);
    Ok(Key { public: KeyData::Rsa(RsaPublicKey { n, e }), pair: Pair::Rsa(signer) })
}

fn unknown() -> Problem {
    Problem::Unsupported("a key that is neither Ed25519, nor ECDSA with P-256, P-384 or P-521, nor RSA".to_owned())
}

fn ecdsa(signer: EcdsaKeyPair) -> Result<Key, Problem> {
    let public = EcdsaPublicKey::from_sec1_bytes(signer.public_key().as_ref()).map_err(|_| unknown())?;
    Ok(Key { pair: Pair::Ecdsa(signer), public: KeyData::Ecdsa(public) })
}
