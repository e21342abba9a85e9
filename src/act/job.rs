//! One automation on its way to an outcome.

use std::sync::Arc;

use git::CommitId;
use tagwright_core::automation::Automation;
use tagwright_core::change::Diagnostic;
use tagwright_core::difference::Differences;
use tagwright_core::edit::Selections;
use tagwright_core::plan;

use super::requests::Proposes;
use super::second::Behind;
use crate::run::{AutomationReport, Doing, Error, Outcome};

/// One automation on its way to an outcome.
pub(super) struct Job<'a> {
    pub(super) position: usize,
    pub(super) automation: &'a Arc<Automation>,
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
}

/// How one automation ended.
pub(super) struct Ended<'a> {
    pub(super) position: usize,
    pub(super) automation: &'a Arc<Automation>,
    pub(super) report: AutomationReport,
    /// What it has to propose, where it opens pull requests.
    pub(super) proposes: Proposes,
    /// Where its push branch is, which has all of that already.
    pub(super) there: Option<CommitId>,
}

impl<'a> Job<'a> {
    pub(super) fn new(position: usize, automation: &'a Arc<Automation>) -> Self {
        let report = AutomationReport {
            id: automation.id.clone(),
            url: automation.remote.url.clone(),
            branch: String::new(),
            outcome: Outcome::Unchanged,
            edits: Vec::new(),
            remarks: Vec::new(),
            message: String::new(),
            diagnostics: Vec::new(),
            holds: Vec::new(),
            unanswered: 0,
            read: None,
            idle: None,
            request: None,
        };
        Self {
            position,
            automation,
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
        (self.proposes, self.there) = (Proposes::Unknown, None);
    }

    /// Whether what it came to stays true as long as the commits do: what waits for a point in time does not, and neither do
    /// digests that were looked up. What a forge has can change at any time.
    pub(super) fn may_settle(&self) -> bool {
        self.automation.requests.is_none()
            && self.looked_up == 0
            && self.report.holds.iter().all(|held| held.hold.until().is_none())
    }

    /// What this automation has in its commit.
    pub(super) fn contribution(&self) -> plan::Contribution<'_> {
        let Self { automation, selections, differences, .. } = self;
        plan::Contribution { automation, edits: &self.report.edits, selections, differences }
    }

    /// Ends with an outcome.
    pub(super) fn end(mut self, outcome: Outcome) -> Ended<'a> {
        self.report.outcome = outcome;
        self.report.read = self.seen.map(|(commit, _)| commit.to_string());
        let Self { position, automation, report, proposes, there, .. } = self;
        Ended { position, automation, report, proposes, there }
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
