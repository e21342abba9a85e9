//! Google's registries, through each of the ways in which a machine is known to Google.

use access::{ExposeSecret as _, Provider};
use cloud::{Cloud, Error, Way};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::github::{claims, keys};
use super::service::{Reply, Seen, Service, nowhere, reply};
use super::{file, machine};

const EMAIL: &str = "bot@acme.iam.gserviceaccount.com";
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

async fn password(cloud: &Cloud, host: &str) -> Result<String, Error> {
    let granted = cloud.registry(Provider::Gcp, host, Way::default()).await?;
    assert_eq!(granted.login.username, "oauth2accesstoken");
    Ok(granted.login.password.expose_secret().to_owned())
}

#[tokio::test]
async fn the_metadata_of_a_machine() {
    let service = Service::start(0, |seen, _| {
        assert_eq!(seen.header("metadata-flavor"), "Google");
        assert_eq!(seen.path, "/computeMetadata/v1/instance/service-accounts/default/token");
        let body = r#"{"access_token":"of the node","expires_in":3599,"token_type":"Bearer"}"#;
        reply(200, body).with("metadata-flavor", "Google")
    })
    .await;
    let host = service.url.trim_start_matches("http://").to_owned();
    let cloud = machine(&[("GCE_METADATA_HOST", &host)]);
    for registry in ["europe-west1-docker.pkg.dev", "eu.gcr.io", "gcr.io"] {
        assert_eq!(password(&cloud, registry).await.unwrap(), "of the node");
    }
    assert_eq!(service.seen().len(), 1, "one token is for all of them");
    let error = password(&cloud, "gcr.io.evil.example").await.unwrap_err();
    assert!(matches!(error, Error::Host { .. }), "{error}");
}

#[tokio::test]
async fn something_else_where_the_metadata_should_be_is_not_believed() {
    let impostor = Service::start(0, |_, _| reply(200, r#"{"access_token":"x","expires_in":1}"#)).await;
    let host = impostor.url.trim_start_matches("http://").to_owned();
    let error = password(&machine(&[("GCE_METADATA_HOST", &host)]), "gcr.io").await.unwrap_err().to_string();
    assert!(error.contains("answers with something that is not the metadata of Google"), "{error}");
    let elsewhere = Service::start(0, |_, _| reply(200, "{}")).await;
    let target = elsewhere.url.clone();
    let redirecting = Service::start(0, move |_, _| reply(301, "").with("location", target.clone())).await;
    let host = redirecting.url.trim_start_matches("http://").to_owned();
    let error = password(&machine(&[("GCE_METADATA_HOST", &host)]), "gcr.io").await.unwrap_err();
    assert!(matches!(error, Error::Redirect { .. }) && elsewhere.seen().is_empty(), "{error}");
    let nowhere = nowhere();
    let host = nowhere.trim_start_matches("http://");
    let error = password(&machine(&[("GCE_METADATA_HOST", host)]), "gcr.io").await.unwrap_err().to_string();
    let expect = "this machine has no credentials for Google; tried in this order: the environment \
                  (GOOGLE_APPLICATION_CREDENTIALS is not set), the metadata of the machine (";
    assert!(error.starts_with(expect), "{error}");
}

/// Google's token endpoint, which knows the key of one service account.
fn tokens(seen: &Seen, now: Timestamp) -> Reply {
    let refuse = |text: &str| reply(400, json!({"error": "invalid_grant", "error_description": text}).to_string());
    assert_eq!(seen.field("grant_type"), "urn:ietf:params:oauth:grant-type:jwt-bearer");
    let Some(claims) = claims(&seen.field("assertion")) else { return refuse("Invalid JWT Signature.") };
    let number = |name: &str| claims[name].as_i64().unwrap();
    if number("iat") > now.as_second() + 30 || number("exp") < now.as_second() || number("exp") - number("iat") > 3600 {
        return refuse("Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.");
    }
    assert_eq!((claims["iss"].as_str(), claims["scope"].as_str()), (Some(EMAIL), Some(SCOPE)));
    reply(200, r#"{"access_token":"of the account","expires_in":3599}"#)
}

#[tokio::test]
async fn the_key_of_a_service_account() {
    let folder = tempfile::tempdir().unwrap();
    let set = |service: &Service, key: &Value| {
        let document = json!({
            "type": "service_account", "client_email": EMAIL, "private_key": key, "private_key_id": "k",
            "token_uri": format!("{}/token", service.url),
        });
        machine(&[("GOOGLE_APPLICATION_CREDENTIALS", &file(&folder, "key.json", &document.to_string()))])
    };
    let keys = keys();
    let service = Service::start(0, tokens).await;
    assert_eq!(password(&set(&service, &keys["pkcs8"]), "gcr.io").await.unwrap(), "of the account");
    let other = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).map(|key| key.serialize_pem());
    if let Ok(other) = other {
        let error = password(&set(&service, &other.into()), "gcr.io").await.unwrap_err().to_string();
        assert!(error.contains("invalid_grant: Invalid JWT Signature."), "{error}");
    }
    let late = Service::start(-600, tokens).await;
    let error = password(&set(&late, &keys["pkcs8"]), "gcr.io").await.unwrap_err().to_string();
    assert!(error.contains("the clock of this machine is 10 min ahead of that of the server"), "{error}");
}

#[tokio::test]
async fn a_federation_whose_token_is_in_a_file() {
    let service = Service::start(0, |seen, now| match seen.path.as_str() {
        "/v1/token" if seen.field("subject_token") == "good.cluster.token" => {
            assert_eq!(seen.field("audience"), "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q");
            assert_eq!(seen.field("subject_token_type"), "urn:ietf:params:oauth:token-type:jwt");
            assert_eq!(seen.field("grant_type"), "urn:ietf:params:oauth:grant-type:token-exchange");
            assert_eq!(seen.field("scope"), SCOPE);
            reply(200, r#"{"access_token":"federated","expires_in":3600}"#)
        }
        "/v1/token" => reply(400, r#"{"error":"invalid_grant","error_description":"The id token has expired"}"#),
        "/v1/projects/-/serviceAccounts/bot:generateAccessToken" if seen.header("authorization") == "Bearer federated" => {
            assert_eq!(serde_json::from_str::<Value>(&seen.body).unwrap()["scope"], json!([SCOPE]));
            let end = Timestamp::from_second(now.as_second() + 3600).unwrap();
            reply(200, json!({"accessToken": "of the account", "expireTime": end.to_string()}).to_string())
        }
        _ => reply(403, r#"{"error":{"code":403,"status":"PERMISSION_DENIED","message":"iam.serviceAccounts.getAccessToken denied"}}"#),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let set = |subject: &str, account: Option<&str>| {
        let subject = file(&folder, "subject", &json!({"token": subject}).to_string());
        let url =
            account.map(|name| format!("{}/v1/projects/-/serviceAccounts/{name}:generateAccessToken", service.url));
        let document = json!({
            "type": "external_account",
            "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": format!("{}/v1/token", service.url),
            "service_account_impersonation_url": url,
            "credential_source": {"file": subject, "format": {"type": "json", "subject_token_field_name": "token"}},
        });
        machine(&[("GOOGLE_APPLICATION_CREDENTIALS", &file(&folder, "federation.json", &document.to_string()))])
    };
    assert_eq!(password(&set("good.cluster.token", None), "gcr.io").await.unwrap(), "federated");
    assert_eq!(password(&set("good.cluster.token", Some("bot")), "gcr.io").await.unwrap(), "of the account");
    let error = password(&set("ended.cluster.token", None), "gcr.io").await.unwrap_err().to_string();
    assert!(error.contains("invalid_grant: The id token has expired"), "{error}");
    let error = password(&set("good.cluster.token", Some("theirs")), "gcr.io").await.unwrap_err().to_string();
    assert!(error.contains("PERMISSION_DENIED: iam.serviceAccounts.getAccessToken denied"), "{error}");
}
