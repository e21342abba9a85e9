//! One push branch: the commits made for it, and what becomes of them.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use git::{Advertisement, CommitId, Expected, Mirror, Outcome as Pushed, RefUpdate, Want};
use tagwright_core::automation::{Automation, Batch, Push};
use tagwright_core::plan;
use tracing::Instrument as _;

use super::commit::new_commit;
use super::job::{Ended, Job, fail_all};
use super::remote::Attempt;
use super::second;
use crate::observe::push_branch::{PushBranch, Replaced};
use crate::observe::reverts::Line;
use crate::run::{Context, Doing, Error, Kind, Outcome, Progress, Stage, Subject, aside};
use crate::trace;

/// One push branch with the commits made for it so far.
pub(super) struct Head<'a> {
    /// The remote, without credentials.
    pub(super) url: String,
    /// The branch, without `refs/heads/`.
    pub(super) branch: String,
    /// The branch whose history tells what people took back, and where releases are obeyed.
    pub(super) followed: String,
    /// Whether it is that of a group of an automation's changes.
    is_of_group: bool,
    /// The commit that was fetched.
    pub(super) base: CommitId,
    /// The newest commit; the base as long as there is none.
    pub(super) tip: CommitId,
    /// What was fetched.
    pub(super) want: Want,
    old: Option<CommitId>,
    /// What the push branch has that this is to replace, if it begins anew.
    replaced: Option<Replaced>,
    pub(super) commits: Vec<Made<'a>>,
    /// The files that the commits change.
    edited: HashSet<String>,
}

/// One commit and the automations that it is for.
pub(super) struct Made<'a> {
    pub(super) commit: CommitId,
    pub(super) parent: CommitId,
    jobs: Vec<Job<'a>>,
    /// Whether it is the last of several, one for each automation, that are to become one.
    open: bool,
}

impl<'a> Head<'a> {
    /// One that is fetched. `base_branch` is the one that a group of changes goes to.
    pub(super) fn new(url: &str, branch: PushBranch, base_branch: Option<&str>) -> Self {
        let PushBranch { base, name: branch, old, want, replaced, .. } = branch;
        Self {
            url: url.to_owned(),
            followed: base_branch.map_or_else(|| branch.clone(), str::to_owned),
            is_of_group: base_branch.is_some(),
            branch,
            base,
            tip: base,
            want,
            old,
            replaced,
            commits: Vec::new(),
            edited: HashSet::new(),
        }
    }

    /// The line of commits that ends here.
    pub(super) fn line<'l>(&'l self, mirror: &'l Mirror, advertisement: &'l Advertisement) -> Line<'l> {
        Line { mirror, advertisement, branch: &self.branch, want: &self.want, tip: self.tip }
    }

    /// Whether both are of groups and stand on the same commit, so that their history is the same.
    pub(super) fn stands_with(&self, other: &Self) -> bool {
        let together = self.is_of_group && other.is_of_group && self.commits.is_empty() && other.commits.is_empty();
        together && (self.tip, &self.want, &self.followed) == (other.tip, &other.want, &other.followed)
    }

    /// Whether the forge makes its commits.
    pub(super) fn is_by_forge(&self) -> bool {
        self.jobs().any(|job| job.automation.commit.by_forge)
    }

    /// Whether a commit of a job can go in the same push as those that are there: one that the forge makes stands on what the forge has.
    pub(super) fn suits(&self, job: &Job<'_>) -> bool {
        self.jobs().next().is_none_or(|first| maker(first.automation) == maker(job.automation))
    }

    /// Whether one of the commits changes this file.
    pub(super) fn has_edited(&self, path: &str) -> bool {
        self.edited.contains(path)
    }

    /// Takes an automation's commit, made on the tip. It becomes one with the commit before it where both automations want
    /// that and commit alike: when all of them are there ([`Head::join`]), since what one commit says of many is worked out
    /// once then, or at once for those of which the common message failed. Returns the automation if it does not fit.
    pub(super) async fn add(
        &mut self,
        mirror: &Mirror,
        job: Job<'a>,
        commit: CommitId,
        context: Context<'_>,
    ) -> Option<Ended<'a>> {
        self.edited.extend(job.report.edits.iter().map(|edit| edit.path.clone()));
        let Some(made) = self.commits.last_mut().filter(|made| made.takes(&job)) else {
            self.commits.push(Made { commit, parent: self.tip, jobs: vec![job], open: false });
            self.tip = commit;
            return None;
        };
        let (stepwise, before) = (job.stepwise, made.commit);
        made.jobs.push(job);
        (made.commit, made.open) = (commit, true);
        if stepwise && let Err(error) = made.join(mirror, context).await {
            (made.commit, made.open) = (before, false);
            return made.jobs.pop().map(|job| job.fail(error));
        }
        self.tip = made.commit;
        None
    }

    /// Makes one commit of those that several automations share, unless `next` shares it as well. When that fails, returns
    /// the automations: they have to be planned again, and joined one by one to find out which of them does not fit.
    pub(super) async fn join(&mut self, mirror: &Mirror, next: Option<&Job<'_>>, context: Context<'_>) -> Vec<Job<'a>> {
        let is_open = |made: &&mut Made<'_>| made.open && !next.is_some_and(|job| made.takes(job));
        let Some(made) = self.commits.last_mut().filter(is_open) else { return Vec::new() };
        if made.join(mirror, context).await.is_ok() {
            self.tip = made.commit;
            return Vec::new();
        }
        self.tip = made.parent;
        let jobs = self.commits.pop().into_iter().flat_map(|made| made.jobs);
        jobs.map(|job| Job { stepwise: true, ..job }).collect()
    }

    /// Ends a dry run: with what is in the way of a push, or of the one to the second destination, if that is known.
    pub(super) async fn would_push(
        self,
        mirror: &Mirror,
        advertisement: &Advertisement,
        obstacle: Option<&Arc<git::Error>>,
    ) -> Vec<Ended<'a>> {
        let (name, old, tip) = (self.branch.clone(), self.old, self.tip);
        let branch = second::Branch { name: &name, old, tip };
        let mut ended = Vec::new();
        for job in self.into_jobs().collect::<Vec<_>>() {
            let error = match obstacle {
                Some(source) => {
                    let (url, source) = (job.report.url.clone(), Arc::clone(source));
                    Some(Error::Git { doing: Doing::Push, url, source })
                }
                None => second::obstacle(mirror, advertisement, branch, &job).await,
            };
            ended.push(match error {
                Some(error) => job.fail(error),
                None => job.end(Outcome::WouldPush),
            });
        }
        ended
    }

    /// Whether there is anything to push.
    pub(super) const fn is_empty(&self) -> bool {
        self.commits.is_empty()
    }

    /// Whether it may be pushed together with others: a push has one set of options, and second destinations follow one branch.
    pub(super) fn goes_with_others(&self) -> bool {
        let is_plain = |job: &Job<'_>| {
            let push = &job.automation.push;
            job.automation.requests.is_some() && push.options.is_empty() && push.refspec.is_none() && !job.alone
        };
        !self.is_empty() && self.jobs().all(is_plain)
    }

    fn update(&self) -> RefUpdate {
        let expected = self.old.map_or(Expected::Absent, Expected::At);
        RefUpdate { reference: format!("refs/heads/{}", self.branch), expected, new: self.tip }
    }

    /// Pushes all commits at once, then the second destinations.
    ///
    /// Push options are those of the automations together, since a push has one set of them.
    pub(super) async fn push(
        self,
        mirror: &Mirror,
        advertisement: &Advertisement,
        context: Context<'_>,
        progress: &Progress,
    ) -> Attempt<'a> {
        if self.commits.is_empty() {
            return Attempt::default();
        }
        Self::push_together(vec![self], mirror, advertisement, context, progress).await
    }

    /// Pushes branches of one remote in one push, then the second destinations.
    pub(super) async fn push_together(
        heads: Vec<Self>,
        mirror: &Mirror,
        advertisement: &Advertisement,
        context: Context<'_>,
        progress: &Progress,
    ) -> Attempt<'a> {
        let Some(first) = heads.first() else { return Attempt::default() };
        let url = first.url.clone();
        let updates: Vec<RefUpdate> = heads.iter().map(Self::update).collect();
        let options = options(heads.iter().flat_map(Self::jobs).map(|job| &job.automation.push));
        let is_alone = heads.iter().flat_map(Self::jobs).count() == 1;
        progress.at(Stage::Push, &url);
        if context.gate.is_some_and(|gate| !gate(&Subject::Remote(&url))) {
            let jobs = heads.into_iter().flat_map(Self::into_jobs);
            return Attempt::ended(jobs.map(|job| job.fail(Error::LeaseLost { url: url.clone() })).collect());
        }
        let debts = heads.iter().flat_map(|head| second::debts(head.pushed_branch(), head.jobs())).collect();
        second::owe(context, debts).await;
        let span = trace::push(&url, heads.iter().map(|head| (&*head.branch, head.tip.to_string())));
        let pushed = match mirror.push(&updates, &options).instrument(span.clone()).await {
            Ok(pushed) => pushed,
            // It is not known whether the push has happened; what is owed stays until the next run has looked.
            Err(source) => {
                trace::failed(&span, Kind::from(source.kind()), &source.to_string());
                return Attempt::ended(fail_all(heads.into_iter().flat_map(Self::into_jobs), Doing::Push, source));
            }
        };
        if pushed.results.iter().any(|result| matches!(result.outcome, Pushed::Moved { .. })) {
            trace::failed(&span, "moved", "the branch has moved, and is planned anew");
        } else if !pushed.results.iter().all(|result| matches!(result.outcome, Pushed::Updated | Pushed::UpToDate)) {
            trace::failed(&span, "declined", "the remote did not take it");
        }
        drop(span);
        let mut attempt = Attempt::default();
        let outcomes: Vec<Option<Pushed>> = pushed.results.into_iter().map(|result| Some(result.outcome)).collect();
        for (head, outcome) in heads.into_iter().zip(outcomes.into_iter().chain(std::iter::repeat_with(|| None))) {
            let answered = (outcome, pushed.words.as_str(), is_alone);
            let one = Box::pin(head.answered(answered, mirror, advertisement, (context, progress))).await;
            attempt.ended.extend(one.ended);
            attempt.again.extend(one.again);
        }
        attempt
    }

    fn pushed_branch(&self) -> second::Branch<'_> {
        second::Branch { name: &self.branch, old: self.old, tip: self.tip }
    }

    /// What becomes of it after a push with this outcome, these words of the remote, and of it alone or not.
    async fn answered(
        self,
        (outcome, words, is_alone): (Option<Pushed>, &str, bool),
        mirror: &Mirror,
        advertisement: &Advertisement,
        (context, progress): (Context<'_>, &Progress),
    ) -> Attempt<'a> {
        let (url, reference) = (self.url.clone(), format!("refs/heads/{}", self.branch));
        if !matches!(outcome, Some(Pushed::Updated | Pushed::UpToDate)) {
            let debts = second::former_debts(self.jobs());
            second::owe(context, debts).await;
        }
        match outcome {
            Some(Pushed::Updated | Pushed::UpToDate) => {
                let (name, old, tip) = (self.branch.clone(), self.old, self.tip);
                // Collected before anything is awaited, as closures must be for a task to take the future.
                let pushed =
                    self.commits.into_iter().flat_map(|made| made.jobs.into_iter().map(move |job| (job, made.commit)));
                let pushed: Vec<(Job<'_>, CommitId)> = pushed.collect();
                let branch = second::Branch { name: &name, old, tip };
                Attempt::ended(second::push_all(mirror, advertisement, (context, progress), branch, pushed).await)
            }
            Some(Pushed::Moved { .. }) | None => Attempt { again: self.into_jobs().collect(), ..Attempt::default() },
            Some(Pushed::Busy { reason }) => {
                let fail = |job: Job<'a>| {
                    let (url, reference) = (url.clone(), reference.clone());
                    job.fail(Error::Busy { url, reference, reason: reason.clone(), words: words.to_owned() })
                };
                Attempt::ended(self.into_jobs().map(fail).collect())
            }
            // One change may be what the remote does not want, and the others fine: each automation gets its own push.
            Some(Pushed::Declined { .. }) if !is_alone => {
                let again = self.into_jobs().map(|job| Job { alone: true, ..job }).collect();
                Attempt { again, ..Attempt::default() }
            }
            Some(Pushed::Declined { reason }) => {
                let decline = |job: Job<'a>| {
                    let (url, reference) = (url.clone(), reference.clone());
                    let (reason, words) = (reason.clone(), words.to_owned());
                    job.fail(Error::Declined { url, reference, reason, words })
                };
                Attempt::ended(self.into_jobs().map(decline).collect())
            }
        }
    }

    pub(super) fn jobs(&self) -> impl Iterator<Item = &Job<'a>> {
        self.commits.iter().flat_map(|made| &made.jobs)
    }

    /// Whether the push branch, which is to begin anew, changes exactly what these commits do, and to the same. It can stay:
    /// whoever looks at it sees no other change, and need not look again.
    pub(super) async fn is_there(&self, mirror: &Mirror) -> bool {
        let Some(Replaced { tip, paths: Some(paths) }) = &self.replaced else { return false };
        let edited = || self.edited.iter().cloned().collect::<BTreeSet<String>>();
        !self.commits.is_empty()
            && *paths == edited()
            && mirror.same(self.tip, *tip, paths.clone()).await.unwrap_or(false)
    }

    /// Where the push branch is that is to begin anew.
    pub(super) fn there(&self) -> Option<CommitId> {
        self.replaced.as_ref().map(|replaced| replaced.tip)
    }

    pub(super) fn into_jobs(self) -> impl Iterator<Item = Job<'a>> {
        self.commits.into_iter().flat_map(|made| made.jobs)
    }
}

impl<'a> Made<'a> {
    /// Whether an automation's changes may be in this commit.
    fn takes(&self, job: &Job<'_>) -> bool {
        let (ours, theirs) = (self.jobs[0].automation, job.automation);
        let together = [ours, theirs].iter().all(|automation| automation.batch == Batch::PerBranch);
        together && ours.commit.style() == theirs.commit.style()
    }

    /// Makes one commit of those of all its automations, of which each stands on the one before.
    async fn join(&mut self, mirror: &Mirror, context: Context<'_>) -> Result<(), Error> {
        let others: Vec<plan::Contribution<'_>> = self.jobs[1..].iter().map(Job::contribution).collect();
        let message =
            aside("render", || plan::message(self.jobs[0].contribution(), &others)).map_err(Error::Message)?;
        let details = new_commit(self.parent, self.jobs[0].automation, message.clone(), context.now);
        let failed = |source| Error::git(Doing::Read, &self.jobs[0].report.url, source);
        let snapshot = mirror.snapshot(self.commit).await.map_err(failed)?;
        self.commit = snapshot.retell(details).await.map_err(failed)?;
        self.open = false;
        for job in &mut self.jobs {
            job.report.message.clone_from(&message);
        }
        Ok(())
    }
}

/// The options of several automations, each key once; the last one wins.
pub(super) fn options<'p>(pushes: impl Iterator<Item = &'p Push>) -> Vec<(String, String)> {
    let merged: BTreeMap<_, _> = pushes.flat_map(|push| push.options.clone()).collect();
    merged.into_iter().collect()
}

/// The forge that makes an automation's commits, as it is named; none where they are made here.
fn maker(automation: &Automation) -> Option<(Option<&str>, Option<&str>)> {
    automation.commit.by_forge.then(|| automation.forge().names())
}
