//! Whether the data folder can be used: by a bot that runs, or by the next one.

use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::failed;
use crate::cli::client::Client;
use crate::failure::{Context, Failure};
use crate::wire::doctor::{Check, State};

const CHECK: &str = "data folder";

/// How much is written to see whether there is room: little beside a mirror, and more than no room.
const TRIED_BYTES: usize = 1 << 20;

/// That others than the owner and the group may write.
const OTHERS_WRITE: u32 = 0o002;

pub(super) async fn look(folder: &Path) -> Check {
    let subject = folder.display().to_string();
    let ok = |message: &str| Check::new(State::Ok, CHECK, subject.clone(), message);
    if let Ok(Some(bot)) = Client::of(folder).await {
        return match bot.status().await {
            Ok(status) => ok(&format!("used by a bot that runs, version {}", status.version)),
            Err(failure) => failed(CHECK, subject, &failure),
        };
    }
    // The nearest one that there is: what is below it would be made.
    let Some(place) = folder.ancestors().map(named).find(|path| path.exists()) else {
        return Check::new(State::Failed, CHECK, subject, "no folder above it exists");
    };
    match try_out(place).context("cannot write a file there") {
        Err(failure) => failed(CHECK, subject, &with_hint(failure)),
        Ok(()) if place != named(folder) => ok("does not exist yet, and can be made"),
        Ok(()) if is_open(place) => {
            let message = "can be written by everybody on this machine; use one of your own";
            Check::new(State::Warning, CHECK, subject, message)
        }
        Ok(()) => ok("can be written"),
    }
}

/// The folder above a relative path is the current one, which has no name.
fn named(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

fn with_hint(failure: Failure) -> Failure {
    failure
        .with_hint(Some("name another folder with --data-dir, or make room and give the bot's user the right to write"))
}

/// Writes a file without a name, which is gone when it is closed.
fn try_out(folder: &Path) -> io::Result<()> {
    let mut file = tempfile::tempfile_in(folder)?;
    file.write_all(&vec![0; TRIED_BYTES])?;
    file.sync_all()
}

fn is_open(folder: &Path) -> bool {
    folder.metadata().is_ok_and(|metadata| metadata.permissions().mode() & OTHERS_WRITE != 0)
}
