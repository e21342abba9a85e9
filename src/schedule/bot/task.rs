//! Tasks under way, watched.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use otlp::Origin;
use tokio::task::{AbortHandle, Id};
use tokio::time::Instant;

use super::origins::ByName;
use crate::run::Progress;
use crate::schedule::agenda::Work;
use crate::wire::status::WorkStatus;

/// A task under way.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) work: Work,
    /// The image repository or the remote.
    pub(super) subject: String,
    pub(super) progress: Progress,
    /// When it began, and by the calendar.
    pub(super) began: Instant,
    pub(super) time: Timestamp,
    /// How long it may be at one stage.
    pub(super) patience: Duration,
    pub(super) abort: AbortHandle,
    /// Since when it is to end, because it hung.
    pub(super) given_up: Option<Duration>,
    /// Its span, for those who look at traces, and what that goes back to.
    pub(super) origin: Option<Origin>,
    pub(super) taken: ByName,
}

/// A task that hangs, and where.
#[derive(Debug)]
pub(super) struct Hanging {
    pub(super) work: Work,
    pub(super) began: Instant,
    pub(super) stage: &'static str,
    pub(super) what: String,
    pub(super) stuck: Duration,
    pub(super) taken: ByName,
}

/// The tasks under way.
#[derive(Debug, Default)]
pub(super) struct Tasks(pub(super) HashMap<Id, Task>);

impl Tasks {
    /// Gives up tasks that have not moved for longer than they may; returns them.
    pub(super) fn give_up(&mut self, now: Duration) -> Vec<Hanging> {
        let mut hanging = Vec::new();
        for task in self.0.values_mut().filter(|task| task.given_up.is_none()) {
            let Some(step) = task.progress.step() else { continue };
            if step.elapsed() > task.patience {
                task.given_up = Some(now);
                task.abort.abort();
                let (work, began) = (task.work.clone(), task.began);
                let (stage, stuck) = (step.stage.as_str(), step.elapsed());
                let taken = std::mem::take(&mut task.taken);
                hanging.push(Hanging { work, began, stage, what: step.what, stuck, taken });
            }
        }
        hanging
    }

    /// What they are about: canonical names of image repositories, and URLs of remotes.
    pub(super) fn subjects(&self) -> Vec<String> {
        let subject = |task: &Task| match &task.work {
            // A key is the name of the object and that of the image.
            Work::Poll { repository, .. } | Work::LookUp { repository, .. } => {
                repository.split(' ').nth(1).unwrap_or_default().to_owned()
            }
            Work::Run { remote, .. } => remote.to_string(),
        };
        self.0.values().map(subject).collect()
    }

    /// The longest time for which a task was to end, and did not.
    pub(super) fn longest_stuck(&self, now: Duration) -> Option<(Duration, &Task)> {
        let stuck = self.0.values().filter_map(|task| Some((now.saturating_sub(task.given_up?), task)));
        stuck.max_by_key(|(time, _)| *time)
    }

    /// Ends all polls and look-ups.
    pub(super) fn cancel_polls(&self) {
        for task in self.0.values().filter(|task| !matches!(task.work, Work::Run { .. })) {
            task.abort.abort();
        }
    }

    /// How many runs are under way.
    pub(super) fn runs(&self) -> usize {
        self.0.values().filter(|task| matches!(task.work, Work::Run { .. })).count()
    }

    /// What is under way, for the status.
    pub(super) fn status(&self, now: Timestamp) -> Vec<WorkStatus> {
        let work = self.0.values().filter_map(|task| {
            let step = task.progress.step()?;
            Some(WorkStatus {
                subject: task.subject.clone(),
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
