//! JSON, as Go's package `encoding/json` reads and writes it.

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

fn write(context: &Context, value: &Value, style: Style) -> Result<Value, Failure> {
    let mut writer = Writer { context, style, out: String::new() };
    writer.value(value, 0)?;
    context.string(writer.out)
}

struct Writer<'c> {
    context: &'c Context,
    style: Style,
    out: String,
}

impl Writer<'_> {
    fn push(&mut self, text: &str) -> Result<(), Failure> {
        self.out.push_str(text);
        self.context.spend_bytes(text.len())?;
        if self.out.len() > MAX_OUTPUT { self.context.check_length(self.out.len()) } else { Ok(()) }
    }

    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Failure> {
        if depth > MAX_VALUE_DEPTH {
            return Err(too_deep());
        }
        match value {
            Value::Nil => self.push("null"),
            Value::Bool(flag) => self.push(if *flag { "true" } else { "false" }),
            Value::Int(kind, bits) => self.push(&kind.widen(*bits).to_string()),
            Value::Float(number) => self.float(*number),
            Value::String(text) => self.string(text),
            Value::List(list) if list.nil => self.push("null"),
            Value::List(list) => {
                self.sequence(['[', ']'], depth, list.items.iter(), |writer, item| writer.value(item, depth + 1))
            }
            Value::Map(map) if map.key_type != "string" => {
                Err(Failure::Call(format!("json: unsupported type: {}", map.type_name)))
            }
            Value::Map(map) if map.nil => self.push("null"),
            Value::Map(map) => self.sequence(['{', '}'], depth, map.entries().iter(), |writer, (key, value)| {
                writer.member(key.as_str().unwrap_or_default(), value, depth)
            }),
            Value::Dict(dict) => self.sequence(['{', '}'], depth, dict.entries().iter(), |writer, (key, value)| {
                writer.member(key, value, depth)
            }),
            Value::Struct(inner) => self.object(inner, depth),
        }
    }

    fn object(&mut self, value: &Struct, depth: usize) -> Result<(), Failure> {
        if value.kind.fields.is_empty() {
            // Types without exported fields write their text: versions, and times in RFC 3339.
            let text =
                value.hidden.first().and_then(Value::as_str).map_or_else(|| value.text(), |t| Some(t.to_owned()));
            return self.string(&text.unwrap_or_default());
        }
        let mut members = Vec::new();
        collect_members(value, &mut members);
        self.sequence(['{', '}'], depth, members.into_iter(), |writer, (key, value)| writer.member(key, &value, depth))
    }

    fn member(&mut self, key: &str, value: &Value, depth: usize) -> Result<(), Failure> {
        self.string(key)?;
        self.push(if self.style == Style::Pretty { ": " } else { ":" })?;
        self.value(value, depth + 1)
    }

    fn sequence<T>(
        &mut self,
        [open, close]: [char; 2],
        depth: usize,
        items: impl Iterator<Item = T>,
        mut write: impl FnMut(&mut Self, T) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.out.push(open);
        let mut any = false;
        for item in items {
            if any {
                self.push(",")?;
            }
            any = true;
            self.line(depth + 1)?;
            write(self, item)?;
        }
        if any {
            self.line(depth)?;
        }
        self.out.push(close);
        Ok(())
    }

    fn line(&mut self, depth: usize) -> Result<(), Failure> {
        if self.style != Style::Pretty {
            return Ok(());
        }
        self.push("\n")?;
        self.push(&"  ".repeat(depth))
    }

    fn float(&mut self, number: f64) -> Result<(), Failure> {
        if !number.is_finite() {
            let shown = if number.is_nan() {
                "NaN"
            } else if number > 0.0 {
                "+Inf"
            } else {
                "-Inf"
            };
            return Err(Failure::Call(format!("json: unsupported value: {shown}")));
        }
        let size = number.abs();
        let sign = if number.is_sign_negative() { "-" } else { "" };
        let style = if size != 0.0 && !(1e-6..1e21).contains(&size) { 'e' } else { 'f' };
        let text = notation(size, style, None);
        // Go writes e-9, not e-09.
        let text = text.replace("e-0", "e-");
        self.push(&format!("{sign}{text}"))
    }

    fn string(&mut self, text: &str) -> Result<(), Failure> {
        self.context.check_length(text.len())?;
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                '\x08' => self.out.push_str("\\b"),
                '\x0c' => self.out.push_str("\\f"),
                '<' | '>' | '&' if self.style != Style::Raw => self.escape(c),
                '\0'..='\x1f' | '\u{2028}' | '\u{2029}' => self.escape(c),
                c => self.out.push(c),
            }
        }
        self.push("\"")
    }

    fn escape(&mut self, c: char) {
        self.out.push_str(&format!("\\u{:04x}", u32::from(c)));
    }
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
