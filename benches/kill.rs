//! A busy bot, killed 200 times at random moments on one data folder: what is left is judged.
//!
//! `cargo bench --bench kill`, `-- 50` for another number of kills, `-- 50 7` with another seed. Needs git. A part of the
//! moments is anywhere in the first one and a half seconds of a process; the others are shortly after a phase began, which is
//! what the log of the child says.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../tests/support/bot.rs"]
mod bot;
#[path = "../tests/support/git.rs"]
mod remote;
#[path = "../tests/support/registry.rs"]
mod simulated;
#[path = "support/table.rs"]
mod table;

/// How often it is killed if nothing else is said.
const KILLS: usize = 200;

fn main() {
    let numbers: Vec<usize> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let kills = numbers.first().copied().unwrap_or(KILLS);
    let seed = numbers.get(1).copied().unwrap_or(1);
    let tally = bot::kill::run(seed as u64, kills);
    println!("{tally}");
    table::head();
    table::amount(&format!("wrong after {kills} kills"), tally.faults.len() as u64, 0, "");
    tally.faults.iter().for_each(|fault| println!("{fault}"));
}
