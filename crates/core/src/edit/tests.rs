//! Cases as data: `fixtures/edit/<case>/`, and what other software was observed to do, in `fixtures/setters/` and
//! `fixtures/scalar-quoting/`.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use yaml_rust2::Event;
use yaml_rust2::parser::Parser;
use yamlspan::document::Style;
use yamlspan::quote;

use super::*;
use crate::change::ObjectIdentity;

/// A change as the fixtures write it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Seen {
    #[serde(default)]
    line: usize,
    #[serde(default)]
    file: String,
    api_version: String,
    kind: String,
    namespace: String,
    name: String,
    old: String,
    new: String,
    setter: String,
}

impl Seen {
    fn of(file: &str, change: &Change) -> Self {
        let Change { line, object, old, new, setter, .. } = change.clone();
        let ObjectIdentity { api_version, kind, namespace, name } = object;
        Self { line, file: file.to_owned(), api_version, kind, namespace, name, old, new, setter }
    }
}

fn fixtures(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name)
}

fn json<T: serde::de::DeserializeOwned>(path: &Path) -> Option<T> {
    let text = fs::read(path).ok()?;
    Some(serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

fn selections(by_policy: BTreeMap<String, Option<String>>) -> Selections {
    let select = |reference: Option<String>| match reference {
        Some(reference) => Selection::Selected(Reference::parse(&reference).unwrap()),
        None => Selection::NoSelection("no tag matches".to_owned()),
    };
    by_policy.into_iter().map(|(policy, reference)| (policy, select(reference))).collect()
}

#[test]
fn folders() {
    let root = fixtures("edit");
    let default: BTreeMap<String, Option<String>> = json(&root.join("selections.json")).unwrap();
    let mut cases: Vec<PathBuf> = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.is_dir());
    cases.sort();
    assert!(cases.len() >= 60, "{} cases", cases.len());
    let failures: Vec<String> = cases.iter().filter_map(|case| check_folder(case, &default).err()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn check_folder(case: &Path, default: &BTreeMap<String, Option<String>>) -> Result<(), String> {
    let input = fs::read(case.join("input.yaml")).unwrap();
    let expected = fs::read(case.join("expected.yaml")).unwrap_or_else(|_| input.clone());
    let selections = selections(json(&case.join("selections.json")).unwrap_or_else(|| default.clone()));

    let scan = marker::scan(&input);
    let edited = apply(&input, &scan, &selections);
    let mut found: Vec<&Diagnostic> = scan.diagnostics.iter().chain(&edited.diagnostics).collect();
    found.sort_by_key(|diagnostic| (diagnostic.line, diagnostic.column));
    let places: Vec<String> = found.iter().map(|d| format!("{}:{} {}", d.line, d.column, d.code)).collect();
    let new = edited.bytes.clone().unwrap_or_else(|| input.clone());
    let changes: Vec<Seen> = edited.changes.iter().map(|change| Seen::of("", change)).collect();
    let again = apply(&new, &marker::scan(&new), &selections);

    let same = |what: &str, found: String, expected: String| {
        let case = case.file_name().unwrap().to_string_lossy();
        if found == expected { Ok(()) } else { Err(format!("{case}: {what}\n found: {found}\n wants: {expected}")) }
    };
    let wanted_places = json::<Vec<String>>(&case.join("diagnostics.json")).unwrap_or_default();
    let wanted_changes = json::<Vec<Seen>>(&case.join("changes.json")).unwrap_or_else(|| changes.clone());
    same("bytes", format!("{:?}", String::from_utf8_lossy(&new)), format!("{:?}", String::from_utf8_lossy(&expected)))?;
    same("changed", edited.bytes.is_some().to_string(), (input != expected).to_string())?;
    same("diagnostics", format!("{places:?} {found:#?}"), format!("{wanted_places:?} {found:#?}"))?;
    same("changes", format!("{changes:#?}"), format!("{wanted_changes:#?}"))?;
    same("a second time", format!("{:?}", again.bytes), "None".to_owned())
}

#[derive(Deserialize)]
struct Idiom {
    name: String,
    yaml: String,
    expect: String,
}

/// What PyYAML, libyaml and go-yaml read is read here, too, whatever YAML 1.2 says of it.
#[test]
fn idioms() {
    let cases: Vec<Idiom> = json(&fixtures("edit/idioms.json")).unwrap();
    assert!(cases.len() >= 60);
    let selections = selections(json(&fixtures("edit/selections.json")).unwrap());
    for Idiom { name, yaml, expect } in cases {
        let scan = marker::scan(yaml.as_bytes());
        let edited = apply(yaml.as_bytes(), &scan, &selections);
        assert!(scan.diagnostics.is_empty() && edited.diagnostics.is_empty(), "{name}: {scan:#?} {edited:#?}");
        let new = edited.bytes.map(|bytes| String::from_utf8(bytes).unwrap()).unwrap_or(yaml);
        assert_eq!(new, expect, "{name}");
    }
}

/// A vector for which we do not do what was observed.
struct Difference {
    case: &'static str,
    /// The old and new value of the only change; `None` for no change.
    change: Option<(&'static str, &'static str)>,
    why: &'static str,
}

const fn changes(case: &'static str, why: &'static str) -> Difference {
    Difference { case, change: Some(("old", IMAGE)), why }
}

const fn stays(case: &'static str, why: &'static str) -> Difference {
    Difference { case, change: None, why }
}

/// All deliberate differences; whatever is not here must be as observed.
const DIFFERENCES: [Difference; 10] = [
    stays("suffix digest empty", "a field is never blanked because a selection lacks a digest"),
    stays("quoted to empty digest", "a field is never blanked because a selection lacks a digest"),
    stays("null to empty digest", "a field is never blanked because a selection lacks a digest"),
    stays("inf", "`.inf` is not a tag that OCI allows, so it is never selected"),
    changes("flow map single kv", "a flow mapping of one line that holds one value is unambiguous"),
    changes("bare seq", "documents whose root is a sequence are edited"),
    changes("multi doc bad yaml", "a broken document does not stop the others"),
    changes("%YAML directive", "directives are understood"),
    changes("list kind", "lists are edited in place, so the change has a file"),
    changes("ResourceList", "lists are edited in place, so the change has a file"),
];

const IMAGE: &str = "ghcr.io/org/app:1.2.3";

/// Files that are no business of the editor: links and Git's own are the caller's to skip.
const SKIPPED: [&str; 2] = ["link.yaml", ".git/x.yaml"];

#[derive(Deserialize)]
struct Vectors {
    default_policies: Vec<Policy>,
    cases: Vec<Vector>,
}

#[derive(Deserialize, Clone)]
#[serde(rename_all = "PascalCase")]
struct Policy {
    namespace: String,
    name: String,
    image: String,
    tag: String,
    digest: String,
}

#[derive(Deserialize)]
struct Vector {
    name: String,
    /// Where to look for files; one case has a path that does not exist.
    path: String,
    policies: serde_json::Value,
    files: BTreeMap<String, serde_json::Value>,
    observed: Observed,
}

#[derive(Deserialize)]
struct Observed {
    changes: Option<Vec<Seen>>,
}

/// The selections that OCI allows; the others are reported elsewhere and never reach a file.
fn selections_of(policies: &[Policy]) -> Selections {
    let reference = |policy: &Policy| {
        let digest = if policy.digest.is_empty() { String::new() } else { format!("@{}", policy.digest) };
        Reference::parse(&format!("{}:{}{digest}", policy.image, policy.tag)).ok()
    };
    let select = |policy: &Policy| {
        Some((format!("{}:{}", policy.namespace, policy.name), Selection::Selected(reference(policy)?)))
    };
    policies.iter().filter_map(select).collect()
}

#[test]
fn observed_setters() {
    let vectors: Vectors = json(&fixtures("setters/setters.json")).unwrap();
    assert!(vectors.cases.len() > 100);
    for case in vectors.cases.iter().filter(|case| case.path.is_empty()) {
        let own: Option<Vec<Policy>> = serde_json::from_value(case.policies.clone()).ok();
        let selections = selections_of(own.as_deref().unwrap_or(&vectors.default_policies));
        let mut found = Vec::new();
        for (file, content) in &case.files {
            if let (Some(text), true, false) =
                (content.as_str(), marker::is_candidate_path(file), SKIPPED.contains(&file.as_str()))
            {
                found.extend(check_observed(&case.name, file, text, &selections));
            }
        }
        let mut expected = case.observed.changes.clone().unwrap_or_default();
        expected.retain(|change| !SKIPPED.contains(&change.file.as_str()));
        match DIFFERENCES.iter().find(|difference| difference.case == case.name) {
            None => assert_eq!(sorted(found), sorted(expected), "{}", case.name),
            Some(Difference { change, why, .. }) => {
                let values = |change: &Seen| (change.old.clone(), change.new.clone());
                let expected: Vec<_> = change.iter().map(|(old, new)| ((*old).to_owned(), (*new).to_owned())).collect();
                assert_eq!(found.iter().map(values).collect::<Vec<_>>(), expected, "{}: {why}", case.name);
            }
        }
    }
}

fn sorted(mut changes: Vec<Seen>) -> Vec<Seen> {
    changes.sort_by(|a, b| (&a.file, &a.old, &a.setter).cmp(&(&b.file, &b.old, &b.setter)));
    changes
}

/// Edits one file of a vector; whatever the editor thinks, another parser must see these changes and no others.
fn check_observed(case: &str, file: &str, text: &str, selections: &Selections) -> Vec<Seen> {
    let edited = apply(text.as_bytes(), &marker::scan(text.as_bytes()), selections);
    let new = edited.bytes.map_or_else(|| text.to_owned(), |bytes| String::from_utf8(bytes).unwrap());
    if let (Some(before), Some(after)) = (events(text), events(&new)) {
        assert_eq!(before.len(), after.len(), "{case}");
        let differ = before.iter().zip(&after).filter(|(before, after)| before != after);
        let differ: Vec<_> = differ.map(|(before, after)| (before.clone(), after.clone())).collect();
        let changed: Vec<_> = edited.changes.iter().map(|change| (change.old.clone(), change.new.clone())).collect();
        assert_eq!(differ, changed, "{case}");
    }
    let strip = |change: &Change| Seen { line: 0, ..Seen::of(file, change) };
    edited.changes.iter().map(strip).collect()
}

/// All events of a stream as texts: a scalar as its value, whatever its style.
fn events(text: &str) -> Option<Vec<String>> {
    let mut parser = Parser::new_from_str(text);
    let mut events = Vec::new();
    loop {
        match parser.next_token().ok()?.0 {
            Event::StreamEnd => return Some(events),
            Event::Scalar(value, ..) => events.push(value),
            other => events.push(format!("{other:?}")),
        }
    }
}

#[derive(Deserialize)]
struct Quoting {
    tag: String,
    written: BTreeMap<String, String>,
    /// What is written here, because it has the form of a number, though of none that fits 64 bits.
    #[serde(default)]
    differs: BTreeMap<String, String>,
}

#[test]
fn observed_quoting() {
    let vectors: Vec<Quoting> = json(&fixtures("scalar-quoting/scalar-quoting.json")).unwrap();
    assert!(vectors.len() > 40);
    for Quoting { tag, written, differs } in vectors {
        for (style, name) in [(Style::Plain, "plain"), (Style::Double, "double"), (Style::Single, "single")] {
            let expected = differs.get(name).unwrap_or(&written[name]);
            assert_eq!(quote::write(&tag, style, false), *expected, "{tag} {name}");
        }
    }
}

const PIN: &str = "sha256:1f7eaeb01f7eaeb01f7eaeb01f7eaeb01f7eaeb01f7eaeb01f7eaeb01f7eaeb0";

/// What values are made of; `PIN` stands for [`PIN`].
const PIECES: &str = "(ghcr\\.io/|acme/web|old|:|:1\\.0\\.0|v|@PIN|PIN|\\$\\{T:-|\\$\\{T|\\}|\\$T|\\{\\{ t \\}\\}|%T%|docker://|name=|--image| |=|-a){1,6}";

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(1_000))]

    #[test]
    fn pins_and_variables_outlive_every_edit(
        value in PIECES,
        field in "(|:tag|:name|:digest)",
        is_item in proptest::bool::ANY,
        is_pinned in proptest::bool::ANY,
    ) {
        let value = value.replace("PIN", PIN);
        let digest = if is_pinned { format!("@sha256:{}", "ab".repeat(32)) } else { String::new() };
        let reference = Reference::parse(&format!("ghcr.io/acme/web:1.2.0{digest}")).unwrap();
        let selections: Selections = [("a:b", Selection::Selected(reference))].into_iter().collect();
        let start = if is_item { "- " } else { "registry: ghcr.io\nimage: " };
        let text = format!("{start}'{value}' # {{\"$imagepolicy\": \"a:b{field}\"}}\n");
        let edited = apply(text.as_bytes(), &marker::scan(text.as_bytes()), &selections);
        let Some(change) = edited.changes.first() else { return Ok(()) };
        for sign in ["${T", "$T", "{{ t }}", "%T%"] {
            let count = |text: &str| text.matches(sign).count();
            proptest::prop_assert_eq!(count(&change.old), count(&change.new), "{:?}", change);
        }
        proptest::prop_assert!(!change.old.contains("sha256:") || change.new.contains("sha256:"), "{:?}", change);
        proptest::prop_assert!(is_pinned || change.old.contains(PIN) == change.new.contains(PIN), "{:?}", change);
        let new = edited.bytes.unwrap();
        proptest::prop_assert_eq!(apply(&new, &marker::scan(&new), &selections).bytes, None, "{:?}", change);
    }
}
