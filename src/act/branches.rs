//! Whose the branches of requests are: each is one automation's, and one group's of its changes.
//!
//! A branch on which an automation has an open request stays its own. Otherwise nobody has one that two could want, whenever each of
//! them is due: they would take it from each other for ever.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tagwright_core::automation::{Automation, ObjectName};
use tagwright_core::group::Group;

use super::job::Job;
use crate::run::{Context, Error, Queue, apart};

/// The branches of a remote on which requests are open, as far as the store knows.
#[derive(Debug, Default)]
pub(super) struct Branches {
    /// The automations, by branch.
    open: BTreeMap<String, BTreeSet<String>>,
}

impl Branches {
    /// Those of the remote of a queue, if anybody there proposes anything.
    pub(super) async fn of(context: Context<'_>, queue: &Queue) -> Self {
        let Some(first) = queue.automations().find(|automation| automation.requests.is_some()) else {
            return Self::default();
        };
        let (store, url) = (context.edges.store.clone(), first.remote.url.clone());
        match apart("read requests", move || store.request_branches(&url)).await {
            Ok(Ok(open)) => Self { open },
            Ok(Err(error)) => {
                context.memory.store_fails("pull requests", &error);
                Self::default()
            }
            Err(_) => Self::default(),
        }
    }

    /// Another automation that has an open request on a branch, and is still there.
    fn other(&self, queue: &Queue, own: &ObjectName, branch: &str) -> Option<ObjectName> {
        let open = self.open.get(branch)?;
        let is_it = |other: &&Arc<Automation>| other.id != *own && open.contains(&other.id.to_string());
        queue.automations().find(is_it).map(|other| other.id.clone())
    }

    /// Finds another automation whose the push branch of one is.
    pub(super) fn shared(&self, queue: &Queue, automation: &Automation) -> Option<Error> {
        let branch = automation.push.branch.as_ref()?;
        let is_other = |other: &&Arc<Automation>| {
            let is_proposed = other.requests.is_some() || automation.requests.is_some();
            is_proposed && other.id != automation.id && other.push.branch.as_ref() == Some(branch)
        };
        let other = queue.automations().find(is_other).map(|other| other.id.clone());
        let other = other.or_else(|| self.other(queue, &automation.id, branch))?;
        Some(Error::SharedBranch { url: automation.remote.url.clone(), branch: branch.clone(), other })
    }

    /// Why the branch of a group cannot be its own. `taken` has those of the other groups of the wave.
    pub(super) fn clash(
        &self,
        queue: &Queue,
        job: &Job<'_>,
        taken: &mut BTreeMap<String, ObjectName>,
    ) -> Option<Error> {
        let (automation, part) = (job.automation, job.part.as_ref()?);
        let (url, branch) = (automation.remote.url.clone(), part.branch.clone());
        let has_request = self.open.get(&branch).is_some_and(|open| open.contains(&automation.id.to_string()));
        let wants = |other: &&Arc<Automation>| {
            other.id != automation.id
                && (other.push.branch.as_ref() == Some(&branch)
                    || !has_request && Group::may_be_on(&branch, other, &part.group))
        };
        let other = self.other(queue, &automation.id, &branch);
        let other = other.or_else(|| queue.automations().find(wants).map(|other| other.id.clone()));
        let other = other.or_else(|| taken.get(&branch).filter(|id| **id != automation.id).cloned());
        if let Some(other) = other {
            return Some(Error::SharedBranch { url, branch, other });
        }
        let base = automation.requests.as_ref().map(|requests| &requests.base);
        let why = match taken.insert(branch.clone(), automation.id.clone()) {
            _ if base == Some(&branch) => format!("{branch} is the branch that it would go to"),
            Some(_) => format!("{branch} is that of another group"),
            None => return None,
        };
        Some(Error::GroupBranch { url, group: part.group.key(), why })
    }
}
