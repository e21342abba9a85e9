//! The value that a marker asks for.

use image::Reference;

use crate::marker::{Field, Marker};

/// Why there is no value to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Absent {
    Tag,
    Digest,
}

/// The new decoded value of a marked field.
///
/// A sequence item such as `app=registry/image:tag`, the form of Argo CD's and Kustomize's `images` lists and of
/// command arguments, keeps what stands before and including `=`.
pub(crate) fn of(marker: &Marker, reference: &Reference) -> Result<String, Absent> {
    let tag = reference.tag.as_ref().ok_or(Absent::Tag);
    match marker.field {
        Field::Image => tag.map(|_| format!("{}{reference}", kept_prefix(marker))),
        Field::Name => Ok(reference.repository.name().to_owned()),
        Field::Tag => tag.map(|tag| tag.as_str().to_owned()),
        Field::Digest => reference.digest.as_ref().map(|digest| digest.as_str().to_owned()).ok_or(Absent::Digest),
    }
}

/// `name=` of an item that reads `name=image`: one equals sign, something on both sides, no white space.
pub(crate) fn kept_prefix(marker: &Marker) -> &str {
    match marker.value.split_once('=') {
        Some((name, image))
            if marker.scalar.is_item
                && !name.is_empty()
                && !image.is_empty()
                && !image.contains('=')
                && !marker.value.contains(char::is_whitespace) =>
        {
            &marker.value[..=name.len()]
        }
        _ => "",
    }
}
