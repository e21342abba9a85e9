//! What an expression evaluates to, and whether it fits where it is wanted.
//!
//! Go converts nothing between types when it calls a function: an `int64` is refused where an `int` is wanted. Only a literal
//! has no type until it is known where it goes.

use crate::template::context::Failure;
use crate::template::literal::Number;
use crate::template::value::{IntKind, Parameter, Value};

/// A value with what Go's reflection knows beside it.
///
/// Elements of `[]interface {}` and `map[string]interface {}` are *boxed*: their declared type is `interface {}`,
/// which some error messages show. A nil that is not boxed is no value at all.
#[derive(Debug, Clone, Default)]
pub(crate) struct Operand {
    pub(crate) value: Value,
    pub(crate) boxed: bool,
}

impl Operand {
    pub(crate) fn new(value: Value) -> Self {
        Self { value, boxed: false }
    }

    pub(crate) fn boxed(value: Value) -> Self {
        Self { value, boxed: true }
    }

    /// The value out of its box, as at the end of each pipeline stage.
    pub(crate) fn unboxed(self) -> Self {
        Self { boxed: false, ..self }
    }

    /// The declared type's name.
    pub(crate) fn type_name(&self) -> &'static str {
        if self.boxed { Parameter::Any.type_name() } else { self.value.type_name() }
    }

    /// Checks that the operand can be passed as a parameter.
    pub(crate) fn fit(self, parameter: Parameter) -> Result<Value, String> {
        if matches!(self.value, Value::Nil) {
            return match parameter {
                Parameter::Any | Parameter::Reflect => Ok(Value::Nil),
                Parameter::Dict if !self.boxed => Ok(Value::Nil),
                _ if self.boxed => {
                    Err(format!("wrong type for value; expected {}; got {}", parameter.type_name(), self.type_name()))
                }
                _ => Err(format!("invalid value; expected {}", parameter.type_name())),
            };
        }
        if accepts(parameter, &self.value) {
            return Ok(self.value);
        }
        let (expected, got) = (parameter.type_name(), self.value.type_name());
        Err(format!("wrong type for value; expected {expected}; got {got}"))
    }
}

fn accepts(parameter: Parameter, value: &Value) -> bool {
    match (parameter, value) {
        (Parameter::Any | Parameter::Reflect, _)
        | (Parameter::String, Value::String(_))
        | (Parameter::Int, Value::Int(IntKind::Int, _))
        | (Parameter::Float, Value::Float(_))
        | (Parameter::Bool, Value::Bool(_))
        | (Parameter::Dict, Value::Dict(_)) => true,
        (Parameter::Struct(name), Value::Struct(value)) => value.kind.name == name,
        _ => false,
    }
}

/// A number where nothing tells its type.
pub(crate) fn ideal(number: &Number) -> Result<Value, String> {
    let text = number.text.as_str();
    let is_hexadecimal = text.len() > 2 && (text.starts_with("0x") || text.starts_with("0X"));
    let is_integer = text.starts_with('\'') || is_hexadecimal && !text.contains(['p', 'P']);
    if let Some(value) = number.float.filter(|_| !is_integer && text.contains(['.', 'e', 'E', 'p', 'P'])) {
        return Ok(Value::Float(value));
    }
    number.int.map(Value::int).ok_or_else(|| format!("{text} overflows int"))
}

/// A number where its type is known.
pub(crate) fn number(number: &Number, parameter: Parameter) -> Option<Value> {
    match parameter {
        Parameter::Int => number.int.map(Value::int),
        Parameter::Float => number.float.map(Value::Float),
        _ => None,
    }
}

/// What a literal was wanted as, in Go's words; nothing where no literal can stand.
pub(crate) fn expectation(parameter: Parameter) -> Option<&'static str> {
    match parameter {
        Parameter::Bool => Some("bool"),
        Parameter::Float => Some("float"),
        Parameter::Int => Some("integer"),
        Parameter::String => Some("string"),
        _ => None,
    }
}

/// The failure of a function that got a nil where it needs a type, as Go's reflection words it.
pub(crate) fn zero_value(method: &str) -> Failure {
    Failure::call(format!("reflect: call of reflect.Value.{method} on zero Value"))
}
