//! A document's flat nodes as collections with their entries, for those who look for keys.
//!
//! ```
//! use yamlspan::document;
//! use yamlspan::tree::Tree;
//!
//! let document = document::parse("image:\n  tag: '1.0'\n  pull: ~\n").expect("YAML");
//! let tree = Tree::of(&document);
//! let image = &tree.collections[1];
//! assert_eq!((image.key, image.parent), ("image", Some(0)));
//! assert_eq!(tree.get(image, "tag").map(|text| text.value), Some("1.0"));
//! assert_eq!(tree.get(image, "pull").map(|text| text.value), Some(""));
//! ```

use crate::document::{Document, NodeKind, Role, Style};

/// The collections of a document.
#[derive(Debug)]
pub struct Tree<'d> {
    document: &'d Document<'d>,
    /// In the order of the text, so that a collection comes before those within it.
    pub collections: Vec<Collection<'d>>,
    /// For each node, the collection that it opens, or else the innermost one around it; 0 where there is none.
    innermost: Vec<usize>,
}

/// A mapping or a sequence.
#[derive(Debug)]
pub struct Collection<'d> {
    /// The index of the node that opens it.
    pub node: usize,
    /// Whether it is a mapping, not a sequence.
    pub is_mapping: bool,
    /// The key it is the value of; an item of a sequence has that of the sequence. Empty without one.
    pub key: &'d str,
    /// The collection around it.
    pub parent: Option<usize>,
    /// Its values, in the order of the text.
    pub entries: Vec<Entry<'d>>,
}

/// A value in a mapping, or an item of a sequence.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'d> {
    /// The key; empty in sequences, and for keys that are no scalars.
    pub key: &'d str,
    /// The index of the value's node.
    pub node: usize,
    /// Which of the tree's collections the value is, if it is one.
    pub collection: Option<usize>,
}

/// A scalar that is a value.
#[derive(Debug, Clone, Copy)]
pub struct Text<'d> {
    /// The index of its node.
    pub node: usize,
    /// The decoded value; null reads as nothing.
    pub value: &'d str,
}

impl<'d> Tree<'d> {
    /// Puts the nodes of a document together, in time linear in their number.
    #[must_use]
    pub fn of(document: &'d Document<'d>) -> Self {
        let innermost = Vec::with_capacity(document.nodes.len());
        let mut tree = Self { document, collections: Vec::new(), innermost };
        let mut open: Vec<(usize, &'d str)> = Vec::new();
        for (node, it) in document.nodes.iter().enumerate() {
            let collection = match it.kind {
                NodeKind::Open { mapping } => Some(tree.enter(node, mapping, it.role, open.last().copied())),
                NodeKind::Close { .. } | NodeKind::Start | NodeKind::Scalar(_) | NodeKind::Alias => None,
            };
            let around = open.last().map_or(0, |(around, _)| *around);
            tree.innermost.push(collection.unwrap_or(around));
            if let NodeKind::Close { .. } = it.kind {
                open.pop();
                continue;
            }
            match (&it.kind, it.role, open.last_mut()) {
                (NodeKind::Start, ..) | (.., None) => {}
                (NodeKind::Scalar(scalar), Role::Key, Some((_, key))) => *key = &scalar.value,
                (_, Role::Key, Some((_, key))) => *key = "",
                (_, role, Some((parent, key))) => {
                    let key = if role == Role::Value { *key } else { "" };
                    tree.collections[*parent].entries.push(Entry { key, node, collection });
                }
            }
            if let Some(collection) = collection {
                open.push((collection, ""));
            }
        }
        tree
    }

    fn enter(&mut self, node: usize, is_mapping: bool, role: Role, around: Option<(usize, &'d str)>) -> usize {
        let key = match (role, around) {
            (Role::Value, Some((_, key))) => key,
            (Role::Item, Some((parent, _))) => self.collections[parent].key,
            _ => "",
        };
        let parent = around.map(|(parent, _)| parent);
        self.collections.push(Collection { node, is_mapping, key, parent, entries: Vec::new() });
        self.collections.len() - 1
    }

    /// The collection that a node opens, or else the innermost one around it; none in a document that is a scalar.
    #[must_use]
    pub fn around(&self, node: usize) -> Option<usize> {
        if self.collections.is_empty() { None } else { self.innermost.get(node).copied() }
    }

    /// The text of a scalar node; none for other nodes, and for keys.
    #[must_use]
    pub fn text(&self, node: usize) -> Option<Text<'d>> {
        let it = &self.document.nodes[node];
        let NodeKind::Scalar(scalar) = &it.kind else { return None };
        let plain = scalar.style == Style::Plain && scalar.tag.is_none();
        let is_null = plain && (it.span.is_empty() || matches!(&*scalar.value, "~" | "null" | "Null" | "NULL"));
        (!it.in_key).then_some(Text { node, value: if is_null { "" } else { &scalar.value } })
    }

    /// The scalar under a key of a mapping; of duplicate keys the first.
    #[must_use]
    pub fn get(&self, mapping: &Collection<'d>, key: &str) -> Option<Text<'d>> {
        self.text(mapping.entries.iter().find(|entry| entry.key == key)?.node)
    }

    /// The first of several keys that leads to a scalar with something in it.
    #[must_use]
    pub fn first(&self, mapping: &Collection<'d>, keys: &[&str]) -> Option<Text<'d>> {
        keys.iter().filter_map(|key| self.get(mapping, key)).find(|text| !text.value.is_empty())
    }

    /// The keys from the root to a collection, joined by dots; an item of a sequence has `[]` behind the sequence's key.
    #[must_use]
    pub fn keys(&self, collection: &Collection<'d>) -> String {
        let mut keys = Vec::new();
        let mut at = Some(collection);
        while let Some(it) = at {
            if self.is_item(it) {
                keys.push("[]");
            } else if !it.key.is_empty() {
                keys.push(it.key);
            }
            at = it.parent.map(|parent| &self.collections[parent]);
        }
        keys.reverse();
        keys.join(".")
    }

    /// Whether a collection is an item of a sequence.
    #[must_use]
    pub fn is_item(&self, collection: &Collection<'d>) -> bool {
        self.document.nodes[collection.node].role == Role::Item
    }
}
