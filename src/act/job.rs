//! One automation on its way to an outcome.

use std::sync::Arc;

use git::CommitId;
use tagwright_core::automation::{Automation, Grouping};
use tagwright_core::change::Diagnostic;
use tagwright_core::difference::Differences;
use tagwright_core::edit::Selections;
use tagwright_core::group::Group;
use tagwright_core::plan;

use super::requests::Proposes;
use super::second::Behind;
use super::submit::Submits;
use crate::run::{AutomationReport, Doing, Error, Outcome};

/// A group of an automation's changes, and where it is pushed.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) group: Group,
    /// Its branch, without `refs/heads/`.
    pub(super) branch: String,
}

impl Part {
    /// All changes of an automation, on its push branch; empty if that is the one that is read.
    pub(super) fn whole(automation: &Automation) -> Arc<Self> {
        let branch = automation.push.branch.clone().unwrap_or_default();
        Arc::new(Self { group: Group::whole(), branch })
    }

    /// Whether it is all changes.
    pub(super) fn is_whole(&self) -> bool {
        self.group.grouping == Grouping::Automation
    }
}

/// One automation, or a group of its changes, on its way to an outcome.
pub(super) struct Job<'a> {
    pub(super) position: usize,
    pub(super) automation: &'a Arc<Automation>,
    /// Which of its changes, where that is not all.
    pub(super) part: Option<Arc<Part>>,
    /// What is known of its end so far.
    pub(super) report: AutomationReport,
    /// The remote declined a push of several commits; this one is pushed by itself.
    pub(super) alone: bool,
    /// The message of the commit that it shares with others failed; they are joined one by one.
    pub(super) stepwise: bool,
    /// Why its second destination still lacks an earlier commit, if it does.
    pub(super) behind: Option<Behind>,
    /// What its policies selected.
    pub(super) selections: Selections,
    /// What changed between images, as far as its message wants to know.
    pub(super) differences: Differences,
    /// The commits that decide what it has to do: the one it was planned on, and the one that is read if that is another.
    pub(super) seen: Option<(CommitId, Option<CommitId>)>,
    /// That its push branch lacks what is read, and does not begin anew.
    pub(super) left: Option<Diagnostic>,
    /// What it has to propose, where it opens pull requests.
    pub(super) proposes: Proposes,
    /// Where its push branch is, which has all of that already.
    pub(super) there: Option<CommitId>,
    /// How many digests its selections were completed with.
    pub(super) looked_up: usize,
    /// What is submitted, in place of what policies select.
    pub(super) submits: Option<Submits<'a>>,
}

/// How one automation, or a group of its changes, ended.
pub(super) struct Ended<'a> {
    pub(super) position: usize,
    pub(super) automation: &'a Arc<Automation>,
    /// Which of its changes, where that is not all.
    pub(super) part: Option<Arc<Part>>,
    pub(super) report: AutomationReport,
    /// What it has to propose, where it opens pull requests.
    pub(super) proposes: Proposes,
    /// Where its push branch is, which has all of that already.
    pub(super) there: Option<CommitId>,
}

impl<'a> Job<'a> {
    pub(super) fn new(position: usize, automation: &'a Arc<Automation>) -> Self {
        let report = AutomationReport::new(automation.id.clone(), automation.remote.url.clone());
        Self {
            position,
            automation,
            part: None,
            report,
            alone: false,
            stepwise: false,
            behind: None,
            selections: Selections::new(),
            differences: Differences::new(),
            seen: None,
            left: None,
            proposes: Proposes::Unknown,
            there: None,
            looked_up: 0,
            submits: None,
        }
    }

    /// Drops what an attempt before has planned, which is not to be reported when there is nothing left to do.
    pub(super) fn forget(&mut self) {
        self.report.edits.clear();
        self.report.remarks.clear();
        self.report.message.clear();
        self.report.diagnostics.clear();
        self.report.holds.clear();
        self.report.unanswered = 0;
        self.report.idle = None;
        self.report.submitted = None;
        (self.proposes, self.there) = (Proposes::Unknown, None);
    }

    /// Whether what it came to stays true as long as the commits do: what waits for a point in time does not, and neither do
    /// digests that were looked up. What a forge has can change at any time.
    pub(super) fn may_settle(&self) -> bool {
        self.automation.requests.is_none()
            && self.submits.is_none()
            && self.looked_up == 0
            && self.report.holds.iter().all(|held| held.hold.until().is_none())
    }

    /// The branch that it pushes to, if that is one of its own.
    pub(super) fn branch(&self) -> Option<&str> {
        let own = self.part.as_ref().map(|part| part.branch.as_str());
        own.or(self.automation.push.branch.as_deref())
    }

    /// The group of its changes, as records have it; empty for all.
    pub(super) fn group_key(&self) -> String {
        self.part.as_ref().map(|part| part.group.key()).unwrap_or_default()
    }

    /// What this automation has in its commit.
    pub(super) fn contribution(&self) -> plan::Contribution<'_> {
        let Self { automation, part, selections, differences, .. } = self;
        let group = part.as_ref().map(|part| &part.group);
        plan::Contribution { automation, group, edits: &self.report.edits, selections, differences }
    }

    /// Ends with an outcome.
    pub(super) fn end(mut self, outcome: Outcome) -> Ended<'a> {
        self.report.outcome = outcome;
        self.report.read = self.seen.map(|(commit, _)| commit.to_string());
        let Self { position, automation, part, report, proposes, there, .. } = self;
        Ended { position, automation, part, report, proposes, there }
    }

    pub(super) fn fail(self, error: Error) -> Ended<'a> {
        self.end(Outcome::Failed(error))
    }

    /// Ends with nothing to commit. It failed where its second destination still lacks an earlier commit.
    pub(super) fn rest(mut self, outcome: Outcome) -> Ended<'a> {
        match self.behind.take() {
            Some(behind) => self.fail(behind.error),
            None => self.end(outcome),
        }
    }
}

/// Ends jobs that one failure of the Git edge has stopped.
pub(super) fn fail_all<'a>(
    jobs: impl IntoIterator<Item = Job<'a>>,
    doing: Doing,
    source: git::Error,
) -> Vec<Ended<'a>> {
    let source = Arc::new(source);
    let fail = |job: Job<'a>| {
        let error = Error::Git { doing, url: job.report.url.clone(), source: Arc::clone(&source) };
        job.fail(error)
    };
    jobs.into_iter().map(fail).collect()
}
