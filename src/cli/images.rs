//! `tagwright images`: what Git references, for the clean-up of registries.

mod rules;

use std::path::PathBuf;

use tagwright_core::automation::Automation;

use super::{Ending, run as runs, streams};
use crate::config;
use crate::failure::{Context, Failure, Result};
use crate::observe::{self, InUse};
use crate::report;
use crate::run;
use crate::wire::images::{COMMITS, Images, MAX_COMMITS};

const EXAMPLES: &str = "\
Examples:
  tagwright images --config policies
  tagwright images --commits 200 > in-use.txt
  tagwright images --now --output json
  tagwright images --registry registry.example.com --output harbor";

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
        value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=MAX_COMMITS as u64)
    )]
    commits: usize,
    /// Only what the newest commits reference
    #[arg(long)]
    now: bool,
    /// Only images of this registry, such as registry.example.com or registry.example.com:5000
    #[arg(long, value_name = "HOST")]
    registry: Option<String>,
    /// What to print on stdout. Rules are for one --registry, and keep nothing else
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
    /// Tag retention rules of Harbor, one policy for each project.
    Harbor,
    /// name_regex_keep of GitLab's cleanup policies, for each image.
    Gitlab,
    /// keepTags of zot's configuration.
    Zot,
}

impl Output {
    fn rules(self) -> Option<rules::Format> {
        match self {
            Self::Text | Self::Json => None,
            Self::Harbor => Some(rules::Format::Harbor),
            Self::Gitlab => Some(rules::Format::GitLab),
            Self::Zot => Some(rules::Format::Zot),
        }
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<Ending> {
    let wanted = match (arguments.output.rules(), &arguments.registry) {
        (Some(_), None) => {
            let hint = "name it: --registry registry.example.com";
            return Err(Failure::usage("rules are for one registry, and none is named", hint));
        }
        (Some(format), Some(registry)) => Some((format, registry)),
        (None, _) => None,
    };
    let sources = config::Sources {
        paths: arguments.config.clone(),
        secrets: arguments.secrets.clone(),
        ..config::Sources::default()
    };
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
    let mut found = super::runtime()?.block_on(async {
        let git = git::Git::new(runs::git_settings(folder, None))?;
        run::name_remotes(&git, &configuration.automations);
        Ok::<_, Failure>(Box::pin(observe::in_use(&git, &configuration.automations, commits)).await)
    })?;
    if let Some(registry) = &arguments.registry {
        found.images.retain(|(image, ..), _| image.split_once('/').is_some_and(|(host, _)| host == registry));
    }
    for error in &found.failures {
        streams::talk(&report::failure_of_run("", error));
    }
    for (url, branch) in &found.cut {
        streams::sentence("warning", &observe::lacks_older(url, branch));
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
    match (arguments.output, wanted) {
        (_, Some((format, registry))) => match rules::rules(&found, registry, format) {
            Ok(rules) => streams::json(&rules)?,
            Err(refused) => {
                streams::sentence("error", &refused.to_string());
                return Ok(worst.map_or(Ending::No, Ending::Failed));
            }
        },
        (Output::Json, None) => streams::json(&Images::from(found))?,
        (_, None) => streams::data(&text(&found))?,
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
    format!(
        "{} referenced, {now} of them now, in {} that {} read",
        words::plural(found.images.len(), "image"),
        words::plural(found.commits, "commit"),
        words::plural(automations.len(), "automation"),
    )
}
