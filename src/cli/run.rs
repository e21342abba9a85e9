//! `tagwright run`: polls, plans, commits and pushes.

mod kubernetes;
mod oidc;
mod process;
mod watch;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use otlp::Traces;
use tagwright_core::automation::{Automation, ImagePolicy};
use tagwright_core::change::Diagnostic;
use tokio::time::timeout;

use super::{Ending, ImportArguments, Output, SourceArguments, streams};
use crate::announce;
use crate::failure::{Context, Failure, Result};
use crate::pass;
use crate::report::{self, diff};
use crate::run::{self, AutomationReport, Edges, Mode, Report};
use crate::schedule::{SHUTDOWN_GRACE, freeze};
use crate::store::{self, Store};
use crate::{config, server, telemetry, wire};

/// How long notifications may take after a single run, and what they need to be found out before.
const LAST_WORDS: Duration = Duration::from_secs(30);

const EXAMPLES: &str = "\
Examples:
  tagwright run --once --dry-run
  tagwright run --once --config policies/app.yaml
  tagwright run --data-dir /var/lib/tagwright --listen :8080
  kustomize build clusters/prod | tagwright run --once --config -
  tagwright run --kubernetes --data-dir /data --events-addr http://notification-controller.flux-system.svc.cluster.local./";

/// Poll the registries, plan the edits, commit and push: once, or as a bot until told to stop.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Run every automation once, then exit
    #[arg(long)]
    once: bool,
    /// Change nothing: print the unified diff, exit with 3 when there would be a commit
    #[arg(long, requires = "once")]
    dry_run: bool,
    /// Exit with 3 where something will never be done as things are: a path that is not there, a marker without a policy, a policy
    /// that can select no tag
    #[arg(long, requires = "once")]
    strict: bool,
    #[command(flatten)]
    given: SourceArguments,
    #[command(flatten)]
    also: ImportArguments,
    /// Folder for what is kept for the next run: mirrors, state [default: $XDG_STATE_HOME/tagwright or
    /// ~/.local/state/tagwright; with --once a temporary folder]
    #[arg(long, value_name = "DIR", env = "TAGWRIGHT_DATA_DIR", hide_env_values = true)]
    data_dir: Option<PathBuf>,
    /// Ask the mirror at URL in place of the registry HOST; may be repeated
    #[arg(long, value_name = "HOST=URL")]
    registry_mirror: Vec<String>,
    /// Write although it is frozen, for a reason, which is kept in the history
    #[arg(long, requires_all = ["once", "reason"])]
    break_glass: bool,
    /// Why the glass is broken
    #[arg(long, value_name = "TEXT", requires = "break_glass")]
    reason: Option<String>,
    /// What to print on stdout
    #[arg(long, short, value_name = "FORMAT", value_enum, default_value_t, requires = "once")]
    output: Output,
    /// Seconds that runs under way get to finish when the bot is told to stop
    #[arg(long, value_name = "SECONDS", default_value_t = SHUTDOWN_GRACE.as_secs(), conflicts_with = "once")]
    grace: u64,
    /// Answer over HTTP here, such as :8080 or 127.0.0.1:8080: /livez, /readyz and /metrics to everybody, the API to those who show a
    /// token, or without --api-token-file and --api-oidc-issuer to this machine
    #[arg(long, value_name = "ADDRESS", value_parser = listen, conflicts_with = "once")]
    listen: Option<SocketAddr>,
    /// File with the tokens that the API takes: a line NAME read|act SHA256 for each
    #[arg(
        long,
        value_name = "FILE",
        env = "TAGWRIGHT_API_TOKEN_FILE",
        hide_env_values = true,
        conflicts_with = "once"
    )]
    api_token_file: Option<PathBuf>,
    /// Send traces to the OpenTelemetry collector at this address, by OTLP over HTTP: http://localhost:4318. It comes before
    /// OTEL_EXPORTER_OTLP_ENDPOINT; the other variables of OpenTelemetry's specification count, too
    #[arg(long, value_name = "URL")]
    otlp_endpoint: Option<String>,
    #[command(flatten)]
    issuer: oidc::Issuer,
    #[command(flatten)]
    cluster: kubernetes::Cluster,
}

fn listen(text: &str) -> Result<SocketAddr, &'static str> {
    server::parse_address(text).ok_or("write a port, :8080, or an address of this machine with one, 127.0.0.1:8080")
}

impl Arguments {
    /// Whether a bot is asked for.
    pub(super) fn is_bot(&self) -> bool {
        !self.once
    }

    /// How much is logged, and how it looks, where flags of this command say so.
    pub(super) fn logging(&self) -> (Option<u8>, Option<telemetry::Format>) {
        self.cluster.logging()
    }

    /// What sends traces, if somebody asks for them.
    pub(super) fn traces(&self) -> Result<Option<Traces>> {
        let failed = |error: otlp::Error| {
            let hint = match &error {
                otlp::Error::Value { variable, .. } if variable.ends_with("_PROTOCOL") => {
                    "write http/protobuf, or leave it out, and name the collector's port for HTTP, mostly 4318: docs/guides/traces.md"
                }
                _ => "without an address of a collector no traces are sent: docs/guides/traces.md",
            };
            Failure::usage(error.to_string(), hint)
        };
        let flag = ("--otlp-endpoint", self.otlp_endpoint.as_deref());
        let settings = otlp::Settings::read(flag, |name| std::env::var(name).ok()).map_err(failed)?;
        let start = |settings| Traces::start(settings, env!("CARGO_PKG_VERSION"));
        settings.map(start).transpose().map_err(failed)
    }
}

/// The settings of a run, from the command line.
#[derive(Debug)]
pub(super) struct Settings {
    /// Where the configuration is.
    pub(super) sources: config::Sources,
    /// `HOST=URL` for each registry mirror.
    pub(super) mirrors: Vec<String>,
    /// Where mirrors are kept; none is a temporary folder.
    pub(super) data_dir: Option<PathBuf>,
    /// A git configuration to read in place of the machine's.
    pub(super) git_configuration: Option<PathBuf>,
    /// Why everything is written although it is frozen, if it is.
    pub(super) broken_glass: Option<String>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Ending> {
    let settings = Settings {
        sources: arguments.given.sources_with(&arguments.also),
        mirrors: arguments.registry_mirror.clone(),
        data_dir: arguments.data_dir.clone(),
        git_configuration: None,
        broken_glass: arguments.reason.clone().filter(|_| arguments.break_glass),
    };
    if arguments.is_bot() {
        let (grace, cluster) = (Duration::from_secs(arguments.grace), arguments.cluster.settings()?);
        let listen = arguments.listen.or_else(|| cluster.as_ref().map(|_| arguments.cluster.health_addr()));
        arguments.cluster.tell_idle();
        let faces = process::Faces {
            listen,
            metrics: arguments.cluster.metrics_addr(),
            tokens: arguments.api_token_file.clone(),
            oidc: arguments.issuer.settings()?,
        };
        return process::run(&settings, grace, &faces, cluster);
    }
    let mode = if arguments.dry_run { Mode::DryRun } else { Mode::Push };
    let report = super::runtime()?.block_on(execute(&settings, mode))?;
    print(arguments, &report)?;
    let dead_ends = if arguments.strict { report.dead_ends() } else { 0 };
    if dead_ends > 0 {
        let findings = words::plural(dead_ends, "finding");
        streams::sentence("error", &format!("{findings} that no later run will mend (--strict)"));
    }
    Ok(ending(&report, dead_ends > 0))
}

/// Loads the configuration and runs every automation once.
pub(super) async fn execute(settings: &Settings, mode: Mode) -> Result<Report> {
    let configuration = config::load(&settings.sources)?;
    for notice in &configuration.notices {
        streams::sentence("note", &notice.to_string());
    }
    something_to_do(&settings.sources, &configuration)?;
    let kept = settings.data_dir.as_deref();
    let (scratch, data_dir) = match kept {
        Some(folder) if mode == Mode::Push => (None, folder.to_owned()),
        _ => {
            let scratch = tempfile::tempdir().context("cannot make a temporary directory")?;
            // A dry run refreshes mirrors that are there, and makes no data directory.
            let folder = kept.filter(|folder| folder.exists()).unwrap_or(scratch.path()).to_owned();
            (Some(scratch), folder)
        }
    };
    let (registry, git, forges) = clients(settings, data_dir, None)?;
    let store = store(kept, scratch.as_ref().map(tempfile::TempDir::path))?;
    let edges = Edges { registry, git, forges, store };
    let memory = run::Memory::default();
    memory.take_calendar(configuration.calendar);
    if let Some(reason) = &settings.broken_glass {
        memory.break_glass(freeze::this_run(&edges.store, reason, mode)?);
    }
    let context = run::Context {
        edges: &edges,
        memory: &memory,
        mode,
        now: jiff::Timestamp::now(),
        summarise: false,
        gate: None,
    };
    let report = pass::once(context, &configuration.automations).await;
    if mode == Mode::Push {
        tell(&report, &edges, (&configuration.automations, configuration.notifications)).await;
    }
    Ok(report)
}

/// Tells those who are told what became of what was submitted, as of a run of this automation.
pub(super) async fn tell_submitted(
    report: AutomationReport,
    automation: &Arc<Automation>,
    notifications: Vec<Arc<notify::Notification>>,
    edges: &Edges,
) -> Option<AutomationReport> {
    let mut report = Report { automations: vec![report], ..Report::default() };
    tell(&report, edges, (std::slice::from_ref(automation), notifications)).await;
    report.automations.pop()
}

/// Tells those who are told what the run came to, and waits until they are, for a while.
async fn tell(
    report: &Report,
    edges: &Edges,
    (automations, notifications): (&[Arc<Automation>], Vec<Arc<notify::Notification>>),
) {
    if notifications.is_empty() {
        return;
    }
    let voice = notify::Voice::new(edges.forges.pauses(), edges.git.cloud().clone(), Arc::new(|_, _| {}));
    voice.configure(notifications);
    let (at, store) = (jiff::Timestamp::now(), &edges.store);
    // What the run before has told is not told again to whom it has reached, and its end is.
    let before: Vec<_> = store.failing().unwrap_or_default().into_iter().map(announce::told).collect();
    before.iter().for_each(|known| voice.known(known.event.clone(), known.names.clone()));
    let events = announce::of_run(report, automations, at);
    let mut news = announce::since(before, events, &announce::Part::of(automations), at);
    std::mem::take(&mut news.events)
        .into_iter()
        .for_each(|event| voice.tell(announce::named(event, automations.iter())));
    if voice.marks_commits() {
        let selected = |policy: &Arc<ImagePolicy>| {
            let report = report.policies.iter().find(|report| report.id == policy.id)?;
            report.selection.as_ref().ok().cloned()
        };
        let in_use = announce::in_use(&report.automations, automations, selected);
        // Whoever is told is not told more than can be found out by then.
        let _ = timeout(LAST_WORDS, announce::tell_sources(&edges.registry, in_use, &voice)).await;
    }
    voice.finish(LAST_WORDS).await;
    if let Err(error) = store.put_failing(&news.keep(&voice)) {
        tracing::warn!(%error, "what was told to fail is not kept, and will be told again");
    }
}

/// The clients of a run. They share what hosts asked for, since one host may have both images and a Git remote. In a cluster,
/// that gives out the tokens of its service accounts.
pub(super) fn clients(
    settings: &Settings,
    data_dir: PathBuf,
    accounts: Option<Arc<dyn cloud::Accounts>>,
) -> Result<(registry::Client, git::Git, forge::Forges)> {
    let registry = registry_settings(&settings.mirrors)?;
    if let Some(accounts) = accounts {
        registry.cloud.ask_accounts_of(accounts);
    }
    let mut git = git_settings(data_dir, settings.git_configuration.clone());
    git.pauses = registry.pauses.clone();
    git.cloud = registry.cloud.clone();
    let forges = forge::Forges::new(registry.pauses.clone());
    Ok((registry::Client::new(registry)?, git::Git::new(git)?, forges))
}

/// An empty configuration is a mistake: files that are not where they should be look like it.
fn something_to_do(sources: &config::Sources, configuration: &config::Configuration) -> Result<()> {
    if !configuration.automations.is_empty() || !configuration.syncs.is_empty() {
        return Ok(());
    }
    let paths: Vec<String> =
        sources.paths.iter().chain(&sources.imports).map(|path| path.display().to_string()).collect();
    let message = format!("no automation is configured in {}", paths.join(", "));
    Err(Failure::usage(message, "write an ImageAutomation, an ImageUpdateAutomation or an Application"))
}

/// The state that is kept from one run to the next: in the data directory, for a dry run in a copy of it, or for the length of
/// this run.
pub(super) fn store(data_dir: Option<&Path>, copy: Option<&Path>) -> Result<Store> {
    let Some(folder) = data_dir else { return Ok(Store::in_memory()) };
    let opened = copy.map_or_else(|| Store::open(folder), |copy| Store::open_copy(folder, copy));
    Ok(match opened {
        store::Opened::Ready { notice: Some(store::Notice::InMemory { reason, .. }), .. } => {
            return Err(unusable(folder, &reason));
        }
        store::Opened::Ready { store, notice } => {
            // What became of a copy does not matter to anybody.
            if let Some(notice) = notice.filter(|_| copy.is_none()) {
                streams::sentence("note", &notice.to_string());
            }
            store
        }
        store::Opened::InUse { path } => {
            let path = path.display();
            streams::sentence(
                "note",
                &format!("another process uses {path}; this run knows and keeps nothing of its tags"),
            );
            Store::in_memory()
        }
    })
}

/// The data directory cannot be used. A bot that went on without would forget holds and ages of tags at its next start.
pub(super) fn unusable(folder: &Path, reason: &str) -> Failure {
    let message = format!("cannot use the data directory {}: {}", folder.display(), words::system(reason));
    Failure::usage(message, "name a folder that this user can write: --data-dir DIR, or TAGWRIGHT_DATA_DIR")
}

/// The machine's registry settings, with mirrors as given on the command line, token servers and budgets as in the environment.
pub(super) fn registry_settings(mirrors: &[String]) -> Result<registry::Settings> {
    let mirrors = mirrors.iter().map(|text| registry::Mirror::parse(text)).collect::<Result<_, _>>()?;
    let token_servers = std::env::var(registry::TokenServers::VARIABLE).unwrap_or_default();
    let token_servers = registry::TokenServers::parse(&token_servers)?;
    let budgets = std::env::var(registry::Budgets::VARIABLE).unwrap_or_default();
    let budgets = registry::Budgets::parse(&budgets)?;
    Ok(registry::Settings { mirrors, token_servers, budgets, ..registry::Settings::default() })
}

/// The machine's Git settings, perhaps with another git configuration than the user's.
pub(super) fn git_settings(data_dir: PathBuf, configuration: Option<PathBuf>) -> git::Settings {
    let mut settings = git::Settings::of_machine(data_dir);
    if let Some(path) = configuration {
        settings.environment.insert("GIT_CONFIG_GLOBAL".into(), path.into());
    }
    settings
}

fn print(arguments: &Arguments, report: &Report) -> Result<()> {
    if arguments.output == Output::Json {
        streams::talk(&report::failures(report));
        return streams::json(&wire::run::Run::from(report));
    }
    streams::talk(&report::policies(&report.policies));
    let mut findings: Vec<Diagnostic> = Vec::new();
    for finding in report.automations.iter().flat_map(|automation| &automation.diagnostics) {
        // Automations that read the same files find the same.
        if !findings.contains(finding) {
            findings.push(finding.clone());
        }
    }
    streams::talk(&report::diagnostics(&findings));
    streams::talk(&report::failures(report));
    if arguments.dry_run {
        streams::files(&report.automations.iter().map(diff::of_automation).collect::<String>())?;
        streams::styled(&report::automations(report, report::style(std::io::stderr())));
        return Ok(());
    }
    streams::data(&report::automations(report, report::style(std::io::stdout())))
}

/// Failures come first: a dry run that failed for one automation says so, whatever it found for the others.
fn ending(report: &Report, has_dead_ends: bool) -> Ending {
    let would_push = |it: &run::AutomationReport| matches!(it.outcome, run::Outcome::WouldPush);
    match report.worst() {
        Some(kind) => Ending::Failed(kind),
        None if has_dead_ends => Ending::Found,
        None if report.automations.iter().any(would_push) => Ending::WouldChange,
        None => Ending::Done,
    }
}
