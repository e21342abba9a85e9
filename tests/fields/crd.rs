//! The CustomResourceDefinition that `tagwright crds` prints is made of the JSON Schema that `tagwright schema` prints.

use std::fs;

use boon::{Compiler, Schemas};
use serde_json::{Value, json};
use yaml_rust2::YamlLoader;

use crate::emit;
use crate::native::{self, root};
use crate::schema;
use crate::structural::structural;

/// What is printed, and the copies of it that people apply.
const FILES: &[&str] = &[
    "docs/schema/imageautomation.crd.yaml",
    "deploy/kubernetes/crds/imageautomations.yaml",
    "deploy/helm/tagwright/crds/imageautomations.yaml",
];

/// Bounds that only a cluster has, far beyond what anybody writes. An API server takes no rule in a list without a bound of what
/// the rule may cost.
const BOUNDS: &[(&str, &str, u32)] = &[
    ("/properties/images", "maxItems", 1000),
    ("/properties/images/items/properties/interval", "maxLength", 64),
    ("/properties/windows/items/properties/duration", "maxLength", 64),
];

/// The first lines of the file.
const HEAD: &str = "# What `tagwright crds` prints: ImageAutomation for the API server of a cluster.\n";

/// The definition.
fn definition() -> Value {
    let columns = [
        ("Ready", "string", ".status.conditions[?(@.type==\"Ready\")].status"),
        ("Status", "string", ".status.conditions[?(@.type==\"Ready\")].message"),
        ("Last run", "date", ".status.lastRunTime"),
        ("Suspended", "boolean", ".spec.suspend"),
        ("Age", "date", ".metadata.creationTimestamp"),
    ];
    let columns = columns.map(|(name, kind, path)| json!({"name": name, "type": kind, "jsonPath": path}));
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": "imageautomations.tagwright.dev",
            "labels": {"app.kubernetes.io/name": "tagwright"},
        },
        "spec": {
            "group": "tagwright.dev",
            "names": {
                "kind": "ImageAutomation",
                "listKind": "ImageAutomationList",
                "plural": "imageautomations",
                "singular": "imageautomation",
                "shortNames": ["twauto"],
                "categories": ["all", "tagwright"],
            },
            "scope": "Namespaced",
            "versions": [{
                "name": "v1alpha1",
                "served": true,
                "storage": true,
                "subresources": {"status": {}},
                "additionalPrinterColumns": columns,
                "schema": {"openAPIV3Schema": object()},
            }],
        },
    })
}

/// The schema of an object: its specification from the JSON Schema, and what the bot says of it.
fn object() -> Value {
    let source = schema::schema();
    let mut spec = structural(&source, &source["definitions"]["ImageAutomation"]["properties"]["spec"]);
    for (place, bound, most) in BOUNDS {
        let before =
            spec.pointer_mut(place).unwrap().as_object_mut().unwrap().insert((*bound).to_owned(), (*most).into());
        assert_eq!(before, None, "{place} has a bound");
    }
    json!({
        "type": "object",
        "description": "Watches images, and commits their tags to the marked fields of a Git repository.",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": status(),
        },
    })
}

/// What the bot says of an object.
fn status() -> Value {
    let text = |description: &str| json!({"type": "string", "description": description});
    let time = |description: &str| json!({"type": "string", "format": "date-time", "description": description});
    json!({
        "type": "object",
        "description": "what the bot says of it",
        "default": {"observedGeneration": -1},
        "properties": {
            "conditions": {
                "type": "array",
                "description": "Ready, and why not; Reconciling and Stalled as kstatus reads them; tagwright.dev/Held",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["type"],
                "items": condition(),
            },
            "observedGeneration": {
                "type": "integer",
                "format": "int64",
                "description": "the generation of the specification that the conditions are about",
            },
            "lastHandledReconcileAt": text("the last value of the annotation reconcile.fluxcd.io/requestedAt that was obeyed"),
            "lastRunTime": time("when the remote was last looked at"),
            "lastPushCommit": text("the last commit that was pushed"),
            "lastPushTime": time("when it was pushed"),
            "observedPolicies": {
                "type": "object",
                "description": "what each policy selected at the last run",
                "additionalProperties": {
                    "type": "object",
                    "required": ["name", "tag"],
                    "properties": {
                        "name": text("the image repository"),
                        "tag": text("the tag"),
                        "digest": text("its digest, where the policy reflects digests"),
                    },
                },
            },
        },
    })
}

/// A condition as all of Kubernetes has it.
fn condition() -> Value {
    json!({
        "type": "object",
        "required": ["type", "status", "lastTransitionTime", "reason", "message"],
        "properties": {
            "type": {"type": "string", "maxLength": 316},
            "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
            "reason": {"type": "string", "minLength": 1, "maxLength": 1024, "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"},
            "message": {"type": "string", "maxLength": 32768},
            "lastTransitionTime": {"type": "string", "format": "date-time"},
            "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0},
        },
    })
}

/// `UPDATE_FIXTURES=1` writes the files anew.
#[test]
fn it_is_made_of_the_schema() {
    let text = format!("{HEAD}{}", emit::yaml(&definition()));
    let read = YamlLoader::load_from_str(&text).unwrap();
    assert_eq!(native::json(&read[0]), definition(), "what is written is what was meant");
    for name in FILES {
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            fs::write(root().join(name), &text).unwrap();
        }
        let file = fs::read_to_string(root().join(name)).unwrap_or_default();
        assert!(file == text, "{name}: UPDATE_FIXTURES=1 writes it anew");
    }
}

/// All schemas below one, each with its path.
fn all<'a>(schema: &'a Value, path: String, found: &mut Vec<(String, &'a Value)>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        all(property, format!("{path}.{name}"), found);
    }
    for (key, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
        if let Some(inner) = schema.get(key) {
            all(inner, format!("{path}{mark}"), found);
        }
    }
    found.push((path, schema));
}

#[test]
fn it_is_structural() {
    let (object, mut found) = (object(), Vec::new());
    all(&object, String::new(), &mut found);
    assert!(found.len() > 100, "{} schemas", found.len());
    for (path, schema) in found {
        let kind = schema["type"].as_str();
        assert!(matches!(kind, Some("object" | "array" | "string" | "boolean" | "integer")), "{path}: {kind:?}");
        for banned in ["$ref", "const", "oneOf", "not", "patternProperties", "dependencies", "propertyNames"] {
            assert!(schema.get(banned).is_none(), "{path} has {banned}");
        }
        let is_leaf = schema["properties"].is_null() && schema["items"]["properties"].is_null();
        let rules = schema["x-kubernetes-validations"].as_array();
        for rule in rules.into_iter().flatten() {
            assert!(rule["message"].as_str().is_some_and(|message| !message.is_empty()), "{path}: {rule}");
        }
        let said = schema["description"].as_str().is_some_and(|text| !text.is_empty());
        let is_spec = path.starts_with(".spec.") && !path.ends_with("[]") && !path.ends_with("{}");
        assert!(said || !is_spec || !is_leaf, "{path} is not described");
    }
}

#[test]
fn what_is_read_is_valid() {
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.add_resource("crd.json", object()).unwrap();
    let index = compiler.compile("crd.json", &mut schemas).unwrap();
    let (object, mut seen) = (object(), 0);
    for (name, mut document) in native::good() {
        native::strict(&object, &mut document);
        seen += 1;
        schemas.validate(&document, index).unwrap_or_else(|error| panic!("{name}: {error:#}"));
    }
    assert!(seen >= 30, "{seen} documents");
}
