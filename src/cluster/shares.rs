//! What of the work is ours, for each half of it, and the proof of it.
//!
//! What is taken is kept until nothing is done with it any more: then another process may have it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kubernetes::lease::Proof;
use kubernetes::shards::{Replicas as Shared, Roster, Shard, Share};
use tokio::sync::watch;

use crate::wire::machinery::{ReplicaStatus, Replicas, Sharing};

/// One half of the work, as far as it is ours.
pub(super) struct Half {
    mine: watch::Receiver<Arc<Share>>,
    roster: watch::Receiver<Arc<Roster>>,
    share: Arc<Share>,
    shards: u16,
    /// What was taken of it.
    proofs: BTreeMap<Shard, Proof>,
}

impl Half {
    /// What is ours of the work that these replicas share, cut into so many shards.
    pub(super) fn of(replicas: &Shared, shards: u16) -> Self {
        let mut mine = replicas.mine();
        let share = Arc::clone(&mine.borrow_and_update());
        Self { mine, roster: replicas.roster(), share, shards, proofs: BTreeMap::new() }
    }

    /// Whether a piece of work is ours, by what it is called.
    pub(super) fn has(&self, subject: &str) -> bool {
        is_among(&self.share, subject, self.shards)
    }

    /// Tells by itself whether a piece of work is ours, by what is known of the leases when it is asked.
    pub(super) fn gate(&self) -> impl Fn(&str) -> bool + Send + Sync + use<> {
        let (mine, shards) = (self.mine.clone(), self.shards);
        move |subject| {
            let share = Arc::clone(&mine.borrow());
            is_among(&share, subject, shards)
        }
    }

    /// Tells by itself whether anything is ours, by what is known of the leases when it is asked.
    pub(super) fn any(&self) -> impl Fn() -> bool + Send + Sync + use<> {
        let mine = self.mine.clone();
        move || !mine.borrow().is_nothing()
    }

    /// Waits until something else is ours; for ever where that cannot be.
    pub(super) async fn changed(&mut self) {
        match self.mine.changed().await {
            Ok(()) => self.share = Arc::clone(&self.mine.borrow_and_update()),
            Err(_) => std::future::pending().await,
        }
    }

    /// How many parts of how many are ours.
    pub(super) fn part(&self) -> (usize, usize) {
        match self.share.is_cut() {
            true => (self.share.shards().count(), usize::from(self.shards)),
            // Whoever waits to lead asks for nothing, and for all of it as soon as it leads.
            false => (1, 1),
        }
    }

    /// Takes what is ours now.
    pub(super) fn take(&mut self) {
        // What nobody has cut is one piece.
        let whole = self.share.is_all().then(|| Shard::of("", self.shards));
        let ours: Vec<Shard> = self.share.shards().chain(whole).collect();
        for shard in ours {
            // One from before the lease was lost proves nothing any more, and would not keep the shard from being handed over.
            let is_kept = self.proofs.get(&shard).is_some_and(Proof::is_held);
            if let (false, Some(proof)) = (is_kept, self.share.proof(shard)) {
                self.proofs.insert(shard, proof);
            }
        }
    }

    /// Gives back what is no longer ours, but for what is still being done.
    pub(super) fn give_back(&mut self, subjects: &[String]) {
        let busy: BTreeSet<Shard> = subjects.iter().map(|subject| Shard::of(subject, self.shards)).collect();
        let share = &self.share;
        let is_kept = |shard: &Shard| share.holds(*shard) || busy.contains(shard) || share.is_all();
        self.proofs.retain(|shard, _| is_kept(shard));
    }

    /// Who holds which Lease of it, as it was last seen.
    pub(super) fn roster(&self) -> Arc<Roster> {
        Arc::clone(&self.roster.borrow())
    }

    /// How many shards of it are held; none where it is not cut.
    pub(super) fn held(&self) -> Option<usize> {
        self.share.is_cut().then(|| self.share.shards().count())
    }

    /// Whether something is still to be given back.
    pub(super) fn owes(&self) -> bool {
        self.proofs.keys().any(|shard| !self.share.holds(*shard))
    }

    /// Gives back everything.
    pub(super) fn give_up(&mut self) {
        self.proofs.clear();
    }
}

/// Whether a piece of work is in a share of so many shards. Whoever has all need not ask which it is in.
fn is_among(share: &Share, subject: &str, shards: u16) -> bool {
    share.is_all() || share.holds(Shard::of(subject, shards))
}

/// The processes that share the work, as people are shown them.
pub(super) fn replicas(rosters: &[Arc<Roster>], is_cut: bool) -> Replicas {
    let mut leases: BTreeMap<&str, BTreeSet<&String>> = BTreeMap::new();
    for roster in rosters {
        for (identity, held) in &roster.leases {
            leases.entry(identity).or_default().extend(held);
        }
    }
    let this: BTreeSet<&str> = rosters.iter().map(|roster| roster.this.as_str()).collect();
    let replicas = leases.into_iter().map(|(identity, leases)| ReplicaStatus {
        identity: identity.to_owned(),
        is_this: this.contains(identity),
        shards: if is_cut { leases.len() } else { 0 },
        leases: leases.into_iter().cloned().collect(),
    });
    let replicas: Vec<ReplicaStatus> = replicas.collect();
    let mode = match (replicas.is_empty(), is_cut) {
        (true, _) => Sharing::Alone,
        (false, true) => Sharing::Shards,
        (false, false) => Sharing::Leader,
    };
    Replicas { mode, replicas }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roster(this: &str, leases: &[(&str, &str)]) -> Arc<Roster> {
        let mut roster = Roster { this: this.to_owned(), ..Roster::default() };
        for (identity, lease) in leases {
            roster.leases.entry((*identity).to_owned()).or_default().insert((*lease).to_owned());
        }
        Arc::new(roster)
    }

    #[test]
    fn who_has_what() {
        let shards = roster("a_1", &[("a_1", "tagwright-0"), ("a_1", "tagwright-2"), ("b_2", "tagwright-1")]);
        let told = replicas(&[Arc::clone(&shards), shards], true);
        let rows: Vec<_> = told.replicas.iter().map(|it| (it.identity.as_str(), it.is_this, it.shards)).collect();
        assert_eq!((told.mode, rows), (Sharing::Shards, vec![("a_1", true, 2), ("b_2", false, 1)]));
        // Each half of the work has a leader of its own, and a process another identity for each.
        let two = [roster("a_1", &[("b_2", "poll-leader")]), roster("a_3", &[("a_3", "run-leader")])];
        let told = replicas(&two, false);
        let rows: Vec<_> = told.replicas.iter().map(|it| (it.is_this, it.leases.join(" "))).collect();
        assert_eq!(
            (told.mode, rows),
            (Sharing::Leader, vec![(true, "run-leader".into()), (false, "poll-leader".into())])
        );
        assert_eq!(replicas(&[Arc::default(), Arc::default()], false), Replicas::default());
    }
}
