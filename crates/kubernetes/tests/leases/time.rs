//! The paused clock of tokio as the clock of leases, which may go on by itself as it does in a process that is frozen.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kubernetes::lease::Clock;
use tokio::time::Instant;

/// Longer than anything takes in these tests.
const WITHIN: Duration = Duration::from_secs(600);

/// A clock, and what it is ahead of the timers.
#[derive(Clone)]
pub(crate) struct Time {
    start: Instant,
    ahead: Arc<AtomicU64>,
}

impl Time {
    pub(crate) fn new() -> Time {
        Time { start: Instant::now(), ahead: Arc::new(AtomicU64::new(0)) }
    }

    pub(crate) fn clock(&self) -> Clock {
        let time = self.clone();
        Clock::new(move || time.start.elapsed() + Duration::from_secs(1_000 + time.ahead.load(Ordering::Relaxed)))
    }

    /// How long it is since the test began, by the timers.
    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Lets the clock go on without the timers, and without anybody doing anything.
    pub(crate) fn freeze(&self, span: Duration) {
        self.ahead.fetch_add(span.as_secs(), Ordering::Relaxed);
    }
}

/// What comes of it, which it does within the time of a test.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(WITHIN, future).await.expect("it does not happen")
}
