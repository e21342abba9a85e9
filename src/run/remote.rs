//! One Git remote: fetch, plan every automation on the freshly fetched head, commit, push.

mod commit;
mod inspect;
mod past;
mod push;
mod revert;
mod settle;
pub(super) mod survey;
mod target;

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use git::{self, Advertisement, Mirror};
use tagwright_core::automation::{Author, Automation, Batch, ObjectName};
use tagwright_core::edit::Selections;
use tagwright_core::plan;

use self::commit::{Draft, held, marker_name};
use self::push::Head;
use super::digests::Digests;
use super::memory::Basis;
use super::outcome::{AutomationReport, Error, Outcome};
use super::progress::{Progress, Stage};
use super::{Context, Login, Mode};
use crate::store::{Switch, Switches};

pub use self::commit::guards;
pub use self::inspect::{Inspected, inspect, reflected};
pub use self::past::{Past, past};

/// How often a push is tried when the branch keeps moving.
const PUSH_ATTEMPTS: usize = 8;

/// The wait before the second attempt; it doubles, with jitter, up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(50);

/// The longest wait between two attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// What became of the automations of one remote.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// By position in the configuration.
    pub(super) reports: Vec<(usize, AutomationReport)>,
    /// Digest look-ups that failed.
    pub(super) failures: Vec<Error>,
}

impl Done {
    fn end(&mut self, job: Job<'_>) {
        self.reports.push((job.position, job.report));
    }

    /// Ends an automation with nothing to commit. It failed where its second destination still lacks an earlier commit.
    fn rest(&mut self, mut job: Job<'_>) {
        match job.behind.take() {
            Some(behind) => self.fail(job, behind.error),
            None => self.end(job),
        }
    }

    fn fail(&mut self, mut job: Job<'_>, error: Error) {
        job.report.outcome = Outcome::Failed(error);
        self.end(job);
    }
}

/// One automation on its way to an outcome.
struct Job<'a> {
    position: usize,
    automation: &'a Arc<Automation>,
    report: AutomationReport,
    /// The remote declined a push of several commits; this one is pushed by itself.
    alone: bool,
    /// Why its second destination still lacks an earlier commit, if it does.
    behind: Option<push::Behind>,
    /// The message of the commit that it shares with others failed; they are joined one by one.
    stepwise: bool,
    /// What its policies selected.
    selections: Selections,
    /// How many digests its selections were completed with.
    looked_up: usize,
}

impl<'a> Job<'a> {
    fn new((position, automation): (usize, &'a Arc<Automation>)) -> Self {
        let report = AutomationReport {
            id: automation.id.clone(),
            url: automation.remote.url.clone(),
            branch: String::new(),
            outcome: Outcome::Unchanged,
            edits: Vec::new(),
            message: String::new(),
            diagnostics: Vec::new(),
            holds: Vec::new(),
        };
        Self {
            position,
            automation,
            report,
            alone: false,
            stepwise: false,
            behind: None,
            selections: Selections::new(),
            looked_up: 0,
        }
    }

    /// Drops what an attempt before has planned, which is not to be reported when there is nothing left to do.
    fn forget(&mut self) {
        self.report.edits.clear();
        self.report.message.clear();
        self.report.diagnostics.clear();
        self.report.holds.clear();
    }

    /// What this automation has in its commit.
    fn part(&self) -> plan::Part<'_> {
        plan::Part { automation: self.automation, edits: &self.report.edits, selections: &self.selections }
    }
}

/// Runs those of the automations of one URL that are due, one after the other.
pub(super) async fn run(
    context: Context<'_>,
    queue: Vec<Login<'_>>,
    due: &BTreeSet<ObjectName>,
    progress: &Progress,
) -> Done {
    let mut done = Done::default();
    let switches = context.memory.switches(&context.edges.store);
    let automations = queue.iter().flatten().map(|(_, automation)| automation);
    let known: BTreeSet<String> = automations.flat_map(|it| &it.policies).map(|policy| marker_name(policy)).collect();
    let names = settle::names(&known);
    let known = Arc::new(known);
    let automations = queue.iter().flatten().map(|(_, automation)| automation);
    let authors: BTreeSet<&Author> = automations.map(|automation| &automation.commit.author).collect();
    let authors: Vec<Author> = authors.into_iter().cloned().collect();
    for login in queue {
        let login = login.into_iter().filter(|(_, automation)| due.contains(&automation.id));
        let mut jobs: Vec<Job<'_>> = login.map(Job::new).collect();
        for mut job in jobs.extract_if(.., |job| suspended(job.automation, &switches).is_some()) {
            let reason = suspended(job.automation, &switches).unwrap_or_default();
            job.report.outcome = Outcome::Held { reason };
            done.end(job);
        }
        if !jobs.is_empty() {
            let remote = Remote {
                context,
                known: &known,
                authors: &authors,
                names,
                switches: &switches,
                digests: Digests::default(),
                facts: None,
                learnt: Vec::new(),
                progress,
            };
            remote.run(jobs, &mut done).await;
        }
    }
    done
}

/// Why an automation does nothing, if it is suspended: in the configuration, or by hand.
#[must_use]
pub fn suspended(automation: &Automation, switches: &Switches) -> Option<String> {
    if automation.suspended {
        return Some("the automation is suspended".to_owned());
    }
    let Switch { since, reason } = switches.suspended.get(&automation.id.to_string())?;
    let reason = reason.as_ref().map_or_else(String::new, |reason| format!(" ({reason})"));
    Some(format!("suspended by hand since {since:.0}{reason}; `tagwright resume {}` lifts it", automation.id))
}

/// What the automations of one remote work with.
struct Remote<'r> {
    context: Context<'r>,
    /// The policies of all automations of this URL, as markers name them.
    known: &'r Arc<BTreeSet<String>>,
    /// Who commits for the automations of this URL.
    authors: &'r [Author],
    /// What stands for all of these names in the [`Basis`] of each automation.
    names: [u8; 32],
    /// What people asked for by hand.
    switches: &'r Switches,
    digests: Digests,
    /// What the mirror knows of automations with nothing to do, once it was asked.
    facts: Option<HashSet<Basis>>,
    /// Those that are to be added.
    learnt: Vec<Basis>,
    progress: &'r Progress,
}

impl Remote<'_> {
    /// Runs automations that log in alike: again for those that lost a push race, with a pause, until none is left.
    async fn run(mut self, mut jobs: Vec<Job<'_>>, done: &mut Done) {
        let remote = &jobs[0].automation.remote;
        let mirror = match self.context.edges.git.open(&remote.url, &remote.access) {
            Ok(mirror) => mirror,
            Err(source) => return fail_all(jobs, "open", source, done),
        };
        if self.context.mode == Mode::Push {
            for job in &mut jobs {
                job.behind = push::catch_up(self.context, &mirror, job).await;
            }
        }
        let mut waits = ExponentialBuilder::new()
            .with_min_delay(FIRST_WAIT)
            .with_max_delay(LONGEST_WAIT)
            .with_max_times(PUSH_ATTEMPTS - 1)
            .with_jitter()
            .build();
        loop {
            let alone: Vec<Job<'_>> = jobs.extract_if(.., |job| job.alone).collect();
            let mut again = self.attempt(&mirror, jobs, done).await;
            for job in alone {
                again.extend(self.attempt(&mirror, vec![job], done).await);
            }
            jobs = again;
            match waits.next() {
                _ if jobs.is_empty() => return,
                Some(wait) => tokio::time::sleep(wait).await,
                None => break,
            }
        }
        for job in jobs {
            let (url, reference) = (job.report.url.clone(), job.report.branch.clone());
            done.fail(job, Error::RaceLost { url, reference, attempts: PUSH_ATTEMPTS });
        }
    }

    /// Fetches, plans and pushes once; returns the automations that have to be planned again.
    async fn attempt<'j>(&mut self, mirror: &Mirror, mut jobs: Vec<Job<'j>>, done: &mut Done) -> Vec<Job<'j>> {
        if jobs.is_empty() {
            return jobs;
        }
        self.progress.at(Stage::Advertise, &jobs[0].report.url);
        let advertisement = match mirror.advertise().await {
            Ok(advertisement) => advertisement,
            Err(source) => {
                fail_all(jobs, "read", source, done);
                return Vec::new();
            }
        };
        let mut heads: Vec<Head<'j>> = Vec::new();
        // Those that share commits come together, whatever stands between them.
        jobs.sort_by(|a, b| shared(a.automation).cmp(&shared(b.automation)));
        let mut drafts = Vec::new();
        for mut job in jobs {
            match self.plan(mirror, &advertisement, &mut job, &mut heads, done).await {
                Err(error) => done.fail(job, error),
                Ok(None) => done.rest(job),
                Ok(Some(draft)) => drafts.push((job, draft)),
            }
        }
        let mut again = Vec::new();
        for (mut job, draft) in self.look_back(mirror, &advertisement, &heads, drafts, done).await {
            let at = draft.at;
            again.extend(heads[at].join(mirror, Some(&job), self.context).await);
            match self.commit(mirror, &mut job, draft, &advertisement, &heads[at], done).await {
                Err(error) => done.fail(job, error),
                Ok(None) => done.rest(job),
                Ok(Some(commit)) => heads[at].add(mirror, job, commit, self.context, done).await,
            }
        }
        for mut head in heads {
            again.extend(head.join(mirror, None, self.context).await);
            again.extend(match self.context.mode {
                Mode::Push => head.push(mirror, &advertisement, (self.context, self.progress), done).await,
                Mode::DryRun => head.would_push(done),
            });
        }
        self.learn(mirror).await;
        self.context.memory.scans.save(mirror).await;
        again
    }

    /// Plans one automation. None when it is known that there is nothing to do.
    async fn plan<'j>(
        &mut self,
        mirror: &Mirror,
        advertisement: &Advertisement,
        job: &mut Job<'j>,
        heads: &mut Vec<Head<'j>>,
        done: &mut Done,
    ) -> Result<Option<Draft<'j>>, Error> {
        job.forget();
        let Some(at) = self.head(mirror, advertisement, job, heads).await? else { return Ok(None) };
        self.draft(mirror, job, (at, heads[at].tip), done).await.map(Some)
    }

    /// Returns which of the heads an automation is planned on, fetched when it is a new one. None when it is settled.
    async fn head<'j>(
        &mut self,
        mirror: &Mirror,
        advertisement: &Advertisement,
        job: &mut Job<'j>,
        heads: &mut Vec<Head<'j>>,
    ) -> Result<Option<usize>, Error> {
        let aim = target::aim(mirror, advertisement, job.automation).await?;
        job.report.branch.clone_from(&aim.branch);
        let known = heads.iter().position(|head| head.branch == aim.branch);
        let base = known.map_or_else(|| aim.base(advertisement), |at| Some(heads[at].tip));
        if let Some(base) = base
            && let Some(settled) = self.settled(mirror, job.automation, base).await
        {
            job.report.outcome = held(&settled.holds, None);
            (job.report.diagnostics, job.report.holds) = (settled.diagnostics, settled.holds);
            return Ok(None);
        }
        self.progress.at(Stage::Fetch, &job.report.url);
        let target = aim.fetch(mirror, advertisement, &job.report.url).await?;
        Ok(Some(known.unwrap_or_else(|| {
            heads.push(Head::new(target));
            heads.len() - 1
        })))
    }
}

/// How an automation commits, if it shares its commits with others.
fn shared(automation: &Automation) -> Option<impl Ord> {
    (automation.batch == Batch::PerBranch).then(|| automation.commit.style())
}

fn fail_all(jobs: Vec<Job<'_>>, doing: &'static str, source: git::Error, done: &mut Done) {
    let source = Arc::new(source);
    for job in jobs {
        let error = Error::Git { doing, url: job.report.url.clone(), source: Arc::clone(&source) };
        done.fail(job, error);
    }
}
