//! Automations whose changes are proposed in groups: one job becomes several, each with its own branch, commit and request.
//!
//! What there is to change is planned once for the whole automation, on what is read. Each group that has something of it, or a request
//! that is open, becomes a job ([`Part`]) on the same wave: planned on the same commit with its own selections or its own file, pushed
//! together with all others. In the end there is one report again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use git::{CommitId, Mirror};
use tagwright_core::automation::{Grouping, ImagePolicy, ObjectName};
use tagwright_core::edit::{Selection, Selections};
use tagwright_core::group::Group;
use tagwright_core::guard::{Held, Hold};
use tagwright_core::plan::{self, MarkedFile};

use super::commit::Draft;
use super::job::{Ended, Job, Part, fail_all};
use super::remote::Remote;
use crate::observe::push_branch;
use crate::run::{AutomationReport, Doing, Error, GroupReport, Outcome, Queue, aside, guards};

/// How many requests are told of in a report of all groups.
const MAX_TOLD: usize = 3;

/// How much of the files that were read is kept for the groups of automations, in bytes. Beyond that they are read again.
const MAX_READ: usize = 48 << 20;

/// What was read for the whole of an automation, for its groups.
struct Read {
    automation: ObjectName,
    base: CommitId,
    files: Vec<MarkedFile>,
    selections: Selections,
    looked_up: usize,
}

/// What was read last for automations with groups.
#[derive(Default)]
pub(super) struct Reads(Vec<Read>);

impl Reads {
    fn of(&self, automation: &ObjectName, base: CommitId) -> Option<&Read> {
        self.0.iter().find(|read| read.automation == *automation && read.base == base)
    }

    /// Keeps one, in place of what was read of the same before. The oldest go where that is too much, but never all.
    fn keep(&mut self, read: Read) {
        self.0.retain(|other| other.automation != read.automation);
        self.0.push(read);
        let size = |read: &Read| read.files.iter().map(|file| file.bytes.len()).sum::<usize>();
        let mut all: usize = self.0.iter().map(size).sum();
        while all > MAX_READ && self.0.len() > 1 {
            all -= size(&self.0.remove(0));
        }
    }
}

impl<'r> Remote<'r> {
    /// Makes jobs of the groups of automations that have such. What the automations themselves came to is in the second list.
    pub(super) async fn split(
        &mut self,
        mirror: &Mirror,
        queue: &'r Queue,
        jobs: Vec<Job<'r>>,
    ) -> (Vec<Job<'r>>, Vec<Ended<'r>>) {
        let (grouped, mut rest): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| job.automation.is_grouped());
        let mut ended = Vec::new();
        // Those that once had groups have their requests to close.
        let former: Vec<Job<'r>> =
            rest.iter().flat_map(|job| self.parts_of(job, BTreeSet::new()).unwrap_or_default()).collect();
        rest.extend(former);
        if grouped.is_empty() {
            return (rest, ended);
        }
        let names = push_branch::names(grouped.iter().map(|job| &**job.automation));
        let advertisement = match mirror.ask_for(&names).await {
            Ok(advertisement) => advertisement,
            Err(source) => {
                ended.extend(fail_all(grouped, Doing::Read, source));
                return (rest, ended);
            }
        };
        let mut taken = BTreeMap::new();
        for mut job in grouped {
            let parts = match self.groups(mirror, &advertisement, &mut job).await {
                Ok((groups, everything)) => self.parts_of(&job, groups).map(|parts| (parts, everything)),
                Err(error) => Err(error),
            };
            match parts {
                Ok((parts, everything)) => {
                    for part in parts {
                        match self.branches.clash(queue, &part, &mut taken) {
                            Some(error) => ended.push(part.fail(error)),
                            None => rest.push(part),
                        }
                    }
                    let outcome = super::commit::held(&job.report.holds, everything.as_ref());
                    ended.push(job.end(outcome));
                }
                Err(error) => ended.push(job.fail(error)),
            }
        }
        (rest, ended)
    }

    /// Plans the whole of an automation on what it reads, and returns the groups of what there is to change, and what holds all of it.
    async fn groups(
        &mut self,
        mirror: &Mirror,
        advertisement: &git::Advertisement,
        job: &mut Job<'r>,
    ) -> Result<(BTreeSet<Group>, Option<Hold>), Error> {
        let automation = job.automation;
        let aim = push_branch::aim(mirror, advertisement, automation, None).await?;
        job.report.branch.clone_from(&aim.branch);
        let branch = aim.fetch(mirror, advertisement, &job.report.url, &self.authors).await?;
        let base = branch.base;
        self.obey(automation, &branch.name, base).await;
        let mut draft = self.draft(mirror, job, (0, base)).await?;
        job.report.diagnostics.append(&mut draft.plan.diagnostics);
        job.report.holds = std::mem::take(&mut draft.plan.holds);
        let Some(requests) = &automation.requests else { return Ok((BTreeSet::new(), None)) };
        let policies: BTreeMap<String, &ImagePolicy> =
            automation.policies.iter().map(|policy| (policy.id.marker(), &**policy)).collect();
        let group =
            |(path, policy): (&str, &str)| Some(Group::of(requests.grouping, automation, policies.get(policy)?, path));
        let groups = draft.plan.changes().filter_map(|change| group((&change.file, change.policy()))).collect();
        Ok((groups, draft.guards.everything.take()))
    }

    /// The jobs of groups: those that have an open request, whose branch stays the one that it has, then the others of these.
    fn parts_of(&self, job: &Job<'r>, groups: BTreeSet<Group>) -> Result<Vec<Job<'r>>, Error> {
        let (automation, is_grouped) = (job.automation, job.automation.is_grouped());
        let open = self.requests.open_groups(automation).into_iter();
        let mut parts: Vec<Part> =
            open.filter(|part| is_grouped || part.group.grouping != Grouping::Automation).collect();
        for group in groups {
            if !parts.iter().any(|part| part.group == group) {
                let failed = |error| {
                    let (url, group) = (automation.remote.url.clone(), group.key());
                    Error::GroupBranch { url, group, why: format!("its template fails: {error}") }
                };
                let branch = group.branch(automation).map_err(failed)?;
                parts.push(Part { group, branch });
            }
        }
        let new = |part: Part| Job { part: Some(Arc::new(part)), ..Job::new(job.position, automation) };
        Ok(parts.into_iter().map(new).collect())
    }

    /// Plans one group on a commit. The whole automation has told what there is to say of the files.
    pub(super) async fn draft_part(
        &mut self,
        mirror: &Mirror,
        job: &mut Job<'r>,
        (at, base): (usize, CommitId),
    ) -> Result<Draft<'r>, Error> {
        let automation = job.automation;
        let group = job.part.as_ref().map_or_else(Group::whole, |part| part.group.clone());
        if self.reads.of(&automation.id, base).is_none() {
            let mut whole = Job::new(job.position, automation);
            self.read_all(mirror, &mut whole, base).await?;
        }
        let own: BTreeSet<String> = automation
            .policies
            .iter()
            .filter(|policy| group.takes_policy(automation, policy))
            .map(|policy| policy.id.marker())
            .collect();
        let mut selections = Selections::among(Arc::clone(&self.known));
        let mut files = Vec::new();
        if let Some(read) = self.reads.of(&automation.id, base) {
            for (name, selection) in read.selections.own().filter(|(name, _)| own.contains(*name)) {
                selections.insert(name, selection.clone());
            }
            let is_own = |file: &&MarkedFile| {
                group.takes_file(&file.path) && file.scan.markers.iter().any(|marker| own.contains(marker.policy()))
            };
            files = read.files.iter().filter(is_own).cloned().collect();
            job.looked_up = read.looked_up;
        }
        let is_open = |(_, selection): &(&str, &Selection)| matches!(selection, Selection::Open);
        job.report.unanswered = selections.own().filter(is_open).count();
        job.report.diagnostics = job.left.iter().cloned().collect();
        job.selections = selections;
        let declined = self.requests.declined(automation, &group);
        let newer = self.polls.newer(automation);
        let guards = plan::Guards { newer, declined, ..guards(automation, &self.switches, self.context.now) };
        let mut plan = aside("plan", || plan::guarded(&files, &job.selections, &guards));
        plan.diagnostics.clear();
        let apart = self.apart(automation, &files, &job.selections);
        plan.holds.extend(apart.into_iter().filter(|held| own.contains(held.policy())));
        let files = if plan.edits.is_empty() { Vec::new() } else { files };
        Ok(Draft { at, files, guards, plan })
    }

    /// Keeps what was read for the whole of an automation, if it has groups.
    pub(super) fn keep_read(&mut self, job: &Job<'r>, base: CommitId, files: &[MarkedFile]) {
        let automation = job.automation;
        if automation.is_grouped() && job.part.is_none() {
            let (selections, looked_up) = (job.selections.clone(), job.looked_up);
            let automation = automation.id.clone();
            self.reads.keep(Read { automation, base, files: files.to_vec(), selections, looked_up });
        }
    }
}

/// Makes one end of those of all groups of an automation.
pub(super) fn fold(ended: Vec<Ended<'_>>) -> Vec<Ended<'_>> {
    let (parts, mut wholes): (Vec<_>, Vec<_>) = ended.into_iter().partition(|one| one.part.is_some());
    let mut by_position: BTreeMap<usize, Vec<(String, AutomationReport)>> = BTreeMap::new();
    for one in parts {
        let group = one.part.map(|part| part.group.key()).unwrap_or_default();
        by_position.entry(one.position).or_default().push((group, one.report));
    }
    for whole in &mut wholes {
        let mut groups = by_position.remove(&whole.position).unwrap_or_default();
        groups.sort_by(|(a, _), (b, _)| a.cmp(b));
        take_groups(&mut whole.report, groups);
    }
    wholes
}

fn take_groups(whole: &mut AutomationReport, groups: Vec<(String, AutomationReport)>) {
    if groups.is_empty() {
        return;
    }
    let mut error = None;
    for (name, mut group) in groups {
        let new = |held: &Held| !whole.holds.contains(held);
        whole.holds.extend(std::mem::take(&mut group.holds).into_iter().filter(new).collect::<Vec<_>>());
        for finding in std::mem::take(&mut group.diagnostics) {
            if !whole.diagnostics.contains(&finding) {
                whole.diagnostics.push(finding);
            }
        }
        let (one, failed) = of_group(name, group);
        error = error.or(failed);
        whole.groups.push(one);
    }
    let own = std::mem::replace(&mut whole.outcome, Outcome::Unchanged);
    whole.outcome = together(own, error, &whole.groups);
    let own = whole.request.iter().chain(whole.groups.iter().filter_map(|group| group.request.as_ref()));
    let told: Vec<&str> = own.map(String::as_str).collect();
    let more = match told.len().saturating_sub(MAX_TOLD) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let request = told.iter().take(MAX_TOLD).copied().collect::<Vec<_>>().join("; ") + &more;
    whole.request = Some(request).filter(|request| !request.is_empty());
}

/// What one group came to, and its failure.
fn of_group(name: String, report: AutomationReport) -> (GroupReport, Option<Error>) {
    let AutomationReport { branch, outcome, edits, remarks, message, request, .. } = report;
    let word = outcome.as_str();
    let (commit, reason, failed) = match outcome {
        Outcome::Pushed { commit, missed } => (Some(commit), None, missed),
        Outcome::Failed(error) => (None, None, Some(error)),
        Outcome::Held { reason } => (None, Some(reason), None),
        Outcome::Unchanged | Outcome::WouldPush => (None, None, None),
    };
    let error = failed.as_ref().map(Error::chain).or(reason).unwrap_or_default();
    (GroupReport { name, branch, outcome: word, commit, edits, remarks, message, request, error }, failed)
}

/// How all groups ended together: what was pushed counts, and the first failure is told beside it.
fn together(own: Outcome, error: Option<Error>, groups: &[GroupReport]) -> Outcome {
    let (own, own_error) = match own {
        Outcome::Failed(error) => (Outcome::Unchanged, Some(error)),
        own => (own, None),
    };
    match (groups.iter().find_map(|group| group.commit.clone()), own_error.or(error)) {
        (Some(commit), missed) => Outcome::Pushed { commit, missed },
        (None, Some(error)) => Outcome::Failed(error),
        (None, None) if groups.iter().any(|group| group.outcome == "would-push") => Outcome::WouldPush,
        (None, None) => match groups.iter().find(|group| group.outcome == "held") {
            Some(held) => Outcome::Held { reason: held.error.clone() },
            None => own,
        },
    }
}
