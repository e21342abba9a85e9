//! Commits that the forge makes and signs, from the release of an image to what git verifies.

use access::Secret;
use forge::Product;

use crate::requests::World;
use crate::support::git;

const BRANCH: &str = "tagwright/default/shop";
const KEY: &str = include_str!("../../fixtures/signing/ssh-ed25519");
const PUBLIC: &str = include_str!("../../fixtures/signing/ssh-ed25519.pub");

/// GitHub, with an app that signs as git can verify it.
async fn world(more: &str) -> World {
    let mut world = World::with(Product::GitHub, more, &["1.1.0", "1.2.0"]).await;
    world.text = world.text.replace("paths: [], push:", "paths: [], commit: {signing: forge}, push:");
    world.reads();
    let key = signing::Key::open(signing::Format::Ssh, &Secret::from(KEY.to_owned()), None).unwrap();
    world.forge.world().signer.0 = Some(Box::new(move |bytes| key.sign(bytes, 0).unwrap()));
    world
}

/// The same without a pull request: the forge is named beside what it makes.
async fn direct() -> World {
    let mut world = world("").await;
    let proposed = format!(
        "commit: {{signing: forge}}, push: {{pullRequest: {{forge: {{kind: github, url: '{}'}}, secretRef: {{name: forge}}, }}}}",
        world.forge.base
    );
    assert!(world.text.contains(&proposed), "{}", world.text);
    let pushed = format!(
        "commit: {{signing: forge, forge: {{kind: github, url: '{}', secretRef: {{name: forge}}}}}}",
        world.forge.base
    );
    world.text = world.text.replace(&proposed, &pushed);
    world.reads();
    world
}

impl World {
    /// Takes the configuration as it is now.
    fn reads(&mut self) {
        let read = tagwright::config::parse("configuration.yaml", &self.text).unwrap_or_else(|error| panic!("{error}"));
        self.automations = read.automations;
    }

    /// The commit of a branch as it is, which git has verified.
    fn verified(&self, branch: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let signers = folder.path().join("signers");
        std::fs::write(&signers, format!("* {PUBLIC}")).unwrap();
        let signers = format!("gpg.ssh.allowedSignersFile={}", signers.display());
        git(&self.bot.remote.bare(), &["-c", &signers, "verify-commit", branch]);
        git(&self.bot.remote.bare(), &["cat-file", "commit", branch])
    }

    /// How many commits, trees and blobs the forge was asked for since the last time.
    fn made(&self) -> [usize; 3] {
        let asked = self.forge.asked();
        ["commits", "trees", "blobs"]
            .map(|kind| asked.iter().filter(|line| line.contains(&format!("/git/{kind} "))).count())
    }
}

#[tokio::test]
async fn what_is_proposed_is_signed_by_the_forge_and_keeps_its_modes() {
    let world = world("").await;
    world.makes_executable("main", "app.yaml");
    let report = world.check("pushed", "was opened").await;
    let commit = world.verified(BRANCH);
    assert!(commit.contains("\nauthor tagwright-app[bot] <") && commit.contains("\ncommitter GitHub <"), "{commit}");
    assert!(
        commit.contains("Update app to 1.2.0") && commit.contains("Tagwright-Automation: default/shop"),
        "{commit}"
    );
    let tagwright::run::Outcome::Pushed { commit, .. } = &report.automations[0].outcome else { panic!() };
    assert_eq!((commit, world.at(&format!("{BRANCH}^"))), (&world.at(BRANCH), world.at("main")));
    let listed = git(&world.bot.remote.bare(), &["ls-tree", BRANCH, "app.yaml"]);
    assert!(listed.starts_with("100755 blob"), "{listed}");
    assert_eq!(world.bot.remote.show(&format!("{BRANCH}:app.yaml")), world.bot.file("1.2.0"));
    assert_eq!(world.made(), [1, 1, 0]);

    // What is there is not made again.
    let before = world.at(BRANCH);
    world.check("unchanged", "").await;
    assert_eq!((world.at(BRANCH), world.made()), (before, [0, 0, 0]));

    // And goes on, on the newest of what it goes to, as the bot's own.
    world.commits("main", "notes.md", "Mind the carts.\n");
    world.lists(&["1.1.0", "1.2.0", "1.3.0"]);
    world.check("pushed", "was updated").await;
    assert!(world.verified(BRANCH).contains("Update app to 1.3.0"));
    assert_eq!(world.at(&format!("{BRANCH}^")), world.at("main"), "one commit");
    world.commits(BRANCH, "more.md", "More.\n");
    world.lists(&["1.1.0", "1.2.0", "1.3.0", "1.4.0"]);
    world.check("held", "").await;
}

#[tokio::test]
async fn each_group_has_its_own() {
    let mut world = world("group: file").await;
    world.commits("main", "second.yaml", &world.bot.file("1.1.0"));
    let report = world.check("pushed", "was opened").await;
    assert_eq!(report.automations[0].groups.len(), 2);
    for file in ["app.yaml", "second.yaml"] {
        world.verified(&format!("{BRANCH}--{file}"));
    }
    assert_eq!(world.made(), [2, 2, 0]);
    // The bot's own commits are known by their trailers, also by one that has lost its data.
    world.bot.memory = tagwright::run::Memory::default();
    world.check("unchanged", "").await;
}

#[tokio::test]
async fn nothing_is_pushed_that_is_not_signed() {
    let world = world("").await;
    world.forge.world().is_app = false;
    let report = world.check("failed", "").await;
    let error = report.automations[0].outcome.error().unwrap().chain();
    assert!(error.contains("has made no signed commit") && error.contains("(unsigned)"), "{error}");
    world.forge.world().is_app = true;
    world.forge.world().is_down_for = Some("/git/commits");
    let report = world.check("failed", "").await;
    let error = report.automations[0].outcome.error().unwrap().chain();
    assert!(
        error.contains("cannot have a signed commit made at the forge of") && error.contains("HTTP 502"),
        "{error}"
    );
    assert_eq!((world.has(BRANCH), world.forge.states().len()), (false, 0));
    world.forge.world().is_down_for = None;
    world.check("pushed", "was opened").await;
    world.verified(BRANCH);
}

/// Somebody pushes to the branch while the forge makes the commit: the push is a compare-and-swap like any other.
#[tokio::test]
async fn a_branch_that_moves_meanwhile_is_not_overwritten() {
    let world = world("").await;
    world.check("pushed", "was opened").await;
    world.lists(&["1.1.0", "1.2.0", "1.3.0"]);
    let bare = world.bot.remote.bare();
    let moved = git(&bare, &["commit-tree", "-p", BRANCH, "-m", "By hand", &format!("{BRANCH}^{{tree}}")]);
    let moved = moved.trim().to_owned();
    let reference = format!("refs/heads/{BRANCH}");
    let happens: Box<dyn FnOnce() + Send> = Box::new(move || _ = git(&bare, &["update-ref", &reference, &moved]));
    world.forge.world().when_asked = Some(("/git/commits", happens).into());
    world.check("held", "").await;
    assert!(git(&world.bot.remote.bare(), &["log", "-1", "--format=%s", BRANCH]).contains("By hand"));
}

#[tokio::test]
async fn what_is_pushed_without_a_request_is_signed_by_the_forge() {
    let world = direct().await;
    world.makes_executable("main", "app.yaml");
    let before = world.at("main");
    let report = world.check("pushed", "").await;
    let commit = world.verified("main");
    assert!(commit.contains("\nauthor tagwright-app[bot] <") && commit.contains("Update app to 1.2.0"), "{commit}");
    let tagwright::run::Outcome::Pushed { commit, .. } = &report.automations[0].outcome else { panic!() };
    assert_eq!((commit, world.at("main^")), (&world.at("main"), before));
    let listed = git(&world.bot.remote.bare(), &["ls-tree", "main", "app.yaml"]);
    assert!(listed.starts_with("100755 blob"), "{listed}");
    assert_eq!(world.bot.remote.show("main:app.yaml"), world.bot.file("1.2.0"));
    assert_eq!((world.made(), world.forge.states().len(), world.has(BRANCH)), ([1, 1, 0], 0, false));

    let before = world.at("main");
    world.check("unchanged", "").await;
    assert_eq!((world.at("main"), world.made()), (before.clone(), [0, 0, 0]));
    world.lists(&["1.1.0", "1.2.0", "1.3.0"]);
    world.check("pushed", "").await;
    assert!(world.verified("main").contains("Update app to 1.3.0"));
    assert_eq!(world.at("main^"), before);
}

/// Each commit of a push stands on the one that the forge has made before it.
#[tokio::test]
async fn several_of_one_push_are_each_signed() {
    let mut world = direct().await;
    let marked = world.bot.file("1.1.0").replace("default:app", "default:more");
    world.commits("main", "more.yaml", &marked);
    let (first, secret) = world.text.split_once("\n---\n").unwrap();
    let second = first.replace("name: shop", "name: more").replace("name: app", "name: more");
    assert!(second != first);
    world.text = format!("{first}\n---\n{second}\n---\n{secret}");
    world.reads();
    assert_eq!(world.automations.len(), 2);
    let before = world.at("main");
    let report = world.run().await;
    let outcomes: Vec<&str> = report.automations.iter().map(|it| it.outcome.as_str()).collect();
    assert_eq!(outcomes, ["pushed", "pushed"], "{report:?}");
    world.verified("main");
    world.verified("main^");
    assert_eq!((world.at("main~2"), world.made()), (before, [2, 2, 0]));
    assert!(world.bot.remote.show("main:more.yaml").contains("1.2.0"));
}

/// Somebody pushes while the forge makes the commit: what it made is left, and it is asked again on what is there now.
#[tokio::test]
async fn a_push_that_comes_too_late_is_made_again() {
    let world = direct().await;
    let bare = world.bot.remote.bare();
    let moved = git(&bare, &["commit-tree", "-p", "main", "-m", "By hand", "main^{tree}"]).trim().to_owned();
    let theirs = moved.clone();
    let happens: Box<dyn FnOnce() + Send> =
        Box::new(move || _ = git(&bare, &["update-ref", "refs/heads/main", &theirs]));
    world.forge.world().when_asked = Some(("/git/commits", happens).into());
    world.check("pushed", "").await;
    assert!(world.verified("main").contains("Update app to 1.2.0"));
    assert_eq!((world.at("main^"), world.made()), (moved, [2, 2, 0]));
}

#[tokio::test]
async fn nothing_is_pushed_without_a_request_that_is_not_signed() {
    let world = direct().await;
    let before = world.at("main");
    world.forge.world().is_app = false;
    let report = world.check("failed", "").await;
    let error = report.automations[0].outcome.error().unwrap().chain();
    assert!(error.contains("has made no signed commit"), "{error}");
    assert_eq!(world.at("main"), before);
    world.forge.world().is_app = true;
    world.check("pushed", "").await;
    world.verified("main");
}
