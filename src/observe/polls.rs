//! What the last poll of each policy came to: what runs go by until the next.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use image::Reference;
use tagwright_core::automation::{Automation, ImagePolicy, ObjectName};

use crate::run::{Lack, PolicyReport};

/// What each policy of an automation selected, or why nothing.
pub(crate) type Selected = BTreeMap<ObjectName, Result<Reference, Lack>>;

/// What the last poll of each policy came to, for the policy as it was then. Cloning it copies no report.
#[derive(Debug, Clone, Default)]
pub struct Polls(HashMap<ObjectName, Arc<PolicyReport>>);

impl Polls {
    /// Takes in what a policy came to.
    pub fn take(&mut self, report: &Arc<PolicyReport>) {
        self.0.insert(report.id.clone(), Arc::clone(report));
    }

    /// Returns what the last poll of a policy came to, whatever the policy was then; none before the first.
    #[must_use]
    pub fn last(&self, policy: &ObjectName) -> Option<&Arc<PolicyReport>> {
        self.0.get(policy)
    }

    /// Returns what the last poll of a policy came to, if that was for the policy as it is.
    #[must_use]
    pub fn of(&self, policy: &Arc<ImagePolicy>) -> Option<&Arc<PolicyReport>> {
        let is_of =
            |report: &&Arc<PolicyReport>| Arc::ptr_eq(&report.policy, policy) || report.policy.selects_as(policy);
        self.0.get(&policy.id).filter(is_of)
    }

    /// Returns what is known of these policies alone.
    #[must_use]
    pub fn only(&self, policies: &[Arc<ImagePolicy>]) -> Self {
        let known = policies.iter().filter_map(|policy| Some((policy.id.clone(), Arc::clone(self.0.get(&policy.id)?))));
        Self(known.collect())
    }

    /// Returns what is known of the policies of these automations.
    #[must_use]
    pub fn of_automations(&self, automations: &[Arc<Automation>]) -> Self {
        let policies: Vec<_> = automations.iter().flat_map(|automation| &automation.policies).cloned().collect();
        self.only(&policies)
    }

    /// Tags that rank equal to what a policy selects.
    pub(crate) fn as_good(&self, policy: &Arc<ImagePolicy>) -> &[String] {
        self.of(policy).map(|report| report.as_good.as_slice()).unwrap_or_default()
    }

    /// What the policies of an automation select, as far as they were polled since they are what they are.
    pub(crate) fn selected(&self, automation: &Automation) -> Selected {
        let selection = |policy: &Arc<ImagePolicy>| Some((policy.id.clone(), self.of(policy)?.selection.clone()));
        automation.policies.iter().filter_map(selection).collect()
    }

    /// Whether a report selects something that runs did not know: something else than the poll before, or the same after a
    /// poll that came to nothing.
    pub(crate) fn is_news(&self, report: &PolicyReport) -> bool {
        report.selection.is_ok() && self.of(&report.policy).is_none_or(|before| before.selection != report.selection)
    }

    /// Forgets the other policies.
    pub fn retain(&mut self, is_kept: impl Fn(&ObjectName) -> bool) {
        self.0.retain(|id, _| is_kept(id));
    }
}
