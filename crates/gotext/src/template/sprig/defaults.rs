//! Functions that choose between values.

use crate::template::function::Function;
use crate::template::value::{Parameter, Value};

const ANY: Parameter = Parameter::Any;

/// The functions of this file.
pub(crate) const TABLE: &[Function] = &[
    Function::variadic("default", &[ANY], ANY, |_, a| {
        Ok(a.get(1).filter(|given| !is_empty(given)).unwrap_or(&a[0]).clone())
    }),
    Function::new("empty", &[ANY], |_, a| Ok(Value::Bool(is_empty(&a[0])))),
    Function::variadic("coalesce", &[], ANY, |_, a| {
        Ok(a.iter().find(|value| !is_empty(value)).cloned().unwrap_or_default())
    }),
    Function::variadic("all", &[], ANY, |_, a| Ok(Value::Bool(!a.iter().any(is_empty)))),
    Function::variadic("any", &[], ANY, |_, a| Ok(Value::Bool(!a.iter().all(is_empty)))),
    Function::new("ternary", &[ANY, ANY, Parameter::Bool], |_, a| Ok(a[usize::from(!a[2].is_true())].clone())),
];

/// Sprig's `empty`: the zero of its type, or an empty container.
pub(crate) fn is_empty(value: &Value) -> bool {
    !value.is_true()
}
