//! The CustomResourceDefinitions that `tagwright crds` prints are made of the JSON Schema that `tagwright schema` prints.

use std::fs;

use boon::{Compiler, Schemas};
use serde_json::{Map, Value, json};
use yaml_rust2::YamlLoader;

use crate::emit;
use crate::native::{self, root};
use crate::schema;
use crate::structural::structural;

/// Where each definition is printed from, and the copies of it that people apply; by the name of the kind, and by its plural.
fn files(kind: &Kind) -> [String; 3] {
    let (singular, plural) = (kind.name.to_lowercase(), kind.plural);
    [
        format!("docs/schema/{singular}.crd.yaml"),
        format!("deploy/kubernetes/crds/{plural}.yaml"),
        format!("deploy/helm/tagwright/crds/{plural}.yaml"),
    ]
}

/// Bounds that only a cluster has, far beyond what anybody writes. An API server takes no rule in a list without a bound of what
/// the rule may cost.
type Bounds = &'static [(&'static str, &'static str, u32)];

/// A column of what kubectl prints: its name, its type, where it is.
type Column = (&'static str, &'static str, &'static str);

/// A kind of ours.
struct Kind {
    name: &'static str,
    plural: &'static str,
    short: &'static str,
    description: &'static str,
    /// What stands behind `Ready` and `Status`.
    column: Option<Column>,
    bounds: Bounds,
    /// What the bot says of it, beside what it says of all.
    status: fn() -> Value,
}

const KINDS: [Kind; 3] = [
    Kind {
        name: "ImageAutomation",
        plural: "imageautomations",
        short: "twauto",
        description: "Watches images, and commits their tags to the marked fields of a Git repository.",
        column: Some(("Last run", "date", ".status.lastRunTime")),
        bounds: &[
            ("/properties/images", "maxItems", 1000),
            ("/properties/images/items/properties/interval", "maxLength", 64),
            ("/properties/windows/items/properties/duration", "maxLength", 64),
        ],
        status: of_automation,
    },
    Kind {
        name: "Receiver",
        plural: "receivers",
        short: "twrecv",
        description: "Lets a registry, a forge or a pipeline tell the bot of a push by a webhook.",
        column: None,
        bounds: &[("/properties/resources", "maxItems", 1000)],
        status: of_receiver,
    },
    Kind {
        name: "Notification",
        plural: "notifications",
        short: "twnote",
        description: "Tells somebody what happens: commits, holds, failures and their end.",
        column: Some(("Type", "string", ".spec.type")),
        bounds: &[("/properties/sources", "maxItems", 1000)],
        status: || json!({}),
    },
];

/// The first lines of the file.
fn head(kind: &Kind) -> String {
    format!("# What `tagwright crds` prints: {} for the API server of a cluster.\n", kind.name)
}

/// The definition of a kind.
fn definition(kind: &Kind) -> Value {
    let Kind { name, plural, short, .. } = kind;
    let columns: [Option<Column>; 5] = [
        Some(("Ready", "string", ".status.conditions[?(@.type==\"Ready\")].status")),
        Some(("Status", "string", ".status.conditions[?(@.type==\"Ready\")].message")),
        kind.column,
        Some(("Suspended", "boolean", ".spec.suspend")),
        Some(("Age", "date", ".metadata.creationTimestamp")),
    ];
    let columns = columns.into_iter().flatten();
    let columns: Vec<Value> =
        columns.map(|(name, kind, path)| json!({"name": name, "type": kind, "jsonPath": path})).collect();
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": format!("{plural}.tagwright.dev"),
            "labels": {"app.kubernetes.io/name": "tagwright"},
        },
        "spec": {
            "group": "tagwright.dev",
            "names": {
                "kind": name,
                "listKind": format!("{name}List"),
                "plural": plural,
                "singular": name.to_lowercase(),
                "shortNames": [short],
                "categories": ["all", "tagwright"],
            },
            "scope": "Namespaced",
            "versions": [{
                "name": "v1alpha1",
                "served": true,
                "storage": true,
                "subresources": {"status": {}},
                "additionalPrinterColumns": columns,
                "schema": {"openAPIV3Schema": object(kind)},
            }],
        },
    })
}

/// The schema of an object: its specification from the JSON Schema, and what the bot says of it.
fn object(kind: &Kind) -> Value {
    let source = schema::schema();
    let mut spec = structural(&source, &source["definitions"][kind.name]["properties"]["spec"]);
    for (place, bound, most) in kind.bounds {
        let before =
            spec.pointer_mut(place).unwrap().as_object_mut().unwrap().insert((*bound).to_owned(), (*most).into());
        assert_eq!(before, None, "{place} has a bound");
    }
    json!({
        "type": "object",
        "description": kind.description,
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": status(kind),
        },
    })
}

fn text(description: &str) -> Value {
    json!({"type": "string", "description": description})
}

/// What the bot says of an object.
fn status(kind: &Kind) -> Value {
    let said = match kind.name {
        "ImageAutomation" => "Ready, and why not; Reconciling and Stalled as kstatus reads them; tagwright.dev/Held",
        _ => "Ready, and why not; Reconciling and Stalled as kstatus reads them; tagwright.dev/Findings",
    };
    let mut properties: Map<String, Value> = Map::new();
    let common = json!({
        "conditions": {
            "type": "array",
            "description": said,
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
    });
    for part in [common, (kind.status)()] {
        properties.extend(part.as_object().unwrap().clone());
    }
    json!({
        "type": "object",
        "description": "what the bot says of it",
        "default": {"observedGeneration": -1},
        "properties": properties,
    })
}

fn of_automation() -> Value {
    let time = |description: &str| json!({"type": "string", "format": "date-time", "description": description});
    json!({
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
    })
}

fn of_receiver() -> Value {
    json!({"webhookPath": text("the path that senders are given; where nothing else proves who sends, it is as secret as the token")})
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
    for kind in KINDS {
        let text = format!("{}{}", head(&kind), emit::yaml(&definition(&kind)));
        let read = YamlLoader::load_from_str(&text).unwrap();
        assert_eq!(native::json(&read[0]), definition(&kind), "what is written is what was meant");
        for name in files(&kind) {
            if std::env::var_os("UPDATE_FIXTURES").is_some() {
                fs::write(root().join(&name), &text).unwrap();
            }
            let file = fs::read_to_string(root().join(&name)).unwrap_or_default();
            assert!(file == text, "{name}: UPDATE_FIXTURES=1 writes it anew");
        }
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
    for (kind, fewest) in KINDS.iter().zip([100, 20, 30]) {
        let (object, mut found) = (object(kind), Vec::new());
        all(&object, kind.name.to_owned(), &mut found);
        assert!(found.len() > fewest, "{} schemas of {}", found.len(), kind.name);
        found.into_iter().for_each(|(path, schema)| is_structural(&path, schema));
    }
}

fn is_structural(path: &str, schema: &Value) {
    let kind = schema["type"].as_str();
    let is_anything = kind.is_none() && schema["x-kubernetes-preserve-unknown-fields"] == true;
    let is_known = matches!(kind, Some("object" | "array" | "string" | "boolean" | "integer"));
    assert!(is_known || is_anything, "{path}: {kind:?}");
    for banned in ["$ref", "const", "oneOf", "not", "patternProperties", "dependencies", "propertyNames", "if"] {
        assert!(schema.get(banned).is_none(), "{path} has {banned}");
    }
    let is_leaf = schema["properties"].is_null() && schema["items"]["properties"].is_null();
    let rules = schema["x-kubernetes-validations"].as_array();
    for rule in rules.into_iter().flatten() {
        assert!(rule["message"].as_str().is_some_and(|message| !message.is_empty()), "{path}: {rule}");
    }
    let said = schema["description"].as_str().is_some_and(|text| !text.is_empty());
    let is_spec = path.contains(".spec.") && !path.ends_with("[]") && !path.ends_with("{}");
    assert!(said || !is_spec || !is_leaf, "{path} is not described");
}

#[test]
fn what_is_read_is_valid() {
    for (kind, fewest) in KINDS.iter().zip([30, 3, 3]) {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource("crd.json", object(kind)).unwrap();
        let index = compiler.compile("crd.json", &mut schemas).unwrap();
        let (object, mut seen) = (object(kind), 0);
        for (name, mut document) in native::good(kind.name) {
            native::strict(&object, &mut document);
            seen += 1;
            schemas.validate(&document, index).unwrap_or_else(|error| panic!("{name}: {error:#}"));
        }
        assert!(seen >= fewest, "{seen} documents of {}", kind.name);
    }
}
