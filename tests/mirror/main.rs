//! What a mirror knows of a remote's history, and what it costs to keep, against real Git.

#![allow(clippy::unwrap_used)]

mod disk;
mod growth;
mod history;
mod hostile;
mod odd;
#[path = "../support/hostile.rs"]
mod packs;
mod reconnect;
#[path = "../support/git.rs"]
mod support;
mod world;
