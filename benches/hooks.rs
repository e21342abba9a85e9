//! Webhooks: how soon a pushed tag is a pushed commit, and what a flood of them costs.
//!
//! `cargo bench --bench hooks`; `-- cycle` and `-- flood` measure one part alone. Needs git. One bot as a process, a simulated registry and
//! a real `git http-backend` on loopback; nothing is polled or run but what a webhook tells of.
//!
//! - **cycle**: from the moment that a webhook is sent until the remote has the commit, and from the start of a person's `git push` of one
//!   commit to the same server until it has that. The two take turns; the middle of 200 and the 99th of 100.
//!   Once the person has a branch, and once the bot's, so that the bot has to fetch each time.
//! - **flood**: 1,000 webhooks a second for ten seconds, of 200 images, sent whether or not earlier ones were answered. Each is answered
//!   with 202 or with 429; what was answered with 202 has to be in the branch in the end.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::time::Duration;

#[path = "../tests/support/bot.rs"]
mod bot;
#[path = "../tests/support/git.rs"]
mod remote;
#[path = "../tests/support/registry.rs"]
mod simulated;
#[path = "support/table.rs"]
mod table;

use bot::cycle::{self, Others};
use bot::flood::{self, Flow};

/// How often bot and person take turns.
const ROUNDS: usize = 200;

/// How much longer than `git push` it may take in the middle.
const LIMIT: f64 = 1.5;

/// 1,000 a second for ten seconds.
const FLOW: Flow =
    Flow { images: 200, automations: 10, webhooks: 10_000, pause: Duration::from_millis(1), at_once: 10_000 };

/// The limit of the shipped manifests, in KiB.
const MEMORY: u64 = 256 << 10;

fn main() {
    let wanted = |part: &str| std::env::args().skip(1).filter(|it| !it.starts_with('-')).all(|it| it == part);
    table::head();
    if wanted("cycle") {
        cycle("webhook to pushed commit", Others::Apart);
        cycle("the same, where somebody pushes to the branch", Others::Before);
    }
    if wanted("flood") {
        flood();
    }
}

fn cycle(what: &str, others: Others) {
    let mut cycles = cycle::run(ROUNDS, others);
    cycles.ours.sort_unstable();
    cycles.theirs.sort_unstable();
    let (ours, theirs) = (&cycles.ours, &cycles.theirs);
    table::row(&format!("{what}, p50"), ours[ROUNDS / 2], "git push alone", theirs[ROUNDS / 2], LIMIT);
    let last = ROUNDS * 99 / 100;
    table::row("  p99", ours[last], "git push alone", theirs[last], f64::INFINITY);
    let most = |of: &dyn Fn(&str) -> bool| {
        let counts = cycles.asked.iter().map(|asked| asked.iter().filter(|line| of(line)).count());
        counts.max().unwrap_or(0) as u64
    };
    table::amount("  HEADs of the registry for one, at most", most(&|line| line.starts_with("HEAD ")), 1, "");
    table::amount("  other requests of the registry", most(&|line| !line.starts_with("HEAD ")), 0, "");
    let requests = *cycles.requests.iter().max().unwrap();
    println!("  the remote had {requests} requests for one at most, and {} from git push", cycles.of_push);
}

fn flood() {
    let flood = flood::run(FLOW);
    let count = |status: u16| flood.answers.get(&status).copied().unwrap_or(0);
    println!(
        "{} webhooks in {:.1} s: {} accepted, {} told to come again; {} questions, {} lists, {} commits",
        FLOW.webhooks,
        flood.sending.as_secs_f64(),
        count(202),
        count(429),
        flood.heads,
        flood.lists,
        flood.commits
    );
    let other = FLOW.webhooks - count(202) - count(429);
    table::amount("flood, without an answer of 202 or 429", other as u64, 0, "");
    table::amount("  images of which the last was accepted and lost", flood.lost as u64, 0, "");
    flood.faults.iter().for_each(|fault| println!("  {fault}"));
    table::amount("  wrong in the branch or the log", flood.faults.len() as u64, 0, "");
    table::bounded("  99 of 100 answers", flood.took[flood.took.len() * 99 / 100], Duration::from_millis(250));
    table::bounded("  from the last webhook to the last commit", flood.settled, Duration::from_secs(10));
    table::amount("  its peak memory, of before", flood.memory[1] >> 10, MEMORY >> 10, "MiB");
    println!("  before: {} MiB", flood.memory[0] >> 10);
}
