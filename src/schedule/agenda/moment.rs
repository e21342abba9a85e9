//! A point in time, told by two clocks.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// A point in time, told by the clock that only ever goes on and by the one on the wall, which may jump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Since the start of the process.
    pub(crate) elapsed: Duration,
    /// On the wall.
    pub(crate) time: Timestamp,
}

impl Moment {
    /// How long the process will have run at a time, if the wall clock goes on as it does now. What is past is now.
    #[must_use]
    pub(crate) fn elapsed_at(self, time: Timestamp) -> Duration {
        let ahead = Duration::try_from(time.duration_since(self.time)).unwrap_or_default();
        self.elapsed.saturating_add(ahead)
    }

    /// The time at which the process will have run for this long.
    #[must_use]
    pub(crate) fn time_at(self, elapsed: Duration) -> Timestamp {
        self.start().checked_add(elapsed).unwrap_or(Timestamp::MAX)
    }

    /// How far the wall clock has moved against the other one since an earlier moment.
    pub(super) fn jump(self, earlier: Self) -> SignedDuration {
        self.start().duration_since(earlier.start())
    }

    /// What the wall clock would have shown at the start of the process, had it always gone as it does now.
    fn start(self) -> Timestamp {
        self.time.checked_sub(self.elapsed).unwrap_or(Timestamp::MIN)
    }
}
