//! Which version of an object a pass was about.
//!
//! A spec that changes, or a pass that is asked for, while another one is under way is not observed by that one. So what is
//! observed and handled is what was known when the pass began, whatever the object says by the time its status is written.

use std::collections::{BTreeMap, VecDeque};

use kubernetes::Object;
use tokio::time::Instant;

use super::objects::REQUESTED_AT;
use super::what::Id;

/// How many versions of an object are kept. A pass during which more come is about an older one than it was, and the next one
/// follows at once.
const KEPT: usize = 8;

/// What of an object a pass observes and handles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) generation: i64,
    /// What asked for a pass.
    pub(super) requested: Option<String>,
}

impl Version {
    pub(super) fn of(object: &Object) -> Self {
        Self { generation: object.generation, requested: object.annotations.get(REQUESTED_AT).cloned() }
    }
}

/// The versions of objects that the bot works with, each since when it does.
#[derive(Debug, Default)]
pub(super) struct Versions(BTreeMap<Id, VecDeque<(Instant, Version)>>);

impl Versions {
    /// The bot works with a version from now on.
    pub(super) fn take(&mut self, id: &Id, version: Version) {
        // Most have one version for as long as they are there.
        let known = self.0.entry(id.clone()).or_insert_with(|| VecDeque::with_capacity(1));
        if known.back().is_some_and(|(_, last)| *last == version) {
            return;
        }
        known.push_back((Instant::now(), version));
        if known.len() > KEPT {
            known.pop_front();
        }
    }

    /// The bot works from now on with a version that was read, and with what was asked for while it was.
    pub(super) fn read(&mut self, id: &Id, version: &Version, object: &Object) {
        self.take(id, Version { generation: version.generation, ..Version::of(object) });
    }

    /// Somebody asks for a pass from now on.
    pub(super) fn request(&mut self, id: &Id, object: &Object) {
        let now = Version::of(object);
        let generation = self.last(id).map_or(now.generation, |last| last.generation);
        self.take(id, Version { generation, ..now });
    }

    /// The version that a pass was about which began at a time.
    pub(super) fn at(&self, id: &Id, began: Instant) -> Option<&Version> {
        let known = self.0.get(id)?;
        let first = known.front();
        known.iter().rev().find(|(since, _)| *since <= began).or(first).map(|(_, version)| version)
    }

    /// The version that the bot works with now.
    pub(super) fn last(&self, id: &Id) -> Option<&Version> {
        self.0.get(id)?.back().map(|(_, version)| version)
    }

    pub(super) fn forget(&mut self, id: &Id) {
        self.0.remove(id);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kubernetes::Key;

    use super::*;
    use crate::cluster::what::{self, What};

    fn version(generation: i64, requested: &str) -> Version {
        Version { generation, requested: Some(requested.to_owned()) }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pass_is_about_what_was_known_when_it_began() {
        let id = (What::Policy, Key { namespace: "apps".to_owned(), name: "web".to_owned() });
        let mut versions = Versions::default();
        let began = Instant::now();
        versions.take(&id, version(1, "a"));
        tokio::time::advance(Duration::from_secs(1)).await;
        let later = Instant::now();
        tokio::time::advance(Duration::from_secs(1)).await;
        versions.take(&id, version(2, "b"));
        assert_eq!(versions.at(&id, later), Some(&version(1, "a")));
        assert_eq!(versions.at(&id, began - Duration::from_secs(9)), Some(&version(1, "a")));
        assert_eq!(versions.at(&id, Instant::now()), Some(&version(2, "b")));
        for generation in 3..20 {
            tokio::time::advance(Duration::from_secs(1)).await;
            versions.take(&id, version(generation, "c"));
        }
        assert_eq!(versions.at(&id, began), Some(&version(12, "c")));
        versions.forget(&id);
        assert_eq!(versions.last(&id), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_asked_for_while_it_is_read_counts() {
        let id = (What::Automation, Key { namespace: "apps".to_owned(), name: "web".to_owned() });
        let object = |generation, requested: &str| Object {
            generation,
            annotations: [(REQUESTED_AT.to_owned(), requested.to_owned())].into(),
            ..what::object(id.0, id.1.clone(), &serde_json::Value::Null)
        };
        let mut versions = Versions::default();
        let begun = Version::of(&object(2, "a"));
        versions.request(&id, &object(2, "b"));
        tokio::time::advance(Duration::from_secs(1)).await;
        versions.read(&id, &begun, &object(3, "b"));
        assert_eq!(versions.last(&id), Some(&version(2, "b")));
    }
}
