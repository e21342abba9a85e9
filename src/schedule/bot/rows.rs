//! The rows of the status document, as they are kept up to date.

use std::collections::HashMap;
use std::sync::Arc;

use image::Reference;
use jiff::Timestamp;
use tagwright_core::automation::{Automation, ObjectName};
use tagwright_core::guard::Hold;

use super::configured::{Configured, Known};
use crate::run::{AutomationReport, Outcome, PolicyReport};
use crate::wire::HeldField;
use crate::wire::status::{AutomationStatus, PolicyStatus, Ready};

/// Digits of a commit's hash in a sentence.
const SHORT: usize = 7;

/// The rows of the status document.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) policies: Vec<PolicyRow>,
    pub(super) automations: Vec<AutomationStatus>,
    policy_at: HashMap<ObjectName, usize>,
    automation_at: HashMap<ObjectName, usize>,
}

/// The row of a policy, and what it takes to keep it up to date.
#[derive(Debug)]
pub(super) struct PolicyRow {
    pub(super) status: PolicyStatus,
    /// The key of its repository; none when that is not asked.
    pub(super) repository: Option<Arc<str>>,
    /// The last selection there was.
    selected: Option<Reference>,
    /// The reason, as the log last gave it, why nothing is selected of the tags that there are.
    told: Option<Lack>,
}

/// Why nothing is selected of the tags that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lack {
    /// The list is not believed yet.
    Doubt,
    /// None of them can be selected.
    Candidate,
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
    /// Takes a new configuration. What is known of those that stay is kept.
    pub(super) fn configure(&mut self, configured: &Configured) {
        let mut policies: HashMap<ObjectName, PolicyRow> =
            self.policies.drain(..).map(|row| (row.status.id(), row)).collect();
        let mut automations: HashMap<ObjectName, AutomationStatus> =
            self.automations.drain(..).map(|row| (row.id(), row)).collect();
        self.policies =
            configured.policies.iter().map(|known| policy_row(known, policies.remove(&known.policy.id))).collect();
        self.automations = configured
            .automations
            .iter()
            .map(|automation| automation_row(automation, automations.remove(&automation.id)))
            .collect();
        let keyed = self.policies.iter().enumerate();
        self.policy_at = keyed.map(|(at, row)| (row.status.id(), at)).collect();
        let keyed = self.automations.iter().enumerate();
        self.automation_at = keyed.map(|(at, row)| (row.id(), at)).collect();
    }

    /// Takes in what a policy selects.
    pub(super) fn polled(&mut self, report: &PolicyReport, now: Timestamp) -> Change {
        let Some(row) = self.policy_at.get(&report.id).and_then(|at| self.policies.get_mut(*at)) else {
            return Change::None;
        };
        row.status.last_poll = Some(now);
        match &report.selection {
            Ok(reference) => row.selects(report, reference),
            Err(reason) => {
                row.status.message.clone_from(reason);
                row.status.ready = Ready::False;
                // Without tags the poll failed, or is not wanted.
                if report.tags.is_none() {
                    return Change::None;
                }
                let lack = match report.hold {
                    Some(Hold::Shrunk { .. }) => Lack::Doubt,
                    _ => Lack::Candidate,
                };
                match lack {
                    _ if row.told.replace(lack) == Some(lack) => Change::None,
                    Lack::Doubt => Change::Doubted(reason.clone()),
                    Lack::Candidate => Change::Nothing(reason.clone()),
                }
            }
        }
    }

    /// Whether all is well with every policy of an image repository.
    pub(super) fn is_ready(&self, repository: &str) -> bool {
        let ours = self.policies.iter().filter(|row| row.repository.as_deref() == Some(repository));
        ours.into_iter().all(|row| row.status.ready == Ready::True)
    }

    /// Says why a policy could not be polled at all, or its digest not be looked up again.
    pub(super) fn poll_failed(&mut self, policy: &ObjectName, message: &str, now: Timestamp) {
        if let Some(row) = self.policy_at.get(policy).and_then(|at| self.policies.get_mut(*at)) {
            row.status.last_poll = Some(now);
            row.status.ready = Ready::False;
            message.clone_into(&mut row.status.message);
        }
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
        row.ready = match report.outcome.error() {
            Some(_) => Ready::False,
            None => Ready::True,
        };
        row.holds = report.holds.iter().map(HeldField::from).collect();
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
        self.status.tag = reference.tag.as_ref().map(|tag| tag.as_str().to_owned());
        self.status.ready = Ready::True;
        self.status.message = selection(report);
        self.told = None;
        match self.selected.replace(reference.clone()) {
            None => Change::First(reference.clone()),
            Some(before) if before == *reference => Change::None,
            Some(before) => Change::Other(before, reference.clone()),
        }
    }
}

fn policy_row(Known { policy, key }: &Known, before: Option<PolicyRow>) -> PolicyRow {
    let image = policy.repository.image.name().to_owned();
    let suspended = policy.suspended || policy.repository.suspended || key.is_none();
    let message = if key.is_some() { "not polled yet" } else { "its automation is suspended" };
    // What was said before there was anything to say is said anew.
    match before.filter(|row| row.status.image == image && row.status.last_poll.is_some()) {
        Some(row) => PolicyRow {
            status: PolicyStatus { suspended, ..row.status },
            repository: key.clone(),
            selected: row.selected,
            told: row.told,
        },
        None => PolicyRow {
            status: PolicyStatus {
                namespace: policy.id.namespace.clone(),
                name: policy.id.name.clone(),
                image,
                tag: None,
                last_poll: None,
                next: None,
                ready: Ready::Unknown,
                suspended,
                message: message.to_owned(),
            },
            repository: key.clone(),
            selected: None,
            told: None,
        },
    }
}

fn automation_row(automation: &Automation, before: Option<AutomationStatus>) -> AutomationStatus {
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
            message: (if suspended { "suspended" } else { "not run yet" }).to_owned(),
        },
    }
}

/// The selection of a policy in one sentence, and the reason why a better tag waits.
fn selection(report: &PolicyReport) -> String {
    let tags = match report.tags {
        Some(1) => "1 tag".to_owned(),
        Some(count) => format!("{count} tags"),
        None => "tags".to_owned(),
    };
    match (&report.selection, &report.hold) {
        (Ok(reference), None) => format!("{tags}, selected {reference}"),
        (Ok(reference), Some(hold)) => format!("{tags}, selected {reference}; {hold}"),
        (Err(reason), _) => reason.clone(),
    }
}

/// The outcome of an automation in one sentence.
fn sentence(report: &AutomationReport) -> String {
    let ended = match &report.outcome {
        // It says how many updates are held.
        Outcome::Held { reason } => return reason.clone(),
        Outcome::Pushed { commit, missed } => {
            let pushed = format!("pushed {}", commit.get(..SHORT).unwrap_or(commit));
            match missed {
                Some(error) => format!("{pushed}, but not to the second destination: {}", error.chain()),
                None => pushed,
            }
        }
        Outcome::Unchanged => "nothing to do".to_owned(),
        Outcome::WouldPush => "would push".to_owned(),
        Outcome::Failed(error) => error.chain(),
    };
    match report.holds.len() {
        0 => ended,
        1 => format!("{ended}, 1 update is held"),
        several => format!("{ended}, {several} updates are held"),
    }
}
