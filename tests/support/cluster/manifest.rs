//! Objects as YAML documents.

use std::path::Path;

use serde_json::{Map, Value};
use yaml_rust2::{Yaml, YamlLoader};

/// Kinds that are in no namespace.
const CLUSTER_WIDE: [&str; 4] = ["ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "Namespace"];

/// Objects, in their order.
#[derive(Debug, Clone)]
pub(crate) struct Manifest(pub(crate) Vec<Value>);

impl Manifest {
    /// Reads documents; empty ones are left out.
    #[track_caller]
    pub(crate) fn parse(text: &str) -> Self {
        let documents = YamlLoader::load_from_str(text).unwrap_or_else(|error| panic!("{error}:\n{text}"));
        Self(documents.iter().map(json).filter(|document| !document.is_null()).collect())
    }

    /// Reads a file, or each `.yaml` of a folder.
    #[track_caller]
    pub(crate) fn read(path: &Path) -> Self {
        if path.is_dir() {
            let mut files: Vec<_> = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
            files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
            files.sort();
            assert!(!files.is_empty(), "nothing in {}", path.display());
            return Self(files.iter().flat_map(|file| Self::read(file).0).collect());
        }
        let text = std::fs::read_to_string(path);
        Self::parse(&text.unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    }

    /// The same objects for one test: what is in a namespace is in this one, what a cluster has once has its name behind its own,
    /// and whoever names one of these names it so. Namespaces are left out.
    pub(crate) fn placed(mut self, namespace: &str) -> Self {
        self.0.retain(|object| object["kind"] != "Namespace");
        let roles: Vec<Value> = self
            .0
            .iter()
            .filter(|object| object["kind"] == "ClusterRole")
            .map(|object| object["metadata"]["name"].clone())
            .collect();
        for object in &mut self.0 {
            let kind = object["kind"].as_str().unwrap().to_owned();
            if !CLUSTER_WIDE.contains(&kind.as_str()) {
                object["metadata"]["namespace"] = namespace.into();
            } else if kind != "CustomResourceDefinition" {
                own(&mut object["metadata"]["name"], namespace);
            }
            if object["roleRef"]["kind"] == "ClusterRole" && roles.contains(&object["roleRef"]["name"]) {
                own(&mut object["roleRef"]["name"], namespace);
            }
            for subject in object.get_mut("subjects").and_then(Value::as_array_mut).into_iter().flatten() {
                if subject["kind"] == "ServiceAccount" {
                    subject["namespace"] = namespace.into();
                }
            }
        }
        self
    }
}

fn own(name: &mut Value, namespace: &str) {
    *name = format!("{}-{namespace}", name.as_str().unwrap()).into();
}

fn json(yaml: &Yaml) -> Value {
    match yaml {
        Yaml::Real(text) => text.parse::<f64>().unwrap().into(),
        Yaml::Integer(number) => (*number).into(),
        Yaml::String(text) => text.as_str().into(),
        Yaml::Boolean(is) => (*is).into(),
        Yaml::Array(items) => items.iter().map(json).collect(),
        Yaml::Hash(fields) => {
            let field = |(key, value): (&Yaml, &Yaml)| (key.as_str().unwrap_or("<no text>").to_owned(), json(value));
            Value::Object(fields.iter().map(field).collect::<Map<_, _>>())
        }
        Yaml::Alias(_) | Yaml::Null | Yaml::BadValue => Value::Null,
    }
}
