//! What a run works with, and how it ends.
//!
//! [`Edges`] are the outside systems, [`Memory`] is what a process remembers, [`Context`] is both with the time. How it ended is
//! told by [`Report`], [`Outcome`] and [`Error`]. What is done with them is in [`observe`](crate::observe) and
//! [`act`](crate::act).

mod memory;
mod outcome;
mod progress;
mod queue;
mod scans;
mod settled;
mod switched;

use std::sync::Arc;

use jiff::Timestamp;
use tagwright_core::automation::Automation;
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::store::{Image, Store, Switches};

pub use self::memory::Memory;
pub use self::outcome::{AutomationReport, Error, Kind, Outcome, PolicyReport, Report};
pub use self::progress::{Progress, Stage, Step};
pub(crate) use self::queue::Login;
pub use self::queue::Queue;
pub use self::scans::Scans;
pub(crate) use self::settled::{Basis, Findings};
pub(crate) use self::switched::{guards, suspended};

/// Git remotes worked on at the same time.
pub const CONCURRENT_REMOTES: usize = 8;

/// Whether a run may change anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Commit and push.
    Push,
    /// Stop before the push.
    DryRun,
}

/// The outside systems a run works with.
pub struct Edges {
    /// Registries.
    pub registry: registry::Client,
    /// Git remotes and their mirrors.
    pub git: git::Git,
    /// What outlives a run.
    pub store: Store,
}

/// What a poll or a run works with.
#[derive(Clone, Copy)]
pub struct Context<'r> {
    /// The outside systems.
    pub edges: &'r Edges,
    /// What the process remembers. A process that runs again passes the same, so that what has not changed since costs next
    /// to nothing.
    pub memory: &'r Memory,
    /// Whether anything may be changed.
    pub mode: Mode,
    /// The time.
    pub now: Timestamp,
}

/// Tells Git which remotes a configuration names, all of them, so that a token of the environment goes to nobody else.
pub fn name_remotes(git: &git::Git, automations: &[Arc<Automation>]) {
    git.configure(automations.iter().map(|automation| automation.remote.url.as_str()));
}

/// Does work that takes a while, and lets the other tasks of the runtime go on meanwhile, on another thread if there is no
/// more than one. What is borrowed stays borrowed, unlike with `spawn_blocking`.
pub(crate) fn aside<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

impl Context<'_> {
    /// What people asked for by hand, as the store says; what was last known when it cannot be read.
    pub(crate) async fn switches(&self) -> Switches {
        let store = self.edges.store.clone();
        let read = tokio::task::spawn_blocking(move || store.switches()).await;
        self.memory.switches(read.ok())
    }

    /// What is known of an image repository, in this process or in the store.
    pub(crate) async fn image(&self, key: &str) -> Option<Image> {
        if let Some(image) = self.memory.unsaved_image(key) {
            return Some(image);
        }
        let (store, key) = (self.edges.store.clone(), key.to_owned());
        match tokio::task::spawn_blocking(move || store.image(&key)).await.ok()? {
            Ok(image) => image,
            Err(error) => {
                self.memory.store_fails("reading", &error);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::mpsc;
    use std::time::Duration;

    use super::aside;

    /// The work waits for another task, which the one thread of the runtime has to get to.
    #[test]
    fn tasks_go_on_while_one_works() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (tell, told) = mpsc::channel();
        let work = runtime.spawn(async move {
            let other = tokio::spawn(async move { tell.send("livez").unwrap() });
            let heard = aside(|| told.recv_timeout(Duration::from_secs(60)));
            other.await.unwrap();
            heard
        });
        assert_eq!(runtime.block_on(work).unwrap(), Ok("livez"));
    }

    #[tokio::test]
    async fn a_runtime_of_one_thread_waits() {
        assert_eq!(aside(|| 1), 1);
    }
}
