//! Runs against a simulated registry and real `git http-backend`, in one process.

#![allow(clippy::unwrap_used, missing_docs)]

mod admission;
mod bad_input;
mod batch;
mod branches;
#[path = "../support/collector.rs"]
mod collector;
mod comments;
mod differences;
#[path = "../../crates/forge/tests/simulated.rs"]
mod forges;
mod freezes;
mod groups;
mod guards;
mod lane;
mod laws;
mod memory;
mod merges;
mod moves;
mod newest;
mod only_added;
mod pullable;
mod releases;
mod requests;
mod rivals;
mod sealed;
#[path = "../support/registry.rs"]
mod simulated;
#[path = "../support/git.rs"]
mod support;
mod targets;
mod traces;
mod verify;
mod world;
mod year;
