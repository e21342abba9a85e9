//! Runs against a simulated registry and real `git http-backend`, in one process.

#![allow(clippy::unwrap_used, missing_docs)]

mod admission;
mod batch;
mod branches;
#[path = "../../crates/forge/tests/simulated.rs"]
mod forges;
mod freezes;
mod guards;
mod laws;
mod memory;
mod merges;
mod moves;
mod releases;
mod requests;
mod rivals;
#[path = "../support/registry.rs"]
mod simulated;
#[path = "../support/git.rs"]
mod support;
mod verify;
mod world;
mod year;
