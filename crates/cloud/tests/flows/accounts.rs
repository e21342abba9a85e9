//! As a service account of a cluster in place of the machine: AWS, Azure and Google, by the annotations of the account.

use std::sync::{Arc, Mutex};

use access::{ExposeSecret as _, Provider, Secret, ServiceAccount};
use cloud::{AccountToken, Accounts, Cloud, Error, Kind, Way};
use jiff::Timestamp;
use serde_json::json;
use url::Url;

use super::machine;
use super::service::{Reply, Seen, Service, reply};

const ECR: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";

/// A cluster, which gives each account of the namespace `apps` a token with the account's name and the audience.
#[derive(Debug, Default)]
struct Cluster {
    asked: Mutex<Vec<String>>,
}

impl Accounts for Cluster {
    fn token<'a>(&'a self, account: &'a ServiceAccount, audience: &'a str) -> AccountToken<'a> {
        Box::pin(async move {
            self.asked.lock().unwrap().push(format!("{account} for {audience}"));
            match account.namespace.as_str() {
                "apps" => Ok(Secret::from(format!("token-of-{}-for-{audience}", account.name))),
                _ => Err((Kind::Denied, "has no token: may not create serviceaccounts/token".to_owned())),
            }
        })
    }
}

fn account(namespace: &str, name: &str, annotations: &[(&str, &str)]) -> ServiceAccount {
    let annotations = annotations.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    ServiceAccount { namespace: namespace.to_owned(), name: name.to_owned(), annotations }
}

/// A machine with these variables, in a cluster.
fn pod(variables: &[(&str, &str)]) -> (Cloud, Arc<Cluster>) {
    let (cloud, cluster) = (machine(variables), Arc::new(Cluster::default()));
    cloud.ask_accounts_of(Arc::clone(&cluster) as Arc<dyn Accounts>);
    (cloud, cluster)
}

async fn password(cloud: &Cloud, provider: Provider, host: &str, account: &ServiceAccount) -> Result<String, Error> {
    let way = Way { account: Some(account), ..Way::default() };
    Ok(cloud.registry(provider, host, way).await?.login.password.expose_secret().to_owned())
}

/// Gives keys named after whose token it is shown, for the role of that account alone.
fn sts(seen: &Seen, now: Timestamp) -> Reply {
    assert_eq!(seen.field("Action"), "AssumeRoleWithWebIdentity");
    let token = seen.field("WebIdentityToken");
    let name = token.strip_prefix("token-of-").and_then(|rest| rest.strip_suffix("-for-sts.amazonaws.com")).unwrap();
    if seen.field("RoleArn") != format!("arn:aws:iam::123456789012:role/{name}") {
        let text =
            "<ErrorResponse><Error><Code>AccessDenied</Code><Message>Not authorized</Message></Error></ErrorResponse>";
        return reply(403, text);
    }
    let end = Timestamp::from_second(now.as_second() + 3600).unwrap();
    let keys =
        format!("<AccessKeyId>{name}</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>");
    reply(200, format!("<R><Credentials>{keys}<Expiration>{end}</Expiration></Credentials></R>"))
}

/// Gives a password that says whose keys it was asked with.
fn ecr(seen: &Seen, now: Timestamp) -> Reply {
    use base64::Engine as _;
    let (_, rest) = seen.header("authorization").split_once("Credential=").unwrap();
    let key = rest.split('/').next().unwrap();
    let token = base64::engine::general_purpose::STANDARD.encode(format!("AWS:of {key}"));
    let end = now.as_second() + 12 * 3600;
    reply(200, format!(r#"{{"authorizationData":[{{"authorizationToken":"{token}","expiresAt":{end}}}]}}"#))
}

const ROLE: &str = "eks.amazonaws.com/role-arn";

#[tokio::test]
async fn aws_knows_the_role_of_the_account() {
    let (ecr, sts) = (Service::start(0, ecr).await, Service::start(0, sts).await);
    // The machine's own keys are for nobody else.
    let (cloud, cluster) = pod(&[
        ("AWS_ENDPOINT_URL_ECR", &ecr.url),
        ("AWS_ENDPOINT_URL_STS", &sts.url),
        ("AWS_ACCESS_KEY_ID", "machine"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
    ]);
    let role = |name: &str| format!("arn:aws:iam::123456789012:role/{name}");
    let (web, shop) =
        (account("apps", "web", &[(ROLE, &role("web"))]), account("apps", "shop", &[(ROLE, &role("shop"))]));
    let ask = async |account: &ServiceAccount| password(&cloud, Provider::Aws, ECR, account).await;
    for _ in 0..2 {
        assert_eq!(ask(&web).await.unwrap(), "of web");
        assert_eq!(ask(&shop).await.unwrap(), "of shop", "no account gets what another was given");
    }
    assert_eq!(*cluster.asked.lock().unwrap(), ["apps/web for sts.amazonaws.com", "apps/shop for sts.amazonaws.com"]);
    assert_eq!(
        cloud.registry(Provider::Aws, ECR, Way::default()).await.unwrap().login.password.expose_secret(),
        "of machine"
    );

    let error = ask(&account("apps", "web", &[(ROLE, &role("shop"))])).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Denied);
    assert!(error.to_string().contains("refuses the role arn:aws:iam::123456789012:role/shop to the token"), "{error}");
    let error = ask(&account("apps", "web", &[])).await.unwrap_err();
    let expect =
        "the service account apps/web has no annotation `eks.amazonaws.com/role-arn`, which names its role at AWS";
    assert_eq!((error.to_string().as_str(), error.kind()), (expect, Kind::Denied));
    let error = ask(&account("other", "web", &[(ROLE, &role("web"))])).await.unwrap_err();
    let expect = "the service account other/web has no token: may not create serviceaccounts/token";
    assert_eq!((error.to_string().as_str(), error.kind()), (expect, Kind::Denied));
    let remote = Url::parse("https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/config").unwrap();
    let way = Way { account: Some(&web), ..Way::default() };
    assert!(cloud.code_commit(&remote, way).await.unwrap().login.username.starts_with("web%"), "signed as the account");
}

#[tokio::test]
async fn azure_knows_the_application_of_the_account() {
    let entra = Service::start(0, |seen, _| {
        let token = "token-of-web-for-api://AzureADTokenExchange";
        match (seen.path.as_str(), seen.field("client_id").as_str(), seen.field("client_assertion").as_str()) {
            ("/acme/oauth2/v2.0/token", "app-1", assertion) if assertion == token => {
                reply(200, r#"{"token_type":"Bearer","expires_in":3599,"access_token":"of app-1"}"#)
            }
            _ => reply(401, r#"{"error":"invalid_client","error_description":"AADSTS70021: No matching federated identity record"}"#),
        }
    })
    .await;
    let (cloud, _) =
        pod(&[("AZURE_AUTHORITY_HOST", &entra.url), ("AZURE_TENANT_ID", "acme"), ("AZURE_CLIENT_ID", "machine")]);
    let remote = Url::parse("https://dev.azure.com/org/project/_git/repo").unwrap();
    let ask = async |annotations: &[(&str, &str)]| {
        let account = account("apps", "web", annotations);
        let way = Way { account: Some(&account), ..Way::default() };
        Ok::<_, Error>(cloud.azure_devops(&remote, way).await?.login.expose_secret().to_owned())
    };
    let client = ("azure.workload.identity/client-id", "app-1");
    assert_eq!(ask(&[client]).await.unwrap(), "of app-1", "the tenant is that of the environment");
    assert_eq!(ask(&[client, ("azure.workload.identity/tenant-id", "acme")]).await.unwrap(), "of app-1");
    let error = ask(&[client, ("azure.workload.identity/tenant-id", "other")]).await.unwrap_err().to_string();
    assert!(error.contains("AADSTS70021: No matching federated identity record"), "{error}");
    let error = ask(&[]).await.unwrap_err().to_string();
    assert_eq!(error, "the service account apps/web has no annotation `azure.workload.identity/client-id`");
    let error = ask(&[("azure.workload.identity/client-id", "../app")]).await.unwrap_err().to_string();
    assert!(
        error.ends_with("has no name that Entra ID has in its annotation `azure.workload.identity/client-id`"),
        "{error}"
    );
}

const PROVIDER: &str = "gcp.auth.fluxcd.io/workload-identity-provider";
const EMAIL: &str = "iam.gke.io/gcp-service-account";

fn google(seen: &Seen, now: Timestamp) -> Reply {
    let pool = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q";
    let cluster = "identitynamespace:acme.svc.id.goog:https://container.googleapis.com/v1/projects/acme/locations/europe-west1/clusters/prod";
    match (seen.path.as_str(), seen.field("audience").as_str(), seen.field("subject_token").as_str()) {
        ("/v1/token", audience, token) if audience == pool && token == format!("token-of-web-for-{pool}") => {
            reply(200, r#"{"access_token":"of the pool","expires_in":3600}"#)
        }
        ("/v1/token", audience, "token-of-web-for-acme.svc.id.goog") if audience == cluster => {
            reply(200, r#"{"access_token":"of the cluster","expires_in":3600}"#)
        }
        ("/v1/projects/-/serviceAccounts/bot@acme.iam.gserviceaccount.com:generateAccessToken", ..) => {
            assert!(seen.header("authorization").starts_with("Bearer of the "));
            let end = Timestamp::from_second(now.as_second() + 3600).unwrap();
            reply(200, json!({"accessToken": "of the bot", "expireTime": end.to_string()}).to_string())
        }
        _ => reply(400, r#"{"error":"invalid_grant","error_description":"no such token"}"#),
    }
}

#[tokio::test]
async fn google_knows_the_cluster_or_its_provider() {
    let google = Service::start(0, google).await;
    let metadata = Service::start(0, |seen, _| {
        assert_eq!(seen.header("metadata-flavor"), "Google");
        let text = match seen.path.as_str() {
            "/computeMetadata/v1/project/project-id" => "acme",
            "/computeMetadata/v1/instance/attributes/cluster-location" => "europe-west1",
            "/computeMetadata/v1/instance/attributes/cluster-name" => "prod",
            other => panic!("{other}"),
        };
        reply(200, text).with("metadata-flavor", "Google")
    })
    .await;
    let endpoints = [
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_STS", google.url.as_str()),
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS", google.url.as_str()),
    ];
    let (gke, _) =
        pod(&[&endpoints[..], &[("GCE_METADATA_HOST", metadata.url.trim_start_matches("http://"))]].concat());
    let (elsewhere, _) = pod(&endpoints);
    let ask = async |cloud: &Cloud, annotations: &[(&str, &str)]| {
        password(cloud, Provider::Gcp, "gcr.io", &account("apps", "web", annotations)).await
    };
    let provider = (PROVIDER, "projects/1/locations/global/workloadIdentityPools/p/providers/q");
    let email = (EMAIL, "bot@acme.iam.gserviceaccount.com");
    assert_eq!(ask(&gke, &[]).await.unwrap(), "of the cluster");
    assert_eq!(ask(&gke, &[email]).await.unwrap(), "of the bot");
    assert_eq!(ask(&gke, &[provider]).await.unwrap(), "of the pool");
    assert_eq!(ask(&elsewhere, &[provider, email]).await.unwrap(), "of the bot");
    let error = ask(&elsewhere, &[]).await.unwrap_err();
    let expect =
        format!("the service account apps/web has no annotation `{PROVIDER}`, and this is no cluster of Google: ");
    assert!(error.to_string().starts_with(&expect) && error.kind() == Kind::Denied, "{error}");
    for (annotations, expect) in [
        ([(PROVIDER, "projects/acme"), email], "has no name of a workload identity provider in its annotation"),
        ([provider, (EMAIL, "bot@example.com")], "has no address of a service account in its annotation"),
    ] {
        let error = ask(&gke, &annotations).await.unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    }
}

#[tokio::test]
async fn without_a_cluster_there_is_no_token() {
    let account = account("apps", "web", &[(ROLE, "arn:aws:iam::123456789012:role/web")]);
    let error = password(&machine(&[]), Provider::Aws, ECR, &account).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the service account apps/web is of a cluster, and no cluster is asked for its token"
    );
    assert_eq!(error.kind(), Kind::Config);
}
