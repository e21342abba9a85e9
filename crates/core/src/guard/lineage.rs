//! Which field of one version of a file is which of the next.

use std::collections::BTreeMap;

use super::identity::{Identity, Version};
use super::reverted::without_digest;
use crate::change::ObjectIdentity;

/// Two versions of a file, and which field of the earlier one became which of the later.
///
/// Fields are matched in turns, from those that are most alike to those that share the least (`LIKENESS`); each turn is
/// about what the ones before left over. Where as many are alike as before, their order tells. Where some came or went, those
/// before and after them keep their places, and any of the rest may be any of the others: [`Lineage::before`] then takes
/// the one that says the most against writing.
#[derive(Debug)]
pub struct Lineage {
    was: Version,
    is: Version,
    /// For each field of the later version.
    origins: Vec<Origin>,
    /// Groups of fields of the earlier version by their values, the first of each value.
    choices: Vec<BTreeMap<String, usize>>,
}

/// From where a field is, in numbers of fields of the earlier version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// It was not there.
    New,
    /// It was this one.
    One(usize),
    /// It was any of a group, of which one is at its place.
    Any { group: usize, likely: usize },
}

/// What two fields have to share to be alike.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key<'v> {
    setter: &'v str,
    object: Option<&'v ObjectIdentity>,
    path: Option<u64>,
}

/// What fields have in common in each turn.
const LIKENESS: [fn(&Identity) -> Key<'_>; 6] = [
    |it| Key { setter: &it.setter, object: Some(&it.object), path: Some(it.path) },
    // An item has another name, or a key.
    |it| Key { setter: &it.setter, object: Some(&it.object), path: None },
    // The object has another name, or the field is in another one.
    |it| Key { setter: &it.setter, object: None, path: Some(it.path) },
    // The policy is another one.
    |it| Key { setter: it.part(), object: Some(&it.object), path: Some(it.path) },
    |it| Key { setter: &it.setter, object: None, path: None },
    |it| Key { setter: it.part(), object: Some(&it.object), path: None },
];

impl Lineage {
    /// Matches the fields of two versions, of which one follows the other.
    #[must_use]
    pub fn between(was: Version, is: Version) -> Self {
        let mut turns = Turns {
            was: &was,
            is: &is,
            left: vec![true; was.fields.len()],
            origins: vec![Origin::New; is.fields.len()],
            choices: Vec::new(),
        };
        for likeness in LIKENESS {
            turns.take(likeness);
        }
        turns.copies();
        let Turns { origins, choices, .. } = turns;
        Self { was, is, origins, choices }
    }

    /// The value of a field of the later version.
    #[must_use]
    pub fn after(&self, field: &Identity) -> Option<&str> {
        self.is.value(field)
    }

    /// What a field of the later version was before, with the value; none if it is new.
    ///
    /// Where several may have become it, that is one with the value that it still has, or else one with the value that is
    /// `wanted`, which was taken away then.
    #[must_use]
    pub fn before(&self, field: &Identity, wanted: &str) -> Option<(&Identity, &str)> {
        let place = self.is.place(field)?;
        let before = match self.origins[place] {
            Origin::New => return None,
            Origin::One(before) => before,
            Origin::Any { group, likely } => {
                let choices = &self.choices[group];
                let same = choices.get(&self.is.fields[place].1);
                same.or_else(|| with_tag(choices, wanted)).copied().unwrap_or(likely)
            }
        };
        let (identity, value) = &self.was.fields[before];
        Some((identity, value))
    }
}

/// The one with this value, whatever its digest.
fn with_tag<'c>(choices: &'c BTreeMap<String, usize>, wanted: &str) -> Option<&'c usize> {
    let tag = without_digest(wanted);
    let pinned = || choices.range(format!("{tag}@")..).next().filter(|(value, _)| without_digest(value) == tag);
    choices.get(wanted).or_else(|| choices.get(tag)).or_else(|| pinned().map(|(_, place)| place))
}

/// The matching under way.
struct Turns<'v> {
    was: &'v Version,
    is: &'v Version,
    /// Which fields of the earlier version became nothing yet.
    left: Vec<bool>,
    origins: Vec<Origin>,
    choices: Vec<BTreeMap<String, usize>>,
}

impl<'v> Turns<'v> {
    /// One turn.
    fn take(&mut self, likeness: fn(&'v Identity) -> Key<'v>) {
        let mut groups: BTreeMap<Key<'v>, (Vec<usize>, Vec<usize>)> = BTreeMap::new();
        for (place, (field, _)) in self.is.fields.iter().enumerate() {
            if self.origins[place] == Origin::New {
                groups.entry(likeness(field)).or_default().1.push(place);
            }
        }
        for (place, (field, _)) in self.was.fields.iter().enumerate() {
            if let (true, Some(group)) = (self.left[place], groups.get_mut(&likeness(field))) {
                group.0.push(place);
            }
        }
        for (was, is) in groups.into_values().filter(|(was, _)| !was.is_empty()) {
            self.pair(&was, &is);
        }
    }

    /// Pairs fields that are alike.
    fn pair(&mut self, was: &[usize], is: &[usize]) {
        if was.len() == is.len() {
            return is.iter().zip(was).for_each(|(is, was)| self.is_from(*is, *was));
        }
        let is_same = |(was, is): &(&usize, &usize)| self.was.fields[**was].1 == self.is.fields[**is].1;
        let before = was.iter().zip(is).take_while(is_same).count();
        let (was_after, is_after) = (&was[before..], &is[before..]);
        let after = was_after.iter().rev().zip(is_after.iter().rev()).take_while(is_same).count();
        let was_between = &was_after[..was_after.len() - after];
        let is_between = &is_after[..is_after.len() - after];
        let ends = |all: &[usize]| -> Vec<usize> { [&all[..before], &all[all.len() - after..]].concat() };
        for (is, was) in ends(is).into_iter().zip(ends(was)) {
            self.is_from(is, was);
        }
        if is_between.is_empty() {
            return;
        }
        // Where nothing is left between those that kept their places, one of them may have become two.
        let among = if was_between.is_empty() { was } else { was_between };
        let group = self.choices.len();
        let by_value = among.iter().rev().map(|place| (self.was.fields[*place].1.clone(), *place));
        self.choices.push(by_value.collect());
        for (number, place) in is_between.iter().enumerate() {
            self.origins[*place] = Origin::Any { group, likely: among[number.min(among.len() - 1)] };
        }
        if is_between.len() >= was_between.len() {
            was_between.iter().for_each(|place| self.left[*place] = false);
        }
    }

    fn is_from(&mut self, is: usize, was: usize) {
        self.origins[is] = Origin::One(was);
        self.left[was] = false;
    }

    /// What is new, and has the value of one beside it that is not, is a copy of that: whoever puts a field back and copies
    /// it takes back both.
    fn copies(&mut self) {
        let alike = |(field, value): &'v (Identity, String)| (&field.setter, &field.object, value);
        let mut originals = BTreeMap::new();
        for (field, origin) in self.is.fields.iter().zip(&self.origins) {
            if *origin != Origin::New {
                originals.entry(alike(field)).or_insert(*origin);
            }
        }
        for (field, origin) in self.is.fields.iter().zip(&mut self.origins) {
            if let (Origin::New, Some(original)) = (*origin, originals.get(&alike(field))) {
                *origin = *original;
            }
        }
    }
}
