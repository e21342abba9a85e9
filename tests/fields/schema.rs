//! docs/schema/imageautomation.json says the same as the reader of the configuration, as far as a schema can.

use std::collections::BTreeSet;
use std::fs;

use boon::{Compiler, SchemaIndex, Schemas};
use regex::Regex;
use serde_json::Value;

use crate::crawl::Shape;
use crate::native::{UNSEEN, bad, good, root};
use crate::{kinds, reference};

const FILE: &str = "docs/schema/imageautomation.json";

/// What `tagwright schema` prints.
pub(crate) fn schema() -> Value {
    serde_json::from_str(&fs::read_to_string(root().join(FILE)).unwrap()).unwrap()
}

/// The schema, ready to be held against documents.
struct Validator {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Validator {
    fn new() -> Self {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource("schema.json", schema()).unwrap();
        let index = compiler.compile("schema.json", &mut schemas).unwrap();
        Self { schemas, index }
    }

    fn complaint(&self, document: &Value) -> Option<String> {
        self.schemas.validate(document, self.index).err().map(|error| format!("{error:#}"))
    }
}

#[test]
fn what_is_read_is_valid() {
    let validator = Validator::new();
    let (mut seen, mut wrong) = (0, Vec::new());
    for (name, document) in good("ImageAutomation") {
        seen += 1;
        wrong.extend(validator.complaint(&document).map(|complaint| format!("{name}: {complaint}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen >= 30, "{seen} documents");
}

#[test]
fn what_is_refused_is_invalid_where_a_schema_can_tell() {
    let validator = Validator::new();
    let allowed: BTreeSet<&str> = UNSEEN.iter().flat_map(|(_, names)| names.iter().copied()).collect();
    let mut unseen = BTreeSet::new();
    let mut rejected = 0;
    let bad = bad("ImageAutomation");
    for (name, documents) in &bad {
        match documents.iter().any(|document| validator.complaint(document).is_some()) {
            true => rejected += 1,
            false => drop(unseen.insert(name.as_str())),
        }
    }
    assert!(rejected >= 50, "{rejected} rejected");
    let (more, fewer): (Vec<_>, Vec<_>) =
        (unseen.difference(&allowed).collect(), allowed.difference(&unseen).collect());
    assert!(more.is_empty() && fewer.is_empty(), "not rejected: {more:#?}; rejected after all: {fewer:?}");
}

#[test]
fn documents_of_other_kinds_are_none_of_its_business() {
    let validator = Validator::new();
    let secret = kinds::all().into_iter().find(|(kind, _)| *kind == "Secret").unwrap().1;
    assert_eq!(validator.complaint(&secret.document), None);
    assert!(validator.complaint(&serde_json::json!({"spec": {}})).is_some(), "an editor completes what is begun");
}

/// The definition that a value is held against, with references followed.
fn follow<'a>(schema: &'a Value, definition: &'a Value) -> &'a Value {
    match definition["$ref"].as_str() {
        Some(target) => schema.pointer(target.trim_start_matches('#')).unwrap_or_else(|| panic!("no {target}")),
        None => definition,
    }
}

/// The full names of all properties that hold no further ones.
fn leaves(schema: &Value, definition: &Value, path: &str, found: &mut BTreeSet<String>) {
    let definition = follow(schema, definition);
    if let Some(properties) = definition["properties"].as_object().filter(|properties| !properties.is_empty()) {
        for (name, property) in properties {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            leaves(schema, property, &path, found);
        }
    } else if follow(schema, &definition["items"])["properties"].is_object() {
        leaves(schema, &definition["items"], &format!("{path}[]"), found);
    } else {
        found.insert(path.to_owned());
    }
}

#[test]
fn it_has_every_field_and_no_other() {
    let (schema, mut found) = (schema(), BTreeSet::new());
    leaves(&schema, &schema["definitions"]["ImageAutomation"], "", &mut found);
    let (_, seed) = &kinds::all()[0];
    let read = seed.leaves().into_iter().filter(|(_, shape)| *shape != Shape::Refused);
    assert_eq!(found, read.map(|(name, _)| name).collect::<BTreeSet<String>>());
}

/// The schema of a `Receiver` or a `Notification` is that of the reader, but for labels and filters, which are refused. All documents of
/// the good file keep to it; of each bad one those that are so marked do not.
fn is_held_against_it(kind: &str, good: &str, bad: &[(&str, &[bool])]) {
    let (schema, mut found) = (schema(), BTreeSet::new());
    leaves(&schema, &schema["definitions"][kind], "", &mut found);
    let (_, seed) = kinds::all().into_iter().find(|(known, _)| *known == kind).unwrap();
    let read = seed.leaves().into_iter().filter(|(_, shape)| *shape != Shape::Refused).map(|(name, _)| name);
    assert_eq!(found, read.filter(|name| !name.contains("matchLabels")).collect::<BTreeSet<String>>());

    let validator = Validator::new();
    let complaints = |file: &str| -> Vec<Option<String>> {
        let text = fs::read_to_string(root().join("fixtures/config").join(file)).unwrap();
        let documents = yaml_rust2::YamlLoader::load_from_str(&text).unwrap();
        let documents = documents.iter().map(crate::native::json);
        let is_ours = |it: &Value| it["kind"] == kind && it["apiVersion"] == "tagwright.dev/v1alpha1";
        documents.filter(is_ours).map(|document| validator.complaint(&document)).collect()
    };
    let of_good = complaints(good);
    assert!(of_good.len() > 1 && of_good.iter().all(Option::is_none), "{of_good:?}");
    for (file, refused) in bad {
        assert_eq!(complaints(file).iter().map(Option::is_some).collect::<Vec<_>>(), *refused, "{file}");
    }
}

#[test]
fn receivers_are_held_against_it_as_well() {
    // The last one is wrong beside another alone.
    let bad: [(&str, &[bool]); 2] =
        [("bad/receiver.yaml", &[true, true, true, true, false]), ("bad/receiver-oidc.yaml", &[true; 5])];
    is_held_against_it("Receiver", "good/receivers.yaml", &bad);
}

#[test]
fn notifications_are_held_against_it_as_well() {
    // What a template, a pattern and a mailbox are, and that a name is taken, a schema cannot say.
    let refused = [true, true, true, true, true, false, false, false, false];
    is_held_against_it("Notification", "good/notifications.yaml", &[("bad/notification.yaml", &refused)]);
}

/// So is that of a `GitSync`.
#[test]
fn places_to_submit_to_are_held_against_it() {
    let (schema, mut found) = (schema(), BTreeSet::new());
    leaves(&schema, &schema["definitions"]["GitSync"], "", &mut found);
    let (_, seed) = kinds::all().into_iter().find(|(kind, _)| *kind == "GitSync").unwrap();
    let read = seed.leaves().into_iter().filter(|(_, shape)| *shape != Shape::Refused).map(|(name, _)| name);
    assert_eq!(found, read.collect::<BTreeSet<String>>());

    let validator = Validator::new();
    let text = fs::read_to_string(root().join("fixtures/config/good/git-sync.yaml")).unwrap();
    let good = yaml_rust2::YamlLoader::load_from_str(&text).unwrap();
    let good: Vec<Value> = good.iter().map(crate::native::json).collect();
    let complaints: Vec<String> = good.iter().filter_map(|document| validator.complaint(document)).collect();
    assert!(complaints.is_empty(), "{complaints:?}");
    for (field, value) in [
        ("path", "../elsewhere".into()),
        ("prune", "perhaps".into()),
        ("url", "nowhere".into()),
        ("pullRequest", serde_json::json!({"group": "file"})),
        ("brunch", "main".into()),
    ] {
        let mut bad = good[0].clone();
        bad["spec"][field] = value;
        assert!(validator.complaint(&bad).is_some(), "{field}");
    }
}

/// The definition of a property by its full name, if there is one.
fn property<'a>(schema: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    let mut definition = &mut schema["definitions"]["ImageAutomation"];
    for part in name.split('.') {
        definition = definition.get_mut("properties")?.get_mut(part.trim_end_matches("[]"))?;
        if part.ends_with("[]") {
            definition = definition.get_mut("items")?;
        }
    }
    Some(definition)
}

/// What an editor shows beside a field is what the page says about it. `UPDATE_FIXTURES=1` writes it anew.
#[test]
fn it_describes_fields_as_the_page_does() {
    let before = schema();
    let mut after = before.clone();
    let documented = reference::documented("## `ImageAutomation`");
    let metadata = reference::documented("## Metadata");
    for (name, row) in documented.into_iter().chain(metadata) {
        if let Some(members) = property(&mut after, &name).and_then(Value::as_object_mut) {
            members.insert("description".to_owned(), described(row).into());
        }
    }
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        fs::write(root().join(FILE), format!("{after:#}\n")).unwrap();
    }
    assert!(schema() == after, "UPDATE_FIXTURES=1 writes the descriptions anew");
}

/// The meaning in a row, and the default, without Markdown.
fn described(row: &str) -> String {
    let cells: Vec<&str> = row.split(" |").map(|cell| cell.trim().trim_start_matches("| ")).collect();
    let [_, default, meaning, ..] = cells[..] else { panic!("{row}") };
    let plain = |text: &str| Regex::new(r"\[([^\]]*)\]\([^)]*\)").unwrap().replace_all(text, "$1").replace('`', "");
    match default {
        "" => plain(meaning),
        "required" => format!("{} (required)", plain(meaning)),
        default => format!("{} (default: {})", plain(meaning), plain(default)),
    }
}
