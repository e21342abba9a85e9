//! A document's flat nodes as collections with children.

use yamlspan::document::{Document, NodeKind, Role, Scalar, Style};

/// The collections of a document.
pub(super) struct Tree<'d> {
    pub(super) document: &'d Document<'d>,
    /// In the order of the text.
    pub(super) collections: Vec<Collection<'d>>,
}

/// A mapping or a sequence.
pub(super) struct Collection<'d> {
    /// The index of its node.
    pub(super) node: usize,
    pub(super) is_mapping: bool,
    /// The key it is the value of, or the sequence it is an item of is the value of; empty without one.
    pub(super) key: &'d str,
    /// The collection around it.
    pub(super) parent: Option<usize>,
    pub(super) entries: Vec<Entry<'d>>,
}

/// A value in a mapping, or an item of a sequence.
#[derive(Clone, Copy)]
pub(super) struct Entry<'d> {
    /// The key; empty in sequences, and for keys that are no scalars.
    pub(super) key: &'d str,
    /// The index of the value's node.
    pub(super) node: usize,
    /// Which collection the value is, if it is one.
    pub(super) collection: Option<usize>,
}

/// A scalar that a key leads to.
#[derive(Clone, Copy)]
pub(super) struct Text<'d> {
    pub(super) node: usize,
    pub(super) value: &'d str,
}

impl<'d> Tree<'d> {
    pub(super) fn of(document: &'d Document<'d>) -> Self {
        let mut tree = Self { document, collections: Vec::new() };
        let mut open: Vec<(usize, &'d str)> = Vec::new();
        for (node, it) in document.nodes.iter().enumerate() {
            let collection = match it.kind {
                NodeKind::Close { .. } => {
                    open.pop();
                    continue;
                }
                NodeKind::Start => continue,
                NodeKind::Open { mapping, .. } => Some(tree.enter(node, mapping, it.role, open.last().copied())),
                NodeKind::Scalar(_) | NodeKind::Alias => None,
            };
            if let Some((parent, key)) = open.last_mut() {
                match (it.role, &it.kind) {
                    (Role::Key, NodeKind::Scalar(scalar)) => *key = &scalar.value,
                    (Role::Key, _) => *key = "",
                    (role, _) => {
                        let key = if role == Role::Value { *key } else { "" };
                        tree.collections[*parent].entries.push(Entry { key, node, collection });
                    }
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

    /// The text of a scalar node; none for other nodes, and for keys.
    pub(super) fn text(&self, node: usize) -> Option<Text<'d>> {
        let it = &self.document.nodes[node];
        match &it.kind {
            NodeKind::Scalar(scalar) if !it.in_key => Some(Text { node, value: text_of(scalar) }),
            _ => None,
        }
    }

    /// The scalar under a key of a mapping; of duplicate keys the first.
    pub(super) fn get(&self, mapping: &Collection<'d>, key: &str) -> Option<Text<'d>> {
        self.text(mapping.entries.iter().find(|entry| entry.key == key)?.node)
    }

    /// The first of several keys that leads to a scalar with something in it.
    pub(super) fn first(&self, mapping: &Collection<'d>, keys: &[&str]) -> Option<Text<'d>> {
        keys.iter().filter_map(|key| self.get(mapping, key)).find(|text| !text.value.is_empty())
    }

    /// The keys from the root to a collection, joined by dots; an item of a sequence has `[]` behind the sequence's key.
    pub(super) fn keys(&self, collection: &Collection<'d>) -> String {
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
    pub(super) fn is_item(&self, collection: &Collection<'d>) -> bool {
        self.document.nodes[collection.node].role == Role::Item
    }
}

/// Null reads as nothing.
fn text_of<'d>(scalar: &'d Scalar<'d>) -> &'d str {
    let plain = scalar.style == Style::Plain;
    if plain && matches!(&*scalar.value, "~" | "null" | "Null" | "NULL") { "" } else { &scalar.value }
}
