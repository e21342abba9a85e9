//! Room for large answers, which one question at a time may have.
//!
//! What a registry sends is bounded for each question, and there may be many questions at once: their bounds would add up to more
//! than a machine has. Small answers need no room. One that grows beyond [`LARGE_BODY`], and a list beyond [`LARGE_LIST`], waits
//! until no other question has any; the wait does not count against the question's deadline.
//!
//! Nobody may wait here with something in hand that the one inside could need, such as the entrance to a host.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// How many bytes of an answer need no room.
pub(crate) const LARGE_BODY: usize = 1024 * 1024;
/// How many tags need no room.
pub(crate) const LARGE_LIST: usize = 20_000;

/// The room. Clones are the same room.
#[derive(Debug, Clone)]
pub(crate) struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

/// The place of one question in the room. It is free for the next one when this is dropped.
#[derive(Debug)]
pub struct Place {
    room: Room,
    taken: OnceCell<Option<OwnedSemaphorePermit>>,
    wait: Mutex<Wait>,
}

#[derive(Debug, Default)]
struct Wait {
    since: Option<Instant>,
    ended: Duration,
}

impl Place {
    pub(crate) fn new(room: &Room) -> Self {
        Self { room: room.clone(), taken: OnceCell::new(), wait: Mutex::default() }
    }

    /// Whether the place is taken.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.taken.initialized()
    }

    /// Takes the place, once the room is free. Taking it again does nothing.
    pub async fn take(&self) {
        if self.is_taken() {
            return;
        }
        let _waiting = Waiting::begin(self);
        // The semaphore is never closed, so that a failure to enter cannot happen.
        self.taken.get_or_init(async || Arc::clone(&self.room.0).acquire_owned().await.ok()).await;
    }

    /// Does work until a deadline, which is later by as long as the work has waited here. None means that time is up.
    pub(crate) async fn within<T>(&self, deadline: Instant, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        let mut end = deadline;
        loop {
            if let Ok(done) = timeout_at(end, &mut work).await {
                return Some(done);
            }
            let later = deadline + self.waited();
            if later <= end {
                return None;
            }
            end = later;
        }
    }

    /// For how long it was waited in all, until now.
    fn waited(&self) -> Duration {
        let wait = self.waits();
        wait.ended + wait.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    fn waits(&self) -> MutexGuard<'_, Wait> {
        self.wait.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A wait that is under way. It ends when this is dropped, also where whoever waits is.
struct Waiting<'p>(&'p Place);

impl<'p> Waiting<'p> {
    fn begin(place: &'p Place) -> Self {
        place.waits().since = Some(Instant::now());
        Self(place)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut wait = self.0.waits();
        let lasted = wait.since.take().map_or(Duration::ZERO, |since| since.elapsed());
        wait.ended += lasted;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_at_a_time_and_waiting_does_not_count() {
        const SECOND: Duration = Duration::from_secs(1);
        let room = Room::default();
        let (first, second) = (Place::new(&room), Place::new(&room));
        first.take().await;
        first.take().await;
        assert_eq!(first.waited(), Duration::ZERO);
        let work = async {
            tokio::time::sleep(SECOND).await;
            second.take().await;
            tokio::time::sleep(SECOND).await;
            second.waited()
        };
        let leaving = async {
            tokio::time::sleep(8 * SECOND).await;
            assert!(!second.is_taken());
            drop(first);
        };
        let deadline = Instant::now() + 3 * SECOND;
        let (waited, ()) = tokio::join!(second.within(deadline, work), leaving);
        assert_eq!(waited, Some(7 * SECOND));
        assert!(second.is_taken());
        let late = second.within(Instant::now() + SECOND, tokio::time::sleep(20 * SECOND)).await;
        assert_eq!(late, None, "but what is not waiting");
    }

    #[tokio::test]
    async fn who_gives_up_waiting_leaves_no_trace() {
        let room = Room::default();
        let (first, second) = (Place::new(&room), Place::new(&room));
        first.take().await;
        assert!(tokio::time::timeout(Duration::from_millis(1), second.take()).await.is_err());
        drop(first);
        let third = Place::new(&room);
        third.take().await;
        assert!(third.is_taken() && !second.is_taken());
    }
}
