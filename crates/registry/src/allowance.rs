//! What a host says is left of what it allows: the headers `RateLimit-Limit`, `-Remaining` and `-Reset` as registries send them
//! (Docker Hub: `ratelimit-remaining: 97;w=21600`), the same with `X-` in front (GitHub), and `RateLimit` as the IETF's drafts have it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::HeaderMap;

/// How many hosts are known; of more, nothing is.
const MAX_HOSTS: usize = 1024;
/// A number from here on is a point in time, in seconds since 1970, and no time to wait.
const POINT_IN_TIME: u64 = 1_000_000_000;

/// What is left of what a host allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// How much it allows in all, where it says so.
    pub limit: Option<u64>,
    /// How much of that is left.
    pub remaining: u64,
    /// For how long the limit is, where it says so.
    pub window: Option<Duration>,
    /// After how long there is the whole again, where it says so.
    pub reset: Option<Duration>,
    /// When it said so.
    pub at: Timestamp,
}

impl Allowance {
    /// Reads what an answer that came just now says.
    pub(crate) fn read(headers: &HeaderMap) -> Option<Self> {
        Self::read_at(headers, Timestamp::now())
    }

    fn read_at(headers: &HeaderMap, at: Timestamp) -> Option<Self> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let either = |name: &str| text(name).or_else(|| text(&format!("x-{name}")));
        let since = |seconds: u64| {
            let now = u64::try_from(at.as_second()).unwrap_or_default();
            Duration::from_secs(if seconds >= POINT_IN_TIME { seconds.saturating_sub(now) } else { seconds })
        };
        if let Some(remaining) = either("ratelimit-remaining").and_then(number) {
            let limit = either("ratelimit-limit");
            let remaining_window = either("ratelimit-remaining").and_then(|text| parameter(text, &["w"]));
            let window = limit.and_then(|text| parameter(text, &["w"])).or(remaining_window).map(Duration::from_secs);
            let reset = either("ratelimit-reset").and_then(number).map(since);
            return Some(Self { limit: limit.and_then(number), remaining, window, reset, at });
        }
        let together = text("ratelimit")?;
        let (limit, window) = (parameter(together, &["limit", "q"]), parameter(together, &["w"]));
        let remaining = parameter(together, &["remaining", "r"])?;
        let reset = parameter(together, &["reset", "t"]).map(since);
        Some(Self { limit, remaining, window: window.map(Duration::from_secs), reset, at })
    }

    /// Returns for how long nothing may be asked, where nothing is left and it is known until when. Docker Hub, which counts pulls and
    /// neither lists nor `HEAD`, does not say.
    pub(crate) fn wait(&self) -> Option<Duration> {
        self.reset.filter(|reset| self.remaining == 0 && !reset.is_zero())
    }
}

/// The number that a value begins with; parameters may follow.
fn number(text: &str) -> Option<u64> {
    text.split([';', ',']).next()?.trim().parse().ok()
}

/// The number of a parameter with one of these names.
fn parameter(text: &str, names: &[&str]) -> Option<u64> {
    let mut parts = text.split([';', ',']).filter_map(|part| part.split_once('='));
    parts.find(|(name, _)| names.iter().any(|known| name.trim().eq_ignore_ascii_case(known)))?.1.trim().parse().ok()
}

/// What hosts have last said.
#[derive(Debug, Default)]
pub(crate) struct Allowances(Mutex<BTreeMap<String, Allowance>>);

impl Allowances {
    /// Takes down what a host says.
    pub(crate) fn note(&self, host: &str, allowance: Allowance) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() < MAX_HOSTS || known.contains_key(host) {
            known.insert(host.to_owned(), allowance);
        }
    }

    /// Returns what a host has last said, or all of them.
    pub(crate) fn all(&self) -> BTreeMap<String, Allowance> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Limit, what is left, and the seconds of the window and until the reset.
    type Read = (Option<u64>, u64, Option<u64>, Option<u64>);

    fn check(headers: &[(&'static str, &'static str)], expect: Option<Read>) {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let at = Timestamp::from_second(1_800_000_000).unwrap();
        let seconds = |time: Option<Duration>| time.map(|time| time.as_secs());
        let found = Allowance::read_at(&headers, at);
        let found = found.map(|it| (it.limit, it.remaining, seconds(it.window), seconds(it.reset)));
        assert_eq!(found, expect, "{headers:?}");
    }

    #[test]
    fn forms() {
        let hub = [("ratelimit-limit", "100;w=21600"), ("ratelimit-remaining", "97;w=21600")];
        check(&hub, Some((Some(100), 97, Some(21600), None)));
        check(
            &[("RateLimit-Limit", "60, 60;w=60"), ("RateLimit-Remaining", "0"), ("RateLimit-Reset", "17")],
            Some((Some(60), 0, Some(60), Some(17))),
        );
        let github = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1800000042")];
        check(&github, Some((None, 0, None, Some(42))));
        check(&[("RateLimit", "limit=10, remaining=3, reset=50")], Some((Some(10), 3, None, Some(50))));
        check(&[("RateLimit", "\"default\";r=0;t=30")], Some((None, 0, None, Some(30))));
        check(&[("ratelimit-limit", "100;w=21600")], None);
        check(&[("ratelimit-remaining", "many")], None);
        check(&[("ratelimit-remaining", "-1")], None);
        check(&[], None);
    }

    #[test]
    fn when_nothing_may_be_asked() {
        let allowance = |remaining, reset: Option<u64>| {
            let reset = reset.map(Duration::from_secs);
            Allowance { limit: None, remaining, window: None, reset, at: Timestamp::UNIX_EPOCH }.wait()
        };
        assert_eq!(allowance(0, Some(9)), Some(Duration::from_secs(9)));
        assert_eq!([allowance(1, Some(9)), allowance(0, None), allowance(0, Some(0))], [None; 3]);
    }
}
