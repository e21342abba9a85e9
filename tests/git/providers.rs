//! Logins that a provider gives out: asked for once, sent at once, and asked for anew where they are refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use access::{GitLogin, GithubApp, Installation};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use git::{Error, Kind, Want};

use crate::service::{Service, reply};
use crate::support::{Behaviour, Server, access, machine};
use crate::{build, fetch, push_main, small};

/// A GitHub that gives out `ghs_0`, `ghs_1` and so on, each for an hour.
async fn github() -> Service {
    let count = Arc::new(AtomicUsize::new(0));
    Service::start(0, move |seen, now| {
        assert_eq!(seen.path, "/api/v3/app/installations/7/access_tokens");
        let number = count.fetch_add(1, Ordering::Relaxed);
        let end = jiff::Timestamp::from_second(now.as_second() + 3600).unwrap();
        reply(201, format!(r#"{{"token":"ghs_{number}","expires_at":"{end}"}}"#))
    })
    .await
}

fn app(github: &Service) -> access::Git {
    let keys: serde_json::Value = serde_json::from_str(include_str!("../../fixtures/cloud/tokens.json")).unwrap();
    let key = keys["pkcs8"].as_str().unwrap().into();
    let (id, installation, base_url) = ("123".to_owned(), Installation::Id(7), Some(github.url.clone()));
    access(GitLogin::GithubApp(Box::new(GithubApp { id, installation, key, base_url })))
}

fn wants(number: usize, refuses_with: Option<u16>) -> Behaviour {
    let authorization = Some(format!("Basic {}", STANDARD.encode(format!("x-access-token:ghs_{number}"))));
    Behaviour { authorization, refuses_with, ..Behaviour::default() }
}

#[tokio::test]
async fn an_app_fetches_and_pushes_with_one_token() {
    let (remote, github) = (small(), github().await);
    let server = Server::start(remote.root.path(), wants(0, None)).await;
    let (git, _data) = machine(&[]);
    let mirror = git.open(&server.url(), &app(&github)).unwrap();
    let snapshot = fetch(&mirror, Want::DefaultBranch).await.unwrap();
    let commit = build(&snapshot, "apps/two.yaml", "by the App\n").await;
    push_main(&mirror, snapshot.commit(), commit).await;
    assert_eq!(remote.show("main:apps/two.yaml"), "by the App\n");
    assert_eq!(github.seen().len(), 1);
    assert!(server.seen().iter().all(|seen| seen.authorization.is_some()), "it is sent at once");
}

#[tokio::test]
async fn a_token_that_was_withdrawn_is_asked_for_anew_once() {
    for refuses_with in [None, Some(403), Some(404)] {
        let (remote, github) = (small(), github().await);
        let server = Server::start(remote.root.path(), wants(0, refuses_with)).await;
        let (git, _data) = machine(&[]);
        let ask = async || git.open(&server.url(), &app(&github)).unwrap().advertise().await;
        ask().await.unwrap();
        server.behave(wants(1, refuses_with));
        ask().await.unwrap_or_else(|error| panic!("{refuses_with:?}: {error}"));
        assert_eq!(github.seen().len(), 2);
        // In the middle of an operation it is the next one that has a new token.
        let mirror = git.open(&server.url(), &app(&github)).unwrap();
        let advertisement = mirror.advertise().await.unwrap();
        server.behave(wants(2, refuses_with));
        let error = mirror.fetch(&advertisement, &[Want::DefaultBranch]).await.unwrap_err();
        assert!(error.to_string().contains("the token of the GitHub App"), "{error}");
        ask().await.unwrap_or_else(|error| panic!("{refuses_with:?}: {error}"));
        assert_eq!(github.seen().len(), 3);
        // Whoever refuses every token is not asked for ever.
        server.behave(wants(9, refuses_with));
        server.seen();
        assert!(ask().await.is_err());
        assert!(server.seen().len() <= 3 && github.seen().len() == 4);
    }
}

#[tokio::test]
async fn what_the_provider_says_is_told() {
    let remote = small();
    let github = Service::start(0, |_, _| reply(401, r#"{"message":"Integration not found"}"#)).await;
    let server = Server::start(remote.root.path(), wants(0, None)).await;
    let (git, _data) = machine(&[]);
    let error = git.open(&server.url(), &app(&github)).unwrap().advertise().await.unwrap_err();
    let Error::Cloud { source, .. } = &error else { panic!("{error}") };
    assert_eq!(error.to_string(), format!("there is no login for {}", server.url()));
    assert!(source.to_string().ends_with("(HTTP 401): Integration not found"), "{source}");
    assert_eq!(error.kind(), Kind::Denied);
    assert!(server.seen().is_empty(), "the remote is not asked without");
    for login in [GitLogin::CodeCommit(None), GitLogin::AzureDevOps(None)] {
        let error = git.open(&server.url(), &access(login)).unwrap().advertise().await.unwrap_err();
        assert_eq!(error.kind(), Kind::Config, "its login is not for this host: {error}");
    }
    assert!(server.seen().is_empty());
}
