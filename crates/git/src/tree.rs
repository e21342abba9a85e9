//! Tree objects read without copying: `<mode> <name>\0<id>`, again and again, with the 20 bytes of an id, or 32 of SHA-256.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use super::id::{ObjectFormat, ObjectId};

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
pub(super) fn entries(mut bytes: &[u8], format: ObjectFormat) -> impl Iterator<Item = Option<Entry<'_>>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        match split(bytes, format.bytes()) {
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

fn split(bytes: &[u8], id: usize) -> Option<(Entry<'_>, &[u8])> {
    let space = memchr::memchr(b' ', bytes)?;
    let nul = space + memchr::memchr(0, &bytes[space..])?;
    let (id, rest) = bytes[nul + 1..].split_at_checked(id)?;
    let (mode, name) = (&bytes[..space], &bytes[space + 1..nul]);
    Some((Entry { mode, name, id: ObjectId::from_bytes(id)? }, rest))
}

/// Finds the entry with this name, where it is the only one.
pub(super) fn find_only<'a>(bytes: &'a [u8], format: ObjectFormat, name: &[u8]) -> Option<Entry<'a>> {
    let mut found = entries(bytes, format).flatten().filter(|entry| entry.name == name);
    found.next().filter(|_| found.next().is_none())
}

/// Finds the first entry with this name.
pub(super) fn find<'a>(bytes: &'a [u8], format: ObjectFormat, name: &[u8]) -> Option<Entry<'a>> {
    entries(bytes, format).flatten().find(|entry| entry.name == name)
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
        for entry in entries(bytes, id.format()).flatten() {
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
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(format: ObjectFormat) {
        let id = |byte| ObjectId::from_bytes(&vec![byte; format.bytes()]).unwrap();
        let mut bytes = b"100644 a.yaml\0".to_vec();
        bytes.extend_from_slice(id(1).bytes());
        bytes.extend_from_slice(b"40000 dir\0");
        bytes.extend_from_slice(id(2).bytes());
        let classes =
            |bytes: &[u8]| entries(bytes, format).map(|entry| entry.map(|entry| entry.class())).collect::<Vec<_>>();
        assert_eq!(classes(&bytes), [Some(Class::File), Some(Class::Folder)]);
        assert_eq!(find(&bytes, format, b"dir").map(|entry| entry.id), Some(id(2)));
        assert_eq!(classes(&bytes[..bytes.len() - 1]), [Some(Class::File), None]);
        bytes.extend_from_within(..14 + format.bytes());
        let large = Large::of(id(3), &bytes);
        for name in ["a.yaml", "dir", "b"] {
            let entry = find_only(&bytes, format, name.as_bytes()).map(|entry| (entry.class(), entry.id));
            assert_eq!(large.find_only(name.as_bytes()), entry, "{name}");
        }
        assert_eq!(large.find_only(b"dir"), Some((Class::Folder, id(2))));
        assert_eq!(large.find_only(b"a.yaml"), None, "two have this name");
        assert_eq!(classes(b"garbage"), [None]);
    }

    #[test]
    fn trees_are_read_and_broken_ones_end() {
        ObjectFormat::ALL.into_iter().for_each(check);
        assert!(is_reserved(b".Git") && !is_reserved(b".gitignore"));
    }
}
