//! Who may tell of pushes, who is told of what happens, and what is told of the work of others.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use image::Tag;
use jiff::Timestamp;
use notify::Name;
use tagwright_core::automation::{Automation, ImageRepository, ObjectName};
use tokio::task::JoinSet;

use super::{Control, ObjectNews, key, name};
use crate::cluster::Mode;
use crate::cluster::passed;
use crate::cluster::publish::Wish;
use crate::cluster::what::{Id, What};
use crate::config::About;
use crate::schedule::{Elsewhere, Passed, Watched};

/// How long after it could not be read what others have told it is asked for again.
const AGAIN: Duration = Duration::from_secs(15);

impl Control {
    /// Receives webhooks for all receivers; whoever works on what they tell of is told.
    pub(super) fn let_in(&self) {
        let all = self.reading.receivers.iter().filter(|(id, _)| !self.is_blocked(id));
        self.handle.take_receivers(all.map(|(id, receiver)| self.receives(id, receiver)).collect());
    }

    /// A receiver that says nothing of what it is about is about everything, or about everything of its namespace.
    fn receives(&self, id: &Id, receiver: &Arc<hooks::Receiver>) -> Arc<hooks::Receiver> {
        if !self.settings.no_cross_namespace || receiver.scope.is_some() {
            return Arc::clone(receiver);
        }
        let namespace = &id.1.namespace;
        let own = self.reading.automations.iter().filter(|automation| automation.id.namespace == *namespace);
        let scope = hooks::Scope {
            repositories: vec![(namespace.clone(), "*".to_owned())],
            remotes: own.map(|automation| automation.remote.url.clone()).collect(),
        };
        Arc::new(receiver.within(scope))
    }

    /// Tells those who want to hear what becomes of these automations and image repositories.
    pub(super) fn let_hear(&mut self, automations: &[Arc<Automation>], polled: &[Watched]) {
        let all = self.reading.notifications.iter().filter(|(id, _)| !self.is_blocked(id));
        let all: Vec<_> = all.filter_map(|(id, notification)| self.hears(id, notification)).collect();
        let told: Vec<_> = all.iter().map(|it| (it.name.clone(), it.scope.clone())).collect();
        // Whoever is new hears of what fails, which is to be told to nobody each time that any object changes.
        if self.reading.tells_anew() || told != self.told {
            (self.told, self.takes_over) = (told, true);
            self.handle.expect_notifications((automations, polled), all);
        }
    }

    /// Takes over what other replicas have told of what is ours to see to now, however long it takes to find that out.
    pub(super) fn take_over(&mut self) {
        let voice = self.handle.voice();
        if !voice.is_shared() || !voice.is_heard() || !std::mem::take(&mut self.takes_over) {
            return;
        }
        let handle = self.handle.clone();
        // One that is not done yet would find out the same.
        self.taking_over = JoinSet::new();
        self.taking_over.spawn(async move {
            loop {
                if let Some(known) = voice.told_by_others().await {
                    return handle.take_over(known);
                }
                tokio::time::sleep(AGAIN).await;
            }
        });
    }

    /// One that says nothing of what events have to be about hears of everything, or of everything of its namespace. Of another namespace
    /// than ours, it has nothing sent to our machine.
    fn hears(&self, id: &Id, notification: &Arc<notify::Notification>) -> Option<Arc<notify::Notification>> {
        let notification = match id.1.namespace == self.cluster.namespace {
            true => Arc::clone(notification),
            false if notification.target.is_at_hand() => return None,
            false => Arc::new(notification.elsewhere()),
        };
        if !self.settings.no_cross_namespace || notification.scope.is_some() {
            return Some(notification);
        }
        let all = || vec![Name { namespace: id.1.namespace.clone(), name: "*".to_owned() }];
        let scope = notify::Scope { automations: all(), policies: all(), repositories: all(), remotes: Vec::new() };
        Some(Arc::new(notification.within(scope)))
    }

    /// What other replicas work on.
    pub(super) fn elsewhere(&self) -> Elsewhere {
        let others = self.reading.repositories.iter().filter(|repository| !self.polls(repository));
        let mut repositories: Vec<(Arc<ImageRepository>, Option<ObjectName>)> =
            others.map(|repository| (Arc::clone(repository), None)).collect();
        let is_others = |automation: &&Arc<Automation>| {
            !self.has_remote(automation) && !self.is_blocked(&self.reading.written(&automation.id))
        };
        let automations: Vec<Arc<Automation>> =
            self.reading.automations.iter().filter(is_others).map(Arc::clone).collect();
        for automation in automations.iter().filter(|automation| !automation.suspended) {
            let own = automation.policies.iter().map(|policy| &policy.repository);
            let own = own.filter(|repository| !self.reading.is_shared(repository));
            repositories.extend(own.map(|repository| (Arc::clone(repository), Some(automation.id.clone()))));
        }
        Elsewhere { repositories, automations }
    }

    /// Has other replicas look at what a webhook has told us of: at tags by themselves, where it is said which, and at all else in the way
    /// in which people ask for a pass.
    pub(super) fn pass_on(&mut self, repositories: Vec<Passed>, automations: Vec<ObjectName>) {
        let now = Timestamp::now().to_string();
        let mut wishes: Vec<(Id, Wish)> = Vec::new();
        for Passed { repository, brought, tags } in repositories {
            let id = match &brought {
                Some(automation) => self.reading.written(automation),
                None => (What::Repository, key(&repository.id)),
            };
            // Who leads may be Flux's controller, which reads requests alone.
            let is_read = id.0 == What::Native || self.settings.replicas == Mode::Share;
            let image = repository.image.canonical();
            wishes.push((
                id,
                match is_read && !tags.is_empty() {
                    true => Wish::Pass(tags.into_iter().map(|tag| (image.clone(), tag)).collect()),
                    false => Wish::Ask(now.clone()),
                },
            ));
        }
        wishes.extend(automations.iter().map(|id| (self.reading.written(id), Wish::Ask(now.clone()))));
        // An application is nobody's to write, and waits for its next poll.
        for (id, wish) in wishes.into_iter().filter(|((what, _), _)| what.is_ours()) {
            self.publisher.want(id, wish);
        }
    }

    /// Looks at tags that another replica was told of, where the image is ours to poll.
    pub(super) fn take_passed(&self, news: &ObjectNews) {
        let tags = passed::read(news);
        if tags.is_empty() {
            return;
        }
        let (what, key) = &news.id;
        let id = name(key);
        let repositories: Vec<&Arc<ImageRepository>> = match what {
            What::Repository => self.reading.repository(&id).into_iter().collect(),
            What::Native if self.reading.written(&id) == news.id => {
                let automation = self.reading.automation(&id).into_iter();
                automation.flat_map(|it| &it.policies).map(|policy| &policy.repository).collect()
            }
            _ => Vec::new(),
        };
        for repository in repositories {
            let image = repository.image.canonical();
            let of_it = tags.iter().filter(|(of, _)| *of == image).map(|(_, tag)| tag.clone());
            let of_it: BTreeSet<Tag> = of_it.collect();
            if !of_it.is_empty() {
                self.handle.told(&repository.id, of_it);
            }
        }
    }

    /// Tells the log what is not obeyed of Flux's objects, on which nothing is said.
    pub(super) fn tell_of_flux(&self) {
        for id in self.reading.changed_by_all().filter(|(what, _)| what.is_of_notification_controller()) {
            let about = self.reading.about.get(id).into_iter();
            let found = about.flat_map(|About { problems, notices }| {
                let problems = problems.iter().map(|problem| problem.message.as_str());
                problems.chain(notices.iter().map(|notice| notice.message.as_str()))
            });
            let blocked = self.is_blocked(id).then_some("it names something of another namespace, which is blocked");
            let all: Vec<&str> = found.chain(blocked).collect();
            if !all.is_empty() {
                tracing::warn!(kind = id.0.kind().name, name = %id.1, reason = all.join("; "), "not all of it is obeyed");
            }
        }
    }
}
