//! Kinds of objects, and which of their versions a cluster serves.

use std::collections::BTreeMap;

use kube::Client;
use kube::core::{ApiResource, GroupVersionKind};

use crate::connect::within;
use crate::error::Error;

/// A kind of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind {
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// The versions that are understood, the best one first.
    pub versions: &'static [&'static str],
    /// The name in `kind`.
    pub name: &'static str,
    /// The name in paths.
    pub plural: &'static str,
}

impl Kind {
    /// The resource in one of its versions.
    #[must_use]
    pub fn resource(&self, version: &str) -> ApiResource {
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(self.group, version, self.name), self.plural)
    }

    /// The best version of it that the cluster serves; none where there is none, for want of its definition.
    ///
    /// # Errors
    /// The API server does not say.
    pub async fn served(&self, client: &Client) -> Result<Option<ApiResource>, Error> {
        if self.group.is_empty() {
            return Ok(self.versions.first().map(|version| self.resource(version)));
        }
        for version in self.versions {
            let group_version = format!("{}/{version}", self.group);
            match within(client.list_api_group_resources(&group_version)).await {
                Ok(list) if list.resources.iter().any(|resource| resource.name == self.plural) => {
                    return Ok(Some(self.resource(version)));
                }
                Ok(_) => {}
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

/// Labels or annotations.
pub type Map = BTreeMap<String, String>;
