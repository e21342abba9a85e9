//! What decides about leases: it is told what was answered, and says what to ask. No I/O, no clock of its own.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;

use crate::shards::{Roster, Shard};

/// The time: on the clock that decides, and as Leases write it, which decides nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    pub(crate) local: Duration,
    pub(crate) wall: Timestamp,
}

/// One request to the API server. Names are of Leases.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Request {
    Get(String),
    /// All that a group of replicas has.
    List,
    Create(Box<Lease>),
    /// A compare-and-swap on the `resourceVersion` that it carries.
    Replace(Box<Lease>),
    /// Of this `resourceVersion` alone.
    Delete {
        name: String,
        version: String,
    },
}

impl Request {
    /// As RBAC calls it.
    pub(crate) fn verb(&self) -> &'static str {
        match self {
            Request::Get(_) => "get",
            Request::List => "list",
            Request::Create(_) => "create",
            Request::Replace(_) => "update",
            Request::Delete { .. } => "delete",
        }
    }
}

/// Which order an answer is to.
pub(crate) type Ticket = u64;

/// A request, and how long it may take.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Order {
    pub(crate) ticket: Ticket,
    pub(crate) request: Request,
    pub(crate) patience: Duration,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    /// The Lease as it is now.
    Lease(Box<Lease>),
    Leases(Vec<Lease>),
    Deleted,
    /// The Lease is another by now, or is there already. Nothing was done.
    Conflict,
    /// There is no such Lease. Nothing was done.
    Missing,
    /// No answer, or one that does not say what was done: it may have been done, or may still be.
    Unknown {
        /// The server wants to be left alone for so long.
        after: Option<Duration>,
    },
}

/// How much of something is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    /// Work may begin.
    Open,
    /// It is to be released when no work goes on.
    Closing,
}

/// What all is held: everything at once, or shards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Holding {
    All(Option<Held>),
    Shards(BTreeMap<Shard, Held>),
}

impl Holding {
    pub(crate) fn is_nothing(&self) -> bool {
        match self {
            Holding::All(held) => held.is_none(),
            Holding::Shards(shards) => shards.is_empty(),
        }
    }
}

/// An [`Election`](crate::lease::Election), or the [membership](crate::shards) of a replica.
pub(crate) trait Machine: Send + 'static {
    /// What to ask now. Each order must be answered once, in any order.
    fn poll(&mut self, now: Now) -> Vec<Order>;

    /// Takes in what became of an order.
    fn answer(&mut self, ticket: Ticket, answer: Answer, now: Now);

    /// When to poll next, if nothing is answered before. `None` when only an answer can change anything.
    fn wake(&self) -> Option<Duration>;

    /// What is held, as long as [`Machine::until`] is not over.
    fn holding(&self) -> Holding;

    /// Until when what is held is held.
    fn until(&self) -> Duration;

    /// No work goes on in what is closing: one shard, or `None` for everything.
    fn idle(&mut self, shard: Option<Shard>);

    /// Lets go of everything, as soon as no work goes on.
    fn leave(&mut self);

    /// Who holds which Lease, as it was last seen.
    fn roster(&self) -> Roster;

    /// Whether nothing is left to do after [`Machine::leave`].
    fn has_left(&self) -> bool;
}
