//! What is told later, by a task of its own: a queue that never makes anybody wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;

/// The end of the queue that is filled, and the task that empties it. The task ends when this is dropped, and leaves what waits.
pub(crate) struct Queue<T> {
    /// What the task does, for the log.
    what: &'static str,
    sender: Option<Sender<T>>,
    lost: Lost,
    task: JoinHandle<()>,
}

/// How much was not told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lost(Arc<AtomicU64>);

impl Lost {
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Counts one more, with the reason. It is logged ever more seldom.
    pub(crate) fn add(&self, what: &'static str, why: &str) {
        let count = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        if count.is_power_of_two() {
            tracing::warn!(lost = count, error = why, "{what} are lost");
        }
    }
}

impl<T: Send + 'static> Queue<T> {
    /// Starts a task that gets what is put into a queue of this length, and counts what it loses.
    pub(crate) fn start<F>(what: &'static str, length: usize, work: impl FnOnce(Receiver<T>, Lost) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (sender, receiver) = channel(length);
        let lost = Lost::default();
        let task = tokio::spawn(work(receiver, lost.clone()));
        Self { what, sender: Some(sender), lost, task }
    }

    /// Puts something into the queue; where there is no room, it is lost and counted.
    pub(crate) fn put(&self, item: T) {
        let is_lost = self.sender.as_ref().is_none_or(|sender| sender.try_send(item).is_err());
        if is_lost {
            self.lost.add(self.what, "too much waits to be sent");
        }
    }

    /// How much was not told, for whatever reason.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.count()
    }

    /// Waits until all that waits has been told, but not for longer than this.
    pub(crate) async fn finish(mut self, within: Duration) {
        self.sender = None;
        let _ = tokio::time::timeout(within, &mut self.task).await;
    }
}

impl<T> Drop for Queue<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}
