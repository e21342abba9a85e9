//! The crate against a real API server on loopback; needs the feature `real-cluster`, see `tests/support/cluster.rs`.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

#[path = "../../../../tests/support/cluster.rs"]
mod cluster;
mod events;
mod leases;
mod status;
