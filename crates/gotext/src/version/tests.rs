//! Versions and ranges against recorded vectors, and their laws.

#![allow(clippy::unwrap_used)]

use std::cmp::Ordering;

use proptest::prelude::*;
use serde_json::Value;

use super::range::{MAX_RANGE_LENGTH, MAX_RANGE_PARTS};
use super::{Range, Version};

fn fixture(name: &str) -> Value {
    let path = format!("{}/../../fixtures/semver/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn check_constraints(name: &str) {
    let fixture = fixture(name);
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
fn constraints_admit_what_masterminds_admits() {
    check_constraints("constraints.json");
    check_constraints("more-constraints.json");
}

#[test]
fn tags_are_versions_where_flux_says_so() {
    for case in fixture("tags.json").as_array().unwrap() {
        let tag = case["tag"].as_str().unwrap();
        assert_eq!(Version::parse_tag(tag).is_some(), case["is_semver_for_flux"].as_bool().unwrap(), "{tag:?}");
    }
}

#[test]
fn versions_are_read_as_masterminds_reads_them() {
    for case in fixture("versions.json").as_array().unwrap() {
        let text = case["text"].as_str().unwrap();
        let error = Version::parse(text).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), case["error"].as_str(), "{text:?}");
        assert_eq!(Version::parse_tag(text).is_some(), case["tag"].as_bool().unwrap(), "{text:?}");
    }
}

#[test]
fn precedence_is_that_of_masterminds() {
    let fixture = fixture("order.json");
    let versions: Vec<Version> =
        fixture.as_array().unwrap().iter().map(|text| Version::parse(text.as_str().unwrap()).unwrap()).collect();
    for (i, left) in versions.iter().enumerate() {
        for (j, right) in versions.iter().enumerate() {
            assert_eq!(left.cmp_precedence(right), i.cmp(&j), "{left} and {right}");
        }
    }
}

#[test]
fn what_is_too_long_is_refused() {
    let long = "1.2.3-".to_owned() + &"a".repeat(super::MAX_VERSION_LENGTH);
    assert_eq!(Version::parse(&long).unwrap_err().to_string(), "version string is too long (max 256 bytes)");
    assert!(Version::parse_tag(&long).is_none());
    let long = " ".repeat(MAX_RANGE_LENGTH) + "1";
    assert_eq!(Range::parse(&long).unwrap_err().to_string(), "constraint string is too long (max 512 bytes)");
    let many = vec!["1"; MAX_RANGE_PARTS + 1].join("||");
    assert_eq!(Range::parse(&many).unwrap_err().to_string(), "too many constraint groups (max 32)");
    assert!(Range::parse(&vec!["1"; MAX_RANGE_PARTS].join("||")).is_ok());
}

fn some_version() -> impl Strategy<Value = String> {
    "v?[0-3]{1,2}(\\.[0-3]){0,2}(-(0|1|10|a|rc)(\\.(0|a))?)?(\\+m)?"
}

fn some_range() -> impl Strategy<Value = String> {
    let comparison = "(|=|!=|>|>=|<|<=|~|\\^) ?v?[0-3x*](\\.[0-3x]){0,2}(-(0|a|rc))?";
    let part = prop::collection::vec(comparison, 1..4).prop_map(|comparisons| comparisons.join(", "));
    prop::collection::vec(part, 1..3).prop_map(|parts| parts.join(" || "))
}

proptest! {
    #[test]
    fn reading_never_panics(text in "\\PC{0,40}") {
        let _ = (Version::parse(&text), Version::parse_tag(&text), Range::parse(&text));
    }

    #[test]
    fn reading_what_looks_like_a_range_never_panics(text in "[0-3xv*.<>=!~^ ,|+\\-a\u{e9}\t]{0,30}") {
        let _ = (Version::parse(&text), Range::parse(&text));
    }

    #[test]
    fn a_version_is_read_again_from_its_display(text in some_version()) {
        let version = Version::parse(&text).unwrap();
        let again = Version::parse(&version.to_string()).unwrap();
        prop_assert_eq!(version.cmp_precedence(&again), Ordering::Equal);
        prop_assert_eq!(version.metadata(), again.metadata());
    }

    #[test]
    fn precedence_is_an_order(texts in prop::array::uniform3(some_version())) {
        let [a, b, c] = texts.map(|text| Version::parse(&text).unwrap());
        prop_assert_eq!(a.cmp_precedence(&b), b.cmp_precedence(&a).reverse());
        if a.cmp_precedence(&b).is_le() && b.cmp_precedence(&c).is_le() {
            prop_assert!(a.cmp_precedence(&c).is_le());
        }
    }

    #[test]
    fn a_range_admits_equal_versions_alike(range in some_range(), version in some_version()) {
        let range = Range::parse(&range).unwrap();
        let version = Version::parse(&version).unwrap();
        prop_assert_eq!(range.matches(&version), range.matches(&Version::parse(&version.to_string()).unwrap()));
        prop_assert!(!range.refuses_as_prerelease(version.as_ref()) || !version.prerelease().is_empty());
    }

    #[test]
    fn a_union_admits_what_either_part_admits(left in some_range(), right in some_range(), version in some_version()) {
        let version = Version::parse(&version).unwrap();
        let either = Range::parse(&left).unwrap().matches(&version) || Range::parse(&right).unwrap().matches(&version);
        prop_assert_eq!(Range::parse(&format!("{left}||{right}")).unwrap().matches(&version), either);
    }

    #[test]
    fn full_comparisons_follow_precedence(at in "[0-3]\\.[0-3]\\.[0-3](-(0|a|rc\\.1))?", version in some_version()) {
        let order = Version::parse(&version).unwrap().cmp_precedence(&Version::parse(&at).unwrap());
        let version = Version::parse(&version).unwrap();
        let admitted = |operator: &str| Range::parse(&format!("{operator}{at}")).unwrap().matches(&version);
        if version.prerelease().is_empty() || at.contains('-') {
            prop_assert_eq!(admitted("="), order.is_eq());
            prop_assert_eq!(admitted("!="), order.is_ne());
            prop_assert_eq!(admitted("<"), order.is_lt());
            prop_assert_eq!(admitted(">="), order.is_ge());
            prop_assert_eq!(admitted(">"), order.is_gt());
            prop_assert_eq!(admitted("<="), order.is_le());
        } else {
            prop_assert!(!["=", "!=", "<", ">=", ">", "<=", "~", "^"].into_iter().any(admitted));
        }
    }
}

fn semver_text() -> impl Strategy<Value = String> {
    let identifier = prop_oneof!["[a-z][a-z0-9-]{0,3}", "0|[1-9][0-9]{0,3}"];
    let prerelease = prop_oneof![
        Just(String::new()),
        prop::collection::vec(identifier, 1..4).prop_map(|identifiers| format!("-{}", identifiers.join("."))),
    ];
    (0u64..4, 0u64..4, 0u64..4, prerelease)
        .prop_map(|(major, minor, patch, prerelease)| format!("{major}.{minor}.{patch}{prerelease}"))
}

proptest! {
    /// The `semver` crate orders what it can read as we do.
    #[test]
    fn precedence_is_that_of_the_semver_crate(left in semver_text(), right in semver_text()) {
        let expected = semver::Version::parse(&left).unwrap().cmp_precedence(&semver::Version::parse(&right).unwrap());
        let ours = Version::parse(&left).unwrap().cmp_precedence(&Version::parse(&right).unwrap());
        prop_assert_eq!(ours, expected);
    }
}
