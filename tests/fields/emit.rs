//! A JSON value as YAML, for a file that people apply.

use std::fmt::Write as _;

use regex::Regex;
use serde_json::Value;

/// Words that YAML takes for something else than text.
const WORDS: &[&str] = &["true", "false", "null", "yes", "no", "on", "off", "y", "n"];

/// The text of a document.
pub(crate) fn yaml(value: &Value) -> String {
    let mut text = String::new();
    write(value, 0, &mut text);
    text
}

fn write(value: &Value, indent: usize, text: &mut String) {
    let margin = " ".repeat(indent);
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (name, value) in members {
                let separator = if is_nested(value) { "\n" } else { " " };
                write!(text, "{margin}{}:{separator}", scalar(name)).unwrap();
                write(value, indent + 2, text);
            }
        }
        Value::Array(items) if items.iter().any(is_nested) => {
            for item in items {
                let mut block = String::new();
                write(item, indent + 2, &mut block);
                writeln!(text, "{margin}- {}", block.trim()).unwrap();
            }
        }
        Value::Array(items) => {
            writeln!(text, "[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")).unwrap();
        }
        plain => writeln!(text, "{}", flow(plain)).unwrap(),
    }
}

/// Whether a value stands below its name.
fn is_nested(value: &Value) -> bool {
    match value {
        Value::Object(members) => !members.is_empty(),
        Value::Array(items) => items.iter().any(is_nested),
        _ => false,
    }
}

fn flow(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), scalar)
}

/// A text without quotes where it stays one so, and else as in JSON, which is YAML.
fn scalar(text: &str) -> String {
    let plain = Regex::new(r"^[A-Za-z$][A-Za-z0-9._/$-]*( [A-Za-z0-9._/(),$-]+)*$").unwrap();
    match plain.is_match(text) && !text.contains(", ") && !WORDS.contains(&text.to_lowercase().as_str()) {
        true => text.to_owned(),
        false => Value::from(text).to_string(),
    }
}
