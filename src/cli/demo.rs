//! `tagwright demo`: the whole job on an embedded registry and Git remotes made on the spot.
//!
//! Nothing is simulated but the content: the registry is asked over HTTP, the remotes are real bare repositories behind
//! git's own protocol, and the run is the very one of `run --once`, with a registry mirror and git's `insteadOf` leading
//! the names of the configuration to this machine.

mod registry;
mod world;

use std::path::{Path, PathBuf};

use super::{Ending, streams};
use crate::failure::{Context, Failure, Result};
use crate::report::{self, Style, diff};
use crate::run::{Mode, Outcome, Report};

const EXAMPLES: &str = "\
Examples:
  tagwright demo
  tagwright demo --keep ./demo";

/// Do the whole job on an embedded registry and Git remote.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Leave everything in this new or empty directory to explore
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Ending> {
    let temporary;
    let directory = match &arguments.keep {
        Some(directory) => kept(directory)?,
        None => {
            temporary = tempfile::tempdir().context("cannot make a temporary directory")?;
            temporary.path().to_owned()
        }
    };
    let world = world::World::build(&directory)?;
    let runtime = super::runtime()?;
    let (first, second) = runtime.block_on(async {
        let registry = registry::serve(world.tags.clone()).await?;
        let settings = world.settings(registry);
        let first = super::run::execute(&settings, Mode::Push).await?;
        let second = super::run::execute(&settings, Mode::Push).await?;
        Ok::<_, Failure>((first, second))
    })?;
    streams::files(&story(&first, &second, &world, arguments.keep.is_some().then_some(directory.as_path())))?;
    Ok(match first.worst().max(second.worst()) {
        Some(kind) => Ending::Failed(kind),
        None => Ending::Done,
    })
}

/// Makes the directory; one with something in it is refused, so that nothing of the user's is overwritten.
fn kept(directory: &Path) -> Result<PathBuf> {
    let failed = || format!("cannot use {}", directory.display());
    if directory.exists() && !directory.is_dir() {
        return Err(Failure::usage(format!("{} is not a directory", directory.display()), "name a new directory"));
    }
    std::fs::create_dir_all(directory).with_context(failed)?;
    if std::fs::read_dir(directory).with_context(failed)?.next().is_some() {
        return Err(Failure::usage(format!("{} is not empty", directory.display()), "name a new directory"));
    }
    directory.canonicalize().with_context(failed)
}

fn story(first: &Report, second: &Report, world: &world::World, keep: Option<&Path>) -> String {
    let mut text = String::from("Polled\n");
    text.push_str(&indented(&report::policies(&first.policies)));
    for automation in &first.automations {
        text.push_str(&format!("\nAutomation {}\n", automation.id));
        automation.commits().for_each(|edits| text.push_str(&diff::unified(edits)));
        match &automation.outcome {
            Outcome::Pushed { commit, .. } => {
                text.push_str(&format!("\ncommit {commit} on {} of {}\n\n", automation.branch, automation.url));
                text.push_str(&indented(&automation.message));
            }
            Outcome::Failed(error) => text.push_str(&format!("failed: {}\n", error.chain())),
            other => text.push_str(&format!("{}\n", other.as_str())),
        }
    }
    text.push_str("\nRun again\n");
    text.push_str(&indented(&report::automations(second, Style::Plain)));
    text.push_str("\nWhere to look\n");
    text.push_str(&indented(&where_to_look(world, keep)));
    text
}

fn where_to_look(world: &world::World, keep: Option<&Path>) -> String {
    let Some(keep) = keep else {
        return "tagwright demo --keep DIR leaves the configuration, the Git remotes and the mirrors in DIR\n"
            .to_owned();
    };
    let mut text = format!("{}\n", keep.join("policies").display());
    for remote in &world.remotes {
        text.push_str(&format!("git --git-dir {} log --patch {}\n", remote.path.display(), remote.branch));
    }
    text
}

fn indented(text: &str) -> String {
    text.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("  {line}\n") }).collect()
}
