//! Which commits are released: what a person took back in them may be written again.
//!
//! A release counts in the history below it and nowhere else: an order by hand below the commit that the branch was at when it
//! was obeyed there, a person's trailer below the commit that has it. A commit of another branch cannot mean what it does not know.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use git::{CommitFacts, CommitId};
use jiff::Timestamp;

use crate::store::{self, Switches};

/// An order by hand as it counts on one branch.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Order {
    given: Timestamp,
    /// The commit that the branch was at when it was obeyed there, a full hash.
    tip: String,
    obeyed: Timestamp,
}

impl Order {
    /// Whether a commit that the branch had then is released: not if it says that it was made between the order and its
    /// being obeyed. Other dates tell nothing; clocks go wrong.
    fn covers(&self, time: i64) -> bool {
        !(self.given.as_second() < time && time <= self.obeyed.as_second())
    }
}

/// The policies that are released in a commit.
#[derive(Debug, Clone, Default)]
struct Released {
    by_commit: BTreeSet<String>,
    /// Where the date of the commit agrees.
    by_hand: BTreeSet<String>,
}

/// The releases on one branch, as far as its history was walked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Releases {
    /// By policy.
    orders: BTreeMap<String, Order>,
    /// What is released in commits that were visited, and in their parents. Most have nothing.
    released: HashMap<CommitId, Released>,
}

impl Releases {
    /// The orders that were given. Where one is obeyed for the first time, it is `now`, with the branch at `tip`.
    pub(crate) fn on((url, branch): (&str, &str), tip: CommitId, switches: &Switches, now: Timestamp) -> Self {
        let order = |release: &store::Release| match release.on(url, branch) {
            Some(seen) => Order { given: release.at, tip: seen.tip.clone(), obeyed: seen.at },
            None => Order { given: release.at, tip: tip.to_string(), obeyed: now },
        };
        let orders = switches.released.iter().map(|(policy, release)| (policy.clone(), order(release))).collect();
        Self { orders, released: HashMap::new() }
    }

    /// Visits a commit, after its descendants; it releases these policies itself.
    pub(super) fn visit(&mut self, facts: &CommitFacts, by_commit: Vec<String>) {
        let mut released = self.released.remove(&facts.id).unwrap_or_default();
        released.by_commit.extend(by_commit);
        let id = facts.id.to_string();
        let obeyed = self.orders.iter().filter(|(_, order)| order.tip == id);
        released.by_hand.extend(obeyed.map(|(policy, _)| policy.clone()));
        if released.by_commit.is_empty() && released.by_hand.is_empty() {
            return;
        }
        for parent in &facts.parents {
            let older = self.released.entry(*parent).or_default();
            older.by_commit.extend(released.by_commit.iter().cloned());
            older.by_hand.extend(released.by_hand.iter().cloned());
        }
        self.released.insert(facts.id, released);
    }

    /// Whether a policy is released in a commit that was visited.
    pub(super) fn cover(&self, policy: &str, facts: &CommitFacts) -> bool {
        let Some(released) = self.released.get(&facts.id) else { return false };
        let by_hand = || self.orders.get(policy).is_some_and(|order| order.covers(facts.time));
        released.by_commit.contains(policy) || released.by_hand.contains(policy) && by_hand()
    }

    /// Begins the walk again.
    pub(super) fn forget(&mut self) {
        self.released.clear();
    }
}
