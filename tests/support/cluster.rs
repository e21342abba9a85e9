//! A real API server with its etcd on loopback, for the tests of whatever talks to a cluster.
//!
//! `tests/run` finds the programs, or builds them, and names their folder in `KUBEBUILDER_ASSETS`. The tests of a process share
//! one [`Cluster`], and each of them has a [`Space`] of its own in it: a namespace with a random name, which nobody deletes, since
//! there is no controller that would end it. For the same reason nothing has a `default` ServiceAccount, and what an owner leaves
//! behind stays. Who kills, freezes or restores takes a cluster of its own.
//!
//! - A [`Space`] has identities: ServiceAccounts with the roles of a file, and a kubeconfig for their tokens.
//! - A [`Line`] stands between a client and the API server: it cuts watches in the middle of an event, freezes, refuses, and gives
//!   the answers that a real server does not give when asked.
//! - What was asked by whom is in the [audit log](Cluster::asked_by).

#![allow(dead_code, unused_imports, unreachable_pub, clippy::unwrap_used)]

#[path = "cluster/audit.rs"]
mod audit;
#[path = "cluster/identity.rs"]
mod identity;
#[path = "cluster/keeper.rs"]
mod keeper;
#[path = "cluster/line.rs"]
mod line;
#[path = "cluster/manifest.rs"]
mod manifest;
#[path = "cluster/process.rs"]
mod process;
#[path = "cluster/server.rs"]
mod server;
#[path = "cluster/space.rs"]
mod space;
#[path = "cluster/wait.rs"]
mod wait;

pub(crate) use audit::Asked;
pub(crate) use line::{Answer, Line, Passing};
pub(crate) use manifest::Manifest;
pub(crate) use server::{Cluster, Part, Snapshot};
pub(crate) use space::Space;
pub(crate) use wait::{WITHIN, eventually};
