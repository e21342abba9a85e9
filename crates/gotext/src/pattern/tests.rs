//! Patterns against recorded vectors of Go, and their laws.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use serde_json::Value;

use super::{Error, MAX_DEPTH, MAX_PATTERN_LENGTH, Pattern, Reason};

fn fixture(name: &str) -> Vec<Value> {
    let path = format!("{}/../../fixtures/patterns/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The first match, in the notation of the vectors.
fn outcome(pattern: &Result<Pattern, Error>, text: &str) -> String {
    match pattern {
        Err(_) => "error".to_owned(),
        Ok(pattern) => match pattern.regex().find(text) {
            Some(found) => format!("match {:?}", found.as_str()),
            None => "no match".to_owned(),
        },
    }
}

#[test]
fn patterns_mean_what_they_mean_to_go_where_the_crate_differs() {
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

/// Cases were recorded from Go: the error, or the groups of the first match, or what templates expand to.
#[test]
fn patterns_mean_what_they_mean_to_go() {
    for case in fixture("go.json") {
        let text = case["pattern"].as_str().unwrap();
        let parsed = Pattern::parse(text);
        if let Some(error) = case["error"].as_str() {
            let found = parsed.expect_err(&case.to_string());
            assert_eq!(found.detail(), error, "{case}");
            assert_eq!(found.to_string(), format!("invalid regular expression pattern '{text}': {error}"));
            continue;
        }
        let pattern = parsed.unwrap_or_else(|error| panic!("{error}: {case}"));
        let text = case["text"].as_str().unwrap();
        for (template, expected) in case["expand"].as_object().into_iter().flatten() {
            assert_eq!(pattern.expand_first(text, template).as_deref(), expected.as_str(), "{template:?}: {case}");
        }
        if let Some(groups) = case.get("groups") {
            let captures = pattern.regex().captures(text);
            assert_eq!(pattern.is_match(text), captures.is_some());
            let found = captures.map(|captures| {
                (0..pattern.names().len())
                    .map(|group| captures.get(group).map(|found| found.as_str().to_owned()))
                    .collect::<Vec<_>>()
            });
            assert_eq!(serde_json::to_value(found).unwrap(), *groups, "{case}");
        }
    }
}

#[test]
fn every_match_is_replaced_as_by_go() {
    let replace =
        |pattern: &str, text: &str, template: &str| Pattern::parse(pattern).unwrap().replace_all(text, template);
    assert_eq!(replace("a(x*)b", "-ab-axxb-", "${1}W"), "-W-xxW-");
    assert_eq!(replace("a(x*)b", "-ab-axxb-", "$1W"), "---");
    assert_eq!(replace("a*", "baaac", "x"), "xbxcx");
    assert_eq!(replace("", "ab", "-"), "-a-b-");
    assert_eq!(replace("(?P<n>.)", "ab", "$n$n"), "aabb");
    assert_eq!(replace(r"\b", "ab cd", "|"), "|ab| |cd|");
}

#[test]
fn references_to_groups_that_are_not_there_are_found() {
    let check = |pattern: &str, template: &str, expect: Option<(&str, &str)>| {
        let found = Pattern::parse(pattern).unwrap().unknown_group(template);
        let found = found.map(|found| (found.reference.clone(), found.hint()));
        assert_eq!(
            found,
            expect.map(|(reference, hint)| (reference.to_owned(), hint.to_owned())),
            "{pattern} {template}"
        );
    };
    let two = r"^main-(?P<ts>[0-9]+)-(?P<n>[0-9]+)$";
    let has = "the groups of the pattern are `$ts` and `$n`";
    check(two, "$ts_$n", Some(("$ts_", &format!("write `${{ts}}_${{n}}`; {has}"))));
    check(two, "v$$-$ts_.$n", Some(("$ts_", &format!("write `v$$-${{ts}}_.${{n}}`; {has}"))));
    check(two, "${ts_}", Some(("${ts_}", &format!("write `${{ts}}_`; {has}"))));
    check(two, "$1x", Some(("$1x", &format!("write `${{1}}x`; {has}"))));
    check(two, "$1_$2", Some(("$1_", &format!("write `${{1}}_${{2}}`; {has}"))));
    check(two, "$3", Some(("$3", has)));
    check(two, "$10", Some(("$10", has)));
    check(two, "$ts_$x", Some(("$ts_", has)));
    check(two, "$tss", Some(("$tss", has)));
    check(two, "$01", Some(("$01", has)));
    check(two, "$é", Some(("$é", has)));
    check("(.*)", "$ts", Some(("$ts", "the only group of the pattern is `$1`")));
    let none = "the pattern has no groups: put what is to be extracted into one, such as `(?P<name>.*)`";
    check("", "$1", Some(("$1", none)));
    check("^v", "a\n$x", Some(("$x", none)));
    for template in
        ["", "$0", "${0}x", "$1", "$2$ts", "${ts}_${n}", "$ts-$n", "$$", "$$3", "$", "$-", "${", "${}", r"\1", "x"]
    {
        check(two, template, None);
    }
    check("(?P<n>a)|(?P<n>b)", "$n", None);
}

#[test]
fn what_would_cost_too_much_is_refused() {
    let reason = |pattern: &str| Pattern::parse(pattern).unwrap_err().reason;
    assert_eq!(reason(&"a".repeat(MAX_PATTERN_LENGTH + 1)), Reason::TooLarge);
    assert!(Pattern::parse(&"a".repeat(MAX_PATTERN_LENGTH)).is_ok());
    assert_eq!(reason(&"(".repeat(MAX_DEPTH + 1)), Reason::TooDeep);
    assert_eq!(reason(&format!("a*{}", "(?i)*".repeat(MAX_DEPTH))), Reason::TooDeep);
    assert_eq!(reason(r"\pL{1000}"), Reason::TooLarge);
    assert_eq!(reason(&r"(?i)[\PL]".repeat(5)), Reason::TooLarge);
    let message = Pattern::parse(&"é".repeat(MAX_PATTERN_LENGTH)).unwrap_err().to_string();
    assert!(message.len() < 500, "{message}");
}

#[test]
fn the_deepest_pattern_fits_a_small_stack() {
    let deepest = || {
        let nested = format!("{}a{}", "(?:(?:x|".repeat(MAX_DEPTH / 4 - 1), ")+)*".repeat(MAX_DEPTH / 4 - 1));
        let groups = format!("{}a{}", "(".repeat(MAX_DEPTH - 1), ")".repeat(MAX_DEPTH - 1));
        assert!(Pattern::parse(&groups).unwrap().is_match("a"));
        assert!(Pattern::parse(&nested).unwrap().is_match("xa"));
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(deepest).unwrap().join().unwrap();
}

/// Pieces from which a pattern is put together, valid ones and others.
fn some_pattern() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-c0-2_.\\-,&~<>#{}\\[\\]()|*+?^$ ]",
        r"\\[a-zA-Z0-9._\-<>{}\[\]()|*+?^$ ]",
        r"\\(x\{?[0-9a-g]{0,7}\}?|[0-8]{1,3}|[pP]\{?\^?(L|Lu|Greek|Foo)?\}?|Q[a.*]{0,2}(\\E)?)",
        r"\[\^?\]?[a-c\w\-&~\[\]:^\\]{0,6}\]",
        r"\[\[:\^?(alpha|word|foo):\]\]",
        r"\(\?(P?<[a-z0-9]{0,2}>|[imsUx]{0,2}(-[imsU]?)?[:)])",
        r"\{[0-9]{0,4},?[0-9]{0,4}\}",
    ];
    prop::collection::vec(piece, 0..10).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn parsing_never_panics_and_never_fails_within(pattern in prop_oneof![some_pattern(), "\\PC{0,20}"]) {
        if let Err(error) = Pattern::parse(&pattern) {
            prop_assert!(error.reason != Reason::Internal, "{error}");
            prop_assert!(pattern.contains(&error.text));
        }
    }

    #[test]
    fn quoted_text_matches_itself_alone(text in "[^\\\\]{0,12}", other in "\\PC{0,12}") {
        let pattern = Pattern::parse(&format!(r"\A\Q{text}\E\z")).unwrap();
        prop_assert!(pattern.is_match(&text));
        prop_assert_eq!(pattern.is_match(&other), other == text);
    }

    #[test]
    fn escaped_punctuation_stands_for_itself(char in "[!-/:-@\\[-`{-~]") {
        let pattern = Pattern::parse(&format!(r"\A\{char}[\{char}]\z")).unwrap();
        prop_assert!(pattern.is_match(&char.repeat(2)));
    }

    #[test]
    fn text_without_a_dollar_expands_to_itself(template in "[^$]{0,12}") {
        let pattern = Pattern::parse("a").unwrap();
        prop_assert_eq!(pattern.expand_first("a", &template).unwrap(), template);
    }

    #[test]
    fn expanding_never_panics(template in "[$${}0-9a-z_é -]{0,12}") {
        prop_assert!(Pattern::parse("(?P<a>a)(b)?").unwrap().expand_first("a", &template).is_some());
    }
}
