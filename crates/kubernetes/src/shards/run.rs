//! The task around what decides: carries out orders, and reads the clocks.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;
use tokio::sync::{oneshot, watch};

use crate::lease::{Answer, Clock, Machine, Now, Order, Store, Ticket};
use crate::shards::holds::Holds;
use crate::shards::{Roster, Share};

/// The longest time without a look at the clock, which may have gone on while the timers stood still.
const NAP: Duration = Duration::from_secs(1);

/// Runs until everything is left, or until it is dropped.
pub(crate) async fn run(
    store: Store,
    mut machine: impl Machine,
    clock: Clock,
    (share, roster): (watch::Sender<Arc<Share>>, watch::Sender<Arc<Roster>>),
    mut leave: oneshot::Receiver<()>,
) {
    let mut holds = Holds::new(&clock, share);
    let mut orders = FuturesUnordered::new();
    let mut stays = true;
    loop {
        holds.follow(&mut machine, clock.now());
        let begun = machine.poll(now(&clock));
        // What is ordered may end what is held: it has ended before anybody hears of it.
        holds.follow(&mut machine, clock.now());
        if machine.has_left() {
            return;
        }
        let seen = machine.roster();
        roster.send_if_modified(|known| {
            let is_new = **known != seen;
            if is_new {
                *known = Arc::new(seen);
            }
            is_new
        });
        orders.extend(begun.into_iter().map(|order| carry_out(&store, order)));
        tokio::select! {
            Some((ticket, answer)) = orders.next() => machine.answer(ticket, answer, now(&clock)),
            () = holds.idle() => {}
            // An error means that the handle is gone, and soon this task.
            _ = &mut leave, if stays => {
                stays = false;
                machine.leave();
            }
            () = tokio::time::sleep(pause(&machine, clock.now())) => {}
        }
    }
}

fn now(clock: &Clock) -> Now {
    Now { local: clock.now(), wall: Timestamp::now() }
}

async fn carry_out(store: &Store, order: Order) -> (Ticket, Answer) {
    (order.ticket, store.perform(order).await)
}

/// How long nothing happens: until the machine wants to be asked, or what is held is over.
fn pause(machine: &impl Machine, now: Duration) -> Duration {
    let over = Some(machine.until()).filter(|over| *over > now);
    let wake = machine.wake().into_iter().chain(over).min();
    wake.map_or(NAP, |wake| wake.saturating_sub(now).min(NAP))
}
