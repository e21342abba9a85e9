//! The configuration that a bot works with, and how its agenda calls the parts of it.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tagwright_core::automation::{Automation, DigestReflection, ImagePolicy, ImageRepository};

use crate::schedule::agenda::{AutomationPlan, Plan, RepositoryPlan};

/// How long a look-up of digests may take within a run before it hangs.
const DIGEST_PATIENCE: Duration = Duration::from_secs(300);

/// A repository with the policies that look at it.
#[derive(Debug, Clone)]
pub(super) struct Watched {
    pub(super) repository: Arc<ImageRepository>,
    pub(super) policies: Vec<Arc<ImagePolicy>>,
}

/// A policy that an automation applies.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) policy: Arc<ImagePolicy>,
    /// The key of its repository; none when every automation that applies it is suspended, so that nobody asks.
    pub(super) key: Option<Arc<str>>,
}

/// The configuration that a bot works with.
#[derive(Debug, Default)]
pub(super) struct Configured {
    pub(super) automations: Vec<Arc<Automation>>,
    /// Every policy of an automation, in the configuration's order.
    pub(super) policies: Vec<Known>,
    repositories: BTreeMap<Arc<str>, Watched>,
    /// The order in which repositories are configured.
    order: Vec<Arc<str>>,
}

impl Configured {
    pub(super) fn new(automations: Vec<Arc<Automation>>) -> Self {
        let mut configured = Self { automations, ..Self::default() };
        let mut keys: HashMap<*const ImageRepository, Arc<str>> = HashMap::new();
        let mut known: HashMap<*const ImagePolicy, Arc<str>> = HashMap::new();
        let active: Vec<_> =
            configured.automations.iter().filter(|automation| !automation.suspended).cloned().collect();
        for policy in active.iter().flat_map(|automation| &automation.policies) {
            let Entry::Vacant(entry) = known.entry(Arc::as_ptr(policy)) else { continue };
            let at = Arc::as_ptr(&policy.repository);
            let key = keys.entry(at).or_insert_with(|| configured.add(&policy.repository));
            if let Some(watched) = configured.repositories.get_mut(key) {
                watched.policies.push(Arc::clone(policy));
            }
            entry.insert(Arc::clone(key));
        }
        let mut seen: HashSet<*const ImagePolicy> = HashSet::new();
        let all = configured.automations.iter().flat_map(|automation| &automation.policies);
        let once = all.filter(|policy| seen.insert(Arc::as_ptr(policy)));
        configured.policies = once
            .map(|policy| Known { policy: Arc::clone(policy), key: known.get(&Arc::as_ptr(policy)).cloned() })
            .collect();
        configured
    }

    /// Adds a repository under a key that is the same in every configuration that has it.
    fn add(&mut self, repository: &Arc<ImageRepository>) -> Arc<str> {
        let name = format!("{} {}", repository.id, repository.image.canonical());
        let mut key: Arc<str> = name.as_str().into();
        let mut copies = 1;
        while self.repositories.contains_key(&key) {
            copies += 1;
            key = format!("{name} {copies}").into();
        }
        let watched = Watched { repository: Arc::clone(repository), policies: Vec::new() };
        self.repositories.insert(Arc::clone(&key), watched);
        self.order.push(Arc::clone(&key));
        key
    }

    pub(super) fn watched(&self, key: &str) -> Option<&Watched> {
        self.repositories.get(key)
    }

    /// The automations of a remote.
    pub(super) fn of_remote(&self, url: &str) -> Vec<Arc<Automation>> {
        self.automations.iter().filter(|automation| automation.remote.url == url).cloned().collect()
    }

    /// The longest that one request may take in a run of these automations. Registries are asked for digests there, which is no
    /// reason to wait as long as for a list of tags, whose deadline is the interval of the polls.
    pub(super) fn longest_request(automations: &[Arc<Automation>]) -> Duration {
        let remotes = automations.iter().map(|automation| automation.remote.access.timeout);
        let policies = automations.iter().flat_map(|automation| &automation.policies);
        let digests = policies.map(|policy| policy.repository.access.timeout.min(DIGEST_PATIENCE));
        remotes.chain(digests).max().unwrap_or_default()
    }

    /// What the agenda has to know of it.
    pub(super) fn plan(&self) -> Plan {
        let keys: HashMap<*const ImagePolicy, &Arc<str>> =
            self.policies.iter().filter_map(|known| Some((Arc::as_ptr(&known.policy), known.key.as_ref()?))).collect();
        let repositories = self.order.iter().filter_map(|key| {
            let Watched { repository, policies } = self.repositories.get(key)?;
            Some(RepositoryPlan {
                key: Arc::clone(key),
                image: repository.image.canonical(),
                registry: repository.image.registry().to_owned(),
                schedule: repository.schedule.clone(),
                digests: policies.iter().filter_map(|policy| Some((policy.id.clone(), refresh(policy)?))).collect(),
                suspended: repository.suspended,
            })
        });
        let mut urls: HashMap<&str, Arc<str>> = HashMap::new();
        let automations = self.automations.iter().map(|automation| AutomationPlan {
            id: automation.id.clone(),
            remote: Arc::clone(
                urls.entry(&automation.remote.url).or_insert_with(|| automation.remote.url.as_str().into()),
            ),
            schedule: automation.schedule.clone(),
            gather: automation.gather,
            suspended: automation.suspended,
            applies: automation
                .policies
                .iter()
                .filter_map(|policy| Some((policy.id.clone(), Arc::clone(keys.get(&Arc::as_ptr(policy))?))))
                .collect(),
        });
        Plan { repositories: repositories.collect(), automations: automations.collect() }
    }
}

/// How often the digest of a policy's tag is looked up between polls, if it is.
fn refresh(policy: &ImagePolicy) -> Option<Duration> {
    policy.refresh.filter(|_| policy.digest == DigestReflection::Always && !policy.suspended)
}
