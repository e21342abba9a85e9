//! The second destination of an automation's commits: `git.push.refspec`.
//!
//! It is pushed after the push branch. What it will lack is written down before either is tried, so that a run that is cut off at
//! any moment, or a destination that declines, is made up for by the next run. Without force it is moved on as git would: where
//! what it is at is an ancestor of what it is to become.

use git::{Advertisement, CommitId, End, Expected, Interest, Mirror, Outcome as Pushed, RefUpdate, Visit, Want};
use tagwright_core::automation::Push;

use super::head::options;
use super::job::{Ended, Job};
use crate::observe::push_branch;
use crate::observe::reverts::GENERATIONS;
use crate::run::{Context, Doing, Error, Outcome, Progress, Stage, apart, aside, summary};
use crate::store::Owed;

/// The most commits that are looked at to find out whether a destination can be moved on.
const MAX_COMMITS: usize = 10_000;

/// A push branch that was pushed, or is about to be.
#[derive(Clone, Copy)]
pub(super) struct Branch<'b> {
    /// Without `refs/heads/`.
    pub(super) name: &'b str,
    /// What it was before.
    pub(super) old: Option<CommitId>,
    /// What it is, or will be.
    pub(super) tip: CommitId,
}

/// What second destinations have not got, by automation; none where they have everything.
pub(super) type Debts = Vec<(String, Option<Owed>)>;

/// What the second destinations of these automations lack once the push branch is pushed.
pub(super) fn debts<'a, 'j>(branch: Branch<'_>, jobs: impl Iterator<Item = &'j Job<'a>>) -> Debts
where
    'a: 'j,
{
    let debt = |job: &Job<'_>| {
        let refspec = job.automation.push.refspec.clone()?;
        let behind = job.behind.as_ref().map(|behind| &behind.owed);
        let owed = Owed {
            url: job.report.url.clone(),
            refspec,
            branch: branch.name.to_owned(),
            base: branch.old.map(|old| old.to_string()),
            tip: branch.tip.to_string(),
            earlier: behind.map(|owed| owed.earlier.as_ref().unwrap_or(&owed.tip).clone()),
        };
        Some((job.automation.id.to_string(), Some(owed)))
    };
    jobs.filter_map(debt).collect()
}

/// What they lack where the remote did not take the push: what they lacked before.
pub(super) fn former_debts<'a, 'j>(jobs: impl Iterator<Item = &'j Job<'a>>) -> Debts
where
    'a: 'j,
{
    let with_refspec = jobs.filter(|job| job.automation.push.refspec.is_some());
    let former = |job: &Job<'_>| job.behind.as_ref().map(|behind| behind.owed.clone());
    with_refspec.map(|job| (job.automation.id.to_string(), former(job))).collect()
}

/// Pushes the refspecs of automations whose commit is on the push branch now, and ends them.
///
/// What several automations ask for is pushed once.
pub(super) async fn push_all<'a>(
    mirror: &Mirror,
    advertisement: &Advertisement,
    (context, progress): (Context<'_>, &Progress),
    branch: Branch<'_>,
    pushed: Vec<(Job<'a>, CommitId)>,
) -> Vec<Ended<'a>> {
    let mut ended = Vec::with_capacity(pushed.len());
    let mut there: Vec<RefUpdate> = Vec::new();
    let mut paid = Debts::new();
    for (job, commit) in pushed {
        tracing::info!(
            automation = job.report.id.to_string(),
            git.remote = job.report.url,
            git.commit = %commit,
            push.branch = branch.name,
            subject = job.report.message.lines().next(),
            changes = summary(job.report.edits.iter().flat_map(|edit| &edit.changes)),
            "pushed a commit"
        );
        let asked = Asked::of(&job.automation.push, (branch.name, branch.tip), advertisement);
        let missed = match asked.filter(|asked| !there.iter().any(|update| asked.is(update))) {
            None => None,
            Some(asked) => {
                progress.at(Stage::Push, &job.report.url);
                match asked.push(mirror, advertisement, &job).await {
                    Ok(update) => {
                        there.push(update);
                        None
                    }
                    Err(error) => Some(error),
                }
            }
        };
        if missed.is_none() && job.automation.push.refspec.is_some() {
            paid.push((job.automation.id.to_string(), None));
        }
        ended.push(job.end(Outcome::Pushed { commit: commit.to_string(), missed }));
    }
    owe(context, paid).await;
    ended
}

/// Finds out why the second destination of an automation would not be moved to what a dry run has made.
pub(super) async fn obstacle(
    mirror: &Mirror,
    advertisement: &Advertisement,
    branch: Branch<'_>,
    job: &Job<'_>,
) -> Option<Error> {
    let asked = Asked::of(&job.automation.push, (branch.name, branch.tip), advertisement)?;
    asked.update(mirror, advertisement, &job.report.url).await.err()
}

/// What the second destination of an automation has not got from an earlier run, and why not now either.
pub(super) struct Behind {
    pub(super) error: Error,
    owed: Owed,
}

/// Pushes what the second destination of an automation has not got since an earlier run, as long as its push branch has that.
/// What people have committed to it since goes with it, as it would with the next commit.
pub(super) async fn catch_up(context: Context<'_>, mirror: &Mirror, job: &Job<'_>) -> Option<Behind> {
    let refspec = job.automation.push.refspec.as_deref()?;
    let owed = aside("read debts", || context.edges.store.owed(&job.automation.id.to_string())).ok().flatten()?;
    let caught_up = match owed.url == job.automation.remote.url && owed.refspec == refspec {
        true => bring(mirror, job, &owed).await,
        false => Ok(()),
    };
    match caught_up {
        Ok(()) => {
            owe(context, vec![(job.automation.id.to_string(), None)]).await;
            None
        }
        Err(error) => Some(Behind { error, owed }),
    }
}

/// Pushes to a second destination what it has not got.
async fn bring(mirror: &Mirror, job: &Job<'_>, owed: &Owed) -> Result<(), Error> {
    let url = &owed.url;
    let mut names = push_branch::names([&**job.automation]);
    names.add_branch(&owed.branch);
    let advertisement = mirror.ask_for(&names).await.map_err(|source| Error::git(Doing::Read, url, source))?;
    let Some(tip) = advertisement.branch(&owed.branch) else { return Ok(()) };
    let was_pushed = was_pushed(mirror, &advertisement, owed, tip).await;
    if !was_pushed.map_err(|source| Error::git(Doing::Fetch, url, source))? {
        return Ok(());
    }
    let Some(asked) = Asked::of(&job.automation.push, (&owed.branch, tip), &advertisement) else { return Ok(()) };
    let update = asked.push(mirror, &advertisement, job).await?;
    tracing::info!(
        automation = job.report.id.to_string(),
        git.remote = url,
        git.commit = %update.new,
        refspec = owed.refspec,
        "pushed a commit to the second destination"
    );
    Ok(())
}

/// Whether the push branch, which is at `tip` now and is fetched, has what a second destination lacks. A push that was cut off may
/// have come to nothing.
async fn was_pushed(
    mirror: &Mirror,
    advertisement: &Advertisement,
    owed: &Owed,
    tip: CommitId,
) -> Result<bool, git::Error> {
    let is_base = owed.base.as_deref() == Some(tip.to_string().as_str());
    let owed_tip = Some(&owed.tip).filter(|_| !is_base);
    let sought: Vec<CommitId> =
        owed_tip.into_iter().chain(&owed.earlier).filter_map(|id| CommitId::parse(id)).collect();
    if sought.is_empty() {
        return Ok(false);
    }
    let want = Want::Branch(owed.branch.clone());
    mirror.fetch(advertisement, std::slice::from_ref(&want)).await?;
    Ok(leads_to(mirror, advertisement, (&want, tip), &sought).await? == Some(true))
}

/// Writes down what second destinations have not got.
pub(super) async fn owe(context: Context<'_>, debts: Debts) {
    if debts.is_empty() {
        return;
    }
    let store = context.edges.store.clone();
    match apart("write debts", move || store.owe(&debts)).await {
        Ok(Ok(())) => context.memory.store_works("second destinations"),
        Ok(Err(error)) => context.memory.store_fails("second destinations", &error),
        Err(error) => tracing::error!(%error, "writing down a second destination was stopped"),
    }
}

/// What a refspec asks for.
struct Asked {
    /// The full name of the second destination.
    destination: String,
    /// What it is at.
    there: Option<CommitId>,
    /// What it is to become.
    new: CommitId,
    /// What has that in its history.
    source: Want,
    is_forced: bool,
}

impl Asked {
    /// None without a refspec, when its source does not exist, or when its destination is there already.
    fn of(push: &Push, (branch, tip): (&str, CommitId), advertisement: &Advertisement) -> Option<Self> {
        let spec = push.refspec.as_deref()?;
        // A push branch of its own begins anew now and then, and what follows it does.
        let is_forced = push.branch.is_some();
        let (source, destination) = spec.split_once(':')?;
        let at = |name: &str| advertisement.find(name).map(git::Advertised::commit);
        let (source, new) = match source.strip_prefix("refs/heads/") == Some(branch) {
            true => (Want::Branch(branch.to_owned()), tip),
            false => (Want::Reference(source.to_owned()), at(source)?),
        };
        let there = at(destination);
        let asked = Self { destination: destination.to_owned(), there, new, source, is_forced };
        (there != Some(new)).then_some(asked)
    }

    /// Whether this has been done.
    fn is(&self, update: &RefUpdate) -> bool {
        self.destination == update.reference && self.new == update.new
    }

    /// The update that moves the destination.
    async fn update(self, mirror: &Mirror, advertisement: &Advertisement, url: &str) -> Result<RefUpdate, Error> {
        let failed = |source| Error::git(Doing::Fetch, url, source);
        if matches!(self.source, Want::Reference(_)) {
            mirror.fetch(advertisement, std::slice::from_ref(&self.source)).await.map_err(failed)?;
        }
        let expected = match self.there {
            _ if self.is_forced => Expected::Any,
            None => Expected::Absent,
            Some(there) => {
                let known = leads_to(mirror, advertisement, (&self.source, self.new), &[there]).await;
                let (url, destination) = (url.to_owned(), self.destination.clone());
                match known.map_err(failed)? {
                    Some(true) => Expected::At(there),
                    Some(false) => return Err(Error::Diverged { url, destination }),
                    None => return Err(Error::FarBehind { url, destination, commit: there.to_string() }),
                }
            }
        };
        Ok(RefUpdate { reference: self.destination, expected, new: self.new })
    }

    /// Moves the destination.
    async fn push(self, mirror: &Mirror, advertisement: &Advertisement, job: &Job<'_>) -> Result<RefUpdate, Error> {
        let update = self.update(mirror, advertisement, &job.report.url).await?;
        push_second(mirror, job, update.clone()).await?;
        Ok(update)
    }
}

/// Whether one of these commits is `tip`, or in the history of it that is deepened as far as needed; none if there is more history than
/// is looked at.
async fn leads_to(
    mirror: &Mirror,
    advertisement: &Advertisement,
    (want, tip): (&Want, CommitId),
    sought: &[CommitId],
) -> Result<Option<bool>, git::Error> {
    let mut depths = GENERATIONS.into_iter();
    loop {
        let sought = sought.to_vec();
        let visit = move |visit: Visit<'_>| match visit {
            Visit::Commit(facts) if sought.contains(&facts.id) => Interest::Drop,
            _ => Interest::Keep,
        };
        match mirror.history(tip, Vec::new(), MAX_COMMITS, visit).await?.ended {
            End::Done => return Ok(Some(true)),
            End::Root => return Ok(Some(false)),
            End::Limit => return Ok(None),
            End::Boundary => match depths.next() {
                Some(generations) => mirror.deepen(advertisement, want, generations).await?,
                None => return Ok(None),
            },
        }
    }
}

async fn push_second(mirror: &Mirror, job: &Job<'_>, update: RefUpdate) -> Result<(), Error> {
    let url = job.report.url.clone();
    let reference = update.reference.clone();
    let options = options(std::iter::once(&job.automation.push));
    let pushed =
        mirror.push(&[update], &options).await.map_err(|source| Error::git(Doing::PushRefspec, &url, source))?;
    match pushed.results.into_iter().next().map(|result| result.outcome) {
        Some(Pushed::Declined { reason } | Pushed::Moved { reason }) => {
            Err(Error::Declined { url, reference, reason, words: pushed.words })
        }
        Some(Pushed::Busy { reason }) => Err(Error::Busy { url, reference, reason, words: pushed.words }),
        _ => Ok(()),
    }
}
