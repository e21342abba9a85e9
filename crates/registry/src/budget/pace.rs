//! When the next request to a host may begin: within its budget, and as fast as it lets us.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::FORGOTTEN;

/// A host is asked no more slowly than this, whatever it refuses; longer waits it has to ask for.
const SLOWEST: Duration = Duration::from_secs(2);
/// After so long without a request, those that come begin anew.
const IDLE: Duration = Duration::from_secs(1);
/// How long it takes until a host that refuses nothing is asked a tenth faster.
const FASTER: Duration = Duration::from_secs(30);

/// When the next requests to a host may begin.
#[derive(Debug)]
pub(super) struct Pace {
    pub(super) a_second: usize,
    /// When the last ones began, or will; no more than may in a second.
    begun: VecDeque<Instant>,
    /// How many were answered, and since when.
    granted: u32,
    since: Option<Instant>,
    pub(super) slow: Option<Slow>,
    /// Nothing begins before.
    pub(super) held: Option<Instant>,
}

/// What a host that refuses requests is asked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slow {
    /// From one request to the next.
    pub(super) step: Duration,
    next: Instant,
    pub(super) refused: Instant,
    changed: Instant,
}

impl Pace {
    pub(super) fn new(a_second: usize) -> Self {
        Self { a_second, begun: VecDeque::new(), granted: 0, since: None, slow: None, held: None }
    }

    /// Returns when the next request may begin, which it is expected to do.
    pub(super) fn reserve(&mut self, now: Instant) -> Instant {
        let last = self.begun.back().copied();
        if last.is_none_or(|last| last + IDLE < now) {
            (self.since, self.granted) = (Some(now), 0);
        }
        while self.begun.front().is_some_and(|first| *first + Duration::from_secs(1) <= now) {
            self.begun.pop_front();
        }
        let mut free = None;
        while self.begun.len() >= self.a_second {
            free = self.begun.pop_front().map(|first| first + Duration::from_secs(1));
        }
        self.relax(now);
        let slow = self.slow.map(|slow| slow.next);
        let at = [free, slow, self.held, last].into_iter().flatten().fold(now, Instant::max);
        if let Some(slow) = &mut self.slow {
            slow.next = at + slow.step;
        }
        self.begun.push_back(at);
        at
    }

    pub(super) fn is_held(&self, now: Instant) -> bool {
        self.held.is_some_and(|until| until > now)
    }

    pub(super) fn granted(&mut self, now: Instant) {
        self.since.get_or_insert(now);
        self.granted += 1;
    }

    /// Takes in a refusal of a request that began at a time. Those that began before the last one say nothing new but the wait.
    pub(super) fn refused(&mut self, began: Instant, wait: Duration, now: Instant) {
        let end = now + wait;
        self.held = self.held.max(Some(end));
        if self.slow.is_some_and(|slow| began <= slow.refused) {
            return;
        }
        let lasted = end.saturating_duration_since(self.since.unwrap_or(now)).max(Duration::from_millis(1));
        let fastest = Duration::from_secs(1) / u32::try_from(self.a_second).unwrap_or(u32::MAX);
        let step = (lasted / self.granted.max(1)).clamp(fastest, SLOWEST);
        self.slow = Some(Slow { step, next: end, refused: now, changed: end });
        (self.since, self.granted) = (Some(end), 0);
        // Who waits for a turn that would come too soon takes another.
        self.begun.retain(|at| *at <= now);
    }

    fn relax(&mut self, now: Instant) {
        let Some(slow) = &mut self.slow else { return };
        if slow.changed + FASTER <= now {
            (slow.step, slow.changed) = (slow.step * 10 / 11, now);
        }
        if slow.refused + FORGOTTEN <= now {
            self.slow = None;
        }
    }
}
