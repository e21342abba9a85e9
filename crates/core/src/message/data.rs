//! The values of `.AutomationObject`, `.Changed` and `.Values`, with Flux's Go types.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use gotext::template::{Field, List, Map, Method, MethodError, Struct, StructType, Value};

use crate::change::{Change, ObjectIdentity};
use crate::difference::{Difference, Portrait};
use crate::message::trailer::is_unprintable;
use crate::message::{Facts, images, legacy, summary};

const CHANGES: &str = "[]update.Change";
const OBJECT_CHANGES: &str = "update.ObjectChanges";
const FILE_CHANGES: &str = "map[string]update.ObjectChanges";
/// The methods of a change that tell what changed in the image.
pub(super) const OF_IMAGES: [&str; 5] = ["Source", "OldRevision", "Revision", "Compare", "Details"];

const REMOVED_IMAGE_RESULT: &str = "template uses removed '.Changed.ImageResult' field. Please use \
     '.Changed.FileChanges' or '.Changed.Objects' instead. See: \
     https://fluxcd.io/flux/components/image/imageupdateautomations/#message-template";

/// A method that is there to say what took its place.
pub(super) const REMOVED: &str = "ImageResult";

/// The whole. `Updated`, `Summary`, `Group` and `Images` are methods, so that they are there and do not print.
static TEMPLATE_DATA: StructType = StructType {
    name: "source.TemplateData",
    fields: &[Field::named("AutomationObject"), Field::named("Changed"), Field::named("Values")],
    methods: &[
        Method { name: "Updated", parameters: &[], call: |this, _| hidden(this, 0) },
        Method { name: "Summary", parameters: &[], call: |this, _| hidden(this, 1) },
        Method { name: "Group", parameters: &[], call: |this, _| hidden(this, 2) },
        Method { name: "Images", parameters: &[], call: |this, _| hidden(this, 3) },
    ],
    text: None,
};

/// `.Changed`. What its methods give is worked out beforehand and hidden.
static RESULT: StructType = StructType {
    name: "update.Result",
    fields: &[Field::named("FileChanges")],
    methods: &[
        Method { name: "Changes", parameters: &[], call: |this, _| hidden(this, 0) },
        Method { name: "Objects", parameters: &[], call: |this, _| hidden(this, 1) },
        Method {
            name: REMOVED,
            parameters: &[],
            call: |_, _| Err(MethodError::Removed(REMOVED_IMAGE_RESULT.to_owned())),
        },
    ],
    text: None,
};

static CHANGE: StructType = StructType {
    name: "update.Change",
    fields: &[Field::named("OldValue"), Field::named("NewValue"), Field::named("Setter")],
    methods: &[
        Method { name: "Source", parameters: &[], call: |this, _| hidden(this, 0) },
        Method { name: "OldRevision", parameters: &[], call: |this, _| hidden(this, 1) },
        Method { name: "Revision", parameters: &[], call: |this, _| hidden(this, 2) },
        Method { name: "Compare", parameters: &[], call: |this, _| hidden(this, 3) },
        Method { name: "Details", parameters: &[], call: |this, _| hidden(this, 4) },
    ],
    text: None,
};

static OBJECT_IDENTIFIER: StructType = StructType {
    name: "update.ObjectIdentifier",
    fields: &[Field::embedded("ResourceIdentifier")],
    methods: &[],
    text: None,
};

static RESOURCE_IDENTIFIER: StructType = StructType {
    name: "yaml.ResourceIdentifier",
    fields: &[Field::embedded("TypeMeta"), Field::embedded("NameMeta")],
    methods: &[],
    text: None,
};

static TYPE_META: StructType = StructType {
    name: "yaml.TypeMeta",
    fields: &[Field::optional("APIVersion", "apiVersion"), Field::optional("Kind", "kind")],
    methods: &[],
    text: None,
};

static NAME_META: StructType = StructType {
    name: "yaml.NameMeta",
    fields: &[Field::optional("Name", "name"), Field::optional("Namespace", "namespace")],
    methods: &[],
    text: None,
};

static NAMESPACED_NAME: StructType = StructType {
    name: "types.NamespacedName",
    fields: &[Field::named("Namespace"), Field::named("Name")],
    methods: &[Method { name: "String", parameters: &[], call: |this, _| Ok(Value::from(slashed(this))) }],
    text: Some(slashed),
};

/// The data of a message template. What manifests and registries say is in one line, so that it cannot end the line or the
/// paragraph that the template puts it into, and begin a trailer.
pub(crate) fn template_data(facts: &Facts<'_>) -> Value {
    let harmless: Vec<Change> = facts.changes.iter().map(change_in_line).collect();
    let mut changes: Vec<&Change> = harmless.iter().collect();
    changes.sort_by(|a, b| a.file.cmp(&b.file)); // Stable: within a file the order of its documents stays.
    let in_lines = |((setter, old, new), difference): (&(String, String, String), _)| {
        ((in_line(setter), in_line(old), in_line(new)), difference)
    };
    let told: Told<'_> = facts.differences.iter().map(in_lines).collect();
    let values = Map::of_strings(facts.values.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    Value::Struct(Rc::new(Struct {
        kind: &TEMPLATE_DATA,
        fields: vec![
            namespaced_name(facts.automation_namespace, facts.automation_name),
            changed(&changes, &told),
            Value::Map(Rc::new(values)),
        ],
        hidden: vec![
            legacy::updated(&changes, facts.images),
            Value::from(in_line(&summary::summary(&changes, facts.images))),
            Value::from(in_line(facts.group)),
            images::images(&changes, facts.images),
        ],
    }))
}

fn change_in_line(change: &Change) -> Change {
    let object = &change.object;
    Change {
        file: in_line(&change.file),
        line: change.line,
        object: ObjectIdentity {
            api_version: in_line(&object.api_version),
            kind: in_line(&object.kind),
            name: in_line(&object.name),
            namespace: in_line(&object.namespace),
        },
        old: in_line(&change.old),
        new: in_line(&change.new),
        setter: in_line(&change.setter),
    }
}

/// A text with blanks for what ends a line, moves a cursor or turns the direction of reading. Tabs stay.
fn in_line(text: &str) -> String {
    text.chars().map(|c| if c != '\t' && is_unprintable(c) { ' ' } else { c }).collect()
}

/// A namespace and a name; prints as `namespace/name`.
pub(crate) fn namespaced_name(namespace: &str, name: &str) -> Value {
    Value::new_struct(&NAMESPACED_NAME, vec![Value::string(namespace), Value::string(name)])
}

/// The key of an object.
pub(crate) fn object_identifier(object: &ObjectIdentity) -> Value {
    let types = Value::new_struct(&TYPE_META, vec![Value::string(&object.api_version), Value::string(&object.kind)]);
    let names = Value::new_struct(&NAME_META, vec![Value::string(&object.name), Value::string(&object.namespace)]);
    let resource = Value::new_struct(&RESOURCE_IDENTIFIER, vec![types, names]);
    Value::new_struct(&OBJECT_IDENTIFIER, vec![resource])
}

/// A hidden value, for a method that gives it.
pub(crate) fn hidden(this: &Struct, index: usize) -> Result<Value, MethodError> {
    Ok(this.hidden.get(index).cloned().unwrap_or_default())
}

/// Text that two string fields make with a slash between.
fn slashed(this: &Struct) -> String {
    let part = |name: &str| match this.field(name) {
        Some(Value::String(text)) => text.to_string(),
        _ => String::new(),
    };
    format!("{}/{}", part("Namespace"), part("Name"))
}

/// What changed between images, by what changes say in one line.
type Told<'d> = BTreeMap<(String, String, String), &'d Difference>;

fn changed(changes: &[&Change], told: &Told<'_>) -> Value {
    let mut files: BTreeMap<&str, Vec<&Change>> = BTreeMap::new();
    for change in changes {
        files.entry(&change.file).or_default().push(change);
    }
    let files = files.into_iter().map(|(file, changes)| (Value::string(file), object_changes(&changes, told)));
    let none = Value::Map(Rc::new(nil_if_empty(Map::new(OBJECT_CHANGES, OBJECT_KEY, nil_changes(), []))));
    let files = nil_if_empty(Map::new(FILE_CHANGES, "string", none, files));
    let mut seen = BTreeSet::new();
    let distinct: Vec<&Change> =
        changes.iter().copied().filter(|change| seen.insert((&change.old, &change.new, &change.setter))).collect();
    let distinct = if distinct.is_empty() { nil_changes() } else { change_list(&distinct, told) };
    Value::Struct(Rc::new(Struct {
        kind: &RESULT,
        fields: vec![Value::Map(Rc::new(files))],
        hidden: vec![distinct, object_changes(changes, told)],
    }))
}

/// The type of keys that name objects.
pub(crate) const OBJECT_KEY: &str = "update.ObjectIdentifier";

/// A map without entries as Go has it when nothing was put into it.
pub(crate) fn nil_if_empty(mut map: Map) -> Map {
    map.nil = map.entries().is_empty();
    map
}

fn nil_changes() -> Value {
    Value::List(Rc::new(List::nil(CHANGES)))
}

fn change_list(changes: &[&Change], told: &Told<'_>) -> Value {
    let change = |change: &&Change| {
        let fields = vec![Value::string(&change.old), Value::string(&change.new), Value::string(&change.setter)];
        let difference = told.get(&(change.setter.clone(), change.old.clone(), change.new.clone())).copied();
        Value::Struct(Rc::new(Struct { kind: &CHANGE, fields, hidden: difference_values(difference) }))
    };
    Value::list(CHANGES, changes.iter().map(change).collect())
}

/// What the methods of a change give; nothing where it was not asked for, or cannot be had.
fn difference_values(difference: Option<&Difference>) -> Vec<Value> {
    let text = |text: Option<String>| Value::from(in_line(&text.unwrap_or_default()));
    let old = difference.and_then(|difference| difference.old.as_ref());
    let revision = |portrait: &Portrait| portrait.revision().map(str::to_owned);
    let details = difference.map(Difference::details).unwrap_or_default();
    vec![
        text(difference.and_then(|difference| difference.new.source())),
        text(old.and_then(revision)),
        text(difference.and_then(|difference| revision(&difference.new))),
        text(difference.and_then(Difference::compare)),
        Value::list("[]string", details.iter().map(|detail| Value::from(in_line(detail))).collect()),
    ]
}

fn object_changes(changes: &[&Change], told: &Told<'_>) -> Value {
    let mut objects: BTreeMap<&ObjectIdentity, Vec<&Change>> = BTreeMap::new();
    for change in changes {
        objects.entry(&change.object).or_default().push(change);
    }
    let entries = objects.into_iter().map(|(object, changes)| (object_identifier(object), change_list(&changes, told)));
    Value::Map(Rc::new(Map::new(OBJECT_CHANGES, OBJECT_KEY, nil_changes(), entries)))
}
