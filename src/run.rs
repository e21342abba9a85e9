//! What a run works with, and how it ends.
//!
//! [`Edges`] are the outside systems, [`Memory`] is what a process remembers, [`Context`] is both with the time. How it ended is
//! told by [`Report`], [`Outcome`] and [`Error`]. What is done with them is in [`observe`](crate::observe) and
//! [`act`](crate::act).

mod cause;
mod changes;
mod ended;
mod error;
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
use tokio::task::JoinHandle;
use tracing::Span;

use crate::store::{self, Digests, Image, Known, Record, Store, Switches};

pub use self::cause::Cause;
pub(crate) use self::changes::{change, quoted, summary};
pub use self::ended::{AutomationReport, GroupReport};
pub use self::error::{Asking, Doing, Error};
pub use self::memory::Memory;
pub(crate) use self::memory::ToldComment;
pub use self::outcome::{Lack, MovedTag, Outcome, PolicyReport, Report, Short};
pub use self::progress::{Progress, Stage, Step};
pub(crate) use self::queue::Login;
pub use self::queue::Queue;
pub use self::scans::Scans;
pub(crate) use self::settled::{Basis, Findings};
pub(crate) use self::switched::{Freeze, freeze, guards, suspended};
pub use crate::failure::Kind;

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
    /// Forges, where remotes are on one.
    pub forges: forge::Forges,
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
    /// Whether polls tell in short what they listed, since somebody publishes that.
    pub summarise: bool,
    /// Whether work may go on, where it may be somebody else's by now; none where it cannot be.
    pub gate: Option<&'r Gate>,
}

/// Tells whether work on something may begin, and whether its result may be pushed. Whoever has lost a lease may not know yet, so
/// that it is asked each time.
pub type Gate = Arc<dyn Fn(&Subject<'_>) -> bool + Send + Sync>;

/// What a piece of work is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject<'s> {
    /// An image repository.
    Image,
    /// A remote, by its URL.
    Remote(&'s str),
}

/// Tells Git which remotes a configuration names, all of them, so that a token of the environment goes to nobody else.
pub fn name_remotes(git: &git::Git, automations: &[Arc<Automation>]) {
    git.configure(automations.iter().map(|automation| automation.remote.url.as_str()));
}

/// Does work that takes a while, and lets the other tasks of the runtime go on meanwhile, on another thread if there is no
/// more than one. What is borrowed stays borrowed, unlike with [`apart`]. Whoever looks closely sees which work begins.
pub(crate) fn aside<T>(what: &'static str, work: impl FnOnce() -> T) -> T {
    let work = || {
        tracing::trace!(work = what, "begins");
        work()
    };
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

/// Does work [`aside`] if it takes a while. Another thread that does what this one would costs more than a short work itself.
pub(crate) fn aside_if<T>(is_long: bool, what: &'static str, work: impl FnOnce() -> T) -> T {
    if is_long { aside(what, work) } else { work() }
}

/// Does work that takes a while, on a thread of its own.
pub(crate) fn apart<T: Send + 'static>(what: &'static str, work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    let span = Span::current();
    tokio::task::spawn_blocking(move || {
        let _entered = span.enter();
        tracing::trace!(work = what, "begins");
        work()
    })
}

impl Context<'_> {
    /// What people asked for by hand, as the store says; what was last known when it cannot be read.
    pub(crate) async fn switches(&self) -> Switches {
        let store = self.edges.store.clone();
        let read = apart("read switches", move || store.switches()).await;
        self.memory.switches(read.ok())
    }

    /// Writes down what was done. Where that fails, it is said when it begins to.
    pub(crate) async fn keep_history(&self, records: Vec<Record>) {
        let store = self.edges.store.clone();
        match apart("write history", move || store.record(records)).await {
            Ok(Ok(())) => self.memory.store_works("history"),
            Ok(Err(error)) => self.memory.store_fails("history", &error),
            Err(error) => tracing::error!(%error, "writing down the history was stopped"),
        }
    }

    /// What is known of an image repository before its registry is asked, in this process or in the store.
    pub(crate) async fn known(&self, key: &str) -> Known {
        match self.memory.unsaved_image(key) {
            Some(image) => Known::All(Some(image)),
            // Where that goes wrong, it is tried again once the registry has answered.
            None => self.read(key, Store::known).await.unwrap_or(Known::List { validator: None, is_large: false }),
        }
    }

    /// All that is known of an image repository, in this process or in the store.
    pub(crate) async fn image(&self, key: &str) -> Option<Image> {
        match self.memory.unsaved_image(key) {
            Some(image) => Some(image),
            None => self.read(key, Store::image).await.flatten(),
        }
    }

    /// What is known of the digests of an image repository, in this process or in the store.
    /// None where the store does not work: what is learnt then must not take the place of what is kept.
    pub(crate) async fn digests(&self, key: &str) -> Option<Digests> {
        match self.memory.unsaved_digests(key) {
            Some(digests) => Some(digests),
            None => self.read(key, Store::digests).await.map(Option::unwrap_or_default),
        }
    }

    /// What the store says of an image repository; none where it does not work.
    async fn read<T: Send + 'static>(&self, key: &str, look: fn(&Store, &str) -> Result<T, store::Error>) -> Option<T> {
        let (store, key) = (self.edges.store.clone(), key.to_owned());
        match apart("read a tag list", move || look(&store, &key)).await.ok()? {
            Ok(found) => {
                self.memory.store_works("reading");
                Some(found)
            }
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
            let heard = aside("wait", || told.recv_timeout(Duration::from_secs(60)));
            other.await.unwrap();
            heard
        });
        assert_eq!(runtime.block_on(work).unwrap(), Ok("livez"));
    }

    #[tokio::test]
    async fn a_runtime_of_one_thread_waits() {
        assert_eq!(aside("count", || 1), 1);
    }
}
