//! Which Kubernetes object a field belongs to.
//!
//! An object is the root mapping of a document, an item of a `List` or `ResourceList`, or an item of a root sequence.
//! Of duplicate keys the first counts; a value that is no scalar, or null, reads as empty; numbers read as they are
//! written; what is too long for any name is cut.

use serde::{Deserialize, Serialize};
use yamlspan::document::{Document, Node, NodeKind, Role, Scalar, Style};

use crate::change::ObjectIdentity;

/// The annotation that says whether markers in the object's embedded YAML count: `"true"` or `"false"`.
pub(crate) const EMBEDDED: &str = "tagwright.dev/embedded";

/// The longest part of an identity, in bytes; what is longer is cut, because every change of the object repeats it.
/// Kubernetes allows less for each.
const MAX_PART: usize = 512;

/// The identity of one object, with the place of each of its parts, so that it can be read again after an edit.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Object {
    pub(super) api_version: Option<Part>,
    pub(super) kind: Option<Part>,
    pub(super) metadata_seen: bool,
    pub(super) name: Option<Part>,
    pub(super) namespace: Option<Part>,
    /// What its annotation [`EMBEDDED`] says.
    pub(crate) embedded: Option<bool>,
    /// The object to take instead if that one turns out to be no list.
    pub(super) list: Option<usize>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Part {
    pub(super) value: String,
    /// The number of the scalar in its document.
    pub(super) ordinal: usize,
}

impl Object {
    /// The identity, with the values that `edited` gives for scalars by their number.
    pub(crate) fn identity<'e>(&self, edited: impl Fn(usize) -> Option<&'e str>) -> ObjectIdentity {
        let read = |part: &Option<Part>| match part {
            Some(part) => cut(edited(part.ordinal).unwrap_or(&part.value)).to_owned(),
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
#[derive(Debug, Default)]
pub(crate) struct Objects {
    pub(crate) objects: Vec<Object>,
    /// For each node of the document, the object it is in.
    owners: Vec<usize>,
}

impl Objects {
    /// Finds the objects of a document; the first is the document as a whole.
    pub(crate) fn of(document: &Document<'_>) -> Self {
        let mut walk =
            Walk { found: Self { objects: vec![Object::default()], owners: Vec::new() }, frames: Vec::new() };
        for node in &document.nodes {
            walk.visit(node);
        }
        walk.found
    }

    /// The object that holds a node.
    pub(crate) fn owner(&self, node: usize) -> usize {
        let owner = self.owners[node];
        match self.objects[owner].list {
            Some(list) if !self.objects[list].is_list() => list,
            _ => owner,
        }
    }
}

struct Walk<'n> {
    found: Objects,
    frames: Vec<Frame<'n>>,
}

struct Frame<'n> {
    object: usize,
    place: Place,
    key: &'n str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Directly in an object.
    Object,
    /// In its `metadata`.
    Metadata,
    /// In the `annotations` of its `metadata`.
    Annotations,
    /// In the `items` of the root mapping, whose object is a list or not.
    Items,
    /// In a root sequence.
    RootItems,
    Elsewhere,
}

impl<'n> Walk<'n> {
    fn visit(&mut self, node: &'n Node<'_>) {
        if let (Role::Key, Some(frame)) = (node.role, self.frames.last_mut()) {
            frame.key = "";
        }
        match &node.kind {
            NodeKind::Open { mapping } => {
                let frame = self.enter(node, *mapping);
                self.found.owners.push(frame.object);
                self.frames.push(frame);
                return;
            }
            NodeKind::Close { .. } => {
                self.frames.pop();
            }
            NodeKind::Scalar(scalar) => self.scalar(node, scalar),
            NodeKind::Start | NodeKind::Alias => {}
        }
        let owner = self.frames.last().map_or(0, |frame| frame.object);
        self.found.owners.push(owner);
    }

    fn enter(&mut self, node: &Node<'_>, mapping: bool) -> Frame<'n> {
        let Some(parent) = self.frames.last() else {
            let place = if mapping { Place::Object } else { Place::RootItems };
            return Frame { object: 0, place, key: "" };
        };
        let within_root = parent.object == 0 && self.frames.len() == 1;
        let object = parent.object;
        let is_value = node.role == Role::Value;
        match (parent.place, parent.key) {
            (Place::Object, "metadata") if is_value && !self.found.objects[object].metadata_seen => {
                self.found.objects[object].metadata_seen = true;
                let place = if mapping { Place::Metadata } else { Place::Elsewhere };
                Frame { object, place, key: "" }
            }
            (Place::Metadata, "annotations") if is_value && mapping => {
                Frame { object, place: Place::Annotations, key: "" }
            }
            (Place::Object, "items") if is_value && !mapping && within_root => {
                Frame { object, place: Place::Items, key: "" }
            }
            (Place::Items, _) if mapping => self.enter_item(Some(object)),
            (Place::RootItems, _) if mapping => self.enter_item(None),
            _ => Frame { object, place: Place::Elsewhere, key: "" },
        }
    }

    fn enter_item(&mut self, list: Option<usize>) -> Frame<'n> {
        self.found.objects.push(Object { list, ..Object::default() });
        Frame { object: self.found.objects.len() - 1, place: Place::Object, key: "" }
    }

    fn scalar(&mut self, node: &Node<'_>, scalar: &'n Scalar<'_>) {
        let Some(frame) = self.frames.last_mut() else { return };
        if node.role == Role::Key {
            frame.key = &scalar.value;
            return;
        }
        let object = &mut self.found.objects[frame.object];
        let part = match (frame.place, frame.key) {
            (Place::Object, "apiVersion") => &mut object.api_version,
            (Place::Object, "kind") => &mut object.kind,
            (Place::Object, "metadata") => return object.metadata_seen = true,
            (Place::Metadata, "name") => &mut object.name,
            (Place::Metadata, "namespace") => &mut object.namespace,
            (Place::Annotations, EMBEDDED) => {
                let said = scalar.value.parse().ok();
                object.embedded = object.embedded.or(said);
                return;
            }
            _ => return,
        };
        part.get_or_insert_with(|| Part { value: text_of(node, scalar), ordinal: scalar.ordinal });
    }
}

fn text_of(node: &Node<'_>, scalar: &Scalar<'_>) -> String {
    let plain = scalar.style == Style::Plain && scalar.tag.is_none();
    let is_null = plain && (node.span.is_empty() || matches!(&*scalar.value, "~" | "null" | "Null" | "NULL"));
    if is_null { String::new() } else { cut(&scalar.value).to_owned() }
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_PART)]
}
