//! GitHub Apps: tokens of an installation, by its number or its owner, at github.com's or another API.

use access::{ExposeSecret as _, GithubApp, Installation};
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cloud::{Error, Way};
use jiff::Timestamp;
use serde_json::Value;
use url::Url;

use super::machine;
use super::service::{Reply, Seen, Service, reply};

/// Keys that are good for nothing else.
pub(crate) fn keys() -> Value {
    serde_json::from_str(include_str!("../../../../fixtures/cloud/tokens.json")).unwrap()
}

/// The claims of a token that the key has signed.
pub(crate) fn claims(token: &str) -> Option<Value> {
    let keys = keys();
    let public = keys["public"].as_str().unwrap();
    let public: Vec<u8> =
        (0..public.len()).step_by(2).map(|at| u8::from_str_radix(&public[at..at + 2], 16).unwrap()).collect();
    let (signed, signature) = token.rsplit_once('.')?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public).verify(signed.as_bytes(), &signature).ok()?;
    let (header, claims) = signed.split_once('.')?;
    let part = |text: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap();
    assert_eq!(part(header)["alg"], "RS256");
    Some(part(claims))
}

/// GitHub, which has the App 123 installed at the organisation acme (7) and at the person ada (8).
fn github(seen: &Seen, now: Timestamp) -> Reply {
    let refuse = |text: &str| reply(401, format!(r#"{{"message":"{text}"}}"#));
    let token = seen.header("authorization").strip_prefix("Bearer ").unwrap_or_default().to_owned();
    let Some(claims) = claims(&token) else { return refuse("A JSON web token could not be decoded") };
    let number = |name: &str| claims[name].as_i64().unwrap();
    if number("iat") > now.as_second() {
        return refuse(
            "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued",
        );
    }
    if number("exp") < now.as_second() || number("exp") - number("iat") > 600 {
        return refuse("'Expiration time' claim ('exp') is too far in the future");
    }
    if claims["iss"] != "123" {
        return refuse("Integration not found");
    }
    let path = seen.path.strip_prefix("/api/v3/").unwrap_or("");
    let end = Timestamp::from_second(now.as_second() + 3600).unwrap();
    match (seen.method.as_str(), path) {
        ("GET", "orgs/acme/installation") => reply(200, r#"{"id":7,"account":{"login":"acme"}}"#),
        ("GET", "users/ada/installation") => reply(200, r#"{"id":8}"#),
        ("POST", "app/installations/7/access_tokens" | "app/installations/8/access_tokens") => {
            let number = path.split('/').nth(2).unwrap();
            reply(
                201,
                format!(r#"{{"token":"ghs_{number}","expires_at":"{end}","permissions":{{"contents":"write"}}}}"#),
            )
        }
        _ => reply(404, r#"{"message":"Not Found","documentation_url":"https://docs.github.com/rest"}"#),
    }
}

fn app(service: &Service, installation: Installation) -> GithubApp {
    let key = keys()["pkcs1"].as_str().unwrap().into();
    GithubApp { id: "123".to_owned(), installation, key, base_url: Some(service.url.clone()) }
}

async fn password(app: &GithubApp) -> Result<String, Error> {
    let cloud = machine(&[]);
    let remote = Url::parse("http://127.0.0.1:1/acme/config.git").unwrap();
    let granted = cloud.github_app(app, &remote, Way::default()).await?;
    assert_eq!(granted.login.username, "x-access-token");
    Ok(granted.login.password.expose_secret().to_owned())
}

fn owner(name: &str) -> Installation {
    Installation::Owner(name.to_owned())
}

#[tokio::test]
async fn installations_by_number_and_by_owner() {
    let service = Service::start(0, github).await;
    assert_eq!(password(&app(&service, Installation::Id(7))).await.unwrap(), "ghs_7");
    assert_eq!(service.paths(), ["/api/v3/app/installations/7/access_tokens"]);
    assert_eq!(password(&app(&service, owner("acme"))).await.unwrap(), "ghs_7");
    assert_eq!(password(&app(&service, owner("ada"))).await.unwrap(), "ghs_8");
    let error = password(&app(&service, owner("../nobody"))).await.unwrap_err().to_string();
    assert!(
        error.contains("refuses the installation of the GitHub App 123 at ../nobody (HTTP 404): Not Found"),
        "{error}"
    );
    assert!(service.paths().iter().all(|path| path.starts_with("/api/v3/")), "an owner is one part of the address");
    let error = password(&app(&service, Installation::Id(9))).await.unwrap_err().to_string();
    assert!(
        error.contains("refuses a token to the installation 9 of the GitHub App 123 (HTTP 404): Not Found"),
        "{error}"
    );
    let stranger = GithubApp { id: "124".to_owned(), ..app(&service, Installation::Id(7)) };
    let error = password(&stranger).await.unwrap_err().to_string();
    assert!(error.ends_with("(HTTP 401): Integration not found"), "{error}");
}

#[tokio::test]
async fn another_key_and_no_key() {
    let service = Service::start(0, github).await;
    let broken = GithubApp { key: "hunter2".into(), ..app(&service, Installation::Id(7)) };
    assert_eq!(password(&broken).await.unwrap_err().to_string(), "githubAppPrivateKey is not a private key as PEM");
    assert!(service.seen().is_empty());
}

#[tokio::test]
async fn a_clock_that_is_off_is_named() {
    for (off, words) in [(600, "10 min behind"), (-600, "10 min ahead of")] {
        let service = Service::start(off, github).await;
        let error = password(&app(&service, Installation::Id(7))).await.unwrap_err().to_string();
        assert!(error.contains(&format!("the clock of this machine is {words} that of the server")), "{error}");
    }
    for off in [25, -25] {
        let service = Service::start(off, github).await;
        assert_eq!(password(&app(&service, Installation::Id(7))).await.unwrap(), "ghs_7", "{off} s are none");
    }
}

#[tokio::test]
async fn remotes_of_others_get_nothing() {
    let service = Service::start(0, github).await;
    let app = app(&service, Installation::Id(7));
    for remote in ["https://github.com/acme/config", "http://git.example.com/x", "https://127.0.0.1.evil.example/x"] {
        let remote = Url::parse(remote).unwrap();
        let error = machine(&[]).github_app(&app, &remote, Way::default()).await.unwrap_err();
        assert!(matches!(error, Error::Host { .. }), "{error}");
    }
    assert!(service.seen().is_empty());
}
