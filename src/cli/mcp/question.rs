//! What can be asked, and out of what it is answered.

use std::ffi::OsString;
use std::path::PathBuf;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rmcp::model::JsonObject;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tagwright_core::automation::ObjectName;

use super::tools::{About, Explain, Findings, History, Images, Names, Nothing};
use super::{bounded, child};
use crate::cli::at::{self, Whereabouts};
use crate::cli::client::Client;
use crate::cli::name::{self, ObjectKind};
use crate::cli::{history, moment, status};
use crate::failure::{Failure, Result};
use crate::wire::request::{HistoryQuery, ImagesQuery};

/// How many entries of the history are told when it is not said.
const ENTRIES: usize = 30;

/// The most entries of the history in one answer.
const MAX_ENTRIES: usize = 1_000;

/// Out of what questions are answered.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// A bot, or what the last one has left.
    Bot {
        /// Where it listens; without, it is that of the data folder.
        url: Option<String>,
        data_dir: Option<PathBuf>,
    },
    /// A configuration, with the registries and remotes that it names.
    Files { config: Vec<PathBuf>, secrets: Option<PathBuf> },
}

/// An answer: a document, and what was said beside it.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) document: Value,
    pub(super) talk: String,
    /// Whether all is there that was asked for.
    pub(super) is_whole: bool,
}

impl Answer {
    pub(super) fn of(document: Value) -> Self {
        Self { document, talk: String::new(), is_whole: true }
    }

    /// The parts of a tool's result.
    pub(super) fn texts(&self) -> Vec<String> {
        let talk = (!self.talk.is_empty()).then(|| self.talk.clone());
        [bounded::cut(&self.document)].into_iter().chain(talk).collect()
    }
}

/// Reads the arguments of a tool.
pub(super) fn read<T: DeserializeOwned>(arguments: JsonObject) -> Result<T> {
    serde_json::from_value(Value::Object(arguments))
        .map_err(|error| Failure::usage(format!("the arguments are wrong: {error}"), "see the tool's schema"))
}

/// Answers a question.
pub(super) async fn answer(source: &Source, tool: &str, arguments: JsonObject) -> Result<Answer> {
    match (tool, source) {
        ("status", Source::Bot { url, data_dir }) => {
            let Names { names } = read(arguments)?;
            let names = names.iter().map(|name| name::parse(name)).collect::<Result<Vec<_>>>()?;
            let mut status = status::of_bot(url.as_deref(), data_dir.as_deref()).await?;
            if !names.is_empty() {
                status::keep(&mut status, &names)?;
            }
            Ok(Answer::of(serde_json::to_value(status)?))
        }
        ("selections", Source::Bot { url, data_dir }) => {
            let Names { names } = read(arguments)?;
            let names = names.iter().map(|name| name::parse(name)).collect::<Result<Vec<_>>>()?;
            let mut status = status::of_bot(url.as_deref(), data_dir.as_deref()).await?;
            status.policies.retain(|it| names.is_empty() || names.contains(&it.id()));
            Ok(Answer::of(json!({ "policies": status.policies })))
        }
        ("explain", _) => explain(source, read(arguments)?).await,
        ("history", _) => told(source, read(arguments)?).await,
        ("findings", Source::Bot { .. }) => {
            let Findings { automation } = read(arguments)?;
            let mut document = source.bot().await?.document(&["findings"]).await?;
            if let (Some(automation), Some(Value::Array(findings))) = (automation, document.get_mut("findings")) {
                let name = name::parse(&automation)?.to_string();
                findings.retain(|finding| finding["automation"] == name.as_str());
            }
            Ok(Answer::of(document))
        }
        ("findings", Source::Files { .. }) => {
            let Nothing {} = read(arguments)?;
            let arguments = ["check", "--remote", "--output=json"].map(OsString::from);
            // Its exit code is about what it has found.
            Ok(Answer { is_whole: true, ..child::document(source.with_files(arguments)).await? })
        }
        ("pending", Source::Bot { .. }) => {
            let About { automation } = read(arguments)?;
            let ObjectName { namespace, name } = name::parse(&automation)?;
            let document = source.bot().await?.document(&["automations", &namespace, &name, "pending"]).await?;
            Ok(Answer::of(document))
        }
        ("images", Source::Bot { .. }) => {
            let Images { commits, now } = read(arguments)?;
            let commits = if now { Some(1) } else { commits };
            let document = source.bot().await?.images(&ImagesQuery { commits, registry: None }).await?;
            let is_whole = document["missing"].as_array().is_some_and(Vec::is_empty);
            Ok(Answer { is_whole, ..Answer::of(document) })
        }
        ("images", Source::Files { .. }) => {
            let Images { commits, now } = read(arguments)?;
            let mut flags: Vec<OsString> = ["images", "--output=json"].map(OsString::from).into();
            flags.extend(commits.map(|commits| format!("--commits={commits}").into()));
            flags.extend(now.then(|| "--now".into()));
            child::document(source.with_files(flags)).await
        }
        _ => Err(Failure::usage(format!("there is no tool {tool:?} here"), "")),
    }
}

async fn explain(source: &Source, Explain { policy, tag }: Explain) -> Result<Answer> {
    let name = name::parse(&policy)?;
    if let Some(tag) = tag.as_deref().filter(|tag| image::Tag::parse(tag).is_err()) {
        let message = format!("{:?} is no tag", words::one_line(tag, 128));
        return Err(Failure::usage(message, "a tag has letters, digits and _.-, at most 128"));
    }
    match source {
        Source::Bot { .. } => {
            let path = ["policies", &name.namespace, &name.name, "tags"];
            let path: Vec<&str> = path.into_iter().chain(tag.as_deref()).collect();
            Ok(Answer::of(source.bot().await?.document(&path).await?))
        }
        Source::Files { .. } => {
            let mut flags: Vec<OsString> = ["explain", "--output=json"].map(OsString::from).into();
            flags.extend(tag.map(|tag| format!("--tag={tag}").into()));
            let mut flags = source.with_files(flags);
            flags.extend(["--".into(), name.marker().into()]);
            child::document(flags).await
        }
    }
}

async fn told(source: &Source, History { policy, automation, since, limit }: History) -> Result<Answer> {
    let written = |kind: ObjectKind, text: &String| Ok::<_, Failure>(kind.written(&name::parse(text)?));
    let query = HistoryQuery {
        policy: policy.as_ref().map(|text| written(ObjectKind::Policy, text)).transpose()?,
        automation: automation.as_ref().map(|text| written(ObjectKind::Automation, text)).transpose()?,
        since: since.map(|text| moment::since(&text, Timestamp::now(), &TimeZone::system())).transpose()?,
        limit: Some(limit.unwrap_or(ENTRIES).clamp(1, MAX_ENTRIES)),
        before: None,
    };
    match source {
        Source::Bot { url, data_dir } => {
            let history = history::of_bot(url.as_deref(), data_dir.as_deref(), &query).await?;
            Ok(Answer::of(serde_json::to_value(history)?))
        }
        Source::Files { .. } => {
            let mut flags: Vec<OsString> = ["history", "--output=json"].map(OsString::from).into();
            let HistoryQuery { policy, automation, since, limit, .. } = query;
            flags.extend(policy.map(|policy| format!("--policy={policy}").into()));
            flags.extend(automation.map(|automation| format!("--automation={automation}").into()));
            flags.extend(since.map(|since| format!("--since={since}").into()));
            flags.extend(limit.map(|limit| format!("--limit={limit}").into()));
            child::document(source.with_files(flags)).await
        }
    }
}

impl Source {
    /// The bot, which has to run.
    pub(super) async fn bot(&self) -> Result<Client> {
        let Self::Bot { url, data_dir } = self else {
            return Err(Failure::usage("there is no bot: the server answers out of a configuration", ""));
        };
        match at::find(url.as_deref(), data_dir.as_deref()).await? {
            Whereabouts::Running(bot) => Ok(bot),
            Whereabouts::Folder(folder) => {
                let message = format!("no bot is running on {}", folder.display());
                Err(Failure::missing(message, at::start(&folder)))
            }
        }
    }

    /// A command with the files of the configuration.
    fn with_files(&self, command: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = command.into_iter().collect();
        let flag = |name: &str, path: &PathBuf| {
            let mut flag = OsString::from(name);
            flag.push(path);
            flag
        };
        if let Self::Files { config, secrets } = self {
            arguments.extend(config.iter().map(|path| flag("--config=", path)));
            arguments.extend(secrets.iter().map(|path| flag("--secrets=", path)));
        }
        arguments
    }
}
