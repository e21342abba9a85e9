//! Functions with regular expressions, in Go's dialect (see [`crate::pattern`]).

use std::rc::Rc;

use crate::pattern::Pattern;
use crate::quote::{backquote, quote};
use crate::template::context::{Context, Failure};
use crate::template::function::{Function, int, text};
use crate::template::value::{List, Parameter, STRINGS, Value};

const INT: Parameter = Parameter::Int;
const STRING: Parameter = Parameter::String;

/// The functions of this file.
pub(crate) const TABLE: &[Function] = &[
    Function::new("regexMatch", &[STRING, STRING], |context, a| match compile(context, a, On::MustError) {
        Ok(pattern) => Ok(Value::Bool(pattern.is_match(text(a, 1)))),
        Err(Failure::Call(_)) => Ok(Value::Bool(false)),
        Err(other) => Err(other),
    }),
    Function::new("mustRegexMatch", &[STRING, STRING], |context, a| {
        Ok(Value::Bool(compile(context, a, On::MustError)?.is_match(text(a, 1))))
    }),
    Function::new("regexFind", &[STRING, STRING], |context, a| find(context, a, On::Panic)),
    Function::new("mustRegexFind", &[STRING, STRING], |context, a| find(context, a, On::MustError)),
    Function::new("regexFindAll", &[STRING, STRING, INT], |context, a| find_all(context, a, On::Panic)),
    Function::new("mustRegexFindAll", &[STRING, STRING, INT], |context, a| find_all(context, a, On::MustError)),
    Function::new("regexReplaceAll", &[STRING, STRING, STRING], |context, a| replace(context, a, On::Panic)),
    Function::new("mustRegexReplaceAll", &[STRING, STRING, STRING], |context, a| replace(context, a, On::MustError)),
    Function::new("regexReplaceAllLiteral", &[STRING, STRING, STRING], |context, a| literal(context, a, On::Panic)),
    Function::new("mustRegexReplaceAllLiteral", &[STRING, STRING, STRING], |context, a| {
        literal(context, a, On::MustError)
    }),
    Function::new("regexSplit", &[STRING, STRING, INT], |context, a| split(context, a, On::Panic)),
    Function::new("mustRegexSplit", &[STRING, STRING, INT], |context, a| split(context, a, On::MustError)),
    Function::new("regexQuoteMeta", &[STRING], |context, a| context.string(quote_meta(text(a, 0)))),
];

/// How an invalid expression is reported.
#[derive(Clone, Copy, PartialEq, Eq)]
enum On {
    /// As the error of Go's `Compile`.
    MustError,
    /// As the panic of Go's `MustCompile`, which names the expression once more.
    Panic,
}

/// Compiles the first argument; the second is what it will be used on.
fn compile(context: &Context, arguments: &[Value], on: On) -> Result<Rc<Pattern>, Failure> {
    let expression = text(arguments, 0);
    context.pattern(expression, text(arguments, 1).len()).map_err(|failure| match failure {
        Failure::Call(detail) if on == On::Panic => {
            let quoted = backquote(expression).unwrap_or_else(|| quote(expression));
            Failure::Call(format!("regexp: Compile({quoted}): {detail}"))
        }
        other => other,
    })
}

fn find(context: &Context, arguments: &[Value], on: On) -> Result<Value, Failure> {
    let pattern = compile(context, arguments, on)?;
    context.string(pattern.regex().find(text(arguments, 1)).map_or("", |found| found.as_str()))
}

fn find_all(context: &Context, arguments: &[Value], on: On) -> Result<Value, Failure> {
    let pattern = compile(context, arguments, on)?;
    let limit = usize::try_from(int(arguments, 2)).unwrap_or(usize::MAX);
    let mut found = Vec::new();
    for matched in pattern.regex().find_iter(text(arguments, 1)).take(limit) {
        found.push(context.string(matched.as_str())?);
    }
    if found.is_empty() {
        return Ok(Value::List(Rc::new(List::nil(STRINGS))));
    }
    context.typed_list(STRINGS, found)
}

/// Puts a replacement in the place of every match.
fn replace_with(
    context: &Context,
    text: &str,
    matches: impl Iterator<Item = (std::ops::Range<usize>, String)>,
) -> Result<Value, Failure> {
    let mut out = String::new();
    let mut copied = 0;
    for (found, replacement) in matches {
        context.check_length(out.len() + (found.start - copied) + replacement.len())?;
        out.push_str(&text[copied..found.start]);
        out.push_str(&replacement);
        copied = found.end;
    }
    context.check_length(out.len() + text.len() - copied)?;
    out.push_str(&text[copied..]);
    context.string(out)
}

fn replace(context: &Context, arguments: &[Value], on: On) -> Result<Value, Failure> {
    let pattern = compile(context, arguments, on)?;
    let source = text(arguments, 1);
    let replacement = pattern.replacement(text(arguments, 2));
    let matches = pattern.regex().captures_iter(source);
    let matches = matches.filter_map(|captures| Some((captures.get(0)?.range(), replacement.expanded(&captures))));
    replace_with(context, source, matches)
}

fn literal(context: &Context, arguments: &[Value], on: On) -> Result<Value, Failure> {
    let pattern = compile(context, arguments, on)?;
    let (source, replacement) = (text(arguments, 1), text(arguments, 2));
    let matches = pattern.regex().find_iter(source).map(|found| (found.range(), replacement.to_owned()));
    replace_with(context, source, matches)
}

/// Go's `Regexp.Split`: an empty match at the start cuts nothing off.
fn split(context: &Context, arguments: &[Value], on: On) -> Result<Value, Failure> {
    let pattern = compile(context, arguments, on)?;
    let (source, limit) = (text(arguments, 1), int(arguments, 2));
    if limit == 0 {
        return Ok(Value::List(Rc::new(List::nil(STRINGS))));
    }
    if !text(arguments, 0).is_empty() && source.is_empty() {
        return context.strings([""]);
    }
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut parts = Vec::new();
    let (mut begin, mut end) = (0, 0);
    for found in pattern.regex().find_iter(source) {
        if parts.len() + 1 >= limit {
            break;
        }
        end = found.start();
        if found.end() != 0 {
            parts.push(context.string(&source[begin..end])?);
        }
        begin = found.end();
    }
    if end != source.len() {
        parts.push(context.string(&source[begin..])?);
    }
    context.typed_list(STRINGS, parts)
}

fn quote_meta(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if "\\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
