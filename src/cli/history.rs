//! `tagwright history`: what was committed, held back and failed.
//!
//! A bot knows, and what it has left when none runs. Where there is neither, or a configuration was named, the commits of
//! the Git remotes tell: what was held back or failed, they do not.

mod rebuilt;

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::at::{self, Whereabouts};
use super::name::{self, ObjectKind};
use super::{Ending, Output, moment, streams};
use crate::config;
use crate::failure::{Failure, Kind, Result};
use crate::report;
use crate::store::Filter;
use crate::wire::history::{Entry, History, Source};
use crate::wire::request::HistoryQuery;

/// Entries that are shown when `--limit` is not given.
const LIMIT: usize = 100;

/// Show what was committed, held back and failed, newest first.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Only what concerns this policy
    #[arg(long, value_name = "NS:NAME")]
    policy: Option<String>,
    /// Only what concerns this automation
    #[arg(long, value_name = "NS/NAME")]
    automation: Option<String>,
    /// Only what is not older: a duration (24h, 7d), a day or a time (RFC 3339)
    #[arg(long, value_name = "T")]
    since: Option<String>,
    /// At most so many entries
    #[arg(long, value_name = "N", default_value_t = LIMIT)]
    limit: usize,
    /// Data folder of the bot [default: the folder for state of the user]
    #[arg(long, value_name = "DIR", env = "TAGWRIGHT_DATA_DIR", hide_env_values = true)]
    data_dir: Option<PathBuf>,
    /// Ask the bot that listens here, such as http://127.0.0.1:8080, in place of one of this machine
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Rebuild it from the Git remotes of this configuration, a file or a folder; may be repeated [default where no bot
    /// has left a history: policies]
    #[arg(long, value_name = "PATH")]
    config: Vec<PathBuf>,
    /// Folder with secrets as files: NAMESPACE/NAME/KEY
    #[arg(long, value_name = "DIR", env = "TAGWRIGHT_SECRETS", hide_env_values = true)]
    secrets: Option<PathBuf>,
    /// What to print on stdout
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    output: Output,
}

/// A history, and what could not be looked at for it.
struct Answer {
    history: History,
    /// The gravest failure on the way; each was told when it happened.
    worst: Option<Kind>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Ending> {
    let zone = TimeZone::system();
    let query = query(arguments, &zone)?;
    let Answer { history, worst } = super::runtime()?.block_on(obtain(arguments, &query))?;
    match arguments.output {
        Output::Json => streams::json(&history)?,
        Output::Text if history.entries.is_empty() => streams::talk("nothing was found"),
        Output::Text => streams::text(&report::history::text(&history.entries, &zone))?,
    }
    if history.entries.len() == arguments.limit {
        streams::sentence("note", &format!("these are the newest {}; --limit N shows more", arguments.limit));
    }
    Ok(worst.map_or(Ending::Done, Ending::Failed))
}

fn query(arguments: &Arguments, zone: &TimeZone) -> Result<HistoryQuery> {
    let written = |kind: ObjectKind, text: &String| Ok::<_, Failure>(kind.written(&name::parse(text)?));
    let since = arguments.since.as_deref().map(|text| moment::since(text, Timestamp::now(), zone));
    Ok(HistoryQuery {
        policy: arguments.policy.as_ref().map(|text| written(ObjectKind::Policy, text)).transpose()?,
        automation: arguments.automation.as_ref().map(|text| written(ObjectKind::Automation, text)).transpose()?,
        since: since.transpose()?,
        limit: Some(arguments.limit),
    })
}

async fn obtain(arguments: &Arguments, query: &HistoryQuery) -> Result<Answer> {
    let (named, filter) = (arguments.data_dir.as_deref(), Filter::from(query));
    if !arguments.config.is_empty() {
        let sources = config::Sources { paths: arguments.config.clone(), secrets: arguments.secrets.clone() };
        return rebuilt::tell(&sources, at::folder(named).ok().as_deref(), &filter).await;
    }
    let folder = match at::find(arguments.url.as_deref(), named).await? {
        Whereabouts::Running(bot) => return Ok(Answer { history: bot.history(query).await?, worst: None }),
        Whereabouts::Folder(folder) => folder,
    };
    if let Some(history) = kept(&folder, &filter)? {
        return Ok(Answer { history, worst: None });
    }
    let place = folder.display();
    let Some(sources) = rebuilt::default_sources(arguments.secrets.as_ref())? else {
        let message = format!("no bot is running on {place}, and no history is kept there");
        let hint = format!("{}; or name its configuration, --config PATH, to look into Git", at::start(&folder));
        return Err(Failure::missing(message, hint));
    };
    streams::sentence("note", &format!("no history is kept on {place}; this is what the commits in Git tell"));
    rebuilt::tell(&sources, Some(&folder), &filter).await
}

/// The history that a bot has left in a folder; none where it has left nothing.
fn kept(folder: &Path, filter: &Filter) -> Result<Option<History>> {
    let Some(store) = at::left(folder)? else { return Ok(None) };
    let entries = store.records(filter)?.into_iter().map(Entry::from).collect();
    Ok(Some(History { source: Source::Store, entries }))
}
