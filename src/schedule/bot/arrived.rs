//! What webhooks tell: image repositories with tags that were pushed, and Git repositories that were pushed to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hooks::{Comment, Delivery, Pushed, Receiver, Receivers, Scope};
use image::Tag;
use otlp::Origin;
use tagwright_core::automation::{Automation, ImagePolicy, ImageRepository, ObjectName};

use super::handle::Handle;
use crate::announce;
use crate::schedule::agenda::Trigger;
use crate::schedule::done::{Done, Passed};

/// How many tags of one image repository are kept until somebody looks; of more, the list is asked for.
pub(crate) const MAX_TAGS: usize = 100;

/// Tags that somebody has told of; none where they are so many that the list is asked for.
pub(super) type Told = Option<BTreeSet<Tag>>;

/// What others of several processes work on, of which webhooks may tell us.
#[derive(Debug, Default)]
pub struct Elsewhere {
    /// Image repositories, each with the automation that brings it along, if one does.
    pub repositories: Vec<(Arc<ImageRepository>, Option<ObjectName>)>,
    /// Automations.
    pub automations: Vec<Arc<Automation>>,
}

impl Handle {
    /// Takes in what a webhook tells. What is followed of it is looked at at once. Returns how much that is: image repositories and
    /// Git remotes.
    pub fn arrived(&self, delivery: &Delivery, scope: Option<&Scope>) -> usize {
        let now = self.shared.now();
        let origin = Origin::current();
        let mut state = self.shared.state();
        let state = &mut *state;
        let mut due: BTreeSet<Trigger> = BTreeSet::new();
        for repository in state.configured.repositories() {
            let Some(tags) = pushed(repository, delivery, scope) else { continue };
            keep(&mut state.told, &repository.id, tags);
            state.origins.told(&repository.id, origin.as_ref());
            due.insert(Trigger::Told(repository.id.clone()));
        }
        for automation in &state.configured.automations {
            let url = &automation.remote.url;
            let comments: Vec<&Comment> = comments(automation, delivery, scope).collect();
            comments.iter().for_each(|comment| self.shared.memory.tell_comment(url, comment.number, comment.id));
            if is_meant(automation, delivery, scope) || !comments.is_empty() {
                state.origins.pushed(&automation.id, origin.as_ref());
                due.insert(Trigger::Remote(url.clone()));
            }
        }
        let others = state.elsewhere.of(delivery, scope);
        let count = due.len() + others.0.len() + others.1.len();
        if count > due.len() {
            let (repositories, automations) = others;
            self.shared.tell(Some(Done::Arrived { repositories, automations }));
        }
        for trigger in &due {
            state.agenda.trigger(trigger, now);
        }
        self.shared.wake.notify_one();
        count
    }

    /// Takes in tags that another process was told of by a webhook: they are looked at as if it had come here, where the image repository
    /// is polled here.
    pub fn told(&self, repository: &ObjectName, tags: BTreeSet<Tag>) {
        let now = self.shared.now();
        let mut state = self.shared.state();
        let state = &mut *state;
        if state.configured.repositories().any(|known| known.id == *repository && !known.suspended) {
            keep(&mut state.told, repository, tags);
            state.agenda.trigger(&Trigger::Told(repository.clone()), now);
            self.shared.wake.notify_one();
        }
    }

    /// Takes what others work on in place of what they did before.
    pub fn take_elsewhere(&self, elsewhere: Elsewhere) {
        self.shared.state().elsewhere = elsewhere;
    }

    /// Takes the receivers of webhooks in place of those before.
    pub fn take_receivers(&self, receivers: Vec<Arc<Receiver>>) {
        // Thousands of them take a while.
        let receivers = Arc::new(receivers.into());
        self.shared.state().receivers = receivers;
    }

    /// The receivers of webhooks.
    pub(crate) fn receivers(&self) -> Arc<Receivers> {
        Arc::clone(&self.shared.state().receivers)
    }

    /// Counts a webhook, by its source and what came of it.
    pub(crate) fn received(&self, source: &'static str, result: &'static str) {
        self.shared.state().metrics.received(source, result);
    }
}

impl Elsewhere {
    /// What may fail of it.
    pub(super) fn part(&self) -> announce::Part {
        let repositories = self.repositories.iter().map(|(repository, _)| &**repository);
        announce::Part::of(&self.automations).and(repositories)
    }

    /// The automations that use one of these policies.
    pub(super) fn users<'e>(&'e self, policies: &'e [Arc<ImagePolicy>]) -> impl Iterator<Item = &'e Arc<Automation>> {
        let is_one = move |id: &ObjectName| policies.iter().any(|policy| policy.id == *id);
        self.automations.iter().filter(move |it| it.policies.iter().any(|policy| is_one(&policy.id)))
    }

    /// What a webhook tells of: image repositories, and automations.
    fn of(&self, delivery: &Delivery, scope: Option<&Scope>) -> (Vec<Passed>, Vec<ObjectName>) {
        let is_told = |automation: &&Arc<Automation>| {
            is_meant(automation, delivery, scope) || comments(automation, delivery, scope).next().is_some()
        };
        let automations = self.automations.iter().filter(is_told).map(|automation| automation.id.clone());
        (self.passed(|repository| pushed(repository, delivery, scope)), automations.collect())
    }

    /// What of image repositories that were polled here is to be looked at by those who poll them by now.
    pub(super) fn take_over(&self, told: &BTreeMap<ObjectName, Told>) -> Vec<Passed> {
        if told.is_empty() {
            return Vec::new();
        }
        self.passed(|repository| told.get(&repository.id).map(|tags| tags.clone().unwrap_or_default()))
    }

    fn passed(&self, told: impl Fn(&ImageRepository) -> Option<BTreeSet<Tag>>) -> Vec<Passed> {
        let one = |(repository, brought): &(Arc<ImageRepository>, Option<ObjectName>)| {
            let mut tags = told(repository)?;
            if tags.len() > MAX_TAGS {
                tags.clear();
            }
            Some(Passed { repository: Arc::clone(repository), brought: brought.clone(), tags })
        };
        self.repositories.iter().filter_map(one).collect()
    }
}

/// Keeps tags of an image repository until somebody looks. None of them: the list is wanted.
fn keep(told: &mut BTreeMap<ObjectName, Told>, repository: &ObjectName, tags: BTreeSet<Tag>) {
    let told = told.entry(repository.clone()).or_insert_with(|| Some(BTreeSet::new()));
    match told {
        _ if tags.is_empty() => *told = None,
        Some(known) if known.len() + tags.len() <= MAX_TAGS => known.extend(tags),
        told => *told = None,
    }
}

/// The tags of an image repository that were pushed, none of them where it is not said which; none at all where it is not told of.
fn pushed(repository: &ImageRepository, delivery: &Delivery, scope: Option<&Scope>) -> Option<BTreeSet<Tag>> {
    if repository.suspended || !covers(scope, repository) {
        return None;
    }
    let tags = delivery.pushed.iter().filter(|pushed| is_of(repository, pushed)).flat_map(|pushed| &pushed.tags);
    let tags: BTreeSet<Tag> = tags.cloned().collect();
    (!tags.is_empty() || delivery.is_bare).then_some(tags)
}

/// Whether the remote of an automation was pushed to.
fn is_meant(automation: &Automation, delivery: &Delivery, scope: Option<&Scope>) -> bool {
    let url = &automation.remote.url;
    let is_pushed = delivery.remotes.iter().any(|address| git::is_same_repository(url, address));
    let is_meant = match scope {
        // Where it is said what a receiver is about, that is what it is about.
        Some(scope) => scope.remotes.contains(url) && (is_pushed || delivery.is_bare),
        None => is_pushed,
    };
    is_meant && !automation.suspended
}

/// The comments on requests of an automation.
fn comments<'d>(
    automation: &'d Automation,
    delivery: &'d Delivery,
    scope: Option<&Scope>,
) -> impl Iterator<Item = &'d Comment> {
    let url = &automation.remote.url;
    let is_own = scope.is_none_or(|scope| scope.remotes.contains(url)) && automation.requests.is_some();
    let is_own = is_own && !automation.suspended;
    let is_its = |comment: &&Comment| comment.remotes.iter().any(|it| git::is_same_repository(url, it));
    delivery.comments.iter().filter(move |_| is_own).filter(is_its)
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
