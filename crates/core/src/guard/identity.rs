//! Which field of one version of a file is which of another.

use crate::change::ObjectIdentity;
use crate::marker::{Marker, Scan};

/// A marked field of a file, recognisable in other versions of it: by its marker, by the object it is in, and by how many
/// alike come before it there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    setter: String,
    object: ObjectIdentity,
    place: usize,
}

impl Identity {
    /// The field at an index of [`Scan::markers`].
    #[must_use]
    pub fn of(scan: &Scan, index: usize) -> Option<Self> {
        let marker = scan.markers.get(index)?;
        let object = object(scan, marker);
        let setter = marker.setter.clone();
        let place = alike(&scan.markers[..index], scan, &setter, &object).count();
        Some(Self { setter, object, place })
    }

    /// The value of the field in a version of the file, if it is there.
    #[must_use]
    pub fn value<'s>(&self, scan: &'s Scan) -> Option<&'s str> {
        let found = alike(&scan.markers, scan, &self.setter, &self.object).nth(self.place);
        found.map(|marker| marker.value.as_str())
    }
}

fn alike<'s, 'i>(
    markers: &'s [Marker],
    scan: &'s Scan,
    setter: &'i str,
    identity: &'i ObjectIdentity,
) -> impl Iterator<Item = &'s Marker> + use<'s, 'i> {
    markers.iter().filter(move |marker| marker.setter == setter && object(scan, marker) == *identity)
}

fn object(scan: &Scan, marker: &Marker) -> ObjectIdentity {
    scan.documents[marker.site.document].objects[marker.site.object].identity(|_| None)
}
