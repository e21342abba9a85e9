//! The command line: what is asked for, which code answers, and with which exit code.
//!
//! stdout is data, stderr is talk. Exit codes: 0 done or nothing to do; 1 failed, or "no" (`select`, `skip`); 2 wrong usage
//! or configuration; 3 something would change (`--check`, `--dry-run`) or is wrong (`check`); 70 a broken invariant.

mod at;
mod check;
mod client;
mod completions;
mod demo;
mod explain;
mod history;
mod mark;
mod message;
mod moment;
mod name;
mod poll;
mod run;
mod select;
mod set;
mod skip;
mod status;
mod streams;
mod switch;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::failure::{Kind, Result};
use crate::wire::request::Order;
use crate::{report, telemetry};

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
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Poll, plan, commit and push, once or as a bot
    Run(run::Arguments),
    /// Try a policy: print the tag it selects
    Select(select::Arguments),
    /// Tell why a policy selects what it selects, and what becomes of its fields
    Explain(explain::Arguments),
    /// Rewrite the marked fields of a directory; no registry, no Git
    Set(set::Arguments),
    /// Check the configuration and the markers of a repository
    Check(check::Arguments),
    /// Put markers on images and write the policies for them
    Mark(mark::Arguments),
    /// Render a commit message
    Message(message::Arguments),
    /// Tell whether a commit is the bot's own (exit 0) or not (exit 1)
    Skip(skip::Arguments),
    /// Show what a bot selects, does and waits for
    Status(status::Arguments),
    /// Show what was committed, held back and failed
    History(history::Arguments),
    /// Let a running bot look at once
    Poll(poll::Arguments),
    /// Keep the fields of a policy as they are
    Hold(switch::Reasoned),
    /// End the hold of a policy, also one for a revert
    Release(switch::About),
    /// Let an automation do nothing
    Suspend(switch::Reasoned),
    /// Let an automation work again
    Resume(switch::About),
    /// Do the whole job on an embedded registry and Git remote
    Demo(demo::Arguments),
    /// Print a shell's completion script
    Completions(completions::Arguments),
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
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return usage(&harmless(error)),
    };
    // A bot says what it does: nobody sees it otherwise.
    let verbosity = arguments.verbose + u8::from(matches!(&arguments.command, Command::Run(run) if run.is_bot()));
    telemetry::start(arguments.log_format, verbosity);
    match dispatch(arguments.command) {
        Ok(ending) => ExitCode::from(ending.code()),
        Err(failure) => {
            streams::styled(&failure.render(report::style(std::io::stderr())));
            ExitCode::from(failure.exit_code())
        }
    }
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
        Command::Set(arguments) => set::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Mark(arguments) => mark::run(&arguments),
        Command::Message(arguments) => message::run(&arguments),
        Command::Skip(arguments) => skip::run(&arguments),
        Command::Status(arguments) => status::run(&arguments),
        Command::History(arguments) => history::run(&arguments),
        Command::Poll(arguments) => poll::run(&arguments),
        Command::Hold(arguments) => switch::run_reasoned(Order::Hold, &arguments),
        Command::Release(about) => switch::run(Order::Release, &about),
        Command::Suspend(arguments) => switch::run_reasoned(Order::Suspend, &arguments),
        Command::Resume(about) => switch::run(Order::Resume, &about),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
    }
}

/// Builds the runtime for commands that talk to the network.
fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
