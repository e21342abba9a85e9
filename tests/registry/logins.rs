//! Basic logins, and which one belongs to which repository.

use registry::{Client, DockerConfig, Error, Kind, Sent, Settings};

use crate::simulated::{Account, Auth, Fault, Registry, World};
use crate::{access, client, list, message, repository, settings, with_logins};

fn guarded(accounts: Vec<Account>) -> World {
    World::with("team/app", ["1.0"]).and("other/app", ["2.0"]).guarded(Auth::Basic(accounts))
}

#[tokio::test]
async fn a_login_is_sent_when_asked_for_and_then_at_once() {
    let registry = Registry::start(guarded(vec![Account::new("me", "pass:word")])).await;
    let access = with_logins(&[(&registry.host(), "me", "pass:word")]);
    let client = client();
    for path in ["team/app", "other/app"] {
        client.tags(&repository(&registry.host(), path), &access).await.unwrap();
    }
    let sent: Vec<bool> = registry.seen().iter().map(|seen| seen.authorization.is_some()).collect();
    assert_eq!(sent, [false, true, true], "the second repository needs no 401");
}

#[tokio::test]
async fn a_wrong_password_is_denied() {
    let registry = Registry::start(guarded(vec![Account::new("me", "right")])).await;
    let error = list(&registry, "team/app", &with_logins(&[(&registry.host(), "me", "wr0ng")])).await.unwrap_err();
    let text = message(&error, &registry);
    insta::assert_snapshot!(text, @"'REGISTRY' denied access: http://REGISTRY/v2/team/app/tags/list answered 401 (UNAUTHORIZED: authentication required); the credentials sent were not accepted");
    assert_eq!(error.kind(), Kind::Denied);
    assert!(!format!("{error:?}").contains("wr0ng"));
    assert_eq!(registry.count("tags/list"), 2, "no further attempts with a wrong password");
}

#[tokio::test]
async fn no_password_is_denied() {
    let registry = Registry::start(guarded(vec![Account::new("me", "right")])).await;
    let error = list(&registry, "team/app", &access()).await.unwrap_err();
    insta::assert_snapshot!(message(&error, &registry), @"'REGISTRY' denied access: http://REGISTRY/v2/team/app/tags/list answered 401 (UNAUTHORIZED: authentication required); no credentials were sent, since none are configured for it");
    assert!(matches!(error, Error::Denied { sent: Sent::Nothing, .. }));
}

/// Whoever has a secret for another host, port or path sees for which it is.
#[tokio::test]
async fn credentials_for_something_else_are_named() {
    let registry = Registry::start(guarded(vec![Account::new("me", "right")])).await;
    let elsewhere = format!("{}/other/", registry.host());
    let logins = [
        ("elsewhere.example.com", "me", "right"),
        (&elsewhere, "me", "right"),
        ("me:right@a.io", "me", "right"),
        ("b.io", "", ""),
    ];
    let error = list(&registry, "team/app", &with_logins(&logins)).await.unwrap_err();
    insta::assert_snapshot!(message(&error, &registry), @"'REGISTRY' denied access: http://REGISTRY/v2/team/app/tags/list answered 401 (UNAUTHORIZED: authentication required); no credentials were sent, since none are configured for it; those that are there are for elsewhere.example.com, REGISTRY/other/, …@a.io");
    assert!(matches!(error, Error::Denied { sent: Sent::Nothing, .. }));

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.json");
    let config =
        r#"{"auths": {"ghcr.io": {"auth": "bWU6c2VzYW1l"}, "quay.io": {}}, "credHelpers": {"x.azurecr.io": "acr"}}"#;
    std::fs::write(&file, config).unwrap();
    let client = Client::new(Settings { docker_config: DockerConfig::file(&file), ..settings() }).unwrap();
    let error = client.tags(&repository(&registry.host(), "team/app"), &access()).await.unwrap_err();
    assert!(message(&error, &registry).ends_with("; those that are there are for x.azurecr.io, ghcr.io"), "{error}");
}

#[tokio::test]
async fn two_logins_of_one_registry_stay_apart() {
    let first = Account { username: "a", password: "1", repositories: "team/" };
    let second = Account { username: "b", password: "2", repositories: "other/" };
    let registry = Registry::start(guarded(vec![first, second])).await;
    let (team, other) = (format!("{}/team", registry.host()), format!("{}/other", registry.host()));
    let both = with_logins(&[(&team, "a", "1"), (&other, "b", "2")]);
    let client = client();
    for _ in 0..2 {
        for path in ["team/app", "other/app"] {
            client.tags(&repository(&registry.host(), path), &both).await.unwrap();
        }
    }
    // And the same with one login for each repository, as two secrets give them.
    let separate = [
        ("team/app", with_logins(&[(&registry.host(), "a", "1")])),
        ("other/app", with_logins(&[(&registry.host(), "b", "2")])),
    ];
    for (path, access) in &separate {
        client.tags(&repository(&registry.host(), path), access).await.unwrap();
    }
    assert_eq!(registry.seen().len(), 2 + 6, "one 401 for each login, none after");
}

#[tokio::test]
async fn a_registry_that_hides_from_strangers_is_asked_again() {
    for status in [403, 404] {
        let world = World::with("team/app", ["1.0"]).failing("tags/list", Fault::status(status));
        let registry = Registry::start(world).await;
        let access = with_logins(&[(&registry.host(), "me", "right")]);
        assert_eq!(list(&registry, "team/app", &access).await.unwrap().tags, ["1.0"], "{status}");
        assert_eq!(registry.seen()[1].authorization.as_deref(), Some("Basic bWU6cmlnaHQ="));
    }
}

#[tokio::test]
async fn a_bearer_token_of_the_configuration_is_sent_as_it_is() {
    let registry = Registry::start(World::with("team/app", ["1.0"])).await;
    let mut access = with_logins(&[(&registry.host(), "", "")]);
    access.logins[0].registry_token = Some("given".into());
    list(&registry, "team/app", &access).await.unwrap();
    assert_eq!(registry.seen()[0].authorization.as_deref(), Some("Bearer given"));
}
