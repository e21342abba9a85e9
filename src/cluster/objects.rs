//! What is known of the cluster's objects.

use std::collections::BTreeMap;
use std::sync::Arc;

use kubernetes::watch::Change;
use kubernetes::{Key, Object, Reason};
use serde_json::json;
use tokio::time::Instant;

use super::passed::PUSHED;
use super::what::{Id, OURS, What};
use crate::config;

/// The annotation that asks for a pass at once.
pub(super) const REQUESTED_AT: &str = flux::REQUESTED_AT;

/// How often a kind is asked for in vain before the work begins without it.
const PATIENCE: u32 = 5;

/// What is known of the cluster's objects.
#[derive(Debug, Default)]
pub(super) struct Objects {
    kinds: BTreeMap<What, Known>,
}

#[derive(Debug, Default)]
struct Known {
    state: State,
    /// How often it was not told, and why the last time.
    failures: u32,
    failure: String,
    objects: BTreeMap<Key, Arc<Object>>,
    /// When objects were stored for us that the watch has not told yet.
    stored: BTreeMap<Key, Instant>,
}

impl Known {
    /// Whether a list shows that etcd was put back to a copy: an object is older than one that was known before the list was asked for.
    /// What the watch has told always was. Versions say nothing of it: they are given a second time.
    fn is_rewritten(&self, change: &Change) -> bool {
        let Change::Listed(objects, asked) = change else { return false };
        let was_known = |key: &Key| self.stored.get(key).is_none_or(|stored| stored < asked);
        objects
            .iter()
            .any(|now| self.objects.get(&now.key).is_some_and(|before| is_older(now, before)) && was_known(&now.key))
    }
}

/// What is known of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum State {
    /// Nothing yet.
    #[default]
    Unknown,
    /// All objects.
    Listed,
    /// That the cluster does not have it.
    Absent,
    /// Nothing: we are not told.
    Refused,
}

/// What is new about an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct News {
    pub(super) id: Id,
    /// Before; none for one that is new.
    pub(super) before: Option<Arc<Object>>,
    /// Now; none for one that is gone.
    pub(super) now: Option<Arc<Object>>,
    /// Whether it is what it was earlier, since etcd was put back to a copy.
    pub(super) went_back: bool,
}

impl News {
    /// Whether something changed that the configuration is read from.
    pub(super) fn is_configuration(&self) -> bool {
        match (&self.before, &self.now) {
            (Some(before), Some(now)) => {
                let ours = |object: &Object| -> BTreeMap<String, String> {
                    let is_read = |name: &str| name.starts_with(OURS) && name != PUSHED;
                    let annotations = object.annotations.iter().filter(|(name, _)| is_read(name));
                    annotations.map(|(name, value)| (name.clone(), value.clone())).collect()
                };
                before.spec != now.spec
                    || self.is_another()
                    || before.generation != now.generation
                    || before.labels != now.labels
                    || before.deleting != now.deleting
                    || ours(before) != ours(now)
            }
            _ => true,
        }
    }

    /// Whether it is another object of that name, or what it was earlier: what was said of it since is not there any more.
    pub(super) fn is_another(&self) -> bool {
        let (Some(before), Some(now)) = (&self.before, &self.now) else { return false };
        before.uid != now.uid || self.went_back
    }

    /// Whether somebody asks for a pass at once. That of an object that was not known is made anyway.
    pub(super) fn is_request(&self) -> bool {
        let requested = |object: &Arc<Object>| object.annotations.get(REQUESTED_AT).cloned();
        match (&self.before, &self.now) {
            (Some(before), Some(now)) => {
                let now = requested(now);
                now.is_some() && now != requested(before)
            }
            _ => false,
        }
    }
}

impl Objects {
    /// Takes in what a watch tells; returns what is new about which objects.
    pub(super) fn take(&mut self, what: What, change: Change) -> Vec<News> {
        let known = self.kinds.entry(what).or_default();
        let went_back = known.is_rewritten(&change);
        let mut news = Vec::new();
        let mut set = |known: &mut Known, key: Key, now: Option<Arc<Object>>| {
            // A watch may be behind what was stored for us.
            let is_behind = |now: &Arc<Object>| known.objects.get(&key).is_some_and(|before| is_older(now, before));
            if !went_back && now.as_ref().is_some_and(is_behind) {
                return;
            }
            known.stored.remove(&key);
            let before = match &now {
                Some(now) => known.objects.insert(key.clone(), Arc::clone(now)),
                None => known.objects.remove(&key),
            };
            if before != now {
                news.push(News { id: (what, key), before, now, went_back });
            }
        };
        match change {
            Change::Applied(object) => set(known, object.key.clone(), Some(Arc::new(*object))),
            Change::Gone(key) => set(known, key, None),
            Change::Listed(objects, _) => {
                known.state = State::Listed;
                let mut gone: Vec<Key> = known.objects.keys().cloned().collect();
                let listed: std::collections::BTreeSet<Key> = objects.iter().map(|object| object.key.clone()).collect();
                gone.retain(|key| !listed.contains(key));
                gone.into_iter().for_each(|key| set(known, key, None));
                objects.into_iter().for_each(|object| set(known, object.key.clone(), Some(Arc::new(object))));
            }
            Change::Absent => {
                known.state = State::Absent;
                let gone: Vec<Key> = known.objects.keys().cloned().collect();
                gone.into_iter().for_each(|key| set(known, key, None));
            }
            Change::Failing(error) => {
                known.failures += 1;
                known.failure = error.message;
                let is_refusal = matches!(error.reason, Reason::Unknown | Reason::Forbidden);
                let is_final = is_refusal || known.failures >= PATIENCE;
                if known.state == State::Unknown && is_final {
                    known.state = State::Refused;
                }
            }
        }
        news
    }

    /// Takes in an object as it was stored after a write of ours, unless something newer is known.
    pub(super) fn stored(&mut self, what: What, object: Object) -> Option<News> {
        let known = self.kinds.entry(what).or_default();
        let before = known.objects.get(&object.key)?;
        if before.uid != object.uid || is_older(&object, before) {
            return None;
        }
        let (key, now) = (object.key.clone(), Arc::new(object));
        known.stored.insert(key.clone(), Instant::now());
        let before = known.objects.insert(key.clone(), Arc::clone(&now));
        (before.as_ref() != Some(&now)).then_some(News { id: (what, key), before, now: Some(now), went_back: false })
    }

    pub(super) fn state(&self, what: What) -> State {
        self.kinds.get(&what).map_or(State::Unknown, |known| known.state)
    }

    /// Why nothing is known of a kind, where it is not told.
    pub(super) fn refusal(&self, what: What) -> Option<String> {
        let known = self.kinds.get(&what).filter(|known| known.state == State::Refused)?;
        Some(format!("{} cannot be watched: {}", what.kind().plural, known.failure))
    }

    pub(super) fn get(&self, id: &Id) -> Option<&Arc<Object>> {
        self.kinds.get(&id.0)?.objects.get(&id.1)
    }

    pub(super) fn of(&self, what: What) -> impl Iterator<Item = (&Key, &Arc<Object>)> {
        self.kinds.get(&what).into_iter().flat_map(|known| &known.objects)
    }

    /// All objects that the configuration is read from, as the reader wants them. What is being deleted is left out, and so are
    /// KubeVela's applications where the cluster has Flux's kinds: its own addon makes Flux's objects of them.
    pub(super) fn documents(&self) -> (Vec<Id>, Vec<config::Object>) {
        let with_applications = self.state(What::Repository) == State::Absent;
        let whats = What::ALL.into_iter().filter(|what| *what != What::Application || with_applications);
        let mut ids = Vec::new();
        let mut documents = Vec::new();
        for what in whats {
            for (key, object) in self.of(what).filter(|(_, object)| !object.deleting) {
                ids.push((what, key.clone()));
                documents.push(document(what, object));
            }
        }
        (ids, documents)
    }
}

/// Whether an object is what it was before another. The API calls versions opaque, and every server has numbers: where one has
/// not, whatever it told last is the newest.
fn is_older(object: &Object, other: &Object) -> bool {
    let version = |object: &Object| object.resource_version.parse::<u64>().ok();
    object.uid == other.uid && version(object).zip(version(other)).is_some_and(|(this, other)| this < other)
}

fn document(what: What, object: &Object) -> config::Object {
    let kind = what.kind().name;
    let annotations: BTreeMap<&str, &str> = object
        .annotations
        .iter()
        .filter(|(name, _)| name.starts_with(OURS))
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let mut metadata = json!({"name": object.key.name, "labels": object.labels, "annotations": annotations});
    if !object.key.namespace.is_empty() {
        metadata["namespace"] = object.key.namespace.as_str().into();
    }
    // The spec is JSON already.
    let text = format!(
        r#"{{"apiVersion":{},"kind":"{kind}","metadata":{metadata},"spec":{}}}"#,
        serde_json::Value::from(object.api_version.as_str()),
        object.spec
    );
    let name = match object.key.namespace.as_str() {
        "" => format!("{kind} {}", object.key.name),
        _ => format!("{kind} {}", object.key),
    };
    config::Object { name, text: text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::what::object;

    /// An object as of a version, with what it says.
    fn at(version: &str, range: &str) -> Object {
        let key = Key { namespace: "shop".to_owned(), name: "app".to_owned() };
        let mut object = object(What::Policy, key, &json!({"policy": {"semver": {"range": range}}}));
        object.resource_version = version.to_owned();
        object
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_older_counts_where_the_newer_must_have_been_seen() {
        let tick = || tokio::time::advance(std::time::Duration::from_secs(1));
        let old = || vec![at("5", "1.x")];
        let went_back = |news: Vec<News>| news.iter().map(|news| news.went_back).collect::<Vec<_>>();
        // What the watch has told was there when the list was asked for, whatever version the list has.
        let mut objects = Objects::default();
        objects.take(What::Policy, Change::Listed(old(), Instant::now()));
        objects.take(What::Policy, Change::Applied(Box::new(at("9", "2.x"))));
        assert_eq!(went_back(objects.take(What::Policy, Change::Listed(old(), Instant::now()))), [true]);
        // An event that comes late is none.
        objects.take(What::Policy, Change::Applied(Box::new(at("9", "2.x"))));
        assert_eq!(went_back(objects.take(What::Policy, Change::Applied(Box::new(at("5", "1.x"))))), [false; 0]);
        assert_eq!(
            went_back(objects.take(What::Policy, Change::Listed(vec![at("12", "1.x")], Instant::now()))),
            [false]
        );

        // What was stored for us may be newer than a list that was asked for before, and not than one that is asked for after.
        for (is_asked_after, expect) in [(false, [].as_slice()), (true, [true].as_slice())] {
            let mut objects = Objects::default();
            objects.take(What::Policy, Change::Listed(old(), Instant::now()));
            let before = Instant::now();
            tick().await;
            assert!(objects.stored(What::Policy, at("9", "2.x")).is_some());
            tick().await;
            let asked = if is_asked_after { Instant::now() } else { before };
            assert_eq!(went_back(objects.take(What::Policy, Change::Listed(old(), asked))), expect, "{is_asked_after}");
        }
    }
}
