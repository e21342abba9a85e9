//! Policies against recorded vectors of Flux, and their laws.

#![allow(clippy::unwrap_used)]

use gotext::version::Range;
use proptest::prelude::*;
use serde_json::Value;

use super::{Calver, Direction, Filter, Order, Policy, Reason};

/// The rules by which this project differs from Flux on purpose. A case that differs names its rule.
const DIFFERENCES: &[&str] = &[
    "no-number-is-passed-over",
    "ties-after-a-filter-are-broken",
    "the-greatest-tag-stands-for-a-value",
    "numbers-are-exact",
];

fn fixture(name: &str) -> Value {
    let path = format!("{}/../../fixtures/policies/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn policy(case: &Value) -> Result<Policy, String> {
    let argument = case["arg"].as_str().unwrap();
    let filter = match case.get("filterTags") {
        None => None,
        Some(filter) => {
            let text = |field: &str| filter[field].as_str().unwrap_or_default();
            Some(Filter::parse(text("pattern"), text("extract")).map_err(|error| error.to_string())?)
        }
    };
    let direction = || Direction::parse(argument).map_err(|error| error.to_string());
    let order = match case["policy"].as_str().unwrap() {
        "semver" => Order::Semver(Range::parse(argument).map_err(|error| error.to_string())?),
        "numerical" => Order::Numerical(direction()?),
        "alphabetical" => Order::Alphabetical(direction()?),
        "calver" => Order::Calver(Calver::parse(argument).map_err(|error| error.to_string())?),
        other => panic!("unknown policy {other}"),
    };
    Ok(Policy { filter, order })
}

fn tags(case: &Value) -> Vec<&str> {
    case["tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap()).collect()
}

/// Checks the selection, and that neither order nor repetition of the tags matters.
fn check(policy: &Policy, tags: &[&str], expected: Option<&str>, case: &Value) {
    let mut reversed: Vec<&str> = tags.iter().rev().copied().collect();
    reversed.extend_from_slice(tags);
    for tags in [tags, &reversed] {
        assert_eq!(policy.select(tags), expected, "{case}");
        assert_eq!(policy.evaluate(tags).selected, expected, "{case}");
    }
}

#[test]
fn policies_select_what_flux_selects() {
    for case in fixture("flux.json")["cases"].as_array().unwrap() {
        let expected = &case["expect"][0];
        let error = expected["error"].as_str().unwrap_or_default();
        let policy = match policy(case) {
            Err(message) => {
                assert_eq!(message, case["differs"]["error"].as_str().unwrap_or(error), "{case}");
                continue;
            }
            Ok(policy) => policy,
        };
        assert!(case["differs"]["error"].is_null(), "accepted: {case}");
        assert!(!error.contains("invalid regular expression"), "accepted: {case}");
        match case.get("differs") {
            Some(differs) => {
                assert!(DIFFERENCES.contains(&differs["rule"].as_str().unwrap()), "{case}");
                check(&policy, &tags(case), differs["tag"].as_str(), case);
            }
            None => check(&policy, &tags(case), expected["tag"].as_str(), case),
        }
    }
}

#[test]
fn policies_select_what_our_own_cases_say() {
    for case in fixture("cases.json").as_array().unwrap() {
        let policy = match policy(case) {
            Err(message) => {
                assert_eq!(message, case["error"].as_str().unwrap_or_default(), "{case}");
                continue;
            }
            Ok(policy) => policy,
        };
        assert!(case["error"].is_null(), "accepted: {case}");
        check(&policy, &tags(case), case["select"].as_str(), case);
        if let Some(rule) = case["differs"].as_str() {
            assert!(DIFFERENCES.contains(&rule), "{case}");
        }
        let evaluation = policy.evaluate(&tags(case));
        if let Some(candidates) = case["candidates"].as_array() {
            let found: Vec<&str> = evaluation.candidates.iter().map(|candidate| candidate.tag).collect();
            assert_eq!(found, candidates.iter().map(|tag| tag.as_str().unwrap()).collect::<Vec<_>>(), "{case}");
        }
        if let Some(values) = case["values"].as_array() {
            let found: Vec<&str> = evaluation.candidates.iter().map(|candidate| candidate.value.as_str()).collect();
            assert_eq!(found, values.iter().map(|value| value.as_str().unwrap()).collect::<Vec<_>>(), "{case}");
        }
        for (tag, reason) in case["rejected"].as_object().into_iter().flatten() {
            let found = evaluation.rejected.iter().find(|rejection| rejection.tag == tag);
            assert_eq!(
                found.map(|rejection| rejection.reason.to_string()).as_deref(),
                reason.as_str(),
                "{tag}: {case}"
            );
        }
    }
}

#[test]
fn two_tags_rank_by_what_the_policy_compares() {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let check = |policy: &str, arg: &str, filter: Option<(&str, &str)>, first: &str, second: &str, expect| {
        let filter = filter.map(|(pattern, extract)| serde_json::json!({"pattern": pattern, "extract": extract}));
        let mut case = serde_json::json!({"policy": policy, "arg": arg});
        case.as_object_mut().unwrap().extend(filter.map(|filter| ("filterTags".to_owned(), filter)));
        let policy = self::policy(&case).unwrap();
        assert_eq!(policy.compare(first, second), expect, "{case} {first} {second}");
        let back = expect.map(std::cmp::Ordering::reverse);
        assert_eq!(policy.compare(second, first), back, "{case} {second} {first}");
    };
    check("semver", "1.x", None, "1.2.0", "1.1.0", Some(Greater));
    check("semver", "1.x", None, "v1.1.0", "1.1.0", Some(Equal));
    check("semver", "1.x", None, "01.1.00", "1.1.0", Some(Equal));
    check("semver", "1.x", None, "1.1.0", "1.1.0", Some(Equal));
    check("semver", "1.x", None, "2.0.0", "1.1.0", None);
    check("semver", ">=1.0.0-0", None, "1.1.0-rc.1", "1.1.0-rc.01", None);
    let build = Some((r"^(\d+\.\d+\.\d+)_(.*)$", "$1+$2"));
    check("semver", "1.x", build, "1.1.0_a", "1.1.0_b", Some(Equal));
    check("semver", "1.x", build, "1.1.0_a", "1.1.1_a", Some(Less));
    check("semver", "1.x", build, "1.1.0_a", "1.1.1", None);
    check("numerical", "asc", None, "10", "9", Some(Greater));
    check("numerical", "desc", None, "10", "9", Some(Less));
    check("numerical", "desc", None, "010", "1e1", Some(Equal));
    check("numerical", "asc", None, "10", "x", None);
    let number = Some((r"^(?P<n>\d+)-", "$n"));
    check("numerical", "asc", number, "7-a", "07-b", Some(Equal));
    check("alphabetical", "asc", None, "b", "a", Some(Greater));
    check("alphabetical", "desc", None, "b", "a", Some(Less));
    let text = Some((r"^(?P<t>[a-z]+)", "$t"));
    check("alphabetical", "desc", text, "a1", "a2", Some(Equal));
    check("alphabetical", "desc", text, "a1", "2", None);
}

#[test]
fn tags_that_are_as_good_are_told_the_greatest_first() {
    let check = |policy: &Policy, selected: &str, tags: &[&str], expect: &[&str]| {
        assert_eq!(policy.as_good_as(selected, tags), expect, "{selected} {tags:?}");
    };
    let order = || Order::Semver(Range::parse("1.x").unwrap());
    let plain = Policy { filter: None, order: order() };
    check(&plain, "v1.1.0", &["1.0.0", "1.1.0", "v1.1.0", "01.1.0", "1.2.0", "x"], &["1.1.0", "01.1.0"]);
    let filtered = Policy { filter: Some(Filter::parse("^([0-9.]+)-", "$1").unwrap()), order: order() };
    check(&filtered, "1.0.0-b", &["1.0.0-a", "1.0.0-c", "1.0.0-b", "1.1.0-a", "2.0.0-a", "x"], &["1.0.0-c", "1.0.0-a"]);
    check(&filtered, "2.0.0-a", &["2.0.0-a", "2.0.0-b"], &[]);
    let many: Vec<String> = (0..1000).map(|number| format!("1.0.0-{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(filtered.as_good_as("1.0.0-999", &many).len(), super::MAX_AS_GOOD);
    let texts = Policy { filter: None, order: Order::Alphabetical(Direction::Ascending) };
    check(&texts, "b", &["a", "b", "b"], &[]);
}

#[test]
fn a_direction_is_read_in_any_case() {
    assert_eq!(Direction::parse(""), Ok(Direction::Ascending));
    assert_eq!(Direction::parse("Asc"), Ok(Direction::Ascending));
    assert_eq!(Direction::parse("DESC"), Ok(Direction::Descending));
    let error = Direction::parse("up").unwrap_err();
    assert_eq!(error.to_string(), "up is neither asc nor desc");
}

#[test]
fn a_value_that_would_grow_without_bound_is_cut() {
    assert!(Filter::parse("", &"$".repeat(super::MAX_EXTRACT_LENGTH + 1)).is_err());
    let filter = Filter::parse("^.*$", &"${0}é".repeat(170)).unwrap();
    let policy = Policy { filter: Some(filter), order: Order::Alphabetical(Direction::Ascending) };
    let tag = "a".repeat(128);
    let evaluation = policy.evaluate(&[&tag]);
    assert!((1020..=1024).contains(&evaluation.candidates[0].value.len()));
    assert_eq!(policy.select(&[&tag]), Some(tag.as_str()));
}

/// Tags that collide, tie and fail in all the ways there are.
fn some_tag() -> impl Strategy<Value = String> {
    prop_oneof![
        "v?[0-2]{1,2}(\\.[0-2]{1,2}){0,2}(-(rc|[0-9a]{1,2})(\\.[0-2])?)?",
        "(main|dev)-[ab]{1,2}-0?[0-9]{1,3}",
        "0?[0-9]{1,3}(\\.[0-9])?(e[0-9])?",
        "[0-9]{19,21}",
        "0x[0-9a-f]{1,2}p-?[0-9]",
        "[A-Za-z_][A-Za-z0-9._-]{0,4}",
        Just("NaN".to_owned()),
        Just("Inf".to_owned()),
        ".{0,6}",
    ]
}

fn some_policy() -> impl Strategy<Value = Policy> {
    let filter = prop_oneof![
        Just(None),
        Just(Some(("", ""))),
        Just(Some((r"^(main|dev)-[a-b]+-(?P<n>\d+)$", "$n"))),
        Just(Some((r"(\d+)", "$1"))),
        Just(Some((r"^(?:v)?(\d+)\.(\d+)", "$1.$2.0"))),
        Just(Some((r"^(a)?(.*)$", "$1$2"))),
        Just(Some((r"^.", "$0"))),
        Just(Some((r"[0-9]", "same"))),
    ];
    let order = prop_oneof![
        Just(Order::Semver(Range::parse("*").unwrap())),
        Just(Order::Semver(Range::parse(">=0.1-0 <2 || ^2").unwrap())),
        Just(Order::Numerical(Direction::Ascending)),
        Just(Order::Numerical(Direction::Descending)),
        Just(Order::Alphabetical(Direction::Ascending)),
        Just(Order::Alphabetical(Direction::Descending)),
    ];
    (filter, order).prop_map(|(filter, order)| Policy {
        filter: filter.map(|(pattern, extract)| Filter::parse(pattern, extract).unwrap()),
        order,
    })
}

proptest! {
    #[test]
    fn selecting_is_what_evaluating_selects(policy in some_policy(), tags in prop::collection::vec(some_tag(), 0..24)) {
        let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
        prop_assert_eq!(policy.select(&tags), policy.evaluate(&tags).selected);
    }

    #[test]
    fn the_order_and_repetition_of_tags_do_not_matter(
        policy in some_policy(),
        (tags, shuffled) in prop::collection::vec(some_tag(), 0..16).prop_flat_map(|tags| {
            let twice: Vec<String> = tags.iter().chain(&tags).cloned().collect();
            (Just(tags), Just(twice).prop_shuffle())
        }),
    ) {
        let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
        let shuffled: Vec<&str> = shuffled.iter().map(String::as_str).collect();
        prop_assert_eq!(policy.evaluate(&tags), policy.evaluate(&shuffled));
        prop_assert_eq!(policy.select(&tags), policy.select(&shuffled));
    }

    #[test]
    fn every_tag_is_a_candidate_or_rejected(policy in some_policy(), tags in prop::collection::vec(some_tag(), 0..24)) {
        let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
        let evaluation = policy.evaluate(&tags);
        let mut seen: Vec<&str> = evaluation.candidates.iter().map(|candidate| candidate.tag).collect();
        seen.extend(evaluation.rejected.iter().map(|rejection| rejection.tag));
        seen.sort_unstable();
        let mut distinct = tags.clone();
        distinct.sort_unstable();
        distinct.dedup();
        prop_assert_eq!(seen, distinct);
    }

    #[test]
    fn without_the_selected_tag_the_next_candidate_is_selected(
        policy in some_policy(),
        tags in prop::collection::vec(some_tag(), 0..24),
    ) {
        let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
        let evaluation = policy.evaluate(&tags);
        let Some(selected) = evaluation.selected else { return Ok(()) };
        let collides = |reason: &Reason| matches!(reason, Reason::Collides { with } if with == selected);
        if evaluation.rejected.iter().any(|rejection| collides(&rejection.reason)) {
            return Ok(());
        }
        let rest: Vec<&str> = tags.iter().filter(|tag| **tag != selected).copied().collect();
        prop_assert_eq!(policy.select(&rest), evaluation.candidates.get(1).map(|candidate| candidate.tag));
    }
}
