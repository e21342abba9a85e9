//! Registry mirrors.

use image::Repository;
use registry::{Client, Kind, Mirror, Settings};

use crate::simulated::{Account, Auth, Fault, Registry, World};
use crate::{access, message, repository, settings, with_logins};

fn mirrored(mirrors: &[String]) -> Client {
    let mirrors = mirrors.iter().map(|text| Mirror::parse(text).unwrap()).collect();
    Client::new(Settings { mirrors, ..settings() }).unwrap()
}

#[tokio::test]
async fn the_request_goes_to_the_mirror() {
    let mirror = Registry::start(World::with("library/alpine", ["3.20"]).and("fogdong/test-fog", ["master-1"])).await;
    let hub = |name: &str| format!("{name}={}/hub", mirror.url());
    for written in ["docker.io", "index.docker.io", "registry-1.docker.io"] {
        let client = mirrored(&[hub(written), format!("ghcr.io={}", mirror.url())]);
        for (image, tag) in
            [("alpine", "3.20"), ("docker.io/library/alpine", "3.20"), ("ghcr.io/fogdong/test-fog", "master-1")]
        {
            let listing = client.tags(&Repository::parse(image).unwrap(), &access()).await.unwrap();
            assert_eq!(listing.tags, [tag], "{written} {image}");
        }
    }
    assert_eq!(
        mirror.take_lines()[..3],
        [
            "GET /hub/v2/library/alpine/tags/list",
            "GET /hub/v2/library/alpine/tags/list",
            "GET /v2/fogdong/test-fog/tags/list",
        ]
    );
}

#[tokio::test]
async fn what_a_mirror_does_not_have_comes_from_the_registry() {
    let registry = Registry::start(World::with("team/app", ["1.0"])).await;
    for status in [404, 429, 500, 503] {
        let mirror = Registry::start(World::default().failing("tags/list", Fault::status(status))).await;
        let client = mirrored(&[format!("{}={}", registry.host(), mirror.url())]);
        let listing = client.tags(&repository(&registry.host(), "team/app"), &access()).await.unwrap();
        assert_eq!(listing.tags, ["1.0"], "{status}");
        assert_eq!(mirror.count("tags/list"), 1, "{status}");
    }
    let gone = Registry::start(World::default()).await.url();
    let client = mirrored(&[format!("{}={gone}", registry.host())]);
    assert_eq!(client.tags(&repository(&registry.host(), "team/app"), &access()).await.unwrap().tags, ["1.0"]);
}

#[tokio::test]
async fn both_failures_are_told() {
    let (mirror, registry) = (Registry::start(World::default()).await, Registry::start(World::default()).await);
    let client = mirrored(&[format!("{}={}", registry.host(), mirror.url())]);
    let error = client.tags(&repository(&registry.host(), "team/app"), &access()).await.unwrap_err();
    let text = message(&error, &registry).replace(&mirror.host(), "MIRROR");
    insta::assert_snapshot!(text, @"repository 'REGISTRY/team/app' does not exist: http://MIRROR/v2/team/app/tags/list answered 404 (NAME_UNKNOWN: repository name not known to registry); and behind the mirror, repository 'REGISTRY/team/app' does not exist: http://REGISTRY/v2/team/app/tags/list answered 404 (NAME_UNKNOWN: repository name not known to registry)");
    assert_eq!(error.kind(), Kind::Denied);
}

#[tokio::test]
async fn a_failing_round_is_tried_again() {
    let registry = Registry::start(World::default()).await;
    let mirror = Registry::start(World::with("team/app", ["1.0"]).failing("tags/list", Fault::status(503))).await;
    registry.change(|world| world.faults.push_back(("tags/list".to_owned(), Fault::status(503))));
    let client = mirrored(&[format!("{}={}", registry.host(), mirror.url())]);
    let listing = client.tags(&repository(&registry.host(), "team/app"), &access()).await.unwrap();
    assert_eq!(listing.tags, ["1.0"]);
}

#[tokio::test]
async fn a_mirror_gets_its_own_credentials_and_a_denial_is_final() {
    let account = Account::new("mirror", "own");
    let mirror = Registry::start(World::with("team/app", ["1.0"]).guarded(Auth::Basic(vec![account]))).await;
    let registry = Registry::start(World::with("team/app", ["upstream"])).await;
    let client = mirrored(&[format!("{}={}", registry.host(), mirror.url())]);
    let image = repository(&registry.host(), "team/app");
    let upstream_only = with_logins(&[(&registry.host(), "me", "secret")]);
    let error = client.tags(&image, &upstream_only).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Denied);
    assert!(mirror.seen().iter().all(|seen| seen.authorization.is_none()));
    assert_eq!(registry.seen(), []);
    let both = with_logins(&[(&registry.host(), "me", "secret"), (&mirror.host(), "mirror", "own")]);
    assert_eq!(client.tags(&image, &both).await.unwrap().tags, ["1.0"]);
}
