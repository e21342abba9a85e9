//! What the bot may do in a cluster: as little as there is, and the same in every variant.

use std::collections::{BTreeMap, BTreeSet};

use yaml_rust2::Yaml;

use crate::tree::{File, items};

const FOLDER: &str = "deploy/kubernetes";

/// All that a form of the bot may do, by the files that say so.
const FORMS: [(&str, &[&str]); 5] = [
    ("cluster-wide", &["standalone/cluster-wide/rbac.yaml"]),
    ("namespaced", &["standalone/namespaced/rbac.yaml"]),
    ("replicas", &["standalone/replicas/rbac.yaml"]),
    ("flux-notifications", &["standalone/flux-notifications/rbac.yaml"]),
    // In place of Flux's controllers, and beside them.
    ("flux", &["flux/accounts/rbac.yaml"]),
];

/// The statuses of our own kinds.
const OURS: [&str; 3] = ["imageautomations/status", "receivers/status", "notifications/status"];

/// A right: group, resource, verb.
type Right = (String, String, String);

fn right(group: &str, resource: &str, verb: &str) -> Right {
    (group.to_owned(), resource.to_owned(), verb.to_owned())
}

fn rights(group: &str, resources: &[&str], verbs: &[&str]) -> BTreeSet<Right> {
    resources.iter().flat_map(|resource| verbs.iter().map(|verb| right(group, resource, verb))).collect()
}

/// The documents of a form.
fn documents(form: &str) -> Vec<Yaml> {
    let (_, files) = FORMS.iter().find(|(name, _)| *name == form).unwrap();
    files.iter().flat_map(|file| File::read(&format!("{FOLDER}/{file}")).documents()).collect()
}

fn kind(document: &Yaml) -> &str {
    document["kind"].as_str().unwrap()
}

fn name(document: &Yaml) -> &str {
    document["metadata"]["name"].as_str().unwrap()
}

fn texts(yaml: &Yaml) -> Vec<&str> {
    items(yaml).iter().map(|text| text.as_str().unwrap()).collect()
}

/// What a role allows.
fn allowed(role: &Yaml) -> BTreeSet<Right> {
    let mut found = BTreeSet::new();
    for rule in items(&role["rules"]) {
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                for verb in texts(&rule["verbs"]) {
                    assert!(found.insert(right(group, resource, verb)), "{}: {verb} {resource} twice", name(role));
                }
            }
        }
    }
    found
}

/// All that a form allows.
fn all(form: &str) -> BTreeSet<Right> {
    documents(form).iter().filter(|document| kind(document).ends_with("Role")).flat_map(allowed).collect()
}

#[test]
fn nothing_is_allowed_that_is_not_needed() {
    const READ: &[&str] = &["list", "watch"];
    let image = "image.toolkit.fluxcd.io";
    let kinds = ["imagerepositories", "imagepolicies", "imageupdateautomations"];
    let statuses = ["imagerepositories/status", "imagepolicies/status", "imageupdateautomations/status"];
    let most = [
        rights(image, &kinds, &["get", "list", "watch", "patch"]),
        rights(image, &statuses, &["patch"]),
        rights("source.toolkit.fluxcd.io", &["gitrepositories"], READ),
        rights("core.oam.dev", &["applications"], READ),
        rights("tagwright.dev", &["imageautomations"], &["get", "list", "watch", "patch"]),
        rights("tagwright.dev", &["receivers", "notifications"], &["get", "list", "watch"]),
        rights("tagwright.dev", &OURS, &["patch"]),
        rights("notification.toolkit.fluxcd.io", &["receivers", "providers", "alerts"], READ),
        rights("", &["namespaces"], READ),
        rights("", &["events"], &["create", "patch"]),
        rights("", &["secrets", "serviceaccounts"], &["get"]),
        rights("coordination.k8s.io", &["leases"], &["get", "list", "create", "update", "delete"]),
    ];
    let most: BTreeSet<Right> = most.into_iter().flatten().collect();
    for (form, _) in FORMS {
        let more: Vec<Right> = all(form).difference(&most).cloned().collect();
        assert!(more.is_empty(), "{form}: {more:?}");
    }
    assert_eq!(&(&all("cluster-wide") | &all("replicas")) | &all("flux-notifications"), most);
}

#[test]
fn the_variants_allow_the_same() {
    let lacks = |form: &str, what: &[BTreeSet<Right>]| {
        let what: BTreeSet<Right> = what.iter().flatten().cloned().collect();
        assert_eq!(&all("cluster-wide") - &all(form), what, "{form}");
    };
    let native = rights("tagwright.dev", &["imageautomations"], &["get", "list", "watch", "patch"]);
    let native = &native | &rights("tagwright.dev", &["receivers", "notifications"], &["get", "list", "watch"]);
    let native = &native | &rights("tagwright.dev", &OURS, &["patch"]);
    let applications = rights("core.oam.dev", &["applications"], &["list", "watch"]);
    // Namespaces are in no namespace.
    lacks("namespaced", &[rights("", &["namespaces"], &["list", "watch"])]);
    // Flux's controllers know no other kinds than Flux's, and one process of each leads.
    lacks("flux", &[native, applications]);
    let elect = rights("coordination.k8s.io", &["leases"], &["get", "create", "update"]);
    assert_eq!(&all("flux") - &all("cluster-wide"), elect);
    // Replicas that share list each other, and clean up behind each other.
    assert_eq!(all("replicas"), &elect | &rights("coordination.k8s.io", &["leases"], &["list", "delete"]));
}

#[test]
fn a_half_cannot_do_the_other_s_work() {
    let roles = documents("flux");
    let role =
        |half: &str| roles.iter().find(|role| kind(role) == "ClusterRole" && name(role).ends_with(half)).unwrap();
    let writes = |half: &str| {
        let rights = allowed(role(half)).into_iter().filter(|(_, resource, _)| resource.ends_with("/status"));
        rights.map(|(_, resource, _)| resource).collect::<BTreeSet<String>>()
    };
    let (reflector, automation) = (writes("image-reflector"), writes("image-automation"));
    assert!(reflector.is_disjoint(&automation), "{reflector:?} {automation:?}");
    assert_eq!((reflector.len(), automation.len()), (2, 1));
}

#[test]
fn leases_are_those_of_the_own_namespace() {
    for (form, _) in FORMS {
        for role in documents(form).iter().filter(|document| kind(document) == "ClusterRole") {
            assert!(allowed(role).iter().all(|(_, resource, _)| resource != "leases"), "{form}: {}", name(role));
        }
    }
}

#[test]
fn each_role_is_bound_to_an_account_that_is_there() {
    for (form, _) in FORMS {
        let mut documents = documents(form);
        if !documents.iter().any(|document| kind(document) == "ServiceAccount") {
            documents.push(File::read(&format!("{FOLDER}/standalone/base/serviceaccount.yaml")).document());
        }
        let mut bound: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for document in documents.iter().filter(|document| kind(document).ends_with("Role")) {
            bound.insert((kind(document), name(document)), 0);
        }
        let place =
            |yaml: &Yaml| (yaml["name"].as_str().unwrap().to_owned(), yaml["namespace"].as_str().map(str::to_owned));
        let accounts = documents.iter().filter(|document| kind(document) == "ServiceAccount");
        let accounts: BTreeSet<_> = accounts.map(|account| place(&account["metadata"])).collect();
        for binding in documents.iter().filter(|document| kind(document).ends_with("Binding")) {
            let role = &binding["roleRef"];
            let role = (role["kind"].as_str().unwrap(), role["name"].as_str().unwrap());
            *bound.get_mut(&role).unwrap_or_else(|| panic!("{form}: no {role:?}")) += 1;
            assert_eq!(name(binding), role.1, "a binding is called as its role");
            for subject in items(&binding["subjects"]) {
                assert_eq!(subject["kind"].as_str(), Some("ServiceAccount"));
                assert!(accounts.contains(&place(subject)), "{form}: {subject:?}");
            }
        }
        assert!(bound.values().all(|times| *times == 1), "{form}: {bound:?}");
    }
}
