//! YAML and JSON as owned trees whose nodes know their lines.

use std::collections::HashMap;

use yamlspan::document::{self, NodeKind};
use yamlspan::lines::{self, Lines};
use yamlspan::tree::{Entry, Tree};

use super::Spot;
use crate::mark::File;

/// How many nodes aliases may repeat in a document.
const MAX_REPEATED: usize = 100_000;

/// A value with its line.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) value: Value,
}

/// What a node is.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// Null, or nothing at all.
    Nothing,
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Node {
    /// The value of a key that has one.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        let found = self.entries().iter().find(|(name, _)| name == key).map(|(_, node)| node);
        found.filter(|node| !matches!(node.value, Value::Nothing))
    }

    /// The value behind several keys.
    pub(super) fn at(&self, keys: &[&str]) -> Option<&Self> {
        keys.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The text of a scalar that is not empty.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// The text under a key.
    pub(super) fn text_of(&self, key: &str) -> Option<&str> {
        self.get(key)?.text()
    }

    pub(super) fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    pub(super) fn entries(&self) -> &[(String, Self)] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The texts of a list, or the one text that stands in its place.
    pub(super) fn texts(&self) -> Vec<&str> {
        match &self.value {
            Value::List(items) => items.iter().filter_map(Self::text).collect(),
            _ => self.text().into_iter().collect(),
        }
    }

    /// The truth value under a key.
    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        match self.text_of(key)?.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" => Some(true),
            "false" | "no" | "off" => Some(false),
            _ => None,
        }
    }

    /// The items of a `List`, or `ApplicationList` and the like; otherwise the object itself.
    fn objects(self) -> Vec<Self> {
        let is_list =
            self.text_of("kind").is_some_and(|kind| kind.ends_with("List")) && self.get("apiVersion").is_some();
        match self.value {
            Value::Map(entries) if is_list => {
                let items = entries.into_iter().find(|(key, _)| key == "items").map(|(_, items)| items.value);
                if let Some(Value::List(items)) = items { items } else { Vec::new() }
            }
            value => vec![Self { line: self.line, value }],
        }
    }

    pub(super) fn spot(&self, file: &str) -> Spot {
        Spot { file: file.to_owned(), line: self.line }
    }

    /// The value in one line, for people.
    pub(super) fn shown(&self) -> String {
        match &self.value {
            Value::Nothing => String::new(),
            Value::Text(text) => text.split_whitespace().collect::<Vec<_>>().join(" "),
            Value::List(items) => format!("[{}]", items.iter().map(Self::shown).collect::<Vec<_>>().join(", ")),
            Value::Map(entries) => {
                let entries = entries.iter().map(|(key, node)| format!("{key}: {}", node.shown()));
                format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// The objects of a file that can be read: its documents, and the items of those that are a `List` of Kubernetes.
pub(super) fn documents(file: &File) -> Vec<Node> {
    numbered(file).into_iter().flat_map(|(_, node)| node.objects()).collect()
}

/// The documents of a file that can be read, each with its number from 1.
pub(super) fn numbered(file: &File) -> Vec<(usize, Node)> {
    std::str::from_utf8(&file.bytes).map(of_text).unwrap_or_default()
}

/// The documents of a text that can be read, each with its number from 1.
fn of_text(text: &str) -> Vec<(usize, Node)> {
    let lines = Lines::of(text);
    let spans = (1..).zip(lines::documents(text, &lines));
    let read = spans.filter_map(|(number, span)| {
        let document = document::parse(&text[span.clone()]).ok()?;
        let tree = Tree::of(&document);
        let line = |node: usize| lines.position(text, span.start + document.nodes[node].span.start).line;
        let root = tree.collections.first()?;
        let root = Entry { key: "", node: root.node, collection: Some(0) };
        let mut reader = Reader::of(&tree, &document, &line);
        Some((number, reader.node(&root)))
    });
    read.collect()
}

/// Reads a document, with what aliases repeat.
struct Reader<'r, 'd, L> {
    tree: &'r Tree<'d>,
    document: &'d document::Document<'d>,
    line: &'r L,
    /// What has an anchor, by its number.
    anchors: HashMap<usize, Entry<'d>>,
    /// The anchors that are being repeated: one may hold itself.
    repeating: Vec<usize>,
    /// How many nodes may yet be repeated.
    left: usize,
}

impl<'r, 'd, L: Fn(usize) -> usize> Reader<'r, 'd, L> {
    fn of(tree: &'r Tree<'d>, document: &'d document::Document<'d>, line: &'r L) -> Self {
        let is_alias = |entry: &Entry<'_>| matches!(document.nodes[entry.node].kind, NodeKind::Alias);
        let entries = tree.collections.iter().flat_map(|it| &it.entries).filter(|entry| !is_alias(entry));
        let anchored = entries.map(|entry| (document.nodes[entry.node].anchor(), *entry));
        let anchors = anchored.filter(|(anchor, _)| *anchor != 0).collect();
        Self { tree, document, line, anchors, repeating: Vec::new(), left: MAX_REPEATED }
    }

    fn node(&mut self, entry: &Entry<'d>) -> Node {
        if !self.repeating.is_empty() {
            self.left = self.left.saturating_sub(1);
        }
        let tree = self.tree;
        let value = match entry.collection.map(|index| &tree.collections[index]) {
            Some(it) if it.is_mapping => self.mapping(&it.entries),
            Some(it) => Value::List(it.entries.iter().map(|entry| self.node(entry)).collect()),
            None => match (&self.document.nodes[entry.node].kind, tree.text(entry.node)) {
                (NodeKind::Scalar(_), Some(text)) if !text.value.is_empty() => Value::Text(text.value.to_owned()),
                (NodeKind::Alias, _) => self.repeated(self.document.nodes[entry.node].anchor()),
                _ => Value::Nothing,
            },
        };
        Node { line: (self.line)(entry.node), value }
    }

    /// The entries of a mapping, and those that `<<` brings in, as far as they are not its own.
    fn mapping(&mut self, entries: &[Entry<'d>]) -> Value {
        let (mut own, mut merged) = (Vec::with_capacity(entries.len()), Vec::new());
        for entry in entries {
            let node = self.node(entry);
            match (entry.key, node.value) {
                ("<<", Value::Map(more)) => merged.extend(more),
                ("<<", Value::List(all)) => merged.extend(all.into_iter().flat_map(|it| match it.value {
                    Value::Map(more) => more,
                    _ => Vec::new(),
                })),
                (key, value) => own.push((key.to_owned(), Node { line: node.line, value })),
            }
        }
        for (key, node) in merged {
            if !own.iter().any(|(known, _)| *known == key) {
                own.push((key, node));
            }
        }
        Value::Map(own)
    }

    /// What an alias stands for.
    fn repeated(&mut self, anchor: usize) -> Value {
        let Some(entry) = self.anchors.get(&anchor).copied() else { return Value::Nothing };
        if self.left == 0 || self.repeating.contains(&anchor) {
            return Value::Nothing;
        }
        self.repeating.push(anchor);
        let node = self.node(&entry);
        self.repeating.pop();
        node.value
    }
}

/// Reads JSON as people write it for JavaScript (JSON5): comments and tabs become blanks, the rest is YAML.
pub(super) fn of_json(text: &str) -> Option<Node> {
    let mut blanked = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    let mut quote = None;
    while let Some(c) = rest.next() {
        match (quote, c) {
            // Single quotes have the escapes of double ones there, and none in YAML.
            (Some(_), '\\') => match rest.next() {
                Some('\'') => blanked.push('\''),
                next => {
                    blanked.push(c);
                    blanked.extend(next);
                }
            },
            (Some('\''), '"') => blanked.push_str("\\\""),
            (Some(open), _) if c == open => {
                blanked.push('"');
                quote = None;
            }
            (Some(_), _) => blanked.push(c),
            (None, '"' | '\'') => {
                blanked.push('"');
                quote = Some(c);
            }
            (None, '/') if rest.peek() == Some(&'/') => {
                while rest.peek().is_some_and(|next| *next != '\n') {
                    rest.next();
                }
            }
            (None, '/') if rest.peek() == Some(&'*') => {
                rest.next();
                let mut before = ' ';
                for c in rest.by_ref() {
                    if c == '\n' {
                        blanked.push(c);
                    }
                    if (before, c) == ('*', '/') {
                        break;
                    }
                    before = c;
                }
                blanked.push(' ');
            }
            (None, '\t') => blanked.push(' '),
            (None, _) => blanked.push(c),
        }
    }
    of_text(&blanked).into_iter().next().map(|(_, node)| node)
}
