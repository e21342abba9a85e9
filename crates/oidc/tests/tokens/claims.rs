//! What a token has to be and to say.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oidc::{Condition, Expected, Keys, MAX_TOKEN, Refused};
use serde_json::{Value, json};

use crate::simulated::{Signer, unsigned};

const NOW: i64 = 1_800_000_000;
const ISSUER: &str = "https://issuer.example.com";

fn good() -> Value {
    json!({"iss": ISSUER, "aud": "bot", "sub": "u1", "exp": NOW + 300, "iat": NOW - 5, "groups": ["dev", "platform"]})
}

/// The claims of a good token with some of them otherwise; null takes one away.
fn with(changes: Value) -> Value {
    let mut claims = good();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

fn set(keys: &[&Signer]) -> Keys {
    let keys: Vec<Value> = keys.iter().map(|key| key.public()).collect();
    Keys::parse(json!({"keys": keys}).to_string().as_bytes()).unwrap()
}

fn check(keys: &Keys, token: &str) -> Result<(), Refused> {
    keys.check(token, &Expected { issuers: &[ISSUER], audience: "bot", now: NOW }).map(drop)
}

#[test]
fn a_token_is_for_us_and_for_now() {
    let key = Signer::p256("one");
    let keys = set(&[&key]);
    for (changes, expect) in [
        (json!({}), Ok(())),
        (json!({"aud": ["other", "bot"]}), Ok(())),
        (json!({"aud": "other"}), Err(Refused::Audience)),
        (json!({"aud": ["other"]}), Err(Refused::Audience)),
        (json!({"aud": []}), Err(Refused::Audience)),
        (json!({"aud": null}), Err(Refused::Audience)),
        (json!({"aud": "bot,other"}), Err(Refused::Audience)),
        (json!({"aud": {"bot": true}}), Err(Refused::Audience)),
        (json!({"iss": "https://other.example.com"}), Err(Refused::Issuer)),
        (json!({"iss": format!("{ISSUER}/")}), Err(Refused::Issuer)),
        (json!({"iss": [ISSUER]}), Err(Refused::Issuer)),
        (json!({"iss": null}), Err(Refused::Issuer)),
        (json!({"exp": NOW - 59}), Ok(())),
        (json!({"exp": NOW - 60}), Err(Refused::Over)),
        (json!({"exp": NOW as f64 + 0.5}), Ok(())),
        (json!({"exp": null}), Err(Refused::Over)),
        (json!({"exp": (NOW + 300).to_string()}), Err(Refused::Over)),
        (json!({"exp": i64::MIN}), Err(Refused::Over)),
        (json!({"nbf": NOW + 60}), Ok(())),
        (json!({"nbf": NOW + 61}), Err(Refused::Early)),
        (json!({"nbf": i64::MAX}), Err(Refused::Early)),
        (json!({"nbf": "now"}), Err(Refused::Early)),
        (json!({"iat": NOW + 61}), Err(Refused::Early)),
        (json!({"iat": null}), Ok(())),
    ] {
        assert_eq!(check(&keys, &key.token(&with(changes.clone()))), expect, "{changes}");
    }
    let nobody = Expected { issuers: &[ISSUER], audience: "", now: NOW };
    assert_eq!(keys.check(&key.token(&with(json!({"aud": ""}))), &nobody), Err(Refused::Audience));
}

#[test]
fn every_algorithm_of_public_keys_and_no_other() {
    let (rsa, p256, p384, ed) = (Signer::rsa("r"), Signer::p256("p"), Signer::p384("q"), Signer::ed25519("e"));
    let keys = set(&[&rsa, &p256, &p384, &ed]);
    for key in [&rsa, &p256, &p384, &ed] {
        assert_eq!(check(&keys, &key.token(&good())), Ok(()));
        assert!(keys.know(&key.token(&good())));
    }
    for algorithm in ["PS256", "RS512"] {
        assert_eq!(check(&keys, &rsa.signed(&json!({"alg": algorithm, "kid": "r"}), &good())), Ok(()));
    }
    // Signed in one way and said to be signed in another, or by a key that cannot.
    for (key, algorithm, expect) in [
        (&rsa, "RS384", Refused::Signature),
        (&rsa, "ES256", Refused::Key),
        (&p256, "ES384", Refused::Key),
        (&p384, "ES256", Refused::Key),
        (&ed, "RS256", Refused::Key),
        (&rsa, "none", Refused::Algorithm),
        (&rsa, "None", Refused::Algorithm),
        (&rsa, "HS256", Refused::Algorithm),
        (&rsa, "rs256", Refused::Algorithm),
        (&rsa, "", Refused::Algorithm),
    ] {
        let token = key.signed(&json!({"alg": algorithm, "kid": key.id}), &good());
        assert_eq!(check(&keys, &token), Err(expect), "{algorithm} by {}", key.id);
    }
    let nothing = unsigned(&json!({"alg": "none"}), &good());
    assert_eq!(check(&keys, &format!("{nothing}.")), Err(Refused::Algorithm));
    let head = unsigned(&json!({"alg": "HS256", "kid": "r"}), &good());
    for secret in [rsa.modulus(), rsa.public().to_string().into_bytes(), rsa.public()["n"].as_str().unwrap().into()] {
        let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), head.as_bytes());
        let token = format!("{head}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()));
        assert_eq!(check(&keys, &token), Err(Refused::Algorithm));
    }
}

#[test]
fn the_key_is_the_issuers_and_for_this() {
    let (one, other) = (Signer::rsa("one"), Signer::rsa("one"));
    let keys = set(&[&one]);
    assert_eq!(check(&keys, &other.token(&good())), Err(Refused::Signature));
    let head = |id: Value| json!({"alg": "RS256", "kid": id});
    assert_eq!(check(&keys, &one.signed(&head(json!("two")), &good())), Err(Refused::Key));
    // Without a name there is one key, or none.
    assert_eq!(check(&keys, &one.signed(&head(Value::Null), &good())), Ok(()));
    let two = Signer::rsa("two");
    assert_eq!(check(&set(&[&one, &two]), &one.signed(&head(Value::Null), &good())), Err(Refused::Key));

    let of = |changes: &[(&str, Value)]| {
        let mut key = one.public();
        changes.iter().for_each(|(name, value)| key[name] = value.clone());
        Keys::parse(json!({"keys": [key]}).to_string().as_bytes()).unwrap()
    };
    let token = one.token(&good());
    assert_eq!(check(&of(&[("alg", json!("RS256"))]), &token), Ok(()));
    assert_eq!(check(&of(&[("alg", json!("PS256"))]), &token), Err(Refused::Key));
    assert_eq!(check(&of(&[("alg", json!("X9")), ("key_ops", json!(["unheard"]))]), &token), Err(Refused::Key));
    assert_eq!(check(&of(&[("key_ops", json!(["unheard"]))]), &token), Ok(()));
    assert_eq!(check(&of(&[("use", json!("enc"))]), &token), Err(Refused::Key));
    let secret = json!({"keys": [{"kty": "oct", "kid": "one", "k": "c2VjcmV0"}, {"kty": "new"}, 7, null]});
    assert!(Keys::parse(secret.to_string().as_bytes()).unwrap().is_empty());
    for text in ["", "[]", "{}", r#"{"keys": {}}"#, "<html>"] {
        assert!(Keys::parse(text.as_bytes()).is_none(), "{text}");
    }
}

#[test]
fn what_is_no_token() {
    let key = Signer::p256("one");
    let keys = set(&[&key]);
    let token = key.token(&good());
    let head = |changes: Value| {
        let mut head = json!({"alg": "ES256", "kid": "one"});
        changes.as_object().unwrap().iter().for_each(|(name, value)| head[name] = value.clone());
        check(&keys, &key.signed(&head, &good()))
    };
    for kind in ["JWT", "jwt", "at+jwt", "application/at+jwt"] {
        assert_eq!(head(json!({"typ": kind})), Ok(()), "{kind}");
    }
    for kind in [json!("logout+jwt"), json!("dpop+jwt"), json!(""), json!(1)] {
        assert_eq!(head(json!({ "typ": kind })), Err(Refused::Malformed), "{kind}");
    }
    assert_eq!(head(json!({"crit": ["exp"]})), Err(Refused::Malformed));
    let parts: Vec<&str> = token.split('.').collect();
    for text in [
        "",
        ".",
        "..",
        "a.b.c",
        parts[0],
        &format!("{}.{}", parts[0], parts[1]),
        &format!("{token}.x"),
        &format!("é{token}"),
    ] {
        assert!(check(&keys, text).is_err(), "{text}");
    }
    for at in [0, 1, 2] {
        let mut broken: Vec<String> = parts.iter().map(|&part| part.to_owned()).collect();
        // The last sign of a part has bits that say nothing; the first has none.
        let other = if broken[at].starts_with('A') { "B" } else { "A" };
        broken[at].replace_range(..1, other);
        assert!(check(&keys, &broken.join(".")).is_err(), "{at}");
    }
    let long = key.token(&with(json!({"groups": "x".repeat(MAX_TOKEN)})));
    assert_eq!(check(&keys, &long), Err(Refused::Malformed));
}

#[test]
fn conditions_are_of_claims() {
    let key = Signer::p256("one");
    let claims = with(json!({
        "email_verified": true, "admin": false, "level": 3, "empty": "", "https://example.com/team": "shop",
        "realm_access": {"roles": ["bot-admin"]}, "none": [], "dn": "cn=admins,ou=groups",
    }));
    let expected = Expected { issuers: &[ISSUER], audience: "bot", now: NOW };
    let claims = set(&[&key]).check(&key.token(&claims), &expected).unwrap();
    for (text, expect) in [
        ("groups=platform", true),
        ("groups=plat", false),
        ("groups=*", true),
        ("groups=Platform", false),
        ("sub=u1", true),
        ("email_verified=true", true),
        ("admin=true", false),
        ("admin=false", true),
        ("admin=*", false),
        ("level=3", true),
        ("empty=*", false),
        ("none=*", false),
        ("missing=*", false),
        ("https://example.com/team=shop", true),
        ("/realm_access/roles=bot-admin", true),
        ("/realm_access/roles=other", false),
        ("/realm_access/missing/deep=x", false),
        ("realm_access=*", true),
        ("dn=cn=admins,ou=groups", true),
    ] {
        assert_eq!(Condition::parse(text).unwrap().holds(&claims), expect, "{text}");
    }
    for (email, verified, expect) in [
        ("ann@example.com", Some(json!(true)), true),
        ("ann@example.com", None, true),
        ("ann@example.com", Some(json!(false)), false),
        ("ann@example.com", Some(json!("true")), false),
        ("ANN@example.com", None, false),
    ] {
        let mut claims = with(json!({ "email": email }));
        if let Some(verified) = verified {
            claims["email_verified"] = verified;
        }
        let claims = set(&[&key]).check(&key.token(&claims), &expected).unwrap();
        for name in ["email", "/email"] {
            assert_eq!(Condition::new(name, "ann@example.com").holds(&claims), expect, "{name} of {claims:?}");
        }
    }
    for text in ["", "groups", "=x", "groups=", "/=x"] {
        assert_eq!(Condition::parse(text), None, "{text}");
    }
}
