//! The server of a bot as clients meet it: over its Unix socket and over TCP, with limits.

#![allow(clippy::unwrap_used)]

mod actions;
mod answers;
mod api;
mod hooks;
#[path = "../../crates/oidc/tests/tokens/simulated.rs"]
#[allow(dead_code)]
mod issuer;
mod limits;
mod machinery;
mod metrics;
mod oidc;
mod page;
#[path = "../support/git.rs"]
mod remote;
mod squeeze;
mod submit;
mod world;
