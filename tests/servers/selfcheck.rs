//! The servers themselves, seen with the tools that people use: what fails here is no fault of the binary.

use crate::registry::{self, Registry};
use crate::remote::Remote;
use crate::ssh::Ssh;
use crate::tls::Authority;
use crate::web::{self, Transport, Web};
use crate::world::{World, text};

#[test]
fn the_registry_keeps_tags_and_asks_for_the_password() {
    let world = World::new();
    let registry = Registry::protected(&world);
    registry.push("shop/app", &["1.0.0", "1.1.0"]);
    registry.copy_with_skopeo(&world, "shop/app", "1.1.0", "1.2.0");
    let url = format!("http://{}/v2/shop/app/tags/list", registry.authority());
    let login = format!("{}:{}", registry::USER, registry::PASSWORD);
    let tags = world.succeed("curl", ["-sSf", "--max-time", "10", "--user", &login, &url]);
    let listing: serde_json::Value = serde_json::from_slice(&tags).unwrap();
    let mut tags: Vec<_> = listing["tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap()).collect();
    tags.sort_unstable();
    assert_eq!(tags, ["1.0.0", "1.1.0", "1.2.0"]);
    let refused = world.command("curl").args(["-sSf", "--max-time", "10", &url]).output().unwrap();
    assert!(!refused.status.success());
}

#[test]
fn git_pushes_over_tls_with_a_password() {
    let world = World::new();
    let remote = Remote::create(&world, "config.git", "main", &[("a.yaml", b"a: 1\n")]);
    let authority = Authority::create(&world);
    let web = Web::start(&world, &Transport::Tls(&authority));
    let url = web.url("config.git").replace("://", &format!("://{}:battery%20staple@", web::USER));
    let ca = format!("http.sslCAInfo={}", text(&authority.certificate));
    let clone = text(remote.path());
    let push = ["-C", clone, "-c", &ca, "push", "--quiet", "--push-option=ci.skip", &url, "main:refs/heads/other"];
    world.succeed("git", push);
    assert_eq!(remote.head("other"), remote.head("main"));
}

#[test]
fn git_reads_over_ssh_with_the_authorised_key() {
    let world = World::new();
    let remote = Remote::create(&world, "config.git", "main", &[("a.yaml", b"a: 1\n")]);
    let ssh = Ssh::start(&world);
    let known_hosts = world.write("known_hosts", ssh.known_hosts());
    let command = format!(
        "ssh -F none -i {} -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile={}",
        text(&world.path("ssh/client")),
        text(&known_hosts)
    );
    let output =
        world.command("git").env("GIT_SSH_COMMAND", command).args(["ls-remote", &ssh.url(remote.path())]).output();
    let output = output.unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains(&remote.head("main")), "{output:?}");
}
