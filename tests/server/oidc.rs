//! Tokens of an issuer: whom they let in, to do what, and as whom the history knows them.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use oidc::Condition;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tagwright::config;
use tagwright::server::Oidc;

use crate::actions::Browser;
use crate::issuer::{Mood, Signer, Simulated, unsigned};
use crate::world::{World, answer};

const STATUS: &str = "/api/v1/status";
const HOLD: &str = "/api/v1/policies/default/web/hold";

fn now() -> i64 {
    Timestamp::now().as_second()
}

/// What somebody of the team is given by the issuer.
fn claims(issuer: &Simulated) -> Value {
    json!({
        "iss": issuer.url, "aud": "bot", "sub": "u1", "email": "ann@example.com", "email_verified": true,
        "groups": ["dev", "platform"], "tenant": "acme", "exp": now() + 3600, "iat": now(),
    })
}

fn with(issuer: &Simulated, changes: &[(&str, Value)]) -> Value {
    let mut claims = claims(issuer);
    changes.iter().for_each(|(name, value)| claims[name] = value.clone());
    claims
}

async fn world(issuer: &Simulated) -> World {
    let condition = |text: &str| vec![Condition::parse(text).unwrap()];
    let rules = Oidc {
        issuer: issuer.url.clone(),
        audience: "bot".to_owned(),
        required: condition("tenant=acme"),
        read: condition("groups=dev"),
        act: condition("groups=platform"),
        ..Oidc::default()
    };
    let hash: String = Sha256::digest("of.the.file").iter().map(|byte| format!("{byte:02x}")).collect();
    World::with_oidc(rules, &format!("grafana read {hash}\n")).await
}

async fn get(world: &World, token: &str) -> (u16, Value) {
    let (client, base) = world.public();
    answer(client.get(format!("{base}{STATUS}")).bearer_auth(token)).await
}

async fn hold(world: &World, token: &str) -> (u16, Value) {
    let (client, base) = world.public();
    answer(client.post(format!("{base}{HOLD}")).bearer_auth(token).body(r#"{"reason": "broken"}"#)).await
}

#[tokio::test]
async fn claims_say_who_may_ask_and_who_may_order() {
    let key = Signer::rsa("one");
    let issuer = Simulated::start(&[&key]).await;
    let world = world(&issuer).await;
    let token = |changes: &[(&str, Value)]| key.token(&with(&issuer, changes));

    let acts = token(&[]);
    assert_eq!(get(&world, &acts).await.0, 200);
    assert_eq!(hold(&world, &acts).await.0, 200);
    let history = world.ask("/api/v1/history").await.1;
    assert_eq!(history["entries"][0]["by"], "oidc:ann@example.com", "{history}");

    let reads = token(&[("groups", json!(["dev"])), ("sub", json!("u2"))]);
    assert_eq!(get(&world, &reads).await.0, 200);
    assert_eq!(hold(&world, &reads).await.0, 403);
    for changes in
        [("groups", json!(["other"])), ("groups", Value::Null), ("tenant", json!("other")), ("sub", json!(7))]
    {
        let changes = [changes, ("email", Value::Null)];
        let (code, said) = get(&world, &token(&changes)).await;
        assert_eq!(
            (code, said["error"].as_str().unwrap()),
            (403, "whoever has this token may do nothing here"),
            "{changes:?}"
        );
    }
    // An address that the issuer has not verified is nobody's; there is `sub`.
    let unverified = token(&[("email", json!("boss@example.com")), ("email_verified", json!(false))]);
    let (client, base) = world.public();
    let release = client.post(format!("{base}/api/v1/policies/default/web/release")).bearer_auth(unverified);
    assert_eq!(answer(release).await.0, 200);
    let history = world.ask("/api/v1/history").await.1;
    assert_eq!(history["entries"][0]["by"], "oidc:u1");

    // Tokens of the file go on, also those that look as if an issuer had made them; and nobody comes in without any.
    assert_eq!(get(&world, "of.the.file").await.0, 200);
    assert_eq!(answer(world.public().0.get(format!("{base}{STATUS}"))).await.0, 401);
    assert_eq!(get(&world, "unknown").await.0, 401);
}

#[tokio::test]
async fn what_does_not_count_lets_nobody_in() {
    let (key, other, elliptic) = (Signer::rsa("one"), Signer::rsa("one"), Signer::p256("two"));
    let issuer = Simulated::start(&[&key, &elliptic]).await;
    let world = world(&issuer).await;
    assert_eq!(get(&world, &elliptic.token(&claims(&issuer))).await.0, 200);
    let good = claims(&issuer);
    let hmac = {
        let text = unsigned(&json!({"alg": "HS256", "kid": "one"}), &good);
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key.modulus()), text.as_bytes());
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
    };
    let of = |changes: &[(&str, Value)]| key.token(&with(&issuer, changes));
    for (token, why) in [
        (of(&[("aud", json!("another"))]), "it is for another audience"),
        (of(&[("iss", json!("https://issuer.example.com"))]), "it is of another issuer"),
        (of(&[("exp", json!(now() - 120))]), "it is over"),
        (of(&[("nbf", json!(now() + 3600))]), "it has not begun yet"),
        (other.token(&good), "its signature is wrong"),
        (Signer::p256("three").token(&good), "its issuer has no key by which it could be signed"),
        (format!("{}.", unsigned(&json!({"alg": "none"}), &good)), "it is not signed by a known public-key algorithm"),
        (hmac, "it is not signed by a known public-key algorithm"),
        ("a.b.c".to_owned(), "it is no JSON Web Token of a known form"),
    ] {
        for (code, said) in [get(&world, &token).await, hold(&world, &token).await] {
            assert_eq!((code, said["error"].as_str().unwrap()), (401, &*format!("the token does not count: {why}")));
        }
    }
    assert_eq!(world.ask("/api/v1/history").await.1["entries"], json!([]));
}

#[tokio::test]
async fn an_issuer_that_is_down_keeps_out_those_alone_whom_it_knows() {
    let key = Signer::p256("one");
    for mood in [Mood::Fails, Mood::Huge, Mood::Hangs] {
        let issuer = Simulated::start(&[&key]).await;
        issuer.answer(mood);
        let world = world(&issuer).await;
        let (code, said) = get(&world, &key.token(&claims(&issuer))).await;
        let why = "the issuer of the token cannot be asked; try again";
        assert_eq!((code, said["error"].as_str().unwrap()), (503, why), "{mood:?}");
        assert_eq!(get(&world, "of.the.file").await.0, 200);
    }
}

#[tokio::test]
async fn the_page_takes_such_a_token() {
    let key = Signer::p256("one");
    let issuer = Simulated::start(&[&key]).await;
    let world = world(&issuer).await;
    let browser = Browser::logged_in(&world, &key.token(&claims(&issuer))).await;
    let page = browser.get("/policies/default/web").await;
    assert_eq!(page.code, 200);
    assert!(page.text.contains("oidc:ann@example.com") && page.text.contains("/do/hold"), "{}", page.text);
    let reader = key.token(&with(&issuer, &[("groups", json!(["dev"]))]));
    let page = Browser::logged_in(&world, &reader).await.get("/policies/default/web").await;
    assert!(page.code == 200 && !page.text.contains("/do/hold"), "{}", page.text);
    for (changes, line) in [
        (("exp", json!(now() - 120)), "This token does not count: it is over."),
        // For the API it counts, as clocks may be apart.
        (("exp", json!(now() - 20)), "This token is over; log in with a new one."),
        (("tenant", json!("other")), "This token counts, and whoever has it may do nothing here."),
    ] {
        let token = key.token(&with(&issuer, &[changes]));
        let got = Browser::new(&world).post("/login", &[("token", &token), ("next", "/")]).await;
        assert_eq!((got.code, got.cookie.as_str()), (401, ""));
        assert!(got.text.contains(line), "{}", got.text);
    }
}

#[tokio::test]
async fn a_sender_of_webhooks_shows_one_too() {
    let (key, stranger) = (Signer::p256("one"), Signer::p256("two"));
    let issuer = Simulated::start(&[&key]).await;
    let world = World::start().await;
    let receivers = format!(
        "apiVersion: tagwright.dev/v1alpha1\nkind: Receiver\nmetadata: {{name: ci}}\nspec:\n  type: generic-oidc\n  \
         oidc: {{issuer: '{}', audience: bot, claims: {{repository: acme/app, ref: refs/heads/main}}}}\n",
        issuer.url
    );
    world.handle.take_receivers(config::parse("hooks.yaml", &receivers).unwrap().receivers);
    let sent = async |path: &str, token: &str, tag: &str| {
        let (client, base) = world.public();
        let body = json!({"image": "ghcr.io/acme/web", "tag": tag}).to_string();
        answer(client.post(format!("{base}{path}")).bearer_auth(token).body(body)).await.0
    };
    let of = |changes: &[(&str, Value)]| {
        let ours = [("repository", json!("acme/app")), ("ref", json!("refs/heads/main"))];
        with(&issuer, &[&ours[..], changes].concat())
    };
    assert_eq!(sent("/hooks/default/ci", &key.token(&of(&[])), "1.2.3").await, 202);
    for changes in [
        ("repository", json!("acme/other")),
        ("ref", json!("refs/heads/feature")),
        ("aud", json!("another")),
        ("iss", json!("https://issuer.example.com")),
        ("exp", json!(now() - 120)),
    ] {
        let token = key.token(&of(std::slice::from_ref(&changes)));
        assert_eq!(sent("/hooks/default/ci", &token, "1.2.4").await, 401, "{changes:?}");
    }
    assert_eq!(sent("/hooks/default/ci", &stranger.token(&of(&[])), "1.2.4").await, 401);
    assert_eq!(sent("/hooks/default/ci", "", "1.2.4").await, 401);
    // The path that others have their token in proves nothing here.
    let digest = config::parse("hooks.yaml", &receivers).unwrap().receivers[0].digest();
    assert_eq!(sent(&format!("/hook/{digest}"), "", "1.2.4").await, 401);
    assert_eq!(sent(&format!("/hook/{digest}"), &key.token(&of(&[])), "1.2.4").await, 202);
}
