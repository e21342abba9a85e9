//! `eq`, `ne`, `lt`, `le`, `gt`, `ge` with Go's rules, and Go's deep equality.
//!
//! The template functions compare basic types of one kind (all integers are one) and complain about others; deep equality,
//! which sprig's functions on lists use, takes anything and tells types apart.

use crate::template::MAX_VALUE_DEPTH;
use crate::template::context::{Context, Failure, too_deep};
use crate::template::format;
use crate::template::value::Value;

/// `eq`: whether the first argument equals one of the others. `ne` is its opposite.
pub(crate) fn equals_any(context: &Context, arguments: &[Value]) -> Result<bool, Failure> {
    let Some((first, others)) = arguments.split_first().filter(|(_, others)| !others.is_empty()) else {
        return Err(Failure::call("missing argument for comparison"));
    };
    for other in others {
        if equal(context, first, other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// `le`: below or equal. `gt` is its opposite, which makes NaN greater than everything.
pub(crate) fn less_or_equal(context: &Context, arguments: &[Value]) -> Result<bool, Failure> {
    Ok(less(arguments)? || equals_any(context, arguments)?)
}

fn incompatible(a: &Value, b: &Value) -> Failure {
    Failure::Call(format!("incompatible types for comparison: {} and {}", a.type_name(), b.type_name()))
}

fn equal(context: &Context, a: &Value, b: &Value) -> Result<bool, Failure> {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => Ok(a == b),
        (Value::Int(a_kind, a), Value::Int(b_kind, b)) => Ok(a_kind.widen(*a) == b_kind.widen(*b)),
        (Value::Float(a), Value::Float(b)) => Ok(a == b),
        (Value::String(a), Value::String(b)) => Ok(a == b),
        _ if is_basic(a) != is_basic(b) || is_basic(a) => match (a, b) {
            (Value::Nil, _) | (_, Value::Nil) => Ok(false),
            _ => Err(incompatible(a, b)),
        },
        _ => equal_containers(context, a, b),
    }
}

fn is_basic(value: &Value) -> bool {
    matches!(value, Value::Bool(_) | Value::Int(..) | Value::Float(_) | Value::String(_))
}

/// Compares what is not basic: lists and maps with nil only, structs with structs.
fn equal_containers(context: &Context, a: &Value, b: &Value) -> Result<bool, Failure> {
    let nils = (is_nil(a), is_nil(b));
    if a.kind_name() != b.kind_name() && !matches!(a, Value::Nil) && !matches!(b, Value::Nil) {
        let (a_text, b_text) = (shown(context, a)?, format::display(context, b)?);
        let (a_type, b_type) = (a.type_name(), b.type_name());
        return Err(Failure::Call(format!("non-comparable types {a_text}: {a_type}, {b_type}: {b_text}")));
    }
    if nils.0 || nils.1 {
        return Ok(nils.0 == nils.1);
    }
    if !is_comparable(b, 0) {
        let text = shown(context, b)?;
        return Err(Failure::Call(format!("non-comparable type {text}: {}", b.type_name())));
    }
    deep_equal(context, a, b)
}

fn shown(context: &Context, value: &Value) -> Result<String, Failure> {
    format::sprintf(context, "%s", std::slice::from_ref(value))
}

fn is_nil(value: &Value) -> bool {
    match value {
        Value::Nil => true,
        Value::List(list) => list.nil,
        Value::Map(map) => map.nil,
        _ => false,
    }
}

fn is_comparable(value: &Value, depth: usize) -> bool {
    match value {
        Value::List(_) | Value::Map(_) | Value::Dict(_) => false,
        Value::Struct(inner) => {
            depth < MAX_VALUE_DEPTH && inner.fields.iter().all(|field| is_comparable(field, depth + 1))
        }
        _ => true,
    }
}

/// `lt`: whether the first of two arguments is below the second. The other comparisons follow from it, as in Go.
pub(crate) fn less(arguments: &[Value]) -> Result<bool, Failure> {
    let [a, b] = arguments else { return Err(Failure::call("missing argument for comparison")) };
    if !is_basic(a) || !is_basic(b) {
        return Err(Failure::call("invalid type for comparison"));
    }
    match (a, b) {
        (Value::Int(a_kind, a), Value::Int(b_kind, b)) => Ok(a_kind.widen(*a) < b_kind.widen(*b)),
        (Value::Float(a), Value::Float(b)) => Ok(a < b),
        (Value::String(a), Value::String(b)) => Ok(a < b),
        (Value::Bool(_), Value::Bool(_)) => Err(Failure::call("invalid type for comparison")),
        _ => Err(incompatible(a, b)),
    }
}

/// Go's `reflect.DeepEqual`: types count, so that `1` as `int` is not `1` as `int64`.
pub(crate) fn deep_equal(context: &Context, a: &Value, b: &Value) -> Result<bool, Failure> {
    deep(context, a, b, 0)
}

fn deep(context: &Context, a: &Value, b: &Value, depth: usize) -> Result<bool, Failure> {
    context.spend(1)?;
    if depth > 2 * MAX_VALUE_DEPTH {
        return Err(too_deep());
    }
    let all = |pairs: &mut dyn Iterator<Item = (&Value, &Value)>| {
        for (a, b) in pairs {
            if !deep(context, a, b, depth + 1)? {
                return Ok(false);
            }
        }
        Ok(true)
    };
    match (a, b) {
        (Value::Nil, Value::Nil) => Ok(true),
        (Value::Bool(a), Value::Bool(b)) => Ok(a == b),
        (Value::Int(a_kind, a), Value::Int(b_kind, b)) => Ok(a_kind == b_kind && a == b),
        (Value::Float(a), Value::Float(b)) => Ok(a == b),
        (Value::String(a), Value::String(b)) => {
            context.spend_bytes(a.len())?;
            Ok(a == b)
        }
        (Value::List(a), Value::List(b)) => {
            let alike = a.type_name == b.type_name && a.nil == b.nil && a.items.len() == b.items.len();
            if alike { all(&mut a.items.iter().zip(&b.items)) } else { Ok(false) }
        }
        (Value::Map(a), Value::Map(b)) => {
            let (a_all, b_all) = (a.entries(), b.entries());
            if a.type_name != b.type_name || a.nil != b.nil || a_all.len() != b_all.len() {
                return Ok(false);
            }
            let keys = a_all.iter().map(|(key, _)| key).zip(b_all.iter().map(|(key, _)| key));
            let values = a_all.iter().map(|(_, value)| value).zip(b_all.iter().map(|(_, value)| value));
            all(&mut keys.chain(values))
        }
        (Value::Dict(a), Value::Dict(b)) if a.is(b) => Ok(true),
        (Value::Dict(a), Value::Dict(b)) if a.len() != b.len() => Ok(false),
        (Value::Dict(a), Value::Dict(b)) => {
            context.spend(a.len())?;
            let (a, b) = (a.entries(), b.entries());
            if a.keys().eq(b.keys()) { all(&mut a.values().zip(b.values())) } else { Ok(false) }
        }
        (Value::Struct(a), Value::Struct(b)) if a.kind.name == b.kind.name => {
            let hidden = a.hidden.iter().zip(&b.hidden);
            all(&mut a.fields.iter().zip(&b.fields).chain(hidden))
        }
        _ => Ok(false),
    }
}
