//! Functions on paths with slashes. The `os` names are the same, because Go's are on Linux.

use crate::template::context::{Context, Failure};
use crate::template::function::{Function, text};
use crate::template::value::{Parameter, Value};

const STRING: Parameter = Parameter::String;

/// The functions of this file.
pub(crate) const TABLE: &[Function] = &[
    Function::new("base osBase", &[STRING], |context, a| on_path(context, a, base)),
    Function::new("dir osDir", &[STRING], |context, a| on_path(context, a, directory)),
    Function::new("clean osClean", &[STRING], |context, a| on_path(context, a, clean)),
    Function::new("ext osExt", &[STRING], |context, a| on_path(context, a, extension)),
    Function::new("isAbs osIsAbs", &[STRING], |_, a| Ok(Value::Bool(text(a, 0).starts_with('/')))),
];

fn on_path(context: &Context, arguments: &[Value], path: fn(&str) -> String) -> Result<Value, Failure> {
    context.string(path(text(arguments, 0)))
}

fn base(path: &str) -> String {
    if path.is_empty() {
        return ".".to_owned();
    }
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() {
        return "/".to_owned();
    }
    trimmed.rsplit('/').next().unwrap_or_default().to_owned()
}

fn directory(path: &str) -> String {
    clean(path.rfind('/').map_or("", |slash| &path[..=slash]))
}

fn extension(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.rfind('.').map_or("", |dot| &name[dot..]).to_owned()
}

/// The shortest path that means the same, without looking at files.
fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    match (rooted, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => parts.join("/"),
    }
}
