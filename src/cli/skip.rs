//! `tagwright skip`: tells whether a commit is the bot's own.

use std::path::{Path, PathBuf};

use tagwright_core::message::{self, Author, Criteria};

use super::{Ending, streams};
use crate::failure::Result;

const EXAMPLES: &str = "\
Examples:
  tagwright skip
  tagwright skip HEAD~1 --author bot@example.com
  git log -1 --format=%B | tagwright skip --message-file -";

/// Tell whether a commit is the bot's own: exit 0 and say by which sign, or exit 1.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The commit, in the checkout of the current directory
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
    let (what, recognised) = match &arguments.message_file {
        Some(path) => {
            let text = streams::read_lossy(path)?;
            ("the message".to_owned(), message::recognise(&text, &Author { name: "", email: "" }, &criteria))
        }
        None => {
            let commit = git::read_commit(Path::new("."), &arguments.revision)?;
            let author = Author { name: &commit.author_name, email: &commit.author_email };
            (crate::report::short(&commit.id).to_owned(), message::recognise(&commit.message, &author, &criteria))
        }
    };
    match recognised {
        Some(sign) => {
            streams::text(&format!("{what} is the bot's own, by {sign}\n"))?;
            Ok(Ending::Done)
        }
        None => {
            streams::text(&format!("{what} is not the bot's own\n"))?;
            Ok(Ending::No)
        }
    }
}
