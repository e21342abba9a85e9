//! Reads fields of a mapping by name and type; what is missing, unknown, twice there or of another type is reported.
//!
//! As in Kubernetes, a field that is null counts as absent. Unlike there, any single value can be a text, and is the text
//! of the source: `range: 1.10` is `1.10`.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Display;
use std::rc::Rc;
use std::time::Duration;

use granit_parser::ScalarStyle;
use tagwright_core::spelling::{listed, nearest};

use super::report::{Finding, Report, quoted};
use super::text::Text;
use super::value::{self, Units};
use super::yaml::{Node, Place, Value};

/// How many items a list, and how many fields a mapping may have.
const MAX_ITEMS: usize = 10_000;

/// How much of a single value is repeated in a hint, in characters.
const MAX_HINTED: usize = 60;

/// The fields of one mapping.
pub(super) struct Fields<'a> {
    report: &'a Report,
    /// How messages name the mapping: `spec.git`.
    path: String,
    /// Where to point when a field is missing.
    pub(super) place: Place,
    entries: Vec<Field<'a>>,
    known: Vec<&'static str>,
}

struct Field<'a> {
    name: String,
    key: Place,
    value: &'a Rc<Node>,
    taken: bool,
}

impl<'a> Fields<'a> {
    /// The fields of a node; reported when it is no mapping. `place` is the key that introduces it.
    pub(super) fn of(report: &'a Report, node: &'a Node, path: impl Into<String>, place: Place) -> Option<Self> {
        let path = path.into();
        let Value::Mapping(entries) = &node.value else {
            report.error(node.place, format!("`{path}` must be a mapping, but is {}", node.noun()));
            return None;
        };
        if entries.len() > MAX_ITEMS {
            report.error(place, format!("`{path}` has more than {MAX_ITEMS} fields"));
            return None;
        }
        let mut seen = HashSet::new();
        let mut fields = Vec::new();
        for (key, value) in entries {
            match key.text() {
                Some(name) if seen.insert(name) => {
                    fields.push(Field { name: name.to_owned(), key: key.place, value, taken: false });
                }
                Some(name) => {
                    report.error(key.place, format!("field {} is there twice", quoted(&join(&path, name))));
                }
                None => {
                    report.error(key.place, format!("a field of `{path}` has {} for a name", key.noun()));
                }
            }
        }
        Some(Self { report, path, place, entries: fields, known: Vec::new() })
    }

    /// The fields of an item of a list; problems with the item as a whole point at its first field.
    pub(super) fn of_item(report: &'a Report, node: &'a Node, path: impl Into<String>) -> Option<Self> {
        let place = match &node.value {
            Value::Mapping(entries) => entries.first().map_or(node.place, |(key, _)| key.place),
            _ => node.place,
        };
        Self::of(report, node, path, place)
    }

    pub(super) fn report(&self) -> &'a Report {
        self.report
    }

    /// The full name of the mapping itself.
    pub(super) fn own_path(&self) -> &str {
        &self.path
    }

    /// The full name of a field.
    pub(super) fn path(&self, name: &str) -> String {
        join(&self.path, name)
    }

    /// The node of a field, if it is there and not null.
    pub(super) fn take(&mut self, name: &'static str) -> Option<&'a Rc<Node>> {
        self.take_with_key(name).map(|(_, value)| value)
    }

    fn take_with_key(&mut self, name: &'static str) -> Option<(Place, &'a Rc<Node>)> {
        self.known.push(name);
        let field = self.entries.iter_mut().find(|field| field.name == name)?;
        field.taken = true;
        (!field.value.is_null()).then_some((field.key, field.value))
    }

    /// Where a field's name stands, whatever its value.
    pub(super) fn key(&self, name: &str) -> Option<Place> {
        self.entries.iter().find(|field| field.name == name && !field.value.is_null()).map(|field| field.key)
    }

    /// The text of a field that is read elsewhere.
    pub(super) fn peek(&self, name: &str) -> Option<&str> {
        let field = self.entries.iter().find(|field| field.name == name)?;
        match &field.value.value {
            Value::Scalar(scalar) => Some(&scalar.text),
            _ => None,
        }
    }

    /// Reports that a field is missing.
    pub(super) fn missing(&self, name: &str) {
        self.report.error(self.place, format!("missing field `{}`", self.path(name)));
    }

    pub(super) fn text(&mut self, name: &'static str) -> Option<Text> {
        let node = self.take(name)?;
        self.text_of(node, &self.path(name))
    }

    pub(super) fn required_text(&mut self, name: &'static str) -> Option<Text> {
        match self.take(name) {
            Some(node) => self.text_of(node, &self.path(name)),
            None => {
                self.missing(name);
                None
            }
        }
    }

    /// A text where an empty one counts as absent.
    pub(super) fn filled_text(&mut self, name: &'static str) -> Option<Text> {
        self.text(name).filter(|text| !text.is_empty())
    }

    fn text_of(&self, node: &Node, path: &str) -> Option<Text> {
        match &node.value {
            Value::Scalar(scalar) => Some(Text {
                value: scalar.text.clone(),
                place: node.place,
                path: path.to_owned(),
                literal: scalar.style == ScalarStyle::Literal,
            }),
            _ => {
                self.report.error(node.place, format!("`{path}` must be a string, but is {}", node.noun()));
                None
            }
        }
    }

    /// A truth value; absent is false.
    pub(super) fn flag(&mut self, name: &'static str) -> bool {
        self.optional_flag(name).unwrap_or(false)
    }

    pub(super) fn optional_flag(&mut self, name: &'static str) -> Option<bool> {
        let node = self.take(name)?;
        if let Value::Scalar(scalar) = &node.value {
            match scalar.text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" if scalar.style == ScalarStyle::Plain => return Some(true),
                "false" | "no" | "off" if scalar.style == ScalarStyle::Plain => return Some(false),
                _ => {}
            }
        }
        let (found, hint) = match node.text() {
            Some(text @ ("true" | "false")) => (format!("the text \"{text}\""), Some("write it without quotes")),
            Some(text) => (quoted(text), None),
            None => (node.noun().to_owned(), None),
        };
        let message = format!("`{}` must be `true` or `false`, but is {found}", self.path(name));
        let finding = Finding::at(node.place, message);
        self.report.add(match hint {
            Some(hint) => finding.hint(hint),
            None => finding,
        });
        None
    }

    pub(super) fn duration(&mut self, name: &'static str, units: Units) -> Option<(Duration, Place)> {
        let text = self.text(name)?;
        self.parsed_duration(&text, name, units)
    }

    pub(super) fn required_duration(&mut self, name: &'static str, units: Units) -> Option<(Duration, Place)> {
        let text = self.required_text(name)?;
        self.parsed_duration(&text, name, units)
    }

    fn parsed_duration(&self, text: &Text, name: &str, units: Units) -> Option<(Duration, Place)> {
        match value::duration(&text.value, units) {
            Ok(duration) => Some((duration, text.place)),
            Err(error) => {
                let message = format!("`{}` {error}: {}", self.path(name), quoted(&text.value));
                self.report.add(Finding::at(text.place, message).hint(units.hint()));
                None
            }
        }
    }

    /// A mapping below a field.
    pub(super) fn fields(&mut self, name: &'static str) -> Option<Fields<'a>> {
        let (key, node) = self.take_with_key(name)?;
        Fields::of(self.report, node, self.path(name), key)
    }

    /// As [`Fields::fields`], with something to say about what to write in place of a single value.
    pub(super) fn fields_or(&mut self, name: &'static str, hint: impl FnOnce(&str) -> String) -> Option<Fields<'a>> {
        let (key, node) = self.take_with_key(name)?;
        let Some(text) = node.text() else { return Fields::of(self.report, node, self.path(name), key) };
        let message = format!("`{}` must be a mapping, but is {}", self.path(name), node.noun());
        let hint = hint(&words::one_line(text, MAX_HINTED));
        self.report.add(Finding::at(node.place, message).hint(hint));
        None
    }

    pub(super) fn required_fields(&mut self, name: &'static str) -> Option<Fields<'a>> {
        match self.take_with_key(name) {
            Some((key, node)) => Fields::of(self.report, node, self.path(name), key),
            None => {
                self.missing(name);
                None
            }
        }
    }

    /// The items of a list; none when the field is absent.
    pub(super) fn list(&mut self, name: &'static str) -> Option<&'a [Rc<Node>]> {
        let node = self.take(name)?;
        let path = self.path(name);
        match &node.value {
            Value::Sequence(items) if items.len() <= MAX_ITEMS => Some(items),
            Value::Sequence(_) => {
                self.report.error(node.place, format!("`{path}` has more than {MAX_ITEMS} items"));
                None
            }
            _ => {
                self.report.error(node.place, format!("`{path}` must be a list, but is {}", node.noun()));
                None
            }
        }
    }

    /// A list of mappings, each with its path such as `spec.images[0]`.
    pub(super) fn items(&mut self, name: &'static str) -> Option<Vec<Fields<'a>>> {
        let path = self.path(name);
        let items = self.list(name)?;
        let of = |(index, item): (usize, &'a Rc<Node>)| Fields::of_item(self.report, item, format!("{path}[{index}]"));
        Some(items.iter().enumerate().filter_map(of).collect())
    }

    pub(super) fn texts(&mut self, name: &'static str) -> Option<Vec<Text>> {
        let path = self.path(name);
        let items = self.list(name)?;
        let of = |(index, item): (usize, &Rc<Node>)| self.text_of(item, &format!("{path}[{index}]"));
        Some(items.iter().enumerate().filter_map(of).collect())
    }

    /// A mapping of texts; empty when the field is absent.
    pub(super) fn map(&mut self, name: &'static str) -> BTreeMap<String, Text> {
        self.fields(name).map(Fields::into_map).unwrap_or_default()
    }

    /// All fields as texts; null is the empty text.
    pub(super) fn into_map(self) -> BTreeMap<String, Text> {
        let text = |field: &Field<'_>| self.text_of(field.value, &self.path(&field.name));
        self.entries
            .iter()
            .filter_map(|field| {
                let mut text = text(field)?;
                if field.value.is_null() {
                    text.value.clear();
                }
                Some((field.name.clone(), text))
            })
            .collect()
    }

    /// `{name: TEXT}`, which names an object of the same namespace.
    pub(super) fn reference(&mut self, name: &'static str) -> Option<Text> {
        let mut fields = self.fields(name)?;
        let text = fields.required_text("name");
        fields.finish();
        text?.object_name(self.report)
    }

    /// The name of an object.
    pub(super) fn name(&mut self, name: &'static str) -> Option<Text> {
        self.required_text(name)?.object_name(self.report)
    }

    /// The name of an object that may be absent: `Some(None)` when it is, `None` when it is wrong.
    pub(super) fn optional_name(&mut self, name: &'static str) -> Option<Option<Text>> {
        match self.filled_text(name) {
            Some(text) => text.object_name(self.report).map(Some),
            None => Some(None),
        }
    }

    /// A text with a grammar that may be absent: `Some(None)` when it is, `None` when it is wrong.
    pub(super) fn optional<T, E: Display>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<Option<T>> {
        match self.optional_text(name)? {
            None => Some(None),
            Some(text) => text.parsed(self.report, parse).map(Some),
        }
    }

    /// As [`Fields::optional`], with something to say about what to write instead of a text.
    pub(super) fn optional_or<T, E: Display>(
        &mut self,
        name: &'static str,
        hint: impl FnOnce(&str) -> String,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<Option<T>> {
        match self.optional_text(name)? {
            None => Some(None),
            Some(text) => text.parsed_or(self.report, || hint(&text.value), parse).map(Some),
        }
    }

    fn optional_text(&mut self, name: &'static str) -> Option<Option<Text>> {
        if self.key(name).is_none() {
            self.accept(&[name]);
            return Some(None);
        }
        Some(Some(self.text(name)?).filter(|text| !text.is_empty()))
    }

    /// One of several words, and where it is; none where it is absent, empty or another word.
    pub(super) fn one_of<T: Copy>(&mut self, name: &'static str, words: &[(&str, T)]) -> Option<(T, Place)> {
        let text = self.filled_text(name)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text.value) {
            return Some((*value, text.place));
        }
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        self.report.no_word(&text, &known);
        None
    }

    /// A mapping that may be absent: `Some(None)` when it is, `None` when it is wrong.
    pub(super) fn optional_fields<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(Fields<'a>) -> Option<T>,
    ) -> Option<Option<T>> {
        if self.key(name).is_none() {
            self.accept(&[name]);
            return Some(None);
        }
        read(self.fields(name)?).map(Some)
    }

    /// Reports that a field is there, which is not supported, and concerns those alone who run.
    pub(super) fn refuse(&mut self, name: &'static str, why: &str, hint: &str) {
        if let Some((key, _)) = self.take_with_key(name) {
            let finding = Finding::at(key, format!("`{}`: {why}", self.path(name))).hint(hint);
            // Reading goes on in any case.
            let _ = self.report.refuse(key, finding);
        }
    }

    /// Accepts fields that concern others.
    pub(super) fn accept(&mut self, names: &[&'static str]) {
        for name in names {
            self.take_with_key(name);
        }
    }

    /// Accepts fields that a user might expect something of, and says that they have no effect.
    pub(super) fn idle(&mut self, names: &[&'static str]) {
        for name in names {
            if let Some((key, value)) = self.take_with_key(name)
                && value.text() != Some("false")
            {
                self.report.idle(key, format!("`{}` has no effect on tagwright", self.path(name)));
            }
        }
    }

    /// Fields that nobody took.
    pub(super) fn unknown(&self) -> impl Iterator<Item = (&str, Place)> {
        self.entries.iter().filter(|field| !field.taken).map(|field| (field.name.as_str(), field.key))
    }

    /// Reports the fields that nobody took, with the nearest name that is known.
    pub(super) fn finish(self) {
        for (name, place) in self.unknown() {
            let unknown = format!("unknown field {}", quoted(&self.path(name)));
            if self.report.is_of_objects() {
                // The cluster's definition of the kind allows it, so a newer controller has a use for it.
                self.report.idle(place, format!("{unknown} has no effect"));
                continue;
            }
            let finding = Finding::at(place, unknown);
            self.report.add(match nearest(name, &self.known) {
                Some(known) => finding.hint(format!("a field with a similar name exists: `{known}`")),
                None if self.known.is_empty() => finding,
                None => finding.hint(format!("the fields here are {}", listed(&self.known))),
            });
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
