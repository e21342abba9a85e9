//! Tasks under way, watched.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tagwright_core::automation::ObjectName;
use tokio::task::{AbortHandle, Id};

use crate::run::Progress;
use crate::wire::status::WorkStatus;

/// What a task does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Errand {
    /// Polls an image repository.
    Poll {
        /// Its key.
        key: Arc<str>,
        /// The agenda's number of the poll.
        number: u64,
    },
    /// Looks up digests of an image repository's tags.
    LookUp {
        /// The repository's key.
        key: Arc<str>,
        /// The agenda's number of the look-up.
        number: u64,
        /// The policies that select the tags.
        policies: BTreeSet<ObjectName>,
    },
    /// Runs automations of a remote.
    Run {
        /// Its URL.
        url: Arc<str>,
        /// The agenda's number of the run.
        number: u64,
        /// Which automations.
        due: BTreeSet<ObjectName>,
    },
}

/// A task under way.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) errand: Errand,
    /// The image repository or the remote.
    pub(super) subject: String,
    pub(super) progress: Progress,
    /// How long it may be at one stage.
    pub(super) patience: Duration,
    pub(super) abort: AbortHandle,
    /// Since when it is to end, because it hung.
    pub(super) given_up: Option<Duration>,
}

/// A task that hangs, and where.
#[derive(Debug)]
pub(super) struct Hanging {
    pub(super) errand: Errand,
    pub(super) stage: &'static str,
    pub(super) what: String,
    pub(super) stuck: Duration,
}

/// The tasks under way.
#[derive(Debug, Default)]
pub(super) struct Flights(pub(super) HashMap<Id, Flight>);

impl Flights {
    /// Gives up tasks that have not moved for longer than they may; returns them.
    pub(super) fn give_up(&mut self, now: Duration) -> Vec<Hanging> {
        let mut hanging = Vec::new();
        for flight in self.0.values_mut().filter(|flight| flight.given_up.is_none()) {
            let Some(step) = flight.progress.step() else { continue };
            if step.elapsed() > flight.patience {
                flight.given_up = Some(now);
                flight.abort.abort();
                let (errand, stage, stuck) = (flight.errand.clone(), step.stage.as_str(), step.elapsed());
                hanging.push(Hanging { errand, stage, what: step.what, stuck });
            }
        }
        hanging
    }

    /// The longest time for which a task was to end, and did not.
    pub(super) fn longest_stuck(&self, now: Duration) -> Option<(Duration, &Flight)> {
        let stuck = self.0.values().filter_map(|flight| Some((now.saturating_sub(flight.given_up?), flight)));
        stuck.max_by_key(|(time, _)| *time)
    }

    /// Ends all polls and look-ups.
    pub(super) fn cancel_polls(&self) {
        for flight in self.0.values().filter(|flight| !matches!(flight.errand, Errand::Run { .. })) {
            flight.abort.abort();
        }
    }

    /// How many runs are under way.
    pub(super) fn runs(&self) -> usize {
        self.0.values().filter(|flight| matches!(flight.errand, Errand::Run { .. })).count()
    }

    /// What is under way, for the status.
    pub(super) fn status(&self, now: Timestamp) -> Vec<WorkStatus> {
        let work = self.0.values().filter_map(|flight| {
            let step = flight.progress.step()?;
            Some(WorkStatus {
                subject: flight.subject.clone(),
                stage: step.stage.as_str().to_owned(),
                since: now.checked_sub(step.elapsed()).unwrap_or(now),
                what: step.what,
            })
        });
        let mut work: Vec<WorkStatus> = work.collect();
        work.sort_by(|a, b| (a.since, &a.subject).cmp(&(b.since, &b.subject)));
        work
    }
}
