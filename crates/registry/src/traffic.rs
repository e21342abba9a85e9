//! How much was asked of each host, for whoever counts.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How many hosts are counted each by itself; of more, the rest is counted together, as [`OTHERS`].
const MAX_HOSTS: usize = 100;

/// What stands for hosts that are too many to be counted each by itself.
pub const OTHERS: &str = "other";

/// What was asked of a host since the process began.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests by what became of them.
    pub requests: BTreeMap<Answered, u64>,
    /// How often the host refused one for being one too many, or asked for a wait.
    pub throttled: u64,
    /// How long requests waited until they might be sent, all together.
    pub waited: Duration,
    /// How many there were within the last minute.
    pub last_minute: u64,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Answered {
    /// It was answered with success.
    Success,
    /// It was sent elsewhere, or nothing has changed.
    Redirection,
    /// The host says that it was wrong, or may not be made.
    ClientError,
    /// The host failed.
    ServerError,
    /// No answer came.
    Nothing,
}

impl Answered {
    pub(crate) fn of(status: u16) -> Self {
        match status {
            ..300 => Self::Success,
            300..400 => Self::Redirection,
            400..500 => Self::ClientError,
            500.. => Self::ServerError,
        }
    }

    /// The word for it, as in the labels of metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "2xx",
            Self::Redirection => "3xx",
            Self::ClientError => "4xx",
            Self::ServerError => "5xx",
            Self::Nothing => "none",
        }
    }
}

/// In how many parts the last minute is counted, and how long each is.
const PARTS: usize = 12;
const PART: Duration = Duration::from_secs(5);

/// The counts of all hosts.
#[derive(Debug, Default)]
pub(crate) struct Counts(Mutex<BTreeMap<String, (Traffic, Minute)>>);

/// The requests of the last minute, by parts of it.
#[derive(Debug, Default)]
struct Minute {
    began: Option<Instant>,
    /// The number of the part that was last counted in.
    part: u64,
    counts: [u64; PARTS],
}

impl Minute {
    /// Forgets what is older than a minute, and returns the place of the part that is now.
    fn turn(&mut self, now: Instant) -> usize {
        let began = *self.began.get_or_insert(now);
        let part = now.saturating_duration_since(began).as_secs() / PART.as_secs();
        for old in (self.part + 1..=part).rev().take(PARTS) {
            self.counts[place(old)] = 0;
        }
        self.part = part;
        place(part)
    }

    fn count(&mut self, now: Instant) {
        let place = self.turn(now);
        self.counts[place] += 1;
    }

    fn sum(&mut self, now: Instant) -> u64 {
        self.turn(now);
        self.counts.iter().sum()
    }
}

fn place(part: u64) -> usize {
    usize::try_from(part % PARTS as u64).unwrap_or_default()
}

impl Counts {
    /// Counts a request that waited for so long, what became of it, and whether it was one too many.
    pub(crate) fn count(&self, host: &str, waited: Duration, answered: Answered, is_throttled: bool) {
        let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let has_room = hosts.len() < MAX_HOSTS || hosts.contains_key(host);
        let (traffic, minute) = hosts.entry(if has_room { host } else { OTHERS }.to_owned()).or_default();
        minute.count(Instant::now());
        *traffic.requests.entry(answered).or_default() += 1;
        traffic.throttled += u64::from(is_throttled);
        traffic.waited += waited;
    }

    pub(crate) fn all(&self) -> BTreeMap<String, Traffic> {
        let (mut hosts, now) = (self.0.lock().unwrap_or_else(PoisonError::into_inner), Instant::now());
        let all = hosts.iter_mut().map(|(host, (traffic, minute))| {
            (host.clone(), Traffic { last_minute: minute.sum(now), ..traffic.clone() })
        });
        all.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_minute_is_forgotten_by_parts() {
        let counts = Counts::default();
        let count = || counts.count("ghcr.io", Duration::ZERO, Answered::of(200), false);
        let last = || counts.all()["ghcr.io"].last_minute;
        count();
        tokio::time::advance(Duration::from_secs(30)).await;
        count();
        count();
        assert_eq!(last(), 3);
        tokio::time::advance(Duration::from_secs(31)).await;
        assert_eq!(last(), 2, "the first is more than a minute old");
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!((last(), counts.all()["ghcr.io"].requests[&Answered::Success]), (0, 3));
        count();
        assert_eq!(last(), 1);
    }

    #[test]
    fn hosts_are_counted_as_long_as_they_are_few() {
        let counts = Counts::default();
        for number in 0..2 * MAX_HOSTS {
            counts.count(&format!("{number}.example.com"), Duration::from_millis(2), Answered::of(200), false);
        }
        counts.count("0.example.com", Duration::ZERO, Answered::of(429), true);
        let all = counts.all();
        assert_eq!(all.len(), MAX_HOSTS + 1);
        assert_eq!(all[OTHERS].requests[&Answered::Success], 100);
        assert_eq!(all[OTHERS].waited, Duration::from_millis(200));
        let first = &all["0.example.com"];
        assert_eq!((first.throttled, first.requests[&Answered::ClientError]), (1, 1));
        let words = [200, 304, 404, 503].map(|status| Answered::of(status).as_str());
        assert_eq!(words, ["2xx", "3xx", "4xx", "5xx"]);
    }
}
