//! What a bot has done, for somebody who publishes it.

use std::collections::BTreeSet;
use std::sync::Arc;

use image::Tag;
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
        /// Image repositories to look at.
        repositories: Vec<Passed>,
        /// Automations to run.
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

/// An image repository that others are to look at.
#[derive(Debug)]
pub struct Passed {
    /// The image repository.
    pub repository: Arc<ImageRepository>,
    /// The automation that brings it along; none where it is an object of its own.
    pub brought: Option<ObjectName>,
    /// The tags that were pushed; none of them where the list is wanted.
    pub tags: BTreeSet<Tag>,
}
