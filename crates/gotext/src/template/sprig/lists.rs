//! Functions on lists.

use std::rc::Rc;

use crate::template::MAX_RANGE;
use crate::template::compare::deep_equal;
use crate::template::context::{Context, Failure};
use crate::template::function::{Function, int};
use crate::template::sprig::numbers::to_int64;
use crate::template::value::{INTS, LIST, LISTS, List, Parameter, Value};

const ANY: Parameter = Parameter::Any;
const INT: Parameter = Parameter::Int;

/// The functions of this file.
pub(crate) const TABLE: &[Function] = &[
    Function::variadic("list tuple", &[], ANY, |context, a| context.list(a.to_vec())),
    Function::new("append push mustAppend mustPush", &[ANY, ANY], push),
    Function::new("prepend mustPrepend", &[ANY, ANY], prepend),
    Function::new("first mustFirst", &[ANY], first),
    Function::new("last mustLast", &[ANY], last),
    Function::new("rest mustRest", &[ANY], rest),
    Function::new("initial mustInitial", &[ANY], initial),
    Function::new("reverse mustReverse", &[ANY], reverse),
    Function::new("uniq mustUniq", &[ANY], uniq),
    Function::new("compact mustCompact", &[ANY], compact),
    Function::variadic("without mustWithout", &[ANY], ANY, without),
    Function::new("has mustHas", &[ANY, ANY], has),
    Function::variadic("slice mustSlice", &[ANY], ANY, slice),
    Function::variadic("concat", &[], ANY, concat),
    Function::new("chunk mustChunk", &[INT, ANY], chunk),
    Function::new("until", &[INT], |context, a| {
        let end = int(a, 0);
        numbers(context, &steps(0, end, if end < 0 { -1 } else { 1 })?)
    }),
    Function::new("untilStep", &[INT, INT, INT], |context, a| {
        numbers(context, &steps(int(a, 0), int(a, 1), int(a, 2))?)
    }),
];

/// The elements of a list that will all be looked at.
fn items<'v>(context: &Context, value: &'v Value, complaint: &str) -> Result<&'v [Value], Failure> {
    let items = elements(value, complaint)?;
    context.spend(1 + items.len() / 8)?;
    Ok(items)
}

/// The elements of a list, or sprig's complaint about what is none.
fn elements<'v>(value: &'v Value, complaint: &str) -> Result<&'v [Value], Failure> {
    match value {
        Value::List(list) => Ok(&list.items),
        Value::Nil => Err(Failure::nil_dereference()),
        other => Err(Failure::Call(format!("{complaint} {}", other.kind_name()))),
    }
}

fn push(context: &Context, arguments: &[Value]) -> Result<Value, Failure> {
    let mut items = items(context, &arguments[0], "Cannot push on type")?.to_vec();
    items.push(arguments[1].clone());
    context.list(items)
}

fn prepend(context: &Context, arguments: &[Value]) -> Result<Value, Failure> {
    let items = items(context, &arguments[0], "Cannot prepend on type")?;
    context.list(std::iter::once(&arguments[1]).chain(items).cloned().collect())
}

fn first(_: &Context, arguments: &[Value]) -> Result<Value, Failure> {
    Ok(elements(&arguments[0], "Cannot find first on type")?.first().cloned().unwrap_or_default())
}

fn last(_: &Context, arguments: &[Value]) -> Result<Value, Failure> {
    Ok(elements(&arguments[0], "Cannot find last on type")?.last().cloned().unwrap_or_default())
}

fn rest(context: &Context, arguments: &[Value]) -> Result<Value, Failure> {
    match items(context, &arguments[0], "Cannot find rest on type")? {
        [] => Ok(Value::List(Rc::new(List::nil(LIST)))),
        [_, rest @ ..] => context.list(rest.to_vec()),
    }
}

fn initial(context: &Context, arguments: &[Value]) -> Result<Value, Failure> {
    match items(context, &arguments[0], "Cannot find initial on type")? {
        [] => Ok(Value::List(Rc::new(List::nil(LIST)))),
        [initial @ .., _] => context.list(initial.to_vec()),
    }
}

fn reverse(context: &Context, arguments: &[Value]) -> Result<Value, Failure> {
    let items = items(context, &arguments[0], "Cannot find reverse on type")?;
    context.list(items.iter().rev().cloned().collect())
}

fn contains(context: &Context, items: &[Value], wanted: &Value) -> Result<bool, Failure> {
    for item in items {
        if deep_equal(context, wanted, item)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn uniq(context: &Context, arguments: &[Value]) -> Result<Value, Failure> {
    let mut kept = Vec::new();
    for item in items(context, &arguments[0], "Cannot find uniq on type")? {
        if !contains(context, &kept, item)? {
            kept.push(item.clone());
        }
    }
    context.list(kept)
}

fn compact(context: &Context, arguments: &[Value]) -> Result<Value, Failure> {
    let items = items(context, &arguments[0], "Cannot compact on type")?;
    context.list(items.iter().filter(|item| item.is_true()).cloned().collect())
}

fn without(context: &Context, arguments: &[Value]) -> Result<Value, Failure> {
    let mut kept = Vec::new();
    for item in items(context, &arguments[0], "Cannot find without on type")? {
        if !contains(context, &arguments[1..], item)? {
            kept.push(item.clone());
        }
    }
    context.list(kept)
}

fn has(context: &Context, arguments: &[Value]) -> Result<Value, Failure> {
    if matches!(arguments[1], Value::Nil) {
        return Ok(Value::Bool(false));
    }
    let items = items(context, &arguments[1], "Cannot find has on type")?;
    contains(context, items, &arguments[0]).map(Value::Bool)
}

fn slice(context: &Context, arguments: &[Value]) -> Result<Value, Failure> {
    let items = items(context, &arguments[0], "list should be type of slice or array but")?;
    if items.is_empty() {
        return Ok(Value::Nil);
    }
    let start = arguments.get(1).map_or(Some(0), |start| usize::try_from(to_int64(start)).ok());
    let end = arguments.get(2).map_or(Some(items.len()), |end| usize::try_from(to_int64(end)).ok());
    let part = start.zip(end).and_then(|(start, end)| items.get(start..end));
    let Some(part) = part else { return Err(Failure::call("reflect.Value.Slice: slice index out of bounds")) };
    context.typed_list(arguments[0].type_name(), part.to_vec())
}

fn concat(context: &Context, arguments: &[Value]) -> Result<Value, Failure> {
    let mut all = Vec::new();
    for argument in arguments {
        match argument {
            Value::List(list) => all.extend_from_slice(&list.items),
            Value::Nil => return Err(Failure::nil_dereference()),
            other => return Err(Failure::Call(format!("Cannot concat type {} as list", other.kind_name()))),
        }
        context.spend(all.len())?;
    }
    context.list(all)
}

fn chunk(context: &Context, arguments: &[Value]) -> Result<Value, Failure> {
    let items = items(context, &arguments[1], "Cannot chunk type")?;
    let Some(size) = usize::try_from(int(arguments, 0)).ok().filter(|size| *size > 0) else {
        return Err(Failure::call("runtime error: makeslice: len out of range"));
    };
    let chunks: Result<Vec<_>, _> = items.chunks(size).map(|chunk| context.list(chunk.to_vec())).collect();
    context.typed_list(LISTS, chunks?)
}

/// The numbers from `start` to before `stop`.
pub(crate) fn steps(start: i64, stop: i64, step: i64) -> Result<Vec<i64>, Failure> {
    let forward = stop >= start;
    if forward && step <= 0 || !forward && step >= 0 {
        return Ok(Vec::new());
    }
    let distance = stop.abs_diff(start);
    let count = distance.div_ceil(step.unsigned_abs());
    if count > MAX_RANGE as u64 {
        return Err(Failure::Limit(format!("a range of more than {MAX_RANGE}")));
    }
    let count = i64::try_from(count).unwrap_or(0);
    Ok((0..count).map(|index| start.wrapping_add(index.wrapping_mul(step))).collect())
}

fn numbers(context: &Context, numbers: &[i64]) -> Result<Value, Failure> {
    context.typed_list(INTS, numbers.iter().copied().map(Value::int).collect())
}
