//! `.Updated`: the images of a commit, as Flux offered them before version 1 and KubeVela's templates use them.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use gotext::template::{Field, List, Map, Method, Struct, StructType, Value};
use image::Reference;

use crate::change::{Change, ObjectIdentity};
use crate::message::data::{OBJECT_KEY, hidden, namespaced_name, nil_if_empty, object_identifier};

const IMAGES: &str = "[]update.ImageRef";
const OBJECT_IMAGES: &str = "map[update.ObjectIdentifier][]update.ImageRef";

static RESULT: StructType = StructType {
    name: "update.Result",
    fields: &[Field::named("Files")],
    methods: &[
        Method { name: "Images", parameters: &[], call: |this, _| hidden(this, 0) },
        Method { name: "Objects", parameters: &[], call: |this, _| hidden(this, 1) },
    ],
    text: None,
};

static FILE_RESULT: StructType =
    StructType { name: "update.FileResult", fields: &[Field::named("Objects")], methods: &[], text: None };

/// An image reference with what its methods give: text, name, registry, repository, identifier, policy, context.
static IMAGE_REF: StructType = StructType {
    name: "update.imageRef",
    fields: &[],
    methods: &[
        Method { name: "String", parameters: &[], call: |this, _| hidden(this, 0) },
        Method { name: "Name", parameters: &[], call: |this, _| hidden(this, 1) },
        Method { name: "Registry", parameters: &[], call: |this, _| hidden(this, 2) },
        Method { name: "Repository", parameters: &[], call: |this, _| hidden(this, 3) },
        Method { name: "Identifier", parameters: &[], call: |this, _| hidden(this, 4) },
        Method { name: "Policy", parameters: &[], call: |this, _| hidden(this, 5) },
        Method { name: "Context", parameters: &[], call: |this, _| hidden(this, 6) },
    ],
    text: Some(first_hidden),
};

/// `.Context` of an image: its repository; hidden are name, registry and path.
static REPOSITORY: StructType = StructType {
    name: "name.Repository",
    fields: &[],
    methods: &[
        Method { name: "String", parameters: &[], call: |this, _| hidden(this, 0) },
        Method { name: "Name", parameters: &[], call: |this, _| hidden(this, 0) },
        Method { name: "RegistryStr", parameters: &[], call: |this, _| hidden(this, 1) },
        Method { name: "RepositoryStr", parameters: &[], call: |this, _| hidden(this, 2) },
    ],
    text: Some(first_hidden),
};

fn first_hidden(this: &Struct) -> String {
    match this.hidden.first() {
        Some(Value::String(text)) => text.to_string(),
        _ => String::new(),
    }
}

/// The value of `.Updated`.
pub(crate) fn updated(changes: &[&Change], images: &BTreeMap<String, String>) -> Value {
    let mut files: BTreeMap<&str, Vec<&Change>> = BTreeMap::new();
    for change in changes {
        files.entry(&change.file).or_default().push(change);
    }
    let files = files.iter().map(|(file, changes)| {
        let objects = by_object(changes, images);
        (Value::string(file), Value::new_struct(&FILE_RESULT, vec![objects]))
    });
    let none = Value::new_struct(&FILE_RESULT, vec![by_object(&[], images)]);
    let files = nil_if_empty(Map::new("map[string]update.FileResult", "string", none, files));
    Value::Struct(Rc::new(Struct {
        kind: &RESULT,
        fields: vec![Value::Map(Rc::new(files))],
        hidden: vec![image_list(changes, images), by_object(changes, images)],
    }))
}

fn by_object(changes: &[&Change], images: &BTreeMap<String, String>) -> Value {
    let mut objects: BTreeMap<&ObjectIdentity, Vec<&Change>> = BTreeMap::new();
    for change in changes {
        objects.entry(&change.object).or_default().push(change);
    }
    let entries = objects.iter().map(|(object, changes)| (object_identifier(object), image_list(changes, images)));
    let zero = Value::List(Rc::new(List::nil(IMAGES)));
    Value::Map(Rc::new(nil_if_empty(Map::new(OBJECT_IMAGES, OBJECT_KEY, zero, entries))))
}

/// The distinct images of some changes, in their order.
fn image_list(changes: &[&Change], images: &BTreeMap<String, String>) -> Value {
    let mut seen: Vec<(&str, &str)> = Vec::new();
    let mut known = BTreeSet::new();
    for change in changes {
        let policy = change.policy();
        // Without a selection at hand, the new value is the whole image where the marker has no suffix.
        let fallback = (policy == change.setter).then_some(&change.new);
        if let Some(image) = images.get(policy).or(fallback)
            && known.insert((policy, image.as_str()))
        {
            seen.push((policy, image));
        }
    }
    if seen.is_empty() {
        return Value::List(Rc::new(List::nil(IMAGES)));
    }
    Value::list(IMAGES, seen.into_iter().map(|(policy, image)| image_ref(policy, image)).collect())
}

/// An image with the parts that go-containerregistry gives it: a digest hides the tag, no tag is `latest`.
fn image_ref(policy: &str, image: &str) -> Value {
    let (namespace, name) = policy.split_once(':').unwrap_or(("", policy));
    let (registry, path, separator, identifier) = match Reference::parse(image) {
        Ok(reference) => {
            let repository = &reference.repository;
            let (separator, identifier) = match (&reference.digest, &reference.tag) {
                (Some(digest), _) => ("@", digest.as_str()),
                (None, Some(tag)) => (":", tag.as_str()),
                (None, None) => (":", "latest"),
            };
            (repository.registry().to_owned(), repository.path().to_owned(), separator, identifier.to_owned())
        }
        Err(_) => (String::new(), image.to_owned(), "", String::new()),
    };
    let context = if registry.is_empty() { path.clone() } else { format!("{registry}/{path}") };
    let repository = Value::Struct(Rc::new(Struct {
        kind: &REPOSITORY,
        fields: Vec::new(),
        hidden: vec![Value::string(&context), Value::string(&registry), Value::string(&path)],
    }));
    let full_name = format!("{context}{separator}{identifier}");
    Value::Struct(Rc::new(Struct {
        kind: &IMAGE_REF,
        fields: Vec::new(),
        hidden: vec![
            Value::string(image),
            Value::from(full_name),
            Value::from(registry),
            Value::from(path),
            Value::from(identifier),
            namespaced_name(namespace, name),
            repository,
        ],
    }))
}
