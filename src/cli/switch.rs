//! `tagwright hold`, `release`, `suspend` and `resume`: orders to a bot, or to the next one that starts.

mod objects;

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use tagwright_core::automation::ObjectName;

use super::at::{self, Whereabouts};
use super::client::Client;
use super::kubernetes::Objects;
use super::name::{self, ObjectKind};
use super::{Ending, streams};
use crate::failure::{Failure, Result};
use crate::server;
use crate::store::{MAX_REASON_BYTES, Store};
use crate::wire::request::{Obeyed, Order};
use crate::wire::status::Status;

pub(super) const HOLD: &str = "\
Examples:
  tagwright hold default:podinfo --reason '6.8 loses sessions'
  tagwright hold default:podinfo shop:web
  tagwright hold --all --reason 'the fair'
  tagwright hold podinfo --kubernetes -n apps --reason '6.8 loses sessions'";

pub(super) const RELEASE: &str = "\
Examples:
  tagwright release default:podinfo
  tagwright release --all
  tagwright release default:podinfo --now --reason 'fixes CVE-2026-1234'
  tagwright release podinfo --kubernetes -n apps
  tagwright release podinfo --kubernetes -n apps --now --reason 'fixes CVE-2026-1234'";

pub(super) const SUSPEND: &str = "\
Examples:
  tagwright suspend default/shop --reason 'the cluster moves'
  tagwright suspend --all
  tagwright suspend shop --kubernetes --context production";

pub(super) const RESUME: &str = "\
Examples:
  tagwright resume default/shop
  tagwright resume --all
  tagwright resume --all --kubernetes --all-namespaces";

/// The arguments of every order: its subjects, and the bot that gets it.
#[derive(Debug, clap::Args)]
pub(super) struct About {
    /// Policies (NS:NAME) or automations (NS/NAME); a name alone is in the namespace default, or with --kubernetes in that of the
    /// context
    #[arg(value_name = "NS:NAME", required_unless_present = "all")]
    names: Vec<String>,
    /// All that the bot knows, or with --kubernetes all of the namespace
    #[arg(long, conflicts_with = "names")]
    all: bool,
    /// Data folder of the bot [default: the folder for state of the user]
    #[arg(long, value_name = "DIR", env = "TAGWRIGHT_DATA_DIR", hide_env_values = true)]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    objects: Objects,
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

/// What is released: holds, or with `--now` what waits for its age.
#[derive(Debug, clap::Args)]
pub(super) struct Released {
    #[command(flatten)]
    about: About,
    /// Let what is there by now be selected though it is not known for `minimumAge` yet, such as a fix that cannot wait
    #[arg(long, requires = "reason", conflicts_with = "all")]
    now: bool,
    /// Why it cannot wait, for those who will ask
    #[arg(long, value_name = "TEXT", requires = "now")]
    reason: Option<String>,
}

/// Releases what is held, or what waits.
pub(super) fn run_release(arguments: Released) -> Result<Ending> {
    let Released { about, now, reason } = arguments;
    if !now {
        return run(Order::Release, &about);
    }
    if reason.as_deref().is_none_or(|reason| reason.trim().is_empty()) {
        return Err(Failure::usage(
            "--reason is empty",
            "say why it cannot wait, such as the vulnerability that it fixes",
        ));
    }
    run_reasoned(Order::Hurry, &Reasoned { about, reason })
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

/// Gives it about one subject after the other, and says of each what became of it.
fn give(order: Order, about: &About, reason: Option<&str>) -> Result<Ending> {
    if let Some(options) = about.objects.options() {
        super::runtime()?.block_on(objects::give(order, about, &options, reason))?;
        return Ok(Ending::Done);
    }
    let mut names: Vec<ObjectName> = Vec::new();
    for name in about.names.iter().map(|name| name::parse(name)) {
        let name = name?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let subjects = if about.all { Subjects::All } else { Subjects::Named(names) };
    super::runtime()?.block_on(async {
        match at::find(None, about.data_dir.as_deref()).await? {
            Whereabouts::Running(bot) => to_bot(order, &bot, subjects, reason).await,
            Whereabouts::Folder(folder) => to_store(order, &folder, subjects, reason),
        }
    })?;
    Ok(Ending::Done)
}

/// What an order is about.
enum Subjects {
    /// Every policy, or every automation.
    All,
    /// These.
    Named(Vec<ObjectName>),
}

/// Nothing is ordered where one of the names is wrong.
async fn to_bot(order: Order, bot: &Client, subjects: Subjects, reason: Option<&str>) -> Result<()> {
    let status = bot.status().await?;
    let known = kind(order).known(&status);
    let names = match subjects {
        Subjects::All if known.is_empty() => {
            return Err(Failure::missing(format!("the bot has no {}", kind(order).noun()), ""));
        }
        Subjects::All => known,
        Subjects::Named(names) => match names.iter().find(|name| !known.contains(name)) {
            Some(name) => {
                let message = format!("there is no {} {}", kind(order).noun(), kind(order).written(name));
                return Err(Failure::missing(message, hint(order, name, &status)));
            }
            None => names,
        },
    };
    for name in &names {
        say(&bot.order(order, name, reason).await?)?;
    }
    Ok(())
}

fn to_store(order: Order, folder: &Path, subjects: Subjects, reason: Option<&str>) -> Result<()> {
    let none = || {
        let message = format!("no bot is running on {}, and none has ever run there", folder.display());
        Failure::missing(message, at::start(folder))
    };
    let store = at::left(folder)?.ok_or_else(none)?;
    let status = at::last_status(&store);
    let names = match subjects {
        Subjects::All => all_left(order, &store, status.as_ref())?,
        Subjects::Named(names) => names,
    };
    let place = folder.display();
    streams::sentence("note", &format!("no bot is running on {place}; the next one that starts will obey"));
    for name in &names {
        if let Some(status) = status.as_ref().filter(|status| !kind(order).known(status).contains(name)) {
            warn_unknown(order, name, status);
        }
        say(&server::obey(order, &store, name, (reason, ""), Timestamp::now())?)?;
    }
    Ok(())
}

/// What the last bot knew, and what an order that ends something may end although no bot has known it.
fn all_left(order: Order, store: &Store, status: Option<&Status>) -> Result<Vec<ObjectName>> {
    let switches = store.switches()?;
    let mut names = status.map(|status| kind(order).known(status)).unwrap_or_default();
    let begun: Vec<&String> = match order {
        Order::Hold | Order::Suspend | Order::Hurry => Vec::new(),
        Order::Release => switches.held.keys().collect(),
        Order::Resume => switches.suspended.keys().collect(),
    };
    for name in begun {
        let name = name::parse(name)?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.is_empty() {
        return Err(Failure::missing(format!("no {} is known here", kind(order).noun()), "name it"));
    }
    Ok(names)
}

fn warn_unknown(order: Order, name: &ObjectName, status: &Status) {
    let hint = hint(order, name, status);
    let hint = if hint.is_empty() { String::new() } else { format!("; {hint}") };
    let (noun, written) = (kind(order).noun(), kind(order).written(name));
    streams::sentence("warning", &format!("the last bot knew no {noun} {written}{hint}"));
}

fn say(obeyed: &Obeyed) -> Result<()> {
    streams::text(&format!("{}\n", sentence(kind(obeyed.order).noun(), obeyed)))
}

fn kind(order: Order) -> ObjectKind {
    if order.is_for_policies() { ObjectKind::Policy } else { ObjectKind::Automation }
}

/// The hint for a name that is not known as this kind of object: it may be one of the other kind, or misspelt.
fn hint(order: Order, name: &ObjectName, status: &Status) -> String {
    let (other, command) = match order {
        Order::Hold => (ObjectKind::Automation, "suspend"),
        Order::Release | Order::Hurry => (ObjectKind::Automation, "resume"),
        Order::Suspend => (ObjectKind::Policy, "hold"),
        Order::Resume => (ObjectKind::Policy, "release"),
    };
    if other.known(status).contains(name) {
        let written = other.written(name);
        return format!("{written} is {} {}: `tagwright {command} {written}`", other.article(), other.noun());
    }
    name::meant(kind(order), name, &kind(order).known(status)).unwrap_or_default()
}

fn sentence(noun: &str, obeyed: &Obeyed) -> String {
    let Obeyed { order, name, changed, was_held } = obeyed;
    let became = match (order, changed) {
        (Order::Hold, true) => "held",
        (Order::Hold, false) => "held already",
        (Order::Release, _) if *was_held => "released",
        (Order::Release, _) => "was not held by hand; what was taken back until now may be written again",
        (Order::Hurry, _) => "hurried: what is there by now need not be known for longer",
        (Order::Suspend, true) => "suspended",
        (Order::Suspend, false) => "suspended already",
        (Order::Resume, true) => "resumed",
        (Order::Resume, false) => "was not suspended",
    };
    format!("{noun} {name} {became}")
}
