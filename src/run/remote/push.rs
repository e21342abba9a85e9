//! One push branch: the commits made for it, and what becomes of them.

use super::target::Target;
use super::{Done, Job};
use crate::automation::Push;
use crate::git::{Advertisement, CommitId, Expected, Mirror, Outcome as Pushed, RefUpdate};
use crate::run::outcome::{Error, Outcome};
use crate::run::progress::{Progress, Stage};

/// One push branch with the commits made for it so far.
pub(super) struct Head<'a> {
    /// The branch, without `refs/heads/`.
    pub(super) branch: String,
    /// The newest commit; the base as long as there is none.
    pub(super) tip: CommitId,
    old: Option<CommitId>,
    commits: Vec<(Job<'a>, CommitId)>,
}

impl<'a> Head<'a> {
    pub(super) fn new(target: Target) -> Self {
        Self { branch: target.branch, tip: target.base, old: target.old, commits: Vec::new() }
    }

    /// Takes an automation's commit, made on the tip.
    pub(super) fn add(&mut self, job: Job<'a>, commit: CommitId) {
        self.tip = commit;
        self.commits.push((job, commit));
    }

    /// Ends a dry run.
    pub(super) fn would_push(self, done: &mut Done) -> Vec<Job<'a>> {
        for (mut job, _) in self.commits {
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
        progress: &Progress,
        done: &mut Done,
    ) -> Vec<Job<'a>> {
        if self.commits.is_empty() {
            return Vec::new();
        }
        let reference = format!("refs/heads/{}", self.branch);
        let expected = self.old.map_or(Expected::Absent, Expected::At);
        let update = RefUpdate { reference: reference.clone(), expected, new: self.tip };
        let options = options(self.commits.iter().map(|(job, _)| &job.automation.push));
        let url = self.commits[0].0.report.url.clone();
        progress.at(Stage::Push, &url);
        let pushed = match mirror.push(&[update], &options).await {
            Ok(pushed) => pushed,
            Err(source) => {
                let source = std::sync::Arc::new(source);
                for (job, _) in self.commits {
                    let source = std::sync::Arc::clone(&source);
                    done.fail(job, Error::Git { doing: "push to", url: url.clone(), source });
                }
                return Vec::new();
            }
        };
        match pushed.results.into_iter().next().map(|result| result.outcome) {
            Some(Pushed::Updated | Pushed::UpToDate) => {
                self.second_destinations(mirror, advertisement, done).await;
                Vec::new()
            }
            Some(Pushed::Moved { .. }) | None => self.commits.into_iter().map(|(job, _)| job).collect(),
            // One commit may be what the remote does not want, and the others fine: each gets its own push.
            Some(Pushed::Declined { .. }) if self.commits.len() > 1 => {
                self.commits.into_iter().map(|(job, _)| Job { alone: true, ..job }).collect()
            }
            Some(Pushed::Declined { reason }) => {
                for (job, _) in self.commits {
                    let (url, reference) = (url.clone(), reference.clone());
                    let (reason, words) = (reason.clone(), pushed.words.clone());
                    done.fail(job, Error::Declined { url, reference, reason, words });
                }
                Vec::new()
            }
        }
    }

    /// Pushes the refspecs of automations whose commit is on the push branch now, and ends them.
    async fn second_destinations(self, mirror: &Mirror, advertisement: &Advertisement, done: &mut Done) {
        let Self { branch, old, tip, commits } = self;
        let ours: Vec<CommitId> = old.into_iter().chain(commits.iter().map(|(_, commit)| *commit)).collect();
        for (mut job, commit) in commits {
            tracing::info!(
                automation = %job.report.id,
                git.remote = job.report.url,
                git.commit = %commit,
                push.branch = branch,
                "pushed a commit"
            );
            let switching = job.automation.push.branch.is_some();
            let spec = job.automation.push.refspec.as_deref();
            let update = spec.and_then(|spec| second(spec, &branch, tip, switching, &ours, advertisement).transpose());
            let outcome = match update {
                None => Ok(()),
                Some(Err(destination)) => Err(Error::Diverged { url: job.report.url.clone(), destination }),
                Some(Ok(update)) => push_second(mirror, &job, update).await,
            };
            match outcome {
                Ok(()) => {
                    job.report.outcome = Outcome::Pushed { commit: commit.to_string() };
                    done.end(job);
                }
                Err(error) => done.fail(job, error),
            }
        }
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
        advertisement.find(source).map(crate::git::Advertised::commit)
    };
    let Some(new) = new else { return Ok(None) };
    let expected = match advertisement.find(destination).map(crate::git::Advertised::commit) {
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
