//! Since when the images behind tags are known: which digests a tag had, and when each was first seen.
//!
//! A tag says nothing of its age, since anybody who may push can move it, and an image's `created` is whatever its builder wrote.
//! What nobody outside can change is when **this bot** first saw a digest in the repository, or when the registry says that it
//! took it in. So a wait is counted for each digest: a tag that is pushed again begins a wait for its new digest, and the wait
//! of the one before goes on. A digest that comes back, under the same tag or another, is as old as it ever was.
//!
//! What is remembered is bounded, and thinned as backups are: the older, the sparser ([`Sightings::thin`]). A tag that is pushed
//! every minute therefore always has a digest that is about as old as is asked for.
//!
//! ```
//! use std::time::Duration;
//! use image::Digest;
//! use jiff::Timestamp;
//! use tagwright_core::guard::Sightings;
//!
//! let digest = |digit: &str| Digest::parse(&format!("sha256:{}", digit.repeat(64)));
//! let hour = |hour: i64| Timestamp::from_second(hour * 3600);
//! let mut sightings = Sightings::default();
//! sightings.see("main", &digest("a")?, None, hour(0)?);
//! sightings.see("main", &digest("b")?, None, hour(70)?);
//! // The newest first: `b` waits, `a` counts.
//! let since: Vec<_> = sightings.of("main").map(|sighting| sighting.since).collect();
//! assert_eq!(since, [hour(70)?, hour(0)?]);
//! // Pushed back, it does not wait again.
//! sightings.see("main", &digest("a")?, None, hour(71)?);
//! assert_eq!(sightings.of("main").next().map(|sighting| sighting.since), Some(hour(0)?));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use image::Digest;
use jiff::{SignedDuration, Timestamp};

/// The most digests that are remembered of one tag.
pub const MAX_OF_TAG: usize = 64;

/// The most digests that are remembered of one image repository, those of all tags together.
pub const MAX_SIGHTINGS: usize = 4096;

/// The digests that the tags of an image repository had, as far as they were asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sightings {
    /// Of each tag, the one that it had last at the end; no list is empty, and none has a digest twice.
    tags: BTreeMap<String, Vec<Sighting>>,
}

/// A digest, and since when it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// The digest.
    pub digest: Digest,
    /// When it was first seen in the repository, or when the registry took it in, where it tells.
    pub since: Timestamp,
}

impl Sightings {
    /// Puts together what was kept: of each tag, the digests that it had, the last one at the end.
    #[must_use]
    pub fn kept(tags: impl IntoIterator<Item = (String, Vec<Sighting>)>) -> Self {
        Self { tags: tags.into_iter().filter(|(_, sightings)| !sightings.is_empty()).collect() }
    }

    /// Takes note of what a tag points to now. `pushed` is when the registry took this digest in, where it says so.
    ///
    /// A time that is still to come, since a clock was wrong, counts as now: otherwise a wait would take as long as the clock
    /// was ahead.
    pub fn see(&mut self, tag: &str, digest: &Digest, pushed: Option<Timestamp>, now: Timestamp) {
        let since = self.since(digest).into_iter().chain(pushed).fold(now, Timestamp::min);
        let sightings = self.tags.entry(tag.to_owned()).or_default();
        sightings.retain(|known| known.digest != *digest);
        sightings.push(Sighting { digest: digest.clone(), since });
    }

    /// Since when a digest is known, under whatever tag.
    #[must_use]
    pub fn since(&self, digest: &Digest) -> Option<Timestamp> {
        self.all().filter(|(_, known)| known.digest == *digest).map(|(_, known)| known.since).min()
    }

    /// The digests that a tag had, the last one first.
    pub fn of(&self, tag: &str) -> impl Iterator<Item = &Sighting> {
        self.tags.get(tag).into_iter().flat_map(|sightings| sightings.iter().rev())
    }

    /// Every tag with its digests, the last one at the end.
    pub fn tags(&self) -> impl Iterator<Item = (&str, &[Sighting])> {
        self.tags.iter().map(|(tag, sightings)| (tag.as_str(), sightings.as_slice()))
    }

    /// How many digests are remembered, those of each tag counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tags.values().map(Vec::len).sum()
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tags.is_empty()
    }

    /// Counts what was seen at a time that is still to come as seen now.
    pub fn not_after(&mut self, now: Timestamp) {
        for sighting in self.tags.values_mut().flatten() {
            sighting.since = sighting.since.min(now);
        }
    }

    /// Forgets digests until there are no more than [`MAX_OF_TAG`] of each tag and [`MAX_SIGHTINGS`] in all.
    ///
    /// What a tag has now stays, and of the others the newest that is older than each of `ages`, since that one is selected.
    /// Of the rest those go first that lie close together for their age.
    pub fn thin(&mut self, ages: &[Duration], now: Timestamp) {
        for sightings in self.tags.values_mut() {
            while sightings.len() > MAX_OF_TAG {
                let Some((place, _)) = least(sightings, ages, now) else { break };
                sightings.remove(place);
            }
        }
        while self.len() > MAX_SIGHTINGS {
            let dense = |(tag, sightings): (&String, &Vec<Sighting>)| {
                let (place, worth) = least(sightings, ages, now)?;
                Some((worth, tag.clone(), place))
            };
            let least = self.tags.iter().filter_map(dense).min_by(|left, right| left.0.total_cmp(&right.0));
            match least {
                Some((_, tag, place)) => drop(self.tags.get_mut(&tag).map(|sightings| sightings.remove(place))),
                None => break,
            }
        }
        self.forget_tags();
    }

    /// Forgets whole tags where each of very many has only what must not be thinned: those that were seen first, first.
    fn forget_tags(&mut self) {
        let excess = self.len().saturating_sub(MAX_SIGHTINGS);
        if excess == 0 {
            return;
        }
        let newest = |sightings: &Vec<Sighting>| sightings.iter().map(|sighting| sighting.since).max();
        let mut by_age: Vec<_> = self.tags.iter().map(|(tag, it)| (newest(it), tag.clone(), it.len())).collect();
        by_age.sort_unstable();
        let mut gone = 0;
        for (_, tag, count) in by_age {
            if gone >= excess {
                break;
            }
            self.tags.remove(&tag);
            gone += count;
        }
    }

    fn all(&self) -> impl Iterator<Item = (&str, &Sighting)> {
        self.tags.iter().flat_map(|(tag, sightings)| sightings.iter().map(|sighting| (tag.as_str(), sighting)))
    }
}

/// The sighting that is missed least, and how much: the time between its neighbours, as a part of their age.
fn least(sightings: &[Sighting], ages: &[Duration], now: Timestamp) -> Option<(usize, f64)> {
    let last = sightings.len().checked_sub(1)?;
    let is_old = |sighting: &Sighting, age: &Duration| is_old(sighting.since, *age, now);
    let kept: Vec<usize> =
        ages.iter().filter_map(|age| sightings.iter().rposition(|sighting| is_old(sighting, age))).collect();
    let seconds = |place: usize| now.duration_since(sightings[place].since).as_secs_f64().max(1.0);
    let worth = |place: usize| {
        let newer = seconds(place + 1);
        match place.checked_sub(1).map(seconds) {
            Some(older) => (older - newer).abs() / older,
            None if ages.iter().all(|age| is_old(&sightings[place], age)) => {
                (seconds(place) - newer).abs() / seconds(place)
            }
            // The first that will be old enough.
            None => f64::INFINITY,
        }
    };
    let free = (0..last).filter(|place| !kept.contains(place));
    free.map(|place| (place, worth(place))).min_by(|left, right| left.1.total_cmp(&right.1))
}

/// Whether something that is known since then is old enough.
#[must_use]
pub(crate) fn is_old(since: Timestamp, minimum: Duration, now: Timestamp) -> bool {
    SignedDuration::try_from(minimum).is_ok_and(|minimum| now.duration_since(since) >= minimum)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const MINUTE: i64 = 60;
    const DAY: i64 = 24 * 60 * MINUTE;
    const AGE: Duration = Duration::from_secs(3 * 86_400);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn digest(number: i64) -> Digest {
        Digest::parse(&format!("sha256:{number:064x}")).unwrap()
    }

    /// The newest that is old enough.
    fn selected(sightings: &Sightings, tag: &str, now: Timestamp) -> Option<Timestamp> {
        sightings.of(tag).find(|sighting| is_old(sighting.since, AGE, now)).map(|sighting| sighting.since)
    }

    /// However often a tag is pushed, something is about as old as is asked for, and the selection never goes back.
    #[test]
    fn a_tag_that_is_pushed_all_the_time_starves_nowhere() {
        for (every, span) in [(MINUTE, 5 * DAY), (11 * MINUTE, 20 * DAY), (3 * 60 * MINUTE, 100 * DAY)] {
            let (mut sightings, mut before) = (Sightings::default(), None);
            let mut oldest = 0;
            for second in (0..span).step_by(usize::try_from(every).unwrap()) {
                let now = at(second);
                sightings.see("main", &digest(second), None, now);
                sightings.thin(&[AGE], now);
                assert!(sightings.len() <= MAX_OF_TAG);
                let selected = selected(&sightings, "main", now);
                assert!(selected >= before, "it goes back at {second}");
                before = selected;
                assert_eq!(selected.is_some(), second >= 3 * DAY, "at {second}");
                oldest = oldest.max(selected.map_or(0, |since| now.duration_since(since).as_secs()));
            }
            // No more than a fifth older than it has to be, and one push.
            assert!(oldest <= 3 * DAY * 6 / 5 + every, "every {every} s: {} h", oldest / 3600);
        }
    }

    #[test]
    fn many_tags_are_bounded_and_the_oldest_go_first() {
        let mut sightings = Sightings::default();
        let count = i64::try_from(MAX_SIGHTINGS).unwrap() + 100;
        for number in 0..count {
            sightings.see(&format!("1.{number}.0"), &digest(number), None, at(number));
        }
        sightings.thin(&[AGE], at(count));
        assert_eq!(sightings.len(), MAX_SIGHTINGS);
        assert_eq!(sightings.of("1.99.0").count(), 0);
        assert_eq!(sightings.of("1.100.0").count(), 1);
        assert_eq!(sightings.of(&format!("1.{}.0", count - 1)).count(), 1);
    }

    #[test]
    fn a_digest_has_one_age_whatever_tags_have_it() {
        let mut sightings = Sightings::default();
        sightings.see("1.0.0-rc.1", &digest(1), None, at(0));
        sightings.see("1.0.0", &digest(1), None, at(DAY));
        assert_eq!(sightings.of("1.0.0").next().unwrap().since, at(0), "it was there under another tag");
        // The registry knows better, where it says so.
        sightings.see("1.0.0", &digest(1), Some(at(-DAY)), at(2 * DAY));
        assert_eq!(sightings.since(&digest(1)), Some(at(-DAY)));
        // No time is still to come.
        sightings.see("2.0.0", &digest(2), Some(at(9 * DAY)), at(DAY));
        assert_eq!(sightings.since(&digest(2)), Some(at(DAY)));
        sightings.not_after(at(0));
        assert_eq!(sightings.since(&digest(2)), Some(at(0)));
        assert!(Sightings::kept([("empty".to_owned(), Vec::new())]).is_empty());
    }
}
