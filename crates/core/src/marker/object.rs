//! Which Kubernetes object a field belongs to.
//!
//! An object is the root mapping of a document, an item of a `List` or `ResourceList`, or an item of a root sequence.
//! Of duplicate keys the first counts; a value that is no scalar, or null, reads as empty; numbers read as they are
//! written; what is too long for any name is cut.

use serde::{Deserialize, Serialize};
use yamlspan::document::{Document, NodeKind};
use yamlspan::tree::{Collection, Entry, Tree};

use crate::change::ObjectIdentity;

/// The annotation that says whether markers in the object's embedded YAML count: `"true"` or `"false"`.
pub(crate) const EMBEDDED: &str = "tagwright.dev/embedded";

/// The longest property of an identity, in bytes; what is longer is cut, because every change of the object repeats it.
/// Kubernetes allows less for each.
const MAX_PROPERTY: usize = 512;

/// The identity of one object, with the number of each scalar that it is read from, so that it can be read again after an
/// edit.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Object {
    api_version: Option<Property>,
    kind: Option<Property>,
    name: Option<Property>,
    namespace: Option<Property>,
    /// The value of its annotation [`EMBEDDED`].
    pub(crate) embedded: Option<bool>,
    /// The object to take instead if that one turns out to be no list.
    list: Option<usize>,
}

/// A scalar of an identity.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Property {
    value: String,
    /// The number of the scalar in its document.
    ordinal: usize,
}

impl Object {
    /// The identity, with the values that `edited` gives for scalars by their number.
    pub(crate) fn identity<'e>(&self, edited: impl Fn(usize) -> Option<&'e str>) -> ObjectIdentity {
        let read = |property: &Option<Property>| match property {
            Some(it) => cut(edited(it.ordinal).unwrap_or(&it.value)).to_owned(),
            None => String::new(),
        };
        ObjectIdentity {
            api_version: read(&self.api_version),
            kind: read(&self.kind),
            name: read(&self.name),
            namespace: read(&self.namespace),
        }
    }

    fn is_list(&self) -> bool {
        self.kind.as_ref().is_some_and(|kind| matches!(kind.value.as_str(), "List" | "ResourceList"))
    }
}

/// The objects of a document.
#[derive(Debug)]
pub(crate) struct Objects {
    pub(crate) objects: Vec<Object>,
    /// For each collection of the document's tree, the object it is in.
    owners: Vec<usize>,
}

impl Objects {
    /// Finds the objects of a document; the first is the document as a whole.
    pub(crate) fn of(document: &Document<'_>, tree: &Tree<'_>) -> Self {
        let mut found = Self { objects: vec![Object::default()], owners: Vec::with_capacity(tree.collections.len()) };
        let reader = Reader { document, tree };
        for collection in &tree.collections {
            let owner = match reader.start(collection) {
                Start::Document => 0,
                Start::Item { list } => {
                    found.objects.push(Object { list, ..Object::default() });
                    found.objects.len() - 1
                }
                Start::Within(parent) => {
                    found.owners.push(found.owners[parent]);
                    continue;
                }
            };
            reader.read(collection, &mut found.objects[owner]);
            found.owners.push(owner);
        }
        found
    }

    /// The object that holds a node.
    pub(crate) fn owner(&self, tree: &Tree<'_>, node: usize) -> usize {
        let owner = tree.around(node).map_or(0, |collection| self.owners[collection]);
        match self.objects[owner].list {
            Some(list) if !self.objects[list].is_list() => list,
            _ => owner,
        }
    }
}

/// Whether an object starts at a collection.
enum Start {
    /// The document as a whole.
    Document,
    /// An item, of a root sequence or of the root mapping's `items`; that is a list or not.
    Item { list: Option<usize> },
    /// None does; the collection is within this one.
    Within(usize),
}

struct Reader<'r, 'd> {
    document: &'r Document<'r>,
    tree: &'r Tree<'d>,
}

impl<'d> Reader<'_, 'd> {
    fn start(&self, collection: &Collection<'d>) -> Start {
        let Some(parent) = collection.parent else { return Start::Document };
        let around = &self.tree.collections[parent];
        if !collection.is_mapping || !self.tree.is_item(collection) {
            return Start::Within(parent);
        }
        match around.parent {
            None => Start::Item { list: None },
            Some(0) if around.key == "items" && self.tree.collections[0].is_mapping => Start::Item { list: Some(0) },
            Some(_) => Start::Within(parent),
        }
    }

    fn read(&self, mapping: &Collection<'d>, object: &mut Object) {
        if !mapping.is_mapping {
            return;
        }
        object.api_version = self.property(mapping, "apiVersion");
        object.kind = self.property(mapping, "kind");
        let is_alias = |entry: &&Entry<'d>| matches!(self.document.nodes[entry.node].kind, NodeKind::Alias);
        let Some(metadata) = entries(mapping, "metadata").find(|entry| !is_alias(entry)) else { return };
        let Some(metadata) = self.mapping(metadata) else { return };
        object.name = self.property(metadata, "name");
        object.namespace = self.property(metadata, "namespace");
        let annotations = entries(metadata, "annotations").filter_map(|entry| self.mapping(entry));
        let mut texts = annotations
            .flat_map(|annotations| entries(annotations, EMBEDDED))
            .filter_map(|entry| self.tree.text(entry.node));
        object.embedded = texts.find_map(|text| text.value.parse().ok());
    }

    fn mapping(&self, entry: &Entry<'d>) -> Option<&Collection<'d>> {
        Some(&self.tree.collections[entry.collection?]).filter(|collection| collection.is_mapping)
    }

    /// The first scalar under a key.
    fn property(&self, mapping: &Collection<'d>, key: &str) -> Option<Property> {
        let text = entries(mapping, key).find_map(|entry| self.tree.text(entry.node))?;
        let NodeKind::Scalar(scalar) = &self.document.nodes[text.node].kind else { return None };
        Some(Property { value: cut(text.value).to_owned(), ordinal: scalar.ordinal })
    }
}

fn entries<'e, 'd>(mapping: &'e Collection<'d>, key: &'e str) -> impl Iterator<Item = &'e Entry<'d>> {
    mapping.entries.iter().filter(move |entry| entry.key == key)
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_PROPERTY)]
}
