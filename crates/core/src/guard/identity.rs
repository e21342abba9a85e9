//! What makes a field of a file the one that it is.

use std::collections::{BTreeMap, BTreeSet};

use crate::change::ObjectIdentity;
use crate::marker::{Marker, Scan};

/// A marked field of a file, recognisable in other versions of it: by its marker, by the object it is in, by its path there,
/// of keys and the names of items, and by how many alike come before it.
///
/// Lines and columns have no part in it, and neither have marked values, of which an object's own name can be one: no
/// update makes another field of it, nor of any other in the file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    pub(super) setter: String,
    pub(super) object: ObjectIdentity,
    pub(super) path: u64,
    place: usize,
}

impl Identity {
    /// What of the image the field is for, as its marker says.
    pub(super) fn part(&self) -> &str {
        self.setter.splitn(3, ':').nth(2).unwrap_or_default()
    }

    /// The fields of a file, in the order of [`Scan::markers`]. No two of them are equal.
    #[must_use]
    pub fn all(scan: &Scan) -> Vec<Self> {
        let in_document = |marker: &&Marker| marker.scalar.embedded.is_none();
        let place = |marker: &Marker| (marker.scalar.document, marker.scalar.ordinal);
        let marked: BTreeSet<(usize, usize)> = scan.markers.iter().filter(in_document).map(place).collect();
        let mut alike: BTreeMap<(&str, ObjectIdentity, u64), usize> = BTreeMap::new();
        let mut identity = |marker: &'_ Marker, setter| {
            let (object, path) = (object(scan, marker, &marked), marker.scalar.path);
            let seen = alike.entry((setter, object.clone(), path)).or_default();
            let place = *seen;
            *seen += 1;
            Self { setter: marker.setter.clone(), object, path, place }
        };
        scan.markers.iter().map(|marker| identity(marker, &marker.setter)).collect()
    }
}

/// The marked fields of one version of a file, with their values.
#[derive(Debug, Clone, Default)]
pub struct Version {
    /// In the order of the text.
    pub(super) fields: Vec<(Identity, String)>,
    /// Their numbers, in the order of the identities.
    sorted: Vec<usize>,
}

impl Version {
    /// The version that was scanned.
    #[must_use]
    pub fn of(scan: &Scan) -> Self {
        let values = scan.markers.iter().map(|marker| marker.value.clone());
        let fields: Vec<(Identity, String)> = Identity::all(scan).into_iter().zip(values).collect();
        let mut sorted: Vec<usize> = (0..fields.len()).collect();
        sorted.sort_unstable_by(|one, other| fields[*one].0.cmp(&fields[*other].0));
        Self { fields, sorted }
    }

    /// The value of a field.
    #[must_use]
    pub fn value(&self, field: &Identity) -> Option<&str> {
        self.place(field).map(|place| self.fields[place].1.as_str())
    }

    /// The number of a field in the order of the text.
    pub(super) fn place(&self, field: &Identity) -> Option<usize> {
        let found = self.sorted.binary_search_by(|place| self.fields[*place].0.cmp(field));
        found.ok().map(|found| self.sorted[found])
    }
}

/// The object that a field is in, without those of its parts that are marked themselves.
fn object(scan: &Scan, marker: &Marker, marked: &BTreeSet<(usize, usize)>) -> ObjectIdentity {
    let document = marker.scalar.document;
    let object = &scan.documents[document].objects[marker.scalar.object];
    object.identity(|ordinal| marked.contains(&(document, ordinal)).then_some(""))
}
