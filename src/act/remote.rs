//! One Git remote: fetch, plan every automation on the freshly fetched head, commit, push.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use futures_util::FutureExt as _;
use git::{Advertisement, Mirror};
use jiff::SignedDuration;
use tagwright_core::automation::{Author, Automation, Batch, ObjectName};
use tagwright_core::plan::FileEdit;
use tokio::time::Instant;
use tracing::{Instrument as _, Span};

use super::branches::Branches;
use super::by_forge;
use super::commit::{Draft, Written, held};
use super::groups::Reads;
use super::head::Head;
use super::job::{Ended, Job, fail_all};
use super::requests::{Awaited, Known};
use super::second;
use super::settle;
use super::submit::Submits;
use crate::observe::{Digests, Polls, push_branch};
use crate::run::{
    Basis, Context, Doing, Error, Freeze, Kind, Mode, Outcome, Progress, Queue, Stage, freeze, suspended,
};
use crate::store::Switches;
use crate::trace;

/// How often a push is tried when the branch keeps moving.
const PUSH_ATTEMPTS: usize = 8;

/// The wait before the second attempt; it doubles, with jitter, up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(50);

/// The longest wait between two attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// Runs those of the automations of one URL that are due, one after the other, or what is submitted to the one that is. Returns how
/// they ended, and the look-ups of digests that failed.
pub(super) async fn run<'a>(
    context: Context<'a>,
    queue: &'a Queue,
    due: &BTreeSet<ObjectName>,
    polls: &'a Polls,
    (progress, submits): (&'a Progress, Option<Submits<'a>>),
) -> (Vec<Ended<'a>>, Vec<Error>) {
    let (mut ended, mut failures) = (Vec::new(), Vec::new());
    let switches = Arc::new(context.switches().await);
    let policies = queue.automations().flat_map(|automation| &automation.policies);
    let known: Arc<BTreeSet<String>> = Arc::new(policies.map(|policy| policy.id.marker()).collect());
    let names = settle::names(&known);
    let authors: BTreeSet<&Author> = queue.automations().map(|automation| &automation.commit.author).collect();
    let authors: Arc<[Author]> = authors.into_iter().cloned().collect();
    let branches = Arc::new(Branches::of(context, queue).await);
    for login in queue.logins() {
        let due = login.iter().filter(|(_, automation)| due.contains(&automation.id));
        let mut jobs = Vec::new();
        for mut job in due.map(|(position, automation)| Job::new(*position, automation)) {
            job.submits = submits;
            match (suspended(job.automation, &switches), branches.shared(queue, job.automation)) {
                (Some(reason), _) => ended.push(job.end(Outcome::Held { reason })),
                (None, Some(error)) => ended.push(job.fail(error)),
                (None, None) => jobs.push(job),
            }
        }
        if !jobs.is_empty() {
            let mut remote = Remote {
                context,
                polls,
                known: Arc::clone(&known),
                authors: Arc::clone(&authors),
                names,
                switches: Arc::clone(&switches),
                digests: Digests::default(),
                facts: None,
                learnt: Vec::new(),
                requests: Known::of(queue),
                reads: Reads::default(),
                branches: Arc::clone(&branches),
                awaited: Vec::new(),
                progress,
                reported: 0,
                began: Instant::now(),
            };
            let proposes = jobs.iter().any(|job| job.automation.requests.is_some());
            let requests = |doing| if proposes { trace::requests(doing) } else { Span::none() };
            let look = async {
                Box::pin(remote.obey_comments(&jobs)).await;
                remote.look_at_requests(&jobs).await;
            };
            Box::pin(look).instrument(requests("look")).await;
            // Of no type that names all that is within: the compiler gives up on those that go as deep as this.
            let pushed = remote.run(queue, jobs).boxed().await;
            let settle = async {
                let settled = remote.settle_requests(pushed).await;
                Box::pin(remote.answer_rebases(&settled)).await;
                settled
            };
            let settled = Box::pin(settle).instrument(requests("settle")).await;
            ended.extend(settled);
            failures.extend(remote.digests.into_failures());
        }
    }
    (ended, failures)
}

/// What the automations of one remote work with.
pub(super) struct Remote<'r> {
    pub(super) context: Context<'r>,
    /// What the last polls came to.
    pub(super) polls: &'r Polls,
    /// The policies of all automations of this URL, as markers name them.
    pub(super) known: Arc<BTreeSet<String>>,
    /// Who commits for the automations of this URL.
    pub(super) authors: Arc<[Author]>,
    /// What stands for all of these names in the [`Basis`] of each automation.
    pub(super) names: [u8; 32],
    /// What people asked for by hand.
    pub(super) switches: Arc<Switches>,
    pub(super) digests: Digests,
    /// What the mirror knows of automations with nothing to do, once it was asked.
    pub(super) facts: Option<HashSet<Basis>>,
    /// Those that are to be added.
    pub(super) learnt: Vec<Basis>,
    /// What is known of pull requests.
    pub(super) requests: Known,
    /// What was last read for automations with groups.
    pub(super) reads: Reads,
    /// The branches on which requests were open when the wave began.
    pub(super) branches: Arc<Branches>,
    /// Who waits for an answer to a `/rebase`.
    pub(super) awaited: Vec<Awaited>,
    pub(super) progress: &'r Progress,
    /// How much text the reports have so far.
    reported: usize,
    /// When it was the context's `now`.
    began: Instant,
}

/// How much text the plans of one attempt hold before those that are left wait for the next: 48 MiB of files as they were and as they
/// will be. What one automation holds is bounded by what is read of files.
const MAX_PLANNED: usize = 48 << 20;

/// How much text the reports of a wave keep, for whoever shows differences: 16 MiB.
const MAX_REPORTED: usize = 16 << 20;

/// The most branches of pull requests that go in one push.
const MAX_TOGETHER: usize = 500;

/// What one attempt to push came to.
#[derive(Default)]
pub(super) struct Attempt<'a> {
    pub(super) ended: Vec<Ended<'a>>,
    /// Those that have to be planned again.
    pub(super) again: Vec<Job<'a>>,
    /// Those that were not planned yet, since the others change enough.
    pub(super) later: Vec<Job<'a>>,
}

impl<'r> Attempt<'r> {
    pub(super) fn ended(ended: Vec<Ended<'r>>) -> Self {
        Self { ended, ..Self::default() }
    }
}

/// What became of the plan of one automation.
enum Planned<'a> {
    /// It is known that there is nothing to do.
    Settled(Outcome),
    /// What it would do.
    Draft(Box<Draft<'a>>),
}

impl<'r> Remote<'r> {
    /// Runs automations that log in alike: again for those that lost a push race, with a pause, until none is left.
    async fn run(&mut self, queue: &'r Queue, mut jobs: Vec<Job<'r>>) -> Vec<Ended<'r>> {
        let remote = &jobs[0].automation.remote;
        let mirror = match self.context.edges.git.open(&remote.url, &remote.access) {
            Ok(mirror) => mirror,
            Err(source) => return fail_all(jobs, Doing::Open, source),
        };
        if self.context.mode == Mode::Push {
            for job in &mut jobs {
                if matches!(freeze(job.automation, &self.switches, self.context.now), Freeze::Whole(_)) {
                    continue;
                }
                job.behind = second::catch_up(self.context, &mirror, job).await;
            }
        }
        let mut waits = ExponentialBuilder::new()
            .with_min_delay(FIRST_WAIT)
            .with_max_delay(LONGEST_WAIT)
            .with_max_times(PUSH_ATTEMPTS - 1)
            .with_jitter()
            .build();
        let (mut jobs, mut ended) = Box::pin(self.split(&mirror, queue, jobs)).await;
        let mut lost = Vec::new();
        loop {
            let (alone, together): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| job.alone);
            let mut attempt = self.attempt(&mirror, together).await;
            for job in alone {
                let one = self.attempt(&mirror, vec![job]).await;
                attempt.ended.extend(one.ended);
                attempt.again.extend(one.again);
            }
            ended.extend(attempt.ended);
            jobs = attempt.again;
            if !attempt.later.is_empty() {
                // Each attempt ends, or loses a race for, those that it has planned.
                lost.append(&mut jobs);
                jobs = attempt.later;
                continue;
            }
            jobs.append(&mut lost);
            match waits.next() {
                _ if jobs.is_empty() => return ended,
                Some(wait) => tokio::time::sleep(wait).await,
                None => break,
            }
        }
        ended.extend(jobs.into_iter().map(|job| {
            let (url, reference) = (job.report.url.clone(), job.report.branch.clone());
            job.fail(Error::RaceLost { url, reference, attempts: PUSH_ATTEMPTS })
        }));
        ended
    }

    /// The new files of what an automation commits. Where the reports of the wave have enough text, it goes with them.
    pub(super) fn new_files(&mut self, edits: &mut [FileEdit]) -> Vec<git::Edit> {
        self.reported += text(edits);
        let is_kept = self.context.mode == Mode::DryRun || self.reported <= MAX_REPORTED;
        let new = |edit: &mut FileEdit| {
            let path = edit.path.clone();
            if is_kept {
                return git::Edit { path, bytes: edit.new.clone() };
            }
            edit.old = Vec::new();
            git::Edit { path, bytes: std::mem::take(&mut edit.new) }
        };
        edits.iter_mut().map(new).collect()
    }

    /// Fetches, plans and pushes once.
    async fn attempt(&mut self, mirror: &Mirror, mut jobs: Vec<Job<'r>>) -> Attempt<'r> {
        let mut attempt = Attempt::default();
        let Some(first) = jobs.first() else { return attempt };
        self.progress.at(Stage::Advertise, &first.report.url);
        let mut names = push_branch::names(jobs.iter().map(|job| &**job.automation));
        jobs.iter().filter_map(|job| job.part.as_ref()).for_each(|part| names.add_branch(&part.branch));
        let span = trace::advertise();
        let advertisement = match mirror.ask_for(&names).instrument(span.clone()).await {
            Ok(advertisement) => advertisement,
            Err(source) => {
                trace::failed(&span, Kind::from(source.kind()), &source.to_string());
                return Attempt::ended(fail_all(jobs, Doing::Read, source));
            }
        };
        drop(span);
        fetch_together(mirror, &advertisement, &jobs).await;
        let mut heads: Vec<Head<'r>> = Vec::new();
        // Those that share commits come together, whatever stands between them.
        jobs.sort_by(|a, b| shared(a.automation).cmp(&shared(b.automation)));
        let mut drafts = Vec::new();
        let mut planned = 0;
        for mut job in jobs {
            if planned > MAX_PLANNED {
                attempt.later.push(job);
                continue;
            }
            match self.plan(mirror, &advertisement, &mut job, &mut heads).await {
                Err(error) => attempt.ended.push(job.fail(error)),
                Ok(Planned::Settled(outcome)) => attempt.ended.push(job.rest(outcome)),
                Ok(Planned::Draft(draft)) => {
                    planned += text(&draft.plan.edits);
                    drafts.push((job, *draft));
                }
            }
        }
        let (drafts, lost) = self.look_back(mirror, &advertisement, &heads, drafts).await;
        attempt.ended.extend(lost);
        for (mut job, draft) in drafts {
            let head = &mut heads[draft.at];
            attempt.again.extend(head.join(mirror, Some(&job), self.context).await);
            if !head.suits(&job) {
                attempt.later.push(job);
                continue;
            }
            let span = trace::commit(&job.automation.id, &head.branch);
            match self.commit(mirror, &mut job, draft, &advertisement, head).instrument(span).await {
                Err(error) => attempt.ended.push(job.fail(error)),
                Ok(Written::Nothing(outcome)) => attempt.ended.push(job.rest(outcome)),
                Ok(Written::Commit(commit)) => {
                    attempt.ended.extend(head.add(mirror, job, commit, self.context).await);
                }
            }
        }
        // A run whose login may read and not push would come to nothing.
        let obstacle = match self.context.mode {
            Mode::DryRun if !heads.iter().all(Head::is_empty) => mirror.may_push().await.err().map(Arc::new),
            Mode::DryRun | Mode::Push => None,
        };
        let mut together: Vec<Head<'r>> = Vec::new();
        for mut head in heads {
            attempt.again.extend(head.join(mirror, None, self.context).await);
            if self.is_frozen_by_now(&head).await {
                attempt.again.extend(head.into_jobs());
                continue;
            }
            if head.is_there(mirror).await {
                let there = head.there();
                for job in head.into_jobs() {
                    self.rest_on_what_is_there(Job { there, ..job }, &mut attempt);
                }
                continue;
            }
            if self.context.mode == Mode::Push
                && head.is_by_forge()
                && let Err(error) = Box::pin(self.seal(mirror, &advertisement, &mut head)).await
            {
                attempt.ended.extend(head.into_jobs().map(|job| {
                    let failure = by_forge::again(&error, &job.automation.remote.url);
                    job.fail(failure)
                }));
                continue;
            }
            match self.context.mode {
                Mode::Push if head.goes_with_others() => together.push(head),
                Mode::Push => {
                    let pushed = Box::pin(head.push(mirror, &advertisement, self.context, self.progress)).await;
                    attempt.ended.extend(pushed.ended);
                    attempt.again.extend(pushed.again);
                }
                Mode::DryRun => {
                    attempt.ended.extend(head.would_push(mirror, &advertisement, obstacle.as_ref()).await);
                }
            }
        }
        while !together.is_empty() {
            let rest = together.split_off(together.len().min(MAX_TOGETHER));
            let heads = std::mem::replace(&mut together, rest);
            let pushing = Head::push_together(heads, mirror, &advertisement, self.context, self.progress);
            let pushed = Box::pin(pushing).await;
            attempt.ended.extend(pushed.ended);
            attempt.again.extend(pushed.again);
        }
        self.learn(mirror).await;
        self.context.memory.scans.save(mirror).await;
        attempt
    }

    /// Whether something of what is about to be pushed was frozen since it was planned. Then it is planned again.
    async fn is_frozen_by_now(&mut self, head: &Head<'_>) -> bool {
        if self.context.mode == Mode::DryRun || head.is_empty() {
            return false;
        }
        // What was released meanwhile is for the next run, whose look at the branches belongs to it.
        let fresh = self.context.switches().await;
        let switches = Arc::make_mut(&mut self.switches);
        (switches.freezes, switches.calendar) = (fresh.freezes, fresh.calendar);
        let passed = SignedDuration::try_from(self.began.elapsed()).unwrap_or_default();
        let now = self.context.now.checked_add(passed).unwrap_or(self.context.now);
        let is_frozen = head.jobs().any(|job| {
            let frozen = freeze(job.automation, &self.switches, now);
            matches!(frozen, Freeze::Whole(_))
                || job.report.edits.iter().flat_map(|edit| &edit.changes).any(|change| frozen.holds(change.policy()))
        });
        if is_frozen {
            // What is planned again is planned with the time of now.
            (self.context.now, self.began) = (now, Instant::now());
        }
        is_frozen
    }

    /// Ends an automation of which all that it would commit is on the push branch already.
    fn rest_on_what_is_there(&mut self, mut job: Job<'r>, attempt: &mut Attempt<'r>) {
        job.report.edits.clear();
        job.report.message.clear();
        if let Some(planned) = &mut job.report.submitted {
            planned.is_there();
        }
        if let Some(seen) = job.seen.filter(|_| job.may_settle()) {
            self.settle(&job.report, job.automation, seen);
        }
        let outcome = held(&job.report.holds, None);
        attempt.ended.push(job.rest(outcome));
    }

    /// Plans one automation, on a head that is fetched when it is a new one.
    async fn plan(
        &mut self,
        mirror: &Mirror,
        advertisement: &Advertisement,
        job: &mut Job<'r>,
        heads: &mut Vec<Head<'r>>,
    ) -> Result<Planned<'r>, Error> {
        job.forget();
        let aim = push_branch::aim(mirror, advertisement, job.automation, job.branch()).await?;
        job.report.branch.clone_from(&aim.branch);
        let known = heads.iter().position(|head| head.branch == aim.branch);
        job.seen = aim.seen(advertisement);
        if let Some(seen) = job.seen.filter(|_| job.automation.requests.is_none() && job.submits.is_none())
            && let Some(settled) = self.settled(mirror, job.automation, seen).await
        {
            let outcome = held(&settled.holds, None);
            (job.report.diagnostics, job.report.holds) = (settled.diagnostics, settled.holds);
            (job.report.unanswered, job.report.idle) = (settled.unanswered, settled.idle);
            return Ok(Planned::Settled(outcome));
        }
        self.progress.at(Stage::Fetch, &job.report.url);
        let span = trace::fetch(&aim.branch);
        let fetch = aim.fetch(mirror, advertisement, &job.report.url, &self.authors);
        let branch = fetch.instrument(span.clone()).await?;
        trace::record(&span, "vcs.ref.head.revision", branch.base);
        drop(span);
        job.left.clone_from(&branch.left);
        if let Some(left) = job.left.clone().filter(|_| job.automation.requests.is_some()) {
            let reason = left.message.clone();
            job.report.diagnostics = vec![left];
            return Ok(Planned::Settled(Outcome::Held { reason }));
        }
        let base_branch =
            job.automation.requests.as_ref().filter(|_| job.part.is_some()).map(|requests| &*requests.base);
        self.obey(job.automation, base_branch.unwrap_or(&branch.name), branch.base).await;
        let at = known.unwrap_or_else(|| {
            heads.push(Head::new(&job.report.url, branch, base_branch));
            heads.len() - 1
        });
        let tip = heads[at].tip;
        let span = trace::plan(&job.automation.id, tip);
        let draft = match job.submits {
            Some(submits) => self.draft_of_submission(mirror, job, submits, (at, tip)).instrument(span).await?,
            None => self.draft(mirror, job, (at, tip)).instrument(span).await?,
        };
        Ok(Planned::Draft(Box::new(draft)))
    }
}

/// Fetches what all groups of changes stand on, and their branches, at once. What cannot be had is told where each is fetched by itself.
async fn fetch_together(mirror: &Mirror, advertisement: &Advertisement, jobs: &[Job<'_>]) {
    let mut wants: Vec<git::Want> = Vec::new();
    for job in jobs.iter().filter(|job| job.part.is_some()) {
        if let Ok(aim) = push_branch::aim(mirror, advertisement, job.automation, job.branch()).await {
            for want in aim.wants() {
                if !wants.contains(&want) {
                    wants.push(want);
                }
            }
        }
    }
    if wants.len() > 1
        && let Err(error) = mirror.fetch(advertisement, &wants).await
    {
        tracing::debug!(%error, "branches cannot be fetched together");
    }
}

/// How many bytes the files of edits have, before and after.
pub(super) fn text(edits: &[FileEdit]) -> usize {
    edits.iter().map(|edit| edit.old.len() + edit.new.len()).sum()
}

/// How an automation commits, if it shares its commits with others.
fn shared(automation: &Automation) -> Option<impl Ord> {
    (automation.batch == Batch::PerBranch).then(|| automation.commit.style())
}
