//! What people see and order from a command line, by the objects of a cluster and with their own rights there.
//!
//! No bot is asked: whatever is ordered is written to the objects, and whichever bot works on these obeys.

mod freeze;
mod order;
mod overview;
mod refusal;
mod request;

use std::collections::BTreeMap;

use kubernetes::connect::Options;
use kubernetes::status::{Target, Written};
use kubernetes::watch::Scope;
use kubernetes::{Cluster, Key, Object, read};
use serde_json::Value;
use tagwright_core::automation::ObjectName;

pub(crate) use self::freeze::Freezing;
pub(crate) use self::overview::overview;
pub(crate) use self::request::Answer;
use super::control::{is_suspended, name};
pub(crate) use super::what::What;
use super::what::keeps;
use crate::failure::{Failure, Result};

/// Whose the fields are that a person writes, as the API server records it.
const MANAGER: &str = "tagwright-cli";

/// The objects of a cluster, as a person may see and change them.
pub(crate) struct People {
    cluster: Cluster,
    all_namespaces: bool,
    /// The version of each kind that the cluster has.
    served: BTreeMap<What, String>,
}

/// An object that was found by its name.
#[derive(Debug)]
pub(crate) struct Found {
    /// Its kind.
    pub(crate) what: What,
    object: Object,
}

impl Found {
    /// Its namespace and name.
    pub(crate) fn name(&self) -> ObjectName {
        name(&self.object.key)
    }

    /// Whether nobody is to work on it.
    pub(crate) fn is_suspended(&self) -> bool {
        is_suspended(&self.object)
    }

    /// Why it is suspended, where somebody has said so.
    pub(crate) fn why_suspended(&self) -> Option<&str> {
        self.object.annotations.get(super::orders::SUSPENDED).map(|reason| reason.trim()).filter(|it| !it.is_empty())
    }
}

impl What {
    /// The kinds that orders are written to.
    pub(crate) const ORDERED: [Self; 3] = [Self::Policy, Self::Automation, Self::Native];

    /// The kinds that passes are asked of.
    pub(crate) const ASKED: [Self; 4] = [Self::Policy, Self::Automation, Self::Native, Self::Repository];

    /// A name of this kind as people and the store write it.
    pub(crate) fn written(self, name: &ObjectName) -> String {
        if self == Self::Policy { name.marker() } else { name.to_string() }
    }

    /// The word for an object of this kind, in messages.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Automation | Self::Native => "automation",
            Self::Repository => "image repository",
            _ => self.kind().name,
        }
    }
}

impl People {
    /// Finds the API server, and which of these kinds it has.
    ///
    /// # Errors
    /// No API server is known, it does not answer, or it has none of the kinds.
    pub(crate) async fn connect(options: &Options, all_namespaces: bool, kinds: &[What]) -> Result<Self> {
        let cluster = super::connect(options).await?;
        let mut people = Self { cluster, all_namespaces, served: BTreeMap::new() };
        for what in kinds {
            let served = what.kind().served(&people.cluster.client).await;
            let served = served.map_err(|error| people.unanswered(&error, "cannot ask the API server what it has"))?;
            if let Some(resource) = served {
                people.served.insert(*what, resource.version);
            }
        }
        if people.served.is_empty() {
            return Err(refusal::without_kinds(kinds));
        }
        Ok(people)
    }

    /// The namespace of names that have none.
    pub(crate) fn namespace(&self) -> &str {
        &self.cluster.namespace
    }

    /// Where [`Self::all`] looks, in words.
    pub(crate) fn place(&self) -> String {
        match self.all_namespaces {
            true => "any namespace".to_owned(),
            false => format!("the namespace {}", self.namespace()),
        }
    }

    /// Whether it looks into all namespaces.
    pub(crate) fn is_everywhere(&self) -> bool {
        self.all_namespaces
    }

    /// The object of this name, of the first of the kinds that has one.
    ///
    /// # Errors
    /// It may not be read, or the server does not answer.
    pub(crate) async fn find(&self, kinds: &[What], name: &ObjectName) -> Result<Option<Found>> {
        for what in kinds {
            if let Some(object) = self.get(*what, name).await? {
                return Ok(Some(Found { what: *what, object }));
            }
        }
        Ok(None)
    }

    /// All objects of these kinds where we look, kind by kind.
    ///
    /// # Errors
    /// They may not be listed, or the server does not answer.
    pub(crate) async fn all(&self, kinds: &[What]) -> Result<Vec<Found>> {
        let namespace = (!self.all_namespaces).then(|| self.namespace().to_owned());
        let mut found = Vec::new();
        for what in kinds {
            let objects = self.list(*what, namespace.clone()).await;
            let objects = match objects {
                Ok(objects) => objects,
                Err(error) => return Err(self.refused(&error, "list", *what, namespace.as_deref()).await),
            };
            found.extend(objects.into_iter().map(|object| Found { what: *what, object }));
        }
        Ok(found)
    }

    /// The names of all objects of these kinds that may be listed, for a hint about one that there is not.
    pub(crate) async fn known(&self, kinds: &[What], namespace: &str) -> Vec<(What, ObjectName)> {
        let mut known = Vec::new();
        for what in kinds {
            let mut objects = self.list(*what, None).await;
            if objects.is_err() {
                objects = self.list(*what, Some(namespace.to_owned())).await;
            }
            known.extend(objects.unwrap_or_default().iter().map(|object| (*what, name(&object.key))));
        }
        known
    }

    /// The automation of ours that has an image of this name, which is no object of its own.
    pub(crate) async fn automation_of_image(&self, image: &ObjectName) -> Option<ObjectName> {
        let objects = self.list(What::Native, Some(image.namespace.clone())).await.ok()?;
        let has = |object: &&Object| {
            let spec = object.spec();
            let images = spec.get("images").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            images.iter().any(|it| it.get("name").and_then(Value::as_str) == Some(image.name.as_str()))
        };
        objects.iter().find(has).map(|object| name(&object.key))
    }

    async fn list(&self, what: What, namespace: Option<String>) -> Result<Vec<Object>, kubernetes::Error> {
        let Some(version) = self.served.get(&what) else { return Ok(Vec::new()) };
        let scope = Scope { namespace, labels: String::new() };
        read::all(&self.cluster.client, &what.kind().resource(version), &scope, keeps).await
    }

    async fn get(&self, what: What, name: &ObjectName) -> Result<Option<Object>> {
        let Some(version) = self.served.get(&what) else { return Ok(None) };
        let key = Key { namespace: name.namespace.clone(), name: name.name.clone() };
        match read::one(&self.cluster.client, &what.kind().resource(version), &key, keeps).await {
            Ok(object) => Ok(object),
            Err(error) => Err(self.refused(&error, "get", what, Some(&key.namespace)).await),
        }
    }

    /// Merges a patch into an object, whoever wrote it last.
    async fn patch(&self, found: &Found, patch: &Value) -> Result<()> {
        let (what, key) = (found.what, &found.object.key);
        let version = self.served.get(&what).map(String::as_str).unwrap_or_default();
        let resource = what.kind().resource(version);
        let target = Target { client: &self.cluster.client, resource: &resource, key, manager: MANAGER, keeps };
        let kind = what.kind().name;
        match target.merge(patch).await {
            Ok(Written::Stored(_) | Written::Unchanged) => Ok(()),
            Ok(Written::Gone) => Err(Failure::missing(format!("{kind} {key} is gone"), "")),
            Ok(Written::Conflict) => {
                let message = format!("{kind} {key} was written by somebody else at the same time");
                Err(Failure::new(crate::failure::Kind::Transient, message).with_hint(Some("try it again")))
            }
            Ok(Written::Refused(words)) => {
                Err(Failure::missing(words, "")
                    .under(format!("the API server does not take the change of {kind} {key}")))
            }
            Err(error) => Err(self.refused(&error, "patch", what, Some(&key.namespace)).await),
        }
    }
}
