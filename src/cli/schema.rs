//! `tagwright schema`: the JSON Schema of the native configuration, for editors.

use super::{Ending, streams};
use crate::failure::Result;

/// Held against the reader of the configuration by `tests/fields`.
const SCHEMA: &str = include_str!("../../docs/schema/imageautomation.json");

pub(super) const EXAMPLES: &str = "\
Examples:
  tagwright schema > tagwright.schema.json";

/// Prints the schema.
pub(super) fn run() -> Result<Ending> {
    streams::data(SCHEMA)?;
    Ok(Ending::Done)
}
