//! One pass over everything: observe, plan, act. `run --once` is this.

use std::sync::Arc;

use futures_util::StreamExt;
use tagwright_core::automation::Automation;
use tracing::Instrument as _;

use crate::act::act;
use crate::observe::poll_all;
use crate::run::{AutomationReport, CONCURRENT_REMOTES, Context, Progress, Queue, Report, name_remotes};
use crate::trace;

/// Polls every image repository once, then runs every automation once. One failure never stops another automation.
pub async fn once(context: Context<'_>, automations: &[Arc<Automation>]) -> Report {
    name_remotes(&context.edges.git, automations);
    // One trace for all of it.
    let whole = trace::pass();
    let observed = poll_all(context, automations).instrument(whole.clone()).await;
    let (polls, mut failures) = (observed.polls, observed.failures);
    context.memory.retain(automations);
    let due = automations.iter().map(|automation| automation.id.clone()).collect();
    let (due, known, whole) = (&due, &polls, &whole);
    let mut runs = futures_util::stream::iter(Queue::of_remotes(automations))
        .map(|queue| async move {
            let url = queue.automations().next().map_or("", |automation| &*automation.remote.url);
            let span = whole.in_scope(|| trace::run(url, queue.automations().map(|automation| &automation.id), &[]));
            let acted = act(context, &queue, due, known, &Progress::default()).instrument(span).await;
            (queue.positions(), acted)
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
