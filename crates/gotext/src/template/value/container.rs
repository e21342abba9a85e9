//! Slices and maps.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use crate::template::value::{LIST, STRING_MAP, Value};

/// A slice.
#[derive(Debug)]
pub struct List {
    /// The Go type, such as `[]string`.
    pub(crate) type_name: &'static str,
    /// The elements.
    pub(crate) items: Vec<Value>,
    /// Whether it is Go's nil slice, which only JSON tells from an empty one.
    pub(crate) nil: bool,
    depth: usize,
}

impl List {
    /// Makes a list.
    pub(crate) fn new(type_name: &'static str, items: Vec<Value>) -> Self {
        let depth = items.iter().map(depth_of).max().unwrap_or(0);
        Self { type_name, items, nil: false, depth: depth + 1 }
    }

    /// Makes the nil slice of a type.
    #[must_use]
    pub fn nil(type_name: &'static str) -> Self {
        Self { nil: true, ..Self::new(type_name, Vec::new()) }
    }

    /// How many lists are nested here, not looking into dictionaries.
    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// Whether the elements' declared type is `interface {}`.
    pub(crate) fn is_boxed(&self) -> bool {
        self.type_name == LIST
    }
}

fn depth_of(value: &Value) -> usize {
    match value {
        Value::List(list) => list.depth,
        _ => 0,
    }
}

/// A map that templates cannot change. Its entries are in the order in which Go prints them.
#[derive(Debug)]
pub struct Map {
    /// The Go type, such as `map[string]string`.
    pub(crate) type_name: &'static str,
    /// The Go type of the keys.
    pub(crate) key_type: &'static str,
    /// What `index` gives for a missing key; [`Value::Nil`] where the elements can be anything.
    pub(crate) zero: Value,
    /// Whether it is Go's nil map, which only JSON and comparison with `nil` tell from an empty one.
    pub nil: bool,
    entries: Vec<(Value, Value)>,
}

impl Map {
    /// Makes a map; of equal keys the last one counts.
    #[must_use]
    pub fn new(
        type_name: &'static str,
        key_type: &'static str,
        zero: Value,
        entries: impl IntoIterator<Item = (Value, Value)>,
    ) -> Self {
        let mut entries: Vec<_> = entries.into_iter().collect();
        entries.reverse();
        entries.sort_by(|a, b| compare_keys(&a.0, &b.0));
        entries.dedup_by(|later, earlier| compare_keys(&later.0, &earlier.0).is_eq());
        Self { type_name, key_type, zero, nil: false, entries }
    }

    /// Makes a `map[string]string`; an empty one is nil, as Kubernetes decodes it.
    #[must_use]
    pub fn of_strings<'s>(entries: impl IntoIterator<Item = (&'s str, &'s str)>) -> Self {
        let entries = entries.into_iter().map(|(key, value)| (Value::string(key), Value::string(value)));
        let map = Self::new(STRING_MAP, "string", Value::string(""), entries);
        Self { nil: map.entries.is_empty(), ..map }
    }

    /// The entries, sorted by key.
    #[must_use]
    pub fn entries(&self) -> &[(Value, Value)] {
        &self.entries
    }

    /// The value of a key.
    pub(crate) fn find(&self, key: &Value) -> Option<&Value> {
        let found = self.entries.binary_search_by(|(other, _)| compare_keys(other, key)).ok()?;
        self.entries.get(found).map(|(_, value)| value)
    }
}

/// The order in which Go prints and ranges over keys: strings by bytes, structs field by field.
fn compare_keys(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Int(kind, a), Value::Int(_, b)) => kind.widen(*a).cmp(&kind.widen(*b)),
        (Value::Struct(a), Value::Struct(b)) => {
            let fields = a.fields.iter().zip(&b.fields);
            fields.map(|(a, b)| compare_keys(a, b)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
        }
        _ => a.type_name().cmp(b.type_name()),
    }
}

/// The entries of a dictionary.
pub(crate) type Entries = BTreeMap<Rc<str>, Value>;

/// `map[string]interface {}` as made by a template. Clones share the entries, as in Go.
#[derive(Clone)]
pub struct Dict(Rc<RefCell<Entries>>);

impl Dict {
    /// Only a rendering makes dictionaries: it takes them apart when it ends, so that cycles do not leak.
    pub(crate) fn new(entries: Entries) -> Self {
        Self(Rc::new(RefCell::new(entries)))
    }

    pub(crate) fn get(&self, key: &str) -> Option<Value> {
        self.0.borrow().get(key).cloned()
    }

    pub(crate) fn insert(&self, key: Rc<str>, value: Value) {
        let old = self.0.borrow_mut().insert(key, value);
        drop(old);
    }

    pub(crate) fn remove(&self, key: &str) {
        let old = self.0.borrow_mut().remove(key);
        drop(old);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.borrow().len()
    }

    /// A copy of the entries, sorted by key; the values in it are shared.
    pub(crate) fn entries(&self) -> Entries {
        self.0.borrow().clone()
    }

    pub(crate) fn take(&self) -> Entries {
        self.0.take()
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Dict {
    /// Says only how many entries there are: a dictionary can contain itself.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dict({} entries)", self.len())
    }
}
