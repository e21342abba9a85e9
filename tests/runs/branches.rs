//! A push branch of its own: built upon, begun anew when what is read has gone on, left alone where somebody else works on it.

use std::sync::Arc;

use tagwright_core::automation::Automation;
use tagwright_core::change::Code;

use crate::support::git;
use crate::world::{Bot, STABLE};

/// A bot that reads `main` and pushes to `images`, and a clone in which a person works.
struct World {
    bot: Bot,
    person: tempfile::TempDir,
    automations: Vec<Arc<Automation>>,
}

impl World {
    /// After the bot has pushed 1.2.0 to `images`.
    async fn new() -> Self {
        let bot = Bot::start(&["1.1.0", "1.2.0"]).await;
        let text = bot.text("[]", STABLE).replace("paths: []}", "paths: [], push: {branch: images}}");
        let automations = tagwright::config::parse("configuration.yaml", &text).unwrap().automations;
        let person = tempfile::tempdir().unwrap();
        git(person.path(), &["clone", "-q", "--branch", "main", bot.remote.bare().to_str().unwrap(), "."]);
        let world = Self { bot, person, automations };
        world.check("pushed").await;
        assert_eq!(world.bot.remote.show("images:app.yaml"), world.bot.file("1.2.0"));
        world
    }

    /// Runs and checks how that ended; returns the codes of the findings.
    #[track_caller]
    fn check(&self, outcome: &'static str) -> impl Future<Output = Vec<Code>> {
        let at = std::panic::Location::caller();
        async move {
            let report = self.bot.run(&self.automations).await.0;
            assert_eq!(report.automations[0].outcome.as_str(), outcome, "{at}: {report:?}");
            report.automations[0].diagnostics.iter().map(|diagnostic| diagnostic.code).collect()
        }
    }

    fn person(&self, arguments: &[&str]) -> String {
        git(self.person.path(), arguments)
    }

    /// A person commits a file on the branch that is checked out, and pushes it.
    fn commits(&self, file: &str, text: &str) {
        std::fs::write(self.person.path().join(file), text).unwrap();
        self.person(&["add", "-A"]);
        self.person(&["commit", "-q", "-m", "By hand"]);
        self.person(&["push", "-q", "origin", "HEAD"]);
    }

    fn lists(&self, tags: &[&str]) {
        let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
        self.bot.registry.change(|world| *world.repositories.get_mut("team/app").unwrap() = tags);
    }

    fn at(&self, name: &str) -> String {
        git(&self.bot.remote.bare(), &["rev-parse", name]).trim().to_owned()
    }

    /// Whether `images` is one commit on `main`.
    fn is_one_commit_on_main(&self) -> bool {
        self.at("images^") == self.at("main")
    }
}

#[tokio::test]
async fn what_comes_to_the_branch_that_is_read_comes_to_an_open_push_branch() {
    let world = World::new().await;
    world.commits("new.yaml", &world.bot.file("1.1.0"));
    world.check("pushed").await;
    assert!(world.is_one_commit_on_main());
    for file in ["app.yaml", "new.yaml"] {
        assert_eq!(world.bot.remote.show(&format!("images:{file}")), world.bot.file("1.2.0"), "{file}");
    }
}

#[tokio::test]
async fn a_merged_push_branch_begins_anew() {
    for squash in [false, true] {
        let world = World::new().await;
        world.person(&["fetch", "-q"]);
        let merge = if squash {
            &["merge", "-q", "--squash", "origin/images"][..]
        } else {
            &["merge", "-q", "--no-ff", "-m", "Merge", "origin/images"]
        };
        world.person(merge);
        if squash {
            world.person(&["commit", "-q", "-m", "Update (#1)"]);
        }
        world.person(&["push", "-q", "origin", "main"]);
        let before = world.at("images");
        world.check("unchanged").await;
        assert_eq!(world.at("images"), before, "there is nothing to commit");
        world.commits("more.txt", "more\n");
        world.lists(&["1.1.0", "1.2.0", "1.3.0"]);
        world.check("pushed").await;
        assert!(world.is_one_commit_on_main(), "squash: {squash}");
        assert_eq!(world.bot.remote.show("images:app.yaml"), world.bot.file("1.3.0"));
    }
}

#[tokio::test]
async fn a_push_branch_that_would_change_the_same_stays() {
    let world = World::new().await;
    let before = world.at("images");
    world.commits("more.txt", "more\n");
    world.check("unchanged").await;
    assert_eq!(world.at("images"), before);
    let (report, requests) = world.bot.run(&world.automations).await;
    assert_eq!((report.automations[0].outcome.as_str(), requests), ("unchanged", 1), "it is known");
    world.lists(&["1.1.0", "1.2.0", "1.3.0"]);
    world.check("pushed").await;
    assert!(world.is_one_commit_on_main());
}

#[tokio::test]
async fn a_push_branch_without_anything_new_to_read_is_built_upon() {
    let world = World::new().await;
    let before = world.at("images");
    world.lists(&["1.1.0", "1.2.0", "1.3.0"]);
    world.check("pushed").await;
    assert_eq!(world.at("images^"), before);
}

#[tokio::test]
async fn a_push_branch_with_commits_of_a_person_is_left_and_said() {
    let world = World::new().await;
    world.person(&["fetch", "-q"]);
    world.person(&["checkout", "-q", "-b", "images", "origin/images"]);
    world.commits("notes.md", "Mind the carts.\n");
    assert_eq!(world.check("unchanged").await, [], "it has all that is read");
    world.person(&["checkout", "-q", "main"]);
    world.commits("new.yaml", &world.bot.file("1.1.0"));
    assert_eq!(world.check("unchanged").await, [Code::PushBranchLeft]);
    let before = world.at("images");
    world.lists(&["1.1.0", "1.2.0", "1.3.0"]);
    assert_eq!(world.check("pushed").await, [Code::PushBranchLeft]);
    assert_eq!(world.at("images^"), before);
    assert_eq!(world.bot.remote.show("images:notes.md"), "Mind the carts.\n");
}
