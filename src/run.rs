//! One run: observe, plan, act. The only place that joins decisions with I/O.
//!
//! [`poll()`] asks a registry for the tags of one image repository and evaluates the policies that look at it. [`act`] takes
//! one Git remote: one fetch, a plan for each automation that is due on the freshly fetched head, one commit each, one push
//! for each branch. [`once`] is both, for everything. What the polls came to is kept in the [`Memory`] in between. One
//! failure never stops another automation.

mod digests;
mod memory;
mod outcome;
mod poll;
mod progress;
mod record;
mod remote;

use std::collections::BTreeSet;
use std::sync::Arc;

use access::Distinct as _;
use jiff::Timestamp;
use tagwright_core::automation::{Automation, ObjectName};
use tagwright_core::change::{Code, Diagnostic};
use tagwright_core::plan::about_path;

use crate::store::Store;

pub use memory::Memory;
pub use outcome::{AutomationReport, Error, Kind, Outcome, PolicyReport, Report};
pub use poll::{LookedUp, Polled, believe, image_key, look_up, no_match, poll, refused, save};
pub use progress::{Place, Progress, Stage};
pub use remote::survey::{Seen, Survey, Wanted, survey};
pub use remote::{Inspected, Past, guards, inspect, past, reflected, suspended};

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
    /// What outlives a run.
    pub store: Store,
}

/// What a poll or a run works with.
#[derive(Clone, Copy)]
pub struct Context<'r> {
    /// The outside systems.
    pub edges: &'r Edges,
    /// What the process remembers. A process that runs again passes the same, so that what has not changed since costs next
    /// to nothing.
    pub memory: &'r Memory,
    /// Whether anything may be changed.
    pub mode: Mode,
    /// The time.
    pub now: Timestamp,
}

/// What the automations of one remote came to.
#[derive(Debug, Default)]
pub struct Acted {
    /// Those that were due, in the order given.
    pub automations: Vec<AutomationReport>,
    /// Digest look-ups that failed.
    pub failures: Vec<Error>,
}

/// Plans the automations that are due on the freshly fetched heads of their remote, and pushes. What their policies select is
/// what the last polls came to.
///
/// `automations` are all that are configured for one URL: markers that name policies of those that are not due are nobody's
/// mistake.
pub async fn act(
    context: Context<'_>,
    automations: &[Arc<Automation>],
    due: &BTreeSet<ObjectName>,
    progress: &Progress,
) -> Acted {
    let mut acted = Acted::default();
    for queue in by_url(automations) {
        let done = remote::run(context, queue, due, progress).await;
        acted.failures.extend(done.failures);
        let mut reports = done.reports;
        reports.sort_by_key(|(position, _)| *position);
        for (position, mut report) in reports {
            report.diagnostics.extend(refusals(&automations[position], context.memory));
            acted.automations.push(report);
        }
    }
    record::record(context, &acted.automations, progress).await;
    acted
}

/// Polls every image repository once, then runs every automation once.
pub async fn once(context: Context<'_>, automations: &[Arc<Automation>]) -> Report {
    use futures_util::StreamExt;
    let observed = poll::observe(context, automations).await;
    let mut failures = observed.failures;
    context.memory.retain(automations);
    let remotes = by_url(automations).into_iter().map(|queue| {
        let positions = queue.into_iter().flatten().map(|(position, _)| position);
        let mut positions: Vec<usize> = positions.collect();
        positions.sort_unstable();
        positions
    });
    let mut runs = futures_util::stream::iter(remotes)
        .map(|positions| async move {
            let ours: Vec<Arc<Automation>> = positions.iter().map(|at| Arc::clone(&automations[*at])).collect();
            let due = ours.iter().map(|automation| automation.id.clone()).collect();
            let acted = act(context, &ours, &due, &Progress::default()).await;
            (positions, acted)
        })
        .buffer_unordered(CONCURRENT_REMOTES);
    let mut reports: Vec<(usize, AutomationReport)> = Vec::new();
    while let Some((positions, acted)) = runs.next().await {
        reports.extend(positions.into_iter().zip(acted.automations));
        failures.extend(acted.failures);
    }
    drop(runs);
    reports.sort_by_key(|(position, _)| *position);
    let automations = reports.into_iter().map(|(_, report)| report).collect();
    Report { policies: observed.policies, failures, automations }
}

/// Forgets image repositories and remotes that are not configured any more. What is in use stays until the next time.
pub async fn forget(context: Context<'_>, automations: &[Arc<Automation>]) {
    poll::forget(context, automations).await;
    let urls: Vec<String> = automations.iter().map(|automation| automation.remote.url.clone()).collect();
    match context.edges.git.retain(&urls).await {
        Ok(0) => {}
        Ok(mirrors) => tracing::info!(mirrors, "deleted mirrors of remotes that are not configured any more"),
        Err(error) => tracing::warn!(%error, "cannot delete mirrors of remotes that are not configured any more"),
    }
}

/// Findings about tags that registries list and OCI does not allow, once for each image repository.
fn refusals(automation: &Automation, memory: &Memory) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for report in automation.policies.iter().filter_map(|policy| memory.polled(&policy.id)) {
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
type Login<'a> = Vec<(usize, &'a Arc<Automation>)>;

/// Groups automations by URL, and within one URL by how they log in. The logins of a URL run one after the other, since
/// they share a mirror.
fn by_url(automations: &[Arc<Automation>]) -> Vec<Vec<Login<'_>>> {
    let mut queues: Vec<Vec<Login<'_>>> = Vec::new();
    for entry in automations.iter().enumerate() {
        let remote = &entry.1.remote;
        let way = remote.access.fingerprint();
        let Some(queue) = queues.iter_mut().find(|queue| queue[0][0].1.remote.url == remote.url) else {
            queues.push(vec![vec![entry]]);
            continue;
        };
        match queue.iter_mut().find(|login| login[0].1.remote.access.fingerprint() == way) {
            Some(login) => login.push(entry),
            None => queue.push(vec![entry]),
        }
    }
    queues
}
