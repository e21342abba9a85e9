//! What webhooks tell: image repositories with tags that were pushed, and Git repositories that were pushed to.

use std::collections::BTreeSet;
use std::sync::Arc;

use hooks::{Delivery, Pushed, Receiver, Scope};
use image::Tag;
use tagwright_core::automation::ImageRepository;

use super::handle::Handle;
use crate::schedule::agenda::Trigger;

/// How many tags of one image repository are kept until somebody looks; of more, the list is asked for.
const MAX_TAGS: usize = 100;

/// Tags that somebody has told of; none where they are so many that the list is asked for.
pub(super) type Told = Option<BTreeSet<Tag>>;

impl Handle {
    /// Takes in what a webhook tells. What is followed of it is looked at at once. Returns how much that is: image repositories and
    /// Git remotes.
    pub fn arrived(&self, delivery: &Delivery, scope: Option<&Scope>) -> usize {
        let now = self.shared.now();
        let mut state = self.shared.state();
        let state = &mut *state;
        let mut due: BTreeSet<Trigger> = BTreeSet::new();
        for repository in state.configured.repositories().filter(|repository| covers(scope, repository)) {
            if repository.suspended {
                continue;
            }
            let tags =
                delivery.pushed.iter().filter(|pushed| is_of(repository, pushed)).flat_map(|pushed| &pushed.tags);
            let tags: BTreeSet<Tag> = tags.cloned().collect();
            if tags.is_empty() && !delivery.is_bare {
                continue;
            }
            let told = state.told.entry(repository.id.clone()).or_insert_with(|| Some(BTreeSet::new()));
            match told {
                _ if tags.is_empty() => *told = None,
                Some(known) if known.len() + tags.len() <= MAX_TAGS => known.extend(tags),
                told => *told = None,
            }
            due.insert(Trigger::Repository(repository.id.clone()));
        }
        for automation in &state.configured.automations {
            let url = &automation.remote.url;
            let is_pushed = delivery.remotes.iter().any(|address| git::is_same_repository(url, address));
            let is_meant = match scope {
                // Where it is said what a receiver is about, that is what it is about.
                Some(scope) => scope.remotes.contains(url) && (is_pushed || delivery.is_bare),
                None => is_pushed,
            };
            if is_meant && !automation.suspended {
                due.insert(Trigger::Remote(url.clone()));
            }
        }
        for trigger in &due {
            state.agenda.trigger(trigger, now);
        }
        self.shared.wake.notify_one();
        due.len()
    }

    /// Takes the receivers of webhooks in place of those before.
    pub fn take_receivers(&self, receivers: Vec<Arc<Receiver>>) {
        self.shared.state().receivers = receivers.into();
    }

    /// The receivers of webhooks.
    pub(crate) fn receivers(&self) -> Arc<[Arc<Receiver>]> {
        Arc::clone(&self.shared.state().receivers)
    }

    /// Counts a webhook, by its source and what came of it.
    pub(crate) fn received(&self, source: &'static str, result: &'static str) {
        self.shared.state().metrics.received(source, result);
    }
}

fn covers(scope: Option<&Scope>, repository: &ImageRepository) -> bool {
    let id = &repository.id;
    let names = |(namespace, name): &(String, String)| *namespace == id.namespace && (name == "*" || *name == id.name);
    scope.is_none_or(|scope| scope.repositories.iter().any(names))
}

fn is_of(repository: &ImageRepository, pushed: &Pushed) -> bool {
    let image = &repository.image;
    pushed.registry.as_deref().is_none_or(|registry| registry == image.registry()) && pushed.path == image.path()
}
