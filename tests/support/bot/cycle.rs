//! From a webhook to the pushed commit, beside a person's `git push` of one commit to the same server, in turns.

use std::process::Command;
use std::time::{Duration, Instant};

use super::hooked::Hooked;
use super::{Shape, TIMEOUT};
use crate::remote::git;

/// Who else pushes to the branch of the bot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Others {
    /// Nobody: the person has a branch.
    Apart,
    /// The person, before each webhook, so that the bot has to fetch.
    Before,
}

/// How long to wait between two looks at the branch.
const BETWEEN_LOOKS: Duration = Duration::from_millis(1);

/// What came of it. Both times end when the remote has the commit.
#[derive(Debug, Default)]
pub(crate) struct Cycles {
    /// From the moment that the webhook is sent.
    pub(crate) ours: Vec<Duration>,
    /// From the start of `git push`.
    pub(crate) theirs: Vec<Duration>,
    /// What the registry was asked each time.
    pub(crate) asked: Vec<Vec<String>>,
    /// How many requests the remote had from the bot each time, and from the last `git push`.
    pub(crate) requests: Vec<usize>,
    pub(crate) of_push: usize,
}

/// Lets bot and person take turns.
pub(crate) fn run(rounds: usize, others: Others) -> Cycles {
    let hooked = Hooked::start_with(Shape::new(2, 1, super::hooked::INTERVAL), "", |world| {
        let mut command = world.quiet_command("bot");
        command.args(["--listen", "127.0.0.1:0"]);
        command
    });
    let mut cycles = Cycles::default();
    for _ in 0..rounds {
        cycles.theirs.push(push(&hooked, others));
        cycles.of_push = hooked.world.server.seen().len();
        let patch = hooked.world.release(0);
        let (before, since) = (head(&hooked, "main"), Instant::now());
        assert_eq!(hooked.tell(&format!("1.0.{patch}")), 202);
        cycles.ours.push(moved(&hooked, ("main", &before)) - since);
        hooked.at_rest();
        assert!(hooked.world.says(0, patch));
        cycles.asked.push(hooked.asked(since));
        cycles.requests.push(hooked.world.server.seen().len());
    }
    cycles
}

/// The person commits, and pushes it.
fn push(hooked: &Hooked, others: Others) -> Duration {
    let (work, url) = (hooked.world.remote.work(), hooked.world.server.url());
    let branch = match others {
        Others::Apart => "apart",
        Others::Before => {
            git(&work, &["fetch", "-q", "origin", "main"]);
            git(&work, &["reset", "-q", "--hard", "FETCH_HEAD"]);
            "main"
        }
    };
    git(&work, &["commit", "-q", "--allow-empty", "-m", "somebody's"]);
    hooked.world.server.seen();
    let mut command = Command::new("git");
    command.args(["push", "-q", &url, &format!("HEAD:refs/heads/{branch}")]).current_dir(&work).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", hooked.world.folder.path());
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_TERMINAL_PROMPT", "0");
    let (before, since) = (head(hooked, branch), Instant::now());
    let mut child = command.spawn().unwrap();
    let at = moved(hooked, (branch, &before));
    assert!(child.wait().unwrap().success());
    at - since
}

/// Where a branch of the remote is; nothing if it is not there.
fn head(hooked: &Hooked, branch: &str) -> String {
    let branch = hooked.world.remote.bare().join("refs/heads").join(branch);
    std::fs::read_to_string(branch).unwrap_or_default()
}

/// When a branch is somewhere else.
#[track_caller]
fn moved(hooked: &Hooked, (branch, before): (&str, &str)) -> Instant {
    let deadline = Instant::now() + TIMEOUT;
    while head(hooked, branch) == before {
        assert!(Instant::now() < deadline, "{branch} has not moved: {:#?}", hooked.bot.log());
        std::thread::sleep(BETWEEN_LOOKS);
    }
    Instant::now()
}
