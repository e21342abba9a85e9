//! Structs: their fields, methods, and what methods take.

use std::fmt;

use crate::template::value::{DICT, Value};

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
    pub(crate) fn new(kind: &'static StructType, fields: Vec<Value>) -> Self {
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

    /// The names of all fields and methods, also of the fields of embedded structs.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        let methods = self.kind.methods.iter().map(|method| method.name);
        let mut names: Vec<&'static str> = methods.collect();
        for (field, value) in self.kind.fields.iter().zip(&self.fields) {
            match value {
                Value::Struct(inner) if field.embedded => names.extend(inner.names()),
                _ => names.push(field.name),
            }
        }
        names
    }

    /// The text of a type that has a method `String`.
    pub(crate) fn text(&self) -> Option<String> {
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
    pub(crate) fn method(&self, name: &str) -> Option<&Method> {
        self.methods.iter().find(|method| method.name == name)
    }

    /// Whether values are pointers.
    pub(crate) fn is_pointer(&self) -> bool {
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
    pub(crate) name: &'static str,
    /// Its name in JSON.
    pub(crate) json: &'static str,
    /// Whether JSON leaves it out when empty.
    pub(crate) omit_empty: bool,
    /// Whether the fields of this one are also fields of the whole.
    pub(crate) embedded: bool,
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

impl Method {
    pub(crate) const fn new(
        name: &'static str,
        parameters: &'static [Parameter],
        call: fn(&Struct, &[Value]) -> Result<Value, MethodError>,
    ) -> Self {
        Self { name, parameters, call }
    }
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
    pub(crate) const fn type_name(self) -> &'static str {
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
