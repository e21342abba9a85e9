//! An OpenAPI description, as far as it takes to tell whether a request is one of its operations.

use std::collections::BTreeSet;

use boon::{Compiler, Draft, Schemas};
use serde_json::{Map, Value};

/// How deep references are followed. Bodies of requests are trees.
const MAX_DEPTH: usize = 40;

/// A request as a simulated forge has recorded it.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) method: String,
    pub(crate) path: String,
    query: Vec<(String, String)>,
    pub(crate) body: Option<Value>,
}

impl Sent {
    /// Reads `METHOD PATH?QUERY`, or `METHOD PATH BODY`.
    pub(crate) fn read(line: &str) -> Self {
        let mut parts = line.splitn(3, ' ');
        let (method, target) = (parts.next().unwrap().to_owned(), parts.next().unwrap());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let body = parts.next().map(|body| serde_json::from_str(body).unwrap());
        Self { method, path: path.to_owned(), query, body }
    }
}

pub(crate) struct Description {
    document: Value,
}

impl Description {
    pub(crate) fn new(document: Value) -> Self {
        Self { document }
    }

    /// Returns the name of the operation that a request is, or what is wrong with it.
    pub(crate) fn check(&self, sent: &Sent) -> Result<String, String> {
        let path = sent.path.strip_prefix("/api/v3").ok_or("not below /api/v3")?;
        let (operation, shared) =
            self.operation(&sent.method.to_ascii_lowercase(), path).ok_or("there is no such operation")?;
        let own = operation["parameters"].as_array().into_iter().flatten();
        let shared = shared.as_array().into_iter().flatten();
        let parameters: Vec<Value> = own.chain(shared).map(|parameter| self.inline(parameter, 0)).collect();
        for (name, value) in &sent.query {
            let known = parameters.iter().find(|it| it["in"] == "query" && it["name"] == name.as_str());
            let schema = &known.ok_or_else(|| format!("no parameter {name}"))?["schema"];
            let value = match schema["type"].as_str() {
                Some("integer") => value.parse::<u64>().map_or_else(|_| value.clone().into(), Value::from),
                Some("boolean") => value.parse::<bool>().map_or_else(|_| value.clone().into(), Value::from),
                _ => Value::from(value.clone()),
            };
            valid(schema, &value).map_err(|error| format!("parameter {name}: {error}"))?;
        }
        for needed in parameters.iter().filter(|it| it["in"] == "query" && it["required"] == true) {
            if !sent.query.iter().any(|(name, _)| needed["name"] == name.as_str()) {
                return Err(format!("parameter {} is missing", needed["name"]));
            }
        }
        self.check_body(operation, sent)?;
        Ok(operation["operationId"].as_str().unwrap_or_default().to_owned())
    }

    fn check_body(&self, operation: &Value, sent: &Sent) -> Result<(), String> {
        let wanted = self.inline(&operation["requestBody"], 0);
        let Some(body) = &sent.body else {
            let is_needed = wanted["required"] == true;
            return if is_needed { Err("the body is missing".to_owned()) } else { Ok(()) };
        };
        let schema = wanted.pointer("/content/application~1json/schema").ok_or("it has no body")?;
        valid(schema, body).map_err(|error| format!("the body: {error}"))?;
        // What is not described would be ignored there.
        let mut known = BTreeSet::new();
        properties(schema, &mut known);
        let unknown = body.as_object().into_iter().flat_map(Map::keys).find(|name| !known.contains(name.as_str()));
        unknown.map_or(Ok(()), |name| Err(format!("the body has {name}, which is not described")))
    }

    /// The operation at a path, and the parameters of all at that path. One without a name in the place of a part wins.
    fn operation(&self, method: &str, path: &str) -> Option<(&Value, &Value)> {
        let parts: Vec<&str> = path.split('/').collect();
        let is_name = |part: &str| part.starts_with('{');
        let fits = |template: &&String| {
            let wanted: Vec<&str> = template.split('/').collect();
            // The last name may stand for several parts, as that of a reference does.
            let has_rest = wanted.len() < parts.len() && template.ends_with("/{ref}");
            (wanted.len() == parts.len() || has_rest)
                && wanted.iter().zip(&parts).all(|(wanted, part)| is_name(wanted) || wanted == part)
        };
        let paths = self.document["paths"].as_object()?;
        let best = paths.keys().filter(fits).min_by_key(|template| template.matches('{').count())?;
        let operation = paths[best].get(method)?;
        Some((operation, &paths[best]["parameters"]))
    }

    /// A value with what it refers to in place of references, and without what JSON Schema does not know.
    fn inline(&self, value: &Value, depth: usize) -> Value {
        assert!(depth < MAX_DEPTH, "a schema that has itself within");
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(reference)) = fields.get("$ref") {
                    let target = self.document.pointer(reference.trim_start_matches('#'));
                    return self.inline(target.unwrap_or_else(|| panic!("{reference}")), depth + 1);
                }
                let known = fields.iter().filter(|(name, _)| !matches!(name.as_str(), "example" | "examples"));
                let mut fields: Map<String, Value> =
                    known.map(|(name, value)| (name.clone(), self.inline(value, depth + 1))).collect();
                // What may be null is said beside the type in OpenAPI 3.0.
                if fields.get("nullable") == Some(&Value::Bool(true))
                    && let Some(Value::String(kind)) = fields.get("type").cloned()
                {
                    fields.insert("type".to_owned(), serde_json::json!([kind, "null"]));
                }
                Value::Object(fields)
            }
            Value::Array(items) => items.iter().map(|item| self.inline(item, depth + 1)).collect(),
            other => other.clone(),
        }
    }
}

fn properties(schema: &Value, known: &mut BTreeSet<String>) {
    known.extend(schema["properties"].as_object().into_iter().flat_map(Map::keys).cloned());
    for several in ["oneOf", "anyOf", "allOf"] {
        schema[several].as_array().into_iter().flatten().for_each(|schema| properties(schema, known));
    }
}

/// Whether a value is what a schema describes: OpenAPI 3.0 has a form of draft 4.
fn valid(schema: &Value, value: &Value) -> Result<(), String> {
    let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
    compiler.set_default_draft(Draft::V4);
    compiler.add_resource("file:///schema.json", schema.clone()).map_err(|error| error.to_string())?;
    let index = compiler.compile("file:///schema.json", &mut schemas).map_err(|error| format!("{error:#}"))?;
    schemas.validate(value, index).map_err(|error| error.to_string())
}
