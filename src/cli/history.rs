//! `tagwright history`: what was committed, held back and failed.
//!
//! A bot knows, and what it has left when none runs. Where there is neither, or a configuration was named, the commits of
//! the Git remotes tell: what was held back or failed, they do not.

mod rebuilt;

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tagwright_core::automation::ObjectName;

use super::at::{self, Whereabouts};
use super::name::{self, ObjectKind};
use super::{Ending, Tabular, moment, streams};
use crate::config;
use crate::failure::{Failure, Kind, Result};
use crate::report;
use crate::store::Filter;
use crate::wire::history::{Entry, History, Source};
use crate::wire::request::HistoryQuery;
use crate::wire::status::Status;

/// Entries that are shown when `--limit` is not given.
const LIMIT: usize = 100;

const EXAMPLES: &str = "\
Examples:
  tagwright history --since 7d
  tagwright history --policy default:podinfo --limit 10
  tagwright history --config policies";

/// Show what was committed, held back and failed, newest first.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
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
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t)]
    output: Tabular,
}

/// A history, and what could not be looked at for it.
struct Answer {
    history: History,
    /// The names that there are, where that is known.
    known: Option<Known>,
    /// The gravest failure on the way; each was told when it happened.
    worst: Option<Kind>,
}

/// The policies and automations that there are now.
struct Known {
    policies: Vec<ObjectName>,
    automations: Vec<ObjectName>,
}

impl From<&Status> for Known {
    fn from(status: &Status) -> Self {
        let [policies, automations] = [ObjectKind::Policy, ObjectKind::Automation].map(|kind| kind.known(status));
        Self { policies, automations }
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<Ending> {
    let zone = TimeZone::system();
    let query = query(arguments, &zone)?;
    let Answer { history, known, worst } = super::runtime()?.block_on(obtain(arguments, &query))?;
    if arguments.output == Tabular::Json {
        streams::json(&history)?;
    }
    if let Some(known) = known.filter(|_| history.entries.is_empty()) {
        is_there(ObjectKind::Policy, arguments.policy.as_deref(), &known.policies)?;
        is_there(ObjectKind::Automation, arguments.automation.as_deref(), &known.automations)?;
    }
    match arguments.output {
        Tabular::Json => {}
        _ if history.entries.is_empty() => streams::talk("nothing was found"),
        output => {
            let style = report::style(std::io::stdout());
            streams::data(&report::history::text(&history.entries, &zone, output.width(), style))?;
        }
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
        before: None,
    })
}

/// A name of which nothing is told is most likely misspelt, where there is nothing of that name.
fn is_there(kind: ObjectKind, text: Option<&str>, known: &[ObjectName]) -> Result<()> {
    let Some(name) = text.map(name::parse).transpose()?.filter(|name| !known.contains(name)) else { return Ok(()) };
    let message = format!("there is no {} {}, and nothing is told of one", kind.noun(), kind.written(&name));
    Err(Failure::missing(message, name::meant(kind, &name, known).unwrap_or_default()))
}

async fn obtain(arguments: &Arguments, query: &HistoryQuery) -> Result<Answer> {
    let (named, filter) = (arguments.data_dir.as_deref(), Filter::from(query));
    if !arguments.config.is_empty() {
        let sources = config::Sources {
            paths: arguments.config.clone(),
            secrets: arguments.secrets.clone(),
            ..config::Sources::default()
        };
        return rebuilt::tell(&sources, at::folder(named).ok().as_deref(), &filter).await;
    }
    let folder = match at::find(arguments.url.as_deref(), named).await? {
        Whereabouts::Running(bot) => {
            let history = bot.history(query).await?;
            let known = if history.entries.is_empty() { Some(Known::from(&bot.status().await?)) } else { None };
            return Ok(Answer { history, known, worst: None });
        }
        Whereabouts::Folder(folder) => folder,
    };
    if let Some(answer) = kept(&folder, &filter)? {
        return Ok(answer);
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

/// The history of the bot of a URL or a data folder, or that of the last one there.
pub(super) async fn of_bot(url: Option<&str>, data_dir: Option<&Path>, query: &HistoryQuery) -> Result<History> {
    match at::find(url, data_dir).await? {
        Whereabouts::Running(bot) => bot.history(query).await,
        Whereabouts::Folder(folder) => match kept(&folder, &Filter::from(query))? {
            Some(answer) => Ok(answer.history),
            None => {
                let message = format!("no bot is running on {}, and no history is kept there", folder.display());
                Err(Failure::missing(message, at::start(&folder)))
            }
        },
    }
}

/// The history that a bot has left in a folder; none where it has left nothing.
fn kept(folder: &Path, filter: &Filter) -> Result<Option<Answer>> {
    let Some(store) = at::left(folder)? else { return Ok(None) };
    let entries = store.records(filter)?.into_iter().map(Entry::from).collect();
    let known = at::last_status(&store).as_ref().map(Known::from);
    Ok(Some(Answer { history: History { source: Source::Store, entries, next: None }, known, worst: None }))
}
