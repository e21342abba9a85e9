//! The index of a pack, in its version 2: ids in their order, checksums, and where each object is.

use std::io::{self, Write};

use super::intake::Object;
use crate::id::{Hasher, ObjectId};

/// The first bytes, with the version.
const MAGIC: &[u8] = b"\xfftOc\0\0\0\x02";

/// From here on, an offset is in the table of the large ones.
const LARGE: u64 = 0x8000_0000;

/// Writes what is written twice: to the file, and into the checksum.
struct Both<W> {
    out: W,
    hash: Hasher,
}

impl<W: Write> Both<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.out.write_all(bytes)
    }
}

/// Writes the index of a pack with these objects and this checksum.
pub(super) fn write(out: impl Write, objects: &mut [Object], checksum: ObjectId) -> io::Result<()> {
    objects.sort_unstable_by_key(|object| (object.id, object.offset));
    let mut both = Both { out, hash: Hasher::new(checksum.format()) };
    both.write(MAGIC)?;
    for first in 0..=u8::MAX {
        let count = objects.partition_point(|object| object.id.bytes()[0] <= first) as u32;
        both.write(&count.to_be_bytes())?;
    }
    objects.iter().try_for_each(|object| both.write(object.id.bytes()))?;
    objects.iter().try_for_each(|object| both.write(&object.crc.to_be_bytes()))?;
    let mut large = Vec::new();
    for object in objects.iter() {
        let small = match object.offset {
            0..LARGE => object.offset as u32,
            offset => {
                large.push(offset);
                LARGE as u32 | (large.len() as u32 - 1)
            }
        };
        both.write(&small.to_be_bytes())?;
    }
    large.iter().try_for_each(|offset| both.write(&offset.to_be_bytes()))?;
    both.write(checksum.bytes())?;
    let Both { mut out, hash } = both;
    out.write_all(hash.finish().bytes())?;
    out.flush()
}
