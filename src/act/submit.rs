//! What is submitted, as a commit: the job of an automation without policies, so that remotes, races, freezes, signatures, pull requests
//! and records are those of the others.

use git::{At, CommitId, Mirror, Snapshot};
use tagwright_core::plan::Plan;
use tagwright_core::submit::index::Index;
use tagwright_core::submit::{self, Found, GitSync, MAX_FILE_BYTES, Refused, Submission, There, index};

use super::commit::{Draft, Written, new_commit};
use super::job::Job;
use super::record;
use super::remote::{self, Remote};
use super::requests::Proposes;
use crate::observe::Polls;
use crate::run::{AutomationReport, Context, Doing, Error, Outcome, Progress, Queue, Stage, aside, guards};

/// The most bytes of all files that a submission is held against.
const MAX_READ: usize = 128 << 20;

/// The lists of submitters, below their folder.
const LISTS: git::Criteria = git::Criteria {
    rule: "lists-of-submitters-1",
    is_candidate: |name| name.contains('_'),
    contains: |_| true,
    max_bytes: index::MAX_BYTES,
    max_total: MAX_READ,
};

/// What is submitted, and where to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Submits<'s> {
    sync: &'s GitSync,
    submission: &'s Submission,
}

/// Writes resources into the Git repository of a [`GitSync`]: one fetch, one commit, one push, and where the branch has moved meanwhile,
/// all of it anew. Nothing is committed where the files say the same already.
///
/// The outcome and what became of each file are in the report; with [`Mode::DryRun`](crate::run::Mode::DryRun) nothing is pushed. A process
/// that does other work on the same remote does one after the other.
///
/// ```no_run
/// use tagwright::run::{Context, Edges, Memory, Mode, Progress};
/// use tagwright_core::submit::{Input, Secrets, Submission};
///
/// # async fn example(edges: Edges) -> Result<(), Box<dyn std::error::Error>> {
/// let configuration = tagwright::config::parse("sync.yaml", "
/// apiVersion: tagwright.dev/v1alpha1
/// kind: GitSync
/// metadata: {name: rendered}
/// spec:
///   url: https://git.example.com/acme/config.git
///   branch: main
///   path: clusters/prod
///   prune: true
/// ")?;
/// let sync = &configuration.syncs[0];
/// let text = "{apiVersion: v1, kind: ConfigMap, metadata: {name: app, namespace: shop}}";
/// let submission = Submission::read(&[Input { name: "app", text }], sync.secrets)?;
/// let memory = Memory::default();
/// let context = Context {
///     edges: &edges,
///     memory: &memory,
///     mode: Mode::Push,
///     now: jiff::Timestamp::now(),
///     summarise: false,
///     gate: None,
/// };
/// let report = tagwright::act::submit(context, sync, &submission, &Progress::default()).await;
/// println!("{}", report.outcome.as_str());
/// # Ok(())
/// # }
/// ```
pub async fn submit(
    context: Context<'_>,
    sync: &GitSync,
    submission: &Submission,
    progress: &Progress,
) -> AutomationReport {
    submit_by("", context, sync, submission, progress).await
}

/// As [`submit()`], for somebody whom the record of it names.
pub(crate) async fn submit_by(
    by: &str,
    context: Context<'_>,
    sync: &GitSync,
    submission: &Submission,
    progress: &Progress,
) -> AutomationReport {
    let automation = &sync.automation;
    let queues = Queue::of_remotes(std::slice::from_ref(automation));
    let (due, polls) = ([automation.id.clone()].into(), Polls::default());
    let mut reports = Vec::new();
    for queue in &queues {
        let submits = Some(Submits { sync, submission });
        let (ended, _) = Box::pin(remote::run(context, queue, &due, &polls, (progress, submits))).await;
        reports.extend(ended.into_iter().map(|ended| ended.report));
    }
    record::record(context, &reports, by, progress).await;
    // One automation has one remote, and one end.
    reports.pop().unwrap_or_else(|| Job::new(0, automation).end(Outcome::Unchanged).report)
}

impl<'r> Remote<'r> {
    /// Plans a submission on a commit.
    pub(super) async fn draft_of_submission(
        &mut self,
        mirror: &Mirror,
        job: &mut Job<'r>,
        Submits { sync, submission }: Submits<'r>,
        (position, base): (usize, CommitId),
    ) -> Result<Draft<'r>, Error> {
        let automation = job.automation;
        self.progress.at(Stage::Plan, &automation.id.to_string());
        let failed = |source| Error::git(Doing::Read, &automation.remote.url, source);
        let refused = |source: Refused| Error::Submit { sync: automation.id.clone(), source: Box::new(source) };
        let snapshot = mirror.snapshot(base).await.map_err(failed)?;
        let list = snapshot.look(vec![sync.index()], index::MAX_BYTES, index::MAX_BYTES).await.map_err(failed)?;
        let list = list.into_iter().next().map_or(Found::Nothing, found);
        let index = sync.list(&list).map_err(refused)?;
        let paths = aside("lay out", || sync.paths(submission, &index)).map_err(refused)?;
        let at = snapshot.look(paths.looked_at.clone(), MAX_FILE_BYTES, MAX_READ).await.map_err(failed)?;
        let files = paths.looked_at.iter().cloned().zip(at.into_iter().map(found)).collect();
        let others = if sync.prune { self.others(&snapshot, sync).await? } else { Vec::new() };
        let there = There { list, others, files };
        let planned = aside("plan", || submit::plan(sync, submission, &paths, &there));
        let mut planned = planned.map_err(refused)?;
        let guards = guards(automation, &self.switches, self.context.now);
        let plan = Plan { edits: std::mem::take(&mut planned.edits), ..Plan::default() };
        job.report.submitted = Some(planned);
        Ok(Draft { at: position, files: Vec::new(), guards, plan })
    }

    /// The lists of the other submitters to the same folder.
    async fn others(&self, snapshot: &Snapshot, sync: &GitSync) -> Result<Vec<Index>, Error> {
        let automation = &sync.automation;
        let found = snapshot.search(&[sync.lists()], LISTS).await;
        let found = found.map_err(|source| Error::git(Doing::Read, &automation.remote.url, source))?;
        let refused = |path: &str| {
            let source = Box::new(Refused::Index { path: path.to_owned() });
            Error::Submit { sync: automation.id.clone(), source }
        };
        if let Some(skipped) = found.skipped.first() {
            return Err(refused(&skipped.path));
        }
        let others = found.files.iter().filter(|file| file.path != sync.index());
        others.map(|file| Index::read(&file.bytes).ok_or_else(|| refused(&file.path))).collect()
    }

    /// Makes the commit of a submission, if there is anything to change.
    pub(super) async fn commit_submission(
        &mut self,
        mirror: &Mirror,
        job: &mut Job<'r>,
        draft: Draft<'r>,
        tip: CommitId,
    ) -> Result<Written, Error> {
        let automation = job.automation;
        let Draft { guards, plan, .. } = draft;
        let Some(planned) = job.report.submitted.clone() else { return Ok(Written::Nothing(Outcome::Unchanged)) };
        if plan.edits.is_empty() {
            if automation.requests.is_some() && guards.everything.is_none() {
                job.proposes = Proposes::Nothing;
            }
            return Ok(Written::Nothing(Outcome::Unchanged));
        }
        if let Some(hold) = &guards.everything {
            return Ok(Written::Nothing(Outcome::Held { reason: hold.to_string() }));
        }
        let rendered = aside("render", || submit::message(automation, &planned));
        job.report.message = rendered.map_err(Error::Message)?;
        if automation.requests.is_some() {
            let proposal = submit::proposal(automation, &planned, &job.report.message).map_err(Error::Message)?;
            job.proposes = Proposes::Changes(Box::new(proposal));
        }
        job.report.edits = plan.edits;
        let mut edits = self.new_files(&mut job.report.edits);
        edits.retain(|edit| !planned.deleted.contains(&edit.path));
        let removals: Vec<String> = planned.deleted.iter().cloned().collect();
        let failed = |source| Error::git(Doing::Read, &automation.remote.url, source);
        let details = new_commit(tip, automation, job.report.message.clone(), self.context.now);
        let snapshot = mirror.snapshot(tip).await.map_err(failed)?;
        match snapshot.commit_changes(edits, removals, details).await.map_err(failed)? {
            Some(commit) => Ok(Written::Commit(commit)),
            None => Ok(Written::Nothing(Outcome::Unchanged)),
        }
    }
}

fn found(at: At) -> Found {
    match at {
        At::Nothing => Found::Nothing,
        At::Alike(other) => Found::Alike(other),
        At::File(bytes) => Found::File(bytes),
        At::Other => Found::Other,
    }
}
