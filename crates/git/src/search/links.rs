//! Symbolic links: one matters where a file in its place would have matched.

use super::blobs::{Verdict, read};
use super::{Criteria, components};
use crate::error::Error;
use crate::id::ObjectId;
use crate::object::Objects;
use crate::snapshot;
use crate::store::Store;
use crate::tree::Class;

/// How many links may lead to each other.
const MAX_HOPS: usize = 5;

/// The longest target of a link, in bytes; systems allow as much.
const MAX_TARGET: usize = 4096;

/// Whether the link at a path leads, within the tree, to a file that matches.
pub(super) fn leads_to_match(
    store: &Store,
    odb: &Objects<'_>,
    root: ObjectId,
    path: &str,
    criteria: Criteria,
) -> Result<bool, Error> {
    let mut at = components(path);
    for _ in 0..MAX_HOPS {
        match snapshot::find(store, root, &at)? {
            Some((Class::Link, id)) => match target(store, odb, id, &at)? {
                Some(next) => at = next,
                None => return Ok(false),
            },
            Some((Class::File, id)) => {
                let verdict = read(odb, id, criteria).map_err(|source| store.damaged(source))?;
                return Ok(!matches!(verdict, Verdict::Clean));
            }
            _ => return Ok(false),
        }
    }
    Ok(false)
}

/// Where a link leads; none where that is outside of the tree.
fn target(store: &Store, odb: &Objects<'_>, id: ObjectId, at: &[String]) -> Result<Option<Vec<String>>, Error> {
    let (size, _) = odb.head(id).map_err(|source| store.damaged(source))?;
    if size > MAX_TARGET {
        return Ok(None);
    }
    let object = odb.read(id).map_err(|source| store.damaged(source))?;
    let text = std::str::from_utf8(object.data()).ok().filter(|text| !text.starts_with('/'));
    let folder = at.split_last().map(|(_, folder)| folder.join("/")).unwrap_or_default();
    Ok(text.map(|text| components(&format!("{folder}/{text}"))))
}
