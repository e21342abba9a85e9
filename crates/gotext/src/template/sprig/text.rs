//! Functions on strings.

use std::rc::Rc;

use crate::quote::quote;
use crate::template::context::{Context, Failure};
use crate::template::format::display;
use crate::template::function::{Function, int, text};
use crate::template::sprig::{string_of, strings_of};
use crate::template::value::{List, Map, Parameter, STRINGS, Value};

const ANY: Parameter = Parameter::Any;
const INT: Parameter = Parameter::Int;
const STRING: Parameter = Parameter::String;

/// The functions of this file.
pub(crate) const TABLE: &[Function] = &[
    Function::new("hello", &[], |context, _| context.string("Hello!")),
    Function::new("trim", &[STRING], |context, a| context.string(text(a, 0).trim())),
    Function::new("upper", &[STRING], |context, a| context.string(upper(text(a, 0)))),
    Function::new("lower", &[STRING], |context, a| context.string(lower(text(a, 0)))),
    Function::new("repeat", &[INT, STRING], |context, a| repeat(context, int(a, 0), text(a, 1))),
    Function::new("trimall trimAll", &[STRING, STRING], trim_all),
    Function::new("trimSuffix", &[STRING, STRING], |context, a| {
        context.string(text(a, 1).strip_suffix(text(a, 0)).unwrap_or(text(a, 1)))
    }),
    Function::new("trimPrefix", &[STRING, STRING], |context, a| {
        context.string(text(a, 1).strip_prefix(text(a, 0)).unwrap_or(text(a, 1)))
    }),
    Function::new("nospace", &[STRING], |context, a| {
        context.string(text(a, 0).chars().filter(|c| !c.is_whitespace()).collect::<String>())
    }),
    Function::new("trunc", &[INT, STRING], |context, a| context.string(truncate(int(a, 0), text(a, 1)))),
    Function::new("substr", &[INT, INT, STRING], substring),
    Function::new("contains", &[STRING, STRING], |_, a| Ok(Value::Bool(text(a, 1).contains(text(a, 0))))),
    Function::new("hasPrefix", &[STRING, STRING], |_, a| Ok(Value::Bool(text(a, 1).starts_with(text(a, 0))))),
    Function::new("hasSuffix", &[STRING, STRING], |_, a| Ok(Value::Bool(text(a, 1).ends_with(text(a, 0))))),
    Function::variadic("quote", &[], ANY, |context, a| {
        quoted(context, a, |value| Ok(quote(&string_of(context, value)?)))
    }),
    Function::variadic("squote", &[], ANY, |context, a| {
        quoted(context, a, |value| Ok(format!("'{}'", display(context, value)?)))
    }),
    Function::variadic("cat", &[], ANY, |context, a| quoted(context, a, |value| display(context, value))),
    Function::new("indent", &[INT, STRING], |context, a| context.string(indent(context, int(a, 0), text(a, 1))?)),
    Function::new("nindent", &[INT, STRING], |context, a| {
        context.string(format!("\n{}", indent(context, int(a, 0), text(a, 1))?))
    }),
    Function::new("replace", &[STRING, STRING, STRING], replace),
    Function::new("plural", &[STRING, STRING, INT], |context, a| context.string(text(a, usize::from(int(a, 2) != 1)))),
    Function::new("toString", &[ANY], |context, a| context.string(string_of(context, &a[0])?)),
    Function::new("toStrings", &[ANY], |context, a| context.strings(strings_of(context, &a[0])?)),
    Function::new("join", &[STRING, ANY], join),
    Function::new("split", &[STRING, STRING], |context, a| numbered(context, &split(text(a, 0), text(a, 1), -1))),
    Function::new("splitList", &[STRING, STRING], |context, a| context.strings(split(text(a, 0), text(a, 1), -1))),
    Function::new("splitn", &[STRING, INT, STRING], |context, a| {
        numbered(context, &split(text(a, 0), text(a, 2), int(a, 1)))
    }),
    Function::new("sortAlpha", &[ANY], sort),
    Function::new("fail", &[STRING], |_, a| Err(Failure::call(text(a, 0)))),
];

/// Go's `strings.ToUpper`: one character becomes one character.
pub(crate) fn upper(text: &str) -> String {
    text.chars().map(upper_char).collect()
}

/// Go's `strings.ToLower`: one character becomes one character.
pub(crate) fn lower(text: &str) -> String {
    text.chars().map(lower_char).collect()
}

/// Go's `unicode.ToUpper`.
pub(crate) fn upper_char(c: char) -> char {
    let mut mapped = c.to_uppercase();
    match (mapped.next(), mapped.next()) {
        (Some(upper), None) => upper,
        _ => c,
    }
}

/// Go's `unicode.ToLower`.
pub(crate) fn lower_char(c: char) -> char {
    match c {
        'İ' => 'i', // The one character whose lower case is longer.
        c => c.to_lowercase().next().unwrap_or(c),
    }
}

/// The bytes as text; a character that was cut becomes U+FFFD.
pub(crate) fn lossy(bytes: &[u8]) -> Rc<str> {
    Rc::from(String::from_utf8_lossy(bytes))
}

fn repeat(context: &Context, count: i64, text: &str) -> Result<Value, Failure> {
    let Ok(count) = usize::try_from(count) else { return Err(Failure::call("strings: negative Repeat count")) };
    context.check_length(text.len().saturating_mul(count))?;
    context.string(text.repeat(count))
}

fn trim_all(context: &Context, arguments: &[Value]) -> Result<Value, Failure> {
    let cutset = text(arguments, 0);
    context.spend_bytes(cutset.len().saturating_mul(text(arguments, 1).len()))?;
    context.string(text(arguments, 1).trim_matches(|c| cutset.contains(c)))
}

fn truncate(count: i64, text: &str) -> Rc<str> {
    let bytes = text.as_bytes();
    let length = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    if length >= bytes.len() {
        return Rc::from(text);
    }
    if count < 0 { lossy(&bytes[bytes.len() - length..]) } else { lossy(&bytes[..length]) }
}

fn substring(context: &Context, arguments: &[Value]) -> Result<Value, Failure> {
    let (start, end, text) = (int(arguments, 0), int(arguments, 1), text(arguments, 2));
    let length = i64::try_from(text.len()).unwrap_or(i64::MAX);
    let out_of_range = |what: String| Failure::Call(format!("runtime error: slice bounds out of range {what}"));
    let (start, end) = match (start, end) {
        (start, end) if start < 0 && end < 0 => return Err(out_of_range(format!("[:{end}]"))),
        (start, end) if start < 0 && end > length => {
            return Err(out_of_range(format!("[:{end}] with length {length}")));
        }
        (start, end) if start < 0 => (0, end),
        (start, end) if end < 0 || end > length => (start, length),
        both => both,
    };
    if start > end {
        return Err(out_of_range(format!("[{start}:{end}]")));
    }
    let range = usize::try_from(start).unwrap_or(0)..usize::try_from(end).unwrap_or(0);
    context.string(lossy(text.as_bytes().get(range).unwrap_or_default()))
}

/// What is not nil, each shown in some way, with spaces between.
fn quoted(
    context: &Context,
    arguments: &[Value],
    show: impl Fn(&Value) -> Result<String, Failure>,
) -> Result<Value, Failure> {
    let present = arguments.iter().filter(|value| !matches!(value, Value::Nil));
    let shown: Result<Vec<_>, _> = present.map(show).collect();
    context.string(shown?.join(" "))
}

fn indent(context: &Context, spaces: i64, text: &str) -> Result<String, Failure> {
    let Ok(spaces) = usize::try_from(spaces) else { return Err(Failure::call("strings: negative Repeat count")) };
    let lines = 1 + text.matches('\n').count();
    context.check_length(lines.saturating_mul(spaces).saturating_add(text.len()))?;
    let pad = " ".repeat(spaces);
    Ok(format!("{pad}{}", text.replace('\n', &format!("\n{pad}"))))
}

fn replace(context: &Context, arguments: &[Value]) -> Result<Value, Failure> {
    let (old, new, source) = (text(arguments, 0), text(arguments, 1), text(arguments, 2));
    let count = source.matches(old).count();
    context.check_length(source.len().saturating_add(new.len().saturating_mul(count)))?;
    context.string(source.replace(old, new))
}

fn join(context: &Context, arguments: &[Value]) -> Result<Value, Failure> {
    let separator = text(arguments, 0);
    let texts = strings_of(context, &arguments[1])?;
    let length = texts.iter().map(String::len).fold(separator.len().saturating_mul(texts.len()), usize::saturating_add);
    context.check_length(length)?;
    context.string(texts.join(separator))
}

/// Go's `strings.SplitN`: a negative limit is none, 0 gives nothing, an empty separator cuts into characters.
fn split<'t>(separator: &str, text: &'t str, limit: i64) -> Vec<&'t str> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if limit == 0 {
        return Vec::new();
    }
    if !separator.is_empty() {
        return text.splitn(limit, separator).collect();
    }
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = if parts.len() + 1 == limit { rest.len() } else { c.len_utf8() };
        let (part, after) = rest.split_at(length);
        parts.push(part);
        rest = after;
    }
    parts
}

/// The parts under the names `_0`, `_1` and so on.
fn numbered(context: &Context, parts: &[&str]) -> Result<Value, Failure> {
    context.spend(8 * (1 + parts.len()))?;
    let entries: Result<Vec<_>, Failure> = parts
        .iter()
        .enumerate()
        .map(|(index, part)| Ok((Value::from(format!("_{index}")), context.string(*part)?)))
        .collect();
    let map = Map::new(crate::template::value::STRING_MAP, "string", Value::string(""), entries?);
    Ok(Value::Map(Rc::new(map)))
}

fn sort(context: &Context, arguments: &[Value]) -> Result<Value, Failure> {
    if let Value::Nil = &arguments[0] {
        return Ok(Value::List(Rc::new(List::new(STRINGS, vec![Value::string("<nil>")]))));
    }
    let mut texts = strings_of(context, &arguments[0])?;
    texts.sort_unstable();
    context.strings(texts)
}
