//! Hosts that asked to be left alone for a while.
//!
//! One answer of a host speaks for everything that is asked of it: whoever comes next does not ask, and learns how long it
//! lasts. Registries and Git remotes share one table, since one host may be both.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use tokio::time::Instant;
use url::Url;

use super::origin::Origin;
use super::retry_after::{MAX_RETRY_AFTER, asked_wait};

/// How many hosts are known before those whose pause has ended are forgotten.
const MAX_HOSTS: usize = 1024;

/// A pause, and the status that it began with.
#[derive(Debug, Clone, Copy)]
pub struct Pause {
    /// The HTTP status of the answer that asked for it.
    pub status: u16,
    until: Instant,
}

impl Pause {
    /// Returns how long the pause still lasts.
    pub fn left(&self, now: Instant) -> Duration {
        self.until.saturating_duration_since(now)
    }
}

/// The hosts that are left alone. Clones are one table.
#[derive(Debug, Clone, Default)]
pub struct Pauses(Arc<Mutex<HashMap<Origin, Pause>>>);

impl Pauses {
    /// Returns the pause that the host of an address is in.
    pub fn of(&self, url: &Url, now: Instant) -> Option<Pause> {
        let pauses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pauses.get(&Origin::of(url)).copied().filter(|pause| pause.until > now)
    }

    /// Takes in an answer that came just now from an address. Returns how long it asks to wait, where it does.
    pub fn heed(&self, url: &Url, status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
        let wait = asked_wait(status, headers, SystemTime::now())?;
        self.begin(url, status.as_u16(), wait, Instant::now());
        Some(wait)
    }

    /// Leaves the host of an address alone from now on, at most for [`MAX_RETRY_AFTER`]. A pause that is longer stays.
    pub fn begin(&self, url: &Url, status: u16, wait: Duration, now: Instant) {
        let until = now + wait.min(MAX_RETRY_AFTER);
        let mut pauses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if pauses.len() >= MAX_HOSTS {
            pauses.retain(|_, pause| pause.until > now);
        }
        let pause = pauses.entry(Origin::of(url)).or_insert(Pause { status, until });
        if until > pause.until {
            *pause = Pause { status, until };
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn host(name: &str) -> Url {
        Url::parse(&format!("https://{name}/some/path?and=query")).unwrap()
    }

    #[test]
    fn pauses_end() {
        let (pauses, start) = (Pauses::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        let left =
            |name, now| pauses.of(&host(name), now).map(|pause: Pause| (pause.status, pause.left(now).as_secs()));
        pauses.begin(&host("a"), 429, Duration::from_secs(600), start);
        pauses.begin(&host("b"), 503, Duration::from_secs(u64::MAX), start);
        pauses.begin(&host("c"), 429, Duration::ZERO, start);
        assert_eq!(left("a", start), Some((429, 600)));
        assert_eq!(left("a", after(599)), Some((429, 1)));
        assert_eq!(left("a", after(600)), None);
        assert_eq!(left("a:8443", start), None, "another port is another server");
        assert_eq!(left("b", start), Some((503, MAX_RETRY_AFTER.as_secs())), "not for ever");
        assert_eq!((left("c", start), left("d", start)), (None, None));

        pauses.begin(&host("a"), 503, Duration::from_secs(10), after(5));
        assert_eq!(left("a", after(5)), Some((429, 595)), "the longer one counts");
        pauses.clone().begin(&host("a"), 503, Duration::from_secs(700), after(5));
        assert_eq!(left("a", after(5)), Some((503, 700)), "clones are one table");
    }

    #[test]
    fn hosts_are_forgotten() {
        let (pauses, start) = (Pauses::default(), Instant::now());
        for number in 0..MAX_HOSTS {
            pauses.begin(&host(&format!("h{number}")), 429, Duration::from_secs(1), start);
        }
        pauses.begin(&host("last"), 429, Duration::from_secs(1), start + Duration::from_secs(2));
        assert_eq!(pauses.0.lock().unwrap().len(), 1);
    }
}
