//! Who may in: passwords, keys, certificates, host keys; and that a refusal says so and shows no secret.

use crate::configuration::{FILE, Native, deployment, shop};
use crate::registry::Registry;
use crate::remote::Remote;
use crate::ssh::{PASSPHRASE, Ssh};
use crate::tls::Authority;
use crate::web::{self, Transport, Web};
use crate::world::World;

/// An open registry and the shop's remote.
fn parts(world: &World) -> (Registry, String, Remote<'_>) {
    let registry = Registry::open(world);
    registry.push("shop/app", &["1.0.0", "1.2.0"]);
    let image = format!("{}/shop/app", registry.authority());
    let remote = shop(world, &image);
    (registry, image, remote)
}

fn configure(world: &World, url: &str, image: &str) {
    Native { url, image, git: &["secretRef: {name: git}"], images: &["insecure: true"] }.write(world);
}

#[track_caller]
fn is_updated(remote: &Remote<'_>, image: &str) {
    assert_eq!(remote.file("main", FILE), deployment(image, "1.2.0"));
}

#[test]
fn a_wrong_password_is_refused() {
    let world = World::new();
    let (_registry, image, remote) = parts(&world);
    let web = Web::start(&world, &Transport::Plain);
    world.secret("git", &[("username", web::USER), ("password", "a wrong guess")]);
    configure(&world, &web.url("config.git"), &image);
    let run = world.run();
    run.expect(1, "failed");
    run.fails(1, "denied access");
    assert!(!run.stdout.contains("a wrong guess") && !run.stderr.contains("a wrong guess"), "{run:?}");
    assert_eq!(remote.commits("main"), 1);
}

#[test]
fn a_missing_secret_is_a_configuration_error() {
    let world = World::new();
    let (_registry, image, remote) = parts(&world);
    configure(&world, &remote.path().display().to_string(), &image);
    world.run().fails(2, "default/git");
    assert_eq!(remote.commits("main"), 1);
}

#[test]
fn a_private_authority_is_trusted_when_it_is_named() {
    let world = World::new();
    let (_registry, image, remote) = parts(&world);
    let authority = Authority::create(&world);
    let web = Web::start(&world, &Transport::Tls(&authority));
    world.secret("git", &[("username", web::USER), ("password", web::PASSWORD)]);
    configure(&world, &web.url("config.git"), &image);
    world.run().fails(1, "certificate");
    assert_eq!(remote.commits("main"), 1);

    world.secret("git", &[("ca.crt", &authority.pem())]);
    world.run().expect(0, "pushed");
    is_updated(&remote, &image);
}

#[test]
fn a_client_certificate_is_shown() {
    let world = World::new();
    let (_registry, image, remote) = parts(&world);
    let authority = Authority::create(&world);
    let web = Web::start(&world, &Transport::MutualTls(&authority));
    let [certificate, key] =
        [&authority.client.certificate, &authority.client.key].map(|file| std::fs::read_to_string(file).unwrap());
    world.secret("git", &[("ca.crt", &authority.pem()), ("tls.crt", &certificate), ("tls.key", &key)]);
    configure(&world, &web.url("config.git"), &image);
    world.run().expect(0, "pushed");
    is_updated(&remote, &image);
}

#[test]
fn a_key_with_a_passphrase_is_unlocked() {
    let world = World::new();
    let (_registry, image, remote) = parts(&world);
    let ssh = Ssh::start(&world);
    world.secret("git", &[("identity", &ssh.locked_key()), ("known_hosts", &ssh.known_hosts())]);
    configure(&world, &ssh.url(remote.path()), &image);
    assert_eq!(world.run().code, Some(1), "the key opened without its passphrase");
    assert_eq!(remote.commits("main"), 1);

    world.secret("git", &[("password", PASSPHRASE)]);
    world.run().expect(0, "pushed");
    is_updated(&remote, &image);
}

#[test]
fn another_host_key_is_refused() {
    let world = World::new();
    let (_registry, image, remote) = parts(&world);
    let ssh = Ssh::start(&world);
    world.secret("git", &[("identity", &ssh.key()), ("known_hosts", &ssh.wrong_known_hosts())]);
    configure(&world, &ssh.url(remote.path()), &image);
    world.run().fails(1, "ost key");
    assert_eq!(remote.commits("main"), 1);
}

#[test]
fn an_unknown_host_is_refused() {
    let world = World::new();
    let (_registry, image, remote) = parts(&world);
    let ssh = Ssh::start(&world);
    let elsewhere = ssh.known_hosts().replace("[127.0.0.1]", "[127.0.0.2]");
    world.secret("git", &[("identity", &ssh.key()), ("known_hosts", &elsewhere)]);
    configure(&world, &ssh.url(remote.path()), &image);
    world.run().fails(1, "ost key");
    assert_eq!(remote.commits("main"), 1);
}

#[test]
fn a_key_that_is_none_is_a_configuration_error() {
    let world = World::new();
    let (_registry, image, remote) = parts(&world);
    let ssh = Ssh::start(&world);
    world.secret("git", &[("identity", "not a key\n"), ("known_hosts", &ssh.known_hosts())]);
    configure(&world, &ssh.url(remote.path()), &image);
    assert_eq!(world.run().code, Some(2));
    assert_eq!(remote.commits("main"), 1);
}

#[test]
fn git_s_credential_helpers_are_asked() {
    let world = World::new();
    let (_registry, image, remote) = parts(&world);
    let web = Web::start(&world, &Transport::Plain);
    let helper = format!("!f() {{ echo username={}; echo 'password={}'; }}; f", web::USER, web::PASSWORD);
    world.succeed("git", ["config", "--global", "credential.helper", &helper]);
    Native { url: &web.url("config.git"), image: &image, git: &[], images: &["insecure: true"] }.write(&world);
    world.run().expect(0, "pushed");
    is_updated(&remote, &image);
}
