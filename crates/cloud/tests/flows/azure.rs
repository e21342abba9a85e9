//! Azure's registries and DevOps, through each of the ways in which a machine is known to Entra ID.

use access::{ExposeSecret as _, Provider, Proxy};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cloud::{Cloud, Error, Way};
use jiff::Timestamp;
use url::Url;

use super::service::{Reply, Seen, Service, nowhere, reply};
use super::{file, machine};

const REGISTRY: &str = "acme.azurecr.io";
const REGISTRY_SCOPE: &str = "https://containerregistry.azure.net";

/// Entra ID, which gives tokens to an application that can prove itself.
fn entra(seen: &Seen, _: Timestamp) -> Reply {
    let refuse = |text: &str| reply(401, format!(r#"{{"error":"invalid_client","error_description":"{text}"}}"#));
    assert_eq!(
        (seen.path.as_str(), seen.field("grant_type").as_str()),
        ("/tenant/oauth2/v2.0/token", "client_credentials")
    );
    assert_eq!(seen.field("client_id"), "client");
    match (seen.field("client_secret").as_str(), seen.field("client_assertion").as_str()) {
        ("s3cret", "") => {}
        ("", "good.cluster.token") => {
            assert_eq!(seen.field("client_assertion_type"), "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
        }
        ("", "ended.cluster.token") => {
            return refuse("AADSTS700024: Client assertion is not within its valid time range.");
        }
        (_, _) => return refuse("AADSTS7000215: Invalid client secret provided."),
    }
    let scope = seen.field("scope");
    let scope = scope.strip_suffix("/.default").unwrap();
    reply(200, format!(r#"{{"token_type":"Bearer","expires_in":3599,"access_token":"entra for {scope}"}}"#))
}

/// A registry, which takes tokens for its own audience.
fn registry(seen: &Seen, now: Timestamp) -> Reply {
    assert_eq!((seen.method.as_str(), seen.path.as_str()), ("POST", "/oauth2/exchange"));
    assert_eq!((seen.header("host"), seen.field("service").as_str()), (REGISTRY, REGISTRY));
    assert_eq!(seen.field("grant_type"), "access_token");
    if seen.field("access_token") != format!("entra for {REGISTRY_SCOPE}") {
        return reply(401, r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#);
    }
    let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{"exp":{}}}"#, now.as_second() + 10_800));
    reply(200, format!(r#"{{"refresh_token":"e30.{claims}.sig"}}"#))
}

async fn password(cloud: &Cloud, registry: &Service) -> Result<String, Error> {
    let proxy = Proxy { address: registry.url.clone(), login: None };
    let way = Way { account: None, proxy: Some(&proxy), authority: Some(&registry.authority) };
    let granted = cloud.registry(Provider::Azure, REGISTRY, way).await?;
    assert_eq!(granted.login.username, "00000000-0000-0000-0000-000000000000");
    Ok(granted.login.password.expose_secret().to_owned())
}

/// A machine's metadata, which gives tokens to its managed identity.
fn metadata(seen: &Seen, _: Timestamp) -> Reply {
    assert_eq!(seen.header("metadata"), "true");
    let url = Url::parse(&format!("http://x{}", seen.path)).unwrap();
    assert_eq!(url.path(), "/metadata/identity/oauth2/token");
    let query = |name: &str| url.query_pairs().find(|(own, _)| own == name).map(|(_, value)| value.into_owned());
    assert_eq!(query("api-version").as_deref(), Some("2019-08-01"));
    let resource = query("resource").unwrap();
    reply(200, format!(r#"{{"access_token":"entra for {resource}","expires_in":"86399"}}"#))
}

#[tokio::test]
async fn the_managed_identity_of_a_machine_and_the_exchange() {
    let metadata = Service::start(0, metadata).await;
    let registry = Service::behind_proxy(REGISTRY, 0, registry).await;
    let cloud = machine(&[("AZURE_POD_IDENTITY_AUTHORITY_HOST", &metadata.url)]);
    assert!(password(&cloud, &registry).await.unwrap().starts_with("e30."));
    password(&cloud, &registry).await.unwrap();
    assert_eq!((metadata.seen().len(), registry.seen().len()), (1, 1), "once each; the metadata without a proxy");
    let remote = Url::parse("https://dev.azure.com/org/project/_git/repo").unwrap();
    let token = cloud.azure_devops(&remote, Way::default()).await.unwrap().login;
    assert_eq!(token.expose_secret(), "entra for 499b84ac-1321-427f-aa17-267ca6975798");
}

#[tokio::test]
async fn an_application_with_a_secret_or_a_token() {
    // The authority is at plain HTTP on this machine, so the proxy is not for it.
    let entra = Service::start(0, entra).await;
    let folder = tempfile::tempdir().unwrap();
    let token = file(&folder, "token", "good.cluster.token\n");
    let set = |name: &str, value: &str| {
        machine(&[
            ("AZURE_AUTHORITY_HOST", &entra.url),
            ("AZURE_TENANT_ID", "tenant"),
            ("AZURE_CLIENT_ID", "client"),
            (name, value),
        ])
    };
    let remote = Url::parse("https://acme.visualstudio.com/project/_git/repo").unwrap();
    let ask = async |cloud: Cloud| {
        let granted = cloud.azure_devops(&remote, Way::default()).await?;
        Ok::<_, Error>(granted.login.expose_secret().to_owned())
    };
    let expect = "entra for 499b84ac-1321-427f-aa17-267ca6975798";
    assert_eq!(ask(set("AZURE_CLIENT_SECRET", "s3cret")).await.unwrap(), expect);
    assert_eq!(ask(set("AZURE_FEDERATED_TOKEN_FILE", &token)).await.unwrap(), expect);
    let error = ask(set("AZURE_CLIENT_SECRET", "wrong")).await.unwrap_err().to_string();
    assert!(
        error.ends_with(
            "refuses a token to the application client of the tenant tenant (HTTP 401): invalid_client: AADSTS7000215: Invalid \
             client secret provided."
        ),
        "{error}"
    );
    file(&folder, "token", "ended.cluster.token");
    let error = ask(set("AZURE_FEDERATED_TOKEN_FILE", &token)).await.unwrap_err().to_string();
    assert!(error.contains("AADSTS700024"), "{error}");
    let alone = machine(&[("AZURE_FEDERATED_TOKEN_FILE", token.as_str())]);
    assert_eq!(ask(alone).await.unwrap_err().to_string(), "AZURE_FEDERATED_TOKEN_FILE is set without AZURE_TENANT_ID");
}

#[tokio::test]
async fn a_token_for_something_else_is_refused_by_the_registry() {
    let metadata =
        Service::start(0, |_, _| reply(200, r#"{"access_token":"for the manager","expires_in":"60"}"#)).await;
    let registry = Service::behind_proxy(REGISTRY, 0, registry).await;
    let cloud = machine(&[("AZURE_POD_IDENTITY_AUTHORITY_HOST", &metadata.url)]);
    let error = password(&cloud, &registry).await.unwrap_err().to_string();
    let expect = "https://acme.azurecr.io/oauth2/exchange refuses the token of Entra ID (HTTP 401): UNAUTHORIZED: authentication \
                  required";
    assert_eq!(error, expect);
}

#[tokio::test]
async fn a_registry_that_ended_long_ago_by_its_own_clock() {
    let metadata = Service::start(0, metadata).await;
    let late = Service::behind_proxy(REGISTRY, -600, |seen, now| {
        registry(seen, Timestamp::from_second(now.as_second() - 20_000).unwrap())
    })
    .await;
    let cloud = machine(&[("AZURE_POD_IDENTITY_AUTHORITY_HOST", &metadata.url)]);
    let error = password(&cloud, &late).await.unwrap_err().to_string();
    assert_eq!(error, "https://acme.azurecr.io/oauth2/exchange answers with a token that has ended");
}

#[tokio::test]
async fn metadata_that_is_not_there_or_redirects() {
    let nowhere = nowhere();
    let remote = Url::parse("https://dev.azure.com/org/project/_git/repo").unwrap();
    let cloud = machine(&[("AZURE_POD_IDENTITY_AUTHORITY_HOST", &nowhere)]);
    let error = cloud.azure_devops(&remote, Way::default()).await.unwrap_err().to_string();
    let expect = format!(
        "this machine has no credentials for Azure; tried in this order: the environment (AZURE_CLIENT_SECRET is not set), a \
         workload identity (AZURE_FEDERATED_TOKEN_FILE is not set), the metadata of the machine \
         ({nowhere}/metadata/identity/oauth2/token does not answer: "
    );
    assert!(error.starts_with(&expect), "{error}");
    let elsewhere = Service::start(0, metadata).await;
    let target = format!("{}/x", elsewhere.url);
    let redirecting = Service::start(0, move |_, _| reply(307, "").with("location", target.clone())).await;
    let cloud = machine(&[("AZURE_POD_IDENTITY_AUTHORITY_HOST", &redirecting.url)]);
    let error = cloud.azure_devops(&remote, Way::default()).await.unwrap_err();
    assert!(matches!(error, Error::Redirect { .. }), "{error}");
    assert!(elsewhere.seen().is_empty());
}

#[tokio::test]
async fn hosts_of_others_get_nothing() {
    let metadata = Service::start(0, metadata).await;
    let cloud = machine(&[("AZURE_POD_IDENTITY_AUTHORITY_HOST", &metadata.url)]);
    let error = cloud.registry(Provider::Azure, "acme.azurecr.io.evil.example", Way::default()).await.unwrap_err();
    assert!(matches!(error, Error::Host { .. }), "{error}");
    for remote in ["http://dev.azure.com/org/p/_git/r", "https://dev.azure.com.evil.example/x"] {
        let error = cloud.azure_devops(&Url::parse(remote).unwrap(), Way::default()).await.unwrap_err();
        assert!(matches!(error, Error::Host { .. }), "{error}");
    }
    assert!(metadata.seen().is_empty());
}
