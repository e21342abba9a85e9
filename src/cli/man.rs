//! `tagwright man`: the manual pages, made from the same source as `--help`.

use std::path::PathBuf;

use super::{Ending, help, streams};
use crate::failure::{Context, Result};

const EXAMPLES: &str = "\
Examples:
  tagwright man > tagwright.1
  tagwright man --dir /usr/local/share/man/man1";

/// Print the manual page, or write those of all commands.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Write the page of every command into this folder, which is made if it is not there
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Ending> {
    let Some(folder) = &arguments.dir else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command()).render(&mut page)?;
        streams::data(&String::from_utf8(page)?)?;
        return Ok(Ending::Done);
    };
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    clap_mangen::generate_to(command(), folder)
        .with_context(|| format!("cannot write the manual pages into {}", folder.display()))?;
    Ok(Ending::Done)
}

/// `help` has no page: the others say what it says.
fn command() -> clap::Command {
    help::command().disable_help_subcommand(true)
}
