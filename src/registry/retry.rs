//! When a request is repeated, and how long to wait before.
//!
//! Up to three attempts, with about one and three seconds between them, as Flux has them. Where the registry says
//! `Retry-After`, that is the wait. A wait that would end after the deadline is not begun: the failure is reported at
//! once, with the wait in it.

use std::time::{Duration, SystemTime};

use backon::{BackoffBuilder as _, ExponentialBuilder};
use tokio::time::Instant;

use super::error::Error;

/// How many times one request is made.
pub(crate) const ATTEMPTS: usize = 3;
/// By how much each wait is longer than the one before.
const FACTOR: f32 = 3.0;
/// What is worth another attempt besides a failing network.
const PASSING_STATUSES: [u16; 8] = [408, 429, 499, 500, 502, 503, 504, 522];

/// How often and until when something is tried.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    pub(crate) attempts: usize,
    pub(crate) first_wait: Duration,
    pub(crate) deadline: Instant,
}

impl Patience {
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
            let Some(wait) = waits.next() else { return Err(error) };
            let wait = error.retry_after().unwrap_or(wait);
            // Checked, since a registry may ask for more than a clock can hold.
            if Instant::now().checked_add(wait).is_none_or(|end| end >= self.deadline) {
                return Err(error);
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

/// Whether a failure may be gone in a moment.
pub(crate) fn is_passing(error: &Error) -> bool {
    match error {
        Error::Network { .. } | Error::Throttled { .. } => true,
        Error::Status { status, .. } => is_passing_status(*status),
        Error::Behind { mirror, upstream } => is_passing(mirror) || is_passing(upstream),
        _ => false,
    }
}

/// Whether a status may be another one in a moment.
pub(crate) fn is_passing_status(status: u16) -> bool {
    PASSING_STATUSES.contains(&status)
}

/// Reads `Retry-After`: seconds, or an HTTP date. A date that has passed means now.
pub(crate) fn retry_after(header: &str, now: SystemTime) -> Option<Duration> {
    let header = header.trim();
    if let Ok(seconds) = header.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(header).ok()?;
    Some(SystemTime::from(date).duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn headers() {
        let now = SystemTime::from("2026-01-02T03:04:05Z".parse::<jiff::Timestamp>().unwrap());
        let cases = [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("Fri, 02 Jan 2026 03:05:05 GMT", Some(60)),
            ("Fri, 02 Jan 2026 03:03:05 GMT", Some(0)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ];
        for (header, expect) in cases {
            assert_eq!(retry_after(header, now), expect.map(Duration::from_secs), "{header:?}");
        }
    }

    #[test]
    fn waits_grow_and_vary() {
        let patience = Patience { attempts: 3, first_wait: Duration::from_secs(1), deadline: Instant::now() };
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
