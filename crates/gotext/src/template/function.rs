//! Functions: their signatures, and where to find them.
//!
//! Every file of functions has a table, one row for each: names, parameters, what it does.
//! Rows are looked through when a template is parsed, never when it runs.

use std::fmt;

use crate::template::context::{Context, Failure};
use crate::template::value::{Parameter, Value};
use crate::template::{builtin, sprig};

/// What a function does. The arguments have been checked against its parameters.
pub(crate) type Call = fn(&Context, &[Value]) -> Result<Value, Failure>;

/// A function that templates can call.
pub(crate) struct Function {
    /// Its names, with spaces between: sprig has several for many, such as `first` and `mustFirst`.
    pub(crate) names: &'static str,
    /// What it takes.
    pub(crate) parameters: &'static [Parameter],
    /// What further arguments may be, if there can be any.
    pub(crate) variadic: Option<Parameter>,
    /// What it does.
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
    /// A function that takes what its parameters say.
    pub(crate) const fn new(names: &'static str, parameters: &'static [Parameter], call: Call) -> Self {
        Self { names, parameters, variadic: None, body: Body::Call(call) }
    }

    /// A function that takes any number of further arguments.
    pub(crate) const fn variadic(
        names: &'static str,
        parameters: &'static [Parameter],
        more: Parameter,
        call: Call,
    ) -> Self {
        Self { names, parameters, variadic: Some(more), body: Body::Call(call) }
    }

    /// A function that the executor runs.
    pub(crate) const fn special(
        names: &'static str,
        parameters: &'static [Parameter],
        more: Parameter,
        special: Special,
    ) -> Self {
        Self { names, parameters, variadic: Some(more), body: Body::Special(special) }
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.names)
    }
}

/// All functions under each of their names.
pub(crate) fn all() -> impl Iterator<Item = (&'static str, &'static Function)> {
    let functions = sprig::TABLES.iter().copied().chain([builtin::TABLE]).flatten();
    functions.flat_map(|function| function.names.split(' ').map(move |name| (name, function)))
}

/// Finds a function. Sprig's `slice` hides the built-in one, as in Flux.
pub(crate) fn find(name: &str) -> Option<(&'static str, &'static Function)> {
    all().find(|(known, _)| *known == name)
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
