//! Where in a document a field is, told by keys and names, so that lists can grow, shrink and change their order around it.
//!
//! A path is kept as one number: it is compared and never shown, and a hostile file could have long ones for each of its markers.

use std::hash::{DefaultHasher, Hasher};

use yamlspan::tree::{Collection, Tree};

/// The keys under which an item of a list has its name, the best first.
const NAMES: [&str; 3] = ["name", "id", "key"];

/// The paths of a document's collections.
#[derive(Debug)]
pub(crate) struct Paths(Vec<u64>);

impl Paths {
    /// `is_marked` tells of a node whether an update changes it, so that it is no name. A document in a block scalar is told
    /// from others there by the name `of_root`.
    pub(crate) fn of(tree: &Tree<'_>, of_root: bool, is_marked: impl Fn(usize) -> bool) -> Self {
        let mut paths: Vec<u64> = Vec::with_capacity(tree.collections.len());
        for collection in &tree.collections {
            let is_item = tree.is_item(collection);
            let is_named = is_item || of_root && collection.parent.is_none();
            let step = if is_item { "" } else { collection.key };
            let name = if is_named { name(tree, collection, &is_marked) } else { "" };
            paths.push(join(collection.parent.map_or(0, |parent| paths[parent]), &[step, name]));
        }
        Self(paths)
    }

    /// The path of a value.
    pub(crate) fn to(&self, tree: &Tree<'_>, node: usize) -> u64 {
        let Some(around) = tree.around(node) else { return 0 };
        let entries = &tree.collections[around].entries;
        let entry = entries.binary_search_by_key(&node, |entry| entry.node);
        join(self.0[around], &[entry.map_or("", |entry| entries[entry].key)])
    }
}

/// The path of what is in a block scalar, where `inner` is the path within that.
pub(crate) fn within(block: u64, inner: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write_u64(block);
    hasher.write_u64(inner);
    hasher.finish()
}

/// The name of an item, or of an object in a list of objects; empty without one.
fn name<'d>(tree: &Tree<'d>, item: &Collection<'d>, is_marked: impl Fn(usize) -> bool) -> &'d str {
    let named = |mapping: &Collection<'d>, key: &str| {
        tree.get(mapping, key).filter(|text| !text.value.is_empty() && !is_marked(text.node))
    };
    let own = NAMES.iter().find_map(|key| named(item, key));
    let metadata = || item.entries.iter().find(|entry| entry.key == "metadata")?.collection;
    own.or_else(|| named(&tree.collections[metadata()?], "name")).map_or("", |text| text.value)
}

fn join(around: u64, steps: &[&str]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write_u64(around);
    for step in steps {
        hasher.write(step.as_bytes());
        hasher.write_u8(0xFF);
    }
    hasher.finish()
}
