//! The configuration as the cluster's objects say it, with the secrets that they refer to.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use kubernetes::Cluster;
use tagwright_core::automation::{Automation, ImagePolicy, ImageRepository, ObjectName};

use super::objects::Objects;
use super::secrets::Secrets;
use super::versions::Version;
use super::what::{Id, What};
use crate::config::{self, About, Object, Referred};
use crate::schedule::{News, Watched};

/// How often secrets are asked for that only the ones before name: a service account names secrets.
const ROUNDS: usize = 3;

/// The configuration as the cluster's objects say it.
#[derive(Default)]
pub(super) struct Reading {
    pub(super) repositories: Vec<Arc<ImageRepository>>,
    pub(super) automations: Vec<Arc<Automation>>,
    policies: Vec<Arc<ImagePolicy>>,
    /// Who may tell of pushes.
    pub(super) receivers: BTreeMap<Id, Arc<hooks::Receiver>>,
    /// Who is told of what happens.
    pub(super) notifications: BTreeMap<Id, Arc<notify::Notification>>,
    /// What was found about the objects.
    pub(super) about: BTreeMap<Id, About>,
    /// The secrets and service accounts that objects refer to, and which do.
    referred: BTreeMap<Referred, BTreeSet<Id>>,
    /// What has changed since the reading before, and the versions that were read; and secrets.
    pub(super) changed: BTreeMap<Id, Option<Version>>,
    changed_secrets: Vec<Referred>,
    /// The objects that automations are written in.
    written: HashMap<ObjectName, Id>,
    repository_at: HashMap<ObjectName, usize>,
    policy_at: HashMap<ObjectName, usize>,
    automation_at: HashMap<ObjectName, usize>,
    /// The policies of each image repository, those of objects.
    policies_of: HashMap<ObjectName, Vec<usize>>,
}

/// Reads objects, and asks for the secrets that they refer to and nobody has asked for yet.
pub(super) async fn read(
    cluster: Cluster,
    secrets: Secrets,
    ids: Vec<Id>,
    documents: Vec<Object>,
    changed: BTreeMap<Id, Option<Version>>,
) -> (Secrets, Option<Reading>) {
    let (secrets, reading) = read_with(cluster, secrets, Vec::new(), (ids, documents, changed)).await;
    (secrets, Some(reading))
}

/// Asks for some secrets again, then reads objects; none where nothing has changed, so that it would be the reading before.
pub(super) async fn read_again(
    cluster: Cluster,
    mut secrets: Secrets,
    wanted: Vec<Referred>,
    ids: Vec<Id>,
    documents: Vec<Object>,
    changed: BTreeMap<Id, Option<Version>>,
) -> (Secrets, Option<Reading>) {
    let fresh = secrets.ask(&cluster, wanted).await;
    if fresh.is_empty() && changed.is_empty() {
        return (secrets, None);
    }
    let (secrets, reading) = read_with(cluster, secrets, fresh, (ids, documents, changed)).await;
    (secrets, Some(reading))
}

/// Reads objects, and asks for the secrets that they refer to and nobody has asked for yet; some were before.
async fn read_with(
    cluster: Cluster,
    mut secrets: Secrets,
    mut changed_secrets: Vec<Referred>,
    (ids, documents, changed): (Vec<Id>, Vec<Object>, BTreeMap<Id, Option<Version>>),
) -> (Secrets, Reading) {
    tracing::debug!(objects = ids.len(), changed = changed.len(), "reads the objects");
    let mut wanted = Vec::new();
    let mut round = 0;
    loop {
        if !wanted.is_empty() {
            changed_secrets.extend(secrets.ask(&cluster, std::mem::take(&mut wanted)).await);
        }
        let mut all = documents.clone();
        all.extend(secrets.documents());
        let unreadable = secrets.failures();
        // Parsing some thousands of objects takes a while.
        let reading = match tokio::task::spawn_blocking(move || config::read_objects(all, unreadable)).await {
            Ok(reading) => reading,
            // The reading before stays; an empty one would stop all work.
            Err(broken) => std::panic::resume_unwind(broken.into_panic()),
        };
        wanted = secrets.unknown(reading.referred.keys());
        round += 1;
        if wanted.is_empty() || round > ROUNDS {
            let mut reading = Reading::new(&ids, reading);
            (reading.changed, reading.changed_secrets) = (changed, changed_secrets);
            return (secrets, reading);
        }
    }
}

impl Reading {
    fn new(ids: &[Id], reading: config::Reading) -> Self {
        let config::Reading { mut repositories, mut policies, mut automations, .. } = reading;
        let config::Reading { receivers, notifications, about, written, referred, .. } = reading;
        let id = |at: usize| ids.get(at).cloned();
        let about: BTreeMap<Id, About> = about.into_iter().filter_map(|(at, about)| Some((id(at)?, about))).collect();
        let written: HashMap<ObjectName, Id> = written.into_iter().filter_map(|(it, at)| Some((it, id(at)?))).collect();
        let referred = referred.into_iter().map(|(it, from)| (it, from.into_iter().filter_map(id).collect())).collect();
        // What can be made of an object with a problem is not what it means: a selector that is none selects everything.
        let is_sound = |id: &Id| about.get(id).is_none_or(|about| about.problems.is_empty());
        repositories.retain(|it| is_sound(&(What::Repository, key(&it.id))));
        policies.retain(|it| is_sound(&(What::Policy, key(&it.id))));
        // An application is many things, of which each stands for itself.
        let is_whole = |id: &&Id| id.0 != What::Application;
        automations.retain(|it| written.get(&it.id).filter(is_whole).is_none_or(is_sound));
        let receivers = receivers.into_iter().filter_map(|(at, it)| Some((id(at).filter(is_sound)?, it))).collect();
        let notifications = notifications.into_iter();
        let notifications = notifications.filter_map(|(at, it)| Some((id(at).filter(is_sound)?, it))).collect();
        let objects: BTreeSet<ObjectName> = ids
            .iter()
            .filter(|(what, _)| *what == What::Policy || *what == What::Application)
            .map(|(_, key)| ObjectName { namespace: key.namespace.clone(), name: key.name.clone() })
            .collect();
        let mut policies_of: HashMap<ObjectName, Vec<usize>> = HashMap::new();
        let shared: BTreeSet<*const ImageRepository> = repositories.iter().map(Arc::as_ptr).collect();
        for (at, policy) in policies.iter().enumerate() {
            if objects.contains(&policy.id) || shared.contains(&Arc::as_ptr(&policy.repository)) {
                policies_of.entry(policy.repository.id.clone()).or_default().push(at);
            }
        }
        Self {
            repository_at: repositories.iter().enumerate().map(|(at, it)| (it.id.clone(), at)).collect(),
            policy_at: policies.iter().enumerate().map(|(at, it)| (it.id.clone(), at)).collect(),
            automation_at: automations.iter().enumerate().map(|(at, it)| (it.id.clone(), at)).collect(),
            repositories,
            policies,
            automations,
            receivers,
            notifications,
            about,
            referred,
            changed: BTreeMap::new(),
            changed_secrets: Vec::new(),
            written,
            policies_of,
        }
    }

    pub(super) fn repository(&self, id: &ObjectName) -> Option<&Arc<ImageRepository>> {
        self.repositories.get(*self.repository_at.get(id)?)
    }

    /// The names of all image repositories: those that are objects, and those that policies bring along.
    pub(super) fn repository_names(&self) -> HashSet<&ObjectName> {
        let brought = self.policies.iter().map(|policy| &policy.repository.id);
        self.repositories.iter().map(|repository| &repository.id).chain(brought).collect()
    }

    pub(super) fn policy(&self, id: &ObjectName) -> Option<&Arc<ImagePolicy>> {
        self.policies.get(*self.policy_at.get(id)?)
    }

    pub(super) fn automation(&self, id: &ObjectName) -> Option<&Arc<Automation>> {
        self.automations.get(*self.automation_at.get(id)?)
    }

    /// The policies that look at an image repository which is an object of its own.
    pub(super) fn policies_of(&self, repository: &ImageRepository) -> Vec<Arc<ImagePolicy>> {
        let at = self.policies_of.get(&repository.id).into_iter().flatten();
        at.filter_map(|at| self.policies.get(*at)).cloned().collect()
    }

    /// The image repositories that automations bring along, with their policies.
    pub(super) fn own_repositories(&self, automations: &[Arc<Automation>]) -> Vec<Watched> {
        let mut own: Vec<Watched> = Vec::new();
        let mut known: HashMap<*const ImageRepository, usize> = HashMap::new();
        for policy in automations.iter().filter(|it| !it.suspended).flat_map(|automation| &automation.policies) {
            let repository = &policy.repository;
            if self.is_shared(repository) {
                continue;
            }
            let at = *known.entry(Arc::as_ptr(repository)).or_insert(own.len());
            match own.get_mut(at) {
                // Several policies of a repository are few.
                Some(watched) if !watched.policies.iter().any(|known| Arc::ptr_eq(known, policy)) => {
                    watched.policies.push(Arc::clone(policy));
                }
                Some(_) => {}
                None => own.push(Watched { repository: Arc::clone(repository), policies: vec![Arc::clone(policy)] }),
            }
        }
        own
    }

    /// The object that an automation is written in.
    pub(super) fn written(&self, automation: &ObjectName) -> Id {
        self.written.get(automation).cloned().unwrap_or_else(|| (What::Automation, key(automation)))
    }

    /// Whether an image repository is an object of its own, and not one that an automation brings along.
    pub(super) fn is_shared(&self, repository: &Arc<ImageRepository>) -> bool {
        self.repository(&repository.id).is_some_and(|shared| Arc::ptr_eq(shared, repository))
    }

    /// Whether somebody is told since this reading who was not before, or is told in another way.
    pub(super) fn tells_anew(&self) -> bool {
        let tells = [What::Notification, What::FluxProvider, What::FluxAlert];
        self.changed_by_all().any(|(what, _)| tells.contains(what))
    }

    /// The objects that have changed since the reading before, and those whose secrets have.
    pub(super) fn changed_by_all(&self) -> impl Iterator<Item = &Id> {
        let of_secrets = self.changed_secrets.iter().filter_map(|secret| self.referred.get(secret)).flatten();
        self.changed.keys().chain(of_secrets)
    }

    /// The secrets and service accounts that an object refers to.
    pub(super) fn referred_by(&self, id: &Id) -> Vec<Referred> {
        let by_it = self.referred.iter().filter(|(_, from)| from.contains(id));
        by_it.map(|(referred, _)| referred.clone()).collect()
    }

    /// Whether something refers to a secret or a service account.
    pub(super) fn refers_to(&self, referred: &Referred) -> bool {
        self.referred.contains_key(referred)
    }

    /// What an assignment makes due at once because of what has changed.
    pub(super) fn news(&self, objects: &Objects) -> News {
        let of_secrets: BTreeSet<&Id> =
            self.changed_secrets.iter().filter_map(|secret| self.referred.get(secret)).flatten().collect();
        let is_new = |id: &Id| self.changed.contains_key(id) || of_secrets.contains(id);
        let mut repositories: BTreeSet<ObjectName> = BTreeSet::new();
        for repository in &self.repositories {
            let policies = self.policies_of.get(&repository.id).into_iter().flatten();
            let mut policies = policies.filter_map(|at| self.policies.get(*at));
            let is_of_new = |policy: &Arc<ImagePolicy>| self.changed.contains_key(&(What::Policy, key(&policy.id)));
            if is_new(&(What::Repository, key(&repository.id))) || policies.any(is_of_new) {
                repositories.insert(repository.id.clone());
            }
        }
        let mut automations: BTreeSet<ObjectName> = BTreeSet::new();
        for automation in &self.automations {
            let id = self.written(&automation.id);
            let source = || objects.get(&id).and_then(|object| id.0.reference(&id.1, &object.spec()));
            if is_new(&id) {
                automations.insert(automation.id.clone());
                if id.0 == What::Native {
                    repositories.extend(automation.policies.iter().map(|policy| policy.repository.id.clone()));
                }
            } else if source().is_some_and(|source| is_new(&source)) {
                automations.insert(automation.id.clone());
            }
        }
        News::Of { repositories, automations }
    }
}

fn key(id: &ObjectName) -> kubernetes::Key {
    kubernetes::Key { namespace: id.namespace.clone(), name: id.name.clone() }
}

#[cfg(test)]
mod tests {
    use kubernetes::Key;
    use kubernetes::watch::Change;
    use serde_json::{Value, json};

    use super::*;
    use crate::cluster::what::object;

    const NAMESPACE: &str = "shop";

    fn id(what: What, name: &str) -> Id {
        let (namespace, name) = name.split_once('/').unwrap_or((NAMESPACE, name));
        (what, Key { namespace: namespace.to_owned(), name: name.to_owned() })
    }

    fn objects(all: &[(What, &str, Value)]) -> Objects {
        let mut objects = Objects::default();
        for what in What::ALL {
            let of_kind = all.iter().filter(|(kind, _, _)| *kind == what);
            let listed = of_kind.map(|(_, name, spec)| object(what, id(what, name).1, spec));
            objects.take(what, Change::Listed(listed.collect(), tokio::time::Instant::now()));
        }
        objects
    }

    /// What is read of objects, with Secrets and ServiceAccounts.
    fn read(objects: &Objects, more: &[Value]) -> Reading {
        let (ids, mut documents) = objects.documents();
        let more = more.iter().map(|value| Object { name: "Secret".to_owned(), text: value.to_string().into() });
        documents.extend(more);
        Reading::new(&ids, config::read_objects(documents, BTreeMap::new()))
    }

    fn due(reading: &Reading, objects: &Objects) -> (Vec<String>, Vec<String>) {
        let News::Of { repositories, automations } = reading.news(objects) else { panic!("all is due") };
        let names = |names: BTreeSet<ObjectName>| names.iter().map(ToString::to_string).collect();
        (names(repositories), names(automations))
    }

    fn automation(source: Value) -> Value {
        json!({"interval": "1h", "sourceRef": source, "git": {"commit": {"author": {"email": "bot@example.com"}}}})
    }

    fn git(secret: &str) -> Value {
        let url = "https://git.example.com/config.git";
        json!({"url": url, "interval": "1h", "ref": {"branch": "main"}, "secretRef": {"name": secret}})
    }

    fn secret(name: &str, data: Value) -> Value {
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": NAMESPACE}, "stringData": data})
    }

    /// A Git repository is that of the automations that name it, wherever they are, and of no others.
    #[test]
    fn a_remote_that_changes_or_has_another_login_makes_its_automations_due() {
        let source = |name: &str| json!({"kind": "GitRepository", "name": name, "namespace": NAMESPACE});
        let objects = objects(&[
            (What::Git, "one", git("login")),
            (What::Git, "two", git("other")),
            (What::Automation, "apps/far", automation(source("one"))),
            (What::Automation, "near", automation(source("one"))),
            (What::Automation, "other", automation(source("two"))),
        ]);
        let login = |name| secret(name, json!({"username": "bot", "password": "first"}));
        let mut reading = read(&objects, &[login("login"), login("other")]);
        assert_eq!(reading.automations.len(), 3, "{:?}", reading.about);
        let expect = (Vec::new(), vec!["apps/far".to_owned(), "shop/near".to_owned()]);
        reading.changed = [(id(What::Git, "one"), None)].into();
        assert_eq!(due(&reading, &objects), expect);
        reading.changed.clear();
        let name = |name: &str| ObjectName { namespace: NAMESPACE.to_owned(), name: name.to_owned() };
        reading.changed_secrets = vec![Referred::Secret(name("login"))];
        assert_eq!(due(&reading, &objects), expect);
        reading.changed_secrets = vec![Referred::Secret(name("nobody-s"))];
        assert_eq!(due(&reading, &objects), (Vec::new(), Vec::new()));
    }

    #[test]
    fn a_pull_secret_is_that_of_the_repositories_whose_account_names_it() {
        let image =
            |name: &str| json!({"image": format!("ghcr.io/acme/{name}"), "interval": "1h", "serviceAccountName": name});
        let objects = objects(&[(What::Repository, "one", image("one")), (What::Repository, "two", image("two"))]);
        let account = |name: &str, secrets: Value| {
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": NAMESPACE},
                "imagePullSecrets": secrets})
        };
        let accounts = [account("one", json!([{"name": "login"}])), account("two", json!([]))];
        let problems = |reading: &Reading, name: &str| -> Vec<String> {
            let about = reading.about.get(&id(What::Repository, name));
            about.into_iter().flat_map(|about| &about.problems).map(|problem| problem.message.clone()).collect()
        };
        let lacking = read(&objects, &accounts);
        let says = "failed to get image pull secret for serviceaccount 'shop/one': secret 'shop/login' not found";
        assert_eq!((problems(&lacking, "one"), problems(&lacking, "two")), (vec![says.to_owned()], Vec::new()));
        let mut login = secret("login", json!({".dockerconfigjson": r#"{"auths": {}}"#}));
        login["type"] = "kubernetes.io/dockerconfigjson".into();
        let [one, two] = accounts;
        let mut reading = read(&objects, &[one, two, login]);
        assert_eq!(reading.repositories.len(), 2, "{:?}", reading.about);
        reading.changed_secrets =
            vec![Referred::Secret(ObjectName { namespace: NAMESPACE.to_owned(), name: "login".to_owned() })];
        assert_eq!(due(&reading, &objects), (vec!["shop/one".to_owned()], Vec::new()));
        let [one, two] = [account("one", json!([{}])), account("two", json!([]))];
        let says = problems(&read(&objects, &[one, two]), "one");
        assert_eq!(says, ["an image pull secret of serviceaccount 'shop/one' has no name"]);
    }

    #[test]
    fn an_object_of_our_kind_with_a_name_that_is_taken_stops_nobody_else() {
        let own = json!({"interval": "1h", "git": {"url": "https://git.example.com/config.git", "branch": "main"}, "images": []});
        let source = json!({"kind": "GitRepository", "name": "one"});
        let mut all = vec![
            (What::Git, "one", git("login")),
            (What::Automation, "web", automation(source)),
            (What::Native, "web", own),
        ];
        let login = secret("login", json!({"username": "bot", "password": "first"}));
        let written = |all: &[(What, &str, Value)]| {
            let reading = read(&objects(all), std::slice::from_ref(&login));
            let names: Vec<String> = reading.automations.iter().map(|it| it.id.to_string()).collect();
            (names, reading.automations.first().map(|it| reading.written(&it.id).0))
        };
        assert_eq!(written(&all), (vec!["shop/web".to_owned()], Some(What::Automation)));
        all.remove(1);
        assert_eq!(written(&all), (vec!["shop/web".to_owned()], Some(What::Native)));
    }
}
