//! Versions and ranges against recorded vectors, and their laws.

#![allow(clippy::unwrap_used)]

use serde_json::Value;

use super::{Range, Version};

fn fixture(name: &str) -> Value {
    let path = format!("{}/fixtures/semver/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn constraints_admit_what_masterminds_admits() {
    let fixture = fixture("constraints.json");
    let versions: Vec<Version> = fixture["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|text| Version::parse(text.as_str().unwrap()).unwrap())
        .collect();
    for case in fixture["cases"].as_array().unwrap() {
        let text = case["constraint"].as_str().unwrap();
        let outcome = Range::parse(text);
        if let Some(error) = case["error"].as_str() {
            assert_eq!(outcome.unwrap_err().to_string(), error, "{text:?}");
            continue;
        }
        let range = outcome.unwrap_or_else(|error| panic!("{text:?}: {error}"));
        let admitted: String = versions.iter().map(|version| if range.matches(version) { '1' } else { '0' }).collect();
        assert_eq!(admitted, case["match"].as_str().unwrap(), "{text:?}");
    }
}

#[test]
fn tags_are_versions_where_flux_says_so() {
    for case in fixture("tags.json").as_array().unwrap() {
        let tag = case["tag"].as_str().unwrap();
        assert_eq!(Version::parse_tag(tag).is_some(), case["is_semver_for_flux"].as_bool().unwrap(), "{tag:?}");
    }
}
