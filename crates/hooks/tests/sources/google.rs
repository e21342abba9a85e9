//! Tokens as Google makes them, with a key of our own.

use std::sync::LazyLock;

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hooks::{Delivery, Identity, Receiver, Refused, Request, Source};
use oidc::Keys;
use serde_json::{Value, json};

/// 2026-12-01.
pub(crate) const NOW: i64 = 1_796_083_200;

const EMAIL: &str = "push@acme.iam.gserviceaccount.com";
const AUDIENCE: &str = "https://bot.example.com";

static KEY: LazyLock<RsaKeyPair> = LazyLock::new(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap());
static OTHER: LazyLock<RsaKeyPair> = LazyLock::new(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap());

pub(crate) fn identity() -> Identity {
    Identity::of_google(EMAIL, AUDIENCE.to_owned())
}

/// The set of keys with the public half of ours: modulus and exponent are at the end of the DER.
pub(crate) fn keys() -> Keys {
    let public = KEY.public_key();
    let x509: PublicKeyX509Der<'_> = public.as_der().unwrap();
    let der: &[u8] = x509.as_ref();
    let n = URL_SAFE_NO_PAD.encode(&der[der.len() - 5 - 256..der.len() - 5]);
    let key = json!({"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "one", "n": n, "e": "AQAB"});
    let elliptic = json!({"kty": "EC", "kid": "two", "crv": "P-256"});
    Keys::parse(json!({"keys": [elliptic, key]}).to_string().as_bytes()).unwrap()
}

pub(crate) fn claims() -> Value {
    json!({"iss": "https://accounts.google.com", "aud": AUDIENCE, "azp": "1", "sub": "1", "email": EMAIL,
        "email_verified": true, "iat": NOW - 10, "exp": NOW + 3_600})
}

pub(crate) fn token(claims: &Value) -> String {
    signed(&json!({"alg": "RS256", "kid": "one", "typ": "JWT"}), claims, &KEY)
}

fn signed(header: &Value, claims: &Value, key: &RsaKeyPair) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", part(header), part(claims));
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn read(token: &str, identity: Option<Identity>, keys: Option<&Keys>) -> Result<Delivery, Refused> {
    let (namespace, name) = ("default".to_owned(), "gar".to_owned());
    let (source, token_of_path) = (Source::Gcr, "s3cret".into());
    let receiver =
        Receiver { namespace, name, source, token: token_of_path, events: Vec::new(), scope: None, identity };
    let header = |name: &str| (name == "authorization").then(|| format!("Bearer {token}"));
    // That the path has the token is not enough.
    receiver.read(&Request { header: &header, body: b"{}", by_path: true, keys, now: NOW })
}

#[test]
fn only_the_account_that_is_named_is_believed_and_only_for_us() {
    let keys = keys();
    read(&token(&claims()), Some(identity()), Some(&keys)).unwrap();
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        claims
    };
    for claims in [with("aud", json!(["https://x.example.com", AUDIENCE])), with("iss", "accounts.google.com".into())] {
        read(&token(&claims), Some(identity()), Some(&keys)).unwrap();
    }
    let refused = |token: &str, what: &str| {
        let came = read(token, Some(identity()), Some(&keys));
        assert!(matches!(came, Err(Refused::Unproven(_))), "{what}: {came:?}");
    };
    for (name, value) in [
        ("aud", json!("https://other.example.com")),
        ("aud", json!([])),
        ("aud", Value::Null),
        ("email", json!("anybody@gmail.com")),
        ("email", Value::Null),
        ("email_verified", json!(false)),
        ("email_verified", json!("true")),
        ("iss", json!("https://accounts.example.com")),
        ("exp", json!(NOW - 61)),
        ("exp", Value::Null),
        ("iat", json!(NOW + 61)),
        ("nbf", json!(NOW + 3_600)),
    ] {
        refused(&token(&with(name, value.clone())), &format!("{name} {value}"));
    }
    let header = |alg: &str, kid: &str| json!({"alg": alg, "kid": kid});
    refused(&signed(&header("RS256", "one"), &claims(), &OTHER), "another key");
    refused(&signed(&header("RS256", "nine"), &claims(), &KEY), "a key that is not known");
    refused(&signed(&header("none", "one"), &claims(), &KEY), "no algorithm");
    refused(&signed(&header("HS256", "one"), &claims(), &KEY), "another algorithm");
    let right = token(&claims());
    for broken in ["", ".", "..", "a.b.c", &right[..right.len() - 5], &format!("{right}.x"), &"a".repeat(10_000)] {
        refused(broken, broken);
    }
    // Without a name for either, or without keys, nobody is believed.
    for identity in [
        None,
        Some(Identity::of_google("", AUDIENCE.to_owned())),
        Some(Identity { conditions: Vec::new(), ..identity() }),
        Some(Identity { audience: String::new(), ..identity() }),
    ] {
        assert!(read(&right, identity, Some(&keys)).is_err());
    }
    assert!(read(&right, Some(identity()), None).is_err());
    assert!(keys.know(&right) && !keys.know("a.b.c") && Keys::parse(b"[]").is_none());
}
