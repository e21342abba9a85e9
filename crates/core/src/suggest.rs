//! Derives a policy from a tag in use, for people who have images and no policies yet.
//!
//! A tag is read from left to right as a row of pieces: a version, a date or time, a build number, a commit hash, and literal
//! text around them. What is literal stays literal, so a derived policy never leaves its variant: `1.4.2-alpine` follows
//! `-alpine` tags only, `main-…` never turns into `release-…`. What counts decides the order:
//!
//! | tag in use | filter | order |
//! |---|---|---|
//! | `1.4.2`, `v1.4.2` | none | semver `^1.4.2`, `^v1.4.2`: the same major version |
//! | `0.4.2` | none | semver `^0.4.2`: the same minor version, since every minor version of 0.x may break |
//! | `0.0.3` | none | semver `~0.0.3`, since `^0.0.3` would be that one version |
//! | `1.4.2-rc.1` | releases and `rc`, nothing else | semver `^1.4.2-rc.1` |
//! | `15.4`, `1.4.2-alpine` | `$version`, completed to three numbers | semver within the major version |
//! | `1.4.2-3`, `1.4.2-debian-12-r3`, `1.4.2-14-gabcdef0` | `$version-$build` | semver, then the build number |
//! | `2024.01.02`, `2024.1` | `$version` | semver `>=2024.1.2`: calendar versions have no major version to stay in |
//! | `2024-01-02`, `20240102`, `RELEASE.2024-01-02T03-04-05Z` | year to second, or `$date` | numerical |
//! | `build-142`, `main-5ae91c3-1656569910` | `$build`, `$ts` | numerical |
//! | `20240102.3` | `$date.$build.0` | semver, as the pair has to be compared part by part |
//! | `16`, `16-alpine` | | not orderable: most likely a major version, and the next one is not for a robot to choose |
//! | `latest`, `5ae91c3` | | not orderable |
//!
//! What is not orderable can still be followed by digest ([`tracking`]): the tag stays, the digest behind it is pinned.

mod derive;
mod moment;
mod roles;
mod siblings;
#[cfg(test)]
mod tests;
mod tokens;
mod words;

use gotext::pattern::Pattern;
use thiserror::Error;

use crate::policy::{Direction, Filter, Order, Policy};
use siblings::Siblings;

/// The policy that a tag in use suggests, or the reason why there is none.
#[derive(Debug, Clone)]
pub(crate) enum Suggestion {
    /// Tags of this kind have an order.
    Policy(Box<Derived>),
    /// They have none.
    NotOrderable(Reason),
}

/// A policy derived from a tag. It accepts that tag, and nothing of another variant.
#[derive(Debug, Clone)]
pub(crate) struct Derived {
    /// The policy, which selects the tag it is derived from.
    pub(crate) policy: Policy,
    /// The literal words of the tag, such as `alpine`; empty when there are none. Good for a name.
    pub(crate) variant: String,
    /// The versions it stays within, such as `1` or `0.4`; empty when it is not bound to any.
    pub(crate) line: String,
    /// One clause that says what is followed, lower case, no final period.
    pub(crate) explanation: String,
}

impl Derived {
    /// Whether two policies differ in nothing but the tag they start from.
    pub(crate) fn same_line(&self, other: &Self) -> bool {
        let filter =
            |it: &Self| it.policy.filter.as_ref().map(|it| (it.pattern.as_str().to_owned(), it.extract.clone()));
        let kind = |it: &Self| std::mem::discriminant(&it.policy.order);
        self.line == other.line && kind(self) == kind(other) && filter(self) == filter(other)
    }
}

/// Why nothing can be derived from a tag.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Reason {
    /// There is no tag.
    #[error("it has no tag")]
    NoTag,
    /// OCI does not allow the text as a tag.
    #[error("{0:?} is not a valid tag")]
    Invalid(String),
    /// A name that moves, such as `latest`.
    #[error("{0} is a name that moves, there is nothing to compare")]
    Moving(String),
    /// Nothing but a commit hash.
    #[error("{0} is a commit hash, and hashes have no order")]
    Hash(String),
    /// A lone small number.
    #[error("{0} names a major version or branch that its publisher moves, and the next one may not fit")]
    Major(String),
}

impl Reason {
    /// Whether the tag can be kept and the digest behind it followed.
    #[must_use]
    pub fn trackable(&self) -> bool {
        !matches!(self, Self::NoTag | Self::Invalid(_))
    }
}

/// Derives a policy from a tag in use.
pub(crate) fn for_tag(tag: &str) -> Suggestion {
    for_tag_among(tag, &[])
}

/// Derives a policy from a tag in use, with the tags of its repository as evidence; none where these are not known.
pub(crate) fn for_tag_among(tag: &str, tags: &[&str]) -> Suggestion {
    if tag.is_empty() {
        return Suggestion::NotOrderable(Reason::NoTag);
    }
    if !image::is_tag(tag) {
        return Suggestion::NotOrderable(Reason::Invalid(tag.to_owned()));
    }
    let tokens = tokens::read(tag);
    let pieces = roles::assign(&tokens, &Siblings::of(&tokens, tags));
    match derive::derived(tag, &pieces) {
        Some(derived) => Suggestion::Policy(Box::new(derived)),
        None => Suggestion::NotOrderable(why_not(tag, &pieces)),
    }
}

fn why_not(tag: &str, pieces: &[roles::Piece<'_>]) -> Reason {
    if pieces.iter().any(|piece| matches!(piece, roles::Piece::Hash(_))) {
        Reason::Hash(tag.to_owned())
    } else if tag.bytes().any(|byte| byte.is_ascii_digit()) {
        Reason::Major(tag.to_owned())
    } else {
        Reason::Moving(tag.to_owned())
    }
}

/// Returns the policy that selects one tag and no other, for following the digest behind it.
pub(crate) fn tracking(tag: &str) -> Option<Policy> {
    let pattern = Pattern::parse(&format!("^{}$", derive::escaped(tag))).ok()?;
    let filter = Some(Filter { pattern, extract: String::new() });
    Some(Policy { filter, order: Order::Alphabetical(Direction::Ascending) })
}

/// Returns the filter for tags spelled like a plain version in use: with the `v`, or without.
///
/// A range alone admits both spellings, and of `v1.5.0` and `1.5.0` it prefers the first. Repositories that have both need this.
pub(crate) fn spelled_alike(tag: &str) -> Option<Filter> {
    let v = if tag.starts_with('v') { "v" } else { "" };
    let pattern = Pattern::parse(&format!(r"^{v}[0-9]+\.[0-9]+\.[0-9]+$")).ok()?;
    Some(Filter { pattern, extract: String::new() })
}
