//! The files with the markers of a marking's groups.

use std::collections::BTreeMap;

use super::insert::{self, Insertion};
use super::{File, Group, Marking, Member, Why};
use crate::inventory::{Image, LineEnd};
use crate::marker::Field;

/// Files with more images than this are marked in one go or not at all; in smaller ones an image that does not verify is
/// left out and the others are tried again.
const MAX_RETRIED_IMAGES: usize = 256;

/// A file with its markers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The path below the folder to mark.
    pub path: String,
    /// The file as it was.
    pub old: Vec<u8>,
    /// The file with the markers.
    pub new: Vec<u8>,
    /// How many markers are new.
    pub markers: usize,
}

/// Writes the markers of a marking's groups; images whose markers do not verify move to `left`.
#[must_use]
pub fn edits(files: &[File], marking: &mut Marking) -> Vec<Edit> {
    let mut edits = Vec::new();
    let mut by_file: BTreeMap<usize, Vec<(Member, Vec<Insertion>)>> = BTreeMap::new();
    for group in &marking.groups {
        for member in &group.members {
            let image = &files[member.file].inventory.images[member.image];
            by_file.entry(member.file).or_default().push((*member, insertions(image, group)));
        }
    }
    let mut left = BTreeMap::new();
    for (index, wanted) in by_file {
        let file = &files[index];
        let (new, markers) = match insert::all(&file.bytes, wanted.iter().flat_map(|(_, insertions)| insertions)) {
            Ok(new) => (new, wanted.iter().map(|(_, insertions)| insertions.len()).sum()),
            Err(reason) => one_by_one(file, &wanted, &reason, &mut left),
        };
        if markers > 0 {
            edits.push(Edit { path: file.path.clone(), old: file.bytes.clone(), new, markers });
        }
    }
    marking.leave_all(left);
    marking.left.sort_by_key(|left| left.member);
    marking.groups.retain(|group| !group.is_empty());
    edits
}

/// Adds image after image, leaving out those that do not verify.
fn one_by_one(
    file: &File,
    wanted: &[(Member, Vec<Insertion>)],
    reason: &insert::Refused,
    left: &mut BTreeMap<Member, Why>,
) -> (Vec<u8>, usize) {
    let mut good: Vec<&Insertion> = Vec::new();
    let mut bytes = file.bytes.clone();
    for (member, insertions) in wanted {
        let attempt = if wanted.len() > MAX_RETRIED_IMAGES {
            Err(reason.clone())
        } else {
            insert::all(&file.bytes, good.iter().copied().chain(insertions))
        };
        match attempt {
            Ok(new) => {
                good.extend(insertions);
                bytes = new;
            }
            Err(refused) => {
                left.insert(*member, Why::Refused(refused.to_string()));
            }
        }
    }
    (bytes, good.len())
}

fn insertions(image: &Image, group: &Group) -> Vec<Insertion> {
    let policy = format!("{}:{}", group.namespace, group.name);
    let scalars = image.scalars.iter().filter_map(|scalar| {
        let LineEnd::Free(end) = scalar.line_end else { return None };
        let setter = match scalar.field {
            Field::Image => policy.clone(),
            Field::Name => format!("{policy}:name"),
            Field::Tag => format!("{policy}:tag"),
            Field::Digest => format!("{policy}:digest"),
        };
        Some(Insertion { scalar: scalar.span.start, start: end, end, setter })
    });
    scalars.collect()
}
