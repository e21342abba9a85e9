//! Replicas that share work: a fixed number of shards, each held by one replica.
//!
//! # What is in the cluster
//!
//! All Leases of a group carry the label `tagwright.dev/replicas: <group>`, so that **one list** shows them all, as they were at one
//! moment. Times are judged as [`crate::lease`] says.
//!
//! - `tagwright-replica-<identity>`, one for each replica: its **membership**, which it renews. An identity lives once. When
//!   nobody has renewed it for its duration, whoever sees that *ends* it: a compare-and-swap that empties its holder. A replica
//!   whose membership was ended joins again under another identity, and has nothing.
//! - `tagwright-shard-00` to `-63`, one for each shard: its holder, an identity. **Nobody renews it.** It is as good as the
//!   membership of its holder, so that one write keeps all shards.
//!
//! Which replica should have which shard follows from the replicas that are there, by rendezvous hashing with room for as many
//! as is fair: any two differ by one shard at most. A replica takes the shards that should be its and are free, and gives up
//! those that should be another's: no more work begins on them, and when none goes on (no [`Proof`](crate::lease::Proof)
//! is left) it releases them. Leaving, it does so with all of them; then one write that ends its own membership frees all.
//!
//! # Why no two act on a shard at a time
//!
//! A replica *x* acts on a shard only (1) after a write of its own, that put *x* into the shard's Lease, was seen to be done, (2) before
//! it began to release it, and (3) until `deadline` after it **sent** the last renewal that was done, or the last list that was
//! answered and still had its membership and named it, whichever was first.
//!
//! Another one, *y*, puts itself in place of *x* by a compare-and-swap on what a list has shown, and only if that list shows
//!
//! - the shard **without a holder**: *x* released it, and had stopped before it sent that, by (2);
//! - or the membership of *x* **ended**. Whoever ended it had seen the last renewal and then waited for `duration`, and nobody
//!   renewed it since, or the compare-and-swap would have failed. So *x* had stopped by (3), whatever it knows. It cannot
//!   renew any more, so that (3) never becomes true again. Or *x* ended it itself, when it held nothing any more;
//! - or the membership or the shard's Lease **not there at all**, as *y* has seen for `duration`. Only a person deletes the Lease of a
//!   replica that is there, and the list of (3) tells *x* in time. (A replica that is all alone need not wait for a shard's.)
//!
//! As the list shows one moment, and the compare-and-swap fails if the shard is another since, an old list is as good as a new
//! one. What is frozen for an hour and then sends what it had decided, changes nothing or what nobody has changed.
//!
//! A write without an answer may be done later. A taking that is, names *x*, which finds it in a list; when *x* is gone it is free
//! as all of *x*'s. A release that is, frees the shard: from the moment that *x* decides to release it, *x* does not have
//! it, until its Lease has changed. Renewals and ends are about one object, so that one of them fails.
//!
//! What this cannot exclude: clocks whose rates differ by 20 % ([`crate::lease`]); a store that was put back to an
//! older state, in which a shard is free that somebody holds, until that one's next list; hands that write into these Leases.
//! That is why a push is a compare-and-swap, too.
//!
//! Replicas with another number of shards cut the work elsewhere. Who sees one takes nothing (and keeps what it has) until that one is gone. Each joins
//! before it lists, so that of two who come at the same time at least one sees the other.
//!
//! # What it costs
//!
//! At rest each replica writes once per `retry`, its membership, and lists once per `retry`: 12 writes and 12 lists a minute with
//! [`Timing::SHARED`], whatever the number of shards. While shards are to move it lists once a second. A shard that moves is
//! written twice (released, taken), one whose holder has died once.
//!
//! A dead replica's shards are taken after `duration` since its last renewal was seen, so between `duration` and `duration + retry`
//! after that. Those of one that leaves are taken with the next list of the others.
//!
//! # Rights
//!
//! In the namespace of the Leases, `leases` of `coordination.k8s.io`: `get`, `list`, `create`, `update`, `delete` (Leases of replicas that have
//! ended).

mod assign;
mod holds;
mod objects;
mod replica;
mod roster;
mod run;
mod shard;
mod share;

use std::sync::Arc;

use kube::Client;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::lease::{Candidate, Clock, Election, Machine, Store, Timing, short_hash};

#[cfg(test)]
pub(crate) use holds::Holds;
#[cfg(test)]
pub(crate) use replica::Replica;
pub use roster::Roster;
pub use shard::Shard;
pub use share::Share;

/// How many shards there are. All replicas of a group must have the same number.
pub const SHARDS: u16 = 64;

/// Which replicas share work, and how.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What this host is called; the first part of the replica's identity.
    pub host: String,
    /// What the replicas of one group have in common: the beginning of their Leases' names, and a label of them.
    pub group: String,
    /// How many shards there are, at least one; see [`SHARDS`].
    pub shards: u16,
    /// How long a replica that is not heard of keeps its shards.
    pub timing: Timing,
}

impl Settings {
    /// Those of a replica on `host` that watches objects with `selector`: those with the same selector are one group.
    #[must_use]
    pub fn new(host: &str, selector: Option<&str>) -> Settings {
        let group = match selector {
            Some(selector) => format!("tagwright-{}", short_hash(selector)),
            None => "tagwright".to_owned(),
        };
        Settings { host: host.to_owned(), group, shards: SHARDS, timing: Timing::SHARED }
    }
}

/// What this process may work on, kept current by a task.
///
/// Three ways to come by one, alike for whoever works: alone, as one of several of whom one leads, and as one of several that
/// share the work. [`Replicas::mine`] tells what may be worked on now. Dropping it lets everything expire.
#[derive(Debug)]
pub struct Replicas {
    share: watch::Receiver<Arc<Share>>,
    roster: watch::Receiver<Arc<Roster>>,
    leave: Option<oneshot::Sender<()>>,
    task: Option<JoinHandle<()>>,
}

impl Replicas {
    /// No replicas: everything is ours for ever, and nobody is asked.
    #[must_use]
    pub fn alone() -> Replicas {
        let (_, share) = watch::channel(Arc::new(Share::everything_for_ever()));
        let (_, roster) = watch::channel(Arc::default());
        Replicas { share, roster, leave: None, task: None }
    }

    /// One leads and has everything, the others have nothing. Works on the Lease of `election` in `namespace`.
    #[must_use]
    pub fn lead(client: Client, namespace: &str, election: Election) -> Replicas {
        Replicas::lead_by(client, namespace, election, Clock::system())
    }

    /// [`Replicas::lead`] by another clock than the system's.
    #[must_use]
    pub fn lead_by(client: Client, namespace: &str, election: Election, clock: Clock) -> Replicas {
        let store = Store::new(client, namespace, String::new());
        Replicas::run(store, Candidate::new(election), clock)
    }

    /// Each has a share of the shards. Works on the Leases of the group in `namespace`.
    #[must_use]
    pub fn start(client: Client, namespace: &str, settings: Settings) -> Replicas {
        Replicas::start_by(client, namespace, settings, Clock::system())
    }

    /// [`Replicas::start`] by another clock than the system's.
    #[must_use]
    pub fn start_by(client: Client, namespace: &str, settings: Settings, clock: Clock) -> Replicas {
        let store = Store::new(client, namespace, replica::selector(&settings));
        Replicas::run(store, replica::Replica::new(settings), clock)
    }

    fn run(store: Store, machine: impl Machine, clock: Clock) -> Replicas {
        let (sender, share) = watch::channel(Arc::new(Share::nothing()));
        let (seen, roster) = watch::channel(Arc::new(machine.roster()));
        let (leave, left) = oneshot::channel();
        let task = tokio::spawn(run::run(store, machine, clock, (sender, seen), left));
        Replicas { share, roster, leave: Some(leave), task: Some(task) }
    }

    /// What may be worked on, now and after each change: wait for it, then work on what is new and begin nothing more of
    /// what has gone. What is to be handed over is released when the last [`Proof`](crate::lease::Proof) of it is dropped.
    #[must_use]
    pub fn mine(&self) -> watch::Receiver<Arc<Share>> {
        self.share.clone()
    }

    /// Who holds which Lease, as it was last seen, for people to look at.
    #[must_use]
    pub fn roster(&self) -> watch::Receiver<Arc<Roster>> {
        self.roster.clone()
    }

    /// Begins nothing more, waits until no work goes on (no proof is left), and releases all, so that others can go on at
    /// once. Returns when that is done, or when it could not be done before all has expired by itself. As long as a proof is
    /// kept it waits; who gives up waiting drops the future, and lets what is left expire.
    pub async fn shutdown(mut self) {
        if let Some(leave) = self.leave.take() {
            // The task has ended when nobody listens.
            let _ = leave.send(());
        }
        if let Some(task) = &mut self.task {
            let _ = task.await;
        }
    }
}

impl Drop for Replicas {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}
