//! The waits that somebody is told of: whoever looks at a terminal or a log would take a long one for a program that hangs.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

/// A wait that is shorter is not spoken of.
const NOTABLE: Duration = Duration::from_secs(5);
/// How many hosts are known before those whose wait has ended are forgotten.
const MAX_HOSTS: usize = 1024;

/// Until when it was said that a host is waited for.
#[derive(Debug, Default)]
pub(crate) struct Waits(Mutex<HashMap<String, Instant>>);

impl Waits {
    /// Says that a host is waited for as long as it asks to, once for all requests to it that wait at the same time.
    pub(crate) fn tell(&self, host: &str, wait: Duration) {
        if wait < NOTABLE || !self.begins(host, wait, Instant::now()) {
            return;
        }
        let now = Timestamp::now();
        let until = now.checked_add(wait).unwrap_or(now).strftime("%H:%M:%S UTC");
        // Rounded up: of two requests it may be the later one that comes here first.
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        tracing::warn!(host, "{host} asks to wait {seconds} s; trying again at {until}");
    }

    fn begins(&self, host: &str, wait: Duration, now: Instant) -> bool {
        let mut waits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waits.get(host).is_some_and(|until| *until > now) {
            return false;
        }
        if waits.len() >= MAX_HOSTS {
            waits.retain(|_, until| *until > now);
        }
        waits.insert(host.to_owned(), now + wait);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_spoken_of_once_for_each_wait() {
        let (waits, start) = (Waits::default(), Instant::now());
        let begins = |host, at| waits.begins(host, Duration::from_secs(30), start + Duration::from_secs(at));
        assert_eq!(
            [("a", 0), ("a", 1), ("b", 2), ("a", 29), ("a", 30)].map(|(host, at)| begins(host, at)),
            [true, false, true, false, true]
        );
    }
}
