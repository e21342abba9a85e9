//! How one tag is chosen among those of an image repository.
//!
//! A [`Policy`] is a [`Filter`], perhaps, and an [`Order`]. The filter drops tags and extracts a **value** from each one that it
//! keeps (without a filter the value is the tag); the order looks at values and prefers one.
//!
//! Tags that belong to another image of the repository ([`image::is_referrers_tag`]: signatures, attestations, SBOMs) are no images, and
//! no policy selects one.
//!
//! | order | a value must be | preferred | equal are |
//! |---|---|---|---|
//! | [`Order::Semver`] | a version with two dots, in the range | the highest | versions but for their build, `v` and leading zeros |
//! | [`Order::Calver`] | a date and numbers in the format, see [`Calver`] | the latest | none but the same texts, as `MM` has no zeros |
//! | [`Order::Newest`] | anything | the one that came last, which no text tells: see [`crate::guard::Moment`] | none |
//! | [`Order::Numerical`] | a number, see below | the greatest, or the smallest | `1`, `01`, `1.0` |
//! | [`Order::Alphabetical`] | anything | the byte-greatest, or the byte-smallest | the same texts |
//!
//! Tags with equal values are equally good ([`Policy::compare`]). A field that has one of them keeps it; where none is in use,
//! the byte-greatest tag is selected (`v1.0.0` over `1.0.0`, `…-6001-bbb` over `…-5999-aaa`), but of numbers without a
//! filter the byte-smallest (`01` over `1`), as Flux does. Of several tags with one value the others are rejected as colliding
//! with the one that stands for it. The selection depends on the set of tags alone, never on their order or on how often one
//! is listed.
//!
//! Numbers are read as Go's `strconv.ParseFloat` reads them: decimals with sign, point and exponent (`-1`, `5.`, `.5`, `1e3`),
//! underscores between digits (`1_000`), infinity (`inf`, `+Infinity`), and hexadecimals with an exponent (`0x1p4`), which are
//! rounded to a 64-bit float. `0x10`, `0b1` and `1,5` are none.
//!
//! Differences from Flux, all deliberate:
//! - a value that is no version, no number, or `NaN`, is passed over; there a single one makes a numerical policy fail;
//! - numbers are compared exactly; there as 64-bit floats, in which `20240102030405678902` equals `…901`;
//! - a template that names a group which the pattern lacks is an error; there the group is empty, and tags are ordered by the rest;
//! - of tags with one extracted value the byte-greatest is selected, which most often was made last; there the byte-smallest;
//! - ties between values after a filter are broken in the same way; there at random.
//!
//! ```
//! use tagwright_core::policy::{Order, Policy};
//! use gotext::version::Range;
//! let policy = Policy { filter: None, order: Order::Semver(Range::parse("6.x")?) };
//! assert_eq!(policy.select(&["6.0.0", "6.1.0-rc.1", "6.0.10", "latest"]), Some("6.0.10"));
//! # Ok::<(), gotext::version::Error>(())
//! ```

mod calver;
mod filter;
mod number;
mod rank;

use std::cmp::Ordering;
use std::fmt;

use gotext::pattern::{self, Pattern, UnknownGroup};
use gotext::version::Range;
use thiserror::Error;

pub use self::calver::{Calver, CalverError};
use rank::{ByCalendar, ByNumber, ByText, ByVersion, Rank, Ties};

/// The rule by which one tag is chosen: a filter, perhaps, and an order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Policy {
    /// Which tags count, and what is extracted from them; none keeps every tag as it is.
    pub filter: Option<Filter>,
    /// Which of the extracted values is preferred.
    pub order: Order,
}

/// Which tags count, and what is extracted from them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Tags in which this matches nowhere are dropped.
    pub pattern: Pattern,
    /// A template for the value ([`gotext::pattern::Replacement`]) that names groups of the pattern; empty takes the whole tag.
    pub extract: String,
}

/// Which value is preferred.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Order {
    /// The highest version in a range.
    Semver(Range),
    /// The latest date, and the highest numbers behind it, in a format.
    Calver(Calver),
    /// The one that came last. Tags do not say that, so that here all are equally good, and whoever asks the registry sorts them.
    Newest,
    /// The greatest number (ascending order) or the smallest.
    Numerical(Direction),
    /// The byte-greatest text (ascending order) or the byte-smallest.
    Alphabetical(Direction),
}

/// In which direction values are sorted; the last one is preferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Direction {
    /// Upwards: the greatest value is preferred.
    #[default]
    Ascending,
    /// Downwards: the smallest value is preferred.
    Descending,
}

/// How many tags are told that rank equal to the selected one.
const MAX_AS_GOOD: usize = 64;

/// The longest template for the value of a tag, in bytes.
pub(crate) const MAX_EXTRACT_LENGTH: usize = 1024;

/// How much of a text that is no direction is repeated, in characters.
const MAX_SHOWN: usize = 40;

/// Why a part of a policy is invalid. A range has an error of its own.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Error {
    /// The filter's pattern is none.
    #[error("failed to filter tags: {0}")]
    Pattern(#[from] pattern::Error),
    /// The filter's template is longer than `MAX_EXTRACT_LENGTH`.
    #[error("failed to filter tags: the extract template is longer than {MAX_EXTRACT_LENGTH} bytes")]
    ExtractTooLong,
    /// The filter's template asks for a group that the pattern does not have, for which Go, and Flux, take nothing.
    #[error("failed to filter tags: {0}")]
    UnknownGroup(UnknownGroup),
    /// The direction is none; its text.
    #[error("{} is neither asc nor desc", words::one_line(.0, MAX_SHOWN))]
    Direction(String),
}

impl Direction {
    /// Reads `asc` or `desc`, in any case; empty is ascending.
    ///
    /// # Errors
    /// [`Error::Direction`] for anything else.
    pub fn parse(text: &str) -> Result<Self, Error> {
        match text.to_uppercase().as_str() {
            "" | "ASC" => Ok(Self::Ascending),
            "DESC" => Ok(Self::Descending),
            _ => Err(Error::Direction(text.to_owned())),
        }
    }
}

impl Policy {
    /// Selects a tag, in one pass without keeping the others: what [`Policy::evaluate`] selects, and faster. By the time, it is any
    /// that could be selected.
    #[must_use]
    pub fn select<'t>(&self, tags: &[&'t str]) -> Option<&'t str> {
        match &self.order {
            Order::Semver(range) => self.best(&ByVersion { range }, tags),
            Order::Calver(format) => self.best(&ByCalendar { format }, tags),
            Order::Newest => self.best(&ByText { direction: None }, tags),
            Order::Numerical(direction) => self.best(&self.by_number(*direction), tags),
            Order::Alphabetical(direction) => self.best(&ByText { direction: Some(*direction) }, tags),
        }
    }

    /// Selects a tag and says of every other tag what became of it.
    #[must_use]
    pub fn evaluate<'t>(&self, tags: &[&'t str]) -> Evaluation<'t> {
        match &self.order {
            Order::Semver(range) => self.all(&ByVersion { range }, tags),
            Order::Calver(format) => self.all(&ByCalendar { format }, tags),
            Order::Newest => self.all(&ByText { direction: None }, tags),
            Order::Numerical(direction) => self.all(&self.by_number(*direction), tags),
            Order::Alphabetical(direction) => self.all(&ByText { direction: Some(*direction) }, tags),
        }
    }

    /// How two tags rank, of which the greater is preferred, whether they are listed or not. Equal where neither is better,
    /// though one is selected of the two; none where this policy could not select one of them, or goes by the time.
    #[must_use]
    pub fn compare(&self, first: &str, second: &str) -> Option<Ordering> {
        match &self.order {
            Order::Semver(range) => self.two(&ByVersion { range }, first, second),
            Order::Calver(format) => self.two(&ByCalendar { format }, first, second),
            Order::Newest => None,
            Order::Numerical(direction) => self.two(&self.by_number(*direction), first, second),
            Order::Alphabetical(direction) => self.two(&ByText { direction: Some(*direction) }, first, second),
        }
    }

    /// The tags of a list that rank equal to one of them, without that, the byte-greatest first; of very many the first.
    #[must_use]
    pub fn as_good_as<'t>(&self, selected: &str, tags: &[&'t str]) -> Vec<&'t str> {
        match &self.order {
            Order::Semver(range) => self.equal(&ByVersion { range }, selected, tags),
            Order::Calver(format) => self.equal(&ByCalendar { format }, selected, tags),
            Order::Newest => Vec::new(),
            Order::Numerical(direction) => self.equal(&self.by_number(*direction), selected, tags),
            Order::Alphabetical(direction) => self.equal(&ByText { direction: Some(*direction) }, selected, tags),
        }
    }

    fn equal<'t>(&self, rank: &impl Rank, selected: &str, tags: &[&'t str]) -> Vec<&'t str> {
        let mut equal = Vec::new();
        // Lists may be long, and all their tags equal: no more are kept than are told.
        let take = |tag: &'t str| {
            if let Err(at) = equal.binary_search_by(|known: &&str| tag.cmp(known)) {
                equal.insert(at, tag);
                equal.truncate(MAX_AS_GOOD);
            }
        };
        let others = images(tags).filter(|tag| *tag != selected);
        match &self.filter {
            None => {
                let is_equal = |tag: &&str| rank::compare(rank, tag, selected) == Some(Ordering::Equal);
                others.filter(is_equal).for_each(take);
            }
            Some(filter) => filter.equal(rank, selected, others, take),
        }
        equal
    }

    fn two(&self, rank: &impl Rank, first: &str, second: &str) -> Option<Ordering> {
        match &self.filter {
            _ if image::is_referrers_tag(first) || image::is_referrers_tag(second) => None,
            None => rank::compare(rank, first, second),
            Some(filter) => match &filter.values(&[first, second], &mut Vec::new())[..] {
                [(_, first), (_, second)] => rank::compare(rank, first, second),
                _ => None,
            },
        }
    }

    fn by_number(&self, direction: Direction) -> ByNumber {
        ByNumber { direction, ties: if self.filter.is_some() { Ties::Greatest } else { Ties::Smallest } }
    }

    fn best<'t>(&self, rank: &impl Rank, tags: &[&'t str]) -> Option<&'t str> {
        match &self.filter {
            None => rank::best(rank, images(tags).map(|tag| (tag, tag))),
            Some(filter) => filter.best(rank, images(tags)),
        }
    }

    fn all<'t>(&self, rank: &impl Rank, tags: &[&'t str]) -> Evaluation<'t> {
        let mut distinct = tags.to_vec();
        distinct.sort_unstable_by(|left, right| right.cmp(left));
        distinct.dedup();
        let mut rejected = Vec::new();
        distinct.retain(|tag| {
            let is_image = !image::is_referrers_tag(tag);
            rejected.extend((!is_image).then_some(Rejection { tag, reason: Reason::NoImage }));
            is_image
        });
        let kept = match &self.filter {
            None => distinct.iter().map(|tag| (*tag, (*tag).to_owned())).collect(),
            Some(filter) => filter.values(&distinct, &mut rejected),
        };
        let candidates = rank::sorted(rank, &kept, &mut rejected);
        rejected.sort_by(|left, right| right.tag.cmp(left.tag));
        Evaluation { selected: candidates.first().map(|candidate| candidate.tag), candidates, rejected }
    }
}

/// The tags that are images of their own.
fn images<'t>(tags: &[&'t str]) -> impl Iterator<Item = &'t str> {
    tags.iter().copied().filter(|tag| !image::is_referrers_tag(tag))
}

/// Every tag of a list as a policy sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evaluation<'t> {
    /// The selected tag: the first candidate.
    pub selected: Option<&'t str>,
    /// The tags that could be selected, best first.
    pub candidates: Vec<Candidate<'t>>,
    /// The other tags, each once, in descending order of their bytes.
    pub rejected: Vec<Rejection<'t>>,
}

/// A tag that could be selected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate<'t> {
    /// The tag as it was given.
    pub tag: &'t str,
    /// The value that the filter extracted from it; the tag itself without a filter.
    pub value: String,
}

/// A tag that cannot be selected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection<'t> {
    /// The tag as it was given.
    pub tag: &'t str,
    /// The first rule of the policy that it fails.
    pub reason: Reason,
}

/// Why a tag cannot be selected.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reason {
    /// It belongs to another image of the repository.
    NoImage,
    /// The filter's pattern does not match.
    NotMatched,
    /// The value is no version.
    NotAVersion {
        /// The value that the filter extracted.
        value: String,
    },
    /// The value is a version with fewer than two dots, such as `1.2`; these are not considered.
    TooFewDots {
        /// The value that the filter extracted.
        value: String,
    },
    /// The version is not in the range.
    OutOfRange {
        /// The range as written.
        range: String,
    },
    /// The version is a pre-release, and the range, which would have it otherwise, does not ask for them.
    Prerelease {
        /// The range as written.
        range: String,
    },
    /// The value is not in the format of calendar versions.
    NotInFormat {
        /// The value that the filter extracted.
        value: String,
        /// The format as written.
        format: String,
    },
    /// The value is no number, or `NaN`.
    NotANumber {
        /// The value that the filter extracted.
        value: String,
    },
    /// The value is a number too large for a 64-bit float, which is the limit in Flux.
    NumberTooLarge {
        /// The value that the filter extracted.
        value: String,
    },
    /// Another tag has the same value, and comes last in byte order.
    Collides {
        /// The tag that stands for the value.
        with: String,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoImage => f.write_str(
                "no image: it belongs to the one whose digest it names, as its signature, attestation or SBOM",
            ),
            Self::NotMatched => f.write_str("not matched by the filter"),
            Self::NotAVersion { value } => write!(f, "'{value}' is not a version"),
            Self::TooFewDots { value } => {
                write!(f, "'{value}' is not considered a version: it has fewer than two dots")
            }
            Self::OutOfRange { range } => write!(f, "not in the range '{range}'"),
            Self::Prerelease { range } => write!(f, "a pre-release, which the range '{range}' does not ask for"),
            Self::NotInFormat { value, format } => write!(f, "'{value}' is not in the format {format}"),
            Self::NotANumber { value } => write!(f, "'{value}' is not a number"),
            Self::NumberTooLarge { value } => write!(f, "'{value}' is too large a number"),
            Self::Collides { with } => write!(f, "has the same extracted value as '{with}'"),
        }
    }
}

#[cfg(test)]
mod tests;
