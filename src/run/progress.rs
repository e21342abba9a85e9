//! Where a task is, so that one that hangs can be told from one that works.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The stages of a run of one remote, in their order, and that of a poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// Asking a registry for tags.
    Poll,
    /// Asking the remote for its references.
    Advertise,
    /// Fetching a commit into the mirror.
    Fetch,
    /// Reading files, looking up digests, planning.
    Plan,
    /// Looking for what people took back.
    History,
    /// Pushing.
    Push,
    /// Writing down what was done.
    Record,
}

impl Stage {
    /// The word for this stage in logs and in the status.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::Advertise => "advertise",
            Self::Fetch => "fetch",
            Self::Plan => "plan",
            Self::History => "history",
            Self::Push => "push",
            Self::Record => "record",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A stage, on what, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The stage.
    pub stage: Stage,
    /// The image repository, the automation or the remote; without credentials.
    pub what: String,
    since: Instant,
}

impl Step {
    /// How long the task has been here.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }
}

/// Where a task is. Clones share it: the task writes, a watchdog reads.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Mutex<Option<Step>>>);

impl Progress {
    /// Says that the task is at a stage now, and on what.
    pub fn at(&self, stage: Stage, what: &str) {
        tracing::debug!(stage = stage.as_str(), what, "at a stage");
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Step { stage, what: what.to_owned(), since: Instant::now() });
    }

    /// Where the task was last; none if it has not begun.
    #[must_use]
    pub fn step(&self) -> Option<Step> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
