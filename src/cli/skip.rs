//! `tagwright skip`: tells whether a commit is the bot's own, or all commits of a push.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use tagwright_core::message::{self, Author, Criteria};

use super::{Ending, streams};
use crate::failure::Result;

const EXAMPLES: &str = "\
Examples:
  tagwright skip
  tagwright skip HEAD~1 --author bot@example.com
  tagwright skip origin/main..HEAD
  git log -1 --format=%B | tagwright skip --message-file -";

/// Tell whether a commit is the bot's own, or every commit of a range: exit 0 and say by which sign, or exit 1.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The commit, in the checkout of the current directory, or a range `A..B` of which every commit has to be the bot's
    #[arg(default_value = "HEAD", conflicts_with = "message_file")]
    revision: String,
    /// Look at the message in this file; `-` reads stdin
    #[arg(long, value_name = "FILE")]
    message_file: Option<PathBuf>,
    /// A message that starts like this is the bot's, too; may be repeated
    #[arg(long, value_name = "TEXT")]
    prefix: Vec<String>,
    /// An author with this name or mail address is the bot, too; may be repeated
    #[arg(long, value_name = "NAME|EMAIL")]
    author: Vec<String>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Ending> {
    let criteria = Criteria { prefixes: &arguments.prefix, authors: &arguments.author };
    if let Some(path) = &arguments.message_file {
        let text = streams::read_lossy(path)?;
        let recognised = message::recognise(&text, &Author { name: "", email: "" }, &criteria);
        return say("the message", recognised.map(|sign| sign.to_string()));
    }
    let revision = &arguments.revision;
    // How many are the bot's, the sign of the last that was looked at, and who is not.
    let (mut own, mut sign, mut other) = (0_usize, None, None);
    git::read_commits(Path::new("."), revision, |commit| {
        let author = Author { name: &commit.author_name, email: &commit.author_email };
        let id = words::short(&commit.id).to_owned();
        match message::recognise(&commit.message, &author, &criteria) {
            Some(found) => (own, sign) = (own + 1, Some((id, found.to_string()))),
            None => other = Some(id),
        }
        if other.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    match (other, sign) {
        (Some(id), _) => say(&id, None),
        (None, None) => {
            streams::text(&format!("{revision} has no commit\n"))?;
            Ok(Ending::No)
        }
        (None, Some((id, sign))) if own == 1 => say(&id, Some(sign)),
        (None, Some(_)) => {
            streams::text(&format!("the {own} commits of {revision} are the bot's own\n"))?;
            Ok(Ending::Done)
        }
    }
}

fn say(what: &str, sign: Option<String>) -> Result<Ending> {
    let (says, ending) = match sign {
        Some(sign) => (format!("{what} is the bot's own, by {sign}\n"), Ending::Done),
        None => (format!("{what} is not the bot's own\n"), Ending::No),
    };
    streams::text(&says)?;
    Ok(ending)
}
