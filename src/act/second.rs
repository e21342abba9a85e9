//! The second destination of an automation's commits: `git.push.refspec`.
//!
//! It is pushed after the push branch. What it lacks is written down before it is tried, so that a run that is cut off, or a
//! destination that declines, is made up for by the next run.

use git::{Advertisement, CommitId, Expected, Mirror, Outcome as Pushed, RefUpdate, Want};

use super::head::options;
use super::job::{Ended, Job};
use crate::run::{Context, Error, Outcome, Progress, Stage, aside};
use crate::store::Owed;

/// A push branch that was pushed.
pub(super) struct Branch<'b> {
    /// Without `refs/heads/`.
    pub(super) name: &'b str,
    /// What it was before.
    pub(super) old: Option<CommitId>,
    /// What it is.
    pub(super) tip: CommitId,
}

/// Pushes the refspecs of automations whose commit is on the push branch now, and ends them.
///
/// What several automations ask for is pushed once.
pub(super) async fn push_all<'a>(
    mirror: &Mirror,
    advertisement: &Advertisement,
    (context, progress): (Context<'_>, &Progress),
    Branch { name: branch, old, tip }: Branch<'_>,
    commits: &[CommitId],
    pushed: Vec<(Job<'a>, CommitId)>,
) -> Vec<Ended<'a>> {
    let ours: Vec<CommitId> = old.into_iter().chain(commits.iter().copied()).collect();
    let mut ended = Vec::with_capacity(pushed.len());
    let mut there: Vec<RefUpdate> = Vec::new();
    for (job, commit) in pushed {
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
        let update = spec.and_then(|spec| update(spec, branch, tip, switching, &known, advertisement).transpose());
        let debt = spec.map(|spec| Owed {
            url: job.report.url.clone(),
            refspec: spec.to_owned(),
            branch: branch.to_owned(),
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
        ended.push(job.end(Outcome::Pushed { commit: commit.to_string(), missed }));
    }
    ended
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
    let owed = aside(|| context.edges.store.owed(&job.automation.id.to_string())).ok().flatten()?;
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
    let update = match update(&owed.refspec, &owed.branch, tip, switching, &ours, &advertisement) {
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

/// The update that a refspec asks for; none when its source does not exist or its destination is there already.
///
/// # Errors
/// The destination's name, if it exists and has commits that ours does not build on.
fn update(
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
