//! `tagwright hold`, `release`, `suspend` and `resume`: orders to a bot, or to the next one that starts.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use tagwright_core::automation::ObjectName;

use super::at::{self, Whereabouts};
use super::client::Client;
use super::name::{self, ObjectKind};
use super::{Ending, streams};
use crate::failure::{Failure, Result};
use crate::server;
use crate::store::{MAX_REASON_BYTES, Store};
use crate::wire::request::{Obeyed, Order};
use crate::wire::status::Status;

/// The arguments of every order: its subject, and the bot that gets it.
#[derive(Debug, clap::Args)]
pub(super) struct About {
    /// Policy (NS:NAME) or automation (NS/NAME); a name alone is in the namespace default
    #[arg(value_name = "NS:NAME")]
    name: String,
    /// Data folder of the bot [default: the folder for state of the user]
    #[arg(long, value_name = "DIR", env = "TAGWRIGHT_DATA_DIR", hide_env_values = true)]
    data_dir: Option<PathBuf>,
}

/// An order that says why.
#[derive(Debug, clap::Args)]
pub(super) struct Reasoned {
    #[command(flatten)]
    about: About,
    /// Why, for those who will ask
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Gives an order that has a reason.
pub(super) fn run_reasoned(order: Order, arguments: &Reasoned) -> Result<Ending> {
    let reason = arguments.reason.as_deref().map(str::trim).filter(|reason| !reason.is_empty());
    if reason.is_some_and(|reason| reason.len() > MAX_REASON_BYTES || reason.contains(char::is_control)) {
        let message = format!("--reason is longer than {MAX_REASON_BYTES} bytes, or has control characters");
        return Err(Failure::usage(message, "say it in one sentence"));
    }
    give(order, &arguments.about, reason)
}

/// Gives an order.
pub(super) fn run(order: Order, about: &About) -> Result<Ending> {
    give(order, about, None)
}

fn give(order: Order, about: &About, reason: Option<&str>) -> Result<Ending> {
    let name = name::parse(&about.name)?;
    let obeyed = super::runtime()?.block_on(async {
        match at::find(None, about.data_dir.as_deref()).await? {
            Whereabouts::Running(bot) => to_bot(order, &bot, &name, reason).await,
            Whereabouts::Folder(folder) => to_store(order, &folder, &name, reason),
        }
    })?;
    streams::text(&format!("{}\n", sentence(&obeyed)))?;
    Ok(Ending::Done)
}

async fn to_bot(order: Order, bot: &Client, name: &ObjectName, reason: Option<&str>) -> Result<Obeyed> {
    let status = bot.status().await?;
    if !kind(order).known(&status).contains(name) {
        let message = format!("there is no {} {}", kind(order).noun(), kind(order).written(name));
        return Err(Failure::missing(message, hint(order, name, &status)));
    }
    bot.order(order, name, reason).await
}

fn to_store(order: Order, folder: &Path, name: &ObjectName, reason: Option<&str>) -> Result<Obeyed> {
    let none = || {
        let message = format!("no bot is running on {}, and none has ever run there", folder.display());
        Failure::missing(message, at::start(folder))
    };
    let store = at::left(folder)?.ok_or_else(none)?;
    let obeyed = server::obey(order, &store, name, reason, Timestamp::now())?;
    let place = folder.display();
    streams::sentence("note", &format!("no bot is running on {place}; the next one that starts will obey"));
    if let Some(status) = last_status(&store)
        && !kind(order).known(&status).contains(name)
    {
        let hint = hint(order, name, &status);
        let hint = if hint.is_empty() { String::new() } else { format!("; {hint}") };
        let (noun, written) = (kind(order).noun(), kind(order).written(name));
        streams::sentence("warning", &format!("the last bot knew no {noun} {written}{hint}"));
    }
    Ok(obeyed)
}

fn last_status(store: &Store) -> Option<Status> {
    serde_json::from_slice(&store.status().ok()??).ok()
}

fn kind(order: Order) -> ObjectKind {
    if order.is_for_policies() { ObjectKind::Policy } else { ObjectKind::Automation }
}

/// The hint for a name that is not known as this kind of object: it may be one of the other kind, or misspelt.
fn hint(order: Order, name: &ObjectName, status: &Status) -> String {
    let (other, command) = match order {
        Order::Hold => (ObjectKind::Automation, "suspend"),
        Order::Release => (ObjectKind::Automation, "resume"),
        Order::Suspend => (ObjectKind::Policy, "hold"),
        Order::Resume => (ObjectKind::Policy, "release"),
    };
    if other.known(status).contains(name) {
        let written = other.written(name);
        return format!("{written} is {} {}: `tagwright {command} {written}`", other.article(), other.noun());
    }
    name::meant(kind(order), name, status).unwrap_or_default()
}

fn sentence(obeyed: &Obeyed) -> String {
    let Obeyed { order, name, changed } = obeyed;
    let state = match order {
        Order::Hold => "held",
        Order::Release => "released",
        Order::Suspend => "suspended",
        Order::Resume => "resumed",
    };
    let noun = kind(*order).noun();
    if *changed { format!("{noun} {name} {state}") } else { format!("{noun} {name} {state} already") }
}
