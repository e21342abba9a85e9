//! When a request is repeated, and how long to wait before.
//!
//! Up to three attempts, with about one and three seconds between them, as Flux has them. Where the registry says
//! `Retry-After`, that is the wait; where a host was not asked at all, since it had asked others to wait, that is no attempt. A wait that would end after the deadline is not begun: the failure is reported at
//! once, with the wait in it. Who looks on is told of a wait that a registry asks for. Where nobody listens, which most often stays so, there are two attempts with less than half a
//! second between them: enough for a server that is started anew behind a load balancer.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use tokio::time::Instant;

use super::error::Error;
use super::waits::Waits;

/// How many times one request is made.
pub(crate) const ATTEMPTS: usize = 3;
/// How many times one request is made where nobody listens.
const REFUSED_ATTEMPTS: usize = 2;
/// The part of a usual wait that is spent on a host where nobody listens.
const REFUSED_SHARE: u32 = 5;
/// By how much each wait is longer than the one before.
const FACTOR: f32 = 3.0;

/// How often and until when something is tried.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience<'w> {
    pub(crate) attempts: usize,
    pub(crate) first_wait: Duration,
    pub(crate) deadline: Instant,
    pub(crate) told: &'w Waits,
}

impl Patience<'_> {
    /// Repeats an attempt until it succeeds, fails for good, or patience ends. The attempt is told its number, from 0.
    pub(crate) async fn retry<T, F>(self, mut attempt: impl FnMut(usize) -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let mut waits = self.waits();
        let mut number = 0;
        loop {
            let error = match attempt(number).await {
                Err(error) if is_passing(&error) => error,
                settled => return settled,
            };
            // What was not asked is no attempt.
            let wait = match error.cause() {
                Error::Paused { retry_after, .. } => Some(*retry_after),
                _ => waits.next().and_then(|usual| wait_after(&error, number, usual)),
            };
            let Some(wait) = wait else { return Err(error) };
            // Checked, since a registry may ask for more than a clock can hold.
            if Instant::now().checked_add(wait).is_none_or(|end| end >= self.deadline) {
                return Err(error);
            }
            if let Some(host) = error.asks_to_wait() {
                self.told.tell(&host, wait);
            }
            tracing::debug!(wait_ms = wait.as_millis(), %error, "waits before another attempt");
            tokio::time::sleep(wait).await;
            number += 1;
        }
    }

    fn waits(self) -> impl Iterator<Item = Duration> {
        ExponentialBuilder::new()
            .with_min_delay(self.first_wait)
            .with_factor(FACTOR)
            .with_max_times(self.attempts.saturating_sub(1))
            .with_jitter()
            .build()
    }
}

/// Returns how long to wait after a failed attempt, in place of the usual time; none if there is to be no other attempt.
fn wait_after(error: &Error, number: usize, usual: Duration) -> Option<Duration> {
    match error.retry_after() {
        Some(wait) => Some(wait),
        None if is_refused(error) => (number + 1 < REFUSED_ATTEMPTS).then(|| usual / REFUSED_SHARE),
        None => Some(usual),
    }
}

/// Whether a failure may be gone in a moment.
pub(crate) fn is_passing(error: &Error) -> bool {
    match error.cause() {
        Error::Network { .. } | Error::Refused { .. } | Error::Throttled { .. } | Error::Paused { .. } => true,
        Error::Status { status, .. } => web::is_worth_retrying(*status),
        Error::Behind { mirror, upstream } => is_passing(mirror) || is_passing(upstream),
        _ => false,
    }
}

/// Whether nobody listens, anywhere.
fn is_refused(error: &Error) -> bool {
    match error.cause() {
        Error::Refused { .. } => true,
        Error::Behind { mirror, upstream } => is_refused(mirror) && is_refused(upstream),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn where_nobody_listens_it_is_soon_over() {
        let error = |refused: bool| {
            let (url, reason) = ("https://r.example.com/v2/".to_owned(), "no".to_owned());
            if refused {
                Error::Refused { url, reason }
            } else {
                Error::Network { url, why: web::Unreachable::Otherwise, reason }
            }
        };
        let behind = |mirror, upstream| Error::Behind { mirror: Box::new(mirror), upstream: Box::new(upstream) };
        let waits = |error: Error| [0, 1].map(|number| wait_after(&error, number, Duration::from_secs(1)));
        let (soon, usual) = (Some(Duration::from_millis(200)), Some(Duration::from_secs(1)));
        assert_eq!(waits(error(true)), [soon, None]);
        assert_eq!(waits(error(false)), [usual, usual]);
        assert_eq!(waits(behind(error(true), error(true))), [soon, None]);
        assert_eq!(waits(behind(error(true), error(false))), [usual, usual]);
        let throttled =
            Error::Throttled { url: String::new(), status: 429, message: None, retry_after: Duration::from_secs(7) };
        assert_eq!(waits(behind(error(true), throttled)), [Some(Duration::from_secs(7)); 2]);
    }

    #[test]
    fn waits_grow_and_vary() {
        let patience = Patience {
            attempts: 3,
            first_wait: Duration::from_secs(1),
            deadline: Instant::now(),
            told: &Waits::default(),
        };
        let all: Vec<Vec<Duration>> = (0..20).map(|_| patience.waits().collect()).collect();
        for waits in &all {
            let [first, second] = waits.as_slice() else { panic!("two waits, got {waits:?}") };
            assert!(
                (1.0..2.01).contains(&first.as_secs_f32()) && (3.0..6.01).contains(&second.as_secs_f32()),
                "{waits:?}"
            );
        }
        assert!(all.iter().any(|waits| waits != &all[0]));
    }
}
