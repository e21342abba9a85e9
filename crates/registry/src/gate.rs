//! How many requests to a host are under way at once, where that number may change meanwhile.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many requests are under way at once.
#[derive(Debug)]
pub(crate) struct Gate {
    places: Arc<Semaphore>,
    size: Mutex<Size>,
}

#[derive(Debug)]
struct Size {
    places: usize,
    /// Places that are to go once they are free.
    owed: usize,
}

impl Gate {
    pub(crate) fn new(places: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(places)), size: Mutex::new(Size { places, owed: 0 }) }
    }

    /// Waits for a place. The gate is never closed, so that there always is one in the end.
    pub(crate) async fn enter(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).acquire_owned().await.ok()
    }

    /// Takes another number of places. Those that are too many go once they are free.
    pub(crate) fn resize(&self, to: usize) {
        let mut size = self.size();
        let (more, fewer) = (to.saturating_sub(size.places), size.places.saturating_sub(to));
        let kept = more.min(size.owed);
        size.owed -= kept;
        self.places.add_permits(more - kept);
        size.owed += fewer - self.places.forget_permits(fewer);
        size.places = to;
    }

    /// Gives a place back.
    pub(crate) fn leave(&self, place: OwnedSemaphorePermit) {
        let mut size = self.size();
        if size.owed > 0 {
            size.owed -= 1;
            place.forget();
        }
    }

    fn size(&self) -> MutexGuard<'_, Size> {
        self.size.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
