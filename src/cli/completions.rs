//! `tagwright completions`: a shell's completion script.

use clap_complete::Shell;

use super::{Ending, streams};
use crate::failure::Result;

const EXAMPLES: &str = "\
Examples:
  tagwright completions bash > ~/.local/share/bash-completion/completions/tagwright
  tagwright completions zsh > ~/.zfunc/_tagwright
  tagwright completions fish > ~/.config/fish/completions/tagwright.fish";

/// Print a shell's completion script.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(arguments: &Arguments) -> Result<Ending> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut super::help::command(), "tagwright", &mut script);
    streams::data(&String::from_utf8(script)?)?;
    Ok(Ending::Done)
}
