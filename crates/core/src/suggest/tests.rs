//! A case is a line of `fixtures/suggest/cases.txt`; the laws hold for every tag there is.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Suggestion, for_chart_among, for_tag, for_tag_among, spelled_alike, tracking};
use crate::policy::{Direction, Order, Policy};

fn written(policy: &Policy) -> String {
    let filter = match &policy.filter {
        Some(filter) => format!("{} {}", filter.pattern.as_str(), filter.extract),
        None => "-".to_owned(),
    };
    let order = match &policy.order {
        Order::Semver(range) => format!("semver {}", range.as_str()),
        Order::Calver(format) => format!("calver {}", format.as_str()),
        Order::Newest => "newest".to_owned(),
        Order::Numerical(Direction::Ascending) => "numerical".to_owned(),
        other => format!("{other:?}"),
    };
    format!("{filter} | {order}")
}

/// A line is `tag | filter | order | tags that it goes to, first the selected one | tags it never takes`, with `?` in place of
/// filter and order where these do not matter, or `tag | why not`.
#[test]
fn cases() {
    let cases = include_str!("../../../../fixtures/suggest/cases.txt");
    for line in cases.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let fields: Vec<&str> = line.split(" | ").map(str::trim).collect();
        match (for_tag(fields[0]), fields.as_slice()) {
            (Suggestion::Policy(derived), [tag, policy @ .., good, bad]) if !policy.is_empty() => {
                if policy != ["?"] {
                    assert_eq!(written(&derived.policy), policy.join(" | "), "{tag}");
                }
                let good: Vec<&str> = good.split(' ').collect();
                let bad: Vec<&str> = bad.split(' ').filter(|tag| !tag.is_empty()).collect();
                let all: Vec<&str> = bad.iter().chain(&good).copied().chain([*tag]).collect();
                assert_eq!(derived.policy.select(&all), Some(good[0]), "{tag} among {all:?}");
                for other in bad {
                    assert_eq!(derived.policy.select(&[other]), None, "{tag} must not lead to {other}");
                }
            }
            (Suggestion::NotOrderable(reason), [tag, expect]) => {
                assert_eq!(format!("{reason:?}").split('(').next(), Some(*expect), "{tag}");
            }
            (found, _) => panic!("{line}: {found:?}"),
        }
    }
}

#[derive(serde::Deserialize)]
struct Vector {
    class: String,
    image: String,
    tag: String,
    right: Option<String>,
    /// What is right where nobody knows the tags of the repository, if that is another one.
    alone: Option<String>,
    tags: Vec<String>,
}

impl Vector {
    fn tags(&self) -> Vec<&str> {
        self.tags.iter().map(String::as_str).collect()
    }

    fn alone(&self) -> &str {
        self.alone.as_deref().unwrap_or_else(|| self.with_list())
    }

    fn with_list(&self) -> &str {
        self.right.as_ref().unwrap_or(&self.tag)
    }
}

/// What a policy makes of a tag in use: the tag selected, but for one that is only as good.
fn selected<'t>(policy: &Policy, tag: &'t str, tags: &[&'t str]) -> Option<&'t str> {
    let selected = policy.select(tags)?;
    let tie = policy.compare(selected, tag) == Some(std::cmp::Ordering::Equal);
    Some(if tie { tag } else { selected })
}

/// What became of a vector: right, too cautious, or another image than the right one.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Right,
    Stays,
    Wrong,
}

fn judge(vector: &Vector, suggestion: &Suggestion, right: &str) -> Verdict {
    let found = match suggestion {
        Suggestion::Policy(derived) => selected(&derived.policy, &vector.tag, &vector.tags()),
        Suggestion::NotOrderable(_) => None,
    };
    match found.unwrap_or(&vector.tag) {
        found if found == right => Verdict::Right,
        found if found == vector.tag => Verdict::Stays,
        _ => Verdict::Wrong,
    }
}

/// Every vector is right; otherwise says which classes have some that are not, and why.
fn judge_all(suggest: impl Fn(&Vector) -> Suggestion, right: impl Fn(&Vector) -> &str) {
    let files = [
        include_str!("../../../../fixtures/suggest/tags.json"),
        include_str!("../../../../fixtures/suggest/lists.json"),
    ];
    let vectors = files.iter().flat_map(|file| serde_json::from_str::<Vec<Vector>>(file).unwrap());
    let mut misses: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for vector in vectors {
        let (suggestion, right) = (suggest(&vector), right(&vector));
        let verdict = judge(&vector, &suggestion, right);
        if verdict != Verdict::Right {
            let miss = format!("{verdict:?} {}:{}, right is {right}: {suggestion:?}", vector.image, vector.tag);
            misses.entry(vector.class.clone()).or_default().push(miss);
        }
    }
    assert!(misses.is_empty(), "{misses:#?}");
}

/// Tags in use from public repositories and reports, with those that their registries list, and the one that an operator wants.
#[test]
fn tags_of_many_registries() {
    judge_all(|vector| for_tag(&vector.tag), Vector::alone);
}

#[test]
fn tags_of_many_registries_with_their_lists() {
    judge_all(|vector| for_tag_among(&vector.tag, &vector.tags()), Vector::with_list);
}

/// What a list says of a number that is a line of its own, of one that moves, and of digits.
#[test]
fn siblings_are_evidence() {
    let next = |tag: &'static str, tags: &[&'static str]| match for_tag_among(tag, tags) {
        Suggestion::Policy(derived) => selected(&derived.policy, tag, tags),
        Suggestion::NotOrderable(_) => None,
    };
    let flows = ["3.0.2-16", "3.0.2-18", "3.1.0-16", "3.1.0-18", "3.1.9-16", "3.1.9-18", "3.1.9-20"];
    assert_eq!(next("3.1.0-18", &flows), Some("3.1.9-18"), "a line stays");
    let server = ["8.0.32-24-slim", "8.0.33-25-slim", "8.0.34-26-slim", "8.0.35-27-slim"];
    assert_eq!(next("8.0.32-24-slim", &server), Some("8.0.35-27-slim"), "a revision moves");
    let revisions = ["1.0.0-r3", "1.0.0-r4", "1.1.0-r3", "1.1.0-r4", "1.2.0-r3", "1.2.0-r4"];
    assert_eq!(next("1.1.0-r3", &revisions), Some("1.2.0-r4"), "a word that counts is believed");
    let engine = ["1.0.0-engine2.1", "1.0.0-engine2.2", "1.1.0-engine2.1", "1.1.0-engine2.2"];
    assert_eq!(next("1.0.0-engine2.1", &engine), Some("1.1.0-engine2.1"));
    assert_eq!(next("17.0.3.0.1", &["17.0.3.0.1", "17.0.4", "17.0.4.1", "17.0.5"]), Some("17.0.5"), "updates");
    assert_eq!(next("17.0.3.0.1", &["17.0.3.0.1", "17.0.4", "17.0.5", "17.0.5.1"]), Some("17.0.5.1"), "updates");
    let moving = ["26.2.4.2", "26.2.4", "26.7.5.10", "26.7.5"];
    assert_eq!(next("26.2.4.2", &moving), Some("26.7.5.10"), "names that move");
    assert_eq!(next("2.54.1-1", &["2.54.1-1", "2.55-0", "2.55-1"]), Some("2.55-1"), "two numbers are a version, too");
    assert_eq!(next("main-1234567", &["main-1234567", "main-5ae91c3", "main-7654321"]), None, "hashes");
    let builds = ["main-1234567", "main-1234599", "main-1234601", "main-1234700"];
    assert_eq!(next("main-1234567", &builds), Some("main-1234700"), "builds");
    assert_eq!(next("22.04-py3", &["22.04-py3", "22.05-py3", "23.11-py3"]), Some("23.11-py3"), "years and months");
    assert_eq!(next("22.04", &["22.04", "22.10", "23.04"]), None, "releases");
    assert_eq!(next("20.10.24", &["19.03.15", "20.10.24", "23.0.1"]), Some("20.10.24"), "a month of one digit is none");
}

proptest! {
    #[test]
    fn a_derived_policy_accepts_its_own_tag(tag in "[A-Za-z0-9_][A-Za-z0-9._-]{0,40}") {
        if let Suggestion::Policy(derived) = for_tag(&tag) {
            prop_assert_eq!(derived.policy.select(&[&tag]), Some(tag.as_str()));
        }
    }

    #[test]
    fn a_derived_policy_keeps_to_its_variant(
        head in "(v|release-|main-)?", version in "[0-9]{1,2}(\\.[0-9]{1,2}){1,2}", tail in "(-alpine|-slim|-jdk17|-debian-12-r3|-3|-rc\\.1|)",
        other_head in "(v|release-|main-)?", other_tail in "(-alpine|-slim|-jdk17|-debian-12-r3|-fips|)",
    ) {
        prop_assume!(head != other_head || tail != other_tail);
        let tag = format!("{head}{version}{tail}");
        let other = format!("{other_head}{version}{other_tail}");
        if let Suggestion::Policy(derived) = for_tag(&tag) {
            let spelled_alike = derived.policy.filter.is_none() && other_tail.is_empty() && other_head != "release-" && other_head != "main-";
            let final_release = tail == "-rc.1" && other_tail.is_empty() && head == other_head;
            prop_assert!(
                spelled_alike || final_release || derived.policy.select(&[&other]).is_none(), "{} leads to {}", tag, other
            );
        }
    }

    #[test]
    fn every_tag_can_be_tracked(tag in "[A-Za-z0-9_][A-Za-z0-9._-]{0,40}", other in "[A-Za-z0-9_][A-Za-z0-9._-]{0,40}") {
        let policy = tracking(&tag).unwrap();
        let selected = policy.select(&[&other, &tag]);
        prop_assert_eq!(selected, Some(tag.as_str()));
    }

    #[test]
    fn nothing_panics(tag in ".{0,200}") {
        let _ = for_tag(&tag);
    }
}

#[test]
fn a_tag_without_order_is_tracked_alone() {
    let policy = tracking("latest").unwrap();
    assert_eq!(policy.select(&["latest", "latest-arm64", "zzz"]), Some("latest"));
}

#[test]
fn a_spelling_is_kept() {
    assert!(!spelled_alike("1.4.2").unwrap().pattern.is_match("v1.5.0"));
    assert!(!spelled_alike("v1.4.2").unwrap().pattern.is_match("1.5.0"));
    assert!(spelled_alike("v1.4.2").unwrap().pattern.is_match("v1.5.0"));
}

#[test]
fn a_derived_policy_stays_in_its_variant_and_major_version() {
    let Suggestion::Policy(derived) = for_tag("v1.4.2-alpine") else { panic!("it is orderable") };
    let tags = ["v1.4.2-alpine", "v1.5.0-alpine", "v1.6.0", "v2.0.0-alpine"];
    assert_eq!(derived.policy.select(&tags), Some("v1.5.0-alpine"));
}

#[test]
fn builds_of_charts_have_no_rank() {
    let tags = ["103.0.0_up4.5.0", "103.1.0_up5.0.1", "104.0.0_up6.0.0", "103.2.0-rc.1_up7.0.0"];
    let select = |tag| match for_chart_among(tag, &tags) {
        Suggestion::Policy(derived) => derived.policy.select(&tags),
        Suggestion::NotOrderable(_) => None,
    };
    assert_eq!(select("103.0.0_up4.5.0"), Some("103.1.0_up5.0.1"));
    // One that has no build itself moves to those that have.
    assert_eq!(select("103.0.0"), Some("103.1.0_up5.0.1"));
}
