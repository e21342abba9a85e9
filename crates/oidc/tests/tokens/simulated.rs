//! Keys, the tokens that they sign, and an issuer on loopback that shows them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA512, RSA_PSS_SHA256,
};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// A key of an issuer.
pub(crate) struct Signer {
    pub(crate) id: String,
    key: Private,
}

enum Private {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Signer {
    pub(crate) fn rsa(id: &str) -> Self {
        Self { id: id.to_owned(), key: Private::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()) }
    }

    pub(crate) fn p256(id: &str) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self { id: id.to_owned(), key: Private::P256(key) }
    }

    pub(crate) fn p384(id: &str) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
        Self { id: id.to_owned(), key: Private::P384(key) }
    }

    pub(crate) fn ed25519(id: &str) -> Self {
        Self { id: id.to_owned(), key: Private::Ed25519(Ed25519KeyPair::generate().unwrap()) }
    }

    /// The public key, as a set has it.
    pub(crate) fn public(&self) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match &self.key {
            Private::Rsa(_) => {
                json!({"kty": "RSA", "kid": self.id, "use": "sig", "n": text(&self.modulus()), "e": "AQAB"})
            }
            Private::P256(key) => curve(&self.id, "P-256", key.public_key().as_ref()),
            Private::P384(key) => curve(&self.id, "P-384", key.public_key().as_ref()),
            Private::Ed25519(key) => {
                json!({"kty": "OKP", "kid": self.id, "crv": "Ed25519", "x": text(key.public_key().as_ref())})
            }
        }
    }

    /// The modulus of an RSA key of 2048 bits, out of its DER: a sequence of two numbers, the first of 257 bytes.
    pub(crate) fn modulus(&self) -> Vec<u8> {
        let Private::Rsa(key) = &self.key else { panic!("no RSA key") };
        let der = key.public_key().as_ref();
        assert_eq!(der[4..9], [0x02, 0x82, 0x01, 0x01, 0x00]);
        der[9..9 + 256].to_vec()
    }

    /// A token with these claims.
    pub(crate) fn token(&self, claims: &Value) -> String {
        let algorithm = match &self.key {
            Private::Rsa(_) => "RS256",
            Private::P256(_) => "ES256",
            Private::P384(_) => "ES384",
            Private::Ed25519(_) => "EdDSA",
        };
        self.signed(&json!({"alg": algorithm, "kid": self.id, "typ": "JWT"}), claims)
    }

    /// A token with this head, signed as it says where it says something that the key can do.
    pub(crate) fn signed(&self, head: &Value, claims: &Value) -> String {
        let text = unsigned(head, claims);
        let signature = match &self.key {
            Private::Rsa(key) => {
                let mut signature = vec![0; 256];
                let form: &dyn aws_lc_rs::signature::RsaEncoding = match head["alg"].as_str() {
                    Some("PS256") => &RSA_PSS_SHA256,
                    Some("RS512") => &RSA_PKCS1_SHA512,
                    _ => &RSA_PKCS1_SHA256,
                };
                key.sign(form, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
                signature
            }
            Private::P256(key) | Private::P384(key) => {
                key.sign(&SystemRandom::new(), text.as_bytes()).unwrap().as_ref().to_vec()
            }
            Private::Ed25519(key) => key.sign(text.as_bytes()).as_ref().to_vec(),
        };
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

fn curve(id: &str, name: &str, point: &[u8]) -> Value {
    let (x, y) = point[1..].split_at(point.len() / 2);
    json!({"kty": "EC", "kid": id, "crv": name, "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y)})
}

/// Head and claims of a token, without its signature.
pub(crate) fn unsigned(head: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(head), part(claims))
}

/// How an issuer answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Well,
    /// Never.
    Hangs,
    /// Well, once it is let.
    Waits,
    /// With 503.
    Fails,
    /// With a set of keys of a megabyte.
    Huge,
    /// As another issuer.
    Other,
    /// With keys at a place that anybody between could change.
    Unsafe,
}

/// An issuer on loopback.
pub(crate) struct Simulated {
    pub(crate) url: String,
    inner: Arc<Inner>,
}

struct Inner {
    url: String,
    now: Mutex<(Mood, Vec<Value>, usize)>,
    let_go: tokio::sync::Notify,
}

impl Simulated {
    pub(crate) async fn start(keys: &[&Signer]) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let inner = Arc::new(Inner {
            url: url.clone(),
            now: Mutex::new((Mood::Well, Vec::new(), 0)),
            let_go: tokio::sync::Notify::new(),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(keys_of))
            .with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let issuer = Self { url, inner };
        issuer.show(keys);
        issuer
    }

    /// Shows these keys from now on.
    pub(crate) fn show(&self, keys: &[&Signer]) {
        self.inner.now.lock().unwrap().1 = keys.iter().map(|key| key.public()).collect();
    }

    pub(crate) fn answer(&self, mood: Mood) {
        self.inner.now.lock().unwrap().0 = mood;
    }

    /// Lets one question be answered that waits.
    pub(crate) fn let_go(&self) {
        self.inner.let_go.notify_one();
    }

    /// Waits until it was asked so often.
    pub(crate) async fn asked_for(&self, times: usize) {
        for _ in 0..10_000 {
            if self.asked() >= times {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("asked {} times", self.asked());
    }

    /// How often its keys were asked for.
    pub(crate) fn asked(&self) -> usize {
        self.inner.now.lock().unwrap().2
    }
}

async fn discovery(State(inner): State<Arc<Inner>>) -> Response {
    let mood = inner.now.lock().unwrap().0;
    let (issuer, keys) = match mood {
        Mood::Hangs => {
            inner.now.lock().unwrap().2 += 1;
            std::future::pending::<()>().await;
            unreachable!("nothing is waited for longer");
        }
        Mood::Waits => {
            inner.now.lock().unwrap().2 += 1;
            inner.let_go.notified().await;
            (inner.url.clone(), format!("{}/keys", inner.url))
        }
        Mood::Other => ("https://other.example.com".to_owned(), format!("{}/keys", inner.url)),
        Mood::Unsafe => (inner.url.clone(), "http://keys.example.com/keys".to_owned()),
        _ => (inner.url.clone(), format!("{}/keys", inner.url)),
    };
    axum::Json(json!({"issuer": issuer, "jwks_uri": keys})).into_response()
}

async fn keys_of(State(inner): State<Arc<Inner>>) -> Response {
    let mut now = inner.now.lock().unwrap();
    now.2 += 1;
    match now.0 {
        Mood::Fails => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Mood::Huge => axum::Json(json!({"keys": now.1, "more": "x".repeat(1 << 20)})).into_response(),
        _ => axum::Json(json!({"keys": now.1})).into_response(),
    }
}

/// How long nobody waits.
pub(crate) const LONG: Duration = Duration::from_secs(60);
