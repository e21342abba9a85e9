//! Functions on dictionaries. They take `map[string]interface {}` only, and change it in place where sprig does.

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::template::MAX_VALUE_DEPTH;
use crate::template::context::{Context, Failure, too_deep};
use crate::template::function::{Function, text};
use crate::template::sprig::string_of;
use crate::template::value::{DICT, Dict, Entries, Parameter, Value};

const ANY: Parameter = Parameter::Any;
const DICTIONARY: Parameter = Parameter::Dict;
const STRING: Parameter = Parameter::String;

/// The functions of this file.
pub(crate) const TABLE: &[Function] = &[
    Function::variadic("dict", &[], ANY, dict),
    Function::new("get", &[DICTIONARY, STRING], |context, a| match found(a, text(a, 1)) {
        Some(value) => Ok(value),
        None => context.string(""),
    }),
    Function::new("set", &[DICTIONARY, STRING, ANY], set),
    Function::new("unset", &[DICTIONARY, STRING], |_, a| {
        if let Value::Dict(dict) = &a[0] {
            dict.remove(text(a, 1));
        }
        Ok(a[0].clone())
    }),
    Function::new("hasKey", &[DICTIONARY, STRING], |_, a| Ok(Value::Bool(found(a, text(a, 1)).is_some()))),
    Function::variadic("pluck", &[STRING], DICTIONARY, |context, a| {
        context.list(a[1..].iter().filter_map(|dict| entry(dict, text(a, 0))).collect())
    }),
    Function::variadic("keys", &[], DICTIONARY, |context, a| {
        let dicts: Result<Vec<_>, _> = a.iter().map(|dict| entries(context, dict)).collect();
        context.strings(dicts?.into_iter().flat_map(Entries::into_keys))
    }),
    Function::new("values", &[DICTIONARY], |context, a| context.list(entries(context, &a[0])?.into_values().collect())),
    Function::variadic("pick", &[DICTIONARY], STRING, |context, a| {
        let names = names(&a[1..]);
        context.dict(entries(context, &a[0])?.into_iter().filter(|(key, _)| names.contains(&**key)).collect())
    }),
    Function::variadic("omit", &[DICTIONARY], STRING, |context, a| {
        let names = names(&a[1..]);
        context.dict(entries(context, &a[0])?.into_iter().filter(|(key, _)| !names.contains(&**key)).collect())
    }),
    Function::variadic("merge mustMerge", &[DICTIONARY], DICTIONARY, |context, a| {
        merge_all(context, a, Existing::Stays)
    }),
    Function::variadic("mergeOverwrite", &[DICTIONARY], DICTIONARY, |context, a| merge_all(context, a, Existing::Goes)),
    Function::variadic("mustMergeOverwrite", &[DICTIONARY], DICTIONARY, |context, a| {
        merge_all(context, a, Existing::Goes)
    }),
    Function::variadic("dig", &[], ANY, dig),
    Function::new("deepCopy mustDeepCopy", &[ANY], |context, a| deep_copy(context, &a[0], 0)),
];

fn entries(context: &Context, dict: &Value) -> Result<Entries, Failure> {
    match dict {
        Value::Dict(dict) => {
            context.spend(1 + dict.len())?;
            Ok(dict.entries())
        }
        _ => Ok(Entries::new()),
    }
}

fn entry(dict: &Value, key: &str) -> Option<Value> {
    match dict {
        Value::Dict(dict) => dict.get(key),
        _ => None,
    }
}

fn found(arguments: &[Value], key: &str) -> Option<Value> {
    entry(&arguments[0], key)
}

fn names(keys: &[Value]) -> BTreeSet<&str> {
    keys.iter().filter_map(Value::as_str).collect()
}

fn dict(context: &Context, arguments: &[Value]) -> Result<Value, Failure> {
    let mut entries = Entries::new();
    for pair in arguments.chunks(2) {
        let value = pair.get(1).cloned().unwrap_or_else(|| Value::string(""));
        entries.insert(string_of(context, &pair[0])?.into(), value);
    }
    context.dict(entries)
}

fn set(context: &Context, arguments: &[Value]) -> Result<Value, Failure> {
    let Value::Dict(dict) = &arguments[0] else { return Err(Failure::call("assignment to entry in nil map")) };
    context.spend(8)?;
    dict.insert(Rc::from(text(arguments, 1)), arguments[2].clone());
    Ok(arguments[0].clone())
}

/// What becomes of a value that is there and not empty.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Existing {
    Stays,
    Goes,
}

fn merge_all(context: &Context, arguments: &[Value], existing: Existing) -> Result<Value, Failure> {
    let target = match &arguments[0] {
        Value::Dict(_) => arguments[0].clone(),
        _ => context.dict(Entries::new())?,
    };
    if let Value::Dict(target) = &target {
        for source in &arguments[1..] {
            if let Value::Dict(source) = source {
                merge(context, target, source, existing, 0)?;
            }
        }
    }
    Ok(target)
}

/// Fills `target` from `source`, dictionaries within dictionaries included, as mergo does it.
fn merge(context: &Context, target: &Dict, source: &Dict, existing: Existing, depth: usize) -> Result<(), Failure> {
    if depth > MAX_VALUE_DEPTH {
        return Err(too_deep());
    }
    context.spend(8 * (1 + source.len()))?;
    for (key, value) in source.entries() {
        let known = target.get(&key);
        match (&known, &value) {
            (Some(Value::Dict(known)), Value::Dict(value)) => {
                merge(context, known, value, existing, depth + 1)?;
                continue;
            }
            (_, Value::Nil) if existing == Existing::Stays => continue,
            (Some(Value::List(known)), Value::List(value)) if !known.items.is_empty() && value.items.is_empty() => {
                continue;
            }
            _ => {}
        }
        if existing == Existing::Goes || known.is_none_or(|known| !known.is_true()) {
            target.insert(key, value);
        }
    }
    Ok(())
}

fn dig(_: &Context, arguments: &[Value]) -> Result<Value, Failure> {
    let [keys @ .., default, dict] = arguments else {
        return Err(Failure::call("dig needs at least three arguments"));
    };
    if keys.is_empty() {
        return Err(Failure::call("dig needs at least three arguments"));
    }
    let mut value = dict.clone();
    for key in keys {
        let Value::Dict(dict) = &value else { return Err(conversion(&value, DICT)) };
        let Some(key) = key.as_str() else { return Err(conversion(key, "string")) };
        match dict.get(key) {
            Some(next) => value = next,
            None => return Ok(default.clone()),
        }
    }
    Ok(value)
}

/// What Go says about a value that is not of the type it was taken for.
fn conversion(value: &Value, wanted: &str) -> Failure {
    let got = match value {
        Value::Nil => "nil",
        other => other.type_name(),
    };
    Failure::Call(format!("interface conversion: interface {{}} is {got}, not {wanted}"))
}

fn deep_copy(context: &Context, value: &Value, depth: usize) -> Result<Value, Failure> {
    if depth > MAX_VALUE_DEPTH {
        return Err(too_deep());
    }
    match value {
        Value::List(list) if !list.nil => {
            let items: Result<Vec<_>, _> = list.items.iter().map(|item| deep_copy(context, item, depth + 1)).collect();
            context.typed_list(list.type_name, items?)
        }
        Value::Dict(dict) => {
            let mut copy = Entries::new();
            for (key, value) in dict.entries() {
                copy.insert(key, deep_copy(context, &value, depth + 1)?);
            }
            context.dict(copy)
        }
        other => Ok(other.clone()),
    }
}
