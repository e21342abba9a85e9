//! `tagwright submit`: writes rendered resources into a Git repository.

mod inputs;
mod target;

use std::path::PathBuf;

use super::run::{Settings, clients, store, tell_submitted};
use super::{Ending, Output, SourceArguments, streams};
use crate::act;
use crate::failure::{Context as _, Failure, Result};
use crate::report;
use crate::run::{self, AutomationReport, Edges, Mode, Outcome, Progress};
use crate::wire::submit::Submitted;

const EXAMPLES: &str = "\
Examples:
  helm template web charts/web | tagwright submit - --url https://git.example.com/acme/config.git --branch main --path clusters/prod
  tagwright submit rendered/ --sync rendered --dry-run
  kubectl get configmaps -n shop -o json | tagwright submit - --sync default/rendered
  tagwright submit rendered/ --config autopilot-operator.yaml --repo config";

/// Write rendered resources into a Git repository: one commit, and none where the files say the same already.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Files and folders with resources as YAML or JSON; `-` reads stdin
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    target: target::TargetArguments,
    #[command(flatten)]
    given: SourceArguments,
    /// Delete what this submitter wrote before and does not submit now, too
    #[arg(long)]
    prune: bool,
    /// Write over files that this submitter has not written, and take them over
    #[arg(long)]
    adopt: bool,
    /// Submit secrets as they are, for everybody who reads the repository
    #[arg(long)]
    allow_secrets: bool,
    /// Go on with no resource at all; with --prune that deletes everything that was submitted
    #[arg(long)]
    allow_empty: bool,
    /// Change nothing: print the unified diff, exit with 3 when there would be a commit
    #[arg(long, visible_alias = "diff")]
    dry_run: bool,
    /// What to print on stdout
    #[arg(long, short, value_name = "FORMAT", value_enum, default_value_t)]
    output: Output,
    /// Folder for the Git mirrors, kept for the next time [default: a temporary folder]
    #[arg(long, value_name = "DIR", env = "TAGWRIGHT_DATA_DIR", hide_env_values = true)]
    data_dir: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Ending> {
    let target::Target { mut sync, calendar, remotes, notifications } = arguments.target.find(&arguments.given)?;
    sync.prune |= arguments.prune;
    sync.adopt |= arguments.adopt;
    if arguments.allow_secrets {
        sync.secrets = tagwright_core::submit::Secrets::Plain;
    }
    let submission = inputs::read(&arguments.paths, sync.secrets)?;
    if submission.resources.is_empty() && !arguments.allow_empty {
        return Err(Failure::usage(
            "there is no resource to submit".to_owned(),
            "look at what renders them; --allow-empty goes on with none",
        ));
    }
    let mode = if arguments.dry_run { Mode::DryRun } else { Mode::Push };
    let report = super::runtime()?.block_on(async {
        let scratch = tempfile::tempdir().context("cannot make a temporary directory")?;
        let kept = arguments.data_dir.as_deref();
        // A dry run refreshes mirrors that are there, and makes no data directory.
        let folder = kept.filter(|folder| mode == Mode::Push || folder.exists()).unwrap_or(scratch.path()).to_owned();
        let settings = Settings {
            sources: arguments.given.sources(),
            mirrors: Vec::new(),
            data_dir: arguments.data_dir.clone(),
            git_configuration: None,
            broken_glass: None,
        };
        let (registry, git, forges) = clients(&settings, folder, None)?;
        git.configure(remotes.iter().map(String::as_str));
        let store = store(kept, (mode == Mode::DryRun).then_some(scratch.path()))?;
        let edges = Edges { registry, git, forges, store };
        let memory = run::Memory::default();
        memory.take_calendar(calendar);
        let (now, gate) = (jiff::Timestamp::now(), None);
        let context = run::Context { edges: &edges, memory: &memory, mode, now, summarise: false, gate };
        let report = Box::pin(act::submit(context, &sync, &submission, &Progress::default())).await;
        Ok::<_, Failure>(match mode {
            Mode::Push => Box::pin(tell_submitted(report, &sync.automation, notifications, &edges)).await,
            Mode::DryRun => Some(report),
        })
    })?;
    let Some(report) = report else { return Ok(Ending::Done) };
    print(arguments, &report)?;
    Ok(match &report.outcome {
        Outcome::Failed(error) => Ending::Failed(error.kind()),
        Outcome::Pushed { missed: Some(error), .. } => Ending::Failed(error.kind()),
        Outcome::WouldPush => Ending::WouldChange,
        Outcome::Held { .. } => Ending::No,
        Outcome::Pushed { .. } | Outcome::Unchanged => Ending::Done,
    })
}

fn print(arguments: &Arguments, report: &AutomationReport) -> Result<()> {
    if let Some(error) = report.outcome.error() {
        streams::styled(&Failure::from(error).render(report::style(std::io::stderr())));
    }
    if arguments.output == Output::Json {
        return streams::json(&Submitted::from(report));
    }
    if arguments.dry_run {
        streams::files(&report::differences(report))?;
    }
    let text = report::submitted(report);
    if arguments.dry_run {
        streams::talk(&text);
        return Ok(());
    }
    streams::text(&text)
}
