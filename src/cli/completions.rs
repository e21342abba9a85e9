//! `tagwright completions`: a shell's completion script.

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Ending, streams};
use crate::failure::Result;

/// Print a shell's completion script.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(arguments: &Arguments) -> Result<Ending> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut super::Arguments::command(), "tagwright", &mut script);
    streams::data(&String::from_utf8(script)?)?;
    Ok(Ending::Done)
}
