//! The functions that Go's package brings.
//!
//! Their failures name Go's reflection where Go's do: a user finds the same words elsewhere.

use crate::quote;
use crate::template::compare::{equals_any, less, less_or_equal};
use crate::template::context::{Context, Failure};
use crate::template::format::{sprint, sprintf, sprintln};
use crate::template::function::{Function, Special, text};
use crate::template::operand::zero_value;
use crate::template::value::{IntKind, Parameter, Value};

const ANY: Parameter = Parameter::Any;
const REFLECT: Parameter = Parameter::Reflect;

/// All of them but `slice`, which sprig hides.
pub(crate) const TABLE: &[Function] = &[
    Function::special("and", &[REFLECT], REFLECT, Special::And),
    Function::special("or", &[REFLECT], REFLECT, Special::Or),
    Function::special("call", &[REFLECT], REFLECT, Special::Call),
    Function::variadic("html", &[], ANY, |context, arguments| {
        context.string(quote::html(&joined(context, arguments)?))
    }),
    Function::variadic("js", &[], ANY, |context, arguments| {
        context.string(quote::javascript(&joined(context, arguments)?))
    }),
    Function::variadic("urlquery", &[], ANY, |context, arguments| {
        // A space is escaped alone, so that it can become a plus.
        context.string(quote::percent(&joined(context, arguments)?, "").replace("%20", "+"))
    }),
    Function::variadic("index", &[REFLECT], REFLECT, |_, arguments| index(arguments)),
    Function::new("len", &[REFLECT], |_, arguments| length(arguments)),
    Function::new("not", &[REFLECT], |_, arguments| Ok(Value::Bool(!arguments.iter().any(Value::is_true)))),
    Function::variadic("print", &[], ANY, |context, arguments| context.string(sprint(context, arguments)?)),
    Function::variadic("println", &[], ANY, |context, arguments| context.string(sprintln(context, arguments)?)),
    Function::variadic("printf", &[Parameter::String], ANY, |context, arguments| {
        let rest = arguments.get(1..).unwrap_or_default();
        context.string(sprintf(context, text(arguments, 0), rest)?)
    }),
    Function::variadic("eq", &[REFLECT], REFLECT, |context, a| equals_any(context, a).map(Value::Bool)),
    Function::new("ne", &[REFLECT, REFLECT], |context, a| equals_any(context, a).map(|equal| Value::Bool(!equal))),
    Function::new("lt", &[REFLECT, REFLECT], |_, a| less(a).map(Value::Bool)),
    Function::new("le", &[REFLECT, REFLECT], |context, a| less_or_equal(context, a).map(Value::Bool)),
    Function::new("gt", &[REFLECT, REFLECT], |context, a| less_or_equal(context, a).map(|less| Value::Bool(!less))),
    Function::new("ge", &[REFLECT, REFLECT], |_, a| less(a).map(|less| Value::Bool(!less))),
];

/// The arguments as text, the way an action prints them.
fn joined(context: &Context, arguments: &[Value]) -> Result<String, Failure> {
    let shown: Vec<Value> = arguments
        .iter()
        .map(|argument| if matches!(argument, Value::Nil) { Value::string("<no value>") } else { argument.clone() })
        .collect();
    sprint(context, &shown)
}

fn index(arguments: &[Value]) -> Result<Value, Failure> {
    let Some((first, indexes)) = arguments.split_first() else { return Ok(Value::Nil) };
    if matches!(first, Value::Nil) {
        return Err(Failure::call("index of untyped nil"));
    }
    let mut item = first.clone();
    for index in indexes {
        item = element(&item, index)?;
    }
    Ok(item)
}

fn element(item: &Value, index: &Value) -> Result<Value, Failure> {
    match item {
        Value::Nil => Err(Failure::call("index of nil pointer")),
        Value::String(text) => {
            let at = position(index, text.len(), "string")?;
            Ok(Value::Int(IntKind::Uint8, i64::from(text.as_bytes()[at])))
        }
        Value::List(list) => Ok(list.items[position(index, list.items.len(), "slice")?].clone()),
        Value::Map(map) => {
            check_key(index, map.key_type)?;
            Ok(map.find(index).unwrap_or(&map.zero).clone())
        }
        Value::Dict(dict) => {
            check_key(index, "string")?;
            Ok(dict.get(index.as_str().unwrap_or_default()).unwrap_or_default())
        }
        other => Err(Failure::Call(format!("can't index item of type {}", other.type_name()))),
    }
}

/// A position in something of the given length. Go lets the length itself pass here, and panics a little later.
fn position(index: &Value, length: usize, kind_name: &str) -> Result<usize, Failure> {
    let (kind, bits) = match index {
        Value::Int(kind, bits) => (*kind, *bits),
        Value::Nil => return Err(Failure::call("cannot index slice/array with nil")),
        other => return Err(Failure::Call(format!("cannot index slice/array with type {}", other.type_name()))),
    };
    match usize::try_from(kind.widen(bits)) {
        Ok(at) if at < length => Ok(at),
        Ok(at) if at == length => Err(Failure::Call(format!("reflect: {kind_name} index out of range"))),
        _ => Err(Failure::Call(format!("index out of range: {bits}"))),
    }
}

fn check_key(index: &Value, key_type: &str) -> Result<(), Failure> {
    match index {
        Value::Nil => Err(Failure::Call(format!("value is nil; should be of type {key_type}"))),
        other if other.type_name() == key_type => Ok(()),
        other => Err(Failure::Call(format!("value has type {}; should be {key_type}", other.type_name()))),
    }
}

fn length(arguments: &[Value]) -> Result<Value, Failure> {
    let length = match arguments.first() {
        None | Some(Value::Nil) => return Err(zero_value("Type")),
        Some(Value::String(text)) => text.len(),
        Some(Value::List(list)) => list.items.len(),
        Some(Value::Map(map)) => map.entries().len(),
        Some(Value::Dict(dict)) => dict.len(),
        Some(other) => return Err(Failure::Call(format!("len of type {}", other.type_name()))),
    };
    Ok(Value::int(i64::try_from(length).unwrap_or(i64::MAX)))
}
