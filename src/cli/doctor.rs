//! `tagwright doctor`: tries what a bot needs, without changing anything: one line for each.

mod clock;
mod folder;
mod notifications;
mod registries;
mod remotes;

use std::path::PathBuf;

use super::run::{clients, registry_settings};
use super::{Ending, ImportArguments, Output, SourceArguments, at, streams};
use crate::config::{self, Configuration};
use crate::failure::{Failure, Kind, Result};
use crate::report;
use crate::wire::doctor::{Check, Examination, State};

const EXAMPLES: &str = "\
Examples:
  tagwright doctor
  tagwright doctor --config policies --data-dir /var/lib/tagwright
  tagwright doctor --output json";

/// Try what a bot needs, and change nothing: the configuration, the registries, the Git remotes with the right to push, the
/// clock, the data folder. Exits with 0 when all is well, with 1 when something fails, with 2 when the configuration is wrong.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(flatten)]
    given: SourceArguments,
    #[command(flatten)]
    also: ImportArguments,
    /// Data folder of the bot [default: the folder for state of the user]
    #[arg(long, value_name = "DIR", env = "TAGWRIGHT_DATA_DIR", hide_env_values = true)]
    data_dir: Option<PathBuf>,
    /// Ask the mirror at URL in place of the registry HOST; may be repeated
    #[arg(long, value_name = "HOST=URL")]
    registry_mirror: Vec<String>,
    /// What to print on stdout
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(arguments: &Arguments) -> Result<Ending> {
    // Wrong on the command line, and no finding.
    registry_settings(&arguments.registry_mirror)?;
    let folder = at::folder(arguments.data_dir.as_deref())?;
    let (first, configuration) = configuration(arguments);
    let mut lines = vec![first];
    super::runtime()?.block_on(async {
        if let Some(configuration) = &configuration {
            let settings = super::run::Settings {
                sources: config::Sources::default(),
                mirrors: arguments.registry_mirror.clone(),
                data_dir: None,
                git_configuration: None,
                broken_glass: None,
            };
            let (registry, git, _) = clients(&settings, folder.clone(), None)?;
            lines.extend(registries::look(&registry, configuration).await);
            lines.extend(remotes::look(&git, configuration).await);
            lines.extend(notifications::look(configuration).await);
            lines.push(clock::look(&arguments.registry_mirror, configuration).await);
        }
        lines.push(folder::look(&folder).await);
        Ok::<_, Failure>(())
    })?;
    match arguments.output {
        Output::Json => streams::json(&Examination { checks: &lines })?,
        Output::Text => streams::data(&report::doctor::lines(&lines, report::style(std::io::stdout())))?,
    }
    let failed = |line: &&Check| line.state == State::Failed;
    Ok(match lines.iter().find(failed) {
        None => Ending::Done,
        Some(first) if first.check == CONFIGURATION => Ending::Failed(Kind::Config),
        Some(_) => Ending::Failed(Kind::Denied),
    })
}

const CONFIGURATION: &str = "configuration";

/// What is wrong in it is shown as every command shows it; the line counts.
fn configuration(arguments: &Arguments) -> (Check, Option<Configuration>) {
    let sources = arguments.given.sources_with(&arguments.also);
    let paths: Vec<String> = sources.paths.iter().chain(&sources.imports).map(|path| streams::name(path)).collect();
    let subject = paths.join(", ");
    match config::load(&sources) {
        Ok(configuration) if configuration.automations.is_empty() && configuration.syncs.is_empty() => {
            let message = "no automation is configured; `tagwright mark` writes one".to_owned();
            (Check::new(State::Failed, CONFIGURATION, subject, message), None)
        }
        Ok(configuration) => {
            let policies = words::plural(configuration.policies.len(), "policy");
            let message = format!("{}, {policies}", words::plural(configuration.automations.len(), "automation"));
            (Check::new(State::Ok, CONFIGURATION, subject, message), Some(configuration))
        }
        Err(error) => {
            streams::styled(&Failure::from(error).render(report::style(std::io::stderr())));
            let missing =
                sources.paths.iter().chain(&sources.imports).find(|path| !streams::is_stdin(path) && !path.exists());
            let message = missing.map_or_else(
                || "it cannot be used as it is".to_owned(),
                |path| match paths.as_slice() {
                    [_] => "does not exist".to_owned(),
                    _ => format!("{} does not exist", path.display()),
                },
            );
            (Check::new(State::Failed, CONFIGURATION, subject, message), None)
        }
    }
}

/// A failure on one line, with what to do about it.
fn failed(check: &'static str, subject: impl Into<String>, failure: &Failure) -> Check {
    let hint = failure.hint().map_or_else(String::new, |hint| format!("; {hint}"));
    Check::new(State::Failed, check, subject, format!("{}{hint}", failure.line()))
}
