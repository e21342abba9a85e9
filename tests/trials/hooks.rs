//! From a webhook to the pushed commit: no list of tags, one question about the tag, and what is not there changes nothing.

use std::time::{Duration, Instant};

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::bot::{Bot, Shape, TIMEOUT, World, eventually};

/// Nothing is done by itself.
const INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

const TOKEN: &str = "s3cret-of-the-hook";

const RECEIVERS: &str = "
apiVersion: tagwright.dev/v1alpha1
kind: Receiver
metadata: {name: ci}
spec: {type: generic, secretRef: {name: hook}}
---
apiVersion: tagwright.dev/v1alpha1
kind: Receiver
metadata: {name: pushes}
spec: {type: gitlab, secretRef: {name: hook}}
---
apiVersion: v1
kind: Secret
metadata: {name: hook}
stringData: {token: s3cret-of-the-hook}
";

/// A receiver of Google's messages.
const GOOGLE: &str = "
---
apiVersion: tagwright.dev/v1alpha1
kind: Receiver
metadata: {name: gar}
spec: {type: gcr, secretRef: {name: google}}
---
apiVersion: v1
kind: Secret
metadata: {name: google}
stringData: {token: another, email: push@acme.iam.gserviceaccount.com, audience: 'https://bot.example.com'}
";

struct Trial {
    world: World,
    bot: Bot,
    address: String,
}

impl Trial {
    fn start() -> Self {
        Self::start_with("", |_| String::new())
    }

    /// With more receivers, and an address where Google's public keys are.
    fn start_with(more: &str, google: impl FnOnce(&World) -> String) -> Self {
        let world = World::start(Shape::new(2, 1, INTERVAL));
        std::fs::write(world.path("config/hooks.yaml"), format!("{RECEIVERS}{more}")).unwrap();
        let google = google(&world);
        let mut command = world.command("bot");
        let bot = Bot::start(command.args(["--listen", "127.0.0.1:0"]).env("TAGWRIGHT_GOOGLE_KEYS", google));
        let started = bot.wait_for(0, TIMEOUT, |line| line["message"] == "started");
        let address = started.as_ref().and_then(|line| line["listen"].as_str()).unwrap().to_owned();
        let trial = Self { world, bot, address };
        trial.at_rest();
        trial
    }

    /// Waits until everything was done once, and nothing is under way.
    fn at_rest(&self) {
        eventually("the bot is at rest", TIMEOUT, || {
            let Some(status) = self.world.status("bot") else { return false };
            let all = |rows: &str, when: &str| status[rows].as_array().unwrap().iter().all(|row| row[when].is_string());
            all("policies", "lastPoll") && all("automations", "lastRun") && status["work"] == json!([])
        });
    }

    fn post(&self, receiver: &str, headers: &[(&str, &str)], body: &Value) -> u16 {
        self.world.block_on(async {
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let request =
                client.post(format!("http://{}/hooks/default/{receiver}", self.address)).body(body.to_string());
            let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
            request.send().await.unwrap().status().as_u16()
        })
    }

    /// Tells that a tag of the first image was pushed.
    fn tell(&self, tag: &str) -> u16 {
        let bearer = format!("Bearer {TOKEN}");
        self.post("ci", &[("Authorization", &bearer)], &json!({"image": self.world.image(0), "tag": tag}))
    }

    /// What the registry was asked about the first image since a moment.
    fn asked(&self, since: Instant) -> Vec<String> {
        let seen = self.world.registry.seen();
        seen.iter()
            .filter(|seen| seen.path.contains("/shop/app-0/") && seen.at > since)
            .map(|seen| seen.line())
            .collect()
    }
}

#[test]
fn a_pushed_tag_is_a_commit_without_a_list() {
    let mut trial = Trial::start();
    let since = Instant::now();
    let patch = trial.world.release(0);
    assert_eq!(trial.tell(&format!("1.0.{patch}")), 202);
    eventually("the tag is committed", TIMEOUT, || trial.world.says(0, patch));
    trial.at_rest();
    assert_eq!(trial.asked(since), [format!("HEAD /v2/shop/app-0/manifests/1.0.{patch}")]);
    assert_eq!(trial.world.history().updates(), 1);

    // What the registry does not have, and what no policy would select.
    let from = trial.bot.position();
    assert_eq!(trial.tell("1.0.77"), 202);
    let told = trial.bot.wait_for(from, TIMEOUT, |line| line["message"] == "was told of a tag that is not there");
    assert!(told.is_some(), "{:#?}", trial.bot.log());
    let since = Instant::now();
    for tag in ["0.9.0", "latest", "1.0.0"] {
        let from = trial.bot.position();
        assert_eq!(trial.tell(tag), 202);
        let looked = trial.bot.wait_for(from, TIMEOUT, |line| line["message"] == "looked at what was pushed");
        assert!(looked.is_some(), "{tag}: {:#?}", trial.bot.log());
    }
    assert_eq!(trial.asked(since), Vec::<String>::new());

    // The next poll confirms it, and there is nothing to do.
    let since = Instant::now();
    trial.bot.signal("USR1");
    eventually("the image is polled", TIMEOUT, || trial.world.polls(0, since) == 1);
    trial.at_rest();
    assert_eq!((trial.world.history().updates(), trial.world.says(0, patch)), (1, true));
    assert!(trial.bot.stop().success());
    let log: String = trial.bot.log().iter().map(ToString::to_string).collect();
    assert!(!log.contains(TOKEN));
}

/// Somebody pushes to the branch, the forge says so, and the bot looks at once.
#[test]
fn a_push_to_the_branch_is_looked_at_at_once() {
    let mut trial = Trial::start();
    trial.world.change_tags(0, |tags| tags.push("1.0.1".to_owned()));
    trial.bot.signal("USR1");
    eventually("the tag is committed", TIMEOUT, || trial.world.says(0, 1));
    trial.at_rest();
    // A new field, which wants the tag that is selected.
    let field = trial.world.text(0, "1.0.0").replace("name: app-0", "name: second");
    trial.world.somebody("apps/0/second.yaml", &field);
    let url = trial.world.server.url();
    let push = json!({"object_kind": "push", "project": {"git_http_url": url}});
    assert_eq!(trial.post("pushes", &[("X-Gitlab-Token", "wrong")], &push), 401);
    assert_eq!(trial.post("pushes", &[("X-Gitlab-Token", TOKEN)], &push), 202);
    eventually("the new field is written", TIMEOUT, || {
        trial.world.remote.show("main:apps/0/second.yaml").contains(":1.0.1 #")
    });
    assert!(trial.bot.stop().success());
}

/// Artifact Registry by Pub/Sub: Google's token is held against the keys that Google shows, and the account and audience that are named.
#[test]
fn a_message_of_google_is_believed_by_its_token() {
    let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let public: PublicKeyX509Der<'_> = key.public_key().as_der().unwrap();
    let der: &[u8] = public.as_ref();
    let n = URL_SAFE_NO_PAD.encode(&der[der.len() - 5 - 256..der.len() - 5]);
    let keys = json!({"keys": [{"kty": "RSA", "alg": "RS256", "kid": "one", "n": n, "e": "AQAB"}]});
    let mut trial = Trial::start_with(GOOGLE, |world| {
        world.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = format!("http://{}/certs", listener.local_addr().unwrap());
            let router = axum::Router::new().route("/certs", axum::routing::get(async move || axum::Json(keys)));
            tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
            address
        })
    });
    let token = |email: &str| {
        let now = jiff::Timestamp::now().as_second();
        let claims = json!({"iss": "https://accounts.google.com", "aud": "https://bot.example.com", "email": email,
            "email_verified": true, "iat": now, "exp": now + 3_600});
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(&json!({"alg": "RS256", "kid": "one"})), part(&claims));
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
        format!("Bearer {text}.{}", URL_SAFE_NO_PAD.encode(signature))
    };
    let patch = trial.world.release(0);
    let said = json!({"action": "INSERT", "tag": format!("{}:1.0.{patch}", trial.world.image(0))});
    let message = json!({"message": {"data": STANDARD.encode(said.to_string()), "messageId": "1"}});
    let anybody = token("anybody@gmail.com");
    assert_eq!(trial.post("gar", &[("Authorization", &anybody)], &message), 401);
    assert_eq!(trial.post("gar", &[], &message), 401);
    let google = token("push@acme.iam.gserviceaccount.com");
    assert_eq!(trial.post("gar", &[("Authorization", &google)], &message), 202);
    eventually("the tag is committed", TIMEOUT, || trial.world.says(0, patch));
    assert_eq!(trial.post("gar", &[("Authorization", &google)], &message), 200, "it is a duplicate");
    assert!(trial.bot.stop().success());
}
