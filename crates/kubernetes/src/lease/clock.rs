//! The clock that leases are judged by.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A clock that nobody sets, and that only this process reads: the time since some moment that stays the same.
///
/// [`Clock::system`] goes on while the machine is suspended (`CLOCK_BOOTTIME`), where the system has such a clock. `CLOCK_MONOTONIC`,
/// and with it `std::time::Instant` and the timers of tokio, stands still then: a holder on a laptop whose lid was closed for an hour would
/// take itself for the holder until the timers have caught up.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Duration + Send + Sync>);

impl Clock {
    /// The system's.
    #[must_use]
    pub fn system() -> Clock {
        Clock::new(since_boot)
    }

    /// A clock that is read by calling `read`, which must never go back.
    pub fn new(read: impl Fn() -> Duration + Send + Sync + 'static) -> Clock {
        Clock(Arc::new(read))
    }

    /// What it shows.
    #[must_use]
    pub fn now(&self) -> Duration {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clock").field(&self.now()).finish()
    }
}

fn since_boot() -> Duration {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let clock = rustix::time::ClockId::Boottime;
    // Elsewhere this is the one that goes on (macOS), or there is none.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let clock = rustix::time::ClockId::Monotonic;
    let time = rustix::time::clock_gettime(clock);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_on_and_never_back() {
        let clock = Clock::system();
        let before = clock.now();
        assert!(before > Duration::ZERO);
        assert!(clock.now() >= before);
    }
}
