//! Where a bot is, or what it has left when none runs.

use std::path::{Path, PathBuf};

use super::client::Client;
use super::streams;
use crate::failure::{Failure, Result};
use crate::server::SOCKET;
use crate::store::{Notice, Opened, Store};
use crate::wire::status::Status;

/// The store's file in the data folder.
const STATE: &str = "state.redb";

/// Somebody to ask: a bot, or the files that one has left.
pub(super) enum Whereabouts {
    /// A bot that listens.
    Running(Client),
    /// The data folder, where no bot runs.
    Folder(PathBuf),
}

/// Finds the bot of a URL, or of a data folder.
pub(super) async fn find(url: Option<&str>, data_dir: Option<&Path>) -> Result<Whereabouts> {
    if let Some(url) = url {
        return Ok(Whereabouts::Running(Client::at(url)?));
    }
    let folder = folder(data_dir)?;
    Ok(match Client::of(&folder).await? {
        Some(bot) => Whereabouts::Running(bot),
        None => Whereabouts::Folder(folder),
    })
}

/// The data folder that was named, or that of the user: `$XDG_STATE_HOME/tagwright`, by default
/// `~/.local/state/tagwright`.
pub(super) fn folder(named: Option<&Path>) -> Result<PathBuf> {
    if let Some(named) = named {
        return Ok(named.to_owned());
    }
    let set = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")));
    let hint = "name the folder: --data-dir DIR, or TAGWRIGHT_DATA_DIR";
    Ok(state
        .ok_or_else(|| Failure::usage("no folder for the state is known: HOME is not set", hint))?
        .join("tagwright"))
}

/// Opens what a bot has left in a folder; none when there is nothing.
pub(super) fn left(folder: &Path) -> Result<Option<Store>> {
    // Looked for first, since opening makes what is missing.
    if !folder.join(STATE).try_exists()? {
        return Ok(None);
    }
    match Store::open(folder) {
        Opened::Ready { notice: Some(Notice::InMemory { reason, .. }), .. } => {
            let message = format!("cannot tell whether a bot is running on {}: {reason}", folder.display());
            Err(Failure::missing(message, "ask as the user who runs the bot; its folder must be its own"))
        }
        Opened::Ready { store, notice } => {
            if let Some(notice) = notice {
                streams::sentence("warning", &notice.to_string());
            }
            Ok(Some(store))
        }
        Opened::InUse { path } => {
            let message =
                format!("{} is in use, and no bot answers at {}", path.display(), folder.join(SOCKET).display());
            Err(Failure::missing(message, "a bot that has just started answers soon; `run --once` ends by itself"))
        }
    }
}

/// The status that the last bot has left, where that can be read.
pub(super) fn last_status(store: &Store) -> Option<Status> {
    serde_json::from_slice(&store.status().ok()??).ok()
}

/// The hint where no bot runs and none has left anything.
pub(super) fn start(folder: &Path) -> String {
    let folder = folder.display();
    format!("start a bot with `tagwright run --data-dir {folder}`, or name the folder of one that runs: --data-dir DIR")
}
