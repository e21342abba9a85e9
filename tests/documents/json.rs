//! docs/reference/json.md shows every member of every document of `src/wire`, and no other.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::Value;

use crate::read;
use crate::wire::Wire;

const PAGE: &str = "docs/reference/json.md";

/// The headings, with module and type. What the commands read is held by running them.
const DOCUMENTS: [(&str, &str, &str); 15] = [
    ("`run --once`", "run", "Run"),
    ("`set`", "edit", "Set"),
    ("`select`", "select", "Select"),
    ("`explain`", "explain", "Document"),
    ("`explain --tag`", "explain", "One"),
    ("`check`", "check", "Check"),
    ("`doctor`", "doctor", "Examination"),
    ("`mark`", "mark", "Document"),
    ("`import`", "import", "Document"),
    ("`status`", "status", "Status"),
    ("Freezes", "freeze", "Refrozen"),
    ("`status --kubernetes`", "objects", "Objects"),
    ("`history`", "history", "History"),
    ("`images`", "images", "Images"),
    ("`submit`", "submit", "Submitted"),
];

/// What a list or mapping stands for that is shown elsewhere.
const AS_FOR_SET: &str = "/* as for set */";

fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let (_, rest) = page.split_once(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("no heading {heading}"));
    rest.split("\n## ").next().unwrap()
}

fn example<'a>(page: &'a str, heading: &str) -> &'a str {
    let (_, rest) = section(page, heading).split_once("```jsonc\n").unwrap();
    rest.split_once("\n```").unwrap().0
}

/// The example below a heading, with what it leaves to that of `set` put in.
fn shown(page: &str, heading: &str) -> Value {
    let set: Value = serde_json::from_str(example(page, "`set`")).unwrap();
    let mut text = example(page, heading).to_owned();
    for name in ["changes", "diagnostics"] {
        text = text.replace(&format!("\"{name}\": [{AS_FOR_SET}]"), &format!("\"{name}\": {}", set[name]));
    }
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{heading}: {error}: {text}"))
}

/// The full names of all members, with those of members within lists.
fn members(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                found.insert(path.clone());
                members(value, &path, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| members(item, path, found)),
        _ => {}
    }
}

#[test]
fn every_member_is_shown_and_no_other() {
    let (page, wire) = (read(PAGE), Wire::read());
    for (heading, module, name) in DOCUMENTS {
        let mut found = BTreeSet::new();
        members(&shown(&page, heading), "", &mut found);
        let mut known = wire.members(module, name);
        // One of several orders is there.
        known.retain(|name| !name.starts_with("policies.policy.") || found.contains(name));
        assert_eq!(found, known, "{heading}");
    }
}

#[test]
fn every_document_has_its_heading() {
    let page = read(PAGE);
    let headings = page.lines().filter_map(|line| line.strip_prefix("## "));
    let printed: Vec<&str> = headings.filter(|heading| !heading.starts_with("What ")).collect();
    assert_eq!(printed, DOCUMENTS.map(|(heading, ..)| heading));
}

#[test]
fn every_word_is_named() {
    let pages = [PAGE, "docs/reference/http.md"].map(read).join("\n");
    let code = Regex::new("[`\"]([A-Za-z-]+)[`\"]").unwrap();
    let named: BTreeSet<&str> = code.captures_iter(&pages).map(|found| found.get(1).unwrap().as_str()).collect();
    for word in Wire::read().words() {
        assert!(named.contains(word.as_str()) || pages.contains(&format!("/{word}`")), "{word} is in no page");
    }
}
