//! The registry that belongs to the name of an image and stands under another key.
//!
//! Charts write it beside the name (`registry`, `imageRegistry`), beside another image of which it is the registry
//! (`image.registry`), further out for all images, or as one of Helm's values for all charts (`global.imageRegistry`,
//! `global.registry`, `global.image.registry`). The nearest counts.

use serde::{Deserialize, Serialize};
use yamlspan::tree::{Collection, Text, Tree};

/// The keys that a registry stands under.
const KEYS: [&str; 2] = ["registry", "imageRegistry"];

/// The registry beside a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Beside {
    /// The registry as it is written; perhaps with a path.
    pub(crate) registry: String,
    /// Whether it stands in the mapping of the name itself.
    pub(crate) is_own: bool,
}

impl Beside {
    /// A name behind the registry.
    pub(crate) fn with(&self, name: &str) -> String {
        joined(&self.registry, name)
    }

    /// Whether the registry is not known here.
    pub(crate) fn is_variable(&self) -> bool {
        is_variable(&self.registry)
    }
}

/// A registry and the name behind it.
pub(crate) fn joined(registry: &str, name: &str) -> String {
    let registry = registry.split_once("://").map_or(registry, |(_, registry)| registry);
    format!("{}/{}", registry.trim_matches('/'), name.trim_matches('/'))
}

/// Whether a text has something that no registry has.
pub(crate) fn is_variable(text: &str) -> bool {
    text.contains(['$', '{', '%'])
}

/// The registries that count for each collection of a document.
#[derive(Debug)]
pub(crate) struct Registries<'d> {
    /// In the mapping itself.
    own: Vec<Option<Text<'d>>>,
    /// In the mapping or one around it, globals left out.
    nearest: Vec<Option<Text<'d>>>,
    /// For all charts.
    global: Vec<Option<Text<'d>>>,
}

impl<'d> Registries<'d> {
    /// Looks through a document once.
    pub(crate) fn of(tree: &Tree<'d>) -> Self {
        let count = tree.collections.len();
        let (mut own, mut nearest) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let mut global = Vec::with_capacity(count);
        for collection in &tree.collections {
            let child = |key| child(tree, collection, key);
            let direct = registry(tree, Some(collection));
            let everywhere = child("global");
            let of_all = registry(tree, everywhere)
                .or_else(|| registry(tree, everywhere.and_then(|it| self::child(tree, it, "image"))));
            let around = |found: &Vec<Option<Text<'d>>>| collection.parent.and_then(|parent| found[parent]);
            let near = direct.or_else(|| registry(tree, child("image"))).or_else(|| around(&nearest));
            let far = of_all.or_else(|| around(&global));
            own.push(direct);
            nearest.push(near);
            global.push(far);
        }
        Self { own, nearest, global }
    }

    /// In the mapping itself.
    pub(crate) fn own(&self, collection: usize) -> Option<Text<'d>> {
        self.own[collection]
    }

    /// Outside of the mapping: the nearest, or else that of all charts.
    pub(crate) fn around(&self, tree: &Tree<'d>, collection: usize) -> Option<Text<'d>> {
        let parent = tree.collections[collection].parent;
        parent.and_then(|parent| self.nearest[parent]).or(self.global[collection])
    }

    /// The one that counts for names in a mapping.
    pub(crate) fn beside(&self, tree: &Tree<'d>, collection: usize) -> Option<Beside> {
        let own = self.own(collection).map(|text| (text, true));
        let found = own.or_else(|| self.around(tree, collection).map(|text| (text, false)));
        found.map(|(text, is_own)| Beside { registry: text.value.to_owned(), is_own })
    }
}

/// The registry that a mapping has under one of the keys for it.
fn registry<'d>(tree: &Tree<'d>, mapping: Option<&Collection<'d>>) -> Option<Text<'d>> {
    mapping.and_then(|mapping| tree.first(mapping, &KEYS))
}

/// The mapping under a key.
fn child<'t, 'd>(tree: &'t Tree<'d>, mapping: &Collection<'d>, key: &str) -> Option<&'t Collection<'d>> {
    let entry = mapping.entries.iter().find(|entry| entry.key == key && entry.collection.is_some())?;
    entry.collection.map(|at| &tree.collections[at]).filter(|it| it.is_mapping)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use yamlspan::document;

    #[track_caller]
    fn check(text: &str, key: &str, expect: Option<(&str, bool)>) {
        let document = document::parse(text).unwrap();
        let tree = Tree::of(&document);
        let at = tree.collections.iter().position(|it| it.key == key).unwrap();
        let found = Registries::of(&tree).beside(&tree, at);
        assert_eq!(found.as_ref().map(|it| (it.registry.as_str(), it.is_own)), expect, "{text}");
    }

    #[test]
    fn the_nearest_counts() {
        check("image: {registry: a.io, name: x}\nregistry: b.io\n", "image", Some(("a.io", true)));
        check("web: {image: {name: x}}\nregistry: b.io\n", "image", Some(("b.io", false)));
        check("web: {image: {name: x}}\nimage: {registry: b.io}\n", "web", Some(("b.io", false)));
        check("web: {name: x}\nglobal: {imageRegistry: g.io}\n", "web", Some(("g.io", false)));
        check("web: {name: x}\nglobal: {image: {registry: g.io}}\n", "web", Some(("g.io", false)));
        check("web: {name: x}\nglobal: {image: {registry: g.io}}\nregistry: n.io\n", "web", Some(("n.io", false)));
        check("web: {name: x, registry: ''}\napi: {registry: b.io}\n", "web", None);
        check("web: {name: x}\nglobal: {image: {registry: ~}}\nimage: [registry]\n", "web", None);
    }
}
