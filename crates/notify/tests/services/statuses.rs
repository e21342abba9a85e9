//! Commits that are given a status.

use std::collections::BTreeSet;
use std::sync::Arc;

use forge::Product;
use gotext::pattern::Pattern;
use notify::{About, Deployed, Form, Kind, Notification, Service, Severity, Status, Writer};
use serde_json::json;

use crate::service::{SECRET, Simulated, World, event, notification, pushed, say, target};

fn status(product: Product, service: &Simulated, path: &str) -> Status {
    Status {
        product,
        address: format!("{}/{path}", service.url).parse().unwrap(),
        writer: Writer::Token(SECRET.to_owned().into()),
        form: Form::Status,
        context: "tagwright".to_owned(),
        environment: "prod".to_owned(),
    }
}

fn deployed(source: &str) -> Deployed {
    Deployed {
        about: About::default(),
        message: "default/shop: pushed abc1234".to_owned(),
        image: "ghcr.io/acme/app:1.1.0".to_owned(),
        source: source.to_owned(),
        revision: "ab".repeat(20),
        commit: "abc1234def".to_owned(),
        page: Some("https://git.example.com/c".to_owned()),
    }
}

#[tokio::test]
async fn commits_that_were_pushed_and_those_that_images_were_built_from() {
    for (product, prefix, name) in [
        (Product::Gitea, "/api/v1/repos/acme", "context"),
        (Product::Forgejo, "/api/v1/repos/acme", "context"),
        (Product::GitHub, "/api/v3/repos/acme", "context"),
        (Product::GitLab, "/api/v4/projects/acme%2F", "name"),
    ] {
        let forge = Simulated::start().await;
        forge.usual(say(201, "{}"));
        let world = World::telling([target(Service::Status(status(product, &forge, "acme")))]);
        world.voice.tell(pushed(&format!("{}/acme/config.git", forge.url)));
        // None of these is told: another repository, another owner, another server, and nothing that was pushed.
        world.voice.tell(pushed(&format!("{}/other/config.git", forge.url)));
        world.voice.tell(event(Kind::Held, "waits"));
        world.voice.deployed(deployed(&format!("{}/acme/app", forge.url)));
        world.voice.deployed(deployed(&format!("{}/acme-evil/app", forge.url)));
        world.voice.deployed(deployed("https://github.com/acme/app"));
        let counts = world.end().await;
        assert!(counts.len() == 2 && counts.iter().all(|(_, result)| *result == "sent"), "{counts:?}");
        let seen = forge.taken(2).await;
        let of = |repository: &str, commit: &str| {
            let slash = if product == Product::GitLab { "" } else { "/" };
            format!("{prefix}{slash}{repository}/statuses/{commit}")
        };
        assert_eq!(seen[0].path, of("config", &"c0ffee".repeat(7)[..40]));
        assert_eq!(
            seen[0].json(),
            json!({"state": "success", name: "tagwright", "description": "default/shop updated ghcr.io/acme/app:1.0.0 -> ghcr.io/acme/app:1.1.0"})
        );
        assert_eq!(seen[1].path, of("app", &"ab".repeat(20)));
        assert_eq!(seen[1].json()["description"], "deployed to prod by abc1234");
        assert_eq!(seen[1].json()["target_url"], "https://git.example.com/c");
        assert_eq!(seen[1].header("authorization"), format!("Bearer {SECRET}"));
    }
}

#[tokio::test]
async fn a_forge_that_is_busy_is_asked_again_and_one_that_refuses_is_not() {
    let forge = Simulated::start().await;
    forge.next([say(502, ""), say(201, "{}"), say(422, r#"{"message":"No commit found for SHA"}"#)]);
    let world = World::telling([target(Service::Status(status(Product::GitHub, &forge, "acme/config")))]);
    let remote = format!("{}/acme/config", forge.url);
    world.voice.tell(pushed(&remote));
    world.voice.tell(pushed(&remote));
    assert_eq!(world.end().await, [("github", "failed"), ("github", "sent")]);
    assert_eq!(forge.count(), 3);
    // GitLab has it already.
    let forge = Simulated::start().await;
    forge.usual(say(400, r#"{"message":"Cannot transition status via :success from :success"}"#));
    let world = World::telling([target(Service::Status(status(Product::GitLab, &forge, "acme/config")))]);
    world.voice.tell(pushed(&format!("{}/acme/config", forge.url)));
    assert_eq!(world.end().await, [("gitlab", "sent")]);
}

/// Whoever does not want to hear of a commit does not want to have marked what it put to use, either.
#[tokio::test]
async fn only_what_somebody_wants_to_hear_is_marked() {
    let forge = Simulated::start().await;
    forge.usual(say(201, "{}"));
    let of = |name: &str| notification(name, target(Service::Status(status(Product::Gitea, &forge, "acme"))));
    let world = World::of(vec![
        Arc::new(Notification { severity: Severity::Error, ..of("errors") }),
        Arc::new(Notification { kinds: BTreeSet::from([Kind::Held]), ..of("holds") }),
        Arc::new(Notification { exclude: vec![Pattern::parse("^default/").unwrap()], ..of("others") }),
    ]);
    world.voice.deployed(deployed(&format!("{}/acme/app", forge.url)));
    world.voice.tell(pushed(&format!("{}/acme/config.git", forge.url)));
    assert_eq!(world.end().await, []);
    assert_eq!(forge.count(), 0);
}

/// An App of GitHub asks for a token, and writes a check run with it. A token that is withdrawn is asked for again.
#[tokio::test]
async fn an_app_writes_check_runs() {
    let forge = Simulated::start().await;
    let token = |text: &str| say(201, &json!({"token": text, "expires_at": "2999-01-01T00:00:00Z"}).to_string());
    let denied = say(401, r#"{"message":"Bad credentials"}"#);
    forge.next([token("ghs_one"), say(201, "{}"), denied, token("ghs_two"), say(201, "{}")]);
    let app = access::GithubApp {
        id: "7".to_owned(),
        installation: access::Installation::Id(8),
        key: include_str!("../../../../fixtures/signing/ssh-pkcs1-rsa").to_owned().into(),
        base_url: Some(forge.url.clone()),
    };
    let by_app =
        Status { writer: Writer::App(Box::new(app)), form: Form::CheckRun, ..status(Product::GitHub, &forge, "acme") };
    let world = World::telling([target(Service::Status(by_app))]);
    world.voice.deployed(deployed(&format!("{}/acme/app", forge.url)));
    forge.taken(2).await;
    world.voice.deployed(deployed(&format!("{}/acme/app", forge.url)));
    assert_eq!(world.end().await, [("github", "sent"); 2]);
    let seen = forge.taken(5).await;
    let paths: Vec<&str> = seen.iter().map(|seen| seen.path.as_str()).collect();
    let (asks, writes) = ("/api/v3/app/installations/8/access_tokens", "/api/v3/repos/acme/app/check-runs");
    assert_eq!(paths, [asks, writes, writes, asks, writes]);
    let tokens: Vec<&str> = [1, 2, 4].map(|at: usize| seen[at].header("authorization")).into();
    assert_eq!(tokens, ["Bearer ghs_one", "Bearer ghs_one", "Bearer ghs_two"]);
    assert_eq!(
        seen[4].json(),
        json!({
            "name": "tagwright",
            "head_sha": "ab".repeat(20),
            "status": "completed",
            "conclusion": "success",
            "output": {"title": "deployed to prod by abc1234", "summary": "deployed to prod by abc1234"},
            "details_url": "https://git.example.com/c",
        })
    );
}
