//! One automation on one commit: find the marked files, plan, and commit what there is to change.

use std::collections::BTreeMap;
use std::sync::Arc;

use git::{self, CommitId, Mirror, SkipReason};
use image::{Reference, Tag};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tagwright_core::automation::{Automation, DigestReflection, ImagePolicy};
use tagwright_core::change::{Code, Diagnostic};
use tagwright_core::edit::{Selection, Selections};
use tagwright_core::guard::{self, Held, Hold};
use tagwright_core::marker::{self, Embedded};
use tagwright_core::plan::{self, MarkedFile, Plan};

use super::push::Head;
use super::{Done, Job, Remote};
use crate::run::memory::Scanned;
use crate::run::outcome::{Error, Outcome};
use crate::run::progress::Stage;
use crate::store::Switches;

/// Which files of a commit are read. The rule's name changes with its functions, since mirrors remember what they found.
pub(super) const MARKED_FILES: git::Criteria = git::Criteria {
    rule: "imagepolicy-1",
    is_candidate: marker::is_candidate_path,
    contains: marker::contains_token,
    max_bytes: marker::MAX_FILE_BYTES,
};

/// What one automation would do on a commit, before the history was asked.
pub(super) struct Draft<'a> {
    /// Which of the heads it is for.
    pub(super) at: usize,
    /// The commit.
    base: CommitId,
    /// The files it was planned on, where there is something to change.
    pub(super) files: Vec<MarkedFile>,
    pub(super) guards: plan::Guards<'a>,
    pub(super) plan: Plan,
}

impl Remote<'_> {
    /// Plans one automation on `base`.
    pub(super) async fn draft<'j>(
        &mut self,
        mirror: &Mirror,
        job: &mut Job<'j>,
        (at, base): (usize, CommitId),
        done: &mut Done,
    ) -> Result<Draft<'j>, Error> {
        let automation = job.automation;
        self.progress.at(Stage::Plan, &automation.id.to_string());
        let failed = |source| Error::git("read", &automation.remote.url, source);
        let snapshot = mirror.snapshot(base).await.map_err(failed)?;
        let known = self.context.memory.scanned();
        let embedded = Embedded::everywhere(automation.embedded);
        let scanned = Arc::clone(&known);
        let is_known = move |blob| scanned.contains_key(&(blob, embedded));
        let found = snapshot.search_new(&automation.paths, MARKED_FILES, is_known).await.map_err(failed)?;
        job.report.diagnostics = found_diagnostics(&found);
        let files = self.scan(found, known, embedded);
        job.selections = self.selections(job, &files, done).await;
        let guards = guards(automation, self.switches, self.context.now);
        let plan = plan::guarded(&files, &job.selections, &guards);
        // All drafts of a wave wait for the history, and most have no question to it.
        let files = if plan.edits.is_empty() { Vec::new() } else { files };
        Ok(Draft { at, base, files, guards, plan })
    }

    /// Makes the commit of a draft on the newest commit of its head, if there is anything to change.
    pub(super) async fn commit<'j>(
        &mut self,
        mirror: &Mirror,
        job: &mut Job<'j>,
        mut draft: Draft<'j>,
        head: &Head<'_>,
        done: &mut Done,
    ) -> Result<Option<CommitId>, Error> {
        let automation = job.automation;
        if draft.plan.edits.iter().any(|edit| head.has_edited(&edit.path)) {
            // Another automation's commit stands on the base now.
            let fields = draft.guards.fields;
            draft = self.draft(mirror, job, (draft.at, head.tip), done).await?;
            draft.guards.fields = fields;
        }
        if !draft.guards.fields.is_empty() {
            draft.plan = plan::guarded(&draft.files, &job.selections, &draft.guards);
        }
        let Draft { base, guards, mut plan, .. } = draft;
        job.report.diagnostics.append(&mut plan.diagnostics);
        job.report.holds = plan.holds;
        if plan.edits.is_empty() {
            // What waits for a point in time has to be looked at again.
            if job.looked_up == 0 && guards.everything.is_none() {
                self.settle(mirror, &job.report, automation, base).await;
            }
            job.report.outcome = held(&job.report.holds, guards.everything.as_ref());
            return Ok(None);
        }
        job.report.edits = plan.edits;
        job.report.message = plan::message(job.part(), &[]).map_err(Error::Message)?;
        let failed = |source| Error::git("read", &automation.remote.url, source);
        let edits = job.report.edits.iter().map(|edit| git::Edit { path: edit.path.clone(), bytes: edit.new.clone() });
        let details = new_commit(head.tip, automation, job.report.message.clone(), self.context.now);
        let snapshot = mirror.snapshot(head.tip).await.map_err(failed)?;
        snapshot.commit_edits(edits.collect(), details).await.map_err(failed)
    }

    /// Scans the files that are new, and takes the others as they were scanned before.
    fn scan(&self, found: git::Found, known: Arc<Scanned>, embedded: Embedded) -> Vec<MarkedFile> {
        let old = found.known.into_iter().filter_map(|(path, blob)| Some(known.get(&(blob, embedded))?.at(path)));
        let mut files: Vec<MarkedFile> = old.collect();
        let mut new = Scanned::new();
        for file in found.files {
            let scanned = MarkedFile::with(file.path, file.bytes, embedded);
            new.insert((file.id, embedded), scanned.clone());
            files.push(scanned);
        }
        // What is kept is changed in place where nobody holds it.
        drop(known);
        self.context.memory.keep(new);
        files
    }

    /// What each policy in scope selected, with digests where the policy asks for them.
    async fn selections(&mut self, job: &mut Job<'_>, files: &[MarkedFile], done: &mut Done) -> Selections {
        let mut selections = Selections::among(Arc::clone(self.known));
        let selected = self.context.memory.selected(job.automation);
        let mut open: Vec<(&ImagePolicy, &Reference, &Tag)> = Vec::new();
        for policy in &job.automation.policies {
            let name = marker_name(policy);
            let reference = match selected.get(&policy.id) {
                Some(Ok(reference)) => reference,
                Some(Err(reason)) => {
                    selections.insert(name, Selection::NoSelection(reason.clone()));
                    continue;
                }
                None => continue,
            };
            let held = match policy.digest {
                DigestReflection::IfNotPresent => plan::held_digest(files, &name, reference),
                // What is asked for at every poll came with the selection.
                DigestReflection::Never | DigestReflection::Always => reference.digest.clone(),
            };
            match (&reference.tag, policy.digest, held) {
                (Some(tag), DigestReflection::IfNotPresent, None) => open.push((policy, reference, tag)),
                (_, _, digest) => {
                    selections.insert(name, Selection::Selected(Reference { digest, ..reference.clone() }));
                }
            }
        }
        job.looked_up = open.len();
        let wanted = open.iter().map(|(policy, _, tag)| (&*policy.repository, *tag)).collect();
        done.failures.extend(self.digests.look_up(&self.context.edges.registry, wanted).await);
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

/// What holds fields of an automation, but for what the history says.
#[must_use]
pub fn guards<'a>(automation: &'a Automation, switches: &Switches, now: Timestamp) -> plan::Guards<'a> {
    let held = automation.policies.iter().filter_map(|policy| {
        let name = marker_name(policy);
        let switch = switches.held.get(&name)?;
        let hold = Hold::Manual { policy: name.clone(), since: switch.since, reason: switch.reason.clone() };
        Some((name, hold))
    });
    plan::Guards {
        policies: &automation.policies,
        held: held.collect(),
        fields: BTreeMap::new(),
        everything: guard::window(&automation.windows, now),
    }
}

/// How an automation ends that has nothing to write.
pub(super) fn held(holds: &[Held], everything: Option<&Hold>) -> Outcome {
    match (holds.len(), everything) {
        (0, _) => Outcome::Unchanged,
        (_, Some(hold)) => Outcome::Held { reason: hold.to_string() },
        (1, None) => Outcome::Held { reason: "an update is held back".to_owned() },
        (count, None) => Outcome::Held { reason: format!("{count} updates are held back") },
    }
}

/// How markers name a policy.
pub(super) fn marker_name(policy: &ImagePolicy) -> String {
    policy.id.marker()
}

/// What a search says beside the files.
pub(super) fn found_diagnostics(found: &git::Found) -> Vec<Diagnostic> {
    let missing = found.missing.iter().map(|path| {
        plan::about_path(path, Code::PathMissing, "the path of the automation does not exist in the repository")
    });
    missing.chain(skipped_diagnostics(found)).collect()
}

/// What is to say about files that were not looked into.
pub(super) fn skipped_diagnostics(found: &git::Found) -> impl Iterator<Item = Diagnostic> {
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

/// A commit by an automation.
pub(super) fn new_commit(parent: CommitId, automation: &Automation, message: String, now: Timestamp) -> git::NewCommit {
    let now = now.to_zoned(TimeZone::system());
    let author = &automation.commit.author;
    git::NewCommit {
        parents: vec![parent],
        author: git::Author { name: author.name.clone(), email: author.email.clone() },
        time: git::CommitTime { seconds: now.timestamp().as_second(), offset_minutes: now.offset().seconds() / 60 },
        message,
    }
}
