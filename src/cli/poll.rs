//! `tagwright poll`: lets a running bot look at once.

mod objects;

use std::path::PathBuf;
use std::time::Duration;

use tagwright_core::automation::ObjectName;

use super::at::{self, Whereabouts};
use super::kubernetes::{HEADING, Objects, duration};
use super::name::{self, ObjectKind};
use super::{Ending, streams};
use crate::failure::{Failure, Result};
use crate::wire::request::Poll;
use crate::wire::status::Status;

/// As long as `flux reconcile` waits.
const TIMEOUT: &str = "5m";

const EXAMPLES: &str = "\
Examples:
  tagwright poll
  tagwright poll default:podinfo
  tagwright poll default/shop --reason 'the fix is out'
  tagwright poll podinfo --kubernetes -n apps --timeout 1m";

/// Let a running bot poll now, and commit what has changed.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Policies (NS:NAME) whose image repositories are polled, and automations (NS/NAME) that run once theirs are; none
    /// polls everything
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Why, for those who will ask; the history keeps the order then
    #[arg(long, value_name = "TEXT", conflicts_with = "kubernetes")]
    reason: Option<String>,
    /// Data folder of the bot [default: the folder for state of the user]
    #[arg(long, value_name = "DIR", env = "TAGWRIGHT_DATA_DIR", hide_env_values = true)]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    objects: Objects,
    /// How long to wait until a bot has done what was asked for
    #[arg(
        long,
        value_name = "DURATION",
        default_value = TIMEOUT,
        value_parser = duration,
        requires = "kubernetes",
        help_heading = HEADING
    )]
    timeout: Duration,
}

pub(super) fn run(arguments: &Arguments) -> Result<Ending> {
    if let Some(options) = arguments.objects.options() {
        return super::runtime()?.block_on(objects::run(arguments, &options));
    }
    let names = arguments.names.iter().map(|text| Ok((text.as_str(), name::parse(text)?)));
    let names: Vec<(&str, ObjectName)> = names.collect::<Result<_>>()?;
    super::runtime()?.block_on(async {
        let bot = match at::find(None, arguments.data_dir.as_deref()).await? {
            Whereabouts::Running(bot) => bot,
            Whereabouts::Folder(folder) => {
                let message = format!("no bot is running on {}", folder.display());
                return Err(Failure::missing(message, at::start(&folder)));
            }
        };
        if names.is_empty() {
            bot.poll(&Poll { reason: arguments.reason.clone(), ..Poll::default() }).await?;
            return streams::text("everything is due now\n");
        }
        let status = bot.status().await?;
        let kinds = names.iter().map(|(text, name)| kind(text, name, &status)).collect::<Result<Vec<_>>>()?;
        for ((_, name), kind) in names.iter().zip(kinds) {
            let written = kind.written(name);
            let name = Some(written.clone());
            let (policy, automation) = match kind {
                ObjectKind::Policy => (name, None),
                ObjectKind::Automation => (None, name),
            };
            let wish = Poll { policy, automation, reason: arguments.reason.clone() };
            bot.poll(&wish).await?;
            streams::text(&format!("{} {written} is due now\n", kind.noun()))?;
        }
        Ok(())
    })?;
    Ok(Ending::Done)
}

/// What a name means: what it is written as, if there is such a thing, and otherwise the other.
fn kind(text: &str, name: &ObjectName, status: &Status) -> Result<ObjectKind> {
    let kinds = match text.contains('/') {
        true => [ObjectKind::Automation, ObjectKind::Policy],
        false => [ObjectKind::Policy, ObjectKind::Automation],
    };
    kinds.into_iter().find(|kind| kind.known(status).contains(name)).ok_or_else(|| {
        let message = match text.contains([':', '/']) {
            true => format!("there is no {} {}", kinds[0].noun(), kinds[0].written(name)),
            false => format!("there is no policy and no automation {name}"),
        };
        let meant = kinds.into_iter().find_map(|kind| name::meant(kind, name, &kind.known(status)));
        Failure::missing(message, meant.unwrap_or_default())
    })
}
