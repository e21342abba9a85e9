//! Commits that are signed, judged by git with gpg and ssh-keygen.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

use crate::configuration::{FILE, Native, deployment, shop};
use crate::registry::Registry;
use crate::remote::Remote;
use crate::web::{self, Transport, Web};
use crate::world::{World, text};

const PASSPHRASE: &str = "correct horse";

fn key(name: &str) -> String {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/signing"));
    fs::read_to_string(folder.join(name)).unwrap()
}

/// A shop whose remote is a path, or behind a web server, and that signs with a key of `fixtures/signing`.
struct Shop<'w> {
    world: &'w World,
    registry: Registry,
    remote: Remote<'w>,
    image: String,
    _web: Option<Web>,
}

impl<'w> Shop<'w> {
    fn new(world: &'w World, name: &str, over_web: bool) -> Self {
        let registry = Registry::open(world);
        registry.push("shop/app", &["1.0.0", "1.2.0"]);
        let image = format!("{}/shop/app", registry.authority());
        let remote = shop(world, &image);
        let web = over_web.then(|| Web::start(world, &Transport::Plain));
        let url = web.as_ref().map_or_else(|| text(remote.path()).to_owned(), |web| web.url("config.git"));
        let kind = if name.starts_with("ssh") { "ssh" } else { "gpg" };
        let signs = format!("commit: {{signedOffBy: true, signingKey: {{type: {kind}, secretRef: {{name: key}}}}}}");
        let login = "secretRef: {name: git}";
        let git: Vec<&str> = if over_web { vec![login, &signs] } else { vec![&signs] };
        if over_web {
            world.secret("git", &[("username", web::USER), ("password", web::PASSWORD)]);
        }
        Native { url: &url, image: &image, git: &git, images: &["insecure: true"] }.write(world);
        let shop = Self { world, registry, remote, image, _web: web };
        shop.signs_with(name);
        shop
    }

    /// Puts a key into the secret, with its passphrase if it has one.
    fn signs_with(&self, name: &str) {
        let (file, passphrase) =
            if name.starts_with("ssh") { ("identity", "password") } else { ("git.asc", "passphrase") };
        let given = if name.contains("locked") { PASSPHRASE } else { "" };
        self.world.secret("key", &[(file, &key(name)), (passphrase, given)]);
    }

    /// Whether git takes the signature of a commit for that of a key.
    #[track_caller]
    fn verified(&self, commit: &str, name: &str) {
        let mut git = self.world.command("git");
        git.args(["-C", text(self.remote.path())]);
        let by = if name.starts_with("ssh") {
            let signers = format!("* {}", key(&format!("{name}.pub")));
            let signers = self.world.write("allowed_signers", signers);
            git.arg("-c").arg(format!("gpg.ssh.allowedSignersFile={}", text(&signers)));
            "Good \"git\" signature"
        } else {
            let home = self.world.path("gnupg");
            let _ = fs::remove_dir_all(&home);
            fs::DirBuilder::new().mode(0o700).create(&home).unwrap();
            let public = if name == "gpg-without-primary" { "gpg-subkey" } else { name };
            let public = self.world.write("public.asc", key(&format!("{public}.pub")));
            let mut import = self.world.command("gpg");
            import.env("GNUPGHOME", &home).args(["--batch", "--quiet", "--no-autostart", "--import"]).arg(public);
            assert!(import.status().unwrap().success(), "{name}");
            git.env("GNUPGHOME", &home);
            "Good signature from"
        };
        let output = git.args(["verify-commit", commit]).output().unwrap();
        let says = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && says.contains(by), "{name}: {says}");
    }
}

#[test]
fn every_kind_of_ssh_key_signs_what_git_verifies() {
    every_one_signs(&[
        "ssh-ed25519",
        "ssh-ecdsa-256",
        "ssh-ecdsa-384",
        "ssh-ecdsa-521",
        "ssh-rsa-2048",
        "ssh-locked-ed25519",
        "ssh-locked-ecdsa-256",
        "ssh-locked-rsa-3072",
        "ssh-pkcs1-rsa",
        "ssh-pkcs8-rsa",
        "ssh-sec1-ecdsa",
        "ssh-pkcs8-ecdsa",
    ]);
}

#[test]
fn every_kind_of_openpgp_key_signs_what_git_verifies() {
    every_one_signs(&[
        "gpg-ed25519",
        "gpg-rsa",
        "gpg-nistp256",
        "gpg-nistp521",
        "gpg-locked",
        "gpg-locked-ed25519",
        "gpg-subkey",
        "gpg-without-primary",
    ]);
}

/// One key after the other signs the commit of one more tag.
fn every_one_signs(names: &[&str]) {
    let world = World::new();
    let shop = Shop::new(&world, names[0], false);
    for (version, name) in (2..).zip(names) {
        let tag = format!("1.{version}.0");
        shop.registry.push("shop/app", &[&tag]);
        shop.signs_with(name);
        let automation = world.run().expect(0, "pushed");
        shop.verified(automation["commit"].as_str().unwrap(), name);
        assert_eq!(shop.remote.file("main", FILE), deployment(&shop.image, &tag), "{name}");
    }
    shop.remote.is_sound();
    let message = shop.remote.message("main");
    let trailers = message.rsplit("\n\n").next().unwrap();
    let expect = "Tagwright-Automation: default/shop\nTagwright-Policy: default:app\n\
                  Signed-off-by: tagwright <tagwright@users.noreply.example.com>\n";
    assert_eq!(trailers, expect, "{message}");
}

/// Each of several commits in one push is signed, and what is made again after the branch has moved, too.
#[test]
fn several_commits_of_a_push_are_signed_each_with_its_key() {
    let world = World::new();
    let shop = Shop::new(&world, "ssh-ed25519", true);
    shop.registry.push("shop/other", &["1.0.0", "1.4.0"]);
    let other = shop.image.replace("shop/app", "shop/other");
    let path = "clusters/prod/other.yaml";
    let field = |tag: &str| format!("image: {other}:{tag} # {{\"$imagepolicy\": \"default:other\"}}\n");
    shop.remote.commit("main", &[(path, field("1.0.0").as_bytes())]);
    let first = fs::read_to_string(world.path("config/shop.yaml")).unwrap();
    let second = first.replace("name: shop", "name: other").replace("- name: app", "- name: other");
    let second =
        second.replace(&shop.image, &other).replace("type: ssh, secretRef: {name: key}", "secretRef: {name: pgp}");
    world.write("config/other.yaml", second);
    world.secret("pgp", &[("git.asc", &key("gpg-locked-ed25519")), ("passphrase", PASSPHRASE)]);
    // A person is quicker, once: the hook takes the first push for one that came too late.
    shop.remote.hook(
        "update",
        "if [ ! -e late ]; then touch late; git commit-tree -p \"$2\" -m 'by hand' \"$2^{tree}\" >by-hand; git update-ref \"$1\" \"$(cat by-hand)\"; fi",
    );
    shop.remote.configure("user.name", "Ada");
    shop.remote.configure("user.email", "ada@example.com");
    let run = world.run();
    assert_eq!(run.code, Some(0), "{run:?}");
    let commits: Vec<String> =
        run.automations().iter().map(|it| it["commit"].as_str().unwrap_or_default().to_owned()).collect();
    assert_eq!(commits.len(), 2, "{run:?}");
    for automation in run.automations() {
        let name = if automation["name"] == "shop" { "ssh-ed25519" } else { "gpg-locked-ed25519" };
        shop.verified(automation["commit"].as_str().unwrap(), name);
    }
    assert_eq!(shop.remote.file("main", path), field("1.4.0"));
    assert_eq!(shop.remote.file("main", FILE), deployment(&shop.image, "1.2.0"));
    assert_eq!(shop.remote.commits("main"), 5, "two of people before, one of a person meanwhile, two of ours");
    shop.remote.is_sound();
}

/// A commit that cannot be signed is not pushed, and nothing of the key is said.
#[test]
fn what_cannot_be_signed_is_not_pushed() {
    let world = World::new();
    let shop = Shop::new(&world, "gpg-expired", false);
    let run = world.run();
    let automation = run.expect(2, "failed");
    let error = automation["error"].as_str().unwrap_or_default();
    assert_eq!(error, "cannot sign the commit: it has expired");
    shop.signs_with("gpg-locked");
    world.secret("key", &[("passphrase", "a wrong passphrase")]);
    let run = world.run();
    run.fails(2, "could not decrypt private key of the signing key present in secret default/key");
    let said = format!("{}{}", run.stdout, run.stderr);
    assert!(!said.contains("a wrong passphrase") && !said.contains("PRIVATE KEY"), "{said}");
    assert_eq!(shop.remote.commits("main"), 1);
}

/// What automations share is signed once it is made of all of them; who signs with another key has a commit of its own.
#[test]
fn a_commit_of_several_automations_is_signed_where_all_sign_with_one_key() {
    let world = World::new();
    let shop = Shop::new(&world, "ssh-locked-ecdsa-256", false);
    let path = |name: &str| format!("clusters/prod/{name}.yaml");
    let field =
        |name: &str, tag: &str| format!("image: {}:{tag} # {{\"$imagepolicy\": \"default:{name}\"}}\n", shop.image);
    let first = fs::read_to_string(world.path("config/shop.yaml")).unwrap();
    let first = first.replacen("spec:\n", "spec:\n  batch: perBranch\n", 1);
    for name in ["same", "another"] {
        shop.remote.commit("main", &[(&path(name), field(name, "1.0.0").as_bytes())]);
        let text =
            first.replace("name: shop", &format!("name: {name}")).replace("- name: app", &format!("- name: {name}"));
        let key = if name == "same" { "name: key" } else { "name: another" };
        world.write(&format!("config/{name}.yaml"), text.replace("name: key", key));
    }
    world.write("config/shop.yaml", first);
    world.secret("another", &[("identity", &key("ssh-ed25519"))]);
    let run = world.run();
    assert_eq!(run.code, Some(0), "{run:?}");
    let commit = |name: &str| {
        let automations = run.automations();
        let automation = automations.iter().find(|it| it["name"] == name).unwrap_or_else(|| panic!("{run:?}"));
        automation["commit"].as_str().unwrap().to_owned()
    };
    assert_eq!(commit("shop"), commit("same"));
    shop.verified(&commit("shop"), "ssh-locked-ecdsa-256");
    shop.verified(&commit("another"), "ssh-ed25519");
    assert_eq!(shop.remote.commits("main"), 5);
    shop.remote.is_sound();
}
