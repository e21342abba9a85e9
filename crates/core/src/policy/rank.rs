//! The orders: what a value must be, and which of two is preferred.

use std::cmp::Ordering;
use std::collections::{HashMap, hash_map};

use gotext::version::{Range, VersionRef};

use super::calver::{self, Calver};
use super::number::{self, Number};
use super::{Candidate, Direction, Reason, Rejection};

/// One order of values.
pub(super) trait Rank {
    /// The form in which values are compared, parsed once.
    type Key<'v>;

    /// Reads a value; nothing where it is not of the kind.
    fn key<'v>(&self, value: &'v str) -> Option<Self::Key<'v>>;

    /// Whether a value that was read may be selected.
    fn admits(&self, key: &Self::Key<'_>) -> bool;

    /// Why [`Rank::key`] or [`Rank::admits`] refused the value.
    fn reason(&self, value: &str) -> Reason;

    /// Which of two values is preferred: the greater. Equal where neither is better than the other.
    fn compare(&self, left: (&Self::Key<'_>, &str), right: (&Self::Key<'_>, &str)) -> Ordering;

    /// Which of several tags is preferred whose values are equal.
    fn ties(&self) -> Ties {
        Ties::Greatest
    }
}

/// Which of several tags is preferred, none of which is better than the others.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ties {
    /// The byte-greatest: most often the one that was made last.
    Greatest,
    /// The byte-smallest, as Flux has it for numbers.
    Smallest,
}

/// The highest version in a range.
pub(super) struct ByVersion<'r> {
    pub(super) range: &'r Range,
}

impl Rank for ByVersion<'_> {
    type Key<'v> = VersionRef<'v>;

    fn key<'v>(&self, value: &'v str) -> Option<VersionRef<'v>> {
        VersionRef::parse_tag(value)
    }

    fn admits(&self, key: &VersionRef<'_>) -> bool {
        self.range.admits(*key)
    }

    fn reason(&self, value: &str) -> Reason {
        let range = self.range.as_str().to_owned();
        match VersionRef::parse_tag(value) {
            Some(version) if self.range.refuses_as_prerelease(version) => Reason::Prerelease { range },
            Some(_) => Reason::OutOfRange { range },
            None if VersionRef::parse(value).is_ok() => Reason::TooFewDots { value: value.to_owned() },
            None => Reason::NotAVersion { value: value.to_owned() },
        }
    }

    fn compare(&self, left: (&VersionRef<'_>, &str), right: (&VersionRef<'_>, &str)) -> Ordering {
        left.0.cmp_precedence(*right.0)
    }
}

/// The latest date in a format.
pub(super) struct ByCalendar<'f> {
    pub(super) format: &'f Calver,
}

impl Rank for ByCalendar<'_> {
    type Key<'v> = calver::Value<'v>;

    fn key<'v>(&self, value: &'v str) -> Option<calver::Value<'v>> {
        self.format.read(value)
    }

    fn admits(&self, _key: &calver::Value<'_>) -> bool {
        true
    }

    fn reason(&self, value: &str) -> Reason {
        Reason::NotInFormat { value: value.to_owned(), format: self.format.as_str().to_owned() }
    }

    fn compare(&self, left: (&calver::Value<'_>, &str), right: (&calver::Value<'_>, &str)) -> Ordering {
        left.0.compare(right.0)
    }
}

/// The greatest or smallest number.
pub(super) struct ByNumber {
    pub(super) direction: Direction,
    pub(super) ties: Ties,
}

impl Rank for ByNumber {
    type Key<'v> = Number<'v>;

    fn key<'v>(&self, value: &'v str) -> Option<Number<'v>> {
        Number::parse(value).ok()
    }

    fn admits(&self, _key: &Number<'_>) -> bool {
        true
    }

    fn reason(&self, value: &str) -> Reason {
        let value = value.to_owned();
        match Number::parse(&value) {
            Err(number::Error::TooLarge) => Reason::NumberTooLarge { value },
            _ => Reason::NotANumber { value },
        }
    }

    fn compare(&self, left: (&Number<'_>, &str), right: (&Number<'_>, &str)) -> Ordering {
        directed(self.direction, left.0.cmp(right.0))
    }

    fn ties(&self) -> Ties {
        self.ties
    }
}

/// The byte-greatest or byte-smallest text; without a direction in no order, since whoever knows when tags came sorts them.
pub(super) struct ByText {
    pub(super) direction: Option<Direction>,
}

impl Rank for ByText {
    type Key<'v> = ();

    fn key(&self, _value: &str) -> Option<()> {
        Some(())
    }

    fn admits(&self, (): &()) -> bool {
        true
    }

    /// Never asked for: every text has its place.
    fn reason(&self, _value: &str) -> Reason {
        Reason::NotMatched
    }

    fn compare(&self, left: (&(), &str), right: (&(), &str)) -> Ordering {
        self.direction.map_or(Ordering::Equal, |direction| directed(direction, left.1.cmp(right.1)))
    }
}

fn directed(direction: Direction, order: Ordering) -> Ordering {
    match direction {
        Direction::Ascending => order,
        Direction::Descending => order.reverse(),
    }
}

/// A tag whose value was read.
struct Entry<'t, 'v, K> {
    tag: &'t str,
    value: &'v str,
    key: K,
}

impl<'t, 'v, K> Entry<'t, 'v, K> {
    /// Compares by rank, then by tag.
    fn compare<R>(&self, other: &Self, rank: &R) -> Ordering
    where
        R: Rank<Key<'v> = K>,
    {
        let by_tag = || match rank.ties() {
            Ties::Greatest => self.tag.cmp(other.tag),
            Ties::Smallest => other.tag.cmp(self.tag),
        };
        rank.compare((&self.key, self.value), (&other.key, other.value)).then_with(by_tag)
    }
}

/// The tag that ranks first, of tags with their values. What does not rank above the best so far is not looked at further.
pub(super) fn best<'t, 'v, R: Rank>(rank: &R, tags: impl Iterator<Item = (&'t str, &'v str)>) -> Option<&'t str> {
    let mut best: Option<Entry<'t, 'v, R::Key<'v>>> = None;
    for (tag, value) in tags {
        let Some(key) = rank.key(value) else { continue };
        let entry = Entry { tag, value, key };
        let preferred = best.as_ref().is_none_or(|best| entry.compare(best, rank).is_gt());
        if preferred && rank.admits(&entry.key) {
            best = Some(entry);
        }
    }
    best.map(|entry| entry.tag)
}

/// The same as [`best`] for values that have to be made: `expand` writes the value of a tag, or says that it has none. Only
/// the best value is kept, and read again for each comparison, which is cheaper than keeping all of them.
pub(super) fn best_made<'t, R: Rank>(
    rank: &R,
    tags: impl Iterator<Item = &'t str>,
    mut expand: impl FnMut(&str, &mut String) -> Option<()>,
) -> Option<&'t str> {
    let mut best: Option<&'t str> = None;
    let (mut best_value, mut value) = (String::new(), String::new());
    for tag in tags {
        value.clear();
        if expand(tag, &mut value).is_none() {
            continue;
        }
        if replaces(rank, (tag, &value), best.map(|tag| (tag, best_value.as_str()))) {
            best = Some(tag);
            std::mem::swap(&mut best_value, &mut value);
        }
    }
    best
}

/// Whether a tag may be selected, and ranks above the best so far.
fn replaces<R: Rank>(rank: &R, (tag, value): (&str, &str), best: Option<(&str, &str)>) -> bool {
    let Some(key) = rank.key(value) else { return false };
    let entry = Entry { tag, value, key };
    let best = best.and_then(|(tag, value)| Some(Entry { tag, value, key: rank.key(value)? }));
    best.is_none_or(|best| entry.compare(&best, rank).is_gt()) && rank.admits(&entry.key)
}

/// The tags that may be selected, best first; the others are added to `rejected`.
pub(super) fn sorted<'t, R: Rank>(
    rank: &R,
    tags: &[(&'t str, String)],
    rejected: &mut Vec<Rejection<'t>>,
) -> Vec<Candidate<'t>> {
    let mut entries = Vec::new();
    for (tag, value) in tags {
        match rank.key(value).filter(|key| rank.admits(key)) {
            Some(key) => entries.push(Entry { tag, value: value.as_str(), key }),
            None => rejected.push(Rejection { tag, reason: rank.reason(value) }),
        }
    }
    entries.sort_by(|left, right| right.compare(left, rank));
    let mut candidates: Vec<Candidate<'t>> = Vec::with_capacity(entries.len());
    let mut tag_of_value: HashMap<&str, &str> = HashMap::with_capacity(entries.len());
    for entry in entries {
        match tag_of_value.entry(entry.value) {
            hash_map::Entry::Occupied(better) => {
                let reason = Reason::Collides { with: (*better.get()).to_owned() };
                rejected.push(Rejection { tag: entry.tag, reason });
            }
            hash_map::Entry::Vacant(place) => {
                place.insert(entry.tag);
                candidates.push(Candidate { tag: entry.tag, value: entry.value.to_owned() });
            }
        }
    }
    candidates
}

/// How two values rank that may be selected; nothing if one may not.
pub(super) fn compare<R: Rank>(rank: &R, first: &str, second: &str) -> Option<Ordering> {
    let first_key = rank.key(first).filter(|key| rank.admits(key))?;
    let second_key = rank.key(second).filter(|key| rank.admits(key))?;
    Some(rank.compare((&first_key, first), (&second_key, second)))
}
