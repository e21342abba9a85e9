//! The rows of the status document, as they are kept up to date.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::mem::{Discriminant, discriminant};

use image::{Digest, Reference, Tag};
use jiff::Timestamp;
use tagwright_core::automation::{Automation, ObjectName};
use tagwright_core::change::Diagnostic;

use super::configured::{Configured, Known};
use crate::metrics::PolicyGauges;
use crate::run::{AutomationReport, Lack, Outcome, PolicyReport};
use crate::wire::HeldField;
use crate::wire::status::{AutomationFinding, AutomationStatus, MAX_FINDINGS, PolicyStatus, Ready};

/// Digits of a digest in a sentence.
const SHORT_DIGEST: usize = 12;

/// The rows of the status document.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// What has become of the policies of the configuration, in its order.
    policies: Vec<PolicyRow>,
    pub(super) automations: Vec<AutomationStatus>,
    automation_at: HashMap<ObjectName, usize>,
}

/// What the row of a policy says beside what is configured, and what it takes to keep it up to date.
#[derive(Debug)]
struct PolicyRow {
    last_poll: Option<Timestamp>,
    ready: Ready,
    suspended: bool,
    message: String,
    /// Whether its registry gave an answer the last time.
    answered: bool,
    /// The tag and the digest of the last selection there was.
    selected: Option<(Option<Tag>, Option<Digest>)>,
    /// The kind of reason, as the log last gave it, why nothing is selected of the tags that there are.
    told: Option<Discriminant<Lack>>,
    /// When the registry last gave an answer.
    answered_at: Option<Timestamp>,
    /// When another tag or digest was selected than before, since the bot began.
    changed: Option<Timestamp>,
    /// How many tags are listed, and among how many the policy selects.
    counts: (Option<usize>, Option<usize>),
}

/// The change that a poll has brought for a policy, which the log tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing worth a line in the log.
    None,
    /// There is a first selection.
    First(Reference),
    /// There is another selection.
    Other(Reference, Reference),
    /// Nothing is selected any more of the tags that there are.
    Nothing(String),
    /// The list of tags is not believed yet, and the selection stays.
    Doubted(String),
}

impl Rows {
    /// Takes a new configuration in place of the one before. What is known of those that stay is kept.
    pub(super) fn configure(&mut self, before: &Configured, configured: &Configured) {
        let known = before.policies.iter().map(|known| (&known.policy.id, known.policy.repository.image.name()));
        let mut policies: HashMap<(&ObjectName, &str), PolicyRow> =
            known.zip(std::mem::take(&mut self.policies)).collect();
        let mut automations: HashMap<ObjectName, AutomationStatus> =
            self.automations.drain(..).map(|row| (row.id(), row)).collect();
        let rows = configured.policies.iter().map(|known| {
            // What is known of an image says nothing of another one.
            let of = (&known.policy.id, known.policy.repository.image.name());
            policy_row(known, policies.remove(&of))
        });
        self.policies = rows.collect();
        self.automations = configured
            .automations
            .iter()
            .map(|automation| automation_row(automation, automations.remove(&automation.id)))
            .collect();
        let keyed = self.automations.iter().enumerate();
        self.automation_at = keyed.map(|(at, row)| (row.id(), at)).collect();
    }

    /// Takes in what a policy selects.
    pub(super) fn polled(&mut self, configured: &Configured, report: &PolicyReport, now: Timestamp) -> Change {
        let Some(row) = configured.at(&report.id).and_then(|at| self.policies.get_mut(at)) else {
            return Change::None;
        };
        row.last_poll = Some(now);
        row.answered = !matches!(report.selection, Err(Lack::NoAnswer(_)));
        if row.answered {
            row.answered_at = Some(now);
        }
        if report.tags.is_some() {
            row.counts = (report.tags, report.considered);
        }
        match &report.selection {
            Ok(reference) => {
                let change = row.selects(report, reference);
                if matches!(change, Change::Other(..)) {
                    row.changed = Some(now);
                }
                change
            }
            Err(lack) => {
                row.message = lack.to_string();
                row.ready = Ready::False;
                let told = match lack {
                    Lack::NoAnswer(_) | Lack::Suspended(_) => return Change::None,
                    lack => row.told.replace(discriminant(lack)),
                };
                match lack {
                    _ if told == Some(discriminant(lack)) => Change::None,
                    Lack::Doubted(reason) => Change::Doubted(reason.clone()),
                    lack => Change::Nothing(lack.to_string()),
                }
            }
        }
    }

    /// The rows of the policies, as a document has them; `next` says when a policy of an image repository is polled next.
    pub(super) fn policies(
        &self,
        configured: &Configured,
        next: impl Fn(&str, &ObjectName) -> Option<Timestamp>,
    ) -> impl Iterator<Item = PolicyStatus> {
        configured.policies.iter().zip(&self.policies).map(move |(Known { policy, key, .. }, row)| PolicyStatus {
            namespace: policy.id.namespace.clone(),
            name: policy.id.name.clone(),
            image: policy.repository.image.name().to_owned(),
            tag: row.selected.as_ref().and_then(|(tag, _)| Some(tag.as_ref()?.as_str().to_owned())),
            last_poll: row.last_poll,
            next: key.as_ref().and_then(|key| next(key, &policy.id)),
            ready: row.ready,
            suspended: row.suspended,
            message: row.message.clone(),
        })
    }

    /// What metrics tell of the policies.
    pub(super) fn gauges(&self, configured: &Configured) -> Vec<PolicyGauges> {
        let known = configured.policies.iter().zip(&self.policies);
        let gauges = known.map(|(Known { policy, .. }, row)| PolicyGauges {
            namespace: policy.id.namespace.clone(),
            name: policy.id.name.clone(),
            ready: match row.ready {
                Ready::True => Some(true),
                Ready::False => Some(false),
                Ready::Unknown => None,
            },
            polled: row.answered_at,
            changed: row.changed,
            tags: row.counts.0,
            considered: row.counts.1,
        });
        gauges.collect()
    }

    /// Whether all is well with every policy of an image repository.
    pub(super) fn is_ready(&self, configured: &Configured, repository: &str) -> bool {
        let ours = configured.watched(repository).into_iter().flat_map(|watched| &watched.policies);
        let mut rows = ours.filter_map(|policy| self.policies.get(configured.at(&policy.id)?));
        rows.all(|row| row.ready == Ready::True)
    }

    /// Says why a policy could not be polled at all, or its digest not be looked up again.
    pub(super) fn poll_failed(&mut self, configured: &Configured, policy: &ObjectName, message: &str, now: Timestamp) {
        if let Some(row) = configured.at(policy).and_then(|at| self.policies.get_mut(at)) {
            row.last_poll = Some(now);
            row.answered = false;
            row.ready = Ready::False;
            message.clone_into(&mut row.message);
        }
    }

    /// The rows of the policies that are polled here.
    fn here<'r>(&'r self, configured: &'r Configured) -> impl Iterator<Item = &'r PolicyRow> {
        let rows = configured.policies.iter().zip(&self.policies);
        rows.filter(|(known, _)| known.key.is_some()).map(|(_, row)| row)
    }

    /// How many policies that are polled here have not been yet, and how many there are.
    pub(super) fn unpolled(&self, configured: &Configured) -> (usize, usize) {
        let left = self.here(configured).filter(|row| row.ready == Ready::Unknown && !row.suspended).count();
        (left, self.here(configured).count())
    }

    /// How many policies were polled, and how many of these got an answer, once all policies and automations that are not
    /// suspended had their turn since this time; none before.
    pub(super) fn had_their_turn(&self, configured: &Configured, since: Timestamp) -> Option<(usize, usize)> {
        let due = || self.here(configured).filter(|row| !row.suspended);
        let is_over = due().all(|row| row.last_poll >= Some(since))
            && self.automations.iter().all(|row| row.suspended || row.last_run >= Some(since));
        is_over.then(|| (due().count(), due().filter(|row| row.answered).count()))
    }

    /// Takes in how an automation ended.
    pub(super) fn ran(&mut self, report: &AutomationReport, now: Timestamp) {
        let Some(row) = self.automation(&report.id) else { return };
        row.last_run = Some(now);
        if !report.branch.is_empty() {
            row.branch.clone_from(&report.branch);
        }
        if let Outcome::Pushed { commit, .. } = &report.outcome {
            row.last_commit = Some(commit.clone());
        }
        row.ready = match (report.outcome.error(), &report.idle) {
            (None, None) => Ready::True,
            _ => Ready::False,
        };
        if report.has_looked() {
            row.holds = report.holds.iter().map(HeldField::from).collect();
            let shown = gravest_first(&report.diagnostics).into_iter().take(MAX_FINDINGS);
            row.findings = shown.map(AutomationFinding::from).collect();
            row.more_findings = report.diagnostics.len().saturating_sub(MAX_FINDINGS);
        }
        row.message = sentence(report);
    }

    /// Says why an automation could not be run at all.
    pub(super) fn run_failed(&mut self, automation: &ObjectName, message: &str, now: Timestamp) {
        if let Some(row) = self.automation(automation) {
            row.last_run = Some(now);
            row.ready = Ready::False;
            message.clone_into(&mut row.message);
        }
    }

    fn automation(&mut self, id: &ObjectName) -> Option<&mut AutomationStatus> {
        self.automations.get_mut(*self.automation_at.get(id)?)
    }
}

impl PolicyRow {
    fn selects(&mut self, report: &PolicyReport, reference: &Reference) -> Change {
        self.ready = Ready::True;
        self.message = selection(report);
        self.told = None;
        let Reference { repository, tag, digest } = reference;
        if self.selected.as_ref().is_some_and(|before| (&before.0, &before.1) == (tag, digest)) {
            return Change::None;
        }
        match self.selected.replace((tag.clone(), digest.clone())) {
            None => Change::First(reference.clone()),
            Some((tag, digest)) => {
                Change::Other(Reference { repository: repository.clone(), tag, digest }, reference.clone())
            }
        }
    }
}

fn policy_row(Known { policy, key, elsewhere }: &Known, before: Option<PolicyRow>) -> PolicyRow {
    let suspended = policy.suspended || policy.repository.suspended || key.is_none() && !elsewhere;
    let message = match key {
        Some(_) => "not polled yet",
        None if *elsewhere => "polled by another process",
        None => "its automation is suspended",
    };
    // What was said before there was anything to say is said anew.
    match before.filter(|row| row.last_poll.is_some()) {
        Some(row) => PolicyRow { suspended, ..row },
        None => PolicyRow {
            last_poll: None,
            ready: Ready::Unknown,
            suspended,
            message: message.to_owned(),
            answered: false,
            selected: None,
            told: None,
            answered_at: None,
            changed: None,
            counts: (None, None),
        },
    }
}

pub(super) fn automation_row(automation: &Automation, before: Option<AutomationStatus>) -> AutomationStatus {
    let (remote, suspended) = (automation.remote.url.clone(), automation.suspended);
    match before.filter(|row| row.remote == remote) {
        Some(row) => AutomationStatus { suspended, ..row },
        None => AutomationStatus {
            namespace: automation.id.namespace.clone(),
            name: automation.id.name.clone(),
            remote,
            branch: String::new(),
            last_run: None,
            last_commit: None,
            next: None,
            ready: Ready::Unknown,
            suspended,
            holds: Vec::new(),
            findings: Vec::new(),
            more_findings: 0,
            message: (if suspended { "suspended" } else { "not run yet" }).to_owned(),
        },
    }
}

/// The selection of a policy in one sentence, and the reason why a better tag waits.
fn selection(report: &PolicyReport) -> String {
    let reference = match &report.selection {
        Ok(reference) => reference,
        Err(lack) => return lack.to_string(),
    };
    let tag = reference.tag.as_ref().map(|tag| tag.as_str()).unwrap_or_default();
    let digest = reference.digest.as_ref().map(|digest| format!(" ({})", short_digest(digest.as_str())));
    let digest = digest.unwrap_or_default();
    let of = match report.tags {
        Some(1) => " of 1 tag".to_owned(),
        Some(count) => format!(" of {count} tags"),
        None => String::new(),
    };
    let hurried: String = report.remarks().iter().map(|remark| format!("; {remark}")).collect();
    match &report.hold {
        None => format!("selected {tag}{digest}{of}{hurried}"),
        Some(hold) => format!("selected {tag}{digest}{of}{hurried}; {hold}"),
    }
}

/// A digest with the first digits of its hash.
fn short_digest(digest: &str) -> String {
    let end = digest.find(':').map_or(0, |colon| colon + 1) + SHORT_DIGEST;
    digest.get(..end).map_or_else(|| digest.to_owned(), |short| format!("{short}…"))
}

/// Findings, the gravest first, otherwise in the order of files.
fn gravest_first(findings: &[Diagnostic]) -> Vec<&Diagnostic> {
    let mut sorted: Vec<&Diagnostic> = findings.iter().collect();
    sorted.sort_by_key(|finding| Reverse(finding.code.severity()));
    sorted
}

/// The outcome of an automation in one sentence, with what is known of its files.
fn sentence(report: &AutomationReport) -> String {
    let ended = match &report.outcome {
        Outcome::Held { reason } => reason.clone(),
        Outcome::Pushed { commit, missed } => {
            let pushed = format!("pushed {}", words::short(commit));
            match missed {
                Some(error) => format!("{pushed}, {}: {}", error.missed(), error.chain()),
                None => pushed,
            }
        }
        Outcome::Unchanged => match &report.idle {
            Some(reason) => format!("nothing can be written: {reason}"),
            None => "nothing to do".to_owned(),
        },
        Outcome::WouldPush => "would push".to_owned(),
        Outcome::Failed(error) => return error.chain(),
    };
    let mut sentence = ended;
    if let Some(request) = &report.request {
        sentence.push_str(&format!("; {request}"));
    }
    // One that is held says how many updates are.
    match report.holds.len() {
        _ if matches!(report.outcome, Outcome::Held { .. }) => {}
        0 => {}
        1 => sentence.push_str(", 1 update is held"),
        several => sentence.push_str(&format!(", {several} updates are held")),
    }
    if report.unanswered > 0 {
        let policies = if report.unanswered == 1 { "policy" } else { "policies" };
        sentence.push_str(&format!("; {} {policies} could not be polled", report.unanswered));
    }
    if let Some(first) = gravest_first(&report.diagnostics).first().map(|first| AutomationFinding::from(*first)) {
        let count = report.diagnostics.len();
        let findings = if count == 1 { "finding" } else { "findings" };
        sentence.push_str(&format!("; {count} {findings}, first {}", first.place()));
    }
    sentence
}
