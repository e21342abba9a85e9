//! One remote with 500 automations and 2,000 image repositories: what a wave costs when there is nothing to do, and when each
//! automation has a change.
//!
//! `cargo bench --bench wave`; needs git. `-- each` and `-- together` measure one of the two ways to commit. A wave is one run of all automations of the remote, after the registry was asked,
//! in a process that stays, as the bot does. Its requests are counted at the server. Memory is that of the binary.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use tagwright::act::act;
use tagwright::observe::{self, Polled, Polls};
use tagwright::run::{Outcome, Progress, Queue};
use tagwright_core::automation::{ImagePolicy, ImageRepository};

#[path = "../tests/support/bot.rs"]
mod bot;
#[path = "support/child.rs"]
mod child;
#[path = "support/process.rs"]
mod process;
#[path = "../tests/support/git.rs"]
mod remote;
#[path = "../tests/support/registry.rs"]
mod simulated;
#[path = "support/table.rs"]
mod table;

use bot::{Shape, World};
use process::Process;

const AUTOMATIONS: usize = 500;
const IMAGES: usize = 2_000;

/// Polls under way at once.
const CONCURRENT_POLLS: usize = 32;

/// The largest memory wanted, in KiB.
const MEMORY: u64 = 128 << 10;

/// What a person would write: the marked lines of the files that change.
const SCRIPT: &str = r#"
git clone --quiet --depth 1 "$URL" "$DIR" && cd "$DIR"
seq 0 $((COUNT - 1)) | sed "s|.*|apps/&/app-&.yaml|" | xargs sed -i "/imagepolicy/s/1\.0\.[0-9]*/1.0.$PATCH/"
git commit --quiet -a -m "Update to 1.0.$PATCH"
git push --quiet
"#;

/// What a person would write to make a commit for each automation, with a mirror as we have one: the commits are in a file, made
/// before the clock starts.
const MANY: &str = r#"
cd "$DIR"
git fetch --quiet origin +main:main
git fast-import --quiet --date-format=now < "$STREAM"
git push --quiet origin main
"#;

/// One commit for each automation.
const EACH: &str = "one commit each";

fn main() {
    let wanted = |part: &str| std::env::args().skip(1).filter(|it| !it.starts_with('-')).all(|it| it == part);
    table::head();
    for (part, batch, more) in [("each", EACH, ""), ("together", "one commit together", "batch: perBranch")] {
        if !wanted(part) {
            continue;
        }
        let shape = Shape { more, ..Shape::new(IMAGES, AUTOMATIONS, Duration::from_secs(3600)) };
        let world = World::start(shape);
        memory(&world, batch);
        measure(&world, batch);
    }
}

/// Prints the memory of a first run, which fetches everything, and of one with the mirror there.
fn memory(world: &World, batch: &str) {
    for what in ["the first run", "500 changes"] {
        (0..AUTOMATIONS).for_each(|image| _ = world.release(image));
        let peak = child::peak(world.command("binary").arg("--once"));
        table::amount(&format!("peak memory of {what}, {batch}"), peak, MEMORY, "KiB");
    }
    assert!(world.is_current());
}

fn measure(world: &World, batch: &str) {
    let mut process = Poller::start(world);
    process.poll();
    process.wave(0);
    let url = world.server.url();
    let ls_remote = || child::run(child::command("git", world.folder.path()).args(["ls-remote", &url]));
    let (ours, theirs) = table::turns(30, || process.wave(0), ls_remote);
    table::row(&format!("nothing to do, {batch}"), ours, "git ls-remote", theirs, 1.5);

    let mut seen = Vec::new();
    let changes = || {
        (0..AUTOMATIONS).for_each(|image| _ = world.release(image));
        process.poll();
        world.server.seen();
        let wave = process.wave(AUTOMATIONS);
        seen = world.server.seen().into_iter().map(|seen| seen.line).collect();
        wave
    };
    let script = || {
        (0..AUTOMATIONS).for_each(|image| _ = world.release(image));
        let patch = world.newest()[0].to_string();
        let mut script = child::command("sh", world.folder.path());
        script.args(["-e", "-c", SCRIPT]).env("URL", &url).env("DIR", world.path(&format!("clone-{patch}")));
        let took = child::run(script.env("COUNT", AUTOMATIONS.to_string()).env("PATCH", &patch));
        assert!(world.is_current());
        took
    };
    let many = || {
        (0..AUTOMATIONS).for_each(|image| _ = world.release(image));
        let stream = world.path("stream");
        fs::write(&stream, commits(world)).unwrap();
        let mut script = child::command("sh", world.folder.path());
        script.args(["-e", "-c", MANY]).env("URL", &url).env("DIR", world.path("mirror.git"));
        let took = child::run(script.env("STREAM", stream));
        assert!(world.is_current());
        took
    };
    let (yardstick, (ours, theirs)) = match batch {
        EACH => {
            let (url, mirror) = (url.as_str(), world.path("mirror.git"));
            let mut clone = child::command("git", world.folder.path());
            child::run(clone.args(["clone", "--quiet", "--bare", "--depth", "1", url]).arg(mirror));
            ("fetch, fast-import of the same commits, push", table::turns(5, changes, many))
        }
        _ => ("clone, sed, commit, push", table::turns(5, changes, script)),
    };
    table::row(&format!("500 changes, {batch}"), ours, yardstick, theirs, 1.0);
    let requests = |line: &str| seen.iter().filter(|seen| seen.starts_with(line)).count() as u64;
    // The script pushes in between, so that there is something to fetch in every wave.
    table::amount("  its fetches", requests("POST /repo.git/git-upload-pack"), 1, "");
    table::amount("  its pushes", requests("POST /repo.git/git-receive-pack"), 1, "");
    table::amount("  its requests in all", seen.len() as u64, 4, "");
}

/// The commits of 500 automations, one after the other, as `git fast-import` reads them.
fn commits(world: &World) -> String {
    let mut stream = String::new();
    for (n, patch) in world.newest().into_iter().enumerate().take(AUTOMATIONS) {
        let (file, text) = (world.file(n), world.text(n, &format!("1.0.{patch}")));
        let message = format!("Update from image update automation\n\nTagwright-Automation: default/shop-{n}\n");
        let from = if n == 0 { "from refs/heads/main^0\n" } else { "" };
        let who = "committer bench <bench@example.com> now";
        write!(stream, "commit refs/heads/main\n{who}\ndata {}\n{message}\n{from}", message.len()).unwrap();
        write!(stream, "M 100644 inline {file}\ndata {}\n{text}\n", text.len()).unwrap();
    }
    stream
}

/// A process that stays, and what its polls came to.
struct Poller {
    process: Process,
    polls: Polls,
}

impl Poller {
    fn start(world: &World) -> Self {
        let process = Process::start(world.path("config"), world.data("process"), Vec::new());
        Self { process, polls: Polls::default() }
    }

    /// Asks the registry for the tags of every image.
    fn poll(&mut self) -> Duration {
        let start = Instant::now();
        let policies: Vec<&Arc<ImagePolicy>> =
            self.process.configuration.automations.iter().flat_map(|it| &it.policies).collect();
        let (context, known) = (self.process.context(), &self.polls);
        let polls = futures_util::stream::iter(policies).map(|policy| async move {
            let (repository, policies): (&Arc<ImageRepository>, _) = (&policy.repository, std::slice::from_ref(policy));
            let polled = observe::poll(context, repository, policies, &known.only(policies)).await;
            assert!(polled.failures.is_empty());
            polled
        });
        let polled: Vec<Polled> = self.process.runtime.block_on(polls.buffer_unordered(CONCURRENT_POLLS).collect());
        assert_eq!(polled.len(), IMAGES);
        polled.iter().flat_map(|polled| &polled.policies).for_each(|report| self.polls.take(report));
        start.elapsed()
    }

    /// Runs every automation, of which so many have to push.
    fn wave(&self, expected: usize) -> Duration {
        let automations = &self.process.configuration.automations;
        let due: BTreeSet<_> = automations.iter().map(|automation| automation.id.clone()).collect();
        let start = Instant::now();
        let queue = &Queue::of_remotes(automations)[0];
        let acted =
            self.process.runtime.block_on(act(self.process.context(), queue, &due, &self.polls, &Progress::default()));
        let took = start.elapsed();
        let pushed = acted.automations.iter().filter(|it| matches!(it.outcome, Outcome::Pushed { .. })).count();
        assert_eq!((pushed, acted.automations.len()), (expected, AUTOMATIONS));
        took
    }
}
