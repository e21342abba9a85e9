//! What differs between two versions of a tree or a file, as packs write it.
//!
//! How the new version was made is known, so that nothing is searched for: in a tree, entries have other ids or are new; in a file,
//! what lies between the same beginning and the same end is another.

use git2::ObjectType;

use super::tree;

/// The most bytes that one instruction copies, as git writes it.
const MAX_COPY: usize = 0xffff;

/// The most bytes that one instruction brings along.
const MAX_INSERT: usize = 0x7f;

/// Returns how to make `new` of `old`; none where it is hardly shorter than `new` itself.
pub(super) fn between(kind: ObjectType, old: &[u8], new: &[u8]) -> Option<Vec<u8>> {
    let mut delta = Delta { out: Vec::new(), copied: (0, 0) };
    delta.size(old.len());
    delta.size(new.len());
    match kind {
        ObjectType::Tree => delta.tree(old, new)?,
        ObjectType::Blob => delta.bytes(old, new),
        _ => return None,
    }
    delta.flush();
    (delta.out.len() < new.len() / 2).then_some(delta.out)
}

struct Delta {
    out: Vec<u8>,
    /// Where what is to be copied next begins and ends; empty if nothing is.
    copied: (usize, usize),
}

impl Delta {
    /// A size, seven bits at a time.
    fn size(&mut self, size: usize) {
        let mut rest = size;
        while rest >= 0x80 {
            self.out.push(rest.to_le_bytes()[0] | 0x80);
            rest >>= 7;
        }
        self.out.push(rest.to_le_bytes()[0]);
    }

    /// The new tree has the entries of the old one in their order, some with other ids, and perhaps more; none where it is not so.
    fn tree(&mut self, old: &[u8], new: &[u8]) -> Option<()> {
        let mut known = entries(old).peekable();
        for (at, entry) in entries(new) {
            let (entry, name) = (&new[at..at + entry], &new[at..at + entry - ID]);
            match known.next_if(|(start, length)| old[*start..start + length - ID] == *name) {
                Some((start, length)) if old[start..start + length] == *entry => self.copy(start, length),
                Some((start, length)) => {
                    self.copy(start, length - ID);
                    self.insert(&entry[name.len()..]);
                }
                None => self.insert(entry),
            }
        }
        known.next().is_none().then_some(())
    }

    fn bytes(&mut self, old: &[u8], new: &[u8]) {
        let start = same(old.iter().zip(new));
        let end = same(old[start..].iter().rev().zip(new[start..].iter().rev()));
        self.copy(0, start);
        self.insert(&new[start..new.len() - end]);
        self.copy(old.len() - end, end);
    }

    fn copy(&mut self, start: usize, length: usize) {
        if self.copied.1 == start && self.copied.0 != self.copied.1 {
            self.copied.1 += length;
            return;
        }
        self.flush();
        self.copied = (start, start + length);
    }

    fn insert(&mut self, bytes: &[u8]) {
        self.flush();
        for piece in bytes.chunks(MAX_INSERT) {
            self.out.extend(u8::try_from(piece.len()));
            self.out.extend_from_slice(piece);
        }
    }

    /// Writes what is to be copied. Bytes that are zero are left out, and the first byte says which are there.
    fn flush(&mut self) {
        let (mut start, end) = std::mem::take(&mut self.copied);
        while start < end {
            let length = (end - start).min(MAX_COPY);
            let at = self.out.len();
            self.out.push(0x80);
            let parts = [(start, 0..4), (length, 4..6)];
            for (number, bits) in parts {
                for (byte, bit) in number.to_le_bytes().into_iter().zip(bits).filter(|(byte, _)| *byte != 0) {
                    self.out.push(byte);
                    self.out[at] |= 1 << bit;
                }
            }
            start += length;
        }
    }
}

/// How many pairs are alike at the beginning.
fn same<'b>(pairs: impl Iterator<Item = (&'b u8, &'b u8)>) -> usize {
    pairs.take_while(|(old, new)| old == new).count()
}

/// The length of an id, with which an entry of a tree ends.
const ID: usize = 20;

/// Where the entries of a tree begin, and how long they are.
fn entries(tree: &[u8]) -> impl Iterator<Item = (usize, usize)> {
    let mut at = 0;
    tree::entries(tree).map_while(move |entry| {
        let entry = entry?;
        let length = entry.mode.len() + entry.name.len() + 2 + ID;
        at += length;
        Some((at - length, length))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Makes the new version as git does.
    fn patch(old: &[u8], delta: &[u8]) -> Vec<u8> {
        let mut rest = delta.iter().copied();
        let mut size = || {
            let (mut size, mut shift) = (0, 0);
            loop {
                let byte = rest.next().unwrap();
                size |= usize::from(byte & 0x7f) << shift;
                shift += 7;
                if byte < 0x80 {
                    return size;
                }
            }
        };
        let (before, after) = (size(), size());
        assert_eq!(before, old.len());
        let mut new = Vec::new();
        while let Some(instruction) = rest.next() {
            if instruction < 0x80 {
                new.extend(rest.by_ref().take(usize::from(instruction)));
                continue;
            }
            let mut number = |bits: std::ops::Range<usize>| {
                let parts = bits.clone().filter(|bit| instruction & 1 << bit != 0);
                parts.fold(0, |number, bit| number | usize::from(rest.next().unwrap()) << (8 * (bit - bits.start)))
            };
            let (start, length) = (number(0..4), number(4..7));
            new.extend_from_slice(&old[start..start + length]);
        }
        assert_eq!(after, new.len());
        new
    }

    #[test]
    fn the_new_version_is_made_of_the_old_one() {
        let check = |kind, old: &[u8], new: &[u8], longest: usize| {
            let delta = between(kind, old, new).unwrap();
            assert_eq!(patch(old, &delta), new);
            assert!(delta.len() <= longest, "{} bytes", delta.len());
        };
        let large: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
        let mut changed = large.clone();
        changed.splice(300_000..300_003, *b"something else");
        check(ObjectType::Blob, &large, &changed, 150);
        check(ObjectType::Blob, &large, &large, 100);
        check(ObjectType::Blob, &changed, &large, 150);
        check(ObjectType::Blob, &large, &large[..large.len() - 1], 100);
        check(ObjectType::Blob, b"aaaaaaaaaaaaaaaaaaaaaaaa", b"aaaaaaaaaaaaaaaaaaaaaaaaaa", 10);
        assert_eq!(between(ObjectType::Blob, b"", b"all of it is new"), None);
        assert_eq!(between(ObjectType::Commit, &large, &changed), None);

        let tree = |ids: &[(usize, u8)]| {
            let entry = |(n, id): &(usize, u8)| [format!("40000 folder-{n:05}\0").as_bytes(), &[*id; ID]].concat();
            ids.iter().flat_map(entry).collect::<Vec<u8>>()
        };
        let entries: Vec<(usize, u8)> = (0..1_000).map(|n| (2 * n, 1)).collect();
        let old = tree(&entries);
        let mut changed = entries.clone();
        [0, 500, 501, 999].into_iter().for_each(|at| changed[at].1 = 2);
        check(ObjectType::Tree, &old, &tree(&changed), 150);
        let mut more = changed;
        more.insert(700, (1_399, 3));
        more.push((9_999, 4));
        check(ObjectType::Tree, &old, &tree(&more), 250);
        check(ObjectType::Tree, &old, &old, 30);
        assert_eq!(between(ObjectType::Tree, &old, &tree(&entries[1..])), None);
        assert_eq!(between(ObjectType::Tree, b"no tree", &old), None);
    }
}
