//! `tagwright status`: what a bot says about itself.

mod objects;
mod watch;

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use tagwright_core::automation::ObjectName;

use super::at::{self, Whereabouts};
use super::kubernetes::Objects;
use super::name::{self, ObjectKind};
use super::{Ending, Tabular, streams};
use crate::failure::{Context, Failure, Result};
use crate::report;
use crate::wire::status::Status;

const EXAMPLES: &str = "\
Examples:
  tagwright status
  tagwright status default:podinfo --watch
  tagwright status --url http://127.0.0.1:8080 --output json
  tagwright status --kubernetes -A";

/// Show what the policies select, what the automations did, and when both are due.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Policies (NS:NAME) and automations (NS/NAME) to show; none shows all
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Data folder of the bot [default: the folder for state of the user]
    #[arg(long, value_name = "DIR", env = "TAGWRIGHT_DATA_DIR", hide_env_values = true)]
    data_dir: Option<PathBuf>,
    /// Ask the bot that listens here, such as http://127.0.0.1:8080, in place of one of this machine
    #[arg(long, value_name = "URL", conflicts_with = "kubernetes")]
    url: Option<String>,
    /// Show it again every so many seconds, until Ctrl-C [default: 2]
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "2",
        value_parser = clap::value_parser!(u64).range(1..=86_400)
    )]
    watch: Option<u64>,
    /// What to print on stdout
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t)]
    output: Tabular,
    #[command(flatten)]
    objects: Objects,
}

pub(super) fn run(arguments: &Arguments) -> Result<Ending> {
    let runtime = super::runtime()?;
    if let Some(seconds) = arguments.watch {
        return watch::run(arguments, &runtime, seconds);
    }
    let shown = runtime.block_on(obtain(arguments))?;
    shown.print(arguments)?;
    Ok(Ending::Done)
}

/// What is there to be shown.
enum Shown {
    /// What a bot says about itself.
    Bot(Box<Status>, Vec<ObjectName>),
    /// What the objects of a cluster say of themselves.
    Objects(objects::Seen),
}

impl Shown {
    fn print(self, arguments: &Arguments) -> Result<()> {
        match self {
            Self::Bot(status, names) => show(arguments, *status, &names),
            Self::Objects(seen) => seen.print(arguments.output),
        }
    }
}

async fn obtain(arguments: &Arguments) -> Result<Shown> {
    if let Some(options) = arguments.objects.options() {
        return Ok(Shown::Objects(objects::obtain(arguments, &options).await?));
    }
    let names = arguments.names.iter().map(|name| name::parse(name)).collect::<Result<Vec<_>, _>>()?;
    Ok(Shown::Bot(Box::new(of_bot(arguments.url.as_deref(), arguments.data_dir.as_deref()).await?), names))
}

/// Prints what was asked for.
fn show(arguments: &Arguments, mut status: Status, names: &[ObjectName]) -> Result<()> {
    if !names.is_empty() {
        keep(&mut status, names)?;
    }
    let now = Timestamp::now();
    streams::talk(&report::status::warnings(&status, now));
    match arguments.output {
        Tabular::Json => streams::json(&status),
        _ if status.policies.is_empty() && status.automations.is_empty() => {
            streams::talk("no policy and no automation is configured");
            Ok(())
        }
        output => {
            let style = report::style(std::io::stdout());
            streams::data(&report::status::tables(&status, now, output.width(), style))
        }
    }
}

/// What the bot of a URL or a data folder says, or the last one there has left.
pub(super) async fn of_bot(url: Option<&str>, data_dir: Option<&Path>) -> Result<Status> {
    match at::find(url, data_dir).await? {
        Whereabouts::Running(bot) => bot.status().await,
        Whereabouts::Folder(folder) => {
            let place = folder.display();
            let none = || {
                let message = format!("no bot is running on {place}, and none has left a status there");
                Failure::missing(message, at::start(&folder))
            };
            let kept = at::left(&folder)?.map(|store| store.status()).transpose()?.flatten().ok_or_else(none)?;
            let status = serde_json::from_slice(&kept).with_context(|| format!("cannot read the status in {place}"))?;
            streams::talk(&report::status::kept(&status, &place.to_string(), Timestamp::now()));
            Ok(status)
        }
    }
}

/// Leaves what was asked for; a name may be that of a policy, of an automation, or of both.
pub(super) fn keep(status: &mut Status, names: &[ObjectName]) -> Result<()> {
    let known = |name: &ObjectName| {
        ObjectKind::Policy.known(status).contains(name) || ObjectKind::Automation.known(status).contains(name)
    };
    if let Some(unknown) = names.iter().find(|name| !known(name)) {
        let meant = |kind: ObjectKind| name::meant(kind, unknown, &kind.known(status));
        let hint = meant(ObjectKind::Policy).or_else(|| meant(ObjectKind::Automation));
        let message = format!("there is no policy and no automation {unknown}");
        return Err(Failure::missing(message, hint.unwrap_or_default()));
    }
    let wanted = |namespace: &str, name: &str| names.iter().any(|it| it.namespace == namespace && it.name == name);
    status.policies.retain(|it| wanted(&it.namespace, &it.name));
    status.automations.retain(|it| wanted(&it.namespace, &it.name));
    Ok(())
}
