//! The Leases of a group as objects: how they are called, written and read.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::ObjectMeta;

use crate::lease::Identity;
use crate::shards::{Settings, Shard};

/// Which group a Lease belongs to.
const GROUP: &str = "tagwright.dev/replicas";
/// How many shards a replica knows.
const COUNT: &str = "tagwright.dev/shards";
/// On the Lease of a replica that takes nothing more, since it is about to end.
const LEAVING: &str = "tagwright.dev/leaving";
const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "tagwright");

/// The Leases of one group.
#[derive(Debug, Clone)]
pub(crate) struct Objects {
    group: String,
    count: u16,
    seconds: i32,
}

/// Which object a Lease is, as of which write. A write names both: by the version alone the API server makes a Lease anew that
/// is gone by now, since it lets Leases be created by updates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    uid: Option<String>,
    pub(crate) resource: String,
}

impl Version {
    pub(crate) fn of(lease: &Lease) -> Version {
        let ObjectMeta { uid, resource_version, .. } = &lease.metadata;
        Version { uid: uid.clone(), resource: resource_version.clone().unwrap_or_default() }
    }
}

/// A Lease of the group, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) version: Version,
    /// Empty when nobody has it.
    pub(crate) holder: String,
    pub(crate) duration: Option<Duration>,
    transitions: i32,
    /// The number of shards of a replica that has another number than ours.
    pub(crate) other_count: Option<String>,
    pub(crate) leaving: bool,
}

/// Whose Lease it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Replica,
    Shard(Shard),
}

impl Objects {
    pub(crate) fn new(settings: &Settings) -> Objects {
        Objects { group: settings.group.clone(), count: settings.shards, seconds: settings.timing.seconds() }
    }

    /// What one list of all of them asks for.
    pub(crate) fn selector(&self) -> String {
        format!("{GROUP}={}", self.group)
    }

    /// The name of a replica's Lease. It follows from the identity, which is how a shard's Lease says whose it is.
    pub(crate) fn replica_name(&self, identity: &str) -> String {
        let plain = |character: char| match character.to_ascii_lowercase() {
            character @ ('a'..='z' | '0'..='9') => character,
            _ => '-',
        };
        format!("{}-replica-{}", self.group, identity.chars().map(plain).collect::<String>())
    }

    pub(crate) fn shard_name(&self, shard: Shard) -> String {
        format!("{}-shard-{shard}", self.group)
    }

    /// Name, kind and content of a Lease of the group; `None` for one that is none of ours.
    pub(crate) fn read(&self, lease: &Lease) -> Option<(String, Kind, Record)> {
        let name = lease.metadata.name.clone()?;
        let rest = name.strip_prefix(&self.group)?;
        let kind = match rest.strip_prefix("-shard-") {
            Some(number) => Kind::Shard(Shard::named(number, self.count)?),
            None => rest.strip_prefix("-replica-").map(|_| Kind::Replica)?,
        };
        Some((name, kind, self.record(lease)))
    }

    pub(crate) fn record(&self, lease: &Lease) -> Record {
        let spec = lease.spec.as_ref();
        let annotation = |name| lease.metadata.annotations.as_ref().and_then(|all| all.get(name));
        let seconds = spec.and_then(|spec| spec.lease_duration_seconds).and_then(|seconds| u64::try_from(seconds).ok());
        Record {
            version: Version::of(lease),
            holder: spec.and_then(|spec| spec.holder_identity.clone()).unwrap_or_default(),
            duration: seconds.map(Duration::from_secs),
            transitions: spec.and_then(|spec| spec.lease_transitions).unwrap_or_default(),
            other_count: annotation(COUNT).filter(|count| **count != self.count.to_string()).cloned(),
            leaving: annotation(LEAVING).is_some(),
        }
    }

    /// A replica's Lease, renewed.
    pub(crate) fn replica(
        &self,
        identity: &Identity,
        version: Option<&Version>,
        leaving: bool,
        wall: Timestamp,
    ) -> Lease {
        let mut lease = self.lease(self.replica_name(identity.as_str()), identity.as_str(), version, wall);
        let annotations = lease.metadata.annotations.get_or_insert_default();
        annotations.insert(COUNT.to_owned(), self.count.to_string());
        if leaving {
            annotations.insert(LEAVING.to_owned(), "true".to_owned());
        }
        lease
    }

    /// The Lease of a replica that is no more, so that its shards are free.
    pub(crate) fn ended(&self, name: &str, version: &Version, wall: Timestamp) -> Lease {
        self.lease(name.to_owned(), "", Some(version), wall)
    }

    /// A shard's Lease with a holder, or with none.
    pub(crate) fn shard(&self, shard: Shard, holder: &str, before: Option<&Record>, wall: Timestamp) -> Lease {
        let version = before.map(|before| &before.version);
        let mut lease = self.lease(self.shard_name(shard), holder, version, wall);
        let transitions = before.map_or(0, |before| before.transitions.saturating_add(i32::from(!holder.is_empty())));
        lease.spec.get_or_insert_default().lease_transitions = Some(transitions);
        lease
    }

    fn lease(&self, name: String, holder: &str, version: Option<&Version>, wall: Timestamp) -> Lease {
        let labels = [(GROUP, self.group.as_str()), MANAGED_BY];
        let metadata = ObjectMeta {
            name: Some(name),
            uid: version.and_then(|version| version.uid.clone()),
            resource_version: version.map(|version| version.resource.clone()),
            labels: Some(labels.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()),
            ..ObjectMeta::default()
        };
        let spec = LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            lease_duration_seconds: Some(if holder.is_empty() { 1 } else { self.seconds }),
            renew_time: Some(MicroTime(wall)),
            ..LeaseSpec::default()
        };
        Lease { metadata, spec: Some(spec) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn objects() -> Objects {
        Objects::new(&Settings::new("pod", None))
    }

    #[test]
    fn names_are_those_of_objects() {
        let objects = objects();
        assert_eq!(objects.replica_name("Pod.1_0a-b"), "tagwright-replica-pod-1-0a-b");
        assert_eq!(objects.selector(), "tagwright.dev/replicas=tagwright");
        let last = Shard::all(64).last().unwrap();
        assert_eq!(objects.shard_name(last), "tagwright-shard-63");
        let long = Identity::new(&"a".repeat(300));
        assert!(objects.replica_name(long.as_str()).len() <= 253);
        let selected = Objects::new(&Settings::new("pod", Some("a=b")));
        assert_eq!(selected.selector(), "tagwright.dev/replicas=tagwright-42144f39");
    }

    #[test]
    fn what_was_written_is_read() {
        let objects = objects();
        let version = Version { uid: Some("u".to_owned()), resource: "7".to_owned() };
        let mut lease = objects.replica(&Identity::from("pod_1"), Some(&version), true, Timestamp::UNIX_EPOCH);
        let (name, kind, record) = objects.read(&lease).unwrap();
        assert_eq!((name.as_str(), kind), ("tagwright-replica-pod-1", Kind::Replica));
        assert_eq!((&record.version, record.holder.as_str(), record.leaving), (&version, "pod_1", true));
        assert_eq!((record.duration, record.other_count), (Some(Duration::from_secs(15)), None));
        lease.metadata.annotations = Some([(COUNT.to_owned(), "32".to_owned())].into());
        assert_eq!(objects.record(&lease).other_count.as_deref(), Some("32"));
        let shard = Shard::all(64).nth(3).unwrap();
        let lease = objects.shard(shard, "pod_1", Some(&objects.record(&lease)), Timestamp::UNIX_EPOCH);
        assert_eq!(objects.read(&lease).map(|(_, kind, _)| kind), Some(Kind::Shard(shard)));
        assert_eq!(lease.spec.and_then(|spec| spec.lease_transitions), Some(1));
    }

    #[test]
    fn leases_of_others_are_none_of_ours() {
        let objects = objects();
        for name in
            ["other", "tagwright", "tagwright-shard-64", "tagwright-shard-3", "tagwright-shard-", "tagwright-leader"]
        {
            let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
            assert_eq!(objects.read(&Lease { metadata, spec: None }), None, "{name}");
        }
    }
}
