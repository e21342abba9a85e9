//! Ranges: Masterminds' constraint grammar and what each comparison admits.
//!
//! ```text
//! range      = part ( "||" part )*                        one part must hold
//! part       = comparison ( ( space | "," ) comparison )* all of its comparisons must hold
//! comparison = op space* version
//! op         = "" | = | != | > | < | >= | => | <= | =< | ~ | ~> | ^
//! version    = "v"? N ( "." N )? ( "." N )? ( "-" PRE )? ( "+" META )?     N = digits | x | X | *
//! hyphen     = version space+ "-" space+ version          rewritten to ">= A, <= B "
//! ```
//! A version whose minor or patch is missing or a wildcard stands for its whole series; what that means to each operator
//! is written at the operator below. A pre-release is admitted to the comparisons of a part only when at least one of them
//! names a pre-release; then every pre-release is.

mod grammar;
mod sample;

use std::cmp::Ordering;
use std::sync::Arc;

use super::scan::{has_leading_zero, number_at};
use super::{Error, MAX_VERSION_LENGTH, Version, VersionRef, cmp_prerelease};
use crate::quote::quote;
use grammar::{Operator, Piece, rewrite_hyphens, split};

/// The longest range that is read, in bytes (Masterminds' limit).
pub(super) const MAX_RANGE_LENGTH: usize = 512;

/// The most parts (joined by `||`) that a range may have (Masterminds' limit).
pub(super) const MAX_RANGE_PARTS: usize = 32;

/// A set of versions, written as a user writes it. Cloning is cheap.
///
/// ```
/// use gotext::version::{Range, Version};
/// let range = Range::parse(">=1.0.0 <2.0.0 || ~3.1")?;
/// assert!(range.matches(&Version::parse("3.1.4")?));
/// assert!(!range.matches(&Version::parse("1.0.0-rc.1")?));
/// # Ok::<(), gotext::version::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    text: Arc<str>,
    parts: Arc<[Part]>,
}

/// Comparisons that must all hold.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    prereleases: bool,
    comparisons: Vec<Comparison>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Comparison {
    operator: Operator,
    major: u64,
    minor: u64,
    patch: u64,
    prerelease: String,
    open: Open,
}

/// From which number on a version stands for its series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    /// All three numbers were written.
    Nothing,
    /// `1.2`, `1.2.x`.
    Patch,
    /// `1`, `1.x`.
    Minor,
    /// `*`, `x`; the numbers are 0.0.0.
    Major,
}

impl Range {
    /// Reads a range.
    ///
    /// # Errors
    /// [`Error::Improper`] with the part that is not a list of comparisons, [`Error::Comparison`] for one that has the form
    /// and no meaning (`1x`, `1.2.3-01`), [`Error::RangeTooLong`], [`Error::TooManyParts`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > MAX_RANGE_LENGTH {
            return Err(Error::RangeTooLong);
        }
        let rewritten = rewrite_hyphens(text);
        let parts: Vec<&str> = rewritten.split("||").collect();
        if parts.len() > MAX_RANGE_PARTS {
            return Err(Error::TooManyParts);
        }
        let parts = parts.into_iter().map(Part::parse).collect::<Result<_, _>>()?;
        Ok(Self { text: text.into(), parts })
    }

    /// Whether the version is in the range.
    #[must_use]
    pub fn matches(&self, version: &Version) -> bool {
        self.admits(version.as_ref())
    }

    /// Whether the version is in the range, for one that borrows its text.
    #[must_use]
    pub fn admits(&self, version: VersionRef<'_>) -> bool {
        self.parts.iter().any(|part| part.admits(version))
    }

    /// Whether the version is outside the range for being a pre-release: it would be in it if pre-releases were asked for.
    #[must_use]
    pub fn refuses_as_prerelease(&self, version: VersionRef<'_>) -> bool {
        !version.prerelease.is_empty()
            && !self.admits(version)
            && self.parts.iter().any(|part| !part.prereleases && part.holds(version))
    }

    /// The range as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl std::hash::Hash for Range {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl Part {
    fn parse(text: &str) -> Result<Self, Error> {
        let pieces = split(text).ok_or_else(|| Error::Improper(quote(text)))?;
        let comparisons = pieces.into_iter().map(Piece::build).collect::<Result<Vec<_>, _>>()?;
        let prereleases = comparisons.iter().any(|comparison| !comparison.prerelease.is_empty());
        Ok(Self { prereleases, comparisons })
    }

    fn admits(&self, version: VersionRef<'_>) -> bool {
        (self.prereleases || version.prerelease.is_empty()) && self.holds(version)
    }

    fn holds(&self, version: VersionRef<'_>) -> bool {
        self.comparisons.iter().all(|comparison| comparison.admits(version))
    }
}

impl Comparison {
    fn admits(&self, version: VersionRef<'_>) -> bool {
        match self.operator {
            Operator::Equal if self.open == Open::Nothing => self.order(version).is_eq(),
            Operator::Equal | Operator::Tilde => self.tilde(version),
            Operator::NotEqual => self.not_equal(version),
            Operator::Greater => self.greater(version),
            Operator::GreaterOrEqual => self.order(version).is_ge(),
            Operator::Less => self.order(version).is_lt(),
            Operator::LessOrEqual => self.less_or_equal(version),
            Operator::Caret => self.caret(version),
        }
    }

    /// How the version stands to the one written.
    fn order(&self, version: VersionRef<'_>) -> Ordering {
        version.cmp_precedence(VersionRef {
            major: self.major,
            minor: self.minor,
            patch: self.patch,
            prerelease: &self.prerelease,
            metadata: "",
        })
    }

    /// `!=1.2` excludes the series 1.2; where a pre-release is involved, only an equal one in it. `!=*` excludes 0.0.0.
    fn not_equal(&self, version: VersionRef<'_>) -> bool {
        match self.open {
            Open::Nothing | Open::Major => self.order(version).is_ne(),
            Open::Minor => version.major != self.major,
            Open::Patch => {
                (version.major, version.minor) != (self.major, self.minor)
                    || cmp_prerelease(version.prerelease, &self.prerelease).is_ne()
            }
        }
    }

    /// `>1.2` starts above the series 1.2. `>*` is `>0.0.0`.
    fn greater(&self, version: VersionRef<'_>) -> bool {
        match self.open {
            Open::Nothing | Open::Major => self.order(version).is_gt(),
            Open::Minor => version.major > self.major,
            Open::Patch => (version.major, version.minor) > (self.major, self.minor),
        }
    }

    /// `<=1.2` includes the series 1.2. `<=*` is the series 0.0.
    fn less_or_equal(&self, version: VersionRef<'_>) -> bool {
        match self.open {
            Open::Nothing => self.order(version).is_le(),
            Open::Minor => version.major <= self.major,
            Open::Patch | Open::Major => (version.major, version.minor) <= (self.major, self.minor),
        }
    }

    /// `~1.2.3` stays in the series 1.2, `~1` in 1; `~*` and `~0.0.0` are everything from there.
    fn tilde(&self, version: VersionRef<'_>) -> bool {
        if self.order(version).is_lt() {
            return false;
        }
        match self.open {
            Open::Nothing | Open::Major if (self.major, self.minor, self.patch) == (0, 0, 0) => true,
            Open::Minor => version.major == self.major,
            Open::Nothing | Open::Patch | Open::Major => (version.major, version.minor) == (self.major, self.minor),
        }
    }

    /// `^1.2.3` keeps the first number that is not 0; `^0.0` stays in 0.0. `^*` is `^0.0.0`, which is 0.0.0 alone.
    fn caret(&self, version: VersionRef<'_>) -> bool {
        if self.order(version).is_lt() || version.major != self.major {
            return false;
        }
        if self.major > 0 || self.open == Open::Minor {
            return true;
        }
        version.minor == self.minor && (self.minor > 0 || self.open == Open::Patch || version.patch == self.patch)
    }
}

impl Piece<'_> {
    fn build(self) -> Result<Comparison, Error> {
        let [major, minor, patch] = self.version.numbers;
        let open = match (is_open(major), is_open(minor), is_open(patch)) {
            (true, _, _) => Open::Major,
            (_, true, _) => Open::Minor,
            (_, _, true) => Open::Patch,
            _ => Open::Nothing,
        };
        let written = match open {
            Open::Major => 0,
            Open::Minor => 1,
            Open::Patch => 2,
            Open::Nothing => 3,
        };
        let mut numbers = [0; 3];
        for (value, digits) in numbers.iter_mut().zip(self.version.numbers).take(written) {
            *value = digits.and_then(read_number).ok_or(Error::Comparison)?;
        }
        let prerelease = self.version.prerelease;
        if has_leading_zero(prerelease) || self.version.text.len() > MAX_VERSION_LENGTH {
            return Err(Error::Comparison);
        }
        let [major, minor, patch] = numbers;
        Ok(Comparison { operator: self.operator, major, minor, patch, prerelease: prerelease.to_owned(), open })
    }
}

fn is_open(number: Option<&str>) -> bool {
    matches!(number, None | Some("x" | "X" | "*"))
}

fn read_number(digits: &str) -> Option<u64> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| number_at(digits.as_bytes())).flatten()
}
