//! What the documents name exists: files, anchors, pages that messages and comments send their readers to.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use regex::Regex;

use crate::{files, read, root};

/// Where the documents are that people read. Those of other people's code are theirs.
const DOCUMENTS: [&str; 6] = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs", "benches", "tests"];

/// Where messages and comments are that name documents.
const SOURCES: [&str; 6] = ["src", "crates", "tests", "benches", "deploy", "policies"];

fn documents() -> Vec<String> {
    DOCUMENTS.iter().flat_map(|place| files(place, &["md"])).collect()
}

/// A document without its fenced blocks, in which neither links nor headings count.
fn prose(text: &str) -> String {
    let mut fenced = false;
    let mut outside = |line: &&str| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    };
    text.lines().filter(|line| outside(line)).collect::<Vec<_>>().join("\n")
}

/// The anchors of a document's headings, as forges make them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    let text = prose(text);
    for heading in text.lines().filter(|line| line.starts_with('#')) {
        let words = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = words.chars().filter(|char| char.is_alphanumeric() || " -_".contains(*char));
        let anchor: String = kept.map(|char| if char == ' ' { '-' } else { char }).collect();
        assert!(anchors.insert(anchor), "two headings {heading}");
    }
    anchors
}

/// The place that a link leads to from a document, from the root, with `..` resolved.
fn resolve(document: &str, target: &str) -> PathBuf {
    let mut place = Path::new(document).parent().unwrap().to_owned();
    for part in Path::new(target).components() {
        match part {
            std::path::Component::ParentDir => assert!(place.pop(), "{document}: {target} leaves the project"),
            part => place.push(part),
        }
    }
    place
}

/// The targets of all links in a document that stay in the project: a path, and an anchor if there is one.
fn links(document: &str) -> Vec<(PathBuf, Option<String>)> {
    // A single pair of backticks may have brackets within.
    let code = Regex::new("`[^`\n]*`").unwrap();
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let text = prose(&read(document));
    let text = code.replace_all(&text, "`code`");
    let inside = link.captures_iter(&text).map(|found| found[1].to_owned()).filter(|target| !target.contains("://"));
    let parts = inside.map(|target| match target.split_once('#') {
        Some(("", anchor)) => (PathBuf::from(document), Some(anchor.to_owned())),
        Some((path, anchor)) => (resolve(document, path), Some(anchor.to_owned())),
        None => (resolve(document, &target), None),
    });
    parts.collect()
}

#[test]
fn every_link_leads_somewhere() {
    let mut wrong = Vec::new();
    for document in documents() {
        for (path, anchor) in links(&document) {
            if !root().join(&path).exists() {
                wrong.push(format!("{document}: there is no {}", path.display()));
            } else if let Some(anchor) = anchor {
                let known = anchors(&read(path.to_str().unwrap()));
                if !known.contains(&anchor) {
                    wrong.push(format!("{document}: {} has no #{anchor}, but {known:?}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_page_is_in_the_index() {
    let indexed: BTreeSet<PathBuf> = links("docs/README.md").into_iter().map(|(path, _)| path).collect();
    for page in files("docs", &["md"]).iter().filter(|page| *page != "docs/README.md") {
        assert!(indexed.contains(Path::new(page)), "docs/README.md does not lead to {page}");
    }
}

/// Whoever comes from something else, or has a fault before them, finds the page in two clicks.
#[test]
fn every_page_is_two_clicks_from_the_readme() {
    let mut near: BTreeSet<PathBuf> = BTreeSet::from(["README.md".into()]);
    for _ in 0..2 {
        let pages = near.iter().filter(|page| page.extension().is_some_and(|extension| extension == "md"));
        let next: Vec<PathBuf> = pages.flat_map(|page| links(page.to_str().unwrap())).map(|(path, _)| path).collect();
        near.extend(next);
    }
    for page in files("docs", &["md"]) {
        assert!(near.contains(Path::new(&page)), "{page} is further than two clicks from README.md");
    }
}

#[test]
fn pages_that_are_named_exist() {
    let name = Regex::new(r"docs/[\w/-]+\.(?:md|json)").unwrap();
    let sources = SOURCES.iter().flat_map(|place| files(place, &["rs", "yaml", "yml", "md", "service"]));
    for source in sources.chain(documents()) {
        for found in name.find_iter(&read(&source)) {
            assert!(root().join(found.as_str()).is_file(), "{source} names {}", found.as_str());
        }
    }
}
