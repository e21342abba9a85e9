//! Which tag is selected, of those that are neither denied nor too young.

use std::cmp::Ordering;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::Hold;
use crate::automation::ImagePolicy;

/// The selection of a policy among a list of tags, and how many its guards took away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice<'t> {
    /// The tag to write; none where no tag is left.
    pub selected: Option<&'t str>,
    /// A tag that would be selected in its place, if it were old enough.
    pub waiting: Option<Hold>,
    /// The tags among which it was selected.
    pub considered: Vec<&'t str>,
    /// How many tags were denied.
    pub denied: usize,
    /// How many of the others are too young.
    pub young: usize,
}

/// Selects a tag: what is denied goes first, then what is too young, then the policy looks at the rest.
///
/// `tags` are without those that the image repository excludes. `since` says when a tag was pushed, or first seen; a tag of
/// which nobody knows that is too young, because it may have been pushed a second ago.
pub fn choose<'t>(
    policy: &ImagePolicy,
    tags: &[&'t str],
    since: &dyn Fn(&str) -> Option<Timestamp>,
    now: Timestamp,
) -> Choice<'t> {
    let guards = &policy.guards;
    let allowed: Vec<&'t str> = tags.iter().copied().filter(|tag| guards.denial(tag).is_none()).collect();
    let denied = tags.len() - allowed.len();
    let Some(minimum) = policy.tag_age() else {
        let selected = policy.policy.select(&allowed);
        return Choice { selected, waiting: None, considered: allowed, denied, young: 0 };
    };
    let is_old = |tag: &&str| counts_from(since(tag), minimum).is_some_and(|from| from <= now);
    let considered: Vec<&'t str> = allowed.iter().copied().filter(is_old).collect();
    let selected = policy.policy.select(&considered);
    let is_better =
        |best: &&str| selected.is_none_or(|selected| policy.policy.compare(best, selected) == Some(Ordering::Greater));
    let best = policy.policy.select(&allowed).filter(is_better);
    let waiting =
        best.map(|tag| Hold::TooYoung { tag: tag.to_owned(), minimum, until: counts_from(since(tag), minimum) });
    Choice { selected, waiting, denied, young: allowed.len() - considered.len(), considered }
}

/// From when on a tag counts; none where nothing tells since when it exists, or where that is beyond the calendar.
pub(crate) fn counts_from(since: Option<Timestamp>, minimum: Duration) -> Option<Timestamp> {
    since?.checked_add(SignedDuration::try_from(minimum).ok()?).ok()
}
