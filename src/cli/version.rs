//! `tagwright version`: which version this is.

use super::{Ending, Output, streams};
use crate::failure::Result;

const EXAMPLES: &str = "\
Examples:
  tagwright version
  tagwright version --output json";

/// Print the version.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// What to print on stdout
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(arguments: &Arguments) -> Result<Ending> {
    let version = env!("CARGO_PKG_VERSION");
    match arguments.output {
        Output::Json => streams::json(&serde_json::json!({ "version": version }))?,
        // As `--version` prints it.
        Output::Text => streams::text(&format!("tagwright {version}\n"))?,
    }
    Ok(Ending::Done)
}
