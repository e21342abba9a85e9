//! `tagwright history`: what was committed, held back and failed.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::at::{self, Source};
use super::name::{self, Kind};
use super::{Ending, Output, moment, streams};
use crate::report::json::history::{self, History};
use crate::report::{self, Missing};
use crate::server::HistoryQuery;
use crate::store::Filter;

/// How many entries are shown by default.
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
    /// What to print on stdout
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Ending> {
    let zone = TimeZone::system();
    let query = query(arguments, &zone)?;
    let history = super::runtime()?.block_on(obtain(arguments, &query))?;
    match arguments.output {
        Output::Json => streams::json(&history)?,
        Output::Text if history.entries.is_empty() => streams::talk("nothing was found"),
        Output::Text => streams::data(&report::history::text(&history.entries, &zone))?,
    }
    if history.entries.len() == arguments.limit {
        streams::talk(&format!("note: these are the newest {}; --limit N shows more", arguments.limit));
    }
    Ok(Ending::Done)
}

fn query(arguments: &Arguments, zone: &TimeZone) -> anyhow::Result<HistoryQuery> {
    let written = |kind: Kind, text: &String| Ok::<_, anyhow::Error>(kind.written(&name::parse(text)?));
    let since = arguments.since.as_deref().map(|text| moment::since(text, Timestamp::now(), zone));
    Ok(HistoryQuery {
        policy: arguments.policy.as_ref().map(|text| written(Kind::Policy, text)).transpose()?,
        automation: arguments.automation.as_ref().map(|text| written(Kind::Automation, text)).transpose()?,
        since: since.transpose()?,
        limit: Some(arguments.limit),
    })
}

async fn obtain(arguments: &Arguments, query: &HistoryQuery) -> anyhow::Result<History> {
    match at::find(arguments.url.as_deref(), arguments.data_dir.as_deref()).await? {
        Source::Running(bot) => bot.history(query).await,
        Source::Folder(folder) => {
            let none = || {
                let message = format!("no bot is running on {}, and no history is kept there", folder.display());
                Missing::new(message, at::start(&folder))
            };
            Ok(kept(&folder, query)?.ok_or_else(none)?)
        }
    }
}

/// What a bot has left in a folder.
fn kept(folder: &Path, query: &HistoryQuery) -> anyhow::Result<Option<History>> {
    let Some(store) = at::left(folder)? else { return Ok(None) };
    let records = store.records(&Filter::from(query))?;
    let entries = records.into_iter().map(history::Entry::from).collect();
    Ok(Some(History { source: history::Source::Store, entries }))
}
