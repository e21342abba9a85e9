//! What of the configuration is ours, as the bot's assignment.

use std::sync::Arc;

use tagwright_core::automation::{Automation, ImageRepository, ObjectName};

use super::{Control, key, name};
use crate::cluster::what::{Id, What};
use crate::schedule::{Assignment, News, Watched};

impl Control {
    /// Gives the bot what is ours of the configuration.
    pub(super) fn assign(&mut self, news: News) {
        self.reflector.take();
        self.automation.take();
        let asks = if self.settings.controllers.reflector { &self.reflector } else { &self.automation };
        let (ours, of) = asks.part();
        self.handle.take_part(ours, of);
        let automations: Vec<Arc<Automation>> =
            self.reading.automations.iter().filter(|automation| self.runs(automation)).cloned().collect();
        let mut polled: Vec<Watched> = Vec::new();
        for repository in self.reading.repositories.iter().filter(|repository| self.polls(repository)) {
            let policies = self.reading.policies_of(repository);
            let policies =
                policies.into_iter().filter(|policy| !self.is_blocked(&(What::Policy, key(&policy.id)))).collect();
            polled.push(Watched { repository: Arc::clone(repository), policies });
        }
        polled.extend(self.reading.own_repositories(&automations));
        let counts = (automations.len(), polled.len());
        if self.assigned.replace(counts) != Some(counts) {
            tracing::info!(
                automations = counts.0,
                image.repositories = counts.1,
                "works on the objects of the cluster"
            );
        }
        let elsewhere = self.elsewhere();
        self.handle.take_elsewhere(elsewhere);
        // Before the bot begins with what it does not know the selections of, and with what somebody wants to hear of.
        self.publish_selections();
        self.let_hear(&automations, &polled);
        self.handle.configure(Assignment { automations, polled: Some(polled), news });
        self.take_over();
    }

    /// Says what all policies select, since the bot forgets what it does not work on.
    pub(super) fn publish_selections(&self) {
        let policies = self.objects.of(What::Policy);
        self.handle.publish(policies.map(|(key, _)| (name(key), self.selections.reference(key))).collect());
    }

    pub(super) fn polls(&self, repository: &ImageRepository) -> bool {
        self.settings.controllers.reflector && self.reflector.has(&repository.image.canonical())
    }

    /// Whether an automation of this name is written in this object, and not in one of another kind that has the same name.
    fn is_written(&self, automation: &ObjectName, object: &Id) -> bool {
        self.reading.written(automation) == *object
    }

    pub(super) fn runs(&self, automation: &Automation) -> bool {
        self.has_remote(automation) && !self.is_blocked(&self.reading.written(&automation.id))
    }

    pub(super) fn has_remote(&self, automation: &Automation) -> bool {
        self.settings.controllers.automation && self.automation.has(&automation.remote.url)
    }

    /// Whether an object names one of another namespace, and may not.
    pub(super) fn is_blocked(&self, id: &Id) -> bool {
        if !self.settings.no_cross_namespace {
            return false;
        }
        self.objects.get(id).is_some_and(|object| id.0.other_namespace(&id.1, &object.spec()).is_some())
    }

    /// The object that another one is about, where it is about one.
    pub(super) fn reference(&self, id: &Id) -> Option<Id> {
        let object = self.objects.get(id)?;
        id.0.reference(&id.1, &object.spec())
    }

    /// Whether an object is ours to write. One that cannot be read belongs to who has its name.
    pub(super) fn is_mine(&self, whole: &Id) -> bool {
        let (what, key) = whole;
        let id = name(key);
        match what {
            What::Repository => match self.reading.repository(&id) {
                Some(repository) => self.polls(repository),
                None => self.settings.controllers.reflector && self.reflector.has(&key.to_string()),
            },
            What::Policy => match self.reading.policy(&id) {
                Some(policy) => self.polls(&policy.repository),
                None => self.settings.controllers.reflector && self.reflector.has(&key.to_string()),
            },
            What::Automation | What::Native => {
                match self.reading.automation(&id).filter(|_| self.is_written(&id, whole)) {
                    Some(automation) => self.has_remote(automation),
                    None => self.settings.controllers.automation && self.automation.has(&key.to_string()),
                }
            }
            What::Receiver | What::Notification => {
                self.settings.controllers.automation && self.automation.has(&key.to_string())
            }
            _ => false,
        }
    }
}
