//! Tokens of an issuer that senders show: JSON Web Tokens, signed with RS256.
//!
//! Whoever has an account at the issuer gets tokens of it, so that a signature alone says nothing: a token counts only for the audience
//! and the account that the receiver expects, both of which have to be said.

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::Refused;

/// How far clocks may be apart, in seconds.
const LEEWAY: i64 = 60;

/// The longest token that is looked at, in bytes.
const MAX_TOKEN: usize = 8 * 1024;

/// How many keys of an issuer are looked at.
const MAX_KEYS: usize = 32;

const WRONG: Refused = Refused::Unproven("`Authorization` has no token that the issuer has signed for this receiver");

/// Whose tokens count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The account, by its address, which the issuer has to have verified.
    pub email: String,
    /// For whom the token is.
    pub audience: String,
}

/// The public keys of an issuer.
#[derive(Debug, Clone, Default)]
pub struct Keys(Vec<Key>);

#[derive(Debug, Clone)]
struct Key {
    id: String,
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

impl Keys {
    /// Reads a JSON Web Key Set; keys of other kinds are left out. None where it is none.
    #[must_use]
    pub fn parse(json: &[u8]) -> Option<Self> {
        let set: Value = serde_json::from_slice(json).ok()?;
        let keys = set.get("keys")?.as_array()?.iter().take(MAX_KEYS);
        let key = |key: &Value| {
            let text = |name: &str| key.get(name).and_then(Value::as_str);
            let number = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
            let id = text("kid").filter(|_| text("kty") == Some("RSA"))?.to_owned();
            Some(Key { id, modulus: number("n")?, exponent: number("e")? })
        };
        Some(Self(keys.filter_map(key).collect()))
    }

    /// Whether the key that signed a token is among them.
    #[must_use]
    pub fn have_signed(&self, token: &str) -> bool {
        let header = token.split('.').next().and_then(part);
        header.is_some_and(|header| self.of(&header).is_some())
    }

    fn of(&self, header: &Value) -> Option<&Key> {
        let id = header.get("kid").and_then(Value::as_str).filter(|_| header["alg"] == "RS256")?;
        self.0.iter().find(|key| key.id == id)
    }

    /// Whether a token is one of these issuers' for this identity at a moment, in seconds since 1970.
    pub(crate) fn check(&self, token: &str, issuers: &[&str], wanted: &Identity, now: i64) -> Result<(), Refused> {
        let claims = self.claims(token).ok_or(WRONG)?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
        let moment = |name: &str| claims.get(name).and_then(Value::as_i64);
        let is_for_us = match claims.get("aud") {
            Some(Value::Array(all)) => all.iter().any(|one| one.as_str() == Some(&wanted.audience)),
            Some(one) => one.as_str() == Some(&wanted.audience),
            None => false,
        };
        let is_now = moment("exp").is_some_and(|end| now < end.saturating_add(LEEWAY))
            && moment("iat").is_none_or(|begin| begin <= now + LEEWAY)
            && moment("nbf").is_none_or(|begin| begin <= now + LEEWAY);
        let is_theirs = text("email") == wanted.email && claims.get("email_verified") == Some(&Value::Bool(true));
        let is_said = !wanted.audience.is_empty() && !wanted.email.is_empty();
        let is_of_issuer = issuers.contains(&text("iss"));
        if is_said && is_for_us && is_now && is_theirs && is_of_issuer { Ok(()) } else { Err(WRONG) }
    }

    /// The claims of a token whose signature holds.
    fn claims(&self, token: &str) -> Option<Value> {
        if token.len() > MAX_TOKEN {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let key = self.of(&part(header)?)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let public = RsaPublicKeyComponents { n: &key.modulus, e: &key.exponent };
        public.verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &signature).ok()?;
        part(claims)
    }
}

fn part(text: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}
