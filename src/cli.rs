//! The command line: what is asked for, which code answers, and with which exit code.
//!
//! stdout is data, stderr is talk. Exit codes: 0 done or nothing to do; 1 failed, or "no" (`select`, `skip`); 2 wrong usage
//! or configuration; 3 something would change (`--check`, `--dry-run`) or is wrong (`check`); 70 a broken invariant.

mod at;
mod check;
mod client;
mod completions;
mod crds;
mod demo;
mod doctor;
mod explain;
mod freeze;
mod help;
mod history;
mod images;
mod import;
mod kubernetes;
mod man;
mod mark;
mod mcp;
mod message;
mod moment;
mod name;
mod poll;
mod run;
mod schema;
mod select;
mod set;
mod skip;
mod status;
mod streams;
mod submit;
mod switch;
mod version;

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{FromArgMatches as _, Parser, Subcommand};

use crate::config::Sources;
use crate::failure::{Context as _, Failure, Kind, Result};
use crate::report::color;
use crate::report::table::Width;
use crate::wire::request::Order;
use crate::{report, telemetry};

/// How many files a command that talks to the network has to be able to open at once: what the runtime and one connection take.
const FEWEST_FILES: usize = 16;

/// How long the last spans of traces may take to be sent.
const LAST_SPANS: Duration = Duration::from_secs(5);

/// The heading of the flags that every command has.
const LOGGING: &str = "Logging";

/// Polls container registries, picks one tag per policy, and commits it to the marked fields of a Git repository.
#[derive(Debug, Parser)]
#[command(name = "tagwright", version, max_term_width = 100, arg_required_else_help = true)]
struct Arguments {
    /// Show more on stderr: what changed (-v), decisions (-vv), everything (-vvv)
    #[arg(short, long, action = clap::ArgAction::Count, global = true, help_heading = LOGGING)]
    verbose: u8,
    /// How log lines on stderr look
    #[arg(
        long,
        value_name = "FORMAT",
        value_enum,
        default_value_t,
        global = true,
        env = "TAGWRIGHT_LOG_FORMAT",
        hide_env_values = true,
        help_heading = LOGGING
    )]
    log_format: telemetry::Format,
    /// When to use colours: on a terminal, unless NO_COLOR forbids it; CLICOLOR_FORCE asks for them anywhere
    #[arg(long, value_name = "WHEN", value_enum, default_value_t, global = true, help_heading = LOGGING)]
    color: color::Choice,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Do the whole job on an embedded registry and Git remote
    Demo(demo::Arguments),
    /// Put markers on images and write the policies for them
    Mark(mark::Arguments),
    /// Read what another image updater is told, and write the same as policies and markers
    Import(import::Arguments),
    /// Check the configuration and the markers of a repository
    Check(check::Arguments),
    /// Try what a bot needs: configuration, registries, Git remotes, clock, data folder
    Doctor(doctor::Arguments),
    /// Poll, plan, commit and push, once or continuously as a bot
    Run(Box<run::Arguments>),
    /// Write rendered resources into a Git repository
    Submit(Box<submit::Arguments>),
    /// Rewrite the marked fields of a directory; no registry, no Git
    Set(set::Arguments),
    /// Try a policy: print the tag it selects
    Select(select::Arguments),
    /// Tell why a policy selects what it selects, and what becomes of its fields
    Explain(explain::Arguments),
    /// Render a commit message
    Message(message::Arguments),
    /// Show what a bot selects, does and waits for
    Status(status::Arguments),
    /// Show what was committed, held back and failed
    History(history::Arguments),
    /// List the images that Git references, for the clean-up of registries
    Images(images::Arguments),
    /// Poll now
    Poll(poll::Arguments),
    /// Hold a policy: its fields keep their values
    #[command(after_help = switch::HOLD)]
    Hold(switch::Reasoned),
    /// Lift the hold of a policy, also one for a revert
    #[command(after_help = switch::RELEASE)]
    Release(switch::Released),
    /// Pause an automation
    #[command(after_help = switch::SUSPEND)]
    Suspend(switch::Reasoned),
    /// Resume an automation
    #[command(after_help = switch::RESUME)]
    Resume(switch::About),
    /// Write nothing, or nothing of what selectors name, for a while
    #[command(after_help = freeze::FREEZE)]
    Freeze(freeze::FreezeArguments),
    /// End a freeze, or write in spite of it (break the glass)
    #[command(after_help = freeze::UNFREEZE)]
    Unfreeze(freeze::UnfreezeArguments),
    /// Answer assistants over the Model Context Protocol
    Mcp(mcp::Arguments),
    /// Tell whether a commit is the bot's own (exit 0) or not (exit 1)
    Skip(skip::Arguments),
    /// Print the version
    Version(version::Arguments),
    /// Print a shell's completion script
    Completions(completions::Arguments),
    /// Print the manual page, or write those of all commands
    Man(man::Arguments),
    /// Print the JSON Schema of ImageAutomation documents, for editors
    #[command(after_help = schema::EXAMPLES)]
    Schema,
    /// Print the CustomResourceDefinition of ImageAutomation, for clusters
    #[command(after_help = crds::EXAMPLES)]
    Crds,
}

/// The end of a command that did not fail as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// Done, or nothing to do.
    Done,
    /// The answer is no: no tag matches, not the bot's commit.
    No,
    /// Something would change.
    WouldChange,
    /// Something is wrong.
    Found,
    /// Something failed, and was reported where it happened.
    Failed(Kind),
}

impl Ending {
    fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::No => 1,
            Self::WouldChange | Self::Found => 3,
            Self::Failed(kind) => kind.exit_code(),
        }
    }
}

/// Parses, runs, reports; returns the exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let matches = help::command().try_get_matches_from(arguments);
    let matches = matches.and_then(|matches| match kubernetes::conflict(&matches) {
        Some(error) => Err(error),
        None => Ok(matches),
    });
    let arguments = match matches.and_then(|mut matches| Arguments::from_arg_matches_mut(&mut matches)) {
        Ok(arguments) => arguments,
        Err(error) => return usage(&harmless(error)),
    };
    // A bot says what it does: nobody sees it otherwise.
    let mut verbosity = arguments.verbose;
    let mut format = arguments.log_format;
    if let Command::Run(run) = &arguments.command {
        let (chosen, encoding) = run.logging();
        verbosity += chosen.unwrap_or(u8::from(run.is_bot()));
        format = encoding.unwrap_or(format);
    }
    color::choose(arguments.color);
    let traces = match &arguments.command {
        Command::Run(run) => run.traces(),
        _ => Ok(None),
    };
    let traces = match traces {
        Ok(traces) => traces,
        Err(failure) => return fail(&failure),
    };
    telemetry::start(format, verbosity, report::style(std::io::stderr()), traces.as_ref());
    let ended = dispatch(arguments.command);
    if let Some(traces) = traces {
        traces.finish(LAST_SPANS);
    }
    match ended {
        Ok(ending) => ExitCode::from(ending.code()),
        Err(failure) => fail(&failure),
    }
}

fn fail(failure: &Failure) -> ExitCode {
    streams::styled(&failure.render(report::style(std::io::stderr())));
    ExitCode::from(failure.exit_code())
}

/// An argument may come from a file that others wrote, and is repeated on one line.
fn harmless(mut error: clap::Error) -> clap::Error {
    use clap::error::ContextValue;
    let escaped: Vec<_> = error
        .context()
        .filter_map(|(kind, value)| match value {
            ContextValue::String(text) => Some((kind, ContextValue::String(words::escape(text)))),
            _ => None,
        })
        .collect();
    for (kind, value) in escaped {
        error.insert(kind, value);
    }
    error
}

fn usage(error: &clap::Error) -> ExitCode {
    // Help and version go to stdout and are no failure; clap knows which is which.
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

fn dispatch(command: Command) -> Result<Ending> {
    match command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Select(arguments) => select::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Submit(arguments) => submit::run(&arguments),
        Command::Set(arguments) => set::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Mark(arguments) => mark::run(&arguments),
        Command::Import(arguments) => import::run(&arguments),
        Command::Message(arguments) => message::run(&arguments),
        Command::Skip(arguments) => skip::run(&arguments),
        Command::Status(arguments) => status::run(&arguments),
        Command::History(arguments) => history::run(&arguments),
        Command::Images(arguments) => images::run(&arguments),
        Command::Mcp(arguments) => mcp::run(&arguments),
        Command::Poll(arguments) => poll::run(&arguments),
        Command::Hold(arguments) => switch::run_reasoned(Order::Hold, &arguments),
        Command::Release(arguments) => switch::run_release(arguments),
        Command::Suspend(arguments) => switch::run_reasoned(Order::Suspend, &arguments),
        Command::Resume(about) => switch::run(Order::Resume, &about),
        Command::Freeze(arguments) => freeze::freeze(&arguments),
        Command::Unfreeze(arguments) => freeze::unfreeze(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Version(arguments) => version::run(&arguments),
        Command::Man(arguments) => man::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Schema => schema::run(),
        Command::Crds => crds::run(),
    }
}

// Where the configuration is. No documentation of the type: it would become that of the command.
#[derive(Debug, clap::Args)]
struct SourceArguments {
    /// Configuration: a file or a folder; may be repeated; `-` reads stdin [default: policies]
    #[arg(long, value_name = "PATH", env = "TAGWRIGHT_CONFIG", hide_env_values = true)]
    config: Vec<PathBuf>,
    /// Folder with secrets as files: NAMESPACE/NAME/KEY
    #[arg(long, value_name = "DIR", env = "TAGWRIGHT_SECRETS", hide_env_values = true)]
    secrets: Option<PathBuf>,
    /// iCalendar file with times in which nothing is written; may be repeated
    #[arg(long, value_name = "FILE", env = "TAGWRIGHT_FREEZE_CALENDAR", hide_env_values = true)]
    freeze_calendar: Vec<PathBuf>,
}

impl SourceArguments {
    fn sources(&self) -> Sources {
        self.sources_with(&ImportArguments::default())
    }

    fn sources_with(&self, also: &ImportArguments) -> Sources {
        let has_none = self.config.is_empty() && also.import.is_empty();
        Sources {
            paths: if has_none { vec![DEFAULT_CONFIG.into()] } else { self.config.clone() },
            imports: also.import.clone(),
            secrets: self.secrets.clone(),
            calendars: self.freeze_calendar.clone(),
        }
    }
}

/// What is read where nothing is named.
const DEFAULT_CONFIG: &str = "policies";

/// Where else there is something to follow.
#[derive(Debug, Default, clap::Args)]
struct ImportArguments {
    /// Follow what another image updater is told in this checkout, or in a part of it, as `tagwright import --targets` says it; may be
    /// repeated
    #[arg(long, value_name = "PATH")]
    import: Vec<PathBuf>,
}

/// How long a thread for blocking work is kept that has none. They take turns, so that with the ten seconds of the library a bot
/// that polls now and then would keep as many as its first wave needed, each with a stack and memory of its own.
const IDLE_THREAD: Duration = Duration::from_secs(1);
/// Says what of a configuration was not looked at, and a run looks at.
fn tell_unchecked(configuration: &crate::config::Configuration) {
    for notice in configuration.notices.iter().filter(|notice| notice.effect == crate::config::Effect::Unchecked) {
        streams::sentence("note", &notice.to_string());
    }
}

/// Builds the runtime for commands that talk to the network.
fn runtime() -> Result<tokio::runtime::Runtime> {
    // It panics where it cannot have its own.
    let spare = std::iter::repeat_with(|| File::open("/dev/null")).take(FEWEST_FILES);
    drop(spare.collect::<io::Result<Vec<File>>>().context("there is no room to begin")?);
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().thread_keep_alive(IDLE_THREAD).build()?)
}

/// The formats that most commands print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Output {
    /// Text for people.
    #[default]
    Text,
    /// One JSON document.
    Json,
}

/// The formats of commands that print tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Tabular {
    /// Tables that fit 80 columns.
    #[default]
    Text,
    /// Tables with all columns.
    Wide,
    /// One JSON document.
    Json,
}

impl Tabular {
    /// How wide its tables may be.
    const fn width(self) -> Width {
        if matches!(self, Self::Wide) { Width::Wide } else { Width::Narrow }
    }
}
