//! What a bot has done, for somebody who publishes it.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use tagwright_core::automation::{ImageRepository, ObjectName};
use tokio::time::Instant;

use crate::act::Acted;
use crate::observe::{LookedUp, Polled};

/// What a bot has done.
#[derive(Debug)]
pub enum Done {
    /// It has polled an image repository.
    Polled {
        /// The image repository.
        repository: Arc<ImageRepository>,
        /// What that came to.
        polled: Polled,
        /// When it began.
        began: Instant,
    },
    /// It has looked up digests between two polls.
    LookedUp {
        /// What that came to.
        looked_up: LookedUp,
        /// When it began.
        began: Instant,
    },
    /// It has run automations of one remote.
    Acted {
        /// Those that were due.
        due: BTreeSet<ObjectName>,
        /// What that came to.
        acted: Acted,
        /// When it began, by the calendar.
        time: Timestamp,
        /// When it began.
        began: Instant,
    },
    /// It has given up a poll: it took too long, it hung, it broke.
    PollLost {
        /// The image repository.
        repository: Arc<ImageRepository>,
        /// Why.
        message: String,
        /// When it began.
        began: Instant,
    },
    /// It was told by a webhook of what others of several processes work on.
    Arrived {
        /// Image repositories that are objects of their own.
        repositories: Vec<ObjectName>,
        /// Automations: to run, or to poll what they bring along.
        automations: Vec<ObjectName>,
    },
    /// It has given up a run.
    RunLost {
        /// The automations that were due.
        due: BTreeSet<ObjectName>,
        /// Why.
        message: String,
        /// When it began.
        began: Instant,
    },
}
