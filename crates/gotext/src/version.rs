//! Versions as Masterminds' semver (v3) reads and orders them, which is what Flux's ranges are written for.
//!
//! A version is `v?N(.N)?(.N)?(-PRE)?(+META)?`: one lower-case `v` at most, missing numbers are 0, leading zeros are
//! allowed (`2025.02.03`), each number fits 64 bits. `PRE` and `META` are identifiers of `[0-9A-Za-z-]` joined by dots; an
//! identifier of `PRE` that is a number has no leading zero.
//!
//! Precedence follows SemVer: numbers first, then a release above its pre-releases, then identifier by identifier (numbers
//! below words, numbers by value, words by bytes, fewer identifiers first). A number that does not fit 64 bits counts as
//! a word, as it does there. Metadata does not count.
//!
//! [`Version`] owns its text; [`VersionRef`] borrows it and is what a policy makes of each of 100,000 tags.

mod range;
mod scan;

use std::cmp::Ordering;

use thiserror::Error;

pub use range::Range;

/// The longest text that is read as a version, in bytes.
const MAX_VERSION_LENGTH: usize = 256;

/// Why a text is not a version or not a range.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Error {
    /// The text does not have the form of a version.
    #[error("invalid semantic version")]
    NotAVersion,
    /// A number of the version does not fit 64 bits.
    #[error("error parsing version segment: strconv.ParseUint: parsing \"{0}\": value out of range")]
    NumberTooLarge(String),
    /// A numeric identifier of the pre-release has a leading zero.
    #[error("version segment starts with 0")]
    LeadingZero,
    /// The text is longer than 256 bytes.
    #[error("version string is too long (max {MAX_VERSION_LENGTH} bytes)")]
    VersionTooLong,
    /// A part of a range (between `||`) is not a list of comparisons; the part is quoted as Go quotes strings.
    #[error("improper constraint: {0}")]
    Improper(String),
    /// A comparison has the form of one, and its version cannot be built.
    #[error("constraint parser error")]
    Comparison,
    /// The range is longer than 512 bytes.
    #[error("constraint string is too long (max {} bytes)", range::MAX_RANGE_LENGTH)]
    RangeTooLong,
    /// The range has more than 32 parts.
    #[error("too many constraint groups (max {})", range::MAX_RANGE_PARTS)]
    TooManyParts,
}

impl Error {
    /// The same in words that need no knowledge of the library that the rules, and the texts of the others, are from: part of a
    /// sentence.
    #[must_use]
    pub fn plain(&self) -> String {
        match self {
            Self::Improper(part) => format!("{part} is not a range of versions"),
            Self::Comparison => "a part of it is not a comparison with a version".to_owned(),
            Self::NumberTooLarge(number) => format!("the number {number} is too large"),
            Self::LeadingZero => "a number in it begins with 0".to_owned(),
            Self::RangeTooLong => format!("it is longer than {} bytes", range::MAX_RANGE_LENGTH),
            Self::TooManyParts => format!("it has more than {} parts", range::MAX_RANGE_PARTS),
            Self::NotAVersion => "it is not a version".to_owned(),
            Self::VersionTooLong => format!("a version is longer than {MAX_VERSION_LENGTH} bytes"),
        }
    }
}

/// A version that owns its text.
///
/// ```
/// use gotext::version::Version;
/// let version = Version::parse("v1.2-rc.1+build")?;
/// assert_eq!(version.to_string(), "1.2.0-rc.1+build");
/// # Ok::<(), gotext::version::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Version {
    /// The first number.
    pub(crate) major: u64,
    /// The second number; 0 where it was not written.
    pub(crate) minor: u64,
    /// The third number; 0 where it was not written.
    pub(crate) patch: u64,
    prerelease: String,
    metadata: String,
    original: String,
}

impl Version {
    /// Reads a version loosely, as Masterminds' `NewVersion` does.
    ///
    /// # Errors
    /// [`Error::NotAVersion`], [`Error::NumberTooLarge`], [`Error::LeadingZero`] or [`Error::VersionTooLong`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        VersionRef::parse(text).map(|version| version.to_version(text))
    }

    /// Reads a tag as Flux does: only texts with at least two dots, anywhere, are looked at.
    ///
    /// ```
    /// use gotext::version::Version;
    /// assert!(Version::parse_tag("1.2").is_none());
    /// assert!(Version::parse_tag("1.2-rc.1").is_some());
    /// ```
    #[must_use]
    pub fn parse_tag(text: &str) -> Option<Self> {
        VersionRef::parse_tag(text).map(|version| version.to_version(text))
    }

    /// The identifiers after `-`, without it; empty for a release.
    pub(crate) fn prerelease(&self) -> &str {
        &self.prerelease
    }

    /// The identifiers after `+`, without it.
    pub(crate) fn metadata(&self) -> &str {
        &self.metadata
    }

    /// The text the version was read from.
    pub(crate) fn original(&self) -> &str {
        &self.original
    }

    /// The version, borrowed.
    #[must_use]
    pub fn as_ref(&self) -> VersionRef<'_> {
        VersionRef {
            major: self.major,
            minor: self.minor,
            patch: self.patch,
            prerelease: &self.prerelease,
            metadata: &self.metadata,
        }
    }

    /// Compares by precedence; metadata does not count.
    #[must_use]
    pub fn cmp_precedence(&self, other: &Self) -> Ordering {
        self.as_ref().cmp_precedence(other.as_ref())
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        if !self.prerelease.is_empty() {
            write!(f, "-{}", self.prerelease)?;
        }
        if !self.metadata.is_empty() {
            write!(f, "+{}", self.metadata)?;
        }
        Ok(())
    }
}

/// A version that borrows the text of its identifiers; making one allocates nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VersionRef<'a> {
    /// The first number.
    pub(crate) major: u64,
    /// The second number; 0 where it was not written.
    pub(crate) minor: u64,
    /// The third number; 0 where it was not written.
    pub(crate) patch: u64,
    /// The identifiers after `-`, without it; empty for a release.
    pub(crate) prerelease: &'a str,
    /// The identifiers after `+`, without it.
    pub(crate) metadata: &'a str,
}

impl<'a> VersionRef<'a> {
    /// Reads a version loosely; see [`Version::parse`].
    ///
    /// # Errors
    /// Those of [`Version::parse`].
    pub fn parse(text: &'a str) -> Result<Self, Error> {
        if text.len() > MAX_VERSION_LENGTH {
            return Err(Error::VersionTooLong);
        }
        scan::read(text).map_err(|fault| fault.into_error(text))
    }

    /// Reads a tag as Flux does; see [`Version::parse_tag`].
    #[must_use]
    pub fn parse_tag(text: &'a str) -> Option<Self> {
        let first = *text.as_bytes().first()?;
        if !(first == b'v' || first.is_ascii_digit()) || text.len() > MAX_VERSION_LENGTH {
            return None;
        }
        let version = scan::read(text).ok()?;
        has_two_dots(text.as_bytes()).then_some(version)
    }

    /// Compares by precedence; metadata does not count.
    #[must_use]
    pub fn cmp_precedence(self, other: VersionRef<'_>) -> Ordering {
        (self.major, self.minor, self.patch)
            .cmp(&(other.major, other.minor, other.patch))
            .then_with(|| cmp_prerelease(self.prerelease, other.prerelease))
    }

    /// Copies the version; `original` is the text it was read from.
    fn to_version(self, original: &str) -> Version {
        Version {
            major: self.major,
            minor: self.minor,
            patch: self.patch,
            prerelease: self.prerelease.to_owned(),
            metadata: self.metadata.to_owned(),
            original: original.to_owned(),
        }
    }
}

fn has_two_dots(bytes: &[u8]) -> bool {
    bytes.iter().filter(|byte| **byte == b'.').nth(1).is_some()
}

/// Compares pre-releases; none is above every other.
fn cmp_prerelease(left: &str, right: &str) -> Ordering {
    if left.is_empty() || right.is_empty() {
        return left.is_empty().cmp(&right.is_empty());
    }
    left.split('.').map(Identifier::read).cmp(right.split('.').map(Identifier::read))
}

/// An identifier of a pre-release. Numbers are below words, so the order of the variants is that of precedence.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Identifier<'a> {
    Number(u64),
    Word(&'a str),
}

impl<'a> Identifier<'a> {
    fn read(text: &'a str) -> Self {
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = if is_number { scan::number_at(text.as_bytes()) } else { None };
        number.map_or(Self::Word(text), Self::Number)
    }
}

#[cfg(test)]
mod tests;
