//! The limits, intervals and waits of an agenda.

use std::time::Duration;

use jiff::SignedDuration;

/// The longest wait that the other side may ask for.
pub(crate) use web::MAX_RETRY_AFTER;

/// Polls under way at once.
pub(crate) const CONCURRENT_POLLS: usize = 32;

/// Polls of one registry under way at once.
pub(crate) const CONCURRENT_POLLS_PER_REGISTRY: usize = 16;

/// A poll that has taken this long gives up its place.
pub(crate) const LONG_POLL: Duration = Duration::from_secs(10);

/// Polls under way at once, with those that have given up their places.
pub(crate) const MOST_POLLS: usize = 256;

/// A run that has taken this long gives up its place.
pub(crate) const LONG_RUN: Duration = Duration::from_secs(60);

/// Runs under way at once, with those that have given up their places.
pub(crate) const MOST_RUNS: usize = 64;

/// The share of the time for which a list has got no new tag that the next poll waits, where an interval may be stretched.
pub(crate) const STRETCH: u32 = 20;

/// What would be due within this is due now.
pub(crate) const TOLERANCE: Duration = Duration::from_secs(2);

/// How long a wave is held for automations of its remote that wait for polls.
pub(crate) const FIRST_POLLS: Duration = Duration::from_secs(15);

/// How long an automation waits for polls.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The wait after the first transient failure.
pub(crate) const FIRST_RETRY: Duration = Duration::from_secs(5);

/// The longest wait after a transient failure, where the interval is not shorter.
pub(crate) const LONGEST_RETRY: Duration = Duration::from_secs(15 * 60);

/// The longest that no poll of a registry is begun because one of them was asked to wait. Who asked for it may be a token
/// server or a mirror of one repository, which is not known here; the clients know, and refuse whatever comes too early.
pub(crate) const MAX_REGISTRY_PAUSE: Duration = Duration::from_secs(60);

/// The wait after a failure that only another configuration can help, where the interval is not longer.
pub(crate) const CONFIG_RECHECK: Duration = Duration::from_secs(15 * 60);

/// The shortest wait for a point in time.
pub(crate) const MIN_WAIT: Duration = Duration::from_secs(5);

/// Cron schedules are due up to this much later, so that not all are due in the same second.
pub(crate) const CRON_SPREAD: Duration = Duration::from_secs(10);

/// The longest time between two looks at the clocks.
pub(crate) const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// A wall clock that goes back further than this has jumped.
pub(super) const CLOCK_JUMP: SignedDuration = SignedDuration::from_secs(10);

/// A drift of the wall clock that is worth finding every point in time anew.
pub(super) const CLOCK_DRIFT: SignedDuration = SignedDuration::from_secs(1);
