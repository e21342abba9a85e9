//! What talks to a cluster, against a real API server on loopback; and what people apply to one, as it takes it.
//!
//! The target needs the feature `real-cluster`; `tests/run` sets it, and finds or builds kube-apiserver and etcd. Tests share an
//! API server, and each has a namespace of its own; see `tests/support/cluster.rs`. Bots are child processes with the rights of
//! the roles in `deploy/`, among a simulated registry and a real Git remote.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a test that fails shows what its commands printed")]

#[path = "../support/bot.rs"]
mod bot;
#[path = "../support/cluster.rs"]
mod cluster;
#[path = "../../crates/forge/tests/simulated.rs"]
mod forges;
#[path = "../support/native.rs"]
mod native;
#[path = "../support/page.rs"]
mod page;
#[path = "../support/git.rs"]
mod remote;
#[path = "../../crates/cloud/tests/flows/service.rs"]
#[allow(dead_code)]
mod service;
#[path = "../support/registry.rs"]
mod simulated;
#[path = "../support/tools.rs"]
mod tools;

mod admitted;
mod breaks;
mod clouds;
mod faces;
mod from_flux;
mod hostile;
mod looks;
mod objects;
mod own;
mod people;
mod rendered;
mod replicas;
mod requests;
mod rights;
mod selfcheck;
mod storm;
mod world;
