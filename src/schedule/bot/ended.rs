//! The end of a task: its result goes into the agenda, the status and the log.

use std::collections::BTreeSet;
use std::sync::Arc;

use otlp::Origin;
use tagwright_core::automation::ObjectName;
use tagwright_core::guard::Hold;
use tokio::time::Instant;

use super::journal::{Subject, Trouble};
use super::origins::ByName;
use super::rows::Change;
use super::shared::State;
use crate::act::Acted;
use crate::failure::{Failure, Kind};
use crate::metrics::{Metrics, Rejected};
use crate::observe::{LookedUp, Polled};
use crate::run::{AutomationReport, Error, Outcome, PolicyReport};
use crate::schedule::agenda::{self, Ending, Moment, Ran, Work};
use crate::schedule::done::Done;

impl State {
    /// Takes in what a poll came to.
    pub(super) fn polled(&mut self, key: &str, number: u64, polled: &Polled, now: Moment) {
        for report in &polled.policies {
            self.polls.take(report);
            self.moved(report, now);
            match self.rows.polled(&self.configured, report, now.time) {
                // A failed poll is told by itself.
                Change::Nothing(_) if !polled.failures.is_empty() => {}
                change => tell(&report.id.marker(), change),
            }
        }
        if let Some(subject) = self.image(key) {
            match polled.failures.first() {
                Some(error) => self.fails(subject, Trouble::from(error), now),
                None => self.works(&subject, now),
            }
        }
        self.journal.counts.polls += 1;
        self.journal.counts.polls_failed += usize::from(!polled.failures.is_empty());
        self.metrics.polled(polled.failures.is_empty());
        self.metrics.moved(polled.policies.iter().map(|report| report.moved.len()).sum());
        let until = |report: &Arc<PolicyReport>| {
            [report.hold.as_ref().and_then(Hold::until), report.wakes].into_iter().flatten().min()
        };
        let until = polled.policies.iter().filter_map(until).min();
        let (ending, changed) = (most_hopeful(polled.failures.iter()), &polled.changed);
        self.agenda.polled(&agenda::Polled { repository: key, number, ending, changed, until }, now);
        if let Some(newest) = polled.newest {
            let quiet = now.time.duration_since(newest).try_into().unwrap_or_default();
            self.agenda.rest(key, quiet, now);
        }
    }

    /// Takes in what a look-up of digests between two polls came to.
    pub(super) fn looked_up(&mut self, key: &str, number: u64, looked_up: &LookedUp, now: Moment) {
        for report in &looked_up.policies {
            self.polls.take(report);
            tell(&report.id.marker(), self.rows.polled(&self.configured, report, now.time));
        }
        for (policy, reason) in &looked_up.lacking {
            self.rows.poll_failed(&self.configured, policy, reason, now.time);
        }
        if let Some(subject) = self.image(key) {
            match looked_up.failures.first() {
                Some(error) => self.fails(subject, Trouble::from(error), now),
                // That one digest can be had says nothing of the others, nor of the list.
                None if self.rows.is_ready(&self.configured, key) => self.works(&subject, now),
                None => {}
            }
        }
        self.journal.counts.look_ups += 1;
        self.journal.counts.look_ups_failed += usize::from(!looked_up.failures.is_empty());
        self.metrics.looked_up(looked_up.failures.is_empty());
        let (ending, changed) = (most_hopeful(looked_up.failures.iter()), &looked_up.changed);
        self.agenda.polled(&agenda::Polled { repository: key, number, ending, changed, until: None }, now);
    }

    /// Takes in what a run came to.
    pub(super) fn acted(&mut self, url: &str, number: u64, due: &BTreeSet<ObjectName>, acted: &Acted, now: Moment) {
        let mut failing: BTreeSet<Subject> = BTreeSet::new();
        let digest = |error: &Error| {
            let what = if let Error::Registry { image, .. } = error { image.clone() } else { error.to_string() };
            Subject::Digest(url.to_owned(), what)
        };
        for error in &acted.failures {
            self.fails(digest(error), Trouble::from(error), now);
            failing.insert(digest(error));
        }
        self.digests(url, &failing, now);
        let mut ran: Vec<Ran> = Vec::new();
        for report in &acted.automations {
            self.rows.ran(report, now.time);
            count(&self.metrics, report);
            self.ran(report, now);
            let of_groups = report.groups.iter().filter(|group| group.commit.is_some()).count();
            let is_one = matches!(report.outcome, Outcome::Pushed { .. });
            self.journal.committed(of_groups.max(usize::from(is_one)));
            if let Some(error) = report.outcome.error() {
                let subject = culprit(report, error);
                self.fails(subject.clone(), Trouble::from(error), now);
                failing.insert(subject);
            } else {
                tracing::debug!(automation = %report.id, outcome = report.outcome.as_str(), "ran");
            }
            let until = report.holds.iter().filter_map(|held| held.hold.until()).min();
            ran.push(Ran { automation: report.id.clone(), ending: self.ending(report, &acted.failures), until });
        }
        let automations = due.iter().map(|id| Subject::Automation(id.to_string()));
        for subject in automations.chain([Subject::Remote(url.to_owned())]) {
            if !failing.contains(&subject) {
                self.works(&subject, now);
            }
        }
        self.journal.counts.runs += 1;
        self.journal.counts.runs_failed += usize::from(!failing.is_empty());
        self.agenda.ran(url, number, &ran, now);
    }

    /// Takes in what became of what somebody has submitted.
    pub(super) fn submitted(&mut self, report: &AutomationReport, now: Moment) {
        self.told_of(report, now);
        match report.outcome.error() {
            Some(error) => self.fails(culprit(report, error), Trouble::from(error), now),
            None => {
                self.works(&Subject::Automation(report.id.to_string()), now);
                self.works(&Subject::Remote(report.url.clone()), now);
            }
        }
    }

    /// Takes in what found out that policies select something else, for those who look at traces.
    pub(super) fn found(&mut self, changed: &BTreeSet<ObjectName>, origin: Option<&Origin>) {
        self.origins.found(&self.configured, changed, origin);
    }

    /// Puts back what a task goes back to that ended without a result.
    pub(super) fn put_back(&mut self, work: &Work, taken: ByName) {
        match work {
            Work::Poll { .. } | Work::LookUp { .. } => self.origins.poll_failed(taken),
            Work::Run { .. } => self.origins.run_failed(taken, |_| true),
        }
    }

    /// As [`State::lost`]; returns what that is for somebody who publishes it.
    pub(super) fn give_up(
        &mut self,
        (work, began): (Work, Instant),
        kind: Kind,
        message: String,
        now: Moment,
    ) -> Option<Done> {
        let repository = match &work {
            Work::Poll { repository: key, .. } => {
                self.configured.watched(key).map(|watched| Arc::clone(&watched.repository))
            }
            Work::LookUp { .. } | Work::Run { .. } => None,
        };
        self.lost(&work, kind, &message, now);
        match work {
            Work::Poll { .. } => repository.map(|repository| Done::PollLost { repository, message, began }),
            Work::LookUp { .. } => None,
            Work::Run { due, .. } => Some(Done::RunLost { due, message, began }),
        }
    }

    /// Takes in that a piece of work may not begin now; it is tried again.
    pub(super) fn put_off(&mut self, work: &Work, now: Moment) {
        let ending = Ending::Failed { kind: Kind::Transient, retry_after: None };
        match work {
            Work::Poll { repository, number, .. } | Work::LookUp { repository, number, .. } => {
                let changed = BTreeSet::new();
                let polled = agenda::Polled { repository, number: *number, ending, changed: &changed, until: None };
                self.agenda.polled(&polled, now);
            }
            Work::Run { remote, number, due } => {
                let ran = due.iter().map(|id| Ran { automation: id.clone(), ending, until: None });
                self.agenda.ran(remote, *number, &ran.collect::<Vec<_>>(), now);
            }
        }
    }

    /// Takes in that a task ended without a result: it took too long, it hung, it panicked.
    pub(super) fn lost(&mut self, work: &Work, kind: Kind, message: &str, now: Moment) {
        let ending = Ending::Failed { kind, retry_after: None };
        match work {
            Work::Poll { repository: key, number, .. } => {
                let policies = self.configured.watched(key).map(|watched| watched.policies.clone()).unwrap_or_default();
                for policy in policies {
                    self.rows.poll_failed(&self.configured, &policy.id, message, now.time);
                }
                if let Some(subject) = self.image(key) {
                    self.fails(subject, Trouble::new(kind, message), now);
                }
                self.journal.counts.polls += 1;
                self.journal.counts.polls_failed += 1;
                self.metrics.polled(false);
                let changed = BTreeSet::new();
                self.agenda.polled(
                    &agenda::Polled { repository: key, number: *number, ending, changed: &changed, until: None },
                    now,
                );
            }
            Work::LookUp { repository: key, number, policies } => {
                policies.iter().for_each(|policy| self.rows.poll_failed(&self.configured, policy, message, now.time));
                if let Some(subject) = self.image(key) {
                    self.fails(subject, Trouble::new(kind, message), now);
                }
                self.journal.counts.look_ups += 1;
                self.journal.counts.look_ups_failed += 1;
                self.metrics.looked_up(false);
                let changed = BTreeSet::new();
                self.agenda.polled(
                    &agenda::Polled { repository: key, number: *number, ending, changed: &changed, until: None },
                    now,
                );
            }
            Work::Run { remote: url, number, due } => {
                due.iter().for_each(|id| self.rows.run_failed(id, message, now.time));
                due.iter().for_each(|_| self.metrics.ran("failed", 0));
                self.fails(Subject::Remote(url.to_string()), Trouble::new(kind, message), now);
                self.journal.counts.runs += 1;
                self.journal.counts.runs_failed += 1;
                let ran = due.iter().map(|id| Ran { automation: id.clone(), ending, until: None });
                self.agenda.ran(url, *number, &ran.collect::<Vec<_>>(), now);
            }
        }
    }

    /// The ending of an automation. One that lacks a digest is not done, even where it had something else to do.
    fn ending(&self, report: &AutomationReport, failures: &[Error]) -> Ending {
        if let Some(error) = report.outcome.error() {
            return most_hopeful(std::iter::once(error));
        }
        if failures.is_empty() {
            return Ending::Done;
        }
        let automation = self.configured.automations.iter().find(|automation| automation.id == report.id);
        let policies = automation.map(|it| it.policies.as_slice()).unwrap_or_default();
        let images: Vec<String> = policies.iter().map(|policy| format!("{}:", policy.repository.image)).collect();
        let is_lacking = |error: &&Error| match error {
            Error::Registry { image, .. } => images.iter().any(|name| image.starts_with(name.as_str())),
            _ => false,
        };
        most_hopeful(failures.iter().filter(is_lacking))
    }

    fn image(&self, key: &str) -> Option<Subject> {
        let watched = self.configured.watched(key)?;
        Some(Subject::Image(key.to_owned(), watched.repository.image.name().to_owned()))
    }
}

/// Counts how a run of an automation ended.
fn count(metrics: &Metrics, report: &AutomationReport) {
    metrics.ran(report.outcome.as_str(), report.changes().count());
    match report.outcome.error() {
        Some(Error::Declined { .. }) => metrics.rejected(Rejected::Declined),
        Some(Error::Busy { .. }) => metrics.rejected(Rejected::Busy),
        Some(Error::RaceLost { .. }) => metrics.rejected(Rejected::Race),
        Some(Error::Diverged { .. } | Error::FarBehind { .. }) => metrics.rejected(Rejected::Diverged),
        _ => {}
    }
}

/// Logs what has changed for a policy.
fn tell(policy: &str, change: Change) {
    match change {
        Change::None => {}
        Change::First(selected) => tracing::debug!(policy.name = policy, %selected, "selects a tag"),
        Change::Other(before, selected) if before.tag == selected.tag => {
            tracing::info!(policy.name = policy, %before, %selected, "selects another digest");
        }
        Change::Other(before, selected) => {
            tracing::info!(policy.name = policy, %before, %selected, "selects another tag");
        }
        Change::Doubted(reason) => tracing::warn!(policy.name = policy, reason, "keeps its selection"),
        Change::Nothing(reason) => tracing::warn!(policy.name = policy, reason, "selects nothing"),
    }
}

/// The subject of an automation's failure: the remote, for all of them, or itself.
fn culprit(report: &AutomationReport, error: &Error) -> Subject {
    match error {
        Error::Git { url, .. } => Subject::Remote(url.clone()),
        _ => Subject::Automation(report.id.to_string()),
    }
}

/// The next try that several failures call for together: a transient one is worth trying again, whatever the others are.
/// No failure is success.
fn most_hopeful<'e>(errors: impl Iterator<Item = &'e Error>) -> Ending {
    let failures = errors.map(Failure::from).map(|failure| (failure.kind(), failure.retry_after()));
    let together = failures.reduce(|(kind, wait), (other, other_wait)| (kind.min(other), wait.max(other_wait)));
    together.map_or(Ending::Done, |(kind, retry_after)| Ending::Failed { kind, retry_after })
}
