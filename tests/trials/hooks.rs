//! From a webhook to the pushed commit: no list of tags, one question about the tag, and what is not there changes nothing.

use std::time::{Duration, Instant};

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::bot::cycle::{self, Others};
use crate::bot::flood::{self, Flow};
use crate::bot::hooked::{Hooked, INTERVAL, TOKEN};
use crate::bot::{Shape, TIMEOUT, eventually};

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

/// Two images, and nothing that is done by itself.
const SMALL: Shape = Shape::new(2, 1, INTERVAL);

#[test]
fn a_pushed_tag_is_a_commit_without_a_list() {
    let mut trial = Hooked::start(SMALL);
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

/// Builds end in any order, and webhooks come in another one.
#[test]
fn a_pushed_tag_stays_when_an_older_one_is_told_of_after_it() {
    let mut trial = Hooked::start(SMALL);
    let selected = |trial: &Hooked| trial.status()["policies"][0]["tag"].as_str().unwrap().to_owned();
    let (older, newer) = (trial.world.release(0), trial.world.release(0));
    assert_eq!(trial.tell(&format!("1.0.{newer}")), 202);
    eventually("the tag is committed", TIMEOUT, || trial.world.says(0, newer));
    trial.at_rest();
    let from = trial.bot.position();
    assert_eq!(trial.tell(&format!("1.0.{older}")), 202);
    let looked = trial.bot.wait_for(from, TIMEOUT, |line| line["message"] == "looked at what was pushed");
    assert!(looked.is_some(), "{:#?}", trial.bot.log());
    trial.at_rest();
    assert_eq!(selected(&trial), format!("1.0.{newer}"));
    assert!(trial.world.says(0, newer));
    assert!(trial.bot.stop().success());
}

/// Somebody pushes to the branch, the forge says so, and the bot looks at once.
#[test]
fn a_push_to_the_branch_is_looked_at_at_once() {
    let mut trial = Hooked::start(SMALL);
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
    let mut trial = Hooked::start_with(SMALL, GOOGLE, |world| {
        let address = world.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = format!("http://{}/certs", listener.local_addr().unwrap());
            let router = axum::Router::new().route("/certs", axum::routing::get(async move || axum::Json(keys)));
            tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
            address
        });
        let mut command = world.command("bot");
        command.args(["--listen", "127.0.0.1:0"]).env("TAGWRIGHT_GOOGLE_KEYS", address);
        command
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

/// As `cargo bench --bench hooks -- cycle` measures it: each webhook costs one question about the tag, and the remote no more than it has to.
#[test]
fn each_webhook_costs_one_question() {
    let cycles = cycle::run(5, Others::Before);
    assert_eq!(cycles.ours.len(), 5);
    for (round, asked) in cycles.asked.iter().enumerate() {
        assert_eq!(*asked, [format!("HEAD /v2/shop/app-0/manifests/1.0.{}", round + 1)]);
    }
}

/// As `cargo bench --bench hooks -- flood`, of a few hundred: each is taken or told to come again, and what was taken is committed.
#[test]
fn what_was_accepted_in_a_flood_is_committed() {
    // Fewer connections than the server has places for.
    let flow = Flow { images: 8, automations: 2, webhooks: 400, pause: Duration::ZERO, at_once: 100 };
    let flood = flood::run(flow);
    eprintln!("{:?}, {} heads, {} lists, {} commits", flood.answers, flood.heads, flood.lists, flood.commits);
    assert_eq!((flood.lost, flood.faults), (0, Vec::new()));
    assert!(flood.answers.keys().all(|status| [202, 429].contains(status)), "{:?}", flood.answers);
    assert_eq!(flood.answers.values().sum::<usize>(), 400);
    assert!(flood.answers[&202] > 0 && flood.commits > 0);
}
