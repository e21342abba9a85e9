//! What polls and runs go back to, for those who look at traces: the webhooks that told of a tag, and the polls that found it.
//!
//! A run is part of the trace of the first that it takes up, and names the others. What failed goes back to the same once it is tried again.
//! Nothing is kept while nobody looks at traces.

use std::collections::{BTreeMap, BTreeSet};

use otlp::Origin;
use tagwright_core::automation::ObjectName;

use super::configured::Configured;

/// How much one poll or run goes back to at most.
const MAX_ORIGINS: usize = 129;

/// By image repository, or by automation.
pub(super) type ByName = BTreeMap<ObjectName, Vec<Origin>>;

#[derive(Debug, Default)]
pub(super) struct Origins {
    polls: ByName,
    runs: ByName,
}

impl Origins {
    /// Something has told of an image repository.
    pub(super) fn told(&mut self, repository: &ObjectName, origin: Option<&Origin>) {
        put(&mut self.polls, repository, origin);
    }

    /// Something has told of the remote of an automation.
    pub(super) fn pushed(&mut self, automation: &ObjectName, origin: Option<&Origin>) {
        put(&mut self.runs, automation, origin);
    }

    /// Something has found what policies select now.
    pub(super) fn found(&mut self, configured: &Configured, changed: &BTreeSet<ObjectName>, origin: Option<&Origin>) {
        if origin.is_none() || changed.is_empty() {
            return;
        }
        for automation in &configured.automations {
            if automation.policies.iter().any(|policy| changed.contains(&policy.id)) {
                put(&mut self.runs, &automation.id, origin);
            }
        }
    }

    /// Takes what the poll of an image repository goes back to.
    pub(super) fn of_poll(&mut self, repository: &ObjectName) -> ByName {
        self.polls.remove_entry(repository).into_iter().collect()
    }

    /// Takes what the run of these automations goes back to.
    pub(super) fn of_run(&mut self, due: &BTreeSet<ObjectName>) -> ByName {
        due.iter().filter_map(|automation| self.runs.remove_entry(automation)).collect()
    }

    /// Puts back what a poll has taken that came to nothing.
    pub(super) fn poll_failed(&mut self, taken: ByName) {
        put_back(&mut self.polls, taken);
    }

    /// Puts back what a run has taken, for those automations that came to nothing.
    pub(super) fn run_failed(&mut self, taken: ByName, failed: impl Fn(&ObjectName) -> bool) {
        put_back(&mut self.runs, taken.into_iter().filter(|(automation, _)| failed(automation)).collect());
    }

    /// Forgets what is not configured any more.
    pub(super) fn retain(&mut self, configured: &Configured) {
        let polled: BTreeSet<&ObjectName> = configured.repositories().map(|repository| &repository.id).collect();
        self.polls.retain(|repository, _| polled.contains(repository));
        let known: BTreeSet<&ObjectName> = configured.automations.iter().map(|automation| &automation.id).collect();
        self.runs.retain(|automation, _| known.contains(automation));
    }
}

/// All that was taken, each once, in an order that is the same each time.
pub(super) fn all(taken: &ByName) -> Vec<Origin> {
    let mut all: Vec<Origin> = Vec::new();
    for origin in taken.values().flatten() {
        if !all.contains(origin) && all.len() < MAX_ORIGINS {
            all.push(origin.clone());
        }
    }
    all
}

fn put(into: &mut ByName, name: &ObjectName, origin: Option<&Origin>) {
    let Some(origin) = origin else { return };
    let known = into.entry(name.clone()).or_default();
    if known.len() < MAX_ORIGINS && !known.contains(origin) {
        known.push(origin.clone());
    }
}

fn put_back(into: &mut ByName, taken: ByName) {
    for (name, earlier) in taken {
        let later = into.remove(&name).unwrap_or_default();
        earlier.iter().chain(&later).for_each(|origin| put(into, &name, Some(origin)));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn origin(number: usize) -> Origin {
        Origin::of_headers(&format!("00-0af7651916cd43dd8448eb211c80319c-{:016x}-01", number + 1), None).unwrap()
    }

    fn name(text: &str) -> ObjectName {
        ObjectName { namespace: "default".to_owned(), name: text.to_owned() }
    }

    #[test]
    fn what_failed_goes_back_to_the_same_and_to_what_came_meanwhile() {
        let mut origins = Origins::default();
        let due: BTreeSet<ObjectName> = [name("a"), name("b")].into();
        origins.pushed(&name("a"), Some(&origin(1)));
        origins.pushed(&name("a"), Some(&origin(1)));
        origins.pushed(&name("b"), Some(&origin(2)));
        origins.pushed(&name("b"), None);
        let taken = origins.of_run(&due);
        assert_eq!(all(&taken), [origin(1), origin(2)]);
        assert!(origins.of_run(&due).is_empty());
        origins.pushed(&name("b"), Some(&origin(3)));
        origins.run_failed(taken, |automation| *automation == name("b"));
        assert_eq!(all(&origins.of_run(&due)), [origin(2), origin(3)]);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut origins = Origins::default();
        (0..1_000).for_each(|number| origins.told(&name("a"), Some(&origin(number))));
        assert_eq!(all(&origins.of_poll(&name("a"))).len(), MAX_ORIGINS);
    }
}
