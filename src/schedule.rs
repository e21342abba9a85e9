//! A process that runs for months: what is due when, and the tasks that do it.
//!
//! The `agenda` decides and does nothing; the [`Bot`] does and decides nothing. A [`Handle`] is how the rest
//! of the process talks to the bot, and [`Status`](crate::wire::status::Status) is what the bot says about itself.

mod agenda;
mod assignment;
mod bot;
mod done;
pub(crate) mod freeze;

pub use self::agenda::Trigger;
pub use self::assignment::{Assignment, News, Watched};
pub use self::bot::{BEAT_LIMIT, Bot, Elsewhere, Handle, SHUTDOWN_GRACE, Settings};
pub use self::done::{Done, Passed};

pub(crate) use self::bot::MAX_TAGS;
