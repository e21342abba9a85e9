//! What a machine holds, as values that others have.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tracing::{info, warn};

use crate::lease::{Clock, Held, Hold, Holding, Machine, Term};
use crate::shards::{Shard, Share};

/// Keeps holds and the share that is shown as the machine has them.
pub(crate) struct Holds {
    term: Arc<Term>,
    idle: Arc<Notify>,
    all: Option<Arc<Hold>>,
    shards: BTreeMap<Shard, Arc<Hold>>,
    shown: Shown,
    /// Whether what is held was over before it was renewed.
    late: bool,
    share: watch::Sender<Arc<Share>>,
}

/// What the share that others see says.
#[derive(Debug, PartialEq, Eq)]
enum Shown {
    Nothing,
    All,
    Shards(Vec<Shard>),
}

impl Holds {
    pub(crate) fn new(clock: &Clock, share: watch::Sender<Arc<Share>>) -> Holds {
        let term = Term::new(clock.clone());
        let idle = Arc::new(Notify::new());
        Holds { term, idle, all: None, shards: BTreeMap::new(), shown: Shown::Nothing, late: false, share }
    }

    /// Returns when the last work has ended in something that is closing.
    pub(crate) async fn idle(&self) {
        self.idle.notified().await;
    }

    /// Does as the machine has it, and tells it where no work goes on.
    pub(crate) fn follow(&mut self, machine: &mut impl Machine, now: Duration) {
        self.term.set(machine.until());
        self.take_over(machine.holding());
        for shard in self.without_work(&machine.holding()) {
            machine.idle(shard);
        }
        self.take_over(machine.holding());
        self.show(&machine.holding(), now < machine.until());
    }

    /// What is closing, and has no work.
    fn without_work(&self, holding: &Holding) -> Vec<Option<Shard>> {
        match holding {
            Holding::All(Some(Held::Closing)) if self.all.as_ref().is_none_or(|hold| hold.is_idle()) => vec![None],
            Holding::All(_) => Vec::new(),
            Holding::Shards(shards) => {
                let closing = shards.iter().filter(|(_, held)| **held == Held::Closing).map(|(shard, _)| *shard);
                closing.filter(|shard| self.shards.get(shard).is_none_or(|hold| hold.is_idle())).map(Some).collect()
            }
        }
    }

    fn take_over(&mut self, holding: Holding) {
        match holding {
            Holding::All(held) => {
                if let Some(gone) = self.all.take_if(|_| held.is_none()) {
                    gone.end();
                }
                if let Some(held) = held {
                    set(
                        self.all.get_or_insert_with(|| Hold::new(Arc::clone(&self.term), Arc::clone(&self.idle))),
                        held,
                    );
                }
            }
            Holding::Shards(held) => {
                for (_, gone) in self.shards.extract_if(.., |shard, _| !held.contains_key(shard)) {
                    gone.end();
                }
                for (shard, held) in held {
                    let new = || Hold::new(Arc::clone(&self.term), Arc::clone(&self.idle));
                    set(self.shards.entry(shard).or_insert_with(new), held);
                }
            }
        }
    }

    /// Shows what is open, when that is something else than before.
    fn show(&mut self, holding: &Holding, in_time: bool) {
        let shown = match holding {
            _ if !in_time => Shown::Nothing,
            Holding::All(Some(Held::Open)) => Shown::All,
            Holding::All(_) => Shown::Nothing,
            Holding::Shards(shards) => {
                let open = shards.iter().filter(|(_, held)| **held == Held::Open);
                Shown::Shards(open.map(|(shard, _)| *shard).collect())
            }
        };
        let shown = match shown {
            Shown::Shards(shards) if shards.is_empty() => Shown::Nothing,
            other => other,
        };
        if shown != self.shown {
            self.say(&shown, !in_time && !holding.is_nothing());
            self.share.send_replace(Arc::new(self.share(&shown)));
            self.shown = shown;
        }
    }

    /// Says that the clock has ended what is held, and that it is held again.
    fn say(&mut self, shown: &Shown, late: bool) {
        match shown {
            Shown::Nothing if late => {
                warn!("what is leased could not be renewed in time: nothing is begun until it is")
            }
            Shown::Nothing => {}
            Shown::All | Shown::Shards(_) if self.late => info!("what is leased is renewed again"),
            Shown::All | Shown::Shards(_) => {}
        }
        self.late = late;
    }

    fn share(&self, shown: &Shown) -> Share {
        match (shown, &self.all) {
            (Shown::All, Some(hold)) => Share::everything(Arc::clone(hold)),
            (Shown::Shards(open), _) => {
                let holds = self.shards.iter().filter(|(shard, _)| open.contains(shard));
                Share::of(holds.map(|(shard, hold)| (*shard, Arc::clone(hold))).collect())
            }
            (Shown::Nothing | Shown::All, _) => Share::nothing(),
        }
    }
}

fn set(hold: &Hold, held: Held) {
    match held {
        Held::Open => hold.open(),
        Held::Closing => hold.close(),
    }
}
