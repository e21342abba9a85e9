//! One run: observe, plan, act. The only place that joins decisions with I/O.
//!
//! [`once`] polls what the automations need, then takes each Git remote in turn: one fetch, a plan for each automation on
//! the freshly fetched head, one commit each, one push for each branch. One failure never stops another automation.

mod memory;
mod outcome;
mod poll;
mod remote;

use std::sync::Arc;

pub use memory::Memory;
pub use outcome::{AutomationReport, Error, Kind, Outcome, PolicyReport, Report};
pub use poll::{no_match, refused};
pub use remote::survey::{Seen, Survey, Wanted, survey};
pub use remote::{Inspected, inspect, reflected};

use remote::Context;

use crate::automation::Automation;
use crate::change::{Code, Diagnostic};
use crate::plan::about_path;
use crate::{access, git, registry};

/// Git remotes worked on at the same time.
pub const CONCURRENT_REMOTES: usize = 8;

/// Whether a run may change anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Commit and push.
    Push,
    /// Stop before the push.
    DryRun,
}

/// The outside systems a run works with.
pub struct Edges {
    /// Registries.
    pub registry: registry::Client,
    /// Git remotes and their mirrors.
    pub git: git::Git,
}

/// Runs every automation once. A process that runs again passes the same memory, so that what has not changed since costs
/// next to nothing.
pub async fn once(edges: &Edges, memory: &Memory, automations: &[Arc<Automation>], mode: Mode) -> Report {
    use futures_util::StreamExt;
    let observed = poll::observe(&edges.registry, automations).await;
    let mut reports: Vec<(usize, AutomationReport)> = Vec::new();
    let mut failures = observed.failures;
    let context = Context { edges, memory, selected: &observed.selections, mode };
    memory.retain(automations);
    let mut runs = futures_util::stream::iter(by_url(automations))
        .map(|queue| async move { remote::run(context, queue).await })
        .buffer_unordered(CONCURRENT_REMOTES);
    while let Some(done) = runs.next().await {
        reports.extend(done.reports);
        failures.extend(done.failures);
    }
    drop(runs);
    for (position, report) in &mut reports {
        report.diagnostics.extend(refusals(&automations[*position], &observed.policies));
    }
    reports.sort_by_key(|(position, _)| *position);
    let automations = reports.into_iter().map(|(_, report)| report).collect();
    Report { policies: observed.policies, failures, automations }
}

/// Findings about tags that registries list and OCI does not allow, once for each image repository.
fn refusals(automation: &Automation, policies: &[PolicyReport]) -> Vec<Diagnostic> {
    let used = |report: &&PolicyReport| automation.policies.iter().any(|policy| policy.id == report.id);
    let mut findings = Vec::new();
    for report in policies.iter().filter(used) {
        if let Some(refused) = &report.refused {
            let finding = about_path("", Code::InvalidReference, &format!("{} {refused}", report.image));
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
    }
    findings
}

/// The automations of one remote that log in alike, with their positions in the configuration.
type Batch<'a> = Vec<(usize, &'a Arc<Automation>)>;

/// Groups automations by URL, and within one URL by how they log in. The batches of a URL run one after the other, since
/// they share a mirror.
fn by_url(automations: &[Arc<Automation>]) -> Vec<Vec<Batch<'_>>> {
    let mut queues: Vec<Vec<Batch<'_>>> = Vec::new();
    for entry in automations.iter().enumerate() {
        let remote = &entry.1.remote;
        let Some(queue) = queues.iter_mut().find(|queue| queue[0][0].1.remote.url == remote.url) else {
            queues.push(vec![vec![entry]]);
            continue;
        };
        match queue.iter_mut().find(|batch| access::same_git(&batch[0].1.remote.access, &remote.access)) {
            Some(batch) => batch.push(entry),
            None => queue.push(vec![entry]),
        }
    }
    queues
}
