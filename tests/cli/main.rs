//! The binary as a user meets it: arguments, streams, exit codes, texts, JSON; every recorded vector goes through it.

#![allow(clippy::unwrap_used)]

mod bot;
mod demo;
mod harmless;
mod help;
mod history;
mod message;
mod readme;
#[path = "../support/registry.rs"]
mod registry;
#[path = "../support/git.rs"]
mod remote;
mod run;
mod select;
mod served;
mod set;
mod site;
mod skip;
mod status;
mod switch;
mod world;
