//! One push branch: the commits made for it, and what becomes of them.

use std::collections::HashSet;

use git::{Advertisement, CommitId, Expected, Mirror, Outcome as Pushed, RefUpdate, Want};
use tagwright_core::automation::{Batch, Push};
use tagwright_core::plan;

use super::commit::new_commit;
use super::target::Target;
use super::{Context, Done, Job};
use crate::run::outcome::{Error, Outcome};
use crate::run::progress::{Progress, Stage};
use crate::store::Owed;

/// One push branch with the commits made for it so far.
pub(super) struct Head<'a> {
    /// The branch, without `refs/heads/`.
    pub(super) branch: String,
    /// The newest commit; the base as long as there is none.
    pub(super) tip: CommitId,
    /// What was fetched.
    pub(super) want: Want,
    old: Option<CommitId>,
    commits: Vec<Made<'a>>,
    /// The files that the commits change.
    edited: HashSet<String>,
}

/// One commit and the automations that it is for.
struct Made<'a> {
    commit: CommitId,
    parent: CommitId,
    jobs: Vec<Job<'a>>,
    /// Whether it is the last of several, one for each automation, that are to become one.
    open: bool,
}

impl<'a> Head<'a> {
    pub(super) fn new(target: Target) -> Self {
        let Target { base, branch, old, want } = target;
        Self { branch, tip: base, want, old, commits: Vec::new(), edited: HashSet::new() }
    }

    /// Whether one of the commits changes this file.
    pub(super) fn has_edited(&self, path: &str) -> bool {
        self.edited.contains(path)
    }

    /// Takes an automation's commit, made on the tip. It becomes one with the commit before it where both automations want
    /// that and commit alike: when all of them are there ([`Head::join`]), since what one commit says of many is worked out
    /// once then, or at once for those of which the common message failed.
    pub(super) async fn add(
        &mut self,
        mirror: &Mirror,
        job: Job<'a>,
        commit: CommitId,
        context: Context<'_>,
        done: &mut Done,
    ) {
        self.edited.extend(job.report.edits.iter().map(|edit| edit.path.clone()));
        let Some(made) = self.commits.last_mut().filter(|made| made.takes(&job)) else {
            self.commits.push(Made { commit, parent: self.tip, jobs: vec![job], open: false });
            self.tip = commit;
            return;
        };
        let (stepwise, before) = (job.stepwise, made.commit);
        made.jobs.push(job);
        (made.commit, made.open) = (commit, true);
        if stepwise && let Err(error) = made.join(mirror, context).await {
            (made.commit, made.open) = (before, false);
            if let Some(job) = made.jobs.pop() {
                done.fail(job, error);
            }
            return;
        }
        self.tip = made.commit;
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

    /// Ends a dry run.
    pub(super) fn would_push(self, done: &mut Done) -> Vec<Job<'a>> {
        for mut job in self.commits.into_iter().flat_map(|made| made.jobs) {
            job.report.outcome = Outcome::WouldPush;
            done.end(job);
        }
        Vec::new()
    }

    /// Pushes all commits at once, then the second destinations; returns the automations that have to be planned again.
    ///
    /// Push options are those of the automations together, since a push has one set of them.
    pub(super) async fn push(
        self,
        mirror: &Mirror,
        advertisement: &Advertisement,
        (context, progress): (Context<'_>, &Progress),
        done: &mut Done,
    ) -> Vec<Job<'a>> {
        if self.commits.is_empty() {
            return Vec::new();
        }
        let reference = format!("refs/heads/{}", self.branch);
        let expected = self.old.map_or(Expected::Absent, Expected::At);
        let update = RefUpdate { reference: reference.clone(), expected, new: self.tip };
        let options = options(self.jobs().map(|job| &job.automation.push));
        let url = self.commits[0].jobs[0].report.url.clone();
        progress.at(Stage::Push, &url);
        let pushed = match mirror.push(&[update], &options).await {
            Ok(pushed) => pushed,
            Err(source) => {
                let source = std::sync::Arc::new(source);
                for job in self.into_jobs() {
                    let source = std::sync::Arc::clone(&source);
                    done.fail(job, Error::Git { doing: "push to", url: url.clone(), source });
                }
                return Vec::new();
            }
        };
        match pushed.results.into_iter().next().map(|result| result.outcome) {
            Some(Pushed::Updated | Pushed::UpToDate) => {
                self.second_destinations(mirror, advertisement, (context, progress), done).await;
                Vec::new()
            }
            Some(Pushed::Moved { .. }) | None => self.into_jobs().collect(),
            // One change may be what the remote does not want, and the others fine: each automation gets its own push.
            Some(Pushed::Declined { .. }) if self.jobs().count() > 1 => {
                self.into_jobs().map(|job| Job { alone: true, ..job }).collect()
            }
            Some(Pushed::Declined { reason }) => {
                for job in self.into_jobs() {
                    let (url, reference) = (url.clone(), reference.clone());
                    let (reason, words) = (reason.clone(), pushed.words.clone());
                    done.fail(job, Error::Declined { url, reference, reason, words });
                }
                Vec::new()
            }
        }
    }

    fn jobs(&self) -> impl Iterator<Item = &Job<'a>> {
        self.commits.iter().flat_map(|made| &made.jobs)
    }

    fn into_jobs(self) -> impl Iterator<Item = Job<'a>> {
        self.commits.into_iter().flat_map(|made| made.jobs)
    }

    /// Pushes the refspecs of automations whose commit is on the push branch now, and ends them.
    ///
    /// What several automations ask for is pushed once.
    async fn second_destinations(
        self,
        mirror: &Mirror,
        advertisement: &Advertisement,
        (context, progress): (Context<'_>, &Progress),
        done: &mut Done,
    ) {
        let Self { branch, old, tip, commits, .. } = self;
        let ours: Vec<CommitId> = old.into_iter().chain(commits.iter().map(|made| made.commit)).collect();
        // Collected before anything is awaited, as closures must be for a task to take the future.
        let pushed = commits.into_iter().flat_map(|made| made.jobs.into_iter().map(move |job| (job, made.commit)));
        let pushed: Vec<(Job<'_>, CommitId)> = pushed.collect();
        let mut there: Vec<RefUpdate> = Vec::new();
        for (mut job, commit) in pushed {
            tracing::info!(
                automation = %job.report.id,
                git.remote = job.report.url,
                git.commit = %commit,
                push.branch = branch,
                "pushed a commit"
            );
            let switching = job.automation.push.branch.is_some();
            let spec = job.automation.push.refspec.as_deref();
            // What an earlier run could not bring there is part of what our commits build on.
            let behind = job.behind.as_ref().map(|behind| &behind.owed);
            let behind = behind.filter(|owed| ours.iter().any(|id| id.to_string() == owed.tip));
            let known: Vec<CommitId> = ours.iter().copied().chain(behind.and_then(before)).collect();
            let update = spec.and_then(|spec| second(spec, &branch, tip, switching, &known, advertisement).transpose());
            let debt = spec.map(|spec| Owed {
                url: job.report.url.clone(),
                refspec: spec.to_owned(),
                branch: branch.clone(),
                tip: tip.to_string(),
                before: destination(spec, advertisement).filter(|at| known.contains(at)).map(|at| at.to_string()),
            });
            let missed = match update {
                None => None,
                Some(Err(destination)) => {
                    owe(context, &job, debt).await;
                    Some(Error::Diverged { url: job.report.url.clone(), destination })
                }
                Some(Ok(update)) if there.contains(&update) => None,
                Some(Ok(update)) => {
                    progress.at(Stage::Push, &job.report.url);
                    // Written down before, so that one that is cut off is made up for as well.
                    owe(context, &job, debt).await;
                    match push_second(mirror, &job, update.clone()).await {
                        Ok(()) => {
                            owe(context, &job, None).await;
                            there.push(update);
                            None
                        }
                        Err(error) => Some(error),
                    }
                }
            };
            job.report.outcome = Outcome::Pushed { commit: commit.to_string(), missed };
            done.end(job);
        }
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
        let others: Vec<plan::Part<'_>> = self.jobs[1..].iter().map(Job::part).collect();
        let message = plan::message(self.jobs[0].part(), &others).map_err(Error::Message)?;
        let details = new_commit(self.parent, self.jobs[0].automation, message.clone(), context.now);
        let failed = |source| Error::git("read", &self.jobs[0].report.url, source);
        let snapshot = mirror.snapshot(self.commit).await.map_err(failed)?;
        self.commit = snapshot.retell(details).await.map_err(failed)?;
        self.open = false;
        for job in &mut self.jobs {
            job.report.message.clone_from(&message);
        }
        Ok(())
    }
}

/// What the second destination of an automation has not got from an earlier run, and why not now either.
pub(super) struct Behind {
    pub(super) error: Error,
    owed: Owed,
}

/// Pushes what the second destination of an automation has not got since an earlier run, as long as its push branch is where
/// that run left it. Where somebody has moved it since, the next commit brings all of it.
pub(super) async fn catch_up(context: Context<'_>, mirror: &Mirror, job: &Job<'_>) -> Option<Behind> {
    let refspec = job.automation.push.refspec.as_deref()?;
    let owed = context.edges.store.owed(&job.automation.id.to_string()).ok().flatten()?;
    let caught_up = match owed.url == job.automation.remote.url && owed.refspec == refspec {
        true => bring(mirror, job, &owed).await,
        false => Ok(()),
    };
    match caught_up {
        Ok(()) => {
            owe(context, job, None).await;
            None
        }
        Err(error) => Some(Behind { error, owed }),
    }
}

/// Pushes to a second destination what it has not got.
async fn bring(mirror: &Mirror, job: &Job<'_>, owed: &Owed) -> Result<(), Error> {
    let url = &owed.url;
    let advertisement = mirror.advertise().await.map_err(|source| Error::git("read", url, source))?;
    let Some(tip) = advertisement.branch(&owed.branch).filter(|tip| tip.to_string() == owed.tip) else {
        return Ok(());
    };
    let ours: Vec<CommitId> = before(owed).into_iter().collect();
    let switching = job.automation.push.branch.is_some();
    let update = match second(&owed.refspec, &owed.branch, tip, switching, &ours, &advertisement) {
        Ok(Some(update)) => update,
        Ok(None) => return Ok(()),
        Err(destination) => return Err(Error::Diverged { url: url.clone(), destination }),
    };
    let wants = [Want::Branch(owed.branch.clone())];
    mirror.fetch(&advertisement, &wants).await.map_err(|source| Error::git("fetch from", url, source))?;
    push_second(mirror, job, update).await?;
    tracing::info!(
        automation = %job.report.id,
        git.remote = url,
        git.commit = %tip,
        refspec = owed.refspec,
        "pushed a commit to the second destination"
    );
    Ok(())
}

/// What a second destination was at before.
fn before(owed: &Owed) -> Option<CommitId> {
    CommitId::parse(owed.before.as_deref()?)
}

/// What the destination of a refspec is at.
fn destination(spec: &str, advertisement: &Advertisement) -> Option<CommitId> {
    let (_, destination) = spec.split_once(':')?;
    advertisement.find(destination).map(git::Advertised::commit)
}

/// Writes down what the second destination of an automation has not got.
async fn owe(context: Context<'_>, job: &Job<'_>, owed: Option<Owed>) {
    let (store, id) = (context.edges.store.clone(), job.automation.id.to_string());
    match tokio::task::spawn_blocking(move || store.owe(&id, owed.as_ref())).await {
        Ok(Ok(())) => context.memory.store_works("second destinations"),
        Ok(Err(error)) => context.memory.store_fails("second destinations", &error),
        Err(error) => tracing::error!(%error, "writing down a second destination was stopped"),
    }
}

/// The options of several automations, each key once; the last one wins.
fn options<'p>(pushes: impl Iterator<Item = &'p Push>) -> Vec<(String, String)> {
    let merged: std::collections::BTreeMap<_, _> = pushes.flat_map(|push| push.options.clone()).collect();
    merged.into_iter().collect()
}

/// The update that a refspec asks for; none when its source does not exist or its destination is there already.
///
/// # Errors
/// The destination's name, if it exists and has commits that ours does not build on.
fn second(
    spec: &str,
    branch: &str,
    tip: CommitId,
    switching: bool,
    ours: &[CommitId],
    advertisement: &Advertisement,
) -> Result<Option<RefUpdate>, String> {
    let (forced, spec) = spec.strip_prefix('+').map_or((switching, spec), |spec| (true, spec));
    let Some((source, destination)) = spec.split_once(':') else { return Ok(None) };
    let new = if source.strip_prefix("refs/heads/") == Some(branch) {
        Some(tip)
    } else {
        advertisement.find(source).map(git::Advertised::commit)
    };
    let Some(new) = new else { return Ok(None) };
    let expected = match advertisement.find(destination).map(git::Advertised::commit) {
        Some(there) if there == new => return Ok(None),
        _ if forced => Expected::Any,
        None => Expected::Absent,
        Some(there) if ours.contains(&there) => Expected::At(there),
        Some(_) => return Err(destination.to_owned()),
    };
    Ok(Some(RefUpdate { reference: destination.to_owned(), expected, new }))
}

async fn push_second(mirror: &Mirror, job: &Job<'_>, update: RefUpdate) -> Result<(), Error> {
    let url = job.report.url.clone();
    let reference = update.reference.clone();
    let options = options(std::iter::once(&job.automation.push));
    let pushed =
        mirror.push(&[update], &options).await.map_err(|source| Error::git("push the refspec to", &url, source))?;
    match pushed.results.into_iter().next().map(|result| result.outcome) {
        Some(Pushed::Declined { reason } | Pushed::Moved { reason }) => {
            Err(Error::Declined { url, reference, reason, words: pushed.words })
        }
        _ => Ok(()),
    }
}
