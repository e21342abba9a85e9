//! The bot over HTTP: what it does, and orders from the user who runs it.
//!
//! One router, two listeners. On the Unix socket in the data folder ([`SOCKET`], for the user who runs the bot) it answers
//! questions and takes orders; on TCP, when asked to listen there, it answers questions alone. There is no login: whoever
//! can reach the TCP address reads the names of images, remotes, branches, files and tags, and no secrets, of which none are
//! known here.

mod address;
mod api;
mod order;

pub use address::{Address, SOCKET};
pub use api::{HistoryQuery, Refusal};
pub use order::{Obeyed, Order, Wish};
