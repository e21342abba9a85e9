//! Digests of tags.

use access::Registry as Access;
use image::Tag;
use registry::Error;

use crate::simulated::{Account, Auth, Bearer, Fault, Head, Registry, World, digest};
use crate::{access, client, message, repository, with_logins};

async fn look_up(registry: &Registry, tag: &str, access: &Access) -> Result<String, Error> {
    let found = client().digest(&repository(&registry.host(), "team/app"), &Tag::parse(tag).unwrap(), access).await;
    found.map(|digest| digest.as_str().to_owned())
}

fn world(head: Head) -> World {
    World { head, ..World::with("team/app", ["1.0"]) }
}

#[tokio::test]
async fn head_is_enough() {
    let registry = Registry::start(world(Head::Digest)).await;
    assert_eq!(look_up(&registry, "1.0", &access()).await.unwrap(), digest("team/app", "1.0"));
    let seen = registry.seen();
    assert_eq!((seen.len(), seen[0].line().as_str()), (1, "HEAD /v2/team/app/manifests/1.0"));
    let accept = "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, \
        application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";
    assert_eq!(seen[0].accept, accept);
}

#[tokio::test]
async fn where_head_does_not_say_the_manifest_does() {
    for head in [Head::Silent, Head::Status(400), Head::Status(404), Head::Status(405), Head::Status(501)] {
        let registry = Registry::start(world(head)).await;
        assert_eq!(look_up(&registry, "1.0", &access()).await.unwrap(), digest("team/app", "1.0"), "{head:?}");
    }
}

#[tokio::test]
async fn with_a_token() {
    let auth = Auth::Bearer(Bearer::of(vec![Account::new("me", "right")]));
    let registry = Registry::start(world(Head::Digest).guarded(auth)).await;
    let access = with_logins(&[(&registry.host(), "me", "right")]);
    assert_eq!(look_up(&registry, "1.0", &access).await.unwrap(), digest("team/app", "1.0"));
}

#[tokio::test]
async fn failures() {
    let registry = Registry::start(world(Head::Digest)).await;
    let error = look_up(&registry, "9.9", &access()).await.unwrap_err();
    insta::assert_snapshot!(message(&error, &registry), @"tag 'REGISTRY/team/app:9.9' does not exist: http://REGISTRY/v2/team/app/manifests/9.9 answered 404 (MANIFEST_UNKNOWN: manifest unknown)");
    for text in ["sha256:xyz", "md5:d41d8cd98f00b204e9800998ecf8427e", "sha256:{{ evil }}"] {
        let fault = Fault::header(200, "docker-content-digest", text);
        let registry = Registry::start(world(Head::Digest).failing("/1.0", fault)).await;
        let error = look_up(&registry, "1.0", &access()).await.unwrap_err();
        assert_eq!(
            message(&error, &registry),
            "http://REGISTRY/v2/team/app/manifests/1.0 answered with a digest that is none"
        );
    }
    let lie = Fault::header(200, "docker-content-digest", digest("team/app", "other"));
    let registry = Registry::start(world(Head::Digest).failing("/1.0", Fault::status(405)).failing("/1.0", lie)).await;
    let error = look_up(&registry, "1.0", &access()).await.unwrap_err();
    assert_eq!(
        message(&error, &registry),
        "http://REGISTRY/v2/team/app/manifests/1.0 answered with a manifest that has another digest"
    );
}

#[tokio::test]
async fn what_is_no_manifest_has_no_digest() {
    let head = || World { head: Head::Silent, ..World::with("team/app", ["1.0"]) };
    let page = Fault::body("please log in");
    let registry = Registry::start(head().failing("/1.0", Fault::status(405)).failing("/1.0", page)).await;
    let error = look_up(&registry, "1.0", &access()).await.unwrap_err();
    assert_eq!(
        message(&error, &registry),
        "http://REGISTRY/v2/team/app/manifests/1.0 answered with something else than a manifest"
    );
}
