//! One automation on one commit: find the marked files, plan, and commit what there is to change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use git::{Advertisement, CommitId, Found, Mirror};
use image::{Reference, Tag};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tagwright_core::automation::{Automation, DigestReflection, ImagePolicy};
use tagwright_core::change::Change;
use tagwright_core::difference::Differences;
use tagwright_core::edit::{Selection, Selections};
use tagwright_core::guard::{Held, Hold};
use tagwright_core::message;
use tagwright_core::plan::{self, MarkedFile, Plan};
use tracing::{Instrument as _, Span};

use super::head::Head;
use super::idle::{Idle, idle};
use super::job::{Ended, Job, fail_all};
use super::remote::Remote;
use super::requests::Proposes;
use crate::observe::releases::Releases;
use crate::observe::reverts::{self, Asked, Search};
use crate::observe::{self, MARKED_FILES, found_diagnostics};
use crate::run::{Doing, Error, Lack, Mode, Outcome, Stage, apart, aside, guards};
use crate::store::SeenBranch;
use crate::trace;

/// The policies of which an automation changes fields, and what they select.
fn changed<'j>(job: &'j Job<'_>) -> impl Iterator<Item = (String, &'j Reference)> {
    let policies: BTreeSet<&str> = job.report.edits.iter().flat_map(|edit| &edit.changes).map(Change::policy).collect();
    policies.into_iter().filter_map(|policy| match job.selections.get(policy)? {
        Selection::Selected(selected) => Some((policy.to_owned(), selected)),
        _ => None,
    })
}

/// What one automation would do on a commit, before the history was asked.
pub(super) struct Draft<'a> {
    /// Which of the heads it is for.
    pub(super) at: usize,
    /// The files it was planned on, where there is something to change.
    pub(super) files: Vec<MarkedFile>,
    pub(super) guards: plan::Guards<'a>,
    pub(super) plan: Plan,
}

/// What came of a draft.
pub(super) enum Written {
    /// There is nothing to write.
    Nothing(Outcome),
    /// A commit.
    Commit(CommitId),
}

/// Automations and what they would do.
type Drafts<'a> = Vec<(Job<'a>, Draft<'a>)>;

impl<'r> Remote<'r> {
    /// Plans one automation on `base`.
    pub(super) async fn draft(
        &mut self,
        mirror: &Mirror,
        job: &mut Job<'r>,
        (at, base): (usize, CommitId),
    ) -> Result<Draft<'r>, Error> {
        let automation = job.automation;
        self.progress.at(Stage::Plan, &automation.id.to_string());
        if job.part.is_some() {
            return self.draft_part(mirror, job, (at, base)).await;
        }
        let (files, found) = self.read_all(mirror, job, base).await?;
        if let Some(Idle { reason, finding }) = idle(automation, &found.missing, &files, &job.selections, self.polls) {
            job.report.diagnostics.extend(finding);
            job.report.idle = Some(reason);
        }
        let newer = self.polls.newer(automation);
        let guards = plan::Guards { newer, ..guards(automation, &self.switches, self.context.now) };
        let mut plan = aside("plan", || plan::guarded(&files, &job.selections, &guards));
        plan.holds.extend(self.apart(automation, &files, &job.selections));
        // All drafts of a wave wait for the history, and most have no question to it.
        let files = if plan.edits.is_empty() { Vec::new() } else { files };
        Ok(Draft { at, files, guards, plan })
    }

    /// Reads the marked files of an automation on `base`, and completes what its policies select by what is in them.
    pub(super) async fn read_all(
        &mut self,
        mirror: &Mirror,
        job: &mut Job<'r>,
        base: CommitId,
    ) -> Result<(Vec<MarkedFile>, Found), Error> {
        let automation = job.automation;
        let failed = |source| Error::git(Doing::Read, &automation.remote.url, source);
        let snapshot = mirror.snapshot(base).await.map_err(failed)?;
        let scans = &self.context.memory.scans;
        let span = trace::scan();
        let found = scans.files_of(mirror, &snapshot, automation, MARKED_FILES).instrument(span.clone()).await;
        let (files, found) = found.map_err(failed)?;
        trace::count(&span, "tagwright.files", files.len());
        drop(span);
        job.report.diagnostics = found_diagnostics(&found);
        job.report.diagnostics.extend(job.left.clone());
        (job.report.unanswered, job.report.idle) = (0, None);
        job.selections = self.selections(job, &files).await;
        self.keep_read(job, base, &files);
        Ok((files, found))
    }

    /// Finds what people took back of what is about to be changed: one walk for each head, and one for all groups that stand on one
    /// commit. Returns the drafts with these
    /// fields held, and the automations of heads whose history cannot be read.
    pub(super) async fn look_back(
        &self,
        mirror: &Mirror,
        advertisement: &Advertisement,
        heads: &[Head<'_>],
        mut drafts: Drafts<'r>,
    ) -> (Drafts<'r>, Vec<Ended<'r>>) {
        let mut ended = Vec::new();
        for alike in alike(heads) {
            let [first, ..] = alike.as_slice() else { continue };
            let head = &heads[*first];
            let mut search = self.search(head);
            for (number, (job, draft)) in drafts.iter().enumerate().filter(|(_, (_, draft))| alike.contains(&draft.at))
            {
                search.ask(number, job.automation, &draft.files, &draft.plan, &Asked::new());
            }
            match search.along(head.line(mirror, advertisement), self.progress).await {
                Ok(holds) => {
                    for (number, field, hold) in holds {
                        drafts[number].1.guards.fields.insert(field, hold);
                    }
                }
                Err(source) => {
                    let (lost, kept): (Drafts<'_>, _) =
                        drafts.into_iter().partition(|(_, draft)| alike.contains(&draft.at));
                    drafts = kept;
                    ended.extend(fail_all(lost.into_iter().map(|(job, _)| job), Doing::ReadHistory, source));
                }
            }
        }
        (drafts, ended)
    }

    /// Finds what people took back of what a draft changes that was planned anew, but for what was asked before.
    async fn look_again(
        &self,
        (mirror, advertisement): (&Mirror, &Advertisement),
        head: &Head<'_>,
        automation: &Automation,
        draft: &mut Draft<'_>,
        asked: &Asked,
    ) -> Result<(), Error> {
        let mut search = self.search(head);
        search.ask(0, automation, &draft.files, &draft.plan, asked);
        let found = search.along(head.line(mirror, advertisement), self.progress).await;
        let found = found.map_err(|source| Error::git(Doing::ReadHistory, &automation.remote.url, source))?;
        draft.guards.fields.extend(found.into_iter().map(|(_, field, hold)| (field, hold)));
        Ok(())
    }

    /// A search of the history of a head.
    fn search(&self, head: &Head<'_>) -> Search {
        let releases = Releases::on((&head.url, &head.followed), head.base, &self.switches, self.context.now);
        let store = self.context.edges.store.clone();
        let pushes = Box::new(move || store.pushes().unwrap_or_default());
        Search::new(releases, &self.authors, pushes, self.context.now)
    }

    /// Keeps at which commit a branch is, for releases that are obeyed there for the first time.
    pub(super) async fn obey(&mut self, automation: &Automation, branch: &str, base: CommitId) {
        let url = &automation.remote.url;
        let names = automation.policies.iter().map(|policy| policy.id.marker());
        let given = names.filter_map(|name| self.switches.released.get_key_value(&name));
        let fresh = given.filter(|(_, release)| release.on(url, branch).is_none());
        let fresh: Vec<(String, Timestamp)> = fresh.map(|(policy, release)| (policy.clone(), release.at)).collect();
        if fresh.is_empty() {
            return;
        }
        let (url, branch) = (url.clone(), branch.to_owned());
        let seen = SeenBranch { url, branch, tip: base.to_string(), at: self.context.now };
        let switches = Arc::make_mut(&mut self.switches);
        for (policy, _) in &fresh {
            if let Some(release) = switches.released.get_mut(policy) {
                release.seen.push(seen.clone());
            }
        }
        if self.context.mode == Mode::Push {
            let store = self.context.edges.store.clone();
            let kept = apart("write releases", move || store.obeyed(&fresh, &seen)).await;
            match kept {
                Ok(Ok(_)) => self.context.memory.store_works("releases"),
                Ok(Err(error)) => self.context.memory.store_fails("releases", &error),
                Err(_) => {}
            }
        }
    }

    /// Makes the commit of a draft on the newest commit of its head, if there is anything to change.
    pub(super) async fn commit(
        &mut self,
        mirror: &Mirror,
        job: &mut Job<'r>,
        mut draft: Draft<'r>,
        advertisement: &Advertisement,
        head: &Head<'_>,
    ) -> Result<Written, Error> {
        let automation = job.automation;
        if draft.plan.edits.iter().any(|edit| head.has_edited(&edit.path)) {
            // Another automation's commit stands on the base now. What was held stays so, and what is new is asked for.
            let asked = reverts::asked(&draft.files, &draft.plan);
            let fields = draft.guards.fields;
            draft = self.draft(mirror, job, (draft.at, head.tip)).await?;
            self.look_again((mirror, advertisement), head, automation, &mut draft, &asked).await?;
            draft.guards.fields.extend(fields);
        }
        if !draft.guards.fields.is_empty() {
            draft.plan = aside("plan", || plan::guarded(&draft.files, &job.selections, &draft.guards));
        }
        if job.submits.is_some() {
            return self.commit_submission(mirror, job, draft, head.tip).await;
        }
        let Draft { guards, mut plan, files, .. } = draft;
        drop(files);
        job.report.diagnostics.append(&mut plan.diagnostics);
        job.report.holds = plan.holds;
        if plan.edits.is_empty() {
            job.proposes = self.left(job, &guards);
            if let Some(seen) = job.seen.filter(|_| guards.everything.is_none() && job.may_settle()) {
                self.settle(&job.report, automation, seen);
            }
            return Ok(Written::Nothing(held(&job.report.holds, guards.everything.as_ref())));
        }
        if let Some(reason) = self.stays(job, &guards) {
            job.proposes = Proposes::Stays(reason);
            return Ok(Written::Nothing(held(&job.report.holds, guards.everything.as_ref())));
        }
        job.report.edits = plan.edits;
        job.report.remarks = self.remarks(job);
        job.differences = Box::pin(self.differences(job)).await;
        job.report.message = aside("render", || plan::message(job.contribution(), &[])).map_err(Error::Message)?;
        if let Some(requests) = &automation.requests {
            let proposal = plan::proposal(job.contribution(), &requests.base, &job.report.message);
            job.proposes = Proposes::Changes(Box::new(proposal.map_err(Error::Message)?));
        }
        let failed = |source| Error::git(Doing::Read, &automation.remote.url, source);
        let edits = self.new_files(&mut job.report.edits);
        let details = new_commit(head.tip, automation, job.report.message.clone(), self.context.now);
        let snapshot = mirror.snapshot(head.tip).await.map_err(failed)?;
        match snapshot.commit_edits(edits, details).await.map_err(failed)? {
            Some(commit) => {
                let span = Span::current();
                trace::record(&span, "vcs.ref.head.revision", commit);
                trace::images(&span, changed(job));
                Ok(Written::Commit(commit))
            }
            None => Ok(Written::Nothing(Outcome::Unchanged)),
        }
    }

    /// What changed between the images of an automation's changes, if its message wants to know.
    async fn differences(&self, job: &Job<'_>) -> Differences {
        let tells = message::tells_of_images;
        let of_request = job.automation.requests.as_ref().is_some_and(|requests| {
            requests.title.as_ref().is_some_and(tells) || requests.body.as_ref().is_none_or(tells)
        });
        if !of_request && !tells(&job.automation.commit.message) {
            return Differences::new();
        }
        let policies: BTreeMap<String, &ImagePolicy> =
            job.automation.policies.iter().map(|policy| (policy.id.marker(), &**policy)).collect();
        let told = job.report.edits.iter().flat_map(|edit| &edit.changes).filter_map(|change| {
            let policy = policies.get(change.policy())?;
            match job.selections.get(change.policy())? {
                Selection::Selected(selected) => Some((change, &*policy.repository, selected)),
                _ => None,
            }
        });
        let told: Vec<_> = told.collect();
        observe::differences(&self.context.edges.registry, told).await
    }

    /// Why what is selected for the changes of an automation did not have to become older.
    fn remarks(&self, job: &Job<'_>) -> Vec<String> {
        let changed: BTreeSet<&str> =
            job.report.edits.iter().flat_map(|edit| &edit.changes).map(Change::policy).collect();
        let remark = |policy: &Arc<ImagePolicy>| {
            let name = policy.id.marker();
            let hurried = self.polls.of(policy).filter(|_| changed.contains(name.as_str()))?.hurried.clone()?;
            Some(format!("{name}: {hurried}"))
        };
        job.automation.policies.iter().filter_map(remark).collect()
    }

    /// The fields of policies that would move alone, and wait for others with which they move together.
    pub(super) fn apart(&self, automation: &Automation, files: &[MarkedFile], selections: &Selections) -> Vec<Held> {
        let apart = self.polls.apart(automation);
        if apart.is_empty() {
            return Vec::new();
        }
        let (mut alone, mut held) = (selections.clone(), BTreeMap::new());
        for (name, (own, hold)) in apart {
            alone.insert(name.clone(), Selection::Selected(own));
            held.insert(name, hold);
        }
        let guards = plan::Guards { policies: &automation.policies, held, ..plan::Guards::default() };
        let holds = plan::guarded(files, &alone, &guards).holds;
        holds.into_iter().filter(|held| matches!(held.hold, Hold::Together(_))).collect()
    }

    /// What each policy in scope selected, with digests where the policy asks for them.
    async fn selections(&mut self, job: &mut Job<'_>, files: &[MarkedFile]) -> Selections {
        let mut selections = Selections::among(Arc::clone(&self.known));
        let selected = self.polls.selected(job.automation);
        let mut open: Vec<(&ImagePolicy, Reference, Tag)> = Vec::new();
        for policy in &job.automation.policies {
            let name = policy.id.marker();
            let (reference, is_polled) = match selected.get(&policy.id) {
                Some(Ok(polled)) => {
                    let (client, as_good) = (&self.context.edges.registry, self.polls.as_good(policy));
                    let behind =
                        observe::tags_behind(client, &mut self.digests, policy, files, (polled, as_good)).await;
                    let Ok(behind) = behind else {
                        // The failure of the look-up is reported by itself.
                        job.report.unanswered += 1;
                        selections.insert(name, Selection::Open);
                        continue;
                    };
                    let reference = plan::in_use(files, &name, polled, as_good, &behind);
                    selections.tell_tags(&name, behind);
                    let is_polled = reference.tag == polled.tag;
                    (reference, is_polled)
                }
                Some(Err(lack)) => {
                    job.report.unanswered += usize::from(matches!(lack, Lack::NoAnswer(_)));
                    selections.insert(name, lacking(lack));
                    continue;
                }
                None => continue,
            };
            let held = match policy.digest {
                // Where selections are published, this one has its digest.
                DigestReflection::IfNotPresent => plan::held_digest(files, &name, &reference)
                    .or_else(|| reference.digest.clone().filter(|_| is_polled)),
                // What is asked for at every poll came with the selection.
                DigestReflection::Never | DigestReflection::Always => reference.digest.clone(),
            };
            let is_wanted = match policy.digest {
                DigestReflection::Never => false,
                DigestReflection::IfNotPresent => held.is_none(),
                DigestReflection::Always => !is_polled,
            };
            match reference.tag.clone().filter(|_| is_wanted) {
                Some(tag) => open.push((policy, reference, tag)),
                None => selections.insert(name, Selection::Selected(Reference { digest: held, ..reference })),
            }
        }
        job.looked_up = open.len();
        let wanted = open.iter().map(|(policy, _, tag)| (&*policy.repository, tag)).collect();
        self.digests.look_up(&self.context.edges.registry, wanted).await;
        for (policy, reference, tag) in open {
            let selection = match self.digests.digest(&policy.repository, &tag) {
                Ok(digest) => Selection::Selected(Reference { digest: Some(digest), ..reference }),
                // The failure of the look-up is reported by itself.
                Err(_) => {
                    job.report.unanswered += 1;
                    Selection::Open
                }
            };
            selections.insert(policy.id.marker(), selection);
        }
        selections
    }
}

/// The heads, with those of groups together that stand on one commit, so that one walk is enough for them.
fn alike(heads: &[Head<'_>]) -> Vec<Vec<usize>> {
    let mut alike: Vec<Vec<usize>> = Vec::new();
    for (at, head) in heads.iter().enumerate() {
        let is_like = |others: &&mut Vec<usize>| others.first().is_some_and(|other| head.stands_with(&heads[*other]));
        match alike.iter_mut().find(is_like) {
            Some(others) => others.push(at),
            None => alike.push(vec![at]),
        }
    }
    alike
}

/// What a policy that selects nothing means for its fields. The whole reason is told once, of the policy.
fn lacking(lack: &Lack) -> Selection {
    let reason = match lack {
        Lack::NoAnswer(_) | Lack::Suspended(_) => return Selection::Open,
        Lack::Waiting(_) => "its tags are too young",
        Lack::Apart(_) => "it moves together with others, and there is no tag that all of them can select",
        Lack::Doubted(_) => "its list of tags is not believed yet",
        Lack::NoTag(_) => "none of its tags can be selected",
    };
    Selection::NoSelection(reason.to_owned())
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

/// A commit by an automation.
pub(super) fn new_commit(parent: CommitId, automation: &Automation, message: String, now: Timestamp) -> git::NewCommit {
    let now = now.to_zoned(TimeZone::system());
    let author = &automation.commit.author;
    let seconds = now.timestamp().as_second();
    let signer = automation
        .commit
        .signing
        .clone()
        .map(|key| git::Signer::new(move |bytes| key.sign(bytes, seconds).map_err(|problem| problem.to_string())));
    git::NewCommit {
        parents: vec![parent],
        author: git::Author { name: author.name.clone(), email: author.email.clone() },
        time: git::CommitTime { seconds, offset_minutes: now.offset().seconds() / 60 },
        message,
        signer,
    }
}
