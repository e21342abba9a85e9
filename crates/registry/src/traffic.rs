//! How much was asked of each host, for whoever counts.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

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

/// The counts of all hosts.
#[derive(Debug, Default)]
pub(crate) struct Counts(Mutex<BTreeMap<String, Traffic>>);

impl Counts {
    /// Counts a request that waited for so long, what became of it, and whether it was one too many.
    pub(crate) fn count(&self, host: &str, waited: Duration, answered: Answered, is_throttled: bool) {
        let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let has_room = hosts.len() < MAX_HOSTS || hosts.contains_key(host);
        let traffic = hosts.entry(if has_room { host } else { OTHERS }.to_owned()).or_default();
        *traffic.requests.entry(answered).or_default() += 1;
        traffic.throttled += u64::from(is_throttled);
        traffic.waited += waited;
    }

    pub(crate) fn all(&self) -> BTreeMap<String, Traffic> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
