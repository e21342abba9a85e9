//! The Helm chart, as far as files alone can tell; rendered and applied it is in tests/cluster.

use std::collections::BTreeSet;

use boon::{Compiler, Schemas};
use regex::Regex;
use serde_json::Value;
use yaml_rust2::Yaml;

use crate::tree::{File, entries};

const FOLDER: &str = "deploy/helm/tagwright";

fn read(name: &str) -> Yaml {
    File::read(&format!("{FOLDER}/{name}")).document()
}

fn schema() -> Value {
    serde_json::from_str(&File::read(&format!("{FOLDER}/values.schema.json")).text).unwrap()
}

/// The places of all values in a mapping, such as `rbac.create`.
fn places(values: &Yaml, before: &str, found: &mut BTreeSet<String>) {
    for (name, value) in entries(values) {
        let place = format!("{before}{name}");
        if value.as_hash().is_some_and(|members| !members.is_empty()) {
            places(value, &format!("{place}."), found);
        }
        found.insert(place);
    }
}

#[test]
fn it_has_the_version_of_the_program() {
    let chart = read("Chart.yaml");
    for field in ["version", "appVersion"] {
        assert_eq!(chart[field].as_str(), Some(env!("CARGO_PKG_VERSION")), "{field}");
    }
}

#[test]
fn the_defaults_are_valid_and_a_misspelt_value_is_not() {
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.add_resource("values.json", schema()).unwrap();
    let index = compiler.compile("values.json", &mut schemas).unwrap();
    let mut values: Value = json(&read("values.yaml"));
    schemas.validate(&values, index).unwrap();
    values["replica"] = 3.into();
    assert!(schemas.validate(&values, index).is_err());
}

fn json(yaml: &Yaml) -> Value {
    match yaml {
        Yaml::Hash(_) => entries(yaml).into_iter().map(|(name, value)| (name.to_owned(), json(value))).collect(),
        Yaml::Array(items) => items.iter().map(json).collect(),
        Yaml::Boolean(is) => (*is).into(),
        Yaml::Integer(number) => (*number).into(),
        other => other.as_str().unwrap_or_else(|| panic!("{other:?}")).into(),
    }
}

#[test]
fn the_schema_has_the_values_and_no_others() {
    let (schema, values) = (schema(), read("values.yaml"));
    let of = |properties: &Value| properties.as_object().unwrap().keys().cloned().collect::<BTreeSet<String>>();
    let names = |yaml: &Yaml| entries(yaml).into_iter().map(|(name, _)| name.to_owned()).collect::<BTreeSet<String>>();
    let mut known = of(&schema["properties"]);
    assert!(known.remove("global"), "helm gives it to every chart");
    assert_eq!(known, names(&values));
    for (name, value) in entries(&values) {
        if let properties @ Value::Object(_) = &schema["properties"][name]["properties"] {
            assert_eq!(of(properties), names(value), "{name}");
            assert_eq!(schema["properties"][name]["additionalProperties"], false, "{name}");
        }
    }
}

#[test]
fn the_readme_and_the_templates_name_values_that_exist() {
    let mut known = BTreeSet::new();
    places(&read("values.yaml"), "", &mut known);
    let set = Regex::new(r"(?m)^\| [^|]* \| `([\w.]+)=").unwrap();
    let readme = File::read(&format!("{FOLDER}/README.md")).text;
    let told: Vec<&str> = set.captures_iter(&readme).map(|found| found.extract::<1>().1[0]).collect();
    assert!(told.len() >= 5, "{told:?}");
    let used = Regex::new(r"\.Values\.([\w.]+)").unwrap();
    let templates = crate::tree::files(&format!("{FOLDER}/templates"));
    let texts: String = templates.iter().map(|file| file.text.as_str()).collect();
    let used: BTreeSet<&str> = used.captures_iter(&texts).map(|found| found.extract::<1>().1[0]).collect();
    for name in told.iter().chain(&used) {
        assert!(known.contains(*name), "no value {name}");
    }
    // None is there for nothing; what is handed on whole is used with all that is in it.
    for name in &known {
        let whole = used
            .iter()
            .any(|used| name == used || name.starts_with(&format!("{used}.")) || used.starts_with(&format!("{name}.")));
        assert!(whole, "{name} is not used");
    }
}
