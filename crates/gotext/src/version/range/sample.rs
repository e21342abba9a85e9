//! A version that is in a range, if there is one.
//!
//! Every comparison bounds versions by the one that it names, so a set that is not empty holds a version next to a bound:
//! the bound, what comes right after it or after its series, or the lowest version of all.

use super::{Comparison, Range};
use crate::version::Version;

impl Range {
    /// A version that is in the range; none when no version can be.
    ///
    /// ```
    /// use gotext::version::Range;
    /// assert_eq!(Range::parse(">=1.2.0 <2")?.sample().as_deref(), Some("1.2.0"));
    /// assert_eq!(Range::parse(">2.0.0 <1.0.0")?.sample(), None);
    /// # Ok::<(), gotext::version::Error>(())
    /// ```
    #[must_use]
    pub fn sample(&self) -> Option<String> {
        let comparisons = self.parts.iter().flat_map(|part| &part.comparisons);
        let mut candidates = comparisons.flat_map(near).chain(["0.0.0".to_owned(), "0.0.0-0".to_owned()]);
        candidates.find(|text| Version::parse(text).is_ok_and(|version| self.matches(&version)))
    }
}

/// The versions next to the one that a comparison names; releases come first.
fn near(comparison: &Comparison) -> Vec<String> {
    let Comparison { major, minor, patch, prerelease, .. } = comparison;
    let (next_major, next_minor, next_patch) =
        (major.saturating_add(1), minor.saturating_add(1), patch.saturating_add(1));
    let releases = [
        format!("{major}.{minor}.{patch}"),
        format!("{major}.{minor}.{next_patch}"),
        format!("{major}.{next_minor}.0"),
        format!("{next_major}.0.0"),
    ];
    let mut near = Vec::with_capacity(10);
    near.extend(releases.iter().cloned());
    if !prerelease.is_empty() {
        near.push(format!("{major}.{minor}.{patch}-{prerelease}"));
        near.push(format!("{major}.{minor}.{patch}-{prerelease}.0"));
    }
    near.extend(releases.iter().map(|release| format!("{release}-0")));
    near
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn samples_are_in_their_range() {
        let check = |range: &str, expect: Option<&str>| {
            assert_eq!(Range::parse(range).unwrap().sample().as_deref(), expect, "{range}");
        };
        check("*", Some("0.0.0"));
        check("6.x", Some("6.0.0"));
        check("^1.2.3", Some("1.2.3"));
        check("<1.0.0", Some("0.0.0"));
        check(">1.2", Some("1.3.0"));
        check(">1", Some("2.0.0"));
        check("!=0.0.0", Some("0.0.1"));
        check(">=1.0.0 !=1.0.0 !=1.0.1 <1.0.3", Some("1.0.2"));
        check(">1.2.3-a <1.2.3-b", Some("1.2.3-a.0"));
        check(">=2.0.0-0 <2.0.0", Some("2.0.0-0"));
        check("<0.0.0", None);
        check(">2 <1", None);
        check("1.2.3 1.2.4", None);
        check(">2 <1 || 3.x", Some("3.0.0"));
        check("~1.2 !=1.2", None);
    }
}
