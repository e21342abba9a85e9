//! A JSON Schema as a cluster takes it: a structural schema of OpenAPI v3.
//!
//! There are no references and no choices between types in it: of several types, an object has the first. What a structural
//! schema cannot say, and what it would say without a reason, becomes a CEL rule with a message: the `errorMessage` of the JSON
//! Schema, which editors show, too.

use serde_json::{Map, Value, json};

/// Translates a definition of a JSON Schema, which is also where references lead.
///
/// # Panics
///
/// Where the definition has something that has no translation yet.
pub(crate) fn structural(schema: &Value, definition: &Value) -> Value {
    let node = followed(schema, definition);
    if let Some(alternatives) = node.get("anyOf").and_then(Value::as_array)
        && alternatives.iter().any(|alternative| alternative.get("type").is_some())
    {
        return structural(schema, &with_description(alternatives[0].clone(), &node));
    }
    let mut found = Map::new();
    match kind(&node) {
        Some(kind) => drop(found.insert("type".to_owned(), kind.into())),
        // What is not looked at may be anything.
        None => drop(found.insert("x-kubernetes-preserve-unknown-fields".to_owned(), true.into())),
    }
    for (key, value) in &node {
        match key.as_str() {
            "description" | "enum" | "required" | "pattern" | "minLength" | "maxLength" | "minItems" | "maxItems" => {
                found.insert(key.clone(), value.clone());
            }
            // An API server leaves out what has nothing in it, and who applies it takes that for somebody else's change.
            "properties" if value.as_object().unwrap().is_empty() => {}
            "properties" => {
                let properties = value.as_object().unwrap().iter();
                let properties = properties.map(|(name, property)| (name.clone(), structural(schema, property)));
                found.insert(key.clone(), properties.collect());
            }
            "items" => drop(found.insert(key.clone(), structural(schema, value))),
            // What has a name of its own for each field needs no ban of others: they are unknown.
            "additionalProperties" if *value == Value::Bool(false) => {}
            "additionalProperties" => drop(found.insert(key.clone(), structural(schema, value))),
            "minProperties" if !node.contains_key("maxProperties") => drop(found.insert(key.clone(), value.clone())),
            "type" | "errorMessage" | "anyOf" | "allOf" | "not" | "dependencies" | "minProperties"
            | "maxProperties" | "if" | "then" | "else" => {}
            other => panic!("no translation of {other}: {value}"),
        }
    }
    let rules = rules(&node);
    if !rules.is_empty() {
        found.insert("x-kubernetes-validations".to_owned(), rules.into());
    }
    found.into()
}

/// A definition with what it refers to; what it says itself counts.
fn followed(schema: &Value, definition: &Value) -> Map<String, Value> {
    let mut own = definition.as_object().unwrap().clone();
    let Some(target) = own.shift_remove("$ref") else { return own };
    let target = schema.pointer(target.as_str().unwrap().trim_start_matches('#')).unwrap();
    let mut node = followed(schema, target);
    node.extend(own);
    node
}

fn with_description(mut definition: Value, of: &Map<String, Value>) -> Value {
    if let Some(description) = of.get("description") {
        definition["description"] = description.clone();
    }
    definition
}

/// The type of a value; the first, if there are several, and none of what is described and no more.
fn kind(node: &Map<String, Value>) -> Option<&str> {
    match (node.get("type"), node.get("enum").and_then(Value::as_array)) {
        (Some(Value::String(one)), _) => Some(one),
        (Some(several), _) => several[0].as_str(),
        (None, Some(values)) => {
            assert!(values.iter().all(Value::is_string), "{values:?}");
            Some("string")
        }
        (None, None) => {
            assert!(node.keys().eq(["description"]), "no type: {node:?}");
            None
        }
    }
}

/// What is said in CEL.
fn rules(node: &Map<String, Value>) -> Vec<Value> {
    let message = node.get("errorMessage").and_then(Value::as_str);
    let mut rules = Vec::new();
    let assertions = node.get("allOf").and_then(Value::as_array).into_iter().flatten().cloned();
    let given = ["not", "anyOf"].into_iter().filter_map(|key| Some(json!({key: node.get(key)?})));
    for assertion in given.chain(assertions) {
        let message = excluded(&assertion).or(message.map(str::to_owned));
        rules.push(rule(&cel(&assertion), &message.unwrap_or_else(|| panic!("{assertion} has no errorMessage"))));
    }
    for (field, needed) in node.get("dependencies").and_then(Value::as_object).into_iter().flatten() {
        for needed in texts(needed) {
            let message = format!("{field} has no {needed} to belong to");
            rules.push(rule(&format!("!has(self.{field}) || has(self.{needed})"), &message));
        }
    }
    if let Some(condition) = node.get("if") {
        rules.extend(depending(condition, (&node["then"], &node["else"])));
    }
    match (node.get("minProperties"), node.get("maxProperties")) {
        (_, None) => {}
        (Some(fewest), Some(most)) if *fewest == 1 && *most == 1 => {
            let properties = node["properties"].as_object().unwrap().keys();
            let there: Vec<String> = properties.map(|name| format!("has(self.{name})")).collect();
            rules.push(rule(&format!("[{}].exists_one(it, it)", there.join(", ")), message.unwrap()));
        }
        other => panic!("no translation of {other:?}"),
    }
    rules
}

/// Fields that have to be there, and fields that must not, by the value of another one.
fn depending(condition: &Value, (then, otherwise): (&Value, &Value)) -> Vec<Value> {
    let (field, value) = condition["properties"].as_object().unwrap().iter().next().unwrap();
    let value = value["const"].as_str().unwrap();
    let mut rules = Vec::new();
    for (is, other, demands) in [("is", "!=", then), ("is not", "==", otherwise)] {
        for needed in texts(&demands["required"]) {
            let message = format!("{needed} is missing, which is needed where {field} {is} {value}");
            rules.push(rule(&format!("self.{field} {other} {} || has(self.{needed})", raw(value)), &message));
        }
        for (banned, schema) in demands["properties"].as_object().unwrap() {
            assert_eq!(*schema, Value::Bool(false), "{banned}");
            let message = format!("{banned} has to be left out where {field} {is} {value}");
            rules.push(rule(&format!("self.{field} {other} {} || !has(self.{banned})", raw(value)), &message));
        }
    }
    rules
}

fn rule(rule: &str, message: &str) -> Value {
    json!({"rule": rule, "message": message})
}

/// Two fields that exclude each other, in words.
fn excluded(assertion: &Value) -> Option<String> {
    let fields: Vec<&str> = assertion.get("not")?.get("required").map(texts)?;
    Some(format!("{} exclude each other", fields.join(" and ")))
}

/// What a schema demands of `self`.
fn cel(assertion: &Value) -> String {
    let demands = assertion.as_object().unwrap().iter().map(|(key, value)| match key.as_str() {
        "pattern" => format!("self.matches({})", raw(value.as_str().unwrap())),
        "enum" => format!("self in [{}]", texts(value).into_iter().map(raw).collect::<Vec<_>>().join(", ")),
        "required" => joined(texts(value).into_iter().map(|field| format!("has(self.{field})")), " && "),
        "not" => format!("!{}", one(&cel(value))),
        "anyOf" => joined(value.as_array().unwrap().iter().map(cel), " || "),
        other => panic!("no translation of {other}: {value}"),
    });
    joined(demands, " && ")
}

fn joined(parts: impl Iterator<Item = String>, operator: &str) -> String {
    let parts: Vec<String> = parts.collect();
    match parts.as_slice() {
        [part] => part.clone(),
        parts => parts.iter().map(|part| one(part)).collect::<Vec<_>>().join(operator),
    }
}

/// A part of an expression; in parentheses where it has an operator that others could pull apart.
fn one(part: &str) -> String {
    let outside =
        part.split("r'").enumerate().map(|(n, piece)| if n == 0 { piece } else { piece.split_once('\'').unwrap().1 });
    let outside: String = outside.collect();
    match outside.contains(" && ") || outside.contains(" || ") || outside.contains(" in ") {
        true => format!("({part})"),
        false => part.to_owned(),
    }
}

/// A text in CEL, without escapes.
fn raw(text: &str) -> String {
    assert!(!text.contains('\''), "{text}");
    format!("r'{text}'")
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}
