//! What an agenda is about: image repositories and automations, without how they are done.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tagwright_core::automation::{Gather, ObjectName, Schedule};

use super::Trigger;

/// What an agenda is about.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    /// The image repositories, each key once.
    pub(crate) repositories: Vec<RepositoryPlan>,
    /// The automations, each name once.
    pub(crate) automations: Vec<AutomationPlan>,
}

/// An image repository.
#[derive(Debug, Clone)]
pub(crate) struct RepositoryPlan {
    /// What it is called here.
    pub(crate) key: Arc<str>,
    /// What it is called in the configuration.
    pub(crate) id: ObjectName,
    /// Its canonical name, `registry/path`.
    pub(crate) image: String,
    /// The registry's authority.
    pub(crate) registry: String,
    /// When to poll.
    pub(crate) schedule: Schedule,
    /// How far the interval is stretched while the list gets no new tags.
    pub(crate) max_interval: Option<Duration>,
    /// The policies that want the digest of their tag looked up between polls, and how often. A poll looks it up, too.
    pub(crate) digests: BTreeMap<ObjectName, Duration>,
    /// A suspended one is looked at once, to say so.
    pub(crate) suspended: bool,
}

impl RepositoryPlan {
    /// When it is due by itself.
    pub(super) fn regular(&self) -> Option<Schedule> {
        (!self.suspended).then(|| self.schedule.clone())
    }
}

/// An automation.
#[derive(Debug, Clone)]
pub(crate) struct AutomationPlan {
    /// Its name.
    pub(crate) id: ObjectName,
    /// The URL of its remote.
    pub(crate) remote: Arc<str>,
    /// When to run.
    pub(crate) schedule: Schedule,
    /// How long changes wait for each other.
    pub(crate) gather: Gather,
    /// A suspended one is never due.
    pub(crate) suspended: bool,
    /// The policies it applies, and the keys of their repositories.
    pub(crate) applies: Vec<(ObjectName, Arc<str>)>,
    /// The policies it applies whose repositories are not polled here.
    pub(crate) elsewhere: BTreeSet<ObjectName>,
}

impl AutomationPlan {
    /// When it is due by itself.
    pub(super) fn regular(&self) -> Option<Schedule> {
        (!self.suspended).then(|| self.schedule.clone())
    }

    /// Whether a trigger makes it run.
    pub(super) fn is_meant(&self, trigger: &Trigger) -> bool {
        match trigger {
            Trigger::All => true,
            Trigger::Image(_) | Trigger::Repository(_) | Trigger::Told(_) => false,
            Trigger::Policy(policy) => {
                self.applies.iter().any(|(id, _)| id == policy) || self.elsewhere.contains(policy)
            }
            Trigger::Automation(id) | Trigger::Run(id) => self.id == *id,
            Trigger::Remote(url) => *self.remote == **url,
        }
    }

    /// The repositories that a trigger polls before it runs.
    pub(super) fn polls(&self, trigger: &Trigger) -> impl Iterator<Item = &Arc<str>> {
        self.applies
            .iter()
            .filter(|(id, _)| match trigger {
                Trigger::Policy(policy) => id == policy,
                Trigger::Remote(_) | Trigger::Run(_) => false,
                _ => true,
            })
            .map(|(_, repository)| repository)
    }
}
