//! Who holds which Lease, for people to see.

use std::collections::{BTreeMap, BTreeSet};

/// The processes that share the work, and the Leases that each holds, as this one last saw them. Nothing may be done by it: it says what
/// was, not what is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roster {
    /// This process, as the Leases name it; empty where it has none.
    pub this: String,
    /// The Leases of each process by their names, of those that have none as well.
    pub leases: BTreeMap<String, BTreeSet<String>>,
}

impl Roster {
    /// With nobody but this process.
    pub(crate) fn of(this: &str) -> Roster {
        Roster { this: this.to_owned(), leases: BTreeMap::from([(this.to_owned(), BTreeSet::new())]) }
    }

    /// Takes in that a process holds a Lease; nobody does where the name is empty.
    pub(crate) fn add(&mut self, holder: &str, lease: String) {
        if !holder.is_empty() {
            self.leases.entry(holder.to_owned()).or_default().insert(lease);
        }
    }
}
