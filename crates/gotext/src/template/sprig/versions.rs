//! Functions on semantic versions, as Masterminds reads them (see [`crate::version`]).
//!
//! A version is a struct with methods and without fields; methods read it anew from its canonical text.

use std::cmp::Ordering;
use std::rc::Rc;

use crate::template::context::{Context, Failure};
use crate::template::function::{Function, text};
use crate::template::value::{IntKind, Method, MethodError, Parameter, Struct, StructType, Value};
use crate::version::{Range, Version};

const STRING: Parameter = Parameter::String;
const VERSION: Parameter = Parameter::Struct("*semver.Version");

/// The functions of this file.
pub(crate) const TABLE: &[Function] = &[
    Function::new("semver", &[STRING], |_, a| {
        let version = Version::parse(text(a, 0)).map_err(|error| Failure::Call(error.to_string()))?;
        Ok(value(&version))
    }),
    Function::new("semverCompare", &[STRING, STRING], compare),
];

fn compare(_: &Context, arguments: &[Value]) -> Result<Value, Failure> {
    let range = Range::parse(text(arguments, 0)).map_err(|error| Failure::Call(error.to_string()))?;
    let version = Version::parse(text(arguments, 1)).map_err(|error| Failure::Call(error.to_string()))?;
    Ok(Value::Bool(range.matches(&version)))
}

/// Go's `*semver.Version`. Hidden: its canonical text and the text it was read from.
static TYPE: StructType = StructType {
    name: "*semver.Version",
    fields: &[],
    methods: &[
        Method::new("String", &[], |this, _| Ok(Value::from(canonical(this)))),
        Method::new("Original", &[], |this, _| Ok(this.hidden.get(1).cloned().unwrap_or_default())),
        Method::new("Major", &[], |this, _| on_version(this, |v| number(v.major))),
        Method::new("Minor", &[], |this, _| on_version(this, |v| number(v.minor))),
        Method::new("Patch", &[], |this, _| on_version(this, |v| number(v.patch))),
        Method::new("Prerelease", &[], |this, _| on_version(this, |v| v.prerelease().into())),
        Method::new("Metadata", &[], |this, _| on_version(this, |v| v.metadata().into())),
        Method::new("IncMajor", &[], |this, _| increment(this, Level::Major)),
        Method::new("IncMinor", &[], |this, _| increment(this, Level::Minor)),
        Method::new("IncPatch", &[], |this, _| increment(this, Level::Patch)),
        Method::new("Compare", &[VERSION], |this, a| ordered(this, a, |order| Value::int(order as i64))),
        Method::new("Equal", &[VERSION], |this, a| ordered(this, a, |order| order.is_eq().into())),
        Method::new("GreaterThan", &[VERSION], |this, a| ordered(this, a, |order| order.is_gt().into())),
        Method::new("LessThan", &[VERSION], |this, a| ordered(this, a, |order| order.is_lt().into())),
        Method::new("GreaterThanEqual", &[VERSION], |this, a| ordered(this, a, |order| order.is_ge().into())),
        Method::new("LessThanEqual", &[VERSION], |this, a| ordered(this, a, |order| order.is_le().into())),
    ],
    text: Some(canonical),
};

fn value(version: &Version) -> Value {
    let hidden = vec![Value::from(version.to_string()), Value::string(version.original())];
    Value::Struct(Rc::new(Struct { kind: &TYPE, fields: Vec::new(), hidden }))
}

fn canonical(value: &Struct) -> String {
    value.hidden.first().and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn number(value: u64) -> Value {
    Value::Int(IntKind::Uint64, value.cast_signed())
}

fn on_version(this: &Struct, read: impl Fn(&Version) -> Value) -> Result<Value, MethodError> {
    let version = Version::parse(&canonical(this)).map_err(|error| MethodError::Failed(error.to_string()))?;
    Ok(read(&version))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Major,
    Minor,
    Patch,
}

/// The next version at a level; a pre-release's next patch is the release itself.
fn increment(this: &Struct, level: Level) -> Result<Value, MethodError> {
    on_version(this, |version| {
        let Version { major, minor, patch, .. } = *version;
        let text = match level {
            Level::Major => format!("{}.0.0", major.saturating_add(1)),
            Level::Minor => format!("{major}.{}.0", minor.saturating_add(1)),
            Level::Patch if version.prerelease().is_empty() => format!("{major}.{minor}.{}", patch.saturating_add(1)),
            Level::Patch => format!("{major}.{minor}.{patch}"),
        };
        Version::parse(&text).map_or(Value::Nil, |version| value(&version))
    })
}

fn ordered(this: &Struct, arguments: &[Value], answer: fn(Ordering) -> Value) -> Result<Value, MethodError> {
    let Some(Value::Struct(other)) = arguments.first() else {
        return Err(MethodError::Failed("runtime error: invalid memory address or nil pointer dereference".to_owned()));
    };
    let other = Version::parse(&canonical(other)).map_err(|error| MethodError::Failed(error.to_string()))?;
    on_version(this, |version| answer(version.cmp_precedence(&other)))
}
