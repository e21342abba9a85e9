//! A process that runs for months: what is due when, and the tasks that do it.
//!
//! The [`Agenda`](agenda::Agenda) decides and does nothing; the [`Bot`] does and decides nothing. A [`Handle`] is how the rest
//! of the process talks to the bot, and [`Status`](crate::wire::status::Status) is what the bot says about itself.

pub mod agenda;
mod bot;

pub use self::agenda::Trigger;
pub use self::bot::{
    BEAT_LIMIT, Bot, Handle, POLL_MARGIN, RUN_DEADLINE, SHUTDOWN_GRACE, SIGN_OF_LIFE, STUCK_LIMIT, Settings,
    WATCH_MARGIN,
};
