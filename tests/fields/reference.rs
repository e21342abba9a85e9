//! docs/reference/configuration.md has each field, and no other.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use serde_json::json;
use tagwright::config;

use crate::crawl::{Seed, Shape, Step};
use crate::kinds;
use crate::page::Page;

/// All YAML blocks of README.md and docs/ that are configuration, each with the page it is in.
pub(crate) fn examples() -> Vec<(String, String)> {
    let is_ours = |block: &str| kinds::all().iter().any(|(kind, _)| block.contains(&format!("kind: {kind}\n")));
    let of = |page: Page| page.blocks("yaml").into_iter().map(move |block| (page.path.to_owned(), block.to_owned()));
    Page::all().into_iter().flat_map(of).filter(|(_, block)| is_ours(block)).collect()
}

const PAGE: &str = include_str!("../../docs/reference/configuration.md");

/// What every object has, and no table repeats.
const FRAME: [&str; 3] = ["apiVersion", "kind", "status"];

/// The lines from a heading to the next one of its level or above.
fn section(heading: &str) -> Vec<&'static str> {
    let level = heading.split(' ').next().unwrap().len();
    let ends = |line: &&str| (1..=level).any(|level| line.starts_with(&format!("{} ", "#".repeat(level))));
    let lines = PAGE.lines().skip_while(|line| *line != heading).skip(1);
    assert!(PAGE.lines().any(|line| line == heading), "no heading {heading}");
    lines.take_while(|line| !ends(line)).collect()
}

/// The fields in the first cells of the tables below a heading, each with the other cells of its row.
pub(crate) fn documented(heading: &str) -> BTreeMap<String, &'static str> {
    let code = Regex::new("`([^`]+)`").unwrap();
    let rows = section(heading).into_iter().filter(|line| line.starts_with("| `"));
    let mut found = BTreeMap::new();
    for (name, rest) in rows.map(|row| row[1..].split_once(" |").unwrap()) {
        for field in code.captures_iter(name) {
            let twice = found.insert(field[1].to_owned(), rest);
            assert!(twice.is_none(), "{} is there twice below {heading}", &field[1]);
        }
    }
    found
}

/// The fields of a kind as its table names them: from its root, and without what every object has.
fn known(kind: &str, seed: &Seed) -> BTreeMap<String, Shape> {
    let leaves = seed.leaves().into_iter().filter(|(name, _)| {
        let of_frame = FRAME.contains(&name.as_str());
        !of_frame && (kind == "Secret" || !name.starts_with("metadata."))
    });
    let short = |name: String| name.strip_prefix("spec.components[].").map(str::to_owned).unwrap_or(name);
    leaves.map(|(name, shape)| (short(name), shape)).collect()
}

fn agree(heading: &str, known: &BTreeMap<String, Shape>) {
    let documented = documented(heading);
    let names = |fields: &mut dyn Iterator<Item = &String>| fields.cloned().collect::<BTreeSet<String>>();
    let (told, read) = (names(&mut documented.keys()), names(&mut known.keys()));
    let (missing, extra) = (read.difference(&told).collect::<Vec<_>>(), told.difference(&read).collect::<Vec<_>>());
    assert!(missing.is_empty() && extra.is_empty(), "{heading} lacks {missing:?}, and has {extra:?}");
    for (name, shape) in known {
        let row = documented[name];
        match shape {
            Shape::Ignored => assert!(row.contains("ignored"), "{heading}: {name} is ignored, but: {row}"),
            Shape::Refused => assert!(row.contains("refused"), "{heading}: {name} is refused, but: {row}"),
            _ => assert!(!row.contains("| ignored"), "{heading}: {name} is read, but: {row}"),
        }
        let flag = *shape == Shape::Flag;
        assert!(row.starts_with(" flag |") == flag, "{heading}: {name} is a flag or not: {row}");
    }
}

#[test]
fn every_field_of_every_kind_is_documented() {
    for (kind, seed) in kinds::all() {
        let level = if kind == "ImageAutomation" { "##" } else { "###" };
        agree(&format!("{level} `{kind}`"), &known(kind, &seed));
    }
}

#[test]
fn the_metadata_is_documented_once_for_all() {
    for (kind, seed) in kinds::all().into_iter().filter(|(_, seed)| seed.root.is_empty()) {
        let is_metadata = |(name, _): &(String, Shape)| name.starts_with("metadata.");
        let known: BTreeMap<String, Shape> = seed.leaves().into_iter().filter(is_metadata).collect();
        if kind != "Secret" {
            agree("## Metadata", &known);
        }
    }
}

/// But for secrets, which nobody shows.
#[test]
fn every_configuration_in_the_documents_is_read() {
    let examples = examples();
    assert!(examples.len() >= 15, "{}", examples.len());
    for (page, text) in examples {
        if let Err(error) = config::parse(&page, &text) {
            let secrets = error.problems().iter().all(|problem| problem.message.ends_with("does not exist"));
            assert!(secrets, "{error}");
        }
    }
}

#[test]
fn every_annotation_is_documented() {
    let path = ["metadata", "annotations"].map(|name| Step::Field(name.to_owned()));
    let (_, seed) = &kinds::all()[0];
    let problems = seed.problems(&path, |value| *value = json!({"tagwright.dev/zzzzzzzzzzzzzzzzzzzzzzzzzzzz": "x"}));
    let hint = problems.iter().find_map(|(_, hint)| hint.strip_prefix("the annotations are ")).unwrap();
    let known: BTreeSet<String> = hint.split(", ").map(|name| name.trim_matches('`').to_owned()).collect();
    let documented: BTreeSet<String> = documented("## Annotations").into_keys().collect();
    assert_eq!(documented, known);
}
