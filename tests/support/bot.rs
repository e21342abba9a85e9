//! `tagwright run` as a child process, among a simulated registry that releases tags and a real Git remote, and the judge of
//! what it leaves in the branch.
//!
//! Shared by the tests in `tests/trials` and the long programs in `benches`; both have the registry as `crate::simulated` and
//! the remote as `crate::remote`.

#![allow(dead_code, unused_imports, clippy::unwrap_used)]

#[path = "bot/chance.rs"]
mod chance;
#[path = "bot/child.rs"]
mod child;
#[path = "bot/cycle.rs"]
pub(crate) mod cycle;
#[path = "bot/flood.rs"]
pub(crate) mod flood;
#[path = "bot/history.rs"]
mod history;
#[path = "bot/hooked.rs"]
pub(crate) mod hooked;
#[path = "image.rs"]
mod image;
#[path = "bot/kill.rs"]
pub(crate) mod kill;
#[path = "bot/proxy.rs"]
mod proxy;
#[path = "bot/releases.rs"]
mod releases;
#[path = "bot/soak.rs"]
pub(crate) mod soak;
#[path = "bot/world.rs"]
mod world;

pub(crate) use chance::Chance;
pub(crate) use child::Bot;
pub(crate) use history::{History, SOMEBODY};
pub(crate) use image::allocator;
pub(crate) use proxy::{Line, Proxy};
pub(crate) use releases::Releases;
pub(crate) use world::{Shape, TIMEOUT, World, eventually};
