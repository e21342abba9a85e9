//! The registry that belongs to the name of an image and stands under another key.
//!
//! Charts write it beside the name (`registry`, `imageRegistry`, `hub`), beside another image of which it is the registry
//! (`image.registry`), further out for all images, or as one of Helm's values for all charts (`global.imageRegistry`,
//! `global.registry`, `global.image.registry`). The nearest counts.

use serde::{Deserialize, Serialize};
use yamlspan::tree::{Collection, Entry, Text, Tree};

/// Other keys that a registry stands under than those that end in `registry`.
const KEYS: [&str; 4] = ["hub", "registryhost", "registryurl", "registryname"];

/// What stands under such a key and is no registry.
const SWITCHES: [&str; 6] = ["true", "false", "yes", "no", "on", "off"];

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

/// Whether a registry stands under a key, such as `imageRegistry` or `system_default_registry`.
pub(crate) fn is_registry_key(key: &str) -> bool {
    let letters = key.to_ascii_lowercase().replace(['_', '-'], "");
    letters.ends_with("registry") || KEYS.contains(&letters.as_str())
}

/// Whether a value is one of a registry, and no switch.
pub(crate) fn is_registry(value: &str) -> bool {
    !value.is_empty() && !SWITCHES.contains(&value)
}

/// A registry and the name behind it.
pub(crate) fn joined(registry: &str, name: &str) -> String {
    let registry = registry.split_once("://").map_or(registry, |(_, registry)| registry);
    format!("{}/{}", registry.trim_matches('/'), name.trim_matches('/'))
}

/// Whether a name begins with a registry.
pub(crate) fn has_host(name: &str) -> bool {
    name.split_once('/').is_some_and(|(host, _)| host.contains(['.', ':']) || host == "localhost")
}

/// Whether a text has something that no registry has.
pub(crate) fn is_variable(text: &str) -> bool {
    text.contains(['$', '{', '%'])
}

/// A registry outside of a mapping.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found<'d> {
    pub(crate) text: Text<'d>,
    /// Whether it is that of one image, so that it may not be meant for others.
    pub(crate) of_image: bool,
}

/// The registries that count for each collection of a document.
#[derive(Debug)]
pub(crate) struct Registries<'d> {
    /// In the mapping itself.
    own: Vec<Option<Text<'d>>>,
    /// In the mapping or one around it, globals left out.
    nearest: Vec<Option<Found<'d>>>,
    /// For all charts.
    global: Vec<Option<Text<'d>>>,
}

impl<'d> Registries<'d> {
    /// Looks through a document once.
    pub(crate) fn of(tree: &Tree<'d>) -> Self {
        let count = tree.collections.len();
        let mut own = Vec::with_capacity(count);
        let mut nearest: Vec<Option<Found<'d>>> = Vec::with_capacity(count);
        let mut global: Vec<Option<Text<'d>>> = Vec::with_capacity(count);
        for collection in &tree.collections {
            let child = |key| child(tree, collection, key);
            let direct = registry(tree, Some(collection));
            let everywhere = child("global");
            let of_all = registry(tree, everywhere).or_else(|| everywhere.and_then(|global| in_global(tree, global)));
            let image = child("image");
            let of_image = image.is_some_and(|image| is_image(tree, image));
            let near = direct.map(|text| Found { text, of_image: false });
            let near = near.or_else(|| registry(tree, image).map(|text| Found { text, of_image }));
            let near = near.or_else(|| collection.parent.and_then(|parent: usize| nearest[parent]));
            let far = of_all.or_else(|| collection.parent.and_then(|parent: usize| global[parent]));
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
    pub(crate) fn around(&self, tree: &Tree<'d>, collection: usize) -> Option<Found<'d>> {
        let parent = tree.collections[collection].parent;
        let global = self.global[collection].map(|text| Found { text, of_image: false });
        match parent.and_then(|parent| self.nearest[parent]) {
            Some(near) if near.of_image => global.or(Some(near)),
            near => near.or(global),
        }
    }

    /// That of all charts.
    pub(crate) fn global(&self, collection: usize) -> Option<Text<'d>> {
        self.global[collection]
    }

    /// The one that counts for names in a mapping, unless it is one to be passed over, by its node.
    pub(crate) fn beside(
        &self,
        tree: &Tree<'d>,
        collection: usize,
        is_passed_over: impl Fn(usize) -> bool,
    ) -> Option<Beside> {
        let own = self.own(collection).map(|text| (text, true));
        let found = own.or_else(|| self.around(tree, collection).map(|found| (found.text, false)));
        let found = found.filter(|(text, _)| !is_passed_over(text.node));
        found.map(|(text, is_own)| Beside { registry: text.value.to_owned(), is_own })
    }
}

/// The registry that a mapping has under one of the keys for it.
fn registry<'d>(tree: &Tree<'d>, mapping: Option<&Collection<'d>>) -> Option<Text<'d>> {
    let mapping = mapping.filter(|mapping| mapping.is_mapping)?;
    let is_key = |entry: &&Entry<'_>| is_registry_key(entry.key);
    let texts = || mapping.entries.iter().filter(is_key).filter_map(|entry| Some((entry.key, tree.text(entry.node)?)));
    let found = || texts().filter(|(_, text)| is_registry(text.value));
    // One that is called just that counts before others.
    let plain = found().find(|(key, _)| *key == "registry");
    plain.or_else(|| found().next()).map(|(_, text)| text)
}

/// The registry one level below Helm's globals: `global.image.registry`, or one such as `global.cattle.systemDefaultRegistry`,
/// unless that is of one image.
fn in_global<'d>(tree: &Tree<'d>, global: &Collection<'d>) -> Option<Text<'d>> {
    let children = || global.entries.iter().filter_map(|entry| Some(&tree.collections[entry.collection?]));
    let images = children().filter(|child| matches!(child.key, "image" | "images"));
    let others = children().filter(|child| !is_image(tree, child));
    images.chain(others).find_map(|child| registry(tree, Some(child)))
}

/// Whether a mapping names an image.
fn is_image(tree: &Tree<'_>, mapping: &Collection<'_>) -> bool {
    ["repository", "name", "image"].iter().any(|key| {
        mapping
            .entries
            .iter()
            .filter(|entry| entry.key == *key)
            .any(|entry| tree.text(entry.node).is_some_and(|text| !text.value.is_empty()))
    })
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
        let found = Registries::of(&tree).beside(&tree, at, |_| false);
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
        check("web: {name: x}\nglobal: {cattle: {systemDefaultRegistry: g.io}}\n", "web", Some(("g.io", false)));
        check("web: {name: x}\nglobal: {image: {registry: g.io, repository: db}}\n", "web", Some(("g.io", false)));
        check("web: {name: x}\nglobal: {db: {registry: g.io, repository: db}}\n", "web", None);
        check("web: {name: x, useRegistry: yes, image_registry: a.io}\n", "web", Some(("a.io", true)));
        check("web: {name: x, registry: ''}\napi: {registry: b.io}\n", "web", None);
        check("web: {name: x}\nglobal: {image: {registry: ~}}\nimage: [registry]\n", "web", None);
    }
}
