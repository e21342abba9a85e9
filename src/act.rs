//! Acting on one Git remote: one fetch, a plan for each automation that is due, one commit each, one push for each branch.

mod branches;
mod by_forge;
mod commit;
mod groups;
mod head;
mod idle;
mod job;
mod record;
mod remote;
mod requests;
mod second;
mod settle;
mod submit;

use std::collections::BTreeSet;

use tagwright_core::automation::{Automation, ObjectName};
use tagwright_core::change::{Code, Diagnostic};
use tagwright_core::plan::about_path;
use tracing::Span;

use crate::observe::Polls;
use crate::run::{AutomationReport, Context, Error, Outcome, Progress, Queue};
use crate::trace;

pub use self::submit::submit;
pub(crate) use self::submit::submit_by;

/// What the automations of one remote came to.
#[derive(Debug, Default)]
pub struct Acted {
    /// Those that were due, in the order given.
    pub automations: Vec<AutomationReport>,
    /// Digest look-ups that failed.
    pub failures: Vec<Error>,
}

/// Plans the automations of a remote that are due on the freshly fetched heads, and pushes. What their policies select is what
/// the last polls came to.
///
/// The queue has all that are configured for the remote: markers that name policies of those that are not due are nobody's
/// mistake.
pub async fn act(
    context: Context<'_>,
    queue: &Queue,
    due: &BTreeSet<ObjectName>,
    polls: &Polls,
    progress: &Progress,
) -> Acted {
    let (mut reports, failures) = Box::pin(remote::run(context, queue, due, polls, (progress, None))).await;
    reports = groups::fold(reports);
    reports.sort_by_key(|ended| ended.position);
    let automations = reports.into_iter().map(|ended| {
        let mut report = ended.report;
        report.diagnostics.extend(refusals(ended.automation, polls));
        report
    });
    let acted = Acted { automations: automations.collect(), failures };
    let span = Span::current();
    let commits = acted.automations.iter().flat_map(|report| match &report.outcome {
        Outcome::Pushed { commit, .. } => Some(commit.clone()),
        _ => None,
    });
    trace::commits(
        &span,
        commits.chain(acted.automations.iter().flat_map(|it| &it.groups).filter_map(|group| group.commit.clone())),
    );
    if let Some(error) = acted.automations.iter().find_map(|report| report.outcome.error()) {
        trace::failed(&span, error.kind(), &error.chain());
    }
    record::record(context, &acted.automations, "", progress).await;
    acted
}

/// Findings about tags that registries list and OCI does not allow, once for each image repository.
fn refusals(automation: &Automation, polls: &Polls) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for report in automation.policies.iter().filter_map(|policy| polls.last(&policy.id)) {
        if let Some(refused) = &report.refused {
            let finding = about_path("", Code::InvalidReference, &format!("{} {refused}", report.image));
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
    }
    findings
}
