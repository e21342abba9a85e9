//! One Git remote: fetch, plan every automation on the freshly fetched head, commit, push.

mod inspect;
mod push;
pub(super) mod survey;
mod target;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

pub use self::inspect::{Inspected, inspect, reflected};
use super::outcome::{AutomationReport, Error, Outcome};
use super::poll::Digests;
use super::{Batch, Edges, Mode};
use crate::automation::{Automation, DigestReflection, ImagePolicy, ObjectName};
use crate::change::Code;
use crate::edit::{Selection, Selections};
use crate::git::{self, CommitId, Mirror, SkipReason};
use crate::image::{Reference, Tag};
use crate::marker::{self, Embedded};
use crate::plan::{self, MarkedFile};

/// How often a push is tried when the branch keeps moving.
const PUSH_ATTEMPTS: usize = 8;

/// The wait before the second attempt; it doubles, with jitter, up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(50);

/// The longest wait between two attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// Which files of a commit are read. The rule's name changes with its functions, since mirrors remember what they found.
const MARKED_FILES: git::Criteria = git::Criteria {
    rule: "imagepolicy-1",
    is_candidate: marker::is_candidate_path,
    contains: marker::contains_token,
    max_bytes: marker::MAX_FILE_BYTES,
};

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

    fn fail(&mut self, mut job: Job<'_>, error: Error) {
        job.report.outcome = Outcome::Failed(error);
        self.end(job);
    }
}

/// What each policy selected, or why nothing.
pub(super) type Selected = BTreeMap<ObjectName, Result<Reference, String>>;

/// One automation on its way to an outcome.
struct Job<'a> {
    position: usize,
    automation: &'a Automation,
    report: AutomationReport,
    /// The remote declined a push of several commits; this one is pushed by itself.
    alone: bool,
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
        };
        Self { position, automation, report, alone: false }
    }
}

/// Runs the batches of one URL, one after the other.
pub(super) async fn run(edges: &Edges, queue: Vec<Batch<'_>>, selected: &Selected, mode: Mode) -> Done {
    let mut done = Done::default();
    let automations = queue.iter().flatten().map(|(_, automation)| automation);
    let known: BTreeSet<String> = automations.flat_map(|it| &it.policies).map(|policy| marker_name(policy)).collect();
    for batch in queue {
        let mut jobs: Vec<Job<'_>> = batch.into_iter().map(Job::new).collect();
        for mut job in jobs.extract_if(.., |job| job.automation.suspended) {
            job.report.outcome = Outcome::Held { reason: "the automation is suspended".to_owned() };
            done.end(job);
        }
        if !jobs.is_empty() {
            let remote = Remote { edges, selected, known: &known, mode, digests: Digests::default() };
            remote.run(jobs, &mut done).await;
        }
    }
    done
}

/// What the batches of one remote work with.
struct Remote<'e> {
    edges: &'e Edges,
    selected: &'e Selected,
    /// The policies of all automations of this URL, as markers name them.
    known: &'e BTreeSet<String>,
    mode: Mode,
    digests: Digests,
}

impl Remote<'_> {
    /// Runs automations that log in alike: again for those that lost a push race, with a pause, until none is left.
    async fn run(mut self, mut jobs: Vec<Job<'_>>, done: &mut Done) {
        let remote = &jobs[0].automation.remote;
        let mirror = match self.edges.git.open(&remote.url, &remote.access) {
            Ok(mirror) => mirror,
            Err(source) => return fail_all(jobs, "open", source, done),
        };
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
    async fn attempt<'j>(&mut self, mirror: &Mirror, jobs: Vec<Job<'j>>, done: &mut Done) -> Vec<Job<'j>> {
        if jobs.is_empty() {
            return jobs;
        }
        let advertisement = match mirror.advertise().await {
            Ok(advertisement) => advertisement,
            Err(source) => {
                fail_all(jobs, "read", source, done);
                return Vec::new();
            }
        };
        let mut heads: Vec<push::Head<'j>> = Vec::new();
        for mut job in jobs {
            let target = match target::resolve(mirror, &advertisement, job.automation).await {
                Ok(target) => target,
                Err(error) => {
                    done.fail(job, error);
                    continue;
                }
            };
            job.report.branch.clone_from(&target.branch);
            let at = heads.iter().position(|head| head.branch == target.branch).unwrap_or_else(|| {
                heads.push(push::Head::new(target));
                heads.len() - 1
            });
            match self.commit(mirror, &mut job, heads[at].tip, done).await {
                Err(error) => done.fail(job, error),
                Ok(None) => done.end(job),
                Ok(Some(commit)) => heads[at].add(job, commit),
            }
        }
        let mut again = Vec::new();
        for head in heads {
            again.extend(match self.mode {
                Mode::Push => head.push(mirror, &advertisement, done).await,
                Mode::DryRun => head.would_push(done),
            });
        }
        again
    }

    /// Plans one automation on `base` and makes its commit, if there is anything to change.
    async fn commit(
        &mut self,
        mirror: &Mirror,
        job: &mut Job<'_>,
        base: CommitId,
        done: &mut Done,
    ) -> Result<Option<CommitId>, Error> {
        let automation = job.automation;
        let failed = |source| Error::git("read", &automation.remote.url, source);
        let snapshot = mirror.snapshot(base).await.map_err(failed)?;
        let found = snapshot.search(&automation.paths, MARKED_FILES).await.map_err(failed)?;
        job.report.diagnostics = found_diagnostics(&found);
        let embedded = Embedded::everywhere(automation.embedded);
        let files: Vec<_> =
            found.files.into_iter().map(|file| MarkedFile::with(file.path, file.bytes, embedded)).collect();
        let selections = self.selections(automation, &files, done).await;
        let mut plan = plan::edits(&files, &selections);
        drop(files);
        job.report.diagnostics.append(&mut plan.diagnostics);
        if plan.edits.is_empty() {
            job.report.outcome = Outcome::Unchanged;
            return Ok(None);
        }
        job.report.message = plan::message(automation, &plan, &selections).map_err(Error::Message)?;
        let edits = plan.edits.iter().map(|edit| git::Edit { path: edit.path.clone(), bytes: edit.new.clone() });
        let details = new_commit(base, automation, job.report.message.clone());
        let commit = snapshot.commit_edits(edits.collect(), details).await.map_err(failed)?;
        job.report.edits = plan.edits;
        Ok(commit)
    }

    /// What each policy in scope selected, with digests where the policy asks for them.
    async fn selections(&mut self, automation: &Automation, files: &[MarkedFile], done: &mut Done) -> Selections {
        let mut selections: Selections = self.known.iter().map(|name| (name.as_str(), Selection::Elsewhere)).collect();
        let mut open: Vec<(&ImagePolicy, &Reference, &Tag)> = Vec::new();
        for policy in &automation.policies {
            let name = marker_name(policy);
            let reference = match self.selected.get(&policy.id) {
                Some(Ok(reference)) => reference,
                Some(Err(reason)) => {
                    selections.insert(name, Selection::NoSelection(reason.clone()));
                    continue;
                }
                None => continue,
            };
            let held = match policy.digest {
                DigestReflection::IfNotPresent => plan::held_digest(files, &name, reference),
                DigestReflection::Never | DigestReflection::Always => None,
            };
            match (&reference.tag, policy.digest, held) {
                (Some(tag), DigestReflection::Always, _) | (Some(tag), DigestReflection::IfNotPresent, None) => {
                    open.push((policy, reference, tag));
                }
                (_, _, digest) => {
                    selections.insert(name, Selection::Selected(Reference { digest, ..reference.clone() }));
                }
            }
        }
        let wanted = open.iter().map(|(policy, _, tag)| (&*policy.repository, *tag)).collect();
        done.failures.extend(self.digests.look_up(&self.edges.registry, wanted).await);
        for (policy, reference, tag) in open {
            let selection = match self.digests.digest(&policy.repository, tag) {
                Ok(digest) => Selection::Selected(Reference { digest: Some(digest), ..reference.clone() }),
                Err(reason) => Selection::NoSelection(reason),
            };
            selections.insert(marker_name(policy), selection);
        }
        selections
    }
}

fn marker_name(policy: &ImagePolicy) -> String {
    format!("{}:{}", policy.id.namespace, policy.id.name)
}

fn fail_all(jobs: Vec<Job<'_>>, doing: &'static str, source: git::Error, done: &mut Done) {
    let source = Arc::new(source);
    for job in jobs {
        let error = Error::Git { doing, url: job.report.url.clone(), source: Arc::clone(&source) };
        done.fail(job, error);
    }
}

fn found_diagnostics(found: &git::Found) -> Vec<crate::change::Diagnostic> {
    let missing = found.missing.iter().map(|path| {
        plan::about_path(path, Code::PathMissing, "the path of the automation does not exist in the repository")
    });
    missing.chain(skipped_diagnostics(found)).collect()
}

/// What is to say about files that were not looked into.
fn skipped_diagnostics(found: &git::Found) -> impl Iterator<Item = crate::change::Diagnostic> {
    found.skipped.iter().map(|skipped| {
        let (code, message) = match skipped.reason {
            SkipReason::SymbolicLink => (Code::SymbolicLink, "a symbolic link, which is not followed".to_owned()),
            SkipReason::TooLarge { bytes } => {
                let limit = marker::MAX_FILE_BYTES;
                (Code::FileTooLarge, format!("the file has {bytes} bytes, more than the limit of {limit}"))
            }
            SkipReason::TooDeep => (Code::FileTooLarge, "the folder nests too deep to be read".to_owned()),
            SkipReason::NameNotText => (Code::NotText, "the name is not UTF-8".to_owned()),
        };
        plan::about_path(&skipped.path, code, &message)
    })
}

fn new_commit(parent: CommitId, automation: &Automation, message: String) -> git::NewCommit {
    let now = jiff::Zoned::now();
    let author = &automation.commit.author;
    git::NewCommit {
        parents: vec![parent],
        author: git::Author { name: author.name.clone(), email: author.email.clone() },
        time: git::CommitTime { seconds: now.timestamp().as_second(), offset_minutes: now.offset().seconds() / 60 },
        message,
    }
}
