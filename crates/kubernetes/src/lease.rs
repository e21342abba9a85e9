//! Leases: one process at a time, by the clock of whoever looks.
//!
//! A Lease names its holder, who writes it again (*renews* it) before its duration is over. Nobody reads another's clock: the
//! holder counts from the moment **before** it sent its last successful write, everybody else from the moment **after** they
//! first saw that write, each on a clock of their own that no one sets ([`Clock`]). With `deadline` (the holder stops) shorter
//! than `duration` (others start),
//!
//! ```text
//! holder     send ─ write ───────────── deadline │ stops
//! others            write ─ see ──────────────────── duration │ start
//! ```
//!
//! the holder has always stopped before another starts, as long as the two clocks' rates differ by less than
//! `(duration - deadline) / (duration + deadline)`: 7 % with Flux's 35 s and 30 s, 20 % with 15 s and 10 s. A process that was
//! frozen, or a machine that was suspended, finds on its clock that it has lost, before it has heard from anyone.
//!
//! All writes are compare-and-swaps: a PUT with the `resourceVersion` that was read. Who is told of a conflict has lost, or
//! looks again. A write without an answer may have been done, and may still be: it counts as done where that is the careful
//! reading, and as not done where that is.
//!
//! What is held is handed out as a [`Proof`], which asks the clock each time. A Lease does not fence what its holder sends to
//! others: a push that was begun in time may arrive late, so that it must be a compare-and-swap, too.
//!
//! # Leader election
//!
//! [`Election`] is client-go's, on the same objects and with the same fields, so that a bot and one of Flux's controllers exclude
//! each other under one name ([`leader_election_name`]). Released on exit: `holderIdentity` empty, a duration of one second. At rest
//! a leader writes once per `retry` and reads nothing; another reads once per `retry` and writes nothing.
//!
//! Replicas that share the work instead are in [`crate::shards`], which also has the task around an election
//! ([`Replicas::lead`](crate::shards::Replicas::lead)).
//!
//! # Rights
//!
//! In the namespace of the Leases, `leases` of `coordination.k8s.io`: `get`, `create`, `update` for an election. A person who
//! deletes the Lease of a leader lets another lead at once, while the first goes on until its next renewal.

mod clock;
mod election;
mod identity;
mod machine;
mod proof;
mod store;
mod timing;

pub use clock::Clock;
pub use election::{Election, leader_election_name};
pub use identity::Identity;
pub use proof::Proof;
pub use timing::{Timing, TimingError};

pub(crate) use election::{Candidate, short_hash};
pub(crate) use machine::{Answer, Held, Holding, Machine, Now, Order, Request, Ticket};
pub(crate) use proof::{Hold, Term};
pub(crate) use store::{MANAGER, Store};
