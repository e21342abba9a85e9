//! Tree objects read without copying: `<mode> <name>\0<20 bytes>`, again and again.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use super::id::ObjectId;

/// How deep folders may be nested.
pub(super) const MAX_DEPTH: usize = 128;

/// How many bytes a tree has that is worth keeping by its names: from about a hundred entries on, which no other cache keeps, to some
/// twenty thousand, which take about three megabytes.
pub(super) const LARGE: RangeInclusive<usize> = (4 << 10)..=(1 << 20);

/// One entry of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    /// The mode's octal digits as written.
    pub(super) mode: &'a [u8],
    /// Without a NUL. Git's own programs make none that is empty or has a slash.
    pub(super) name: &'a [u8],
    pub(super) id: ObjectId,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    File,
    Folder,
    Link,
    /// A commit of another repository, or something unknown.
    Other,
}

impl Entry<'_> {
    pub(super) fn class(&self) -> Class {
        match self.mode {
            b"40000" | b"040000" => Class::Folder,
            b"120000" => Class::Link,
            mode if mode.starts_with(b"100") && mode.len() == 6 => Class::File,
            _ => Class::Other,
        }
    }

    /// Whether the name is empty or has a slash in it.
    pub(super) fn is_odd(&self) -> bool {
        self.name.is_empty() || self.name.contains(&b'/')
    }

    /// Whether the name is one that no work tree may have: `.git` in any case, `.` and `..`.
    pub(super) fn is_reserved(&self) -> bool {
        is_reserved(self.name)
    }
}

/// Whether no file or folder may have this name.
pub(super) fn is_reserved(name: &[u8]) -> bool {
    name.is_empty() || name == b"." || name == b".." || name.eq_ignore_ascii_case(b".git")
}

/// Iterates over a tree; None stands for bytes that are no tree, and is the last item.
pub(super) fn entries(mut bytes: &[u8]) -> impl Iterator<Item = Option<Entry<'_>>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        match split(bytes) {
            Some((entry, rest)) => {
                bytes = rest;
                Some(Some(entry))
            }
            None => {
                bytes = &[];
                Some(None)
            }
        }
    })
}

fn split(bytes: &[u8]) -> Option<(Entry<'_>, &[u8])> {
    let space = memchr::memchr(b' ', bytes)?;
    let nul = space + memchr::memchr(0, &bytes[space..])?;
    let id = ObjectId::from_slice(bytes.get(nul + 1..nul + 21)?)?;
    let (mode, name) = (&bytes[..space], &bytes[space + 1..nul]);
    Some((Entry { mode, name, id }, &bytes[nul + 21..]))
}

/// Finds the entry with this name, where it is the only one.
pub(super) fn find_only<'a>(bytes: &'a [u8], name: &[u8]) -> Option<Entry<'a>> {
    let mut found = entries(bytes).flatten().filter(|entry| entry.name == name);
    found.next().filter(|_| found.next().is_none())
}

/// Finds the first entry with this name.
pub(super) fn find<'a>(bytes: &'a [u8], name: &[u8]) -> Option<Entry<'a>> {
    entries(bytes).flatten().find(|entry| entry.name == name)
}

/// A tree by its names.
pub(super) struct Large {
    /// Which.
    pub(super) id: ObjectId,
    /// None for a name that several entries have.
    entries: HashMap<Box<[u8]>, Option<(Class, ObjectId)>>,
}

impl Large {
    pub(super) fn of(id: ObjectId, bytes: &[u8]) -> Self {
        let mut known: HashMap<Box<[u8]>, Option<(Class, ObjectId)>> = HashMap::new();
        for entry in entries(bytes).flatten() {
            let found = Some((entry.class(), entry.id));
            known.entry(entry.name.into()).and_modify(|known| *known = None).or_insert(found);
        }
        Self { id, entries: known }
    }

    /// As [`find_only`].
    pub(super) fn find_only(&self, name: &[u8]) -> Option<(Class, ObjectId)> {
        self.entries.get(name).copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_are_read_and_broken_ones_end() {
        let mut bytes = b"100644 a.yaml\0".to_vec();
        bytes.extend_from_slice(&[1; 20]);
        bytes.extend_from_slice(b"40000 dir\0");
        bytes.extend_from_slice(&[2; 20]);
        let classes = |bytes: &[u8]| entries(bytes).map(|entry| entry.map(|entry| entry.class())).collect::<Vec<_>>();
        assert_eq!(classes(&bytes), [Some(Class::File), Some(Class::Folder)]);
        assert_eq!(find(&bytes, b"dir").map(|entry| entry.id), Some(ObjectId([2; 20])));
        assert_eq!(classes(&bytes[..bytes.len() - 1]), [Some(Class::File), None]);
        bytes.extend_from_within(..14 + 20);
        let large = Large::of(ObjectId([3; 20]), &bytes);
        for name in ["a.yaml", "dir", "b"] {
            let entry = find_only(&bytes, name.as_bytes()).map(|entry| (entry.class(), entry.id));
            assert_eq!(large.find_only(name.as_bytes()), entry, "{name}");
        }
        assert_eq!(large.find_only(b"dir"), Some((Class::Folder, ObjectId([2; 20]))));
        assert_eq!(large.find_only(b"a.yaml"), None, "two have this name");
        assert_eq!(classes(b"garbage"), [None]);
        assert!(is_reserved(b".Git") && !is_reserved(b".gitignore"));
    }
}
