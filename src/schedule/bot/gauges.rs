//! What metrics read off a bot when somebody asks.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use registry::Answered;
use tagwright_core::guard::Hold;

use super::shared::Shared;
use crate::metrics::{AutomationGauges, Gauges, HostCounts};
use crate::run::{Freeze, aside, freeze};
use crate::wire::freeze::{FreezeKind, FreezeStatus};
use crate::wire::status::Ready;

/// The reason of holds that are not told each by their own, so that none is lost.
const OTHER: &str = "other";

impl Shared {
    /// Everything in OpenMetrics. Reads the store, so it may have to wait for the disk.
    pub(super) fn metrics(&self) -> String {
        let gauges = self.gauges();
        let metrics = std::sync::Arc::clone(&self.state().metrics);
        metrics.text(&gauges)
    }

    fn gauges(&self) -> Gauges {
        let now = self.now();
        // Asked before the lock is taken, since it may have to wait for the disk.
        let switches = aside("read switches", || self.edges.store.switches()).unwrap_or_default();
        let switches = self.memory.in_force(switches);
        let told = FreezeStatus::all(&switches.freezes, &switches.calendar, now.time);
        let active = |kind| told.iter().filter(|it| it.active && it.kind == kind).count();
        let freezes = [
            ("hand", active(FreezeKind::Hand)),
            ("calendar", active(FreezeKind::Calendar)),
            ("exception", active(FreezeKind::Exception)),
        ];
        let mirror_bytes = {
            let sizes = self.mirrors.lock().unwrap_or_else(PoisonError::into_inner);
            sizes.at.map(|_| sizes.all)
        };
        let (hosts, is_data_usable) = (self.hosts(), self.memory.store_failure().is_none());
        let state = self.state();
        let (mut holds, mut findings): (BTreeMap<&'static str, usize>, BTreeMap<String, usize>) =
            (Hold::CODES.iter().map(|code| (*code, 0)).collect(), BTreeMap::new());
        let mut automations = Vec::with_capacity(state.rows.automations.len());
        for (automation, row) in state.configured.automations.iter().zip(&state.rows.automations) {
            for hold in &row.holds {
                let code = Hold::CODES.iter().find(|code| **code == hold.code).copied().unwrap_or(OTHER);
                *holds.entry(code).or_default() += 1;
            }
            for finding in &row.findings {
                *findings.entry(finding.code.clone()).or_default() += 1;
            }
            automations.push(AutomationGauges {
                namespace: row.namespace.clone(),
                name: row.name.clone(),
                ready: match row.ready {
                    Ready::True => Some(true),
                    Ready::False => Some(false),
                    Ready::Unknown => None,
                },
                suspended: row.suspended || switches.suspended.contains_key(&automation.id.to_string()),
                frozen: matches!(freeze(automation, &switches, now.time), Freeze::Whole(_)),
                ran: row.last_run,
            });
        }
        let (polls, runs) = state.agenda.queued(now);
        Gauges {
            started: self.started,
            policies: state.rows.gauges(&state.configured),
            automations,
            holds: holds.into_iter().collect(),
            findings: findings.into_iter().collect(),
            freezes: freezes.into(),
            queues: vec![("poll", polls), ("run", runs)],
            hosts,
            mirror_bytes,
            shards: state.metrics.shards(),
            is_configuration_used: state.configuration.failure.is_none(),
            is_data_usable,
        }
    }

    /// What was asked of registries.
    fn hosts(&self) -> Vec<HostCounts> {
        let mut allowances = self.edges.registry.allowances();
        let hosts = self.edges.registry.traffic().into_iter().map(|(host, traffic)| HostCounts {
            requests: traffic.requests.iter().map(|(answered, count)| (Answered::as_str(*answered), *count)).collect(),
            throttled: traffic.throttled,
            waited: traffic.waited,
            remaining: allowances.remove(&host).map(|allowance| allowance.remaining),
            host,
        });
        hosts.collect()
    }
}
