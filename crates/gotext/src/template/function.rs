//! Functions: their signatures, and where to find them.

use std::fmt;

use crate::template::context::{Context, Failure};
use crate::template::value::{Parameter, Value};
use crate::template::{builtin, sprig};

/// What a function does. The arguments have been checked against its parameters.
pub(crate) type Call = fn(&Context, &[Value]) -> Result<Value, Failure>;

/// A function that templates can call.
pub(crate) struct Function {
    pub(crate) name: &'static str,
    pub(crate) parameters: &'static [Parameter],
    /// What further arguments may be, if there can be any.
    pub(crate) variadic: Option<Parameter>,
    pub(crate) body: Body,
}

/// How a function is run.
#[derive(Clone, Copy)]
pub(crate) enum Body {
    /// It gets its arguments' values.
    Call(Call),
    /// The executor does it: it looks at its arguments one by one.
    Special(Special),
}

/// Functions that are not called with values alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Special {
    /// The first argument that is false, or the last.
    And,
    /// The first argument that is true, or the last.
    Or,
    /// Calls a value, which is never a function here.
    Call,
}

impl Function {
    pub(crate) const fn new(name: &'static str, parameters: &'static [Parameter], call: Call) -> Self {
        Self { name, parameters, variadic: None, body: Body::Call(call) }
    }

    /// A function that takes any number of further arguments.
    pub(crate) const fn variadic(
        name: &'static str,
        parameters: &'static [Parameter],
        more: Parameter,
        call: Call,
    ) -> Self {
        Self { name, parameters, variadic: Some(more), body: Body::Call(call) }
    }

    pub(crate) const fn special(
        name: &'static str,
        parameters: &'static [Parameter],
        more: Parameter,
        special: Special,
    ) -> Self {
        Self { name, parameters, variadic: Some(more), body: Body::Special(special) }
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Finds a function. Sprig's `slice` hides the built-in one, as in Flux.
pub(crate) fn find(name: &str) -> Option<&'static Function> {
    let tables = sprig::TABLES.iter().copied().chain([builtin::TABLE]);
    tables.flatten().find(|function| function.name == name)
}

/// The value of a list of arguments that are strings, by position.
pub(crate) fn text(arguments: &[Value], index: usize) -> &str {
    arguments.get(index).and_then(Value::as_str).unwrap_or_default()
}

/// The value of an `int` argument, by position.
pub(crate) fn int(arguments: &[Value], index: usize) -> i64 {
    match arguments.get(index) {
        Some(Value::Int(_, value)) => *value,
        _ => 0,
    }
}
