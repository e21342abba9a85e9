//! How long a lease is, and how often it is renewed.

use std::time::Duration;

/// The three times of a lease: how long others wait, when its holder stops, how often it is renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    duration: Duration,
    deadline: Duration,
    retry: Duration,
}

/// Why three times are not those of a lease.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimingError {
    /// A Lease counts in whole seconds, from one to about 68 years.
    #[error("a lease duration is at least 1s and less than 2147483648s, not {0:?}")]
    Duration(Duration),
    /// The holder would stop only when others already start.
    #[error("the renew deadline ({deadline:?}) is not shorter than the lease duration ({duration:?})")]
    Deadline {
        /// The renew deadline.
        deadline: Duration,
        /// The duration of the lease.
        duration: Duration,
    },
    /// The holder would stop before it has renewed.
    #[error("the retry period ({retry:?}) is not between 0s and 5/6 of the renew deadline ({deadline:?})")]
    Retry {
        /// The retry period.
        retry: Duration,
        /// The renew deadline.
        deadline: Duration,
    },
}

impl Timing {
    /// Those of Flux's controllers.
    pub const FLUX: Timing = Timing::of(35, 30, 5);
    /// Those of replicas that share the work: a dead one's is taken after 15 to 20 seconds, for 12 writes a minute.
    pub const SHARED: Timing = Timing::of(15, 10, 5);

    const fn of(duration: u64, deadline: u64, retry: u64) -> Timing {
        Timing {
            duration: Duration::from_secs(duration),
            deadline: Duration::from_secs(deadline),
            retry: Duration::from_secs(retry),
        }
    }

    /// A lease of `duration`, whose holder renews it every `retry`, and stops when it could not for `deadline`.
    ///
    /// # Errors
    ///
    /// When one of them does not leave room for the next; the rules are client-go's.
    pub fn new(duration: Duration, deadline: Duration, retry: Duration) -> Result<Timing, TimingError> {
        if duration < Duration::from_secs(1) || i32::try_from(duration.as_secs()).is_err() {
            return Err(TimingError::Duration(duration));
        }
        if deadline >= duration {
            return Err(TimingError::Deadline { deadline, duration });
        }
        if retry.is_zero() || retry * 6 >= deadline * 5 {
            return Err(TimingError::Retry { retry, deadline });
        }
        Ok(Timing { duration, deadline, retry })
    }

    /// How long others wait since they last saw the Lease change.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// How long after its last renewal the holder stops.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        self.deadline
    }

    /// How often the holder renews, and others look.
    #[must_use]
    pub fn retry(&self) -> Duration {
        self.retry
    }

    /// The duration as a Lease says it. Parts of a second are rounded up, so that nobody starts too early.
    pub(crate) fn seconds(&self) -> i32 {
        let whole = self.duration.as_secs() + u64::from(self.duration.subsec_nanos() > 0);
        i32::try_from(whole).unwrap_or(i32::MAX)
    }

    /// How long one request may take when `left` is what is left until the deadline: half of it, so that another try on another
    /// connection has its chance; at least a second, and never past the deadline.
    pub(crate) fn patience(&self, left: Duration) -> Duration {
        (left / 2).max(Duration::from_secs(1)).min(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(duration: u64, deadline: u64, retry: u64) -> Result<Timing, TimingError> {
        Timing::new(Duration::from_millis(duration), Duration::from_millis(deadline), Duration::from_millis(retry))
    }

    #[test]
    fn times_leave_room_for_the_next() {
        assert_eq!(new(35_000, 30_000, 5_000), Ok(Timing::FLUX));
        assert_eq!(new(15_000, 10_000, 5_000), Ok(Timing::SHARED));
        for (duration, deadline, retry, expect) in [
            (999, 500, 100, "a lease duration is at least 1s and less than 2147483648s, not 999ms"),
            (10_000, 10_000, 2_000, "the renew deadline (10s) is not shorter than the lease duration (10s)"),
            (15_000, 10_000, 9_000, "the retry period (9s) is not between 0s and 5/6 of the renew deadline (10s)"),
            (15_000, 10_000, 0, "the retry period (0ns) is not between 0s and 5/6 of the renew deadline (10s)"),
        ] {
            assert_eq!(new(duration, deadline, retry).map_err(|error| error.to_string()), Err(expect.to_owned()));
        }
        assert!(Timing::new(Duration::MAX, Duration::from_secs(2), Duration::from_secs(1)).is_err());
    }

    #[test]
    fn a_lease_says_whole_seconds_and_never_too_few() {
        assert_eq!(new(2_001, 1_500, 500).map(|timing| timing.seconds()), Ok(3));
        assert_eq!(Timing::FLUX.seconds(), 35);
    }
}
