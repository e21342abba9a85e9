//! What forges want numbers for, and people have names for.

use serde_json::Value;
use web::words::one_line;

use super::Forge;
use super::error::Error;
use super::exchange::Question;

/// How much of a name is repeated in a message, in characters.
const MAX_NAME: usize = 60;
/// The colour of labels that are made.
pub(crate) const COLOUR: &str = "#0075ca";

/// Someone whom a forge does not know.
pub(crate) fn unknown(forge: &Forge<'_>, what: &'static str, name: &str) -> Error {
    Error::Unknown { url: forge.place().api().to_string(), what, name: one_line(name, MAX_NAME) }
}

/// The numbers of users, each found by a question of its own.
pub(crate) async fn numbers(
    forge: &Forge<'_>,
    names: &[String],
    question: impl Fn(&str) -> Question,
    number: impl Fn(&Value) -> Option<Value>,
) -> Result<Vec<Value>, Error> {
    let mut numbers = Vec::with_capacity(names.len());
    for name in names {
        let answer = forge.ask(question(name)).await?;
        let found = answer.items().first().and_then(&number);
        numbers.push(found.ok_or_else(|| unknown(forge, "user", name))?);
    }
    Ok(numbers)
}
