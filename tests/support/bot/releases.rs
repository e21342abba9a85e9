//! A thread that keeps releasing tags.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::{Chance, World};

/// Releases until it is told to stop.
pub(crate) struct Releases<'s> {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    thread: std::thread::ScopedJoinHandle<'s, ()>,
}

impl<'s> Releases<'s> {
    /// Releases a tag of a random image every `pause`.
    pub(crate) fn start<'e>(
        scope: &'s std::thread::Scope<'s, 'e>,
        world: &'e World,
        seed: u64,
        pause: Duration,
    ) -> Self {
        let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (end, counter) = (Arc::clone(&stop), Arc::clone(&count));
        let thread = scope.spawn(move || {
            let mut chance = Chance::new(seed);
            while !end.load(Ordering::Acquire) {
                world.release(chance.below(world.shape.images));
                counter.fetch_add(1, Ordering::Release);
                std::thread::sleep(pause);
            }
        });
        Self { stop, count, thread }
    }

    /// Ends; returns how many tags were released.
    pub(crate) fn stop(self) -> usize {
        self.stop.store(true, Ordering::Release);
        self.thread.join().unwrap();
        self.count.load(Ordering::Acquire)
    }
}
