//! The bot as a process: killed, many of them on one branch, and among registries and remotes that fail.
//!
//! Nothing here depends on how long anything takes: each wait is for a condition, with a generous end.

// What a trial counted is worth reading, also when it went well: `cargo test --test trials -- --nocapture`.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "../support/bot.rs"]
mod bot;
#[path = "../support/collector.rs"]
mod collector;
#[path = "../support/git.rs"]
mod remote;
#[path = "../support/registry.rs"]
mod simulated;

mod faults;
mod hooks;
mod kill;
mod many;
mod soak;
mod traces;
