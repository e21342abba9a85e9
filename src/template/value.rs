//! The values that templates see: Go's, as far as a commit message needs them.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

/// A value. Its Go type is part of it, because Go's rules for comparing, calling and printing go by type.
#[derive(Debug, Clone, Default)]
pub enum Value {
    /// Go's untyped `nil`, and what is missing.
    #[default]
    Nil,
    /// `bool`.
    Bool(bool),
    /// An integer type; 64-bit unsigned values are kept as the same bits.
    Int(IntKind, i64),
    /// `float64`.
    Float(f64),
    /// `string`.
    String(Rc<str>),
    /// A slice.
    List(Rc<List>),
    /// A map that templates cannot change.
    Map(Rc<Map>),
    /// `map[string]interface {}` as made by a template, which can change it.
    Dict(Dict),
    /// A struct, or a pointer to one.
    Struct(Rc<Struct>),
}

/// Go's integer types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntKind {
    /// `int`, 64 bits.
    Int,
    /// `int64`.
    Int64,
    /// `uint8`.
    Uint8,
    /// `uint64`.
    Uint64,
}

impl IntKind {
    /// The type's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::Int64 => "int64",
            Self::Uint8 => "uint8",
            Self::Uint64 => "uint64",
        }
    }

    /// Whether the type has negative values.
    #[must_use]
    pub const fn is_signed(self) -> bool {
        matches!(self, Self::Int | Self::Int64)
    }

    /// The value of the bits in this type.
    #[must_use]
    pub const fn widen(self, bits: i64) -> i128 {
        if self.is_signed() { bits as i128 } else { bits.cast_unsigned() as i128 }
    }
}

/// The type of a list whose elements have any type.
pub(crate) const LIST: &str = "[]interface {}";
/// The type of a list of strings.
pub(crate) const STRINGS: &str = "[]string";
/// The type of a list of integers.
pub(crate) const INTS: &str = "[]int";
/// The type of a list of lists.
pub(crate) const LISTS: &str = "[][]interface {}";
/// The type of a dictionary.
pub(crate) const DICT: &str = "map[string]interface {}";
/// The type of a map of strings.
pub(crate) const STRING_MAP: &str = "map[string]string";

/// A slice.
#[derive(Debug)]
pub struct List {
    /// The Go type, such as `[]string`.
    pub type_name: &'static str,
    /// The elements.
    pub items: Vec<Value>,
    /// Whether it is Go's nil slice, which only JSON tells from an empty one.
    pub nil: bool,
    depth: usize,
}

impl List {
    /// Makes a list.
    #[must_use]
    pub fn new(type_name: &'static str, items: Vec<Value>) -> Self {
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
    pub type_name: &'static str,
    /// The Go type of the keys.
    pub key_type: &'static str,
    /// What `index` gives for a missing key; [`Value::Nil`] where the elements can be anything.
    pub zero: Value,
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
    #[must_use]
    pub fn find(&self, key: &Value) -> Option<&Value> {
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
#[derive(Clone, Default)]
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

/// A struct, or a pointer to one.
#[derive(Debug)]
pub struct Struct {
    /// Its type.
    pub kind: &'static StructType,
    /// The fields of the type, in its order.
    pub fields: Vec<Value>,
    /// What only methods see.
    pub hidden: Vec<Value>,
}

impl Struct {
    /// Makes a struct without hidden values.
    #[must_use]
    pub fn new(kind: &'static StructType, fields: Vec<Value>) -> Self {
        Self { kind, fields, hidden: Vec::new() }
    }

    /// The value of a field, also one of an embedded struct.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<Value> {
        let named = self.kind.fields.iter().zip(&self.fields);
        if let Some((_, value)) = named.clone().find(|(field, _)| field.name == name) {
            return Some(value.clone());
        }
        named.filter(|(field, _)| field.embedded).find_map(|(_, value)| match value {
            Value::Struct(inner) => inner.field(name),
            _ => None,
        })
    }

    /// The text of a type that has a method `String`.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        self.kind.text.map(|text| text(self))
    }
}

/// A struct type.
pub struct StructType {
    /// The Go type's name, with a `*` for a pointer.
    pub name: &'static str,
    /// The exported fields.
    pub fields: &'static [Field],
    /// The methods.
    pub methods: &'static [Method],
    /// Go's method `String`: how such a value is printed.
    pub text: Option<fn(&Struct) -> String>,
}

impl StructType {
    /// Finds a method.
    #[must_use]
    pub fn method(&self, name: &str) -> Option<&Method> {
        self.methods.iter().find(|method| method.name == name)
    }

    /// Whether values are pointers.
    #[must_use]
    pub fn is_pointer(&self) -> bool {
        self.name.starts_with('*')
    }
}

impl fmt::Debug for StructType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// A field of a struct type.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Its name in JSON.
    pub json: &'static str,
    /// Whether JSON leaves it out when empty.
    pub omit_empty: bool,
    /// Whether the fields of this one are also fields of the whole.
    pub embedded: bool,
}

impl Field {
    /// A field that has its name in JSON too.
    #[must_use]
    pub const fn named(name: &'static str) -> Self {
        Self { name, json: name, omit_empty: false, embedded: false }
    }

    /// A field with another name in JSON, where it is left out when empty.
    #[must_use]
    pub const fn optional(name: &'static str, json: &'static str) -> Self {
        Self { name, json, omit_empty: true, embedded: false }
    }

    /// An embedded struct.
    #[must_use]
    pub const fn embedded(name: &'static str) -> Self {
        Self { name, json: "", omit_empty: false, embedded: true }
    }
}

/// A method of a struct type.
pub struct Method {
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub parameters: &'static [Parameter],
    /// What it does. The arguments have been checked against the parameters.
    pub call: fn(&Struct, &[Value]) -> Result<Value, MethodError>,
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Why a method has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MethodError {
    /// It failed, and says why.
    Failed(String),
    /// The field exists no longer; the text says what to use, and is the whole error.
    Removed(String),
}

/// What a function or method takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parameter {
    /// `interface {}`.
    Any,
    /// `reflect.Value`: anything, and whether it is there.
    Reflect,
    /// `string`.
    String,
    /// `int`.
    Int,
    /// `float64`.
    Float,
    /// `bool`.
    Bool,
    /// `map[string]interface {}`.
    Dict,
    /// A struct type, by its name.
    Struct(&'static str),
}

impl Parameter {
    /// The Go type's name.
    #[must_use]
    pub const fn type_name(self) -> &'static str {
        match self {
            Self::Any => "interface {}",
            Self::Reflect => "reflect.Value",
            Self::String => "string",
            Self::Int => "int",
            Self::Float => "float64",
            Self::Bool => "bool",
            Self::Dict => DICT,
            Self::Struct(name) => name,
        }
    }
}

impl Value {
    /// A `string`.
    #[must_use]
    pub fn string(text: &str) -> Self {
        Self::String(Rc::from(text))
    }

    /// An `int`.
    #[must_use]
    pub fn int(value: i64) -> Self {
        Self::Int(IntKind::Int, value)
    }

    /// An `int64`.
    #[must_use]
    pub fn int64(value: i64) -> Self {
        Self::Int(IntKind::Int64, value)
    }

    /// A slice of the given type.
    #[must_use]
    pub fn list(type_name: &'static str, items: Vec<Self>) -> Self {
        Self::List(Rc::new(List::new(type_name, items)))
    }

    /// A struct without hidden values.
    #[must_use]
    pub fn new_struct(kind: &'static StructType, fields: Vec<Self>) -> Self {
        Self::Struct(Rc::new(Struct::new(kind, fields)))
    }

    /// The name of the value's Go type; `<nil>` for nil.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(kind, _) => kind.name(),
            Self::Float(_) => "float64",
            Self::String(_) => "string",
            Self::List(list) => list.type_name,
            Self::Map(map) => map.type_name,
            Self::Dict(_) => DICT,
            Self::Struct(value) => value.kind.name,
        }
    }

    /// The name of the value's Go kind; `invalid` for nil.
    #[must_use]
    pub fn kind_name(&self) -> &'static str {
        match self {
            Self::Nil => "invalid",
            Self::List(_) => "slice",
            Self::Map(_) | Self::Dict(_) => "map",
            Self::Struct(value) if value.kind.is_pointer() => "ptr",
            Self::Struct(_) => "struct",
            other => other.type_name(),
        }
    }

    /// Go's truth: everything but the zero of a type and empty containers.
    #[must_use]
    pub fn is_true(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Int(_, value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::String(value) => !value.is_empty(),
            Self::List(list) => !list.items.is_empty(),
            Self::Map(map) => !map.entries.is_empty(),
            Self::Dict(dict) => dict.len() > 0,
            Self::Struct(_) => true,
        }
    }

    /// The text of a `string`.
    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::string(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(Rc::from(text))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}
