//! The API server: compare-and-swap on names.

use std::collections::BTreeMap;

use k8s_openapi::api::coordination::v1::Lease;

use crate::lease::{Answer, Request};

/// Its Leases.
#[derive(Debug, Default)]
pub(crate) struct Server {
    pub(crate) leases: BTreeMap<String, Lease>,
    version: u64,
    /// Writes that were tried, and lists.
    pub(crate) writes: u64,
    pub(crate) lists: u64,
}

impl Server {
    pub(crate) fn apply(&mut self, request: Request) -> Answer {
        match request {
            Request::Get(name) => self.leases.get(&name).map_or(Answer::Missing, found),
            Request::List => {
                self.lists += 1;
                Answer::Leases(self.leases.values().cloned().collect())
            }
            Request::Create(lease) => self.put(*lease, None),
            Request::Replace(lease) => {
                let version = lease.metadata.resource_version.clone();
                assert!(version.is_some(), "a write that is no compare-and-swap: {lease:?}");
                self.put(*lease, version)
            }
            Request::Delete { name, version } => self.delete(&name, &version),
        }
    }

    fn put(&mut self, mut lease: Lease, over: Option<String>) -> Answer {
        self.writes += 1;
        let name = lease.metadata.name.clone().unwrap();
        let there = self.leases.get(&name).and_then(|lease| lease.metadata.resource_version.clone());
        match (&there, &over) {
            // It lets Leases be created by updates, of any version, unless they say which object they are.
            (None, Some(_)) if lease.metadata.uid.is_none() => {}
            (None, Some(_)) => return Answer::Conflict,
            (there, over) if there != over => return Answer::Conflict,
            (_, _) => {}
        }
        self.version += 1;
        lease.metadata.resource_version = Some(self.version.to_string());
        lease.metadata.uid.get_or_insert_with(|| format!("object-{}", self.version));
        self.leases.insert(name, lease.clone());
        found(&lease)
    }

    fn delete(&mut self, name: &str, version: &str) -> Answer {
        self.writes += 1;
        match self.leases.get(name).map(|lease| lease.metadata.resource_version.as_deref() == Some(version)) {
            None => Answer::Missing,
            Some(false) => Answer::Conflict,
            Some(true) => {
                self.leases.remove(name);
                Answer::Deleted
            }
        }
    }
}

fn found(lease: &Lease) -> Answer {
    Answer::Lease(Box::new(lease.clone()))
}
