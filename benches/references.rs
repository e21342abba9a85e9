//! One remote with 100,000 references, of which one branch matters: what a run with nothing to do costs, beside `git ls-remote` of
//! that branch, and what a push costs.
//!
//! `cargo bench --bench references`; needs git. Both sides ask the same `git http-backend`. Bytes are counted at a proxy, in both
//! directions, heads of HTTP included.

#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::time::Duration;

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

use bot::{Proxy, Shape, World};
use process::Process;

/// How many references the remote has besides.
const REFERENCES: usize = 100_000;

/// How often each side is measured.
const ROUNDS: usize = 20;

/// The most bytes that a run with nothing to do may cost, of the remote alone.
const MOST: u64 = 2_000;

/// The most that a commit may: 1 MiB, of which what was on its way when nobody read on is a part.
const MOST_OF_A_PUSH: u64 = 1 << 20;

fn main() {
    table::head();
    let world = World::start(Shape::new(1, 1, Duration::from_secs(3600)));
    crowd(&world);
    nothing(&world);
    bytes(&world);
}

/// Gives the remote its references, as pull requests do, in the file where git keeps many.
fn crowd(world: &World) {
    let (tip, mut packed) = (world.remote.at("main"), "# pack-refs with: peeled fully-peeled sorted \n".to_owned());
    (0..REFERENCES).for_each(|n| writeln!(packed, "{tip} refs/pull/{n:06}/head").unwrap());
    std::fs::write(world.remote.bare().join("packed-refs"), packed).unwrap();
}

fn nothing(world: &World) {
    let process = Process::start(world.path("config"), world.data("process"), Vec::new());
    process.run("unchanged");
    let url = world.server.url();
    let ls_remote = |what: &str| child::run(child::command("git", world.folder.path()).args(["ls-remote", &url, what]));
    let (ours, theirs) = table::turns(ROUNDS, || process.run("unchanged"), || ls_remote("refs/heads/main"));
    table::row("nothing to do, 100,000 references: the run", ours, "git ls-remote of one branch", theirs, 1.5);
    let binary = || child::run(world.quiet_command("binary").arg("--once"));
    binary();
    let (ours, theirs) = table::turns(ROUNDS, binary, || ls_remote("refs/heads/main"));
    table::row("  the binary, from start to exit", ours, "git ls-remote of one branch", theirs, 1.5);
}

/// Prints what passes of the remote.
fn bytes(world: &World) {
    let proxy = world.block_on(Proxy::start(world.server.address()));
    world.configure(&format!("http://{}/repo.git", proxy.address));
    let process = Process::start(world.path("config"), world.data("process"), Vec::new());
    process.run("unchanged");
    proxy.take_bytes();
    process.run("unchanged");
    table::amount("  its bytes", proxy.take_bytes(), MOST, "B");
    world.release(0);
    process.run("pushed");
    table::amount("  those of a commit", proxy.take_bytes(), MOST_OF_A_PUSH, "B");
}
