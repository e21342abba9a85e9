//! What is held, as a value that can be asked.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::lease::Clock;

/// Until when all that a process holds is its own. Each renewal moves it.
#[derive(Debug)]
pub(crate) struct Term {
    clock: Clock,
    /// Nanoseconds on the clock; none holds at 0, and for ever at the maximum.
    until: AtomicU64,
}

impl Term {
    pub(crate) fn new(clock: Clock) -> Arc<Term> {
        Arc::new(Term { clock, until: AtomicU64::new(0) })
    }

    pub(crate) fn set(&self, until: Duration) {
        self.until.store(u64::try_from(until.as_nanos()).unwrap_or(u64::MAX), Ordering::Release);
    }

    fn left(&self) -> Duration {
        let until = Duration::from_nanos(self.until.load(Ordering::Acquire));
        until.saturating_sub(self.clock.now())
    }
}

/// One thing that is held: a shard, or everything.
pub(crate) struct Hold {
    term: Arc<Term>,
    state: Mutex<State>,
    /// Told when the last proof of a hold that is closing is gone.
    idle: Arc<Notify>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    proofs: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Work may begin.
    Open,
    /// Work may end, none may begin.
    Closing,
    /// Another's, or nobody's.
    Gone,
}

impl Hold {
    pub(crate) fn new(term: Arc<Term>, idle: Arc<Notify>) -> Arc<Hold> {
        let state = Mutex::new(State { phase: Phase::Open, proofs: 0 });
        Arc::new(Hold { term, state, idle })
    }

    /// Lets no more work begin.
    pub(crate) fn close(&self) {
        self.enter(Phase::Closing);
    }

    /// Lets work begin again, after all.
    pub(crate) fn open(&self) {
        self.enter(Phase::Open);
    }

    /// Makes every proof of it false, for good.
    pub(crate) fn end(&self) {
        self.state().phase = Phase::Gone;
    }

    fn enter(&self, phase: Phase) {
        let mut state = self.state();
        if state.phase != Phase::Gone {
            state.phase = phase;
        }
    }

    /// Whether work may begin now.
    pub(crate) fn is_open(&self) -> bool {
        self.state().phase == Phase::Open && !self.term.left().is_zero()
    }

    /// Whether no work goes on.
    pub(crate) fn is_idle(&self) -> bool {
        self.state().proofs == 0
    }

    /// A proof for work that begins.
    pub(crate) fn prove(self: &Arc<Self>) -> Option<Proof> {
        let mut state = self.state();
        if state.phase != Phase::Open || self.term.left().is_zero() {
            return None;
        }
        state.proofs += 1;
        Some(Proof(Arc::clone(self)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hold").field("left", &self.term.left()).field("state", &*self.state()).finish()
    }
}

/// That a lease is held, for as long as a piece of work goes on.
///
/// Work takes one when it begins, asks it before each step that another must not do at the same time, and drops it when it has
/// ended. A shard that is to be handed over is released when the last proof of it is dropped, so that it must not be kept longer
/// than the work.
#[derive(Debug)]
pub struct Proof(Arc<Hold>);

impl Proof {
    /// Whether it is still so, by the clock. False once is false for good, or until the lease was renewed before anybody took it.
    #[must_use]
    pub fn is_held(&self) -> bool {
        !self.left().is_zero()
    }

    /// For how long it is certain: the most that a step may take which nobody else must do at the same time. Zero when it is lost.
    #[must_use]
    pub fn left(&self) -> Duration {
        match self.0.state().phase {
            Phase::Gone => Duration::ZERO,
            Phase::Open | Phase::Closing => self.0.term.left(),
        }
    }
}

impl Clone for Proof {
    fn clone(&self) -> Proof {
        self.0.state().proofs += 1;
        Proof(Arc::clone(&self.0))
    }
}

impl Drop for Proof {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.proofs -= 1;
        if state.proofs == 0 && state.phase == Phase::Closing {
            self.0.idle.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// A hold until second 10 of a clock that the test moves.
    fn hold() -> (Arc<AtomicU64>, Arc<Hold>, Arc<Notify>) {
        let seconds = Arc::new(AtomicU64::new(0));
        let hand = Arc::clone(&seconds);
        let term = Term::new(Clock::new(move || Duration::from_secs(hand.load(Ordering::Relaxed))));
        term.set(Duration::from_secs(10));
        let idle = Arc::new(Notify::new());
        (seconds, Hold::new(term, Arc::clone(&idle)), idle)
    }

    #[test]
    fn a_proof_asks_the_clock() {
        let (clock, hold, _) = hold();
        let proof = hold.prove().unwrap();
        assert_eq!(proof.left(), Duration::from_secs(10));
        clock.store(9, Ordering::Relaxed);
        assert!(proof.is_held());
        clock.store(10, Ordering::Relaxed);
        assert!(!proof.is_held());
        assert!(hold.prove().is_none());
        hold.term.set(Duration::from_secs(20));
        assert!(proof.is_held());
    }

    #[test]
    fn what_is_closing_lets_work_end_but_none_begin() {
        let (_, hold, _) = hold();
        let proof = hold.prove().unwrap();
        hold.close();
        assert!(hold.prove().is_none());
        assert!(proof.is_held() && proof.clone().is_held());
        hold.open();
        assert!(hold.prove().is_some());
    }

    #[test]
    fn what_is_gone_stays_gone() {
        let (_, hold, _) = hold();
        let proof = hold.prove().unwrap();
        hold.end();
        hold.open();
        assert!(!proof.is_held());
        assert!(hold.prove().is_none());
    }

    #[tokio::test]
    async fn the_last_proof_tells_that_it_is_gone() {
        let (_, hold, idle) = hold();
        let first = hold.prove().unwrap();
        let second = first.clone();
        hold.close();
        drop(first);
        assert!(!hold.is_idle());
        drop(second);
        assert!(hold.is_idle());
        idle.notified().await;
    }
}
