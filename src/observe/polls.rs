//! What the last poll of each policy came to: what runs go by until the next.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use image::Reference;
use tagwright_core::automation::{Automation, ImagePolicy, ObjectName};
use tagwright_core::guard::{self, Agreement, Hold, Member, Newer};

use crate::run::{Lack, PolicyReport};

/// What each policy of an automation selected, or why nothing.
pub(crate) type Selected = BTreeMap<ObjectName, Result<Reference, Lack>>;

/// Policies that move only together.
struct Group<'p> {
    name: &'p str,
    policies: Vec<&'p Arc<ImagePolicy>>,
    /// The policies as markers name them.
    names: Vec<String>,
    /// What each can select, best first.
    tags: Vec<Vec<&'p str>>,
}

impl Group<'_> {
    fn agreement(&self) -> Agreement<'_> {
        let members = self.names.iter().zip(&self.tags);
        let members = members.map(|(policy, tags)| Member { policy, tags: tags.clone() });
        guard::agree(self.name, &members.collect::<Vec<_>>())
    }
}

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

    /// Tags that came after what a policy selects, of those policies of an automation that select the newest.
    pub(crate) fn newer(&self, automation: &Automation) -> Newer {
        let newer = |policy: &Arc<ImagePolicy>| {
            let newer = self.of(policy)?.newer.clone();
            (!newer.is_empty()).then(|| (policy.id.marker(), newer))
        };
        automation.policies.iter().filter_map(newer).collect()
    }

    /// Tags that rank equal to what a policy selects.
    pub(crate) fn as_good(&self, policy: &Arc<ImagePolicy>) -> &[String] {
        self.of(policy).map(|report| report.as_good.as_slice()).unwrap_or_default()
    }

    /// What the policies of an automation select, as far as they were polled since they are what they are.
    pub(crate) fn selected(&self, automation: &Automation) -> Selected {
        let selection = |policy: &Arc<ImagePolicy>| Some((policy.id.clone(), self.of(policy)?.selection.clone()));
        let mut selected: Selected = automation.policies.iter().filter_map(selection).collect();
        for group in self.groups(automation) {
            let agreement = group.agreement();
            for (policy, name) in group.policies.iter().zip(&group.names) {
                let Some(Ok(own)) = selected.get_mut(&policy.id).map(|own| own.as_mut()) else { continue };
                let agreed = agreement.tag.and_then(|tag| {
                    let alternatives = &self.of(policy)?.alternatives;
                    alternatives.iter().find(|it| it.tag.as_ref().is_some_and(|it| it.as_str() == tag))
                });
                match agreed {
                    Some(agreed) => own.clone_from(agreed),
                    None => {
                        let waits = agreement.waiting.get(name.as_str()).map(Hold::to_string).unwrap_or_default();
                        selected.insert(policy.id.clone(), Err(Lack::Apart(waits)));
                    }
                }
            }
        }
        selected
    }

    /// What policies of an automation would select alone, and wait with for others, by `namespace:name`.
    pub(crate) fn apart(&self, automation: &Automation) -> BTreeMap<String, (Reference, Hold)> {
        let mut apart = BTreeMap::new();
        for group in self.groups(automation) {
            let mut waiting = group.agreement().waiting;
            for (policy, name) in group.policies.iter().zip(&group.names) {
                let own = self.of(policy).and_then(|report| report.selection.as_ref().ok());
                if let (Some(hold), Some(own)) = (waiting.remove(name.as_str()), own) {
                    apart.insert(name.clone(), (own.clone(), hold));
                }
            }
        }
        apart
    }

    /// The policies of an automation that move together, with the tags that each can select.
    fn groups<'p>(&'p self, automation: &'p Automation) -> Vec<Group<'p>> {
        let mut groups: BTreeMap<(&str, &str), Vec<&'p Arc<ImagePolicy>>> = BTreeMap::new();
        for policy in automation.policies.iter().filter(|policy| !policy.suspended) {
            if let Some(name) = &policy.guards.together {
                groups.entry((policy.id.namespace.as_str(), name)).or_default().push(policy);
            }
        }
        let group = |((_, name), policies): ((&str, &'p str), Vec<&'p Arc<ImagePolicy>>)| {
            let tags = |policy: &&Arc<ImagePolicy>| {
                let report = self.of(policy).filter(|report| report.selection.is_ok());
                let tags = report.into_iter().flat_map(|report| &report.alternatives);
                tags.filter_map(|it| it.tag.as_ref()).map(image::Tag::as_str).collect()
            };
            let tags = policies.iter().map(tags).collect();
            Group { name, names: policies.iter().map(|policy| policy.id.marker()).collect(), policies, tags }
        };
        groups.into_iter().map(|(key, policies)| group(((key.0, key.1), policies))).collect()
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
