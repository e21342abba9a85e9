//! A private registry of a cloud, from the variables of the machine to a pushed commit: a service that gives out the login, and
//! behind a proxy and TLS the registry that wants it.

use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::runtime::Runtime;

use crate::remote::Remote;
use crate::service::{Reply, Seen, Service, reply};
use crate::site::{FILE, background};
use crate::world::{Run, World};

const HOST: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";

/// ECR, whose password is another one each time that it is asked.
fn ecr(seen: &Seen, password: &str) -> Reply {
    assert_eq!(seen.header("x-amz-target"), "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken");
    assert!(seen.header("authorization").starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"));
    let token = STANDARD.encode(format!("AWS:{password}"));
    reply(200, format!(r#"{{"authorizationData":[{{"authorizationToken":"{token}","expiresAt":4102444800}}]}}"#))
}

/// The registry, which has two tags for whoever knows the password.
fn registry(seen: &Seen) -> Reply {
    let expect = format!("Basic {}", STANDARD.encode("AWS:right"));
    match (seen.path.split('?').next().unwrap_or_default(), seen.header("authorization") == expect) {
        (_, false) => {
            let body = r#"{"errors":[{"code":"DENIED","message":"Your authorization token has expired."}]}"#;
            reply(401, body)
                .with("www-authenticate", format!("Basic realm=\"https://{HOST}/\",service=\"ecr.amazonaws.com\""))
        }
        ("/v2/team/app/tags/list", true) => reply(200, r#"{"name":"team/app","tags":["1.0.0","1.1.0"]}"#),
        _ => reply(404, "{}"),
    }
}

/// Everything for one run: both services, a remote with one marked file, and a configuration.
struct Cloud {
    world: World,
    remote: Remote,
    api: Service,
    registry: Service,
    _runtime: Runtime,
}

impl Cloud {
    fn new(password: &'static str) -> Self {
        let runtime = background();
        let api = runtime.block_on(Service::start(0, move |seen, _| ecr(seen, password)));
        let registry = runtime.block_on(Service::behind_proxy(HOST, 0, |seen, _| registry(seen)));
        let file = format!("image: {HOST}/team/app:1.0.0 # {{\"$imagepolicy\": \"default:app\"}}\n");
        let remote = Remote::with(&[(FILE, &file)]);
        let world = World::new();
        let configuration = format!(
            "apiVersion: tagwright.dev/v1alpha1
kind: ImageAutomation
metadata: {{name: shop}}
spec:
  git: {{url: {}, branch: main}}
  images:
    - {{name: app, image: {HOST}/team/app, provider: aws, policy: {{semver: {{range: 1.x}}}}}}
",
            remote.path()
        );
        world.write("config/shop.yaml", configuration);
        world.write("ca.pem", &registry.authority);
        Self { world, remote, api, registry, _runtime: runtime }
    }

    fn run(&self, more: &[(&str, &str)]) -> Run {
        let mut command: Command = self.world.tagwright(["run", "--once", "--config", "config"]);
        command
            .env("HTTPS_PROXY", &self.registry.url)
            .env("SSL_CERT_FILE", self.world.path("ca.pem"))
            .env("AWS_ENDPOINT_URL_ECR", &self.api.url)
            .envs(more.iter().copied());
        self.world.finish(&mut command, b"").masked(&self.api.url, "API")
    }
}

const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "hunter2hunter2")];

#[test]
fn a_private_image_of_ecr_is_updated() {
    let cloud = Cloud::new("right");
    let run = cloud.run(&KEYS);
    assert_eq!(run.code, 0, "{run:?}");
    let expect = format!("image: {HOST}/team/app:1.1.0 # {{\"$imagepolicy\": \"default:app\"}}\n");
    assert_eq!(cloud.remote.show(&format!("main:{FILE}")), expect);
    assert_eq!(cloud.api.seen().len(), 1);
    assert!(!format!("{run:?}").contains("hunter2"));
}

#[test]
fn a_login_that_the_registry_refuses_and_none_at_all() {
    let cloud = Cloud::new("wrong");
    let run = cloud.run(&KEYS);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("the credentials sent were not accepted"), "{run:?}");
    assert!(run.stderr.contains("hint: check that the login may pull this repository"), "{run:?}");

    let asked = cloud.registry.seen().len();
    let run = cloud.run(&[("AWS_EC2_METADATA_DISABLED", "true")]);
    assert_eq!(run.code, 1, "{run:?}");
    let expect = "this machine has no credentials for AWS; tried in this order: the environment (AWS_ACCESS_KEY_ID is not set), \
                  the profile default (~/.aws/credentials and ~/.aws/config have none), a web identity \
                  (AWS_WEB_IDENTITY_TOKEN_FILE is not set), the container (AWS_CONTAINER_CREDENTIALS_FULL_URI is not set), the \
                  metadata of the machine (AWS_EC2_METADATA_DISABLED is set)";
    assert!(run.stderr.contains(expect), "{run:?}");
    assert!(run.stderr.contains("docs/guides/clouds.md"), "{run:?}");
    assert_eq!(cloud.registry.seen().len(), asked, "the registry is not asked without a login");
}
