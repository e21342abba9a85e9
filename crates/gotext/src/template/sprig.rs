//! Sprig 3.3's functions, as Flux offers them: those that give the same result for the same arguments.
//!
//! A function with a second name that starts with `must` fails where the one without gives a zero; where both fail alike,
//! because sprig's panics and its errors are one thing to a template, they are one row under two names. Arguments come
//! in sprig's order, the one that a pipeline hands over last.

mod dates;
mod decimal;
mod dicts;
mod encoding;
mod json;
mod layout;
mod lists;
mod numbers;
mod paths;
mod patterns;
mod text;
mod urls;
mod values;
mod versions;
mod words;

use crate::template::context::{Context, Failure};
use crate::template::format::display;
use crate::template::function::Function;
use crate::template::value::Value;

/// All functions, by subject.
pub(crate) const TABLES: &[&[Function]] = &[
    text::TABLE,
    words::TABLE,
    lists::TABLE,
    dicts::TABLE,
    values::TABLE,
    numbers::TABLE,
    json::TABLE,
    encoding::TABLE,
    paths::TABLE,
    urls::TABLE,
    dates::TABLE,
    patterns::TABLE,
    versions::TABLE,
];

/// Sprig's functions that Flux takes out, because they look at the clock, the environment, the network or chance.
const REMOVED_BY_FLUX: &[&str] = &[
    "date",
    "date_in_zone",
    "date_modify",
    "now",
    "htmlDate",
    "htmlDateInZone",
    "dateInZone",
    "dateModify",
    "randAlphaNum",
    "randAlpha",
    "randAscii",
    "randNumeric",
    "randBytes",
    "uuidv4",
    "env",
    "expandenv",
    "getHostByName",
];

/// Sprig's functions that Flux keeps and this engine does not have.
const LEFT_OUT: &[&str] = &[
    "ago",
    "bcrypt",
    "buildCustomCert",
    "decryptAES",
    "derivePassword",
    "encryptAES",
    "genCA",
    "genCAWithKey",
    "genPrivateKey",
    "genSelfSignedCert",
    "genSelfSignedCertWithKey",
    "genSignedCert",
    "genSignedCertWithKey",
    "htpasswd",
    "randInt",
    "shuffle",
];

/// What to add to the message about an unknown function, and what to explain beyond it.
pub(crate) fn omission(name: &str) -> (&'static str, Option<&'static str>) {
    if REMOVED_BY_FLUX.contains(&name) {
        let hint = "left out on purpose, as in Flux: the same changes must always give the same commit message";
        return ("", Some(hint));
    }
    if LEFT_OUT.contains(&name) {
        let hint = "sprig has it, but keys, passwords and chance have no place in a commit message";
        return (": left out on purpose, so that the same changes always give the same message", Some(hint));
    }
    ("", None)
}

/// Sprig's `strval`: a value as text, a string as it is.
pub(crate) fn string_of(context: &Context, value: &Value) -> Result<String, Failure> {
    match value {
        Value::String(text) => {
            context.spend_bytes(text.len())?;
            Ok(text.to_string())
        }
        Value::Struct(inner) => inner.text().map_or_else(|| display(context, value), Ok),
        other => display(context, other),
    }
}

/// Sprig's `strslice`: the elements as text without nils, or the one value as text.
pub(crate) fn strings_of(context: &Context, value: &Value) -> Result<Vec<String>, Failure> {
    match value {
        Value::Nil => Ok(Vec::new()),
        Value::List(list) => {
            context.spend(1 + list.items.len() / 8)?;
            let items = list.items.iter().filter(|item| !matches!(item, Value::Nil));
            items.map(|item| string_of(context, item)).collect()
        }
        other => Ok(vec![string_of(context, other)?]),
    }
}
