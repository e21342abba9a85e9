//! The public keys of an issuer.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde_json::{Map, Value};

use crate::{Claims, Expected, MAX_TOKEN, Refused};

/// How many keys of an issuer are looked at.
const MAX_KEYS: usize = 64;

/// The public keys of an issuer.
#[derive(Clone, Default)]
pub struct Keys(Vec<Key>);

#[derive(Clone)]
struct Key {
    id: Option<String>,
    /// The one algorithm that it is for, where the issuer says so.
    only: Option<String>,
    family: Family,
    public: DecodingKey,
}

/// What a key can sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Rsa,
    P256,
    P384,
    Ed25519,
}

/// What the head of a token says of its signature.
#[derive(Debug)]
struct Head {
    /// The algorithm by its name.
    name: String,
    algorithm: Algorithm,
    family: Family,
    key: Option<String>,
}

impl Keys {
    /// Reads a JSON Web Key Set; keys for other things than signatures, or of kinds that are not known, are left out. None where it is no set.
    #[must_use]
    pub fn parse(json: &[u8]) -> Option<Self> {
        let mut set: Value = serde_json::from_slice(json).ok()?;
        let Value::Array(keys) = set.get_mut("keys")?.take() else { return None };
        Some(Self(keys.into_iter().take(MAX_KEYS).filter_map(key).collect()))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the key that a token says to be signed with is among them.
    #[must_use]
    pub fn know(&self, token: &str) -> bool {
        token
            .split('.')
            .next()
            .and_then(part)
            .is_some_and(|head| head_of(&head).is_ok_and(|head| self.of(&head).is_some()))
    }

    /// What a token says, if one of these keys has signed it, and it is what is expected.
    ///
    /// # Errors
    /// It does not count, and why.
    pub fn check(&self, token: &str, expected: &Expected<'_>) -> Result<Claims, Refused> {
        if token.len() > MAX_TOKEN {
            return Err(Refused::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Refused::Malformed)?;
        let (head, claims) = signed.split_once('.').ok_or(Refused::Malformed)?;
        let head = head_of(&part(head).ok_or(Refused::Malformed)?)?;
        let key = self.of(&head).ok_or(Refused::Key)?;
        // What is no signature at all, and what is a wrong one, are the same.
        if !crypto::verify(signature, signed.as_bytes(), &key.public, head.algorithm).unwrap_or(false) {
            return Err(Refused::Signature);
        }
        let claims = Claims(part(claims).ok_or(Refused::Malformed)?);
        claims.check(expected)?;
        Ok(claims)
    }

    fn of(&self, head: &Head) -> Option<&Key> {
        let fits = |key: &&Key| key.family == head.family && key.only.as_ref().is_none_or(|only| *only == head.name);
        let mut fitting = self.0.iter().filter(fits);
        match &head.key {
            Some(id) => fitting.find(|key| key.id.as_ref() == Some(id)),
            None => fitting.next().filter(|_| fitting.next().is_none()),
        }
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| (&key.id, key.family))).finish()
    }
}

fn key(value: Value) -> Option<Key> {
    // Read by hand, since one word that the library does not know would cost the key.
    let only = value.get("alg").and_then(Value::as_str).map(str::to_owned);
    let mut value = value;
    let fields = value.as_object_mut()?;
    fields.remove("alg");
    fields.remove("key_ops");
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    let family = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Family::Rsa,
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => Family::P256,
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P384 => Family::P384,
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => Family::Ed25519,
        _ => return None,
    };
    let is_for_signatures = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
    let public = DecodingKey::from_jwk(&jwk).ok().filter(|_| is_for_signatures)?;
    Some(Key { id: jwk.common.key_id, only, family, public })
}

/// What the head of a token says; nothing of it is believed, but that it chooses among the keys.
fn head_of(head: &Map<String, Value>) -> Result<Head, Refused> {
    let text = |name: &str| head.get(name).and_then(Value::as_str);
    let is_plain = match head.get("typ") {
        None => true,
        Some(kind) => kind.as_str().is_some_and(|kind| {
            let kind = kind.to_ascii_lowercase();
            matches!(kind.strip_prefix("application/").unwrap_or(&kind), "jwt" | "at+jwt")
        }),
    };
    if !is_plain || head.contains_key("crit") {
        return Err(Refused::Malformed);
    }
    let name = text("alg").ok_or(Refused::Algorithm)?;
    let (algorithm, family) = match name {
        "RS256" => (Algorithm::RS256, Family::Rsa),
        "RS384" => (Algorithm::RS384, Family::Rsa),
        "RS512" => (Algorithm::RS512, Family::Rsa),
        "PS256" => (Algorithm::PS256, Family::Rsa),
        "PS384" => (Algorithm::PS384, Family::Rsa),
        "PS512" => (Algorithm::PS512, Family::Rsa),
        "ES256" => (Algorithm::ES256, Family::P256),
        "ES384" => (Algorithm::ES384, Family::P384),
        "EdDSA" => (Algorithm::EdDSA, Family::Ed25519),
        _ => return Err(Refused::Algorithm),
    };
    Ok(Head { name: name.to_owned(), algorithm, family, key: text("kid").map(str::to_owned) })
}

/// A part of a token that is an object.
fn part(text: &str) -> Option<Map<String, Value>> {
    if text.len() > MAX_TOKEN {
        return None;
    }
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}
