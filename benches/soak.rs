//! A bot with a release every second, looked at from outside.
//!
//! `cargo bench --bench soak -- --minutes 20`; a minute without that. Needs git. The remote asks for a login, which comes
//! from a credential helper, so that there are child processes to lose.

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

use bot::soak::{self, Sample, Soak};

/// How much more there may be in the last quarter than in the first.
const GROWTH: f64 = 1.1;

/// The most that a mirror may take before it is made anew, in KiB: 32 MiB, and a little for what it had at first.
const MIRRORS: u64 = 33 << 10;

/// The most files in the data folder: 50 packs with their indices, before they are made one, and what else there is.
const FILES: u64 = 150;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let given = arguments.windows(2).find(|pair| pair[0] == "--minutes").and_then(|pair| pair[1].parse().ok());
    let minutes: usize = given.unwrap_or(1);
    let soak = soak::run(1, minutes * 60, Duration::from_secs(1));
    println!("{minutes} minutes, {} commits; the middle of the first quarter and of the last", soak.commits);
    table::head();
    row(&soak, "resident memory, KiB", |it| it.memory, GROWTH);
    row(&soak, "open descriptors", |it| it.descriptors, GROWTH);
    row(&soak, "bytes of state, with the longest history", |it| it.state, GROWTH);
    let most = |of: fn(&Sample) -> u64| soak.samples.iter().map(of).max().unwrap_or(0);
    table::amount("mirrors at most", most(|it| it.mirrors) >> 10, MIRRORS, "KiB");
    table::amount("files at most", most(|it| it.files), FILES, "");
    table::amount("child processes at the end", soak.last.children, 0, "");
    table::amount("wrong in the branch or the log", soak.faults.len() as u64, 0, "");
    soak.faults.iter().for_each(|fault| println!("{fault}"));
}

/// Prints the middle of the first quarter beside that of the last.
fn row(soak: &Soak, what: &str, of: fn(&Sample) -> u64, limit: f64) {
    let [first, last] = [0, 3].map(|quarter| middle(soak.quarter(quarter).iter().map(of).collect()));
    let ratio = last as f64 / first as f64;
    let verdict = if ratio <= limit { "PASS" } else { "over" };
    println!("{what:<52} {last:>10} {first:>10} {ratio:>7.2} {limit:>6.2} {verdict}");
}

fn middle(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values[values.len() / 2]
}
