//! Finds out from the reader of the configuration which fields it knows, and what each may be.
//!
//! An unknown field is put into a mapping, and the answer names the fields that are known there. A mapping is put where each
//! of these has its value, and the answer says what should be there instead.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use tagwright::config;

/// A name that is near no other.
const NOBODY: &str = "zzzzzzzzzzzz";

/// How deep documents are looked at; deeper would be a mistake of this module.
const MAX_DEPTH: usize = 8;

/// What a field may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shape {
    Text,
    Flag,
    /// Fields with names that are known.
    Mapping(BTreeMap<String, Shape>),
    /// Texts with any names.
    Map,
    List(Box<Shape>),
    /// Known, and refused with a reason.
    Refused,
    /// Known, and left to others.
    Ignored,
}

impl Shape {
    fn collect(&self, path: &str, found: &mut Vec<(String, Self)>) {
        match self {
            Self::Mapping(fields) => {
                for (name, shape) in fields {
                    let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    found.push((path.clone(), shape.clone()));
                    shape.collect(&path, found);
                }
            }
            Self::List(item) => item.collect(&format!("{path}[]"), found),
            _ => {}
        }
    }
}

/// A document of a kind that is right but for its fields, and those around it that have to be there for it to be read.
pub(crate) struct Seed {
    pub(crate) document: Value,
    pub(crate) others: Vec<Value>,
    /// Where its fields begin that are ours; above it, any may stand.
    pub(crate) root: Vec<Step>,
}

impl Seed {
    /// All fields of its kind by their full names, `images[].name` for those in lists.
    pub(crate) fn fields(&self) -> Vec<(String, Shape)> {
        let mut found = Vec::new();
        self.shape(&self.root, 0).collect(&spelled(&self.root).replace("[0]", "[]"), &mut found);
        found
    }

    /// Those that hold no further fields.
    pub(crate) fn leaves(&self) -> Vec<(String, Shape)> {
        let holds = |shape: &Shape| match shape {
            Shape::Mapping(fields) => !fields.is_empty(),
            Shape::List(item) => matches!(**item, Shape::Mapping(_)),
            _ => false,
        };
        self.fields().into_iter().filter(|(_, shape)| !holds(shape)).collect()
    }

    fn shape(&self, path: &[Step], depth: usize) -> Shape {
        assert!(depth < MAX_DEPTH, "{}", spelled(path));
        let name = spelled(path);
        let problems = self.problems(path, probe_mapping);
        let says = |what: &str| problems.iter().any(|(message, _)| message.starts_with(&format!("`{name}` {what}")));
        if let Some(hint) = unknown(&problems, path) {
            return Shape::Mapping(self.children(path, &hint, depth));
        }
        if says("must be `true` or `false`") {
            return Shape::Flag;
        }
        if problems.iter().any(|(message, _)| message.starts_with(&format!("`{name}`: "))) {
            return Shape::Refused;
        }
        if says("must be a list") {
            let item: Vec<Step> = path.iter().cloned().chain([Step::Item]).collect();
            return Shape::List(Box::new(self.shape(&item, depth + 1)));
        }
        if says("must be ") {
            return Shape::Text;
        }
        let nested = self.problems(path, |value| *value = json!({NOBODY: {}}));
        let is_text = format!("`{name}.{NOBODY}` must be ");
        match nested.iter().any(|(message, _)| message.starts_with(&is_text)) {
            true => Shape::Map,
            false => Shape::Ignored,
        }
    }

    fn children(&self, path: &[Step], hint: &str, depth: usize) -> BTreeMap<String, Shape> {
        // One that is there for itself.
        if hint.is_empty() {
            return BTreeMap::new();
        }
        let names = hint.strip_prefix("the fields here are ").unwrap_or_else(|| panic!("{hint}"));
        let names = names.split(", ").map(|name| name.trim_matches('`').to_owned());
        let of = |name: String| {
            let field: Vec<Step> = path.iter().cloned().chain([Step::Field(name.clone())]).collect();
            (name, self.shape(&field, depth + 1))
        };
        names.map(of).collect()
    }

    /// What is wrong, each with its hint, when the value at a place is changed.
    pub(crate) fn problems(&self, path: &[Step], change: impl FnOnce(&mut Value)) -> Vec<(String, String)> {
        let mut document = self.document.clone();
        change(path.iter().fold(&mut document, descend));
        let texts: Vec<String> = [&document].into_iter().chain(&self.others).map(Value::to_string).collect();
        match config::parse("probe.yaml", &texts.join("\n---\n")) {
            Ok(_) => Vec::new(),
            Err(error) => {
                let said = error.problems().iter();
                said.map(|problem| (problem.message.clone(), problem.hint.clone().unwrap_or_default())).collect()
            }
        }
    }
}

/// A step from a value to one within.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Field(String),
    /// The first item.
    Item,
}

fn descend<'a>(value: &'a mut Value, step: &Step) -> &'a mut Value {
    match step {
        Step::Field(name) => {
            if !value.is_object() {
                *value = Value::Object(Map::new());
            }
            value.as_object_mut().unwrap().entry(name.as_str()).or_insert(Value::Null)
        }
        Step::Item => {
            if value.as_array().is_none_or(Vec::is_empty) {
                *value = json!([null]);
            }
            &mut value.as_array_mut().unwrap()[0]
        }
    }
}

/// Puts the unknown field beside what the seed has, or into a new mapping.
fn probe_mapping(value: &mut Value) {
    match value {
        Value::Object(fields) => drop(fields.insert(NOBODY.to_owned(), json!("x"))),
        other => *other = json!({NOBODY: "x"}),
    }
}

/// The hint of the complaint about the unknown field, if there is one.
fn unknown(problems: &[(String, String)], path: &[Step]) -> Option<String> {
    let prefix = if path.is_empty() { String::new() } else { format!("{}.", spelled(path)) };
    let complaint = format!("unknown field `{prefix}{NOBODY}`");
    problems.iter().find(|(message, _)| *message == complaint).map(|(_, hint)| hint.clone())
}

/// A path as messages spell it.
fn spelled(path: &[Step]) -> String {
    path.iter().fold(String::new(), |text, step| match step {
        Step::Field(name) if text.is_empty() => name.clone(),
        Step::Field(name) => format!("{text}.{name}"),
        Step::Item => format!("{text}[0]"),
    })
}
