//! Registries: logins, a private authority, digests, tags from skopeo.

use std::os::unix::fs::PermissionsExt as _;

use crate::configuration::{FILE, Native, deployment, shop};
use crate::registry::{PASSWORD, Registry, USER};
use crate::tls::Authority;
use crate::web::{Transport, Web};
use crate::world::{Run, World};

#[test]
fn tags_that_skopeo_pushed_are_seen() {
    let world = World::new();
    let registry = Registry::protected(&world);
    registry.push("shop/app", &["1.0.0"]);
    registry.copy_with_skopeo(&world, "shop/app", "1.0.0", "1.9.1");
    let image = format!("{}/shop/app", registry.authority());
    let remote = shop(&world, &image);
    world.secret("pull", &[(".dockerconfigjson", &registry.docker_config())]);
    let images = ["insecure: true", "secretRef: {name: pull}"];
    let url = remote.path().display().to_string();
    Native { url: &url, image: &image, git: &[], images: &images }.write(&world);
    world.run().expect(0, "pushed");
    assert_eq!(remote.file("main", FILE), deployment(&image, "1.9.1"));
}

#[test]
fn a_wrong_password_fails_and_changes_nothing() {
    let world = World::new();
    let registry = Registry::protected(&world);
    registry.push("shop/app", &["1.0.0", "1.2.0"]);
    let image = format!("{}/shop/app", registry.authority());
    let remote = shop(&world, &image);
    world.secret("pull", &[(".dockerconfigjson", &registry.docker_config().replace(PASSWORD, "a wrong guess"))]);
    let images = ["insecure: true", "secretRef: {name: pull}"];
    let url = remote.path().display().to_string();
    Native { url: &url, image: &image, git: &[], images: &images }.write(&world);
    let run = world.run();
    run.fails(1, "401");
    assert!(!run.stdout.contains("a wrong guess") && !run.stderr.contains("a wrong guess"), "{run:?}");
    assert_eq!(remote.commits("main"), 1);
}

#[test]
fn docker_s_credential_helpers_are_asked() {
    let world = World::new();
    let registry = Registry::protected(&world);
    registry.push("shop/app", &["1.0.0", "1.2.0"]);
    let image = format!("{}/shop/app", registry.authority());
    let remote = shop(&world, &image);
    let url = remote.path().display().to_string();
    Native { url: &url, image: &image, git: &[], images: &["insecure: true"] }.write(&world);
    let answer = serde_json::json!({"ServerURL": registry.authority(), "Username": USER, "Secret": PASSWORD});
    let helper = world.write("bin/docker-credential-test", format!("#!/bin/sh\ncat >/dev/null\necho '{answer}'\n"));
    std::fs::set_permissions(helper, std::fs::Permissions::from_mode(0o755)).unwrap();
    world.write("home/.docker/config.json", r#"{"credsStore": "test"}"#);
    let path = format!("{}:{}", world.path("bin").display(), std::env::var("PATH").unwrap());

    let run = Run::of(world.tagwright().args(["--output", "json"]).env("PATH", path));
    run.expect(0, "pushed");
    assert_eq!(remote.file("main", FILE), deployment(&image, "1.2.0"));
}

#[test]
fn the_digest_is_the_registry_s() {
    let world = World::new();
    let registry = Registry::open(&world);
    let digest = registry.push("shop/app", &["1.0.0", "1.2.0"]);
    let image = format!("{}/shop/app", registry.authority());
    let remote = shop(&world, &image);
    let url = remote.path().display().to_string();
    let always = ["insecure: true", "interval: 10m", "digestReflectionPolicy: Always"];
    Native { url: &url, image: &image, git: &[], images: &always }.write(&world);
    world.run().expect(0, "pushed");
    assert_eq!(remote.file("main", FILE), deployment(&image, &format!("1.2.0@{digest}")));
    world.run().expect(0, "unchanged");

    // The same tag on another image, as `latest` moves.
    registry.copy_with_skopeo(&world, "shop/app", "1.0.0", "1.2.0");
    world.run().expect(0, "pushed");
    assert_ne!(remote.file("main", FILE), deployment(&image, &format!("1.2.0@{digest}")));
}

#[test]
fn a_registry_behind_a_private_authority_is_trusted_when_it_is_named() {
    let world = World::new();
    let registry = Registry::protected(&world);
    registry.push("shop/app", &["1.0.0", "1.2.0"]);
    let authority = Authority::create(&world);
    let web = Web::with_registry(&world, &Transport::Tls(&authority), &registry);
    let image = format!("{}/shop/app", web.authority());
    let remote = shop(&world, &image);
    let login = serde_json::json!({"auths": {web.authority(): {"username": USER, "password": PASSWORD}}});
    world.secret("pull", &[(".dockerconfigjson", &login.to_string())]);
    let url = remote.path().display().to_string();
    Native { url: &url, image: &image, git: &[], images: &["secretRef: {name: pull}"] }.write(&world);
    world.run().fails(1, "certificate");

    world.secret("authority", &[("ca.crt", &authority.pem())]);
    let images = ["secretRef: {name: pull}", "certSecretRef: {name: authority}"];
    Native { url: &url, image: &image, git: &[], images: &images }.write(&world);
    world.run().expect(0, "pushed");
    assert_eq!(remote.file("main", FILE), deployment(&image, "1.2.0"));
}
