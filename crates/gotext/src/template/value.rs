//! The values that templates see: Go's, as far as a commit message needs them.
//!
//! Values are cheap to clone, because templates copy them into variables and arguments all the time. They are counted without
//! atomics: a rendering stays on its thread, while the [`Template`](crate::template::Template) can be shared.

mod container;
mod structure;

use std::rc::Rc;

pub(crate) use self::container::Entries;
pub use self::container::{Dict, List, Map};
pub use self::structure::{Field, Method, MethodError, Parameter, Struct, StructType};

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
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::Int64 => "int64",
            Self::Uint8 => "uint8",
            Self::Uint64 => "uint64",
        }
    }

    /// Whether the type has negative values.
    pub(crate) const fn is_signed(self) -> bool {
        matches!(self, Self::Int | Self::Int64)
    }

    /// The value of the bits in this type.
    pub(crate) const fn widen(self, bits: i64) -> i128 {
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

impl Value {
    /// A `string`.
    #[must_use]
    pub fn string(text: &str) -> Self {
        Self::String(Rc::from(text))
    }

    /// An `int`.
    pub(crate) fn int(value: i64) -> Self {
        Self::Int(IntKind::Int, value)
    }

    /// An `int64`.
    pub(crate) fn int64(value: i64) -> Self {
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
    pub(crate) fn type_name(&self) -> &'static str {
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
    pub(crate) fn kind_name(&self) -> &'static str {
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
    pub(crate) fn is_true(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Int(_, value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::String(value) => !value.is_empty(),
            Self::List(list) => !list.items.is_empty(),
            Self::Map(map) => !map.entries().is_empty(),
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
