//! What a bot works with, as it is told: registries with what may be asked of them, remotes with their mirrors.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::{Duration, SystemTime};

use jiff::{SignedDuration, Timestamp};
use registry::{Answered, HostPace};

use super::journal::Subject;
use super::shared::{Shared, State};
use crate::schedule::agenda::Moment;
use crate::wire::machinery::{RegistryStatus, RemoteStatus, Replicas, Trouble};

impl Shared {
    /// The hosts that were asked, and those that policies need, by name.
    pub(super) fn registries(&self, state: &State, now: Moment) -> Vec<RegistryStatus> {
        let registry = &self.edges.registry;
        let (traffic, mut allowances, paces) = (registry.traffic(), registry.allowances(), registry.paces());
        let mut rows: BTreeMap<String, RegistryStatus> = BTreeMap::new();
        for (host, traffic) in traffic {
            let allowance = allowances.remove(&host);
            let counted = traffic.requests.iter();
            let row = RegistryStatus {
                host: host.clone(),
                last_minute: traffic.last_minute,
                requests: counted.map(|(what, count)| (Answered::as_str(*what).to_owned(), *count)).collect(),
                throttled: traffic.throttled,
                waited_ms: traffic.waited.as_millis().try_into().unwrap_or(u64::MAX),
                remaining: allowance.map(|allowance| allowance.remaining),
                limit: allowance.and_then(|allowance| allowance.limit),
                ..RegistryStatus::default()
            };
            rows.insert(host, row);
        }
        for repository in state.configured.repositories().filter(|repository| repository.image.layout().is_none()) {
            let host = registry.host(&repository.image);
            rows.entry(host.clone()).or_insert_with(|| RegistryStatus { host, ..RegistryStatus::default() });
        }
        for policy in state.configured.policies.iter().filter(|known| known.key.is_some()) {
            if let Some(row) = rows.get_mut(&registry.host(&policy.policy.repository.image)) {
                row.policies += 1;
            }
        }
        for (subject, since, error, hint) in state.journal.troubles() {
            let Subject::Image(key, image) = subject else { continue };
            let Some(watched) = state.configured.watched(key) else { continue };
            if let Some(row) = rows.get_mut(&registry.host(&watched.repository.image)) {
                row.failing += watched.policies.len();
                row.last_error.get_or_insert_with(|| trouble(image, since, error, hint, now));
            }
        }
        for (host, row) in &mut rows {
            let pace = paces.get(host).copied().unwrap_or_else(|| registry.pace(host));
            let HostPace { at_once, a_second, step, held } = pace;
            (row.at_once, row.a_second) = (at_once, a_second);
            row.slowed_to = step.map(a_minute);
            row.throttled_until = held.and_then(|held| later(now.time, held));
        }
        rows.into_values().collect()
    }

    /// The remotes of all automations, in the configuration's order.
    pub(super) fn remotes(&self) -> Vec<RemoteStatus> {
        let now = self.now();
        let sizes = self.mirrors.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let state = self.state();
        let mut rows: Vec<RemoteStatus> = Vec::new();
        for automation in &state.configured.automations {
            let url = &automation.remote.url;
            match rows.iter_mut().find(|row| row.remote == *url) {
                Some(row) => row.automations.push(automation.id.to_string()),
                None => rows.push(RemoteStatus {
                    remote: url.clone(),
                    automations: vec![automation.id.to_string()],
                    mirror_bytes: sizes.of_each.get(url).copied(),
                    ..RemoteStatus::default()
                }),
            }
        }
        for row in &mut rows {
            let visits = self.edges.git.visits(&row.remote);
            (row.last_asked, row.last_fetch, row.last_push) =
                (time(visits.asked), time(visits.fetched), time(visits.pushed));
        }
        for (subject, since, error, hint) in state.journal.troubles() {
            let (row, what) = match subject {
                Subject::Remote(url) => (rows.iter_mut().find(|row| row.remote == *url), url),
                Subject::Automation(id) => (rows.iter_mut().find(|row| row.automations.contains(id)), id),
                _ => continue,
            };
            if let Some(row) = row {
                // What stops all of its automations comes last in their order, and says more than what stops one.
                row.last_error = Some(trouble(what, since, error, hint, now));
            }
        }
        rows
    }

    /// Who shares the work, as it was last told.
    pub(super) fn replicas(&self) -> Replicas {
        self.state().replicas.clone()
    }
}

fn trouble(what: &str, since: Duration, error: &str, hint: Option<&str>, now: Moment) -> Trouble {
    let ago = SignedDuration::try_from(now.elapsed.saturating_sub(since)).unwrap_or_default();
    Trouble {
        subject: what.to_owned(),
        since: now.time.checked_sub(ago).unwrap_or(now.time),
        message: error.to_owned(),
        hint: hint.unwrap_or_default().to_owned(),
    }
}

/// How many requests with so much time between them go in a minute.
fn a_minute(step: Duration) -> u64 {
    let count = Duration::from_secs(60).as_millis() / step.as_millis().max(1);
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn later(now: Timestamp, wait: Duration) -> Option<Timestamp> {
    now.checked_add(SignedDuration::try_from(wait).ok()?).ok()
}

fn time(time: Option<SystemTime>) -> Option<Timestamp> {
    Timestamp::try_from(time?).ok()
}
