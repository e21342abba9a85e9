//! `tagwright check`: what is wrong with the configuration and the markers of a repository.

mod diff;
mod directory;
mod remote;

use std::path::PathBuf;

use clap::ValueEnum;
use tagwright_core::automation::ObjectName;
use tagwright_core::change::{Code, Severity};
use tagwright_core::lint::{self, Finding, Rules, Usage, View};

use super::{Ending, streams};
use crate::config::{self, Configuration, Effect, Purpose, Sources};
use crate::failure::{Failure, Result};
use crate::report::check::{self, Entry};
use crate::report::{self, sarif};
use crate::wire::check::Check;

/// Where the configuration is when nothing is said.
const DEFAULT_CONFIG: &str = "policies";

const EXAMPLES: &str = "\
Examples:
  tagwright check
  tagwright check . --config policies --suggest
  tagwright check --remote --config policies
  tagwright check . --output sarif > findings.sarif
  tagwright check --diff-from origin/main --output markdown > comment.md";

/// Check the configuration and the markers of a repository; write nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The checkout of the repository, or one file of it [default: .]
    #[arg(conflicts_with = "remote")]
    directory: Option<PathBuf>,
    /// Check the remotes that the configuration names, as they are now
    #[arg(long)]
    remote: bool,
    /// Configuration: a file or a folder; may be repeated; `-` reads stdin [default: policies, if there is such a folder]
    #[arg(long, value_name = "PATH", env = "TAGWRIGHT_CONFIG", hide_env_values = true, value_delimiter = None)]
    config: Vec<PathBuf>,
    /// Folder with secrets as files: NAMESPACE/NAME/KEY
    #[arg(long, value_name = "DIR", env = "TAGWRIGHT_SECRETS", hide_env_values = true)]
    secrets: Option<PathBuf>,
    /// Folder for the Git mirrors of --remote, kept for the next time [default: a temporary folder]
    #[arg(long, value_name = "DIR", env = "TAGWRIGHT_DATA_DIR", hide_env_values = true)]
    data_dir: Option<PathBuf>,
    /// Also name the images that have no marker
    #[arg(long)]
    suggest: bool,
    /// Also name what the changes since this commit would have updated, by what registries list now
    #[arg(long, value_name = "REF", conflicts_with = "remote")]
    diff_from: Option<String>,
    /// What to print on stdout
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t)]
    output: Output,
}

/// The formats of the findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Output {
    /// Text for people.
    #[default]
    Text,
    /// One JSON document.
    Json,
    /// One SARIF 2.1.0 log, for code scanning.
    Sarif,
    /// Workflow commands of GitHub Actions.
    Github,
    /// A comment for a pull request.
    Markdown,
}

/// The files as they were read, and the findings in them.
#[derive(Default)]
struct Observed {
    entries: Vec<Entry>,
    usage: Usage,
    /// The extent to which the repository of each automation was seen.
    seen: Vec<(ObjectName, View)>,
    /// Paths of automations that do not exist.
    missing: Vec<(ObjectName, String)>,
    /// The number of files with markers.
    marked: usize,
    /// The worst failure to read a remote, which was reported.
    failed: Option<crate::run::Kind>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Ending> {
    let (configuration, mut observed) = if arguments.remote { remotes(arguments) } else { directory(arguments) }?;
    if let Some(configuration) = &configuration {
        let found = of_configuration(configuration, &observed);
        observed.entries.splice(..0, found.into_iter().map(|finding| Entry { remote: String::new(), finding }));
    }
    if let Some(revision) = &arguments.diff_from {
        let Some(configuration) = &configuration else {
            let hint = "name the configuration with --config";
            return Err(Failure::usage("there is no configuration that could update anything", hint));
        };
        let updates = diff::updates(arguments, revision, configuration)?;
        observed.entries.extend(updates.entries);
        observed.failed = observed.failed.max(updates.failed);
    }
    print(arguments, &observed)?;
    Ok(ending(&observed))
}

fn remotes(arguments: &Arguments) -> Result<(Option<Configuration>, Observed)> {
    let Some(configuration) = configuration(arguments)? else {
        let hint = "name the configuration with --config";
        return Err(Failure::usage("there is no configuration that names remotes", hint));
    };
    let observed = remote::observe(arguments, &configuration)?;
    Ok((Some(configuration), observed))
}

/// The configuration is read while the directory is searched.
fn directory(arguments: &Arguments) -> Result<(Option<Configuration>, Observed)> {
    let (configuration, found) = std::thread::scope(|scope| {
        let search = scope.spawn(|| directory::search(arguments));
        let configuration = configuration(arguments);
        (configuration, search.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    let configuration = configuration?;
    let observed = directory::observe(arguments, found?, configuration.as_ref());
    Ok((configuration, observed))
}

/// Where the configuration is; nowhere if nothing is said and there is no such folder.
fn config_paths(arguments: &Arguments) -> Vec<PathBuf> {
    match arguments.config.as_slice() {
        [] if PathBuf::from(DEFAULT_CONFIG).is_dir() => vec![PathBuf::from(DEFAULT_CONFIG)],
        given => given.to_vec(),
    }
}

fn configuration(arguments: &Arguments) -> Result<Option<Configuration>> {
    let paths = config_paths(arguments);
    if paths.is_empty() {
        streams::talk("note: no configuration is given (--config), so only the markers themselves are checked");
        return Ok(None);
    }
    // Whoever reads remotes needs the logins; whoever reads files does not.
    let purpose = if arguments.remote { Purpose::Run } else { Purpose::Files };
    let configuration = config::load_for(
        purpose,
        &Sources { paths: paths.clone(), secrets: arguments.secrets.clone(), ..Sources::default() },
    )?;
    super::tell_unchecked(&configuration);
    let has_work = !configuration.automations.is_empty() || !configuration.syncs.is_empty();
    if has_work || !configuration.policies.is_empty() {
        return Ok(Some(configuration));
    }
    let places = paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    let message = format!("there is no policy and no automation in {places}");
    if arguments.config.is_empty() {
        streams::sentence("note", &format!("{message}, so only the markers themselves are checked"));
        return Ok(None);
    }
    let hint = "write an ImageAutomation or Flux's documents, or let `tagwright mark` write the policies";
    Err(Failure::usage(message, hint))
}

/// The automations and policies that markers are held against.
fn rules(configuration: &Configuration) -> Rules<'_> {
    let Configuration { automations, policies, origins, .. } = configuration;
    Rules { automations, policies, origins }
}

fn of_configuration(configuration: &Configuration, observed: &Observed) -> Vec<Finding> {
    let seen = |id: &ObjectName| observed.seen.iter().find(|(known, _)| known == id).map(|(_, view)| *view);
    let idle = configuration.notices.iter().filter(|notice| notice.effect == Effect::Lost);
    let mut findings: Vec<Finding> =
        idle.map(|notice| Finding::new(Code::NoEffect, notice.location.clone(), &*notice.message)).collect();
    findings.extend(lint::configuration(&rules(configuration), &observed.usage, &observed.missing, seen));
    let key = |finding: &Finding| (finding.location.clone(), finding.code);
    findings.sort_by_key(key);
    findings
}

fn print(arguments: &Arguments, observed: &Observed) -> Result<()> {
    let entries = &observed.entries;
    match arguments.output {
        Output::Text => streams::data(&check::text(entries, report::style(std::io::stdout())))?,
        Output::Github => streams::data(&check::annotations(entries))?,
        Output::Markdown => streams::data(&check::markdown(entries, observed.marked))?,
        Output::Sarif => streams::json(&sarif::log(entries))?,
        Output::Json => {
            let findings = entries.iter().map(Into::into).collect();
            streams::json(&Check { findings, marked_files: observed.marked })?;
        }
    }
    if observed.marked == 0 && observed.failed.is_none() {
        streams::sentence("note", &nothing_marked(arguments));
    }
    streams::talk(&check::summary(entries, observed.marked));
    Ok(())
}

/// Says that there was nothing to check, which a wrong folder looks like.
fn nothing_marked(arguments: &Arguments) -> String {
    match &arguments.directory {
        _ if arguments.remote => "no file that the automations read has a marker".to_owned(),
        Some(file) if file.is_file() => format!("{} has no marker", file.display()),
        Some(directory) => {
            format!("no file below {} has a marker; `tagwright mark` puts them there", directory.display())
        }
        None => "no file below this folder has a marker; `tagwright mark` puts them there".to_owned(),
    }
}

/// A remote that could not be read is worse than what was found in the others.
fn ending(observed: &Observed) -> Ending {
    let is_wrong = |entry: &Entry| entry.finding.severity() > Severity::Note;
    match observed.failed {
        Some(kind) => Ending::Failed(kind),
        None if observed.entries.iter().any(is_wrong) => Ending::Found,
        None => Ending::Done,
    }
}
