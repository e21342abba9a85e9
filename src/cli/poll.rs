//! `tagwright poll`: lets a running bot look at once.

use std::path::PathBuf;

use super::at::{self, Whereabouts};
use super::name::{self, ObjectKind};
use super::{Ending, streams};
use crate::failure::{Failure, Result};
use crate::wire::request::Poll;

/// Let a running bot poll now, and commit what has changed.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The policy whose image repository is polled; none polls everything
    #[arg(value_name = "NS:NAME")]
    policy: Option<String>,
    /// Data folder of the bot [default: the folder for state of the user]
    #[arg(long, value_name = "DIR", env = "TAGWRIGHT_DATA_DIR", hide_env_values = true)]
    data_dir: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Ending> {
    let policy = arguments.policy.as_deref().map(name::parse).transpose()?;
    super::runtime()?.block_on(async {
        let bot = match at::find(None, arguments.data_dir.as_deref()).await? {
            Whereabouts::Running(bot) => bot,
            Whereabouts::Folder(folder) => {
                let message = format!("no bot is running on {}", folder.display());
                return Err(Failure::missing(message, at::start(&folder)));
            }
        };
        if let Some(policy) = &policy {
            let status = bot.status().await?;
            if !ObjectKind::Policy.known(&status).contains(policy) {
                let message = format!("there is no policy {}", ObjectKind::Policy.written(policy));
                let hint = name::meant(ObjectKind::Policy, policy, &status).unwrap_or_default();
                return Err(Failure::missing(message, hint));
            }
        }
        bot.poll(&Poll { policy: policy.as_ref().map(|name| ObjectKind::Policy.written(name)) }).await
    })?;
    let what =
        policy.map_or_else(|| "everything".to_owned(), |name| format!("policy {}", ObjectKind::Policy.written(&name)));
    streams::text(&format!("{what} is due now\n"))?;
    Ok(Ending::Done)
}
