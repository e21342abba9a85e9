//! Where in an interval something is due, so that thousands of things are spread and those that belong together coincide.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// A number that is the same for the same thing within one process and differs between processes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spread(u64);

impl Spread {
    pub(super) fn new(seed: u64, key: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        (seed, key).hash(&mut hasher);
        Self(hasher.finish())
    }

    /// The first point after `after` on the grid of points that are `interval` apart.
    ///
    /// The grid of an interval that is a multiple of another is part of its grid: what is due every five minutes coincides
    /// with what is due every minute.
    pub(super) fn next(self, interval: Duration, after: Duration) -> Duration {
        let step = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX).max(1);
        let offset = self.0 % step;
        let after = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        let next = match after.checked_sub(offset) {
            None => offset,
            Some(since) => offset.saturating_add((since / step + 1).saturating_mul(step)),
        };
        Duration::from_millis(next)
    }

    /// A stable part of a duration.
    pub(super) fn share(self, of: Duration) -> Duration {
        let whole = u64::try_from(of.as_millis()).unwrap_or(u64::MAX).max(1);
        Duration::from_millis(self.0 % whole)
    }

    /// A part of a duration that differs from roll to roll.
    pub(super) fn roll(self, number: u32, of: Duration) -> Duration {
        let mut hasher = DefaultHasher::new();
        (self.0, number).hash(&mut hasher);
        Self(hasher.finish()).share(of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn points_are_an_interval_apart() {
        let spread = Spread::new(7, "docker.io/library/nginx");
        let first = spread.next(MINUTE, Duration::ZERO);
        assert!(first <= MINUTE);
        assert_eq!(spread.next(MINUTE, first), first + MINUTE);
        assert_eq!(spread.next(MINUTE, first + MINUTE - Duration::from_millis(1)), first + MINUTE);
    }

    #[test]
    fn multiples_coincide() {
        for key in ["a", "b", "c"] {
            let spread = Spread::new(3, key);
            let fifth = spread.next(5 * MINUTE, Duration::from_secs(3600));
            assert_eq!(spread.next(MINUTE, fifth - MINUTE), fifth);
        }
    }

    #[test]
    fn things_are_spread() {
        let mut seconds = [0_usize; 60];
        for number in 0..6000 {
            let at = Spread::new(1, &format!("image {number}")).next(MINUTE, MINUTE) - MINUTE;
            seconds[usize::try_from(at.as_secs()).unwrap_or(0) % 60] += 1;
        }
        assert!(seconds.iter().all(|count| (50..170).contains(count)), "{seconds:?}");
    }
}
