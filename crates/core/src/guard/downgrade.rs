//! Whether a field would go to a tag that is no better than the one it has.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use image::{Digest, Reference, Repository};

use super::Hold;
use super::moment::Newer;
use crate::automation::ImagePolicy;
use crate::edit::{Selection, Selections, value};
use crate::marker::{Field, Marker, Scan};

/// Tells the tag that the digest in a field belongs to, where the file says none.
type TagBehind<'b> = dyn Fn(&Marker) -> Option<String> + 'b;

/// Holds a field with an image or a tag that ranks above the selection, or equal to it. The latter also where going back is
/// allowed, because it would be a step to nowhere.
///
/// The tag in the file has to be one that the policy could select, whether it is listed or not: denied by nothing, excluded by
/// nothing, matched by the filter, in the range. An image of another repository has no rank, and neither has a field for a
/// name, or for a digest of which nobody knows what tag it belongs to. Of a policy that selects the newest, the tags that came after the selected one rank above it.
fn downgrade(
    policy: &ImagePolicy,
    marker: &Marker,
    selected: &Reference,
    (newer, behind): (&Newer, &TagBehind<'_>),
) -> Option<Hold> {
    let current = tag_of(marker, &marker.value, &selected.repository).or_else(|| behind(marker))?;
    let selected = selected.tag.as_ref()?.as_str();
    if current == selected || !policy.could_select(&current) {
        return None;
    }
    let (name, selected) = (policy.id.marker(), selected.to_owned());
    let came_later = newer.get(&name).is_some_and(|newer| newer.contains(&current));
    let order = if came_later { Some(Ordering::Greater) } else { policy.policy.compare(&current, &selected) };
    match order? {
        Ordering::Greater if policy.guards.allow_downgrade => None,
        Ordering::Greater => Some(Hold::Downgrade { policy: name, current, selected }),
        Ordering::Equal => Some(Hold::Equal { policy: name, current, selected }),
        Ordering::Less => None,
    }
}

/// Whether a field would go back from one value to another in the order of the policy.
#[must_use]
pub fn is_step_back(policy: &ImagePolicy, marker: &Marker, before: &str, after: &str) -> bool {
    let tag = |value| tag_of(marker, value, &policy.repository.image);
    let (Some(before), Some(after)) = (tag(before), tag(after)) else { return false };
    policy.policy.compare(&before, &after) == Some(Ordering::Greater)
}

/// The tag in a value of a field, if it is one of this repository. What stands around it (a digest, a scheme, a variable of
/// which it is the default) has no rank.
#[must_use]
pub fn tag_of(marker: &Marker, value: &str, repository: &Repository) -> Option<String> {
    let current = value::read(marker, value, Some(repository)).ok()?;
    let is_other = current.repository.is_some_and(|it| !value::is_same(&it, repository));
    current.tag.filter(|_| !is_other).map(|tag| tag.as_str().to_owned())
}

/// Decides for all marked fields of a file; returns indices of [`Scan::markers`] with what holds them.
///
/// A tag beside the name of another repository has no rank. What is written in parts goes `together`.
#[must_use]
pub fn downgrades<'p>(
    scan: &Scan,
    selections: &Selections,
    policy: &dyn Fn(&str) -> Option<&'p ImagePolicy>,
    newer: &Newer,
) -> BTreeMap<usize, Hold> {
    let mut holds = BTreeMap::new();
    let (moved, bare) = (moved(scan, selections), bare(scan, selections));
    let behind = |marker: &Marker| {
        let digest = value::current(marker).ok()?.digest.filter(|_| bare.contains(marker.policy()))?;
        selections.tag_behind(marker.policy(), &digest).map(str::to_owned)
    };
    for (index, marker) in scan.markers.iter().enumerate() {
        let Some(Selection::Selected(selected)) = selections.get(marker.policy()) else { continue };
        if marker.field == Field::Tag && moved.contains(marker.policy()) {
            continue;
        }
        if let Some(hold) =
            policy(marker.policy()).and_then(|policy| downgrade(policy, marker, selected, (newer, &behind)))
        {
            holds.insert(index, hold);
        }
    }
    together(scan, &mut holds);
    holds
}

/// The policies whose fields in this file say no tag.
fn bare<'s>(scan: &'s Scan, selections: &Selections) -> BTreeSet<&'s str> {
    let says_a_tag = |marker: &&Marker| match selections.get(marker.policy()) {
        Some(Selection::Selected(selected)) => tag_of(marker, &marker.value, &selected.repository).is_some(),
        _ => true,
    };
    let named: BTreeSet<&str> = scan.markers.iter().filter(says_a_tag).map(Marker::policy).collect();
    scan.markers.iter().map(Marker::policy).filter(|policy| !named.contains(policy)).collect()
}

/// The digests of this image in fields of a policy, in files where these say no tag.
#[must_use]
pub(crate) fn bare_digests<'s>(
    scans: impl IntoIterator<Item = &'s Scan>,
    policy: &str,
    repository: &Repository,
) -> BTreeSet<Digest> {
    let mut digests = BTreeSet::new();
    for scan in scans {
        let markers = || scan.markers.iter().filter(|marker| marker.policy() == policy);
        if markers().any(|marker| tag_of(marker, &marker.value, repository).is_some()) {
            continue;
        }
        let values = markers().filter_map(|marker| value::read(marker, &marker.value, Some(repository)).ok());
        let is_its = |it: &value::Current| it.repository.as_ref().is_none_or(|it| value::is_same(it, repository));
        digests.extend(values.filter(is_its).filter_map(|value| value.digest));
    }
    digests
}

/// The policies that have a field in this file with the name of another repository than they select from.
fn moved<'s>(scan: &'s Scan, selections: &Selections) -> BTreeSet<&'s str> {
    let is_moved = |marker: &&Marker| match selections.get(marker.policy()) {
        Some(Selection::Selected(selected)) if marker.field == Field::Name => {
            let changes = value::of(marker, selected).is_ok_and(|name| name != marker.value);
            let repository = value::current(marker).ok().and_then(|current| current.repository);
            changes && !repository.is_some_and(|it| value::is_same(&it, &selected.repository))
        }
        _ => false,
    };
    scan.markers.iter().filter(is_moved).map(Marker::policy).collect()
}

/// Lets the parts of an image move together or not at all: where one field for a tag, name or digest of a policy is held,
/// the others of that policy in the file are, too. A tag without the digest that belongs to it would run something else
/// than it says.
///
/// Fields for tags alone, without names and digests beside them, are independent of each other.
pub(crate) fn together(scan: &Scan, holds: &mut BTreeMap<usize, Hold>) {
    let has_parts = |policy: &str| {
        let is_part = |marker: &&Marker| matches!(marker.field, Field::Name | Field::Digest);
        scan.markers.iter().filter(is_part).any(|marker| marker.policy() == policy)
    };
    let mut parts: BTreeMap<&str, Hold> = BTreeMap::new();
    for (index, hold) in holds.iter() {
        let marker = &scan.markers[*index];
        if marker.field != Field::Image && !parts.contains_key(marker.policy()) && has_parts(marker.policy()) {
            parts.insert(marker.policy(), hold.clone());
        }
    }
    for (index, marker) in scan.markers.iter().enumerate() {
        if let Some(hold) = parts.get(marker.policy()).filter(|_| marker.field != Field::Image) {
            holds.entry(index).or_insert_with(|| hold.clone());
        }
    }
}
