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

    /// The values of the fields of a file.
    #[must_use]
    pub fn values(scan: &Scan) -> BTreeMap<Self, &str> {
        let values = scan.markers.iter().map(|marker| marker.value.as_str());
        Self::all(scan).into_iter().zip(values).collect()
    }
}

/// The object that a field is in, without those of its parts that are marked themselves.
fn object(scan: &Scan, marker: &Marker, marked: &BTreeSet<(usize, usize)>) -> ObjectIdentity {
    let document = marker.scalar.document;
    let object = &scan.documents[document].objects[marker.scalar.object];
    object.identity(|ordinal| marked.contains(&(document, ordinal)).then_some(""))
}
