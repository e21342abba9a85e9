//! Rules, dashboard and scrape configuration name only metrics that there are, and each alert has a test that promtool runs.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use serde_json::Value;
use yaml_rust2::Yaml;

use crate::tree::{File, root};

const FOLDER: &str = "deploy/monitoring";

fn text(name: &str) -> String {
    File::read(&format!("{FOLDER}/{name}")).text
}

/// A YAML file as JSON, which is easier to look into.
fn yaml(name: &str) -> Value {
    json(&File::read(&format!("{FOLDER}/{name}")).document())
}

fn json(yaml: &Yaml) -> Value {
    match yaml {
        Yaml::Array(items) => items.iter().map(json).collect(),
        Yaml::Hash(fields) => {
            fields.iter().map(|(key, value)| (key.as_str().unwrap().to_owned(), json(value))).collect()
        }
        Yaml::String(text) | Yaml::Real(text) => Value::from(text.as_str()),
        Yaml::Integer(number) => Value::from(*number),
        Yaml::Boolean(flag) => Value::from(*flag),
        _ => Value::Null,
    }
}

/// The metrics of the documents, as a query names them, each with its type and labels.
fn documented() -> BTreeMap<String, (String, BTreeSet<String>)> {
    let page = File::read("docs/reference/metrics.md").text;
    let mut found = BTreeMap::new();
    for row in page.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).skip(1).collect();
        let labels = cells[2].split(", ").map(|label| label.trim_matches('`').to_owned()).filter(|it| !it.is_empty());
        found.insert(cells[0].trim_matches('`').to_owned(), (cells[1].to_owned(), labels.collect()));
    }
    assert!(found.len() > 30, "{found:?}");
    found
}

/// The rules of the alerts, by name: the expression, and the rest.
fn alerts() -> BTreeMap<String, Value> {
    let rules = yaml("rules.yaml");
    let rules = rules["groups"][0]["rules"].as_array().unwrap().clone();
    rules.into_iter().map(|rule| (rule["alert"].as_str().unwrap().to_owned(), rule)).collect()
}

/// The expressions of the dashboard's panels.
fn queries() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&text("dashboard.json")).unwrap();
    let targets = dashboard["panels"].as_array().unwrap().iter().filter_map(|panel| panel["targets"].as_array());
    targets.flatten().map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_is_asked_for_is_there() {
    let documented = documented();
    let metric = Regex::new(r"\btagwright_[a-z_]+").unwrap();
    let by = Regex::new(r"(?:by|on) \(([a-z, ]+)\)").unwrap();
    let expressions: Vec<String> =
        alerts().values().map(|rule| rule["expr"].as_str().unwrap().to_owned()).chain(queries()).collect();
    assert!(expressions.len() > 40, "{expressions:?}");
    for expression in &expressions {
        let mut known: BTreeSet<&str> = ["le", "instance", "job"].into();
        for name in metric.find_iter(expression) {
            let name = name.as_str();
            let (kind, labels) = documented
                .get(name)
                .or_else(|| documented.get(name.strip_suffix("_bucket")?).filter(|(kind, _)| kind == "histogram"))
                .unwrap_or_else(|| panic!("{name} is documented nowhere: {expression}"));
            assert!(
                kind != "counter" || expression.contains("rate(") || expression.contains("increase("),
                "{expression}"
            );
            known.extend(labels.iter().map(String::as_str));
        }
        for labels in by.captures_iter(expression) {
            for label in labels[1].split(", ") {
                assert!(known.contains(label), "{label} is no label there: {expression}");
            }
        }
    }
}

#[test]
fn an_alert_says_what_it_is_about_and_what_to_do() {
    let documented = documented();
    let label = Regex::new(r"\$labels\.([a-z]+)").unwrap();
    for (name, rule) in alerts() {
        let (labels, annotations) = (&rule["labels"], &rule["annotations"]);
        assert!(["info", "warning", "critical"].contains(&labels["severity"].as_str().unwrap()), "{name}");
        for part in ["summary", "description"] {
            let text = annotations[part].as_str().unwrap_or_else(|| panic!("{name} has no {part}"));
            for used in label.captures_iter(text) {
                assert!(documented.values().any(|(_, labels)| labels.contains(&used[1])), "{name}: {text}");
            }
        }
    }
}

/// Each alert has a moment at which it is told, and one at which it is not yet.
#[test]
fn every_alert_has_a_test() {
    let tests = yaml("rules.test.yaml");
    let mut tested: BTreeMap<String, (bool, bool)> = BTreeMap::new();
    for test in tests["tests"].as_array().unwrap() {
        for expected in test["alert_rule_test"].as_array().unwrap() {
            let of = tested.entry(expected["alertname"].as_str().unwrap().to_owned()).or_default();
            match expected["exp_alerts"].as_array().unwrap().is_empty() {
                true => of.1 = true,
                false => of.0 = true,
            }
        }
    }
    let all: BTreeMap<String, (bool, bool)> = alerts().into_keys().map(|name| (name, (true, true))).collect();
    assert_eq!(tested, all);
}

#[cfg(feature = "real-servers")]
#[test]
fn promtool_finds_the_rules_right_and_their_tests_pass() {
    for arguments in [&["check", "rules", "rules.yaml"][..], &["test", "rules", "rules.test.yaml"]] {
        let run = std::process::Command::new("promtool").args(arguments).current_dir(root().join(FOLDER)).output();
        let run = run.expect("promtool is there; tests/run installs it");
        assert!(run.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&[run.stdout, run.stderr].concat()));
    }
    let scrape = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    std::fs::write(scrape.path(), text("scrape.yaml")).unwrap();
    let run = std::process::Command::new("promtool").args(["check", "config"]).arg(scrape.path()).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}
