//! `tagwright freeze` and `unfreeze`: orders to a bot, or to the next one that starts, about times in which nothing is written.

mod objects;

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tagwright_core::freeze::{Calendar, Selector};

use super::at::{self, Whereabouts};
use super::kubernetes::Objects;
use super::{Ending, moment, streams};
use crate::failure::{Failure, Result};
use crate::schedule::freeze as orders;
use crate::store::Store;
use crate::wire::freeze::{Freeze, FreezeKind, FreezeStatus, Refrozen, RefrozenResult, Unfreeze};

pub(super) const FREEZE: &str = "\
Examples:
  tagwright freeze --until 2026-12-27 --reason 'the fair'
  tagwright freeze default/shop 'prod/*' --until 4h
  tagwright freeze default:podinfo
  tagwright freeze --kubernetes -A --until 2026-12-27 --reason 'the fair'";

pub(super) const UNFREEZE: &str = "\
Examples:
  tagwright unfreeze
  tagwright unfreeze 'prod/*'
  tagwright unfreeze --all
  tagwright unfreeze default:podinfo --break-glass --reason CVE-2026-4242";

/// What is frozen, and where.
#[derive(Debug, clap::Args)]
struct Named {
    /// Automations (NS/NAME), those of a namespace (NS/*), policies (NS:NAME); none is everything
    #[arg(value_name = "SELECTOR")]
    selectors: Vec<String>,
    /// Data folder of the bot [default: the folder for state of the user]
    #[arg(long, value_name = "DIR", env = "TAGWRIGHT_DATA_DIR", hide_env_values = true)]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    objects: Objects,
}

/// The arguments of `freeze`.
#[derive(Debug, clap::Args)]
pub(super) struct FreezeArguments {
    #[command(flatten)]
    named: Named,
    /// When it ends by itself: a duration (4h, 3d), a day, which is the first without it (2026-12-27), or a time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Why, for those who will ask
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// The arguments of `unfreeze`.
#[derive(Debug, clap::Args)]
pub(super) struct UnfreezeArguments {
    #[command(flatten)]
    named: Named,
    /// End all freezes and exceptions that were ordered by hand
    #[arg(long, conflicts_with_all = ["selectors", "break_glass"])]
    all: bool,
    /// Write what the selectors name for an hour, whoever or whatever has frozen it
    #[arg(long, requires = "reason")]
    break_glass: bool,
    /// When that ends, a day from now at the latest [default: 1h]
    #[arg(long, value_name = "TIME", requires = "break_glass")]
    until: Option<String>,
    /// Why, for those who will ask
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub(super) fn freeze(arguments: &FreezeArguments) -> Result<Ending> {
    let now = Timestamp::now();
    let wish = Freeze {
        selectors: arguments.named.selectors.clone(),
        until: until(arguments.until.as_deref(), now)?,
        reason: arguments.reason.clone(),
    };
    let named = &arguments.named;
    if let Some(options) = named.objects.options() {
        super::runtime()?.block_on(objects::freeze(&wish, named.objects.all_namespaces, &options))?;
        return Ok(Ending::Done);
    }
    checked(&wish.selectors)?;
    super::runtime()?.block_on(async {
        match at::find(None, named.data_dir.as_deref()).await? {
            Whereabouts::Running(bot) => say(&bot.freeze(&wish).await?, &Said::Frozen),
            Whereabouts::Folder(folder) => {
                let store = left(&folder)?;
                say(
                    &orders::freeze(&store, &wish, orders::Given { by: "", calendar: &Calendar::default(), now })?,
                    &Said::Frozen,
                )
            }
        }
    })?;
    Ok(Ending::Done)
}

pub(super) fn unfreeze(arguments: &UnfreezeArguments) -> Result<Ending> {
    let now = Timestamp::now();
    let wish = Unfreeze {
        selectors: arguments.named.selectors.clone(),
        all: arguments.all,
        break_glass: arguments.break_glass,
        until: until(arguments.until.as_deref(), now)?,
        reason: arguments.reason.clone(),
    };
    let said = if wish.break_glass { Said::GlassBroken } else { Said::Unfrozen };
    let named = &arguments.named;
    if let Some(options) = named.objects.options() {
        super::runtime()?.block_on(objects::unfreeze(&wish, named.objects.all_namespaces, &options))?;
        return Ok(Ending::Done);
    }
    checked(&wish.selectors)?;
    super::runtime()?.block_on(async {
        match at::find(None, named.data_dir.as_deref()).await? {
            Whereabouts::Running(bot) => say(&bot.unfreeze(&wish).await?, &said),
            Whereabouts::Folder(folder) => {
                let store = left(&folder)?;
                say(
                    &orders::unfreeze(&store, &wish, orders::Given { by: "", calendar: &Calendar::default(), now })?,
                    &said,
                )
            }
        }
    })?;
    Ok(Ending::Done)
}

/// What is wrong with a selector is told before anybody is asked.
fn checked(selectors: &[String]) -> Result<Vec<Selector>> {
    Ok(orders::selectors(selectors)?)
}

fn until(text: Option<&str>, now: Timestamp) -> Result<Option<Timestamp>> {
    text.map(|text| moment::until(text, now, &TimeZone::system())).transpose()
}

/// The store of a folder where no bot runs; the next one that starts obeys.
fn left(folder: &Path) -> Result<Store> {
    let place = folder.display();
    let none = || {
        let message = format!("no bot is running on {place}, and none has ever run there");
        Failure::missing(message, at::start(folder))
    };
    let store = at::left(folder)?.ok_or_else(none)?;
    streams::sentence("note", &format!("no bot is running on {place}; the next one that starts will obey"));
    Ok(store)
}

/// What an order was about.
enum Said {
    Frozen,
    Unfrozen,
    GlassBroken,
}

fn say(answer: &Refrozen, said: &Said) -> Result<()> {
    if answer.results.is_empty() {
        streams::text("nothing was frozen by hand\n")?;
    }
    for RefrozenResult { selector, changed, until } in &answer.results {
        let what = if selector == "*" { "everything" } else { selector };
        let until = until.map_or_else(String::new, |until| format!(" until {until:.0}"));
        let became = match (said, changed) {
            (Said::Frozen, true) => format!("frozen{until}"),
            (Said::Frozen, false) => format!("frozen already{until}"),
            (Said::Unfrozen, true) => "no longer frozen by hand".to_owned(),
            (Said::Unfrozen, false) => "was not frozen by hand".to_owned(),
            (Said::GlassBroken, _) => format!("written{until}, whatever freezes it"),
        };
        streams::text(&format!("{what} {became}\n"))?;
    }
    if matches!(said, Said::Unfrozen) {
        for freeze in answer.freezes.iter().filter(|freeze| freeze.active && freeze.kind != FreezeKind::Exception) {
            streams::sentence("note", &format!("there is another freeze: {}", sentence(freeze)));
        }
    }
    Ok(())
}

/// A freeze in one sentence, as `status` has it.
fn sentence(freeze: &FreezeStatus) -> String {
    crate::report::status::freeze(freeze)
}
