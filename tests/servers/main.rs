//! The binary against the servers that people run: Debian's docker-registry, nginx with `git http-backend`, sshd.
//!
//! Everything listens on loopback and lives in a temporary directory; a server ends with the value that started it. The
//! target needs the feature `real-servers`, and `tests/run` installs what these tests start.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod access;
mod automation;
mod configuration;
#[path = "../support/folder.rs"]
mod folder;
mod images;
mod kubevela;
mod process;
mod push;
mod registry;
mod remote;
mod selfcheck;
mod signing;
mod sources;
mod ssh;
mod tls;
mod tokens;
mod web;
mod world;
