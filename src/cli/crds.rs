//! `tagwright crds`: what an API server has to know of the native configuration.

use super::{Ending, streams};
use crate::failure::Result;

/// Made of the JSON Schema, and held against it, by `tests/fields`.
const DEFINITION: &str = include_str!("../../docs/schema/imageautomation.crd.yaml");

pub(super) const EXAMPLES: &str = "\
Examples:
  tagwright crds > crds.yaml";

/// Prints the definition.
pub(super) fn run() -> Result<Ending> {
    streams::data(DEFINITION)?;
    Ok(Ending::Done)
}
