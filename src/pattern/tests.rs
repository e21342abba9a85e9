//! Patterns against recorded vectors of Go, and their laws.

#![allow(clippy::unwrap_used)]

use serde_json::Value;

use super::Pattern;

fn fixture(name: &str) -> Vec<Value> {
    let path = format!("{}/fixtures/patterns/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The first match, in the notation of the vectors.
fn outcome(pattern: &Result<Pattern, super::Error>, text: &str) -> String {
    match pattern {
        Err(_) => "error".to_owned(),
        Ok(pattern) => match pattern.regex().find(text) {
            Some(found) => format!("match {:?}", found.as_str()),
            None => "no match".to_owned(),
        },
    }
}

#[test]
fn patterns_mean_what_they_mean_to_go() {
    for case in fixture("go-and-rust.json") {
        let pattern = case["pattern"].as_str().unwrap();
        let parsed = Pattern::parse(pattern);
        let expected = case["go"].as_str().unwrap();
        let Some(text) = case["text"].as_str() else {
            assert_eq!(parsed.is_err(), expected == "error", "{pattern:?}: {parsed:?}");
            continue;
        };
        assert_eq!(outcome(&parsed, text), expected, "{pattern:?} on {text:?}");
    }
}
