//! Our own kinds as an API server knows them: what it takes, what it refuses and how it says so, and what kubectl shows.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use kube::api::{Api, DynamicObject, Patch, PatchParams, ValidationDirective};
use serde_json::{Value, json};
use yaml_rust2::YamlLoader;

use crate::cluster::{Cluster, Manifest, Space};
use crate::native;
use crate::tools::{Tools, printed};

/// The kinds, and how many documents of each are right at least.
const KINDS: [(&str, usize); 3] = [("ImageAutomation", 30), ("Receiver", 3), ("Notification", 3)];

/// How a refusal begins of what is not of the kind's types.
const NOT_TYPED: &str = "failed to create typed patch object";

/// What only a cluster does not see, beside what no schema sees; by why.
const UNSEEN: &[(&str, &[&str])] = &[
    ("annotations, in which a kind has no say", &["annotation-unknown", "guard-annotations-on-native", "max-interval"]),
    ("the namespace, which here is that of the test", &["bad-namespace"]),
];

/// Where a kind is defined.
fn definition(kind: &str) -> PathBuf {
    native::root().join(format!("docs/schema/{}.crd.yaml", kind.to_lowercase()))
}

/// A namespace in a cluster that has the kinds.
async fn space() -> Space<'static> {
    let cluster = Cluster::shared();
    for (kind, _) in KINDS {
        cluster.apply(&Manifest::read(&definition(kind))).await;
    }
    Space::new(cluster).await
}

/// The schema of an object.
fn schema(kind: &str) -> Value {
    let text = fs::read_to_string(definition(kind)).unwrap();
    let definition = native::json(&YamlLoader::load_from_str(&text).unwrap()[0]);
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
}

/// The objects of a kind in a namespace.
async fn all(space: &Space<'_>, kind: &str) -> Api<DynamicObject> {
    space.objects(&space.admin, "tagwright.dev/v1alpha1", kind).await
}

/// What an API server says against a document as kubectl would apply it: every field has to be known.
async fn complaint(
    space: &Space<'_>,
    automations: &Api<DynamicObject>,
    schema: &Value,
    mut document: Value,
) -> Option<String> {
    native::strict(schema, &mut document);
    let Some(name) = document["metadata"]["name"].as_str().map(str::to_owned) else {
        return Some("no name".to_owned());
    };
    if document["metadata"]["namespace"].is_string() {
        document["metadata"]["namespace"] = space.name.as_str().into();
    }
    let mut params = PatchParams::apply("test").dry_run();
    params.field_validation = Some(ValidationDirective::Strict);
    match automations.patch(&name, &params, &Patch::Apply(&document)).await {
        Ok(_) => None,
        // A field of another type is an internal error to whoever merges what several have applied.
        Err(kube::Error::Api(status)) if status.code < 500 || status.message.starts_with(NOT_TYPED) => {
            Some(status.message)
        }
        Err(error) => panic!("{name}: {error}"),
    }
}

#[tokio::test]
async fn what_is_read_is_taken() {
    let space = space().await;
    for (kind, fewest) in KINDS {
        let (all, schema) = (all(&space, kind).await, schema(kind));
        let (mut seen, mut wrong) = (0, Vec::new());
        for (name, document) in native::good(kind) {
            seen += 1;
            let complaint = complaint(&space, &all, &schema, document).await;
            wrong.extend(complaint.map(|complaint| format!("{name}: {complaint}")));
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(seen >= fewest, "{seen} documents of {kind}");
    }
}

/// What a schema sees of the bad ones of the other kinds, in the order in which they are in their files.
#[tokio::test]
async fn what_is_refused_of_receivers_and_notifications_is_refused_where_a_schema_can_tell() {
    let space = space().await;
    let expected: [(&str, &str, &[bool]); 3] = [
        // That a field is of another type than a text, and that a name is taken, is seen in a cluster otherwise.
        ("Receiver", "receiver", &[true, true, true, true, false]),
        ("Receiver", "receiver-oidc", &[true; 5]),
        ("Notification", "notification", &[true, true, true, true, true, false, false, false, false]),
    ];
    for (kind, file, refused) in expected {
        let (all, schema) = (all(&space, kind).await, schema(kind));
        let bad = native::bad(kind).into_iter().find(|(name, _)| name == file).unwrap().1;
        let mut found = Vec::new();
        for document in bad {
            found.push(complaint(&space, &all, &schema, document).await.is_some());
        }
        assert_eq!(found, refused, "{file}");
    }
}

#[tokio::test]
async fn what_belongs_to_another_type_of_receiver_is_refused_with_a_reason() {
    let space = space().await;
    let (all, schema) = (all(&space, "Receiver").await, schema("Receiver"));
    let identity = json!({"issuer": "https://id.example.com", "audience": "bot", "claims": {"sub": "ci"}});
    for (spec, expected) in [
        (json!({"type": "generic"}), "secretRef is missing, which is needed where type is not generic-oidc"),
        (
            json!({"type": "generic", "secretRef": {"name": "ci"}, "oidc": identity}),
            "oidc has to be left out where type is not generic-oidc",
        ),
        (json!({"type": "generic-oidc"}), "oidc is missing, which is needed where type is generic-oidc"),
        (
            json!({"type": "generic-oidc", "secretRef": {"name": "ci"}, "oidc": identity}),
            "secretRef has to be left out where type is generic-oidc",
        ),
    ] {
        let receiver = json!({
            "apiVersion": "tagwright.dev/v1alpha1", "kind": "Receiver", "metadata": {"name": "ci"}, "spec": spec,
        });
        let said = complaint(&space, &all, &schema, receiver).await;
        assert!(said.as_deref().is_some_and(|said| said.contains(expected)), "{expected}: {said:?}");
    }
}

#[tokio::test]
async fn kubectl_shows_what_counts_of_receivers_and_notifications() {
    let space = space().await;
    let tools = Tools::of(&space.cluster.admin_kubeconfig());
    let documents = "
apiVersion: tagwright.dev/v1alpha1
kind: Receiver
metadata: {name: hub}
spec: {type: dockerhub, secretRef: {name: hub}}
---
apiVersion: tagwright.dev/v1alpha1
kind: Notification
metadata: {name: chat}
spec: {type: slack, secretRef: {name: chat}, suspend: true}
";
    space.apply(documents).await;
    let kubectl =
        |arguments: &str| printed(&mut tools.kubectl(arguments.split(' ').chain(["--namespace", &space.name])));
    for (short, heads) in [
        ("twrecv", &["NAME", "READY", "STATUS", "SUSPENDED", "AGE"][..]),
        ("twnote", &["NAME", "READY", "STATUS", "TYPE", "SUSPENDED", "AGE"]),
    ] {
        let table = kubectl(&format!("get {short}"));
        let head = table.lines().next().unwrap();
        assert_eq!(head.split_whitespace().collect::<Vec<_>>(), heads, "{table}");
    }
    let listed = kubectl("get tagwright --output=name");
    let listed: BTreeSet<&str> = listed.lines().collect();
    assert!(listed.contains("receiver.tagwright.dev/hub") && listed.contains("notification.tagwright.dev/chat"));
    let explained = kubectl("explain receiver.spec.type --api-version=tagwright.dev/v1alpha1");
    assert!(explained.contains("who sends (required)"), "{explained}");
}

#[tokio::test]
async fn what_is_refused_is_refused_where_a_schema_can_tell() {
    let space = space().await;
    let (automations, schema) = (all(&space, "ImageAutomation").await, schema("ImageAutomation"));
    let allowed = native::UNSEEN.iter().chain(UNSEEN).flat_map(|(_, names)| names.iter().copied());
    let allowed: BTreeSet<&str> = allowed.collect();
    let (mut unseen, mut refused) = (BTreeSet::new(), 0);
    let bad = native::bad("ImageAutomation");
    for (name, documents) in &bad {
        let mut complaints = 0;
        for document in documents {
            complaints += usize::from(complaint(&space, &automations, &schema, document.clone()).await.is_some());
        }
        match complaints {
            0 => drop(unseen.insert(name.as_str())),
            _ => refused += 1,
        }
    }
    assert!(refused >= 50, "{refused} refused");
    let (more, fewer): (Vec<_>, Vec<_>) =
        (unseen.difference(&allowed).collect(), allowed.difference(&unseen).collect());
    assert!(more.is_empty() && fewer.is_empty(), "not refused: {more:#?}; refused after all: {fewer:?}");
}

/// An automation that is right, with a change.
fn automation(change: impl FnOnce(&mut Value)) -> Value {
    let mut document = json!({
        "apiVersion": "tagwright.dev/v1alpha1",
        "kind": "ImageAutomation",
        "metadata": {"name": "shop"},
        "spec": {
            "git": {"url": "https://git.example.com/acme/config.git"},
            "images": [{"name": "web", "image": "ghcr.io/acme/web", "policy": {"semver": {"range": "1.x"}}}],
        },
    });
    change(&mut document["spec"]);
    document
}

/// A change of a specification.
type Change = fn(&mut Value);

#[tokio::test]
async fn a_refusal_says_what_is_wrong() {
    let space = space().await;
    let (automations, schema) = (all(&space, "ImageAutomation").await, schema("ImageAutomation"));
    assert_eq!(complaint(&space, &automations, &schema, automation(|_| {})).await, None);
    let cases: &[(Change, &str)] = &[
        (
            |spec| spec["interval"] = "0s".into(),
            "spec.interval: Invalid value: \"0s\": an interval is longer than nothing",
        ),
        (
            |spec| {
                spec["interval"] = "5m".into();
                spec["schedule"] = "0 9 * * *".into();
            },
            "interval and schedule exclude each other",
        ),
        (|spec| spec["timeZone"] = "Europe/Berlin".into(), "timeZone has no schedule to belong to"),
        (|spec| spec["maxDelay"] = "1h".into(), "maxDelay has no quietPeriod to belong to"),
        (
            |spec| spec["git"]["url"] = "git.example.com/acme".into(),
            "a remote is https://, http://, ssh://, user@host:path",
        ),
        (|spec| spec["git"]["branch"] = "HEAD".into(), "git has no branch of this name"),
        (|spec| spec["git"]["push"] = json!({"branch": "a..b"}), "git has no branch of this name"),
        (
            |spec| {
                spec["git"]["branch"] = "main".into();
                spec["git"]["ref"] = json!({"tag": "v1"});
            },
            "branch and ref exclude each other",
        ),
        (
            |spec| spec["images"][0]["policy"] = json!({}),
            "a policy is one of semver, calver, newest, numerical and alphabetical",
        ),
        (
            |spec| spec["images"][0]["policy"]["numerical"] = json!({"order": "asc"}),
            "a policy is one of semver, calver, newest, numerical and alphabetical",
        ),
        (|spec| spec["images"][0]["name"] = "a..b".into(), "no two dots in a row"),
        (|spec| spec["image"] = json!([]), "field not declared in schema"),
    ];
    for (change, expected) in cases {
        let said = complaint(&space, &automations, &schema, automation(change)).await;
        assert!(said.as_deref().is_some_and(|said| said.contains(expected)), "{expected}: {said:?}");
    }
}

#[tokio::test]
async fn its_status_is_the_bot_s() {
    let space = space().await;
    let automations = all(&space, "ImageAutomation").await;
    let mut document = automation(|_| {});
    document["status"] = json!({"lastPushCommit": "a person's"});
    let params = PatchParams::apply("test");
    let stored = automations.patch("shop", &params, &Patch::Apply(&document)).await.unwrap();
    assert_eq!(stored.data["status"], json!({"observedGeneration": -1}), "nobody has looked at it");

    let ready = json!({
        "type": "Ready", "status": "True", "reason": "Succeeded", "message": "repository up-to-date",
        "lastTransitionTime": "2026-05-01T08:00:00Z", "observedGeneration": 1,
    });
    let status = json!({"status": {
        "observedGeneration": 1,
        "conditions": [ready],
        "lastHandledReconcileAt": "now",
        "lastRunTime": "2026-05-01T08:00:00Z",
        "lastPushCommit": "8c1f2ab3d4e5f60718293a4b5c6d7e8f90a1b2c3",
        "lastPushTime": "2026-05-01T08:00:00Z",
        "observedPolicies": {"web": {"name": "ghcr.io/acme/web", "tag": "1.4.2", "digest": "sha256:0"}},
    }});
    let stored = automations.patch_status("shop", &PatchParams::default(), &Patch::Merge(&status)).await.unwrap();
    assert_eq!(stored.data["status"], status["status"], "no field is lost");
    assert_eq!(stored.metadata.generation, Some(1), "a status is no change of the specification");

    let tools = Tools::of(&space.cluster.admin_kubeconfig());
    let kubectl =
        |arguments: &str| printed(&mut tools.kubectl(arguments.split(' ').chain(["--namespace", &space.name])));
    let said = kubectl("wait --for=condition=Ready imageautomation/shop --timeout=30s");
    assert_eq!(said.trim(), "imageautomation.tagwright.dev/shop condition met");
    let table = kubectl("get twauto");
    let [head, row] = table.lines().collect::<Vec<_>>()[..] else { panic!("{table}") };
    let columns: Vec<&str> = head.split("  ").map(str::trim).filter(|name| !name.is_empty()).collect();
    assert_eq!(columns, ["NAME", "READY", "STATUS", "LAST RUN", "SUSPENDED", "AGE"]);
    assert!(row.starts_with("shop   True    repository up-to-date   "), "{row}");
    for category in ["tagwright", "all"] {
        let listed = kubectl(&format!("get {category} --output=name"));
        assert_eq!(listed.trim(), "imageautomation.tagwright.dev/shop");
    }
    let explained = kubectl("explain imageautomation.spec.git.url");
    // It is broken into lines.
    let explained = explained.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(explained.contains("user@host:path, file:// or an absolute path (required)"), "{explained}");
}
