//! Objects of any kind, as far as somebody reads them.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::ApiResource;
use serde::Deserialize;
use serde_json::Value;

use crate::kind::Map;

/// An object's namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The namespace; empty for objects that are in none.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// An object: what its metadata says, and spec and status as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Namespace and name.
    pub key: Key,
    /// Group and version it was read in.
    pub api_version: String,
    /// What tells it from others of its name, before and after.
    pub uid: String,
    /// Changes with every write.
    pub resource_version: String,
    /// Changes with every write of the spec.
    pub generation: i64,
    /// Whether somebody has deleted it, and only finalizers keep it.
    pub deleting: bool,
    /// Who wants to be asked before it goes.
    pub finalizers: Vec<String>,
    /// Its labels.
    pub labels: Map,
    /// Its annotations, those that are read.
    pub annotations: Map,
    /// The spec as JSON; `null` where there is none.
    pub spec: Arc<str>,
    /// The status as JSON; `null` where there is none.
    pub status: Arc<str>,
}

impl Object {
    /// The status, parsed.
    #[must_use]
    pub fn status(&self) -> Value {
        serde_json::from_str(&self.status).unwrap_or(Value::Null)
    }

    /// The spec, parsed.
    #[must_use]
    pub fn spec(&self) -> Value {
        serde_json::from_str(&self.spec).unwrap_or(Value::Null)
    }
}

/// An object as it is sent.
#[derive(Debug, Clone, Deserialize)]
pub struct Wire {
    #[serde(default)]
    metadata: ObjectMeta,
    #[serde(default)]
    spec: Value,
    #[serde(default)]
    status: Value,
}

impl Wire {
    /// The object, with those annotations that somebody reads.
    #[must_use]
    pub fn into_object(self, resource: &ApiResource, keeps: fn(&str) -> bool) -> Object {
        let Self { metadata, spec, status } = self;
        Object {
            key: Key { namespace: metadata.namespace.unwrap_or_default(), name: metadata.name.unwrap_or_default() },
            api_version: resource.api_version.clone(),
            uid: metadata.uid.unwrap_or_default(),
            resource_version: metadata.resource_version.unwrap_or_default(),
            generation: metadata.generation.unwrap_or_default(),
            deleting: metadata.deletion_timestamp.is_some(),
            finalizers: metadata.finalizers.unwrap_or_default(),
            labels: metadata.labels.unwrap_or_default(),
            // However long: the server takes 256 KiB of all together, and an order that is left out is not obeyed.
            annotations: metadata.annotations.unwrap_or_default().into_iter().filter(|(name, _)| keeps(name)).collect(),
            spec: spec.to_string().into(),
            status: status.to_string().into(),
        }
    }
}

impl kube::Resource for Wire {
    type DynamicType = ApiResource;
    type Scope = kube::core::DynamicResourceScope;

    fn kind(resource: &ApiResource) -> std::borrow::Cow<'_, str> {
        resource.kind.as_str().into()
    }

    fn group(resource: &ApiResource) -> std::borrow::Cow<'_, str> {
        resource.group.as_str().into()
    }

    fn version(resource: &ApiResource) -> std::borrow::Cow<'_, str> {
        resource.version.as_str().into()
    }

    fn api_version(resource: &ApiResource) -> std::borrow::Cow<'_, str> {
        resource.api_version.as_str().into()
    }

    fn plural(resource: &ApiResource) -> std::borrow::Cow<'_, str> {
        resource.plural.as_str().into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use kube::core::GroupVersionKind;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_read_is_kept_however_long_it_is() {
        let long = "x".repeat(255 << 10);
        let annotations = json!({"tagwright.dev/hold": long, "example.com/large": long});
        let wire: Wire =
            serde_json::from_value(json!({"metadata": {"name": "web", "annotations": annotations}})).unwrap();
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("image.toolkit.fluxcd.io", "v1", "ImagePolicy"));
        let object = wire.into_object(&resource, |name| name.starts_with("tagwright.dev/"));
        assert_eq!(object.annotations, [("tagwright.dev/hold".to_owned(), long)].into());
        assert_eq!((&*object.spec, object.key.name.as_str()), ("null", "web"));
    }
}
