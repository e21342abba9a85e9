//! `tagwright images`: what Git references, for the clean-up of registries.

use std::path::PathBuf;

use tagwright_core::automation::Automation;

use super::{Ending, run as runs, streams};
use crate::config;
use crate::failure::{Context, Failure, Result};
use crate::observe::{self, InUse};
use crate::report;
use crate::run;
use crate::wire::images::{Images, UsedImage};

/// How many commits of each branch are read when it is not said.
const COMMITS: usize = 50;

/// The most that can be asked for.
const MAX_COMMITS: u64 = 10_000;

const EXAMPLES: &str = "\
Examples:
  tagwright images --config policies
  tagwright images --commits 200 > in-use.txt
  tagwright images --now --output json";

/// List the images that Git references, now and in the commits before: what a registry's clean-up must not delete.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Configuration, whose remotes, branches and paths are read: a file or a folder; may be repeated [default: policies]
    #[arg(long, value_name = "PATH", env = "TAGWRIGHT_CONFIG", hide_env_values = true, default_value = "policies")]
    config: Vec<PathBuf>,
    /// Folder with secrets as files: NAMESPACE/NAME/KEY
    #[arg(long, value_name = "DIR", env = "TAGWRIGHT_SECRETS", hide_env_values = true)]
    secrets: Option<PathBuf>,
    /// Data folder of a bot, whose mirrors spare a fetch [default: a temporary one]
    #[arg(long, value_name = "DIR", env = "TAGWRIGHT_DATA_DIR", hide_env_values = true)]
    data_dir: Option<PathBuf>,
    /// How many commits of each branch, the newest first
    #[arg(
        long,
        value_name = "N",
        default_value_t = COMMITS,
        value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=MAX_COMMITS)
    )]
    commits: usize,
    /// Only what the newest commits reference
    #[arg(long)]
    now: bool,
    /// What to print on stdout
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t)]
    output: Output,
}

/// How the list looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Output {
    /// One reference a line.
    #[default]
    Text,
    /// One JSON document, with where each stands.
    Json,
}

pub(super) fn run(arguments: &Arguments) -> Result<Ending> {
    let sources =
        config::Sources { paths: arguments.config.clone(), secrets: arguments.secrets.clone(), calendars: Vec::new() };
    let configuration = config::load(&sources)?;
    if configuration.automations.is_empty() {
        return Err(Failure::usage("no automation is configured", "name the configuration with --config"));
    }
    let temporary;
    let folder = match &arguments.data_dir {
        Some(folder) => folder.clone(),
        None => {
            temporary = tempfile::tempdir().context("cannot make a temporary directory")?;
            temporary.path().to_owned()
        }
    };
    let commits = if arguments.now { 1 } else { arguments.commits };
    let found = super::runtime()?.block_on(async {
        let git = git::Git::new(runs::git_settings(folder, None))?;
        run::name_remotes(&git, &configuration.automations);
        Ok::<_, Failure>(Box::pin(observe::in_use(&git, &configuration.automations, commits)).await)
    })?;
    for error in &found.failures {
        streams::talk(&report::failure_of_run("", error));
    }
    for (url, branch) in &found.cut {
        streams::sentence("warning", &format!("{branch} of {url} has older commits that could not be fetched"));
    }
    let listed_not = match found.unknown {
        0 => None,
        1 => Some("1 tag stands apart from its image, or in a variable, and is not listed".to_owned()),
        count => Some(format!("{count} tags stand apart from their images, or in variables, and are not listed")),
    };
    if let Some(message) = listed_not {
        streams::sentence("note", &message);
    }
    streams::talk(&summary(&found, &configuration.automations));
    let worst = found.failures.iter().map(run::Error::kind).max();
    match arguments.output {
        Output::Json => streams::json(&Images::from(found))?,
        Output::Text => streams::data(&text(&found))?,
    }
    // A list that lacks something must not be taken for one of all that is in use.
    Ok(worst.map_or(Ending::Done, Ending::Failed))
}

fn text(found: &InUse) -> String {
    let line = |(image, tag, digest): &(String, String, String)| {
        let tag = if tag.is_empty() { String::new() } else { format!(":{tag}") };
        let digest = if digest.is_empty() { String::new() } else { format!("@{digest}") };
        format!("{image}{tag}{digest}\n")
    };
    found.images.keys().map(line).collect()
}

fn summary(found: &InUse, automations: &[std::sync::Arc<Automation>]) -> String {
    let now = found.images.values().filter(|used| used.now).count();
    let plural = |count: usize, noun: &str| if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") };
    format!(
        "{} referenced, {now} of them now, in {} that {} read",
        plural(found.images.len(), "image"),
        plural(found.commits, "commit"),
        plural(automations.len(), "automation"),
    )
}

impl From<InUse> for Images {
    fn from(found: InUse) -> Self {
        let image = |((image, tag, digest), used): ((String, String, String), observe::Use)| {
            let observe::Use { now, commit, time, remote, branch, file, line } = used;
            UsedImage { image, tag, digest, now, commit, time, remote, branch, file, line }
        };
        let (unknown, commits) = (found.unknown, found.commits);
        Self { images: found.images.into_iter().map(image).collect(), unknown, commits }
    }
}
