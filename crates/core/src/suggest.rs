//! Derives a policy from a tag in use, for people who have images and no policies yet.
//!
//! A wrong derivation deploys a wrong image, so a policy follows what a tag shows, and what is doubtful stays. A tag is read in
//! three steps: tokens (words, numbers, dates, hashes, [`tokens`]), their roles ([`roles`]), and a policy of these (`derive`).
//! What is literal stays literal, so a derived policy never leaves its variant: `1.4.2-alpine` follows `-alpine` tags only,
//! `main-…` never turns into `release-…`. The roles, in the order in which they are given:
//!
//! - Dates and times count. Without a version they lead, whatever other number stands before them.
//! - The number of a base image, runtime or architecture stays (`-alpine3.19`, `py3.11`, `php8.3-fpm`, `cuda12.1`), as does that of
//!   a pull request. Word lists ([`words`]) know these; a number with dots behind any other word stays, too, if it is not the version.
//! - The first other number with dots is the version that moves, in its major version. A fourth number and a hot fix are updates
//!   of it, which the next version has in it; a pre-release ranks below its release, and ends with it.
//! - Behind it, what is glued to a word that counts, what follows the version at once, and the last bare number count: `-ls7`,
//!   `-eksbuild.1`, `-k3s2`, `-ubi9-5`. What repeats the version, as in `v1.28.4-eks-1-28-11`, stays.
//! - Nothing counts: the tag is left alone, with the reason.
//!
//! | tag in use | filter | order |
//! |---|---|---|
//! | `1.4.2`, `v1.4.2` | none | semver `^1.4.2`, `^v1.4.2`: the same major version |
//! | `0.4.2` | none | semver `^0.4.2`: the same minor version, since every minor version of 0.x may break |
//! | `0.0.3` | none | semver `~0.0.3`, since `^0.0.3` would be that one version |
//! | `1.4.2-rc.1` | releases, and `rc` of 1.4.2 | semver `^1.4.2-rc.1` |
//! | `1.4.2-rc1`, `1.4.2rc1-fpm` | the same; `$version$next-${pre}z.1${number}` | semver `^1.4.2-rcz.11`: a release has `z.1`, which is greater |
//! | `1.4.2-main.9`, `1.4.2-dev9` | releases and builds of the branch, which go on; `$version-${pre}z.1${number}` | the same |
//! | `1.4.2.1`, `1.4.2-post1` | the number may be missing; `$version-1${revision}` | semver `^1.4.2-11`: a release has `1` |
//! | `15.4`, `1.4.2-alpine3.19`, `py3.11-v1.4.2` | `$version`, completed to three numbers | semver within the major version |
//! | `1.4.2-3`, `1.4.2-debian-12-r3`, `1.4.2-14-gabcdef0` | `$version-$build` | semver, then the build number |
//! | `1.4.2-r1-ls50`, `1.4.2-2.6.0`, `1.4.2-20240102` | `$version-$revision.$revision2` | semver, then the others |
//! | `2024.01.02`, `2024.1`, `24.02-py3` | `$version` | semver `>=2024.1.2`: calendar versions have no major version to stay in |
//! | `2024-01-02`, `20240102`, `RELEASE.2024-01-02T03-04-05Z` | year to second, or `$date` | numerical |
//! | `build-142`, `main-5ae91c3-1656569910`, `11-debian-11-r82` | `$build`, `$ts` | numerical |
//! | `20240102.3`, `main-3-20240102` | `$date.$build.0` | semver, as the pair has to be compared part by part |
//! | `16`, `16-alpine`, `3.13-rc` | | not orderable: most likely a major version, and the next one is not for a robot to choose |
//! | `v1.28-latest`, `1.21-dev` | | not orderable: the newest of a line, which its publisher moves |
//! | `16-alpine3.19`, `php8.3-fpm` | | not orderable: the tag moves with releases, and its number is the base's |
//! | `22.04`, `24.10-curl` | | not orderable: a release of a distribution |
//! | `latest`, `5ae91c3`, `main-1234567`, `pr-12` | | not orderable |
//!
//! The tags of the repository, where they are at hand, are evidence ([`for_tag_among`], [`siblings`]): digits are a hash where a
//! tag like it has letters, and a build number where none has; a number behind the version that goes on beside others
//! (`3.1.0-18` and `3.1.0-20`) is a line and stays, and one that most of the others do not share moves; `22.04` is a year and
//! month where `22.05` is there, and `3.9` a version whose third number is 0 where `3.10.1` is there.
//!
//! What is not orderable can still be followed by digest ([`tracking`]): the tag stays, the digest behind it is pinned.

pub(crate) mod calendar;
mod derive;
mod moment;
mod roles;
mod siblings;
#[cfg(test)]
mod tests;
mod tokens;
mod version;
mod words;

use std::mem::{self, Discriminant};

use gotext::pattern::Pattern;
use regex::Regex;
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
    /// What two policies have in common that differ in nothing but the tag they start from.
    pub(crate) fn line_of(&self) -> Line {
        let filter = self.policy.filter.as_ref().map(|it| (it.pattern.as_str().to_owned(), it.extract.clone()));
        (self.line.clone(), mem::discriminant(&self.policy.order), filter)
    }
}

/// The versions to stay within, the kind of order, and the filter.
pub(crate) type Line = (String, Discriminant<Order>, Option<(String, String)>);

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
    /// The numbers are those of the base image or runtime.
    #[error("{0} moves with releases: its number is that of the base image or runtime, and the next one may not fit")]
    Base(String),
    /// A release of a distribution.
    #[error("{0} names a release of a distribution, and the next one is not for a robot to choose")]
    Release(String),
    /// The number of a pull request.
    #[error("{0} has the number of a pull request or ticket, and the next one is another branch")]
    Request(String),
}

impl Reason {
    /// Whether the tag can be kept and the digest behind it followed.
    #[must_use]
    pub fn trackable(&self) -> bool {
        !matches!(self, Self::NoTag | Self::Invalid(_))
    }

    /// Whether the tags of the repository may tell more: digits that are no hash, or years that are no release.
    pub(crate) fn depends_on_tags(&self) -> bool {
        matches!(self, Self::Hash(_) | Self::Release(_))
    }
}

/// Derives a policy from a tag in use.
#[cfg(test)]
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
        None => Suggestion::NotOrderable(why_not(tag, &tokens, &pieces)),
    }
}

/// The same for a tag of a Helm chart, whose build, behind `_`, has no rank.
pub(crate) fn for_chart_among(tag: &str, tags: &[&str]) -> Suggestion {
    let version = |tag: &'_ str| tag.split('_').next().unwrap_or_default().to_owned();
    let versions: Vec<String> = tags.iter().map(|tag| version(tag)).collect();
    let mut suggestion = for_tag_among(&version(tag), &versions.iter().map(String::as_str).collect::<Vec<_>>());
    let has_builds = tags.iter().chain([&tag]).any(|tag| tag.contains('_'));
    if let Suggestion::Policy(derived) = &mut suggestion
        && derived.policy.filter.is_none()
        && has_builds
    {
        let (pattern, extract) = Filter::WITHOUT_BUILD;
        derived.policy.filter = Filter::parse(pattern, extract).ok();
    }
    suggestion
}

fn why_not(tag: &str, tokens: &[tokens::Token<'_>], pieces: &[roles::Piece<'_>]) -> Reason {
    let tag = tag.to_owned();
    let numbers = || (0..tokens.len()).filter(|at| matches!(tokens[*at], tokens::Token::Number(_)));
    let owners = || numbers().map(|at| version::owner(tokens, at).map_or("", |owner| owner.word));
    if pieces.iter().any(|piece| matches!(piece, roles::Piece::Hash(_))) {
        Reason::Hash(tag)
    } else if owners().any(words::is_request) {
        Reason::Request(tag)
    } else if numbers().any(|at| matches!(tokens[at], tokens::Token::Number(text) if version::is_release(text))) {
        Reason::Release(tag)
    } else if owners().any(words::is_fixed) {
        Reason::Base(tag)
    } else if numbers().next().is_some() {
        Reason::Major(tag)
    } else {
        Reason::Moving(tag)
    }
}

/// Returns the policy that selects one tag and no other, for following the digest behind it.
pub(crate) fn tracking(tag: &str) -> Option<Policy> {
    let pattern = Pattern::parse(&format!("^{}$", derive::escaped(tag))).ok()?;
    let filter = Some(Filter { pattern, extract: String::new() });
    Some(Policy { filter, order: Order::Alphabetical(Direction::Ascending) })
}

/// Returns the policy that takes the image that came last among tags like one with a commit hash: the words around it stay.
pub(crate) fn newest_like(tag: &str) -> Option<Derived> {
    let hashes = Regex::new("(^|[^0-9A-Za-z])([0-9a-f]{7,40})($|[^0-9A-Za-z])").ok()?;
    let found = hashes.captures(tag)?.get(2)?;
    let (before, after) = (derive::escaped(&tag[..found.start()]), derive::escaped(&tag[found.end()..]));
    let pattern = Pattern::parse(&format!("^{before}[0-9a-f]{{{}}}{after}$", found.len())).ok()?;
    let filter = Some(Filter { pattern, extract: String::new() });
    let policy = Policy { filter, order: Order::Newest };
    let variant = format!("{}{}", &tag[..found.start()], &tag[found.end()..]);
    let explanation = format!("the image that came last, among tags like {tag}");
    Some(Derived { policy, variant, line: String::new(), explanation })
}

/// Returns the filter for tags spelled like a plain version in use: with the `v`, or without.
///
/// A range alone admits both spellings, and of `v1.5.0` and `1.5.0` it prefers the first. Repositories that have both need this.
pub(crate) fn spelled_alike(tag: &str) -> Option<Filter> {
    let v = if tag.starts_with('v') { "v" } else { "" };
    let pattern = Pattern::parse(&format!(r"^{v}[0-9]+\.[0-9]+\.[0-9]+$")).ok()?;
    Some(Filter { pattern, extract: String::new() })
}
