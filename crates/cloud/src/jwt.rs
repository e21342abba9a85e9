//! JSON Web Tokens: those that are signed here with a private key, and how long those that come in are good.

use access::{ExposeSecret as _, Secret};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};

/// Signs claims with an RSA key (RS256). `id` names the key where the server has several.
///
/// # Errors
/// In words behind the name of the key: what is wrong with it.
pub(crate) fn sign(pem: &Secret, id: Option<&str>, claims: &Value) -> Result<Secret, &'static str> {
    let key = PrivateKeyDer::from_pem_slice(pem.expose_secret().trim().as_bytes())
        .map_err(|_| "is not a private key as PEM")?;
    let pair = match &key {
        PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
        PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
        _ => return Err("is not an RSA key"),
    };
    let pair = pair.map_err(|_| "is not an RSA key of at least 2048 bits")?;
    let header = match id {
        Some(id) => json!({ "alg": "RS256", "kid": id, "typ": "JWT" }),
        None => json!({ "alg": "RS256", "typ": "JWT" }),
    };
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&header), part(claims));
    let mut signature = vec![0; pair.public_modulus_len()];
    let outcome = pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature);
    outcome.map_err(|_| "cannot sign")?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)).into())
}

/// Returns when a token ends, by its own word. Its signature is its server's affair.
pub(crate) fn end(token: &str) -> Option<Timestamp> {
    let claims = token.split('.').nth(1)?;
    let claims = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    let seconds = claims.get("exp")?;
    let seconds = seconds.as_i64().or_else(|| seconds.as_f64().map(|seconds| seconds as i64))?;
    Timestamp::from_second(seconds).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// `fixtures/cloud/tokens.py` made them with PyJWT.
    #[test]
    fn tokens_are_those_of_another_implementation() {
        let vectors: Value = serde_json::from_str(include_str!("../../../fixtures/cloud/tokens.json")).unwrap();
        for form in ["pkcs1", "pkcs8"] {
            let key = vectors[form].as_str().unwrap().into();
            for token in vectors["tokens"].as_array().unwrap() {
                let ours = sign(&key, token["id"].as_str(), &token["claims"]).unwrap();
                assert_eq!(ours.expose_secret(), token["token"].as_str().unwrap(), "{form}");
                assert_eq!(end(ours.expose_secret()).unwrap().as_second(), token["claims"]["exp"].as_i64().unwrap());
            }
        }
        assert_eq!(end("opaque"), None);
    }

    #[test]
    fn what_is_no_key() {
        let fail = |pem: &str| sign(&pem.into(), None, &Value::Null).unwrap_err();
        assert_eq!(fail("hunter2"), "is not a private key as PEM");
        let broken = "-----BEGIN RSA PRIVATE KEY-----\naHVudGVyMg==\n-----END RSA PRIVATE KEY-----\n";
        assert_eq!(fail(broken), "is not an RSA key of at least 2048 bits");
    }
}
