//! Documents of YAML and JSON as [`Node`]s.
//!
//! Aliases and `<<` stand for what they repeat, within a budget. A key that is there twice, a key that is no scalar and a tag that means
//! something other than a text or a number are refused: no two readers agree on these.

use std::collections::{HashMap, HashSet};
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use yamlspan::document::{self, NodeKind, Style, TagKind};
use yamlspan::lines::{self, Lines};

use super::node::Node;

/// How many values a document may have, with all that aliases repeat.
const MAX_VALUES: usize = 1_000_000;

/// How deep values may be nested.
pub(super) const MAX_DEPTH: usize = 200;

/// Why a text is no document that can be read: in words, and in which line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The line in the text, counted from 1.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
}

/// Reads the documents of a text; empty ones are left out. With each is its line.
///
/// # Errors
/// The first document that cannot be read.
pub fn documents(text: &str) -> Result<Vec<(usize, Node)>, Unreadable> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim_start().starts_with(['{', '['])
        && let Some(found) = json(text)
    {
        return found;
    }
    let lines = Lines::of(text);
    let mut found = Vec::new();
    for span in lines::documents(text, &lines) {
        let line = lines.position(text, span.start).line;
        let part = &text[span];
        let at = |offset: usize| line + part.get(..offset).unwrap_or(part).matches('\n').count();
        let document = document::parse(part).map_err(|broken| {
            let reason = format!("not YAML: {}", broken.reason.lines().next().unwrap_or_default());
            Unreadable { line: at(broken.offset), reason }
        })?;
        let node = build(&document).map_err(|(offset, reason)| Unreadable { line: at(offset), reason })?;
        let begins = document.nodes.iter().find(|node| !matches!(node.kind, NodeKind::Start));
        let line = at(begins.map_or(0, |node| node.span.start));
        found.extend(node.filter(|node| *node != Node::Null).map(|node| (line, node)));
    }
    Ok(found)
}

/// Reads one document alone; none where there are several, none, or one that cannot be read.
#[must_use]
pub(super) fn only(bytes: &[u8]) -> Option<Node> {
    let mut found = documents(std::str::from_utf8(bytes).ok()?).ok()?;
    let (_, node) = found.pop()?;
    found.is_empty().then_some(node)
}

/// Documents of JSON, one after the other; none where that is no JSON, and perhaps YAML.
fn json(text: &str) -> Option<Result<Vec<(usize, Node)>, Unreadable>> {
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<Node>();
    let mut found = Vec::new();
    let (mut line, mut counted) = (1, 0);
    loop {
        let offset = stream.byte_offset();
        match stream.next() {
            None => return Some(Ok(found)),
            Some(Ok(mut node)) => {
                as_written(&mut node, &mut numbers(&text[offset..stream.byte_offset()]));
                let blank = text[offset..].len() - text[offset..].trim_start().len();
                line += text[counted..offset + blank].matches('\n').count();
                counted = offset + blank;
                found.push((line, node));
            }
            Some(Err(error)) if error.is_data() => {
                return Some(Err(Unreadable { line: error.line(), reason: error.to_string() }));
            }
            Some(Err(_)) => return None,
        }
    }
}

/// The numbers of JSON that was read, as they are written, in their order.
fn numbers(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let start = rest.find(|c: char| c == '"' || c == '-' || c.is_ascii_digit())?;
            rest = &rest[start..];
            if !rest.starts_with('"') {
                let is_of_number = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E');
                let (number, after) = rest.split_at(rest.find(|c| !is_of_number(c)).unwrap_or(rest.len()));
                rest = after;
                return Some(number);
            }
            let mut is_escaped = false;
            let end = rest[1..].find(|c| {
                let is_end = c == '"' && !is_escaped;
                is_escaped = c == '\\' && !is_escaped;
                is_end
            })?;
            rest = &rest[end + 2..];
        }
    })
}

/// Puts numbers as they are written in place of what the parser made of them: `1.10` is no `1.1`, and an integer has any number of digits.
fn as_written<'t>(node: &mut Node, numbers: &mut impl Iterator<Item = &'t str>) {
    match node {
        Node::Plain(text) if text != "true" && text != "false" => {
            if let Some(number) = numbers.next() {
                number.clone_into(text);
            }
        }
        Node::List(items) => items.iter_mut().for_each(|item| as_written(item, numbers)),
        Node::Map(entries) => entries.iter_mut().for_each(|(_, value)| as_written(value, numbers)),
        Node::Null | Node::Plain(_) | Node::Text(_) => {}
    }
}

/// A list or mapping whose end was not seen yet.
struct Open {
    is_map: bool,
    anchor: usize,
    /// Keys and values alternate in a mapping.
    parts: Vec<Node>,
}

type Wrong = (usize, String);

/// What of a document may still be made: values, and bytes of those that are made a second time.
struct Budget {
    values: usize,
    repeated: usize,
}

impl Budget {
    const fn whole() -> Self {
        Self { values: MAX_VALUES, repeated: super::MAX_BYTES }
    }

    /// Takes one value.
    fn one(&mut self) -> Result<(), String> {
        self.values = self.values.checked_sub(1).ok_or_else(too_many)?;
        Ok(())
    }

    /// Takes all of a value that is made a second time.
    fn again(&mut self, value: &Node) -> Result<(), String> {
        self.values = self.values.checked_sub(value.count()).ok_or_else(too_many)?;
        self.repeated = self
            .repeated
            .checked_sub(value.bytes())
            .ok_or_else(|| format!("anchors and aliases repeat more than {} MiB", super::MAX_BYTES >> 20))?;
        Ok(())
    }
}

fn build(document: &document::Document<'_>) -> Result<Option<Node>, Wrong> {
    let mut open: Vec<Open> = Vec::new();
    let mut anchors: HashMap<usize, Node> = HashMap::new();
    let mut budget = Budget::whole();
    let mut root = None;
    for node in &document.nodes {
        let at = node.span.start;
        let wrong = |reason: &str| (at, reason.to_owned());
        let complete = match &node.kind {
            NodeKind::Start => continue,
            NodeKind::Open { mapping } => {
                if node.has_foreign_tag() {
                    return Err(wrong("a tag that only some readers know"));
                }
                if open.len() >= MAX_DEPTH {
                    return Err((at, format!("nested more than {MAX_DEPTH} levels deep")));
                }
                open.push(Open { is_map: *mapping, anchor: node.anchor(), parts: Vec::new() });
                continue;
            }
            NodeKind::Close { .. } => {
                let Some(Open { is_map, anchor, parts }) = open.pop() else { continue };
                let value = match is_map {
                    true => Node::Map(mapping(parts, &mut budget).map_err(|reason| (at, reason))?),
                    false => Node::List(parts),
                };
                keep(&mut anchors, anchor, &value, &mut budget).map_err(|reason| (at, reason))?;
                value
            }
            NodeKind::Alias => {
                let value = anchors.get(&node.anchor()).ok_or_else(|| wrong("an alias of nothing"))?;
                budget.again(value).map_err(|reason| (at, reason))?;
                value.clone()
            }
            NodeKind::Scalar(scalar) => {
                let value = match (&scalar.tag, scalar.style) {
                    (Some(tag), _)
                        if tag.kind == TagKind::Other || tag.kind == TagKind::Text && node.has_foreign_tag() =>
                    {
                        return Err(wrong("a tag that only some readers know"));
                    }
                    (Some(tag), _) if tag.kind != TagKind::Text => Node::plain(&scalar.value),
                    (None, Style::Plain) => Node::plain(if node.span.is_empty() { "" } else { &scalar.value }),
                    _ => Node::Text(scalar.value.clone().into_owned()),
                };
                keep(&mut anchors, node.anchor(), &value, &mut budget).map_err(|reason| (at, reason))?;
                value
            }
        };
        budget.one().map_err(|reason| (at, reason))?;
        match open.last_mut() {
            Some(around) => around.parts.push(complete),
            None => root = Some(complete),
        }
    }
    Ok(root)
}

fn too_many() -> String {
    format!("more than {MAX_VALUES} values in one document, with those that aliases repeat")
}

fn keep(anchors: &mut HashMap<usize, Node>, anchor: usize, value: &Node, budget: &mut Budget) -> Result<(), String> {
    if anchor != 0 {
        budget.again(value)?;
        anchors.insert(anchor, value.clone());
    }
    Ok(())
}

/// Makes entries of keys and values that alternate, with what `<<` merges after them.
fn mapping(parts: Vec<Node>, budget: &mut Budget) -> Result<Vec<(Node, Node)>, String> {
    let (mut entries, mut merged) = (Vec::with_capacity(parts.len() / 2), Vec::new());
    let mut parts = parts.into_iter();
    while let (Some(key), Some(value)) = (parts.next(), parts.next()) {
        match (&key, value) {
            (Node::List(_) | Node::Map(_), _) => return Err("a key that is no single value".to_owned()),
            (Node::Plain(text), value) if text == "<<" => match value {
                Node::List(sources) => merged.extend(sources),
                source => merged.push(source),
            },
            (_, value) => entries.push((key, value)),
        }
    }
    let mut known: HashSet<String> = HashSet::with_capacity(entries.len());
    for (key, _) in &entries {
        let name = key.text().unwrap_or("null");
        if !known.insert(name.to_owned()) {
            return Err(format!("the key {:?} is there twice", words::one_line(name, 60)));
        }
    }
    for source in merged {
        let Node::Map(source) = source else { return Err("`<<` merges what is no mapping".to_owned()) };
        for (key, value) in source {
            if known.insert(key.text().unwrap_or("null").to_owned()) {
                budget.again(&value)?;
                entries.push((key, value));
            }
        }
    }
    Ok(entries)
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Json)
    }
}

/// Takes values of JSON, whose parser bounds how deep they nest.
struct Json;

impl<'de> Visitor<'de> for Json {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of JSON")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Plain(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Plain(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Plain(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Plain(format!("{value:?}")))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut found = Vec::new();
        while let Some(item) = items.next_element()? {
            found.push(item);
        }
        Ok(Node::List(found))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let (mut found, mut known) = (Vec::new(), HashSet::new());
        while let Some((key, value)) = entries.next_entry::<String, Node>()? {
            if !known.insert(key.clone()) {
                return Err(A::Error::custom(format!("the key {:?} is there twice", words::one_line(&key, 60))));
            }
            found.push((Node::Text(key), value));
        }
        Ok(Node::Map(found))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn one(text: &str) -> Node {
        let mut all = documents(text).unwrap();
        assert_eq!(all.len(), 1, "{text}");
        all.pop().unwrap().1
    }

    #[test]
    fn yaml_and_json_mean_the_same() {
        let yaml = "a: x\r\nb:\r\n  - 1\r\n  - true\r\n  - 'yes'\r\nc: {}\r\nd: |\r\n  one\r\n  two\r\ne:\r\n";
        let json = r#"{"a": "x", "b": [1, true, "yes"], "c": {}, "d": "one\ntwo\n", "e": null}"#;
        assert_eq!(one(yaml), one(json));
        assert_eq!(one("\u{feff}a: x\n"), one("{a: x}"));
        assert_eq!(one(r#"{"a": "\ud83d\ude00"}"#).get("a").unwrap().text(), Some("\u{1f600}"));
    }

    #[test]
    fn numbers_of_json_stay_as_they_are_written() {
        let json = r#"{"a-1": 1.10, "b\"2": [12345678901234567890123, true, "3\\", -0.0, null], "c": {"d": 1E5, "e": 0.1000}} {"f": 7}"#;
        let plain = |text: &str| Node::Plain(text.to_owned());
        let all = documents(json).unwrap();
        assert_eq!(all[0].1.get("a-1"), Some(&plain("1.10")));
        let list =
            [plain("12345678901234567890123"), plain("true"), Node::Text("3\\".into()), plain("-0.0"), Node::Null];
        assert_eq!(all[0].1.get("b\"2"), Some(&Node::List(list.into())));
        let inner = all[0].1.get("c").unwrap();
        assert_eq!((inner.get("d"), inner.get("e")), (Some(&plain("1E5")), Some(&plain("0.1000"))));
        assert_eq!(all[1].1.get("f"), Some(&plain("7")));
        assert_eq!(one("{\"a\": 1e999}").get("a"), Some(&plain("1e999")));
    }

    #[test]
    fn documents_have_their_lines() {
        let lines = |text: &str| documents(text).unwrap().into_iter().map(|(line, _)| line).collect::<Vec<_>>();
        assert_eq!(lines("# a\n---\na: 1\n---\n# nothing\n---\n\nb: 2\n"), [3, 8]);
        assert_eq!(lines("{\"a\": 1}\n\n{\"b\": 2}"), [1, 3]);
        assert_eq!(lines("{\"a\":\n 1}\n{\"b\": 2}\n\n\n{\"c\": 3}\n"), [1, 3, 6]);
        assert_eq!(lines("a: 1\r\n---\r\nb: 2\r\n"), [1, 3]);
        assert_eq!(documents("a: 1\n---\nb: [\n").unwrap_err().line, 3);
    }

    #[test]
    fn aliases_and_merges_stand_for_what_they_repeat() {
        let text = "base: &base {x: 1, y: 2}\nuse: *base\nmore:\n  <<: *base\n  y: 3\n";
        assert_eq!(one(text), one("base: {x: 1, y: 2}\nuse: {x: 1, y: 2}\nmore: {y: 3, x: 1}\n"));
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..10 {
            let items = vec![format!("*a{}", level - 1); 10].join(", ");
            bomb.push_str(&format!("a{level}: &a{level} [{items}]\n"));
        }
        assert!(documents(&bomb).unwrap_err().reason.contains("aliases"));
        // What an anchor keeps counts, too, and so do the bytes of few values.
        let inner = format!("[{}]", vec!["x"; 10_000].join(", "));
        let nested = (0..150).fold(inner, |inner, level| format!("&a{level} [{inner}]"));
        assert!(documents(&format!("a: {nested}\n")).unwrap_err().reason.contains("aliases"));
        let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), vec!["*a"; 100].join(", "));
        assert!(documents(&long).unwrap_err().reason.contains("64 MiB"));
    }

    #[test]
    fn what_readers_do_not_agree_on_is_refused() {
        for text in
            ["a: 1\na: 2\n", "{\"a\": 1, \"a\": 2}", "? [a]\n: b\n", "a: !!binary aGk=\n", "a: !secret x\n", "<<: 1\n"]
        {
            assert!(documents(text).is_err(), "{text}");
        }
        assert_eq!(one("a: !!str 012\n").get("a"), Some(&Node::Text("012".into())));
    }
}
