//! Funnels and fields, each as the text it comes to.

#![allow(clippy::unwrap_used)]

use gotext::version::Range;
use image::Reference;

use super::*;
use crate::change::Diagnostic;
use crate::edit::Selection;
use crate::plan::MarkedFile;
use crate::policy::{Direction, Filter, Order};

fn semver(range: &str) -> Policy {
    Policy { filter: None, order: Order::Semver(Range::parse(range).unwrap()) }
}

fn numerical(pattern: &str, extract: &str) -> Policy {
    let filter = Filter { pattern: Pattern::parse(pattern).unwrap(), extract: extract.to_owned() };
    Policy { filter: Some(filter), order: Order::Numerical(Direction::Ascending) }
}

#[track_caller]
fn check(policy: &Policy, exclusions: &[&str], tags: &[&str], expect: &[&str]) {
    let exclusions: Vec<Pattern> = exclusions.iter().map(|pattern| Pattern::parse(pattern).unwrap()).collect();
    let tags = Tags::read(tags.iter().copied());
    let funnel = funnel(policy, &exclusions, &tags);
    let group = |group: &Dropped<'_>| {
        let tags: Vec<&str> = group.tags.iter().map(|dropped| dropped.tag).collect();
        format!("{:?} {}: {}", group.cause, group.count, tags.join(" "))
    };
    let mut found: Vec<String> = funnel.dropped.iter().map(group).collect();
    found.extend(funnel.candidates.iter().map(|candidate| format!("{} = {}", candidate.tag, candidate.value)));
    assert_eq!(found, expect);
    let counted: usize = funnel.dropped.iter().map(|group| group.count).sum();
    assert_eq!(counted + funnel.candidates.len(), funnel.listed);
}

#[test]
fn every_tag_falls_away_once() {
    let tags =
        ["1.1.0", "1.2.0-rc.1", "1.0.0", "2.0.0", "v1", "latest", "x.sig", "1.0.0.sig", "a b", "\u{1b}[0m", "1.0.0"];
    let expect = [
        "NotAllowed 2: a b \\u{1b}[0m",
        "Excluded(0, \"[.]sig$\") 2: x.sig 1.0.0.sig",
        "NotAVersion 1: latest",
        "TooFewDots 1: v1",
        "OutOfRange 1: 2.0.0",
        "Prerelease 1: 1.2.0-rc.1",
        "1.1.0 = 1.1.0",
        "1.0.0 = 1.0.0",
    ];
    check(&semver("1.x"), &["[.]sig$", "nothing"], &tags, &expect);
    let tags = ["main-a-1", "main-b-1", "main-a-2", "main-a-x", "dev-1"];
    let expect =
        ["NotMatched 1: dev-1", "NotANumber 1: main-a-x", "Collides 1: main-a-1", "main-a-2 = 2", "main-b-1 = 1"];
    check(&numerical("^main-[a-z]+-(.*)$", "$1"), &[], &tags, &expect);
    let of_another = format!("sha256-{}.sbom", "0123456789abcdef".repeat(4));
    let expect = [format!("NoImage 1: {of_another}"), "NotANumber 1: x".to_owned(), "1 = 1".to_owned()];
    check(&numerical("", ""), &[], &["1", &of_another, "x"], &expect.each_ref().map(String::as_str));
    check(&semver("1.x"), &[], &[], &[]);
}

#[test]
fn one_tag() {
    let tags = Tags::read(["1.1.0", "1.0.0", "2.0.0", "1.5.0.sig", "a b"]);
    let exclusions = [Pattern::parse("sig").unwrap()];
    let policy = semver("1.x");
    let funnel = funnel(&policy, &exclusions, &tags);
    assert_eq!(funnel.fate("1.1.0"), Fate::Candidate { place: 1 });
    assert_eq!(funnel.fate("1.0.0"), Fate::Candidate { place: 2 });
    assert!(matches!(funnel.fate("2.0.0"), Fate::Dropped { cause: Cause::OutOfRange, reason: Some(_), .. }));
    assert!(matches!(funnel.fate("1.5.0.sig"), Fate::Dropped { cause: Cause::Excluded(0, _), reason: None, .. }));
    assert_eq!(funnel.fate("1.9.0"), Fate::Absent);
    assert_eq!(funnel.fate("a b"), Fate::Absent);
}

const TEXT: &str = r#"image: app:1 # {"$imagepolicy": "ns:app"}
tag: "2" # {"$imagepolicy": "ns:app:tag"}
digest: x # {"$imagepolicy": "ns:app:digest"}
other: app:1 # {"$imagepolicy": "ns:app-two"}
wrong: # {"$imagepolicy": "ns:app"}
tags: 1 # {"$imagepolicy": "ns:app:tags"}
not-mine: # {"$imagepolicy": "ns:app-two"}
"#;

fn lines(selection: &Selection, texts: &[&str]) -> Vec<String> {
    let files: Vec<_> =
        (0..).zip(texts).map(|(n, text)| MarkedFile::new(format!("{n}.yaml"), text.as_bytes().to_vec())).collect();
    let found = fields(&files, "ns:app", selection, &crate::plan::Guards::default());
    let line = |it: &Field| {
        let new = it.new.as_deref().unwrap_or("?");
        format!("{}:{}:{} {} -> {new} {}", it.file, it.line, it.column, it.old, it.why.as_deref().unwrap_or_default())
    };
    let diagnostic = |it: &Diagnostic| format!("{}:{}:{} {}", it.file, it.line, it.column, it.code);
    found.fields.iter().map(line).chain(found.diagnostics.iter().map(diagnostic)).collect()
}

#[test]
fn fields_of_a_policy() {
    let selected = Selection::Selected(Reference::parse("app:2").unwrap());
    let expect = [
        "0.yaml:1:8 app:1 -> app:2 ",
        "0.yaml:2:6 2 -> 2 ",
        "0.yaml:3:9 x -> ? the selection of policy \"ns:app\" has no digest; the field stays",
        "0.yaml:5:8 TW004",
        "0.yaml:6:9 TW002",
    ];
    assert_eq!(lines(&selected, &[TEXT]), expect);
    let none = Selection::NoSelection("no tag".to_owned());
    assert_eq!(lines(&none, &[TEXT])[0], "0.yaml:1:8 app:1 -> ? policy \"ns:app\" has no selection: no tag");
    let broken = "a: [\nb: app:1 # {\"$imagepolicy\": \"ns:app\"}\n";
    assert_eq!(lines(&selected, &[broken]).len(), 1);
    assert_eq!(lines(&selected, &["a: [ # {\"$imagepolicy\": \"ns:other\"}\n"]), [""; 0]);
}
