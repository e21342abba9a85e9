//! What of the work is ours.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::lease::{Clock, Hold, Proof, Term};
use crate::shards::Shard;

/// What a process may work on: everything, nothing, or some shards.
///
/// It is as of the time when it was made; [`Share::holds`] and [`Share::proof`] ask the clock and what has happened since, so that
/// a share that is kept too long says less than it might, never more.
#[derive(Debug)]
pub struct Share(Holds);

#[derive(Debug)]
enum Holds {
    All(Arc<Hold>),
    Shards(BTreeMap<Shard, Arc<Hold>>),
}

impl Share {
    pub(crate) fn nothing() -> Share {
        Share::of(BTreeMap::new())
    }

    pub(crate) fn everything(hold: Arc<Hold>) -> Share {
        Share(Holds::All(hold))
    }

    pub(crate) fn everything_for_ever() -> Share {
        let term = Term::new(Clock::new(|| Duration::ZERO));
        term.set(Duration::MAX);
        Share::everything(Hold::new(term, Arc::new(Notify::new())))
    }

    pub(crate) fn of(shards: BTreeMap<Shard, Arc<Hold>>) -> Share {
        Share(Holds::Shards(shards))
    }

    /// Whether work on a shard may begin now.
    #[must_use]
    pub fn holds(&self, shard: Shard) -> bool {
        self.hold(shard).is_some_and(|hold| hold.is_open())
    }

    /// The proof that work on a shard may begin now, and goes on until it is dropped. `None` when it may not.
    #[must_use]
    pub fn proof(&self, shard: Shard) -> Option<Proof> {
        self.hold(shard)?.prove()
    }

    /// Whether it is all of the work: the process is alone, or leads.
    #[must_use]
    pub fn is_all(&self) -> bool {
        matches!(&self.0, Holds::All(hold) if hold.is_open())
    }

    /// Whether the work is cut into shards; not where the process is alone, leads, or waits to lead.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        matches!(&self.0, Holds::Shards(_))
    }

    /// Whether nothing may begin now.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        match &self.0 {
            Holds::All(hold) => !hold.is_open(),
            Holds::Shards(shards) => !shards.values().any(|hold| hold.is_open()),
        }
    }

    /// The shards on which work may begin now, in order. None of [`Share::is_all`], since nobody has cut it into any.
    pub fn shards(&self) -> impl Iterator<Item = Shard> {
        let shards = match &self.0 {
            Holds::All(_) => None,
            Holds::Shards(shards) => Some(shards),
        };
        shards.into_iter().flatten().filter(|(_, hold)| hold.is_open()).map(|(shard, _)| *shard)
    }

    fn hold(&self, shard: Shard) -> Option<&Arc<Hold>> {
        match &self.0 {
            Holds::All(hold) => Some(hold),
            Holds::Shards(shards) => shards.get(&shard),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn alone_everything_is_ours() {
        let share = Share::everything_for_ever();
        let shard = Shard::of("registry.example.org/app", 64);
        assert!(share.is_all() && !share.is_nothing() && share.holds(shard));
        assert!(share.proof(shard).unwrap().is_held());
        assert_eq!(share.shards().count(), 0);
    }

    #[test]
    fn what_closes_is_no_longer_offered() {
        let term = Term::new(Clock::new(|| Duration::ZERO));
        term.set(Duration::from_secs(10));
        let idle = Arc::new(Notify::new());
        let holds: BTreeMap<_, _> =
            Shard::all(2).map(|shard| (shard, Hold::new(Arc::clone(&term), Arc::clone(&idle)))).collect();
        let share = Share::of(holds.clone());
        assert_eq!(share.shards().map(Shard::number).collect::<Vec<_>>(), [0, 1]);
        holds.values().next().unwrap().close();
        assert_eq!(share.shards().map(Shard::number).collect::<Vec<_>>(), [1]);
        term.set(Duration::ZERO);
        assert!(share.is_nothing() && !share.is_all());
    }
}
