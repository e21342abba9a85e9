//! Resources of Kubernetes as they are submitted: what they are called, and without what a server has added.
//!
//! What is left out of each, as users of kubectl-neat expect it:
//!
//! | field | why |
//! |---|---|
//! | `status` | the server's; what is rendered by Go has an empty one |
//! | `metadata.managedFields`, `resourceVersion`, `uid`, `selfLink`, `generation`, `creationTimestamp`, `deletionTimestamp`, `deletionGracePeriodSeconds` | the server's |
//! | `metadata.ownerReferences` | they name objects by the `uid` of one cluster; in another the resource would be deleted at once |
//! | annotations `kubectl.kubernetes.io/last-applied-configuration` and `deployment.kubernetes.io/revision`, and `annotations` that are empty then | kubectl's and a controller's |
//! | `creationTimestamp: null` in the `metadata` of a template | what Go writes for nothing |
//!
//! A document that SOPS has encrypted stays as it is: its MAC is over all of its values.

use std::collections::BTreeMap;
use std::fmt;

use super::Refused;
use super::node::Node;
use crate::sops;

/// How many resources a submission may have.
pub const MAX_RESOURCES: usize = 20_000;

/// How many lists may stand within lists.
const MAX_LISTS: usize = 4;

/// The longest name and namespace, in bytes, as Kubernetes has it.
const MAX_NAME: usize = 253;

const OF_SERVER: [&str; 9] = [
    "managedFields",
    "resourceVersion",
    "uid",
    "selfLink",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "ownerReferences",
];

/// The annotation in which kubectl keeps the object as it was applied.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

const ANNOTATIONS: [&str; 2] = [LAST_APPLIED, "deployment.kubernetes.io/revision"];

/// Whether secrets may be submitted as anybody can read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Secrets {
    /// Those alone that SOPS has encrypted.
    #[default]
    Encrypted,
    /// All.
    Plain,
}

/// What a resource is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// `apiVersion`.
    pub api_version: String,
    /// `kind`.
    pub kind: String,
    /// `metadata.namespace`; empty where there is none.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
}

impl Identity {
    /// The group of `apiVersion`; empty for Kubernetes' own core.
    #[must_use]
    pub fn group(&self) -> &str {
        self.api_version.rsplit_once('/').map_or("", |(group, _)| group)
    }

    /// The version of `apiVersion`.
    #[must_use]
    pub fn version(&self) -> &str {
        self.api_version.rsplit_once('/').map_or(&self.api_version, |(_, version)| version)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, namespace, name, .. } = self;
        if namespace.is_empty() { write!(f, "{kind} {name}") } else { write!(f, "{kind} {namespace}/{name}") }
    }
}

/// A resource to submit.
#[derive(Debug, Clone)]
pub struct Resource {
    /// What it is.
    pub id: Identity,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// All of it, without what a server has added.
    pub node: Node,
    /// Where it comes from: `deployment.yaml:12`.
    pub place: String,
}

/// Takes the resources of a document, which may be a list of them.
pub(super) fn take(node: Node, place: &str, secrets: Secrets, found: &mut Vec<Resource>) -> Result<(), Refused> {
    flatten(node, place, secrets, found, 0)
}

fn flatten(node: Node, place: &str, secrets: Secrets, found: &mut Vec<Resource>, depth: usize) -> Result<(), Refused> {
    let wrong = |reason: &str| Refused::NotAResource { place: place.to_owned(), reason: reason.to_owned() };
    let Node::Map(_) = &node else { return Err(wrong("it is no mapping")) };
    let text = |key: &str| node.get(key).and_then(Node::text).filter(|text| !text.is_empty()).map(str::to_owned);
    let kind = text("kind").ok_or_else(|| wrong("it has no `kind`"))?;
    let version = text("apiVersion").ok_or_else(|| wrong("it has no `apiVersion`"))?;
    if is_list(&node, &kind) {
        if depth >= MAX_LISTS {
            return Err(wrong("more than 4 lists within lists"));
        }
        let Node::Map(entries) = node else { return Ok(()) };
        let items = entries.into_iter().find(|(key, _)| key.text() == Some("items")).map(|(_, items)| items);
        let items = match items {
            Some(Node::List(items)) => items,
            None | Some(Node::Null) => Vec::new(),
            Some(_) => return Err(wrong("its `items` are no list")),
        };
        for mut item in items {
            // The items of a typed list do not say what they are.
            if kind != "List"
                && let Some(entries) = item.entries_mut()
            {
                let of_list = [("apiVersion", version.as_str()), ("kind", kind.strip_suffix("List").unwrap_or(&kind))];
                for (at, (key, value)) in of_list.into_iter().enumerate() {
                    if !entries.iter().any(|(name, _)| name.text() == Some(key)) {
                        entries.insert(at.min(entries.len()), (Node::Text(key.into()), Node::Text(value.into())));
                    }
                }
            }
            flatten(item, place, secrets, found, depth + 1)?;
        }
        return Ok(());
    }
    if found.len() >= MAX_RESOURCES {
        return Err(Refused::TooMany { most: MAX_RESOURCES });
    }
    found.push(resource(node, (version, kind), place, secrets)?);
    Ok(())
}

/// Whether a document is a list of resources. That it has a name changes nothing: what is in it would get by unseen.
fn is_list(node: &Node, kind: &str) -> bool {
    let has_name = node.get("metadata").is_some_and(|metadata| metadata.get("name").is_some());
    kind == "List"
        || kind.ends_with("List")
            && match node.get("items") {
                Some(Node::List(_)) => true,
                // What Go writes for a list of nothing.
                Some(Node::Null) => !has_name,
                _ => false,
            }
}

fn resource(
    mut node: Node,
    (api_version, kind): (String, String),
    place: &str,
    secrets: Secrets,
) -> Result<Resource, Refused> {
    let wrong = |reason: &str| Refused::NotAResource { place: place.to_owned(), reason: reason.to_owned() };
    let metadata = node.get("metadata").ok_or_else(|| wrong("it has no `metadata`"))?;
    let text = |key: &str| metadata.get(key).and_then(Node::text).unwrap_or_default().to_owned();
    let (namespace, name) = (text("namespace"), text("name"));
    if name.is_empty() {
        return Err(wrong("it has no `metadata.name`, and a file needs one"));
    }
    for part in [&name, &namespace, &kind, &api_version] {
        if part.len() > MAX_NAME || part.contains(|c: char| c.is_control() || c.is_whitespace()) {
            return Err(wrong("its kind, name or namespace is none"));
        }
    }
    let id = Identity { api_version, kind, namespace, name };
    let is_encrypted = is_encrypted(&node);
    if id.kind == "Secret" && id.group().is_empty() && secrets == Secrets::Encrypted && !is_sealed(&node, is_encrypted)
    {
        return Err(Refused::Secret { id: Box::new(id), place: place.to_owned() });
    }
    if !is_encrypted {
        strip(&mut node);
    }
    let map = |key: &str| {
        let of = node.get("metadata").and_then(|metadata| metadata.get(key));
        let pairs = of.map(Node::entries).unwrap_or_default().iter();
        pairs.filter_map(|(key, value)| Some((key.text()?.to_owned(), value.text()?.to_owned()))).collect()
    };
    let (labels, annotations) = (map("labels"), map("annotations"));
    Ok(Resource { id, labels, annotations, node, place: place.to_owned() })
}

/// Whether SOPS has encrypted a document: it has its MAC.
fn is_encrypted(node: &Node) -> bool {
    let mac = node.get("sops").and_then(|sops| sops.get("mac")).and_then(Node::text);
    mac.is_some_and(|mac| !mac.is_empty())
}

/// Whether nobody without a key can read what is in a secret. One without any value has nothing to read.
fn is_sealed(node: &Node, is_encrypted: bool) -> bool {
    let is_hidden = |value: &Node| match value {
        Node::Null => true,
        value => is_encrypted && value.text().is_some_and(|text| text.is_empty() || sops::is_encrypted(text)),
    };
    let values = ["data", "stringData"].into_iter().filter_map(|key| node.get(key));
    let are_hidden = values.into_iter().all(|values| match values {
        Node::Null => true,
        Node::Map(entries) => entries.iter().all(|(_, value)| is_hidden(value)),
        value => is_hidden(value),
    });
    // kubectl keeps the whole secret there; it is left out of one that is not encrypted.
    let copy = node.get("metadata").and_then(|it| it.get("annotations")).and_then(|it| it.get(LAST_APPLIED));
    are_hidden && copy.is_none_or(|copy| !is_encrypted || is_hidden(copy))
}

fn strip(node: &mut Node) {
    if let Some(entries) = node.entries_mut() {
        entries.retain(|(key, _)| key.text() != Some("status"));
        for (_, metadata) in entries.iter_mut().filter(|(key, _)| key.text() == Some("metadata")) {
            strip_metadata(metadata);
        }
        for (_, value) in entries.iter_mut() {
            strip_templates(value);
        }
    }
}

fn strip_metadata(metadata: &mut Node) {
    let Some(entries) = metadata.entries_mut() else { return };
    entries.retain(|(key, _)| key.text().is_none_or(|key| !OF_SERVER.contains(&key)));
    let mut is_emptied = false;
    for (_, annotations) in entries.iter_mut().filter(|(key, _)| key.text() == Some("annotations")) {
        if let Some(annotations) = annotations.entries_mut() {
            let before = annotations.len();
            annotations.retain(|(key, _)| key.text().is_none_or(|key| !ANNOTATIONS.contains(&key)));
            is_emptied = annotations.is_empty() && before > 0;
        }
    }
    if is_emptied {
        entries.retain(|(key, _)| key.text() != Some("annotations"));
    }
}

/// Leaves out what Go writes into the metadata of templates for a time that there is not.
fn strip_templates(node: &mut Node) {
    match node {
        Node::List(items) => items.iter_mut().for_each(strip_templates),
        Node::Map(entries) => {
            for (key, value) in entries.iter_mut() {
                if key.text() == Some("metadata")
                    && let Some(metadata) = value.entries_mut()
                {
                    metadata.retain(|(key, value)| key.text() != Some("creationTimestamp") || *value != Node::Null);
                }
                strip_templates(value);
            }
        }
        Node::Null | Node::Plain(_) | Node::Text(_) => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::submit::{read, write};

    fn all(text: &str, secrets: Secrets) -> Result<Vec<Resource>, Refused> {
        let mut found = Vec::new();
        for (line, node) in read::documents(text).unwrap() {
            take(node, &format!("a.yaml:{line}"), secrets, &mut found)?;
        }
        Ok(found)
    }

    fn check(text: &str, expect: &str) {
        let found = all(text, Secrets::Encrypted).unwrap();
        assert_eq!(write::document(&found[0].node).unwrap(), expect);
    }

    #[test]
    fn what_a_server_added_is_left_out() {
        check(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  annotations:\n    kubectl.kubernetes.io/last-applied-configuration: x\n    deployment.kubernetes.io/revision: '3'\n  creationTimestamp: 2026-01-01T00:00:00Z\n  generation: 2\n  managedFields: []\n  name: web\n  namespace: shop\n  ownerReferences: [{uid: x}]\n  resourceVersion: '1'\n  uid: x\nspec:\n  template:\n    metadata:\n      creationTimestamp: null\n      labels: {app: web}\nstatus: {}\n",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n  namespace: shop\nspec:\n  template:\n    metadata:\n      labels:\n        app: web\n",
        );
        check(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, annotations: {}}\ndata: {status: up}\n",
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  annotations: {}\ndata:\n  status: up\n",
        );
    }

    #[test]
    fn lists_are_their_items() {
        let names =
            |text: &str| all(text, Secrets::Encrypted).unwrap().iter().map(|it| it.id.to_string()).collect::<Vec<_>>();
        let item =
            "{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", \"metadata\": {\"name\": \"a\", \"namespace\": \"n\"}}";
        assert_eq!(
            names(&format!("{{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [{item}]}}")),
            ["ConfigMap n/a"]
        );
        let typed = "apiVersion: v1\nkind: ConfigMapList\nitems:\n- metadata: {name: a}\n- metadata: {name: b}\n";
        assert_eq!(names(typed), ["ConfigMap a", "ConfigMap b"]);
        assert!(names("apiVersion: v1\nkind: List\nitems: []\n").is_empty());
        assert!(names("apiVersion: v1\nkind: ConfigMapList\nitems: null\n").is_empty());
        let named = "apiVersion: v1\nkind: List\nmetadata: {name: all}\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n";
        assert_eq!(names(named), ["ConfigMap a"]);
        assert_eq!(names("apiVersion: a/v1\nkind: AllowList\nmetadata: {name: a}\n"), ["AllowList a"]);
        let of_lists = "apiVersion: a/v1\nkind: AllowListList\nitems:\n- metadata: {name: a}\n";
        assert_eq!(names(of_lists), ["AllowList a"]);
        assert!(all("apiVersion: a/v1\nkind: AllowList\nmetadata: {}\n", Secrets::Encrypted).is_err());
    }

    #[test]
    fn a_secret_in_a_list_is_seen_whatever_the_list_is_called() {
        for head in ["kind: List", "kind: List\nmetadata: {name: all}", "kind: SecretList\nmetadata: {name: all}"] {
            let text = format!(
                "apiVersion: v1\n{head}\nitems:\n- apiVersion: v1\n  kind: Secret\n  metadata: {{name: a}}\n  data: {{a: aGk=}}\n"
            );
            assert!(matches!(all(&text, Secrets::Encrypted), Err(Refused::Secret { .. })), "{head}");
        }
    }

    #[test]
    fn secrets_are_refused_unless_nobody_can_read_them() {
        let secret = |rest: &str| format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: a}}\n{rest}");
        let check = |rest: &str, expect: bool| {
            assert_eq!(all(&secret(rest), Secrets::Encrypted).is_ok(), expect, "{rest}");
            assert!(all(&secret(rest), Secrets::Plain).is_ok(), "{rest}");
        };
        check("data: {a: aGk=}\n", false);
        check("stringData: {a: hi}\n", false);
        check("type: kubernetes.io/service-account-token\n", true);
        check("data: {a: 'ENC[AES256_GCM,data:x,type:str]'}\nsops: {mac: 'ENC[x]'}\n", true);
        check("data: {a: 'ENC[AES256_GCM,data:x,type:str]', b: aGk=}\nsops: {mac: 'ENC[x]'}\n", false);
        check("data: {a: 'ENC[AES256_GCM,data:x,type:str]'}\n", false);
        let error = all(&secret("data: {a: c2VzYW1l}\n"), Secrets::Encrypted).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("c2VzYW1l"));
        let copied = "apiVersion: v1\nkind: Secret\nmetadata: {name: a, annotations: {kubectl.kubernetes.io/last-applied-configuration: x}}\ndata: {a: 'ENC[x]'}\nsops: {mac: 'ENC[x]'}\n";
        assert!(all(copied, Secrets::Encrypted).is_err(), "the annotation has it in plain text");
    }

    #[test]
    fn what_is_encrypted_stays_as_it_is() {
        check(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  creationTimestamp: null\n  name: a\ndata: {a: 'ENC[x]'}\nsops: {mac: 'ENC[y]'}\n",
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  creationTimestamp: null\n  name: a\ndata:\n  a: ENC[x]\nsops:\n  mac: ENC[y]\n",
        );
    }

    #[test]
    fn what_is_no_resource_is_refused() {
        for text in [
            "- a\n",
            "kind: A\n",
            "apiVersion: v1\nkind: A\n",
            "apiVersion: v1\nkind: A\nmetadata: {generateName: x-}\n",
            "apiVersion: v1\nkind: A\nmetadata: {name: \"a b\"}\n",
        ] {
            assert!(all(text, Secrets::Plain).is_err(), "{text}");
        }
    }
}
