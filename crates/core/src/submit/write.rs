//! A [`Node`] as YAML: always the same text for the same value, in the order of its keys, in blocks of two spaces.
//!
//! The layout is that of yaml-rust2's emitter. How scalars are written is decided here, since that emitter goes by YAML 1.2 alone:
//! `1_000` or `190:20:30` would become numbers for readers of YAML 1.1. What is written is confirmed by both parsers before anybody
//! gets it.

use std::fmt::Write as _;

use yaml_rust2::yaml::Hash;
use yaml_rust2::{Yaml, YamlEmitter, YamlLoader};

use super::node::{Node, is_printable, is_string};
use super::read;

/// The longest line of a text that is written as lines of a block, in characters; one with a longer line gets quotes, where lines are
/// broken by nobody.
const MAX_LINE: usize = 4096;

/// Writes a value as the document of a file, with a line end at its end.
///
/// # Errors
/// The text does not read as the value: a defect, which is said rather than committed.
pub fn document(node: &Node) -> Result<String, NotConfirmed> {
    let text = emit(&yaml(node, Blocks::Allowed)).ok_or(NotConfirmed)?;
    if confirms(&text, node) {
        return Ok(text);
    }
    let text = emit(&yaml(node, Blocks::None)).ok_or(NotConfirmed)?;
    if confirms(&text, node) { Ok(text) } else { Err(NotConfirmed) }
}

/// A text was written that does not read as the value that it is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it cannot be written as YAML that every reader takes for the same")]
pub struct NotConfirmed;

/// Whether strings of several lines may be blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blocks {
    Allowed,
    None,
}

fn emit(yaml: &Yaml) -> Option<String> {
    let mut text = String::new();
    let mut emitter = YamlEmitter::new(&mut text);
    emitter.multiline_strings(true);
    emitter.dump(yaml).ok()?;
    let body = text.strip_prefix("---\n")?;
    let mut out = String::with_capacity(body.len() + 1);
    for line in body.split('\n') {
        // The emitter indents the empty lines of blocks, and no other line is white space alone.
        out.push_str(if line.trim_matches(' ').is_empty() { "" } else { line });
        out.push('\n');
    }
    Some(out)
}

fn yaml(node: &Node, blocks: Blocks) -> Yaml {
    match node {
        Node::Null => Yaml::Real("null".to_owned()),
        Node::Plain(text) => Yaml::Real(text.clone()),
        Node::Text(text) if is_string(text) => Yaml::Real(text.clone()),
        Node::Text(text) if blocks == Blocks::Allowed && is_block(text) => Yaml::String(text.clone()),
        Node::Text(text) => Yaml::Real(quoted(text)),
        Node::List(items) => Yaml::Array(items.iter().map(|item| yaml(item, blocks)).collect()),
        // A key is one line.
        Node::Map(entries) => {
            let pairs = entries.iter().map(|(key, value)| (yaml(key, Blocks::None), yaml(value, blocks)));
            Yaml::Hash(pairs.collect::<Hash>())
        }
    }
}

/// Whether a string of several lines reads as itself from a literal block with no more than `|` or `|-` before it.
fn is_block(text: &str) -> bool {
    let body = text.strip_suffix('\n').unwrap_or(text);
    let is_line = |line: &str| {
        line.len() <= MAX_LINE
            && line.chars().all(|c| c == '\t' || is_printable(c))
            && (line.is_empty() || !line.trim_matches([' ', '\t']).is_empty())
    };
    text.contains('\n')
        && !body.is_empty()
        && !body.ends_with('\n')
        && !body.starts_with([' ', '\t', '\n'])
        && body.split('\n').all(is_line)
}

/// A string in double quotes, on one line.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if is_printable(c) => out.push(c),
            // All that is not printable is in the first plane.
            c => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
        }
    }
    out.push('"');
    out
}

/// Whether both parsers read a text as this value.
fn confirms(text: &str, node: &Node) -> bool {
    let ours = read::documents(text).is_ok_and(|found| found.len() == 1 && found[0].1 == *node);
    ours && YamlLoader::load_from_str(text).is_ok_and(|found| found.len() == 1 && agrees(node, &found[0]))
}

/// Whether the second parser sees the same. It goes by YAML 1.2, and what is plain is no string for somebody alone.
fn agrees(node: &Node, yaml: &Yaml) -> bool {
    match (node, yaml) {
        (Node::Null, Yaml::Null) => true,
        (Node::Plain(_), yaml) => !matches!(yaml, Yaml::Array(_) | Yaml::Hash(_) | Yaml::Alias(_) | Yaml::BadValue),
        (Node::Text(text), Yaml::String(found)) => text == found,
        (Node::List(items), Yaml::Array(found)) => {
            items.len() == found.len() && items.iter().zip(found).all(|(item, found)| agrees(item, found))
        }
        (Node::Map(entries), Yaml::Hash(found)) => {
            let pairs = entries.iter().zip(found.iter());
            entries.len() == found.len() && pairs.into_iter().all(|(a, b)| agrees(&a.0, b.0) && agrees(&a.1, b.1))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn check(input: &str, expect: &str) {
        let node = read::documents(input).unwrap().pop().unwrap().1;
        let written = document(&node).unwrap();
        assert_eq!(written, expect);
        assert_eq!(document(&read::documents(&written).unwrap().pop().unwrap().1).unwrap(), expect, "twice is once");
    }

    #[test]
    fn keys_keep_their_order_and_strings_stay_strings() {
        check(
            "{\"b\": \"x\", \"a\": [1, \"1\", true, \"yes\", null]}",
            "b: x\na:\n  - 1\n  - \"1\"\n  - true\n  - \"yes\"\n  - null\n",
        );
        check(
            "a: 012\nb: '012'\nc: yes\nd: 'yes'\ne: 1e3\nf: '1e3'\n",
            "a: 012\nb: \"012\"\nc: yes\nd: \"yes\"\ne: 1e3\nf: \"1e3\"\n",
        );
        check(
            "a: \"1_000\"\nb: '190:20:30'\nc: '0x1F'\nd: 2026-11-27\n",
            "a: \"1_000\"\nb: \"190:20:30\"\nc: \"0x1F\"\nd: 2026-11-27\n",
        );
        check("a: {}\nb: []\nc: ''\nd: ~\n", "a: {}\nb: []\nc: \"\"\nd: null\n");
        check("a:\n- b: 1\n  c: 2\n- - d\n", "a:\n  - b: 1\n    c: 2\n  - - d\n");
    }

    #[test]
    fn lines_become_blocks_where_these_read_as_the_same() {
        check("a: \"one\\n\\n  two\\n\"\nb: \"one\\ntwo\"\n", "a: |\n  one\n\n    two\nb: |-\n  one\n  two\n");
        check("a: \" one\\ntwo\\n\"\n", "a: \" one\\ntwo\\n\"\n");
        check("a: \"one\\n\\n\"\nb: \"one\\r\\ntwo\\r\\n\"\n", "a: \"one\\n\\n\"\nb: \"one\\r\\ntwo\\r\\n\"\n");
        check("a: |\n  #!/bin/sh\n  echo \"$1\"\n", "a: |\n  #!/bin/sh\n  echo \"$1\"\n");
        check("- - |\n    a\n    b\n", "- - |\n    a\n    b\n");
        check("a: |\r\n  one\r\n  two\r\n", "a: |\n  one\n  two\n");
    }

    /// Documents as people write them; what cannot be read, or is no text, is for others.
    #[test]
    fn every_document_of_the_fixtures_is_written_and_read_again() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut folders = vec![root.join("fixtures"), root.join("deploy"), root.join("policies")];
        let mut seen = 0;
        while let Some(folder) = folders.pop() {
            for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                let is_text = path.extension().is_some_and(|it| it == "yaml" || it == "yml" || it == "json");
                if path.is_dir() {
                    folders.push(path);
                } else if let Some(text) = std::fs::read_to_string(&path).ok().filter(|_| is_text) {
                    for (_, node) in read::documents(&text).unwrap_or_default() {
                        let written = document(&node).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                        let again = read::documents(&written).unwrap();
                        assert!(again.len() == 1 && again[0].1 == node, "{}", path.display());
                        seen += 1;
                    }
                }
            }
        }
        assert!(seen > 500, "{seen} documents");
    }

    fn nodes() -> impl Strategy<Value = Node> {
        let text = prop_oneof![
            "[ -~]{0,12}",
            "[\\PC\n\t\r]{0,12}",
            "[0-9_.:eE+xobZ-]{1,8}",
            "( |a|\n|\t|#|:|-){0,8}",
            prop_oneof![Just("yes"), Just("null"), Just("~"), Just("<<"), Just("="), Just(".nan")]
                .prop_map(str::to_owned),
        ];
        let scalar = prop_oneof![
            text.prop_map(Node::Text),
            Just(Node::Null),
            prop_oneof![
                Just("1"),
                Just("012"),
                Just("yes"),
                Just("1e3"),
                Just("true"),
                Just("-1.5"),
                Just("2026-11-27")
            ]
            .prop_map(Node::plain),
        ];
        scalar.prop_recursive(4, 32, 5, |inner| {
            let list = prop::collection::vec(inner.clone(), 0..5).prop_map(Node::List);
            let map = prop::collection::btree_map("[ -~\n]{0,6}", inner, 0..5)
                .prop_map(|map| Node::Map(map.into_iter().map(|(key, value)| (Node::Text(key), value)).collect()));
            prop_oneof![list, map]
        })
    }

    proptest! {
        /// Whatever is in a value is written, read by both parsers as the same, and written again the same.
        #[test]
        fn every_value_is_written_and_read_again(node in nodes()) {
            let node = Node::Map(vec![(Node::Text("a".into()), node)]);
            let text = document(&node).unwrap();
            let again = read::documents(&text).unwrap().pop().unwrap().1;
            prop_assert_eq!(&again, &node);
            prop_assert_eq!(document(&again).unwrap(), text);
        }
    }
}
