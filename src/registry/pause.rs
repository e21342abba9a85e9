//! Hosts that asked to be left alone for a while.
//!
//! One answer of a host speaks for all polls of it: whoever comes next does not ask, and learns how long it lasts.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The longest pause of a host. A limit may be one account's or one repository's, and whoever met it waits for as long as it
/// was told; the others try again after this.
const MAX_PAUSE: Duration = Duration::from_secs(60);
/// How many hosts are known before those whose pause has ended are forgotten.
const MAX_HOSTS: usize = 1024;

/// A pause, and the status that it began with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pause {
    pub(crate) status: u16,
    until: Instant,
}

impl Pause {
    /// Returns how long the pause still lasts.
    pub(crate) fn left(&self, now: Instant) -> Duration {
        self.until.saturating_duration_since(now)
    }
}

/// The hosts that are left alone, by authority.
#[derive(Debug, Default)]
pub(crate) struct Pauses(Mutex<HashMap<String, Pause>>);

impl Pauses {
    /// Returns the pause that a host is in.
    pub(crate) fn of(&self, authority: &str, now: Instant) -> Option<Pause> {
        let pauses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pauses.get(authority).copied().filter(|pause| pause.until > now)
    }

    /// Leaves a host alone. A pause that is longer stays.
    pub(crate) fn begin(&self, authority: &str, status: u16, wait: Duration, now: Instant) {
        let until = now + wait.min(MAX_PAUSE);
        let mut pauses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if pauses.len() >= MAX_HOSTS {
            pauses.retain(|_, pause| pause.until > now);
        }
        let pause = pauses.entry(authority.to_owned()).or_insert(Pause { status, until });
        if until > pause.until {
            *pause = Pause { status, until };
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn pauses_end() {
        let (pauses, start) = (Pauses::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        let left = |host, now| pauses.of(host, now).map(|pause: Pause| (pause.status, pause.left(now).as_secs()));
        pauses.begin("a", 429, Duration::from_secs(30), start);
        pauses.begin("b", 503, Duration::from_secs(u64::MAX), start);
        pauses.begin("c", 429, Duration::ZERO, start);
        assert_eq!(left("a", start), Some((429, 30)));
        assert_eq!(left("a", after(29)), Some((429, 1)));
        assert_eq!(left("a", after(30)), None);
        assert_eq!(left("b", start), Some((503, 60)), "not for ever");
        assert_eq!((left("c", start), left("d", start)), (None, None));

        pauses.begin("a", 503, Duration::from_secs(10), after(5));
        assert_eq!(left("a", after(5)), Some((429, 25)), "the longer one counts");
        pauses.begin("a", 503, Duration::from_secs(40), after(5));
        assert_eq!(left("a", after(5)), Some((503, 40)));
    }

    #[test]
    fn hosts_are_forgotten() {
        let (pauses, start) = (Pauses::default(), Instant::now());
        for host in 0..MAX_HOSTS {
            pauses.begin(&host.to_string(), 429, Duration::from_secs(1), start);
        }
        pauses.begin("last", 429, Duration::from_secs(1), start + Duration::from_secs(2));
        assert_eq!(pauses.0.lock().unwrap().len(), 1);
    }
}
