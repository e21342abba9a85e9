//! `tagwright status`: what a bot says about itself.

use std::path::PathBuf;

use jiff::Timestamp;
use tagwright_core::automation::ObjectName;

use super::at::{self, Whereabouts};
use super::name::{self, ObjectKind};
use super::{Ending, Output, streams};
use crate::failure::{Context, Failure, Result};
use crate::report;
use crate::wire::status::Status;

/// Show what the policies select, what the automations did, and when both are due.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Policies (NS:NAME) and automations (NS/NAME) to show; none shows all
    #[arg(value_name = "NAME")]
    names: Vec<String>,
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

pub(super) fn run(arguments: &Arguments) -> Result<Ending> {
    let names = arguments.names.iter().map(|name| name::parse(name)).collect::<Result<Vec<_>, _>>()?;
    let mut status = super::runtime()?.block_on(obtain(arguments))?;
    if !names.is_empty() {
        keep(&mut status, &names)?;
    }
    let now = Timestamp::now();
    streams::talk(&report::status::warnings(&status, now));
    match arguments.output {
        Output::Json => streams::json(&status)?,
        Output::Text if status.policies.is_empty() && status.automations.is_empty() => {
            streams::talk("no policy and no automation is configured");
        }
        Output::Text => streams::text(&report::status::tables(&status, now))?,
    }
    Ok(Ending::Done)
}

async fn obtain(arguments: &Arguments) -> Result<Status> {
    match at::find(arguments.url.as_deref(), arguments.data_dir.as_deref()).await? {
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
fn keep(status: &mut Status, names: &[ObjectName]) -> Result<()> {
    let known = |name: &ObjectName| {
        ObjectKind::Policy.known(status).contains(name) || ObjectKind::Automation.known(status).contains(name)
    };
    if let Some(unknown) = names.iter().find(|name| !known(name)) {
        let hint = name::meant(ObjectKind::Policy, unknown, status)
            .or_else(|| name::meant(ObjectKind::Automation, unknown, status));
        let message = format!("there is no policy and no automation {unknown}");
        return Err(Failure::missing(message, hint.unwrap_or_default()));
    }
    let wanted = |namespace: &str, name: &str| names.iter().any(|it| it.namespace == namespace && it.name == name);
    status.policies.retain(|it| wanted(&it.namespace, &it.name));
    status.automations.retain(|it| wanted(&it.namespace, &it.name));
    Ok(())
}
