//! The API server of a cluster, for whoever works by its objects.
//!
//! Knows nothing of automations: objects of any kind are watched ([`watch`]) as [`object::Object`]s whose spec and status are
//! text, so that one that nobody can read is a problem of that object alone. What other objects hold is asked for when it is
//! needed ([`secret`]), and so is what a person wants to see ([`read`]). [`connect`] says who we are, [`rights`] what we may do,
//! [`lease`] and [`shards`] what of the work is ours, [`record`] what several processes know together. What a pass comes to is
//! written into the [`status`] of its object, and told as [`events`] and to [`notify`].
//!
//! # Rules
//! - Every request has a deadline. A watch that says nothing for longer than the server would let it is begun again.
//! - A write says which state of the object it is about, so that it counts only if nobody was faster.
//! - Nothing that a server sends is trusted to be small: annotations that nobody reads are dropped at once, and so are the
//!   records of who wrote which field.

mod ask;
pub mod connect;
mod error;
mod event;
pub mod events;
pub mod finalizer;
pub mod kind;
pub mod lease;
pub mod notify;
pub mod object;
mod queue;
pub mod read;
pub mod record;
pub mod rights;
pub mod secret;
pub mod shards;
#[cfg(test)]
mod simulation;
pub mod status;
pub mod watch;
mod write;

pub use self::connect::Cluster;
pub use self::error::{Error, Reason};
pub use self::kind::Kind;
pub use self::object::{Key, Object};
