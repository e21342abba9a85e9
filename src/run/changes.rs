//! Changes in words.

use tagwright_core::change::Change;

/// How many changes of a commit one line of the log names.
const MAX_NAMED: usize = 10;

/// Writes a change on one line: `file:line: old -> new (policy)`.
#[must_use]
pub(crate) fn change(change: &Change) -> String {
    let Change { file, line, old, new, setter, .. } = change;
    format!("{}:{line}: {} -> {} ({setter})", words::escape(file), quoted(old), quoted(new))
}

/// Writes changes on one line, the first of them where they are many.
#[must_use]
pub(crate) fn summary<'c>(changes: impl IntoIterator<Item = &'c Change>) -> String {
    let mut changes = changes.into_iter();
    let mut named: Vec<String> = changes.by_ref().take(MAX_NAMED).map(change).collect();
    let more = changes.count();
    if more > 0 {
        named.push(format!("and {more} more"));
    }
    named.join("; ")
}

/// A value as one word: quoted and escaped where it is empty, has white space, or has characters that are not seen.
pub(crate) fn quoted(value: &str) -> String {
    let plain = !value.is_empty() && !value.contains(char::is_whitespace) && words::is_harmless(value);
    if plain { value.to_owned() } else { format!("\"{}\"", value.escape_debug()) }
}
