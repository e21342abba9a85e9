//! 200 groups of changes on one remote, each with a branch and a pull request of its own: what it costs to open them, to bring all of them up
//! to a new tag, and to look at them.
//!
//! `cargo bench --bench requests`; needs git and curl. The forge is a simulated GitHub on loopback, whose requests are counted, as those of the
//! remote are.

#![allow(clippy::unwrap_used, clippy::print_stdout, dead_code)]

use std::fmt::Write as _;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use forge::Product;
use tagwright::pass;
use tagwright::run::Report;
use tagwright_core::automation::Automation;

#[path = "support/child.rs"]
mod child;
#[path = "../crates/forge/tests/simulated.rs"]
mod forges;
#[path = "../tests/support/registry.rs"]
mod simulated;
#[path = "../tests/support/git.rs"]
mod support;
#[path = "support/table.rs"]
mod table;
#[path = "../tests/runs/world.rs"]
mod world;

use forges::{Forge, TOKEN};
use support::{Behaviour, Server};
use world::{Bot, STABLE};

/// How many files have a field that is to change, each a group.
const GROUPS: usize = 200;

/// What a person would write: a mirror that stays, commits that are in a file made before the clock starts, one push, and one request to the forge
/// for each, over one connection.
const SCRIPT: &str = r#"
cd "$DIR"
git fetch --quiet origin +main:main
git fast-import --quiet --force --date-format=now < "$STREAM"
git push --quiet --force origin 'refs/heads/by-hand/*:refs/heads/by-hand/*'
curl --silent --fail --output /dev/null --config "$CURL"
"#;

struct Scene {
    runtime: tokio::runtime::Runtime,
    bot: Bot,
    forge: Forge,
    server: Server,
    automations: Vec<Arc<Automation>>,
    folder: tempfile::TempDir,
    /// The newest tag is `1.0.PATCH`.
    patch: usize,
}

impl Scene {
    fn start() -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (bot, forge) =
            runtime.block_on(async { (Bot::start(&["1.0.0"]).await, Forge::start(Product::GitHub).await) });
        let folder = tempfile::tempdir().unwrap();
        forge.world().git = Some(bot.remote.bare());
        fs::create_dir_all(folder.path().join("served/acme")).unwrap();
        std::os::unix::fs::symlink(bot.remote.bare(), folder.path().join("served/acme/config.git")).unwrap();
        let server = runtime.block_on(Server::start(&folder.path().join("served"), Behaviour::default()));
        let request = format!(
            "paths: [apps], push: {{pullRequest: {{group: file, forge: {{kind: github, url: '{}'}}, secretRef: {{name: forge}}}}}}",
            forge.base
        );
        let text = bot.text("[]", STABLE).replace(&bot.server.url(), &format!("{}/acme/config.git", server.base));
        let text = text.replace("paths: []", &request);
        let text = format!(
            "{text}\n---\napiVersion: v1\nkind: Secret\nmetadata: {{name: forge, namespace: default}}\nstringData: {{token: {TOKEN}}}\n"
        );
        let automations = tagwright::config::parse("configuration.yaml", &text).unwrap().automations;
        let scene = Self { runtime, bot, forge, server, automations, folder, patch: 0 };
        let files: Vec<(String, String)> = (0..GROUPS).map(|n| (Self::file(n), scene.bot.file("1.0.0"))).collect();
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        scene.bot.remote.commit(&files, "apps");
        scene
    }

    fn file(number: usize) -> String {
        format!("apps/app-{number:03}.yaml")
    }

    fn release(&mut self) {
        self.patch += 1;
        let tags: Vec<String> = (0..=self.patch).map(|patch| format!("1.0.{patch}")).collect();
        self.bot.registry.change(|world| *world.repositories.get_mut("team/app").unwrap() = tags);
    }

    fn run(&self) -> (Duration, Report) {
        let start = Instant::now();
        let report = self.runtime.block_on(pass::once(self.bot.context(), &self.automations));
        (start.elapsed(), report)
    }

    /// Runs, and checks that so many groups were pushed.
    fn checked(&self, pushed: usize) -> Duration {
        let (took, report) = self.run();
        let found = report.automations[0].groups.iter().filter(|group| group.commit.is_some()).count();
        assert_eq!(found, pushed, "{:?}", report.automations[0].outcome);
        assert!(report.automations[0].outcome.error().is_none());
        took
    }

    /// The requests since the last time: pushes, fetches and others at the remote, those that read and those that write at the forge.
    fn counted(&self) -> [u64; 5] {
        let seen = self.server.seen();
        let of = |service: &str| {
            seen.iter().filter(|it| it.line.starts_with("POST") && it.line.contains(service) && !it.is_listing).count()
        };
        let (pushes, fetches) = (of("git-receive-pack"), of("git-upload-pack"));
        let asked = self.forge.asked();
        let reads = asked.iter().filter(|line| line.starts_with("GET ")).count();
        let others = seen.len() - pushes - fetches;
        [pushes, fetches, others, reads, asked.len() - reads].map(|count| u64::try_from(count).unwrap())
    }

    /// The first run also fetches history, to look for what people took back.
    fn say(&self, what: &str, [pushes, fetches, others, reads, writes]: [u64; 5], most_fetches: u64) {
        table::amount(&format!("{what}: pushes"), pushes, 1, "");
        table::amount("  its fetches", fetches, most_fetches, "");
        table::amount("  its other requests to the remote", others, 5, "");
        table::amount("  its lists of the forge", reads, 5, "");
        table::amount("  its changes at the forge", writes, u64::try_from(GROUPS).unwrap(), "");
    }

    /// What the script pushes and asks: the same commits on branches of its own, and a new title for each request.
    fn script(&self) -> Duration {
        let (mut stream, mut curl) = (String::new(), String::new());
        for number in 0..GROUPS {
            let (file, text) = (Self::file(number), self.bot.file(&format!("1.0.{}", self.patch)));
            let message = format!("Update app to 1.0.{}\n", self.patch);
            let who = "committer bench <bench@example.com> now";
            let branch = format!("refs/heads/by-hand/{number}");
            write!(stream, "commit {branch}\n{who}\ndata {}\n{message}\nfrom refs/heads/main^0\n", message.len())
                .unwrap();
            write!(stream, "M 100644 inline {file}\ndata {}\n{text}\n", text.len()).unwrap();
            let next = if number == 0 { "" } else { "next\n" };
            let url = format!("{}/api/v3/repos/acme/config/pulls/{}", self.forge.base, number + 1);
            writeln!(
                curl,
                "{next}url = \"{url}\"\nrequest = PATCH\nsilent\noutput = /dev/null\nheader = \"authorization: Bearer {TOKEN}\"\n\
                 data = \"{{\\\"title\\\": \\\"Update app to 1.0.{}\\\"}}\"",
                self.patch
            )
            .unwrap();
        }
        let path = |name: &str| self.folder.path().join(name);
        fs::write(path("stream"), stream).unwrap();
        fs::write(path("curl"), curl).unwrap();
        let mut script = child::command("sh", self.folder.path());
        script.args(["-e", "-c", SCRIPT]).env("DIR", path("mirror.git"));
        child::run(script.env("STREAM", path("stream")).env("CURL", path("curl")))
    }
}

fn main() {
    table::head();
    let mut scene = Scene::start();
    let mut clone = child::command("git", scene.folder.path());
    let url = format!("{}/acme/config.git", scene.server.base);
    child::run(
        clone.args(["clone", "--quiet", "--bare", "--depth", "1", &url]).arg(scene.folder.path().join("mirror.git")),
    );
    scene.release();
    scene.counted();
    let took = scene.checked(GROUPS);
    table::bounded("200 new groups", took, Duration::from_secs(10));
    scene.say("  of that", scene.counted(), 2);
    assert_eq!(scene.forge.states().len(), GROUPS);

    scene.checked(0);
    scene.counted();
    let took = scene.checked(0);
    table::bounded("200 groups with nothing to do", took, Duration::from_secs(2));
    scene.say("  of that", scene.counted(), 1);

    let is_measured = child::is_installed("curl");
    let (scene, last) = (std::cell::RefCell::new(scene), std::cell::Cell::new([0; 5]));
    let ours = || {
        scene.borrow_mut().release();
        scene.borrow().counted();
        let took = scene.borrow().checked(GROUPS);
        last.set(scene.borrow().counted());
        took
    };
    if is_measured {
        let theirs = || scene.borrow().script();
        let (ours, theirs) = table::turns(5, ours, theirs);
        table::row("200 groups with a new tag", ours, "fetch, fast-import, push, curl", theirs, 2.0);
    } else {
        ours();
        table::not_measured("200 groups with a new tag", "Debian's curl is missing");
    }
    let scene = scene.borrow();
    scene.say("  of the last run", last.get(), 1);
}
