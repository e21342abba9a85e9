//! `status --watch`: the same again and again, until nobody looks any more.

use std::io::IsTerminal;
use std::time::Duration;

use jiff::{Timestamp, tz::TimeZone};
use tokio::runtime::Runtime;

use super::Arguments;
use crate::cli::{Ending, Tabular, streams};
use crate::failure::{Failure, Result};

/// Moves to the corner of a terminal and empties it, so that what is shown does not wander.
const CLEAR: &str = "\x1b[H\x1b[2J\x1b[3J";

/// Shows the status every so many seconds. That it cannot be had once the bot was there is shown in its place: a bot may be
/// restarted.
pub(super) fn run(arguments: &Arguments, runtime: &Runtime, seconds: u64) -> Result<Ending> {
    if arguments.output == Tabular::Json {
        return Err(Failure::usage("--watch shows text, no JSON", "ask again and again with `status --output json`"));
    }
    let zone = TimeZone::system();
    let mut was_there = false;
    loop {
        let moment = Timestamp::now().to_zoned(zone.clone()).strftime("%H:%M:%S").to_string();
        let (begin, end) = match std::io::stdout().is_terminal() {
            true => (CLEAR, format!("\nat {moment}, again every {seconds} s; Ctrl-C ends\n")),
            // Each moment is a paragraph of its own for who reads it later.
            false => ("", format!("at {moment}\n\n")),
        };
        streams::data(begin)?;
        match runtime.block_on(super::obtain(arguments)) {
            Ok(shown) => shown.print(arguments)?,
            Err(failure) if was_there => streams::text(&format!("{}\n", failure.line()))?,
            Err(failure) => return Err(failure),
        }
        was_there = true;
        streams::text(&end)?;
        std::thread::sleep(Duration::from_secs(seconds));
    }
}
