//! A private registry of a cloud that is asked as the service account of an object, with a token that the API server gives out.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::bot::Bot;
use crate::cluster::Cluster;
use crate::service::{Reply, Seen, Service, reply};
use crate::world::{World, condition, deployed, is_ready};

const HOST: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
const ROLE: &str = "arn:aws:iam::123456789012:role/web";

/// AWS's token service, which knows tokens of one account by what the API server wrote into them, and the endpoint of ECR.
fn aws(seen: &Seen, now: Timestamp, namespace: &str) -> Reply {
    if seen.header("x-amz-target").ends_with(".GetAuthorizationToken") {
        assert!(seen.header("authorization").contains("Credential=AKIDWEB/"), "asked with the keys of the role");
        let (token, end) = (STANDARD.encode("AWS:right"), now.as_second() + 12 * 3600);
        return reply(
            200,
            format!(r#"{{"authorizationData":[{{"authorizationToken":"{token}","expiresAt":{end}}}]}}"#),
        );
    }
    let token = seen.field("WebIdentityToken");
    let claims = token.split('.').nth(1).and_then(|claims| URL_SAFE_NO_PAD.decode(claims).ok()).unwrap_or_default();
    let claims: Value = serde_json::from_slice(&claims).unwrap_or_default();
    let is_known = claims["aud"] == json!(["sts.amazonaws.com"])
        && claims["sub"] == format!("system:serviceaccount:{namespace}:web")
        && claims["exp"].as_i64().is_some_and(|end| end > now.as_second() && end <= now.as_second() + 3700);
    if !is_known || seen.field("RoleArn") != ROLE {
        let text =
            "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no such role</Message></Error></ErrorResponse>";
        return reply(403, text);
    }
    let end = Timestamp::from_second(now.as_second() + 3600).unwrap();
    let keys = "<AccessKeyId>AKIDWEB</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>";
    reply(200, format!("<R><Credentials>{keys}<Expiration>{end}</Expiration></Credentials></R>"))
}

fn registry(seen: &Seen) -> Reply {
    let is_known = seen.header("authorization") == format!("Basic {}", STANDARD.encode("AWS:right"));
    match (seen.path.split('?').next().unwrap_or_default(), is_known) {
        ("/v2/shop/app/tags/list", true) => reply(200, r#"{"name":"shop/app","tags":["1.0.0","1.1.0"]}"#),
        (_, true) => reply(404, "{}"),
        (_, false) => reply(401, "{}")
            .with("www-authenticate", format!("Basic realm=\"https://{HOST}/\",service=\"ecr.amazonaws.com\"")),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_polled_as_its_service_account() {
    let world = World::new(Cluster::shared()).await;
    let namespace = world.space.name.clone();
    let api = Service::start(0, move |seen, now| aws(seen, now, &namespace)).await;
    let registry = Service::behind_proxy(HOST, 0, |seen, _| registry(seen)).await;
    let authority = world.data("ca.pem");
    std::fs::write(&authority, &registry.authority).unwrap();
    let objects = format!(
        "
apiVersion: v1
kind: ServiceAccount
metadata: {{name: web}}
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageRepository
metadata: {{name: app}}
spec: {{image: '{HOST}/shop/app', interval: 1s, timeout: 30s, provider: aws, serviceAccountName: web}}
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImagePolicy
metadata: {{name: app}}
spec: {{imageRepositoryRef: {{name: app}}, policy: {{semver: {{range: 1.x}}}}}}
"
    );
    world.space.apply_file(deployed("standalone/namespaced/rbac.yaml")).await;
    world.space.apply(&objects).await;
    let token = world.space.token("tagwright").await;
    let mut command = world.command("bot", &world.space.cluster.url(), &token);
    command
        .arg("--watch-all-namespaces=false")
        .env("HTTPS_PROXY", &registry.url)
        .env("NO_PROXY", "127.0.0.1")
        .env("SSL_CERT_FILE", &authority)
        .env("AWS_ENDPOINT_URL_ECR", &api.url)
        .env("AWS_ENDPOINT_URL_STS", &api.url);
    let _bot = Bot::start(&mut command);
    let says = |words: &'static str| {
        move |object: &Value| condition(object, "Ready")["message"].as_str().is_some_and(|text| text.contains(words))
    };
    world
        .until(
            "ImageRepository",
            "app",
            "its account has no role",
            says("has no annotation `eks.amazonaws.com/role-arn`"),
        )
        .await;
    assert_eq!(registry.seen().len(), 0, "the bot's own identity is for nobody else's objects");

    let account = format!(
        "
apiVersion: v1
kind: ServiceAccount
metadata: {{name: web, annotations: {{eks.amazonaws.com/role-arn: '{ROLE}'}}}}
"
    );
    world.space.apply(&account).await;
    let forbidden = says("has no token: serviceaccounts \"web\" is forbidden");
    world.until("ImageRepository", "app", "its token may not be asked for", forbidden).await;

    // As the guide has it.
    let role = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: tagwright-tokens}
rules:
  - {apiGroups: [''], resources: [serviceaccounts/token], verbs: [create], resourceNames: [web]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: tagwright-tokens}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: tagwright-tokens}
subjects: [{kind: ServiceAccount, name: tagwright}]
";
    world.space.apply(role).await;
    world.until("ImageRepository", "app", "it is polled", is_ready).await;
    let policy = world.until("ImagePolicy", "app", "it selects", is_ready).await;
    assert_eq!(policy["status"]["latestRef"]["tag"], "1.1.0");
    let asked = api.seen();
    let tokens = asked.iter().filter(|seen| !seen.field("WebIdentityToken").is_empty()).count();
    assert_eq!(tokens, 1, "one token, and one role, however often it is polled");
}
