//! JSON, as Go's package `encoding/json` reads and writes it.
//!
//! `serde_json` does the work. Go differs in floats, in what it escapes for HTML, and in that every number it reads is a float.

use std::cell::Cell;
use std::io;

use serde::ser::{self, Serialize};
use serde_json::Serializer;
use serde_json::value::RawValue;

use crate::template::context::{Context, Failure, too_deep};
use crate::template::float::notation;
use crate::template::function::{Function, text};
use crate::template::value::{Entries, Parameter, Struct, Value};
use crate::template::{MAX_OUTPUT, MAX_VALUE_DEPTH};

const ANY: Parameter = Parameter::Any;
const STRING: Parameter = Parameter::String;

/// The functions of this file.
pub(crate) const TABLE: &[Function] = &[
    Function::new("fromJson", &[STRING], |context, a| or_nil(read(context, text(a, 0)))),
    Function::new("mustFromJson", &[STRING], |context, a| read(context, text(a, 0))),
    Function::new("toJson", &[ANY], |context, a| or_empty(write(context, &a[0], Style::Compact))),
    Function::new("mustToJson", &[ANY], |context, a| write(context, &a[0], Style::Compact)),
    Function::new("toPrettyJson", &[ANY], |context, a| or_empty(write(context, &a[0], Style::Pretty))),
    Function::new("mustToPrettyJson", &[ANY], |context, a| write(context, &a[0], Style::Pretty)),
    Function::new("toRawJson", &[ANY], |context, a| or_empty(write(context, &a[0], Style::Raw))),
    Function::new("mustToRawJson", &[ANY], |context, a| write(context, &a[0], Style::Raw)),
];

/// What sprig's functions without `must` make of an error, a limit being none.
fn or_nil(result: Result<Value, Failure>) -> Result<Value, Failure> {
    match result {
        Err(Failure::Call(_)) => Ok(Value::Nil),
        other => other,
    }
}

fn or_empty(result: Result<Value, Failure>) -> Result<Value, Failure> {
    match result {
        Err(Failure::Call(_)) => Ok(Value::string("")),
        other => other,
    }
}

fn read(context: &Context, text: &str) -> Result<Value, Failure> {
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(value) => convert(context, value),
        Err(error) if error.is_eof() => Err(Failure::call("unexpected end of JSON input")),
        Err(error) => {
            let line = text.split('\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
            let found = line.get(error.column().saturating_sub(1)..).and_then(|rest| rest.chars().next());
            Err(Failure::Call(match found {
                Some(c) => format!("invalid character '{c}' looking for beginning of value"),
                None => "invalid JSON".to_owned(),
            }))
        }
    }
}

/// Numbers become floats and objects dictionaries, as Go does it.
fn convert(context: &Context, value: serde_json::Value) -> Result<Value, Failure> {
    Ok(match value {
        serde_json::Value::Null => Value::Nil,
        serde_json::Value::Bool(flag) => Value::Bool(flag),
        serde_json::Value::Number(number) => Value::Float(number.as_f64().unwrap_or_default()),
        serde_json::Value::String(text) => return context.string(text),
        serde_json::Value::Array(items) => {
            let items: Result<Vec<_>, _> = items.into_iter().map(|item| convert(context, item)).collect();
            return context.list(items?);
        }
        serde_json::Value::Object(object) => {
            let entries: Result<Entries, Failure> =
                object.into_iter().map(|(key, value)| Ok((key.into(), convert(context, value)?))).collect();
            return context.dict(entries?);
        }
    })
}

/// How JSON is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    /// Without white space, and with `<`, `>` and `&` escaped.
    Compact,
    /// Indented by two spaces; escaped too.
    Pretty,
    /// Without white space and without that escaping.
    Raw,
}

/// Writes a value; the first failure ends it.
fn write(context: &Context, value: &Value, style: Style) -> Result<Value, Failure> {
    let failure = Cell::new(None);
    let mut out = Output { context, failure: &failure, bytes: Vec::new() };
    let document = Document { value, depth: 0, failure: &failure };
    let written = match style {
        Style::Pretty => document.serialize(&mut Serializer::pretty(&mut out)),
        Style::Compact | Style::Raw => document.serialize(&mut Serializer::new(&mut out)),
    };
    let bytes = out.bytes;
    if let Err(error) = written {
        return Err(failure.take().unwrap_or_else(|| Failure::Call(error.to_string())));
    }
    let mut text = String::from_utf8(bytes).map_err(|error| Failure::Call(error.to_string()))?;
    // These stand in strings alone.
    let escaped: &[char] = if style == Style::Raw { &LINE_ENDS } else { &['<', '>', '&', LINE_ENDS[0], LINE_ENDS[1]] };
    for c in escaped.iter().filter(|c| text.contains(**c)).copied().collect::<Vec<_>>() {
        text = text.replace(c, &format!("\\u{:04x}", u32::from(c)));
    }
    context.string(text)
}

/// The line ends that JavaScript does not take in a string, for which Go always escapes them.
const LINE_ENDS: [char; 2] = ['\u{2028}', '\u{2029}'];

/// What is written, paid for from the budget of the rendering.
struct Output<'c> {
    context: &'c Context,
    failure: &'c Cell<Option<Failure>>,
    bytes: Vec<u8>,
}

impl io::Write for Output<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        let spent = self.context.spend_bytes(bytes.len());
        let fits = if self.bytes.len() > MAX_OUTPUT { self.context.check_length(self.bytes.len()) } else { Ok(()) };
        spent.and(fits).map(|()| bytes.len()).map_err(|failure| {
            self.failure.set(Some(failure));
            io::ErrorKind::Other.into()
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A value as JSON. A [`Failure`] that is none of JSON's own is put aside, because `serde_json` knows texts alone.
struct Document<'v> {
    value: &'v Value,
    depth: usize,
    failure: &'v Cell<Option<Failure>>,
}

impl Document<'_> {
    fn inner<'v>(&'v self, value: &'v Value) -> Document<'v> {
        Document { value, depth: self.depth + 1, failure: self.failure }
    }

    fn fail<E: ser::Error>(&self, failure: Failure) -> E {
        self.failure.set(Some(failure));
        E::custom("")
    }
}

impl Serialize for Document<'_> {
    fn serialize<S: ser::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if self.depth > MAX_VALUE_DEPTH {
            return Err(self.fail(too_deep()));
        }
        match self.value {
            Value::Nil => to.serialize_unit(),
            Value::Bool(flag) => to.serialize_bool(*flag),
            Value::Int(kind, bits) if kind.is_signed() => to.serialize_i64(*bits),
            Value::Int(_, bits) => to.serialize_u64(bits.cast_unsigned()),
            Value::Float(number) => match float(*number) {
                Ok(number) => number.serialize(to),
                Err(failure) => Err(self.fail(failure)),
            },
            Value::String(text) => to.serialize_str(text),
            Value::List(list) if list.nil => to.serialize_unit(),
            Value::List(list) => to.collect_seq(list.items.iter().map(|item| self.inner(item))),
            Value::Map(map) if map.key_type != "string" => {
                Err(self.fail(Failure::Call(format!("json: unsupported type: {}", map.type_name))))
            }
            Value::Map(map) if map.nil => to.serialize_unit(),
            Value::Map(map) => {
                let members = map.entries().iter();
                to.collect_map(members.map(|(key, value)| (key.as_str().unwrap_or_default(), self.inner(value))))
            }
            Value::Dict(dict) => to.collect_map(dict.entries().iter().map(|(key, value)| (&**key, self.inner(value)))),
            Value::Struct(inner) if inner.kind.fields.is_empty() => {
                // Types without exported fields write their text: versions, and times in RFC 3339.
                let text = inner.hidden.first().and_then(Value::as_str).map(str::to_owned);
                to.serialize_str(&text.or_else(|| inner.text()).unwrap_or_default())
            }
            Value::Struct(inner) => {
                let mut members = Vec::new();
                collect_members(inner, &mut members);
                to.collect_map(members.iter().map(|(key, value)| (*key, self.inner(value))))
            }
        }
    }
}

/// A float in Go's notation, which has an exponent for what is very large or very small.
fn float(number: f64) -> Result<Box<RawValue>, Failure> {
    let size = number.abs();
    let style = if size != 0.0 && !(1e-6..1e21).contains(&size) { 'e' } else { 'f' };
    let sign = if number.is_sign_negative() { "-" } else { "" };
    // Go writes e-9, not e-09.
    let text = format!("{sign}{}", notation(size, style, None).replace("e-0", "e-"));
    RawValue::from_string(text).map_err(|_| {
        let shown = match number {
            f64::INFINITY => "+Inf",
            f64::NEG_INFINITY => "-Inf",
            _ => "NaN",
        };
        Failure::Call(format!("json: unsupported value: {shown}"))
    })
}

/// The members of a struct's JSON object; those of embedded structs are its own.
fn collect_members(value: &Struct, members: &mut Vec<(&'static str, Value)>) {
    for (field, value) in value.kind.fields.iter().zip(&value.fields) {
        match value {
            Value::Struct(inner) if field.embedded => collect_members(inner, members),
            value if field.omit_empty && !value.is_true() => {}
            value => members.push((field.json, value.clone())),
        }
    }
}
