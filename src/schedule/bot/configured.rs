//! The configuration that a bot works with, and how its agenda calls the parts of it.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tagwright_core::automation::{Automation, DigestReflection, ImagePolicy, ImageRepository, ObjectName};

use crate::announce;
use crate::schedule::agenda::{AutomationPlan, Plan, RepositoryPlan};
use crate::schedule::assignment::{Assignment, Watched};

/// How long a look-up of digests may take within a run before it hangs.
const DIGEST_PATIENCE: Duration = Duration::from_secs(300);

/// A policy that is evaluated, or that an automation applies.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) policy: Arc<ImagePolicy>,
    /// The key of its repository; none when it is not polled here.
    pub(super) key: Option<Arc<str>>,
    /// Somebody else polls its repository. Otherwise nobody does, since every automation that applies it is suspended.
    pub(super) elsewhere: bool,
}

/// The configuration that a bot works with.
#[derive(Debug, Default)]
pub(super) struct Configured {
    pub(super) automations: Vec<Arc<Automation>>,
    /// Every policy of an automation, and every one that is evaluated without, in the configuration's order.
    pub(super) policies: Vec<Known>,
    repositories: BTreeMap<Arc<str>, Watched>,
    /// The order in which repositories are configured.
    order: Vec<Arc<str>>,
    /// Where each policy is, by name.
    at: HashMap<ObjectName, usize>,
    /// The automations that apply each policy, once somebody asks.
    users: OnceCell<HashMap<ObjectName, Vec<usize>>>,
}

impl Configured {
    pub(super) fn new(assignment: Assignment) -> Self {
        let Assignment { automations, polled, news: _ } = assignment;
        let elsewhere = polled.is_some();
        let mut configured = Self { automations, ..Self::default() };
        let mut known: HashMap<*const ImagePolicy, Arc<str>> = HashMap::new();
        for Watched { repository, policies } in polled.unwrap_or_else(|| needed(&configured.automations)) {
            let key = configured.add(&repository);
            known.extend(policies.iter().map(|policy| (Arc::as_ptr(policy), Arc::clone(&key))));
            if let Some(watched) = configured.repositories.get_mut(&key) {
                watched.policies = policies;
            }
        }
        let mut seen: HashSet<*const ImagePolicy> = HashSet::new();
        let applied = configured.automations.iter().flat_map(|automation| &automation.policies);
        let polled = configured.order.iter().filter_map(|key| configured.repositories.get(key));
        let all = applied.chain(polled.flat_map(|watched| &watched.policies));
        let once = all.filter(|policy| seen.insert(Arc::as_ptr(policy)));
        let known = once.map(|policy| Known {
            policy: Arc::clone(policy),
            key: known.get(&Arc::as_ptr(policy)).cloned(),
            elsewhere,
        });
        configured.policies = known.collect();
        configured.at =
            configured.policies.iter().enumerate().map(|(at, known)| (known.policy.id.clone(), at)).collect();
        configured
    }

    /// Where the policy of this name is among all of them.
    pub(super) fn at(&self, policy: &ObjectName) -> Option<usize> {
        self.at.get(policy).copied()
    }

    /// The automations that apply one of these policies, in the configuration's order.
    pub(super) fn users<'p>(&self, policies: impl IntoIterator<Item = &'p ObjectName>) -> Vec<notify::Name> {
        let users = self.users.get_or_init(|| {
            let mut users: HashMap<ObjectName, Vec<usize>> = HashMap::new();
            for (at, automation) in self.automations.iter().enumerate() {
                for policy in &automation.policies {
                    users.entry(policy.id.clone()).or_default().push(at);
                }
            }
            users
        });
        let found: BTreeSet<usize> = policies.into_iter().filter_map(|id| users.get(id)).flatten().copied().collect();
        found.into_iter().map(|at| announce::name(&self.automations[at].id)).collect()
    }

    /// Whether it has a policy of this name.
    pub(super) fn is_known(&self, policy: &ObjectName) -> bool {
        self.at.contains_key(policy)
    }

    /// Whether it has a policy of this name whose repository is polled here, or would be.
    pub(super) fn is_polled(&self, policy: &ObjectName) -> bool {
        let known = self.at.get(policy).and_then(|at| self.policies.get(*at));
        known.is_some_and(|known| known.key.is_some() || !known.elsewhere)
    }

    /// All image repositories that it polls.
    pub(super) fn repositories(&self) -> impl Iterator<Item = &Arc<ImageRepository>> {
        self.repositories.values().map(|watched| &watched.repository)
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
                id: repository.id.clone(),
                image: repository.image.canonical(),
                registry: repository.image.registry().to_owned(),
                schedule: repository.schedule.clone(),
                // A digest moves without a new tag, so that a quiet list says nothing of it.
                max_interval: repository.max_interval.filter(|_| !policies.iter().any(follows_digest)),
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
            elsewhere: automation
                .policies
                .iter()
                .filter(|policy| !keys.contains_key(&Arc::as_ptr(policy)))
                .map(|policy| policy.id.clone())
                .collect(),
        });
        Plan { repositories: repositories.collect(), automations: automations.collect() }
    }
}

/// The image repositories that automations need, with the policies that these apply. Those that are suspended need none.
fn needed(automations: &[Arc<Automation>]) -> Vec<Watched> {
    let mut needed: Vec<Watched> = Vec::new();
    let mut at: HashMap<*const ImageRepository, usize> = HashMap::new();
    let mut seen: HashSet<*const ImagePolicy> = HashSet::new();
    let active = automations.iter().filter(|automation| !automation.suspended);
    for policy in active.flat_map(|automation| &automation.policies).filter(|policy| seen.insert(Arc::as_ptr(policy))) {
        let place = *at.entry(Arc::as_ptr(&policy.repository)).or_insert_with(|| {
            needed.push(Watched { repository: Arc::clone(&policy.repository), policies: Vec::new() });
            needed.len() - 1
        });
        needed[place].policies.push(Arc::clone(policy));
    }
    needed
}

/// Whether a policy looks at the digest whenever its repository is polled.
fn follows_digest(policy: &Arc<ImagePolicy>) -> bool {
    policy.digest == DigestReflection::Always && !policy.suspended
}

/// How often the digest of a policy's tag is looked up between polls, if it is.
fn refresh(policy: &ImagePolicy) -> Option<Duration> {
    policy.refresh.filter(|_| policy.digest == DigestReflection::Always && !policy.suspended)
}
