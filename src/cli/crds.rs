//! `tagwright crds`: what an API server has to know of the native configuration.

use super::{Ending, streams};
use crate::failure::Result;

/// Made of the JSON Schema, and held against it, by `tests/fields`.
const DEFINITIONS: [&str; 3] = [
    include_str!("../../docs/schema/imageautomation.crd.yaml"),
    include_str!("../../docs/schema/receiver.crd.yaml"),
    include_str!("../../docs/schema/notification.crd.yaml"),
];

pub(super) const EXAMPLES: &str = "\
Examples:
  tagwright crds > crds.yaml";

/// Prints the definitions.
pub(super) fn run() -> Result<Ending> {
    streams::data(&DEFINITIONS.join("---\n"))?;
    Ok(Ending::Done)
}
