//! The server of a bot as clients meet it: over its Unix socket and over TCP, with limits.

#![allow(clippy::unwrap_used)]

mod actions;
mod answers;
mod api;
mod hooks;
mod limits;
mod machinery;
mod metrics;
mod page;
mod world;
