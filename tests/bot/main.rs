//! The bot in one process with a simulated registry and real `git http-backend`: an hour of it on a clock that the test
//! drives, peers that hang, tasks that break.

#![allow(clippy::unwrap_used, missing_docs)]

mod adaptive;
mod digests;
mod freezes;
mod hang;
mod hour;
mod machinery;
mod notifications;
mod one_thread;
mod published;
mod recovery;
#[path = "../support/registry.rs"]
mod simulated;
mod submitted;
#[path = "../support/git.rs"]
mod support;
mod world;
