//! Which field of one version of a file is which of another.

use std::collections::{BTreeMap, BTreeSet};

use crate::change::ObjectIdentity;
use crate::marker::{Marker, Scan};

/// A marked field of a file, recognisable in other versions of it: by its marker, by the object it is in, and by how many
/// alike come before it there.
///
/// Lines and columns have no part in it, and neither have marked values, of which an object's own name can be one: no
/// update makes another field of it, nor of any other in the file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    setter: String,
    object: ObjectIdentity,
    place: usize,
}

impl Identity {
    /// What of the image the field is for, as its marker says.
    fn part(&self) -> &str {
        self.setter.splitn(3, ':').nth(2).unwrap_or_default()
    }

    /// The fields of a file, in the order of [`Scan::markers`]. No two of them are equal.
    #[must_use]
    pub fn all(scan: &Scan) -> Vec<Self> {
        let in_document = |marker: &&Marker| marker.scalar.embedded.is_none();
        let place = |marker: &Marker| (marker.scalar.document, marker.scalar.ordinal);
        let marked: BTreeSet<(usize, usize)> = scan.markers.iter().filter(in_document).map(place).collect();
        let mut alike: BTreeMap<(&str, ObjectIdentity), usize> = BTreeMap::new();
        let mut identity = |marker: &'_ Marker, setter| {
            let object = object(scan, marker, &marked);
            let seen = alike.entry((setter, object.clone())).or_default();
            let place = *seen;
            *seen += 1;
            Self { setter: marker.setter.clone(), object, place }
        };
        scan.markers.iter().map(|marker| identity(marker, &marker.setter)).collect()
    }
}

/// The marked fields of one version of a file, with their values.
#[derive(Debug, Clone, Default)]
pub struct Version {
    values: BTreeMap<Identity, String>,
}

impl Version {
    /// The version that was scanned.
    #[must_use]
    pub fn of(scan: &Scan) -> Self {
        let values = scan.markers.iter().map(|marker| marker.value.clone());
        Self { values: Identity::all(scan).into_iter().zip(values).collect() }
    }

    /// The value of a field.
    #[must_use]
    pub fn value(&self, field: &Identity) -> Option<&str> {
        self.values.get(field).map(String::as_str)
    }

    /// Finds which field of this version became a `field` of the `next` one; none if the field is new there.
    ///
    /// Where as many are alike as before, their order tells. Where some came or went, those before and after them keep their
    /// places, and one between them is taken for one with the same value. Where an object or a policy has another name than
    /// before, the field is that of the only one that vanished.
    #[must_use]
    pub fn ancestor(&self, field: &Identity, next: &Self) -> Option<Identity> {
        next.values.get(field)?;
        let (was, is) = (self.alike(field), next.alike(field));
        if was.is_empty() {
            return self.renamed(field, next);
        }
        let place = ancestor(&was, &is, field.place)?;
        Some(Identity { place, ..field.clone() })
    }

    /// The values of the fields that only their places tell apart.
    fn alike(&self, field: &Identity) -> Vec<&str> {
        let first = Identity { place: 0, ..field.clone() };
        let alike =
            self.values.range(first..).take_while(|(it, _)| (&it.setter, &it.object) == (&field.setter, &field.object));
        alike.map(|(_, value)| value.as_str()).collect()
    }

    /// The field that has another object or another policy now.
    fn renamed(&self, field: &Identity, next: &Self) -> Option<Identity> {
        let vanished = self.values.keys().filter(|it| it.place == field.place && next.alike(it).is_empty());
        let (same_setter, others): (Vec<_>, Vec<_>) = vanished.partition(|it| it.setter == field.setter);
        let same_object = others.into_iter().filter(|it| it.object == field.object && it.part() == field.part());
        let candidates = if same_setter.is_empty() { same_object.collect() } else { same_setter };
        match candidates.as_slice() {
            [only] => Some((*only).clone()),
            _ => None,
        }
    }
}

/// Which of the values before became the one at `place`.
fn ancestor(was: &[&str], is: &[&str], place: usize) -> Option<usize> {
    if was.len() == is.len() {
        return Some(place);
    }
    let before = was.iter().zip(is).take_while(|(was, is)| was == is).count();
    let after = was.iter().rev().zip(is.iter().rev()).take_while(|(was, is)| was == is).count();
    match is.len() - place {
        _ if place < before => Some(place),
        from_end if from_end <= after => was.len().checked_sub(from_end),
        _ => was.iter().position(|value| value == &is[place]),
    }
}

/// The object that a field is in, without those of its parts that are marked themselves.
fn object(scan: &Scan, marker: &Marker, marked: &BTreeSet<(usize, usize)>) -> ObjectIdentity {
    let document = marker.scalar.document;
    let object = &scan.documents[document].objects[marker.scalar.object];
    object.identity(|ordinal| marked.contains(&(document, ordinal)).then_some(""))
}
