//! The packs of a mirror: swept when it is opened, rolled into one when they are many.
//!
//! Every fetch and every push leaves a pack, and each is looked into for every object. Large packs stay as they are, so that
//! the work is that of what has come, not that of the whole repository: those smaller than half of all are put into one, which
//! is read back before they are deleted. A process that is killed meanwhile leaves a pack too many.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use git2::Repository;

use crate::id::{ObjectFormat, ObjectId};
use crate::object::Objects;

/// The most packs before they are rolled into one.
const MAX_PACKS: usize = 50;

/// The largest object that is put into another pack: 32 MiB. libgit2 has it in memory meanwhile, and the pack of a larger one stays.
const MAX_ROLLED: usize = 32 << 20;

/// The first bytes of an index of version 2.
const INDEX_MAGIC: &[u8] = b"\xfftOc\0\0\0\x02";

/// Where the ids begin in an index: after the magic and 256 counts.
const INDEX_IDS: usize = 8 + 256 * 4;

/// A pack with its index.
pub(super) struct Pack {
    path: PathBuf,
    bytes: u64,
}

/// Removes what a killed process left among the packs, and lists them.
pub(super) fn sweep(folder: &Path) -> io::Result<Vec<Pack>> {
    let mut packs = Vec::new();
    for entry in fs::read_dir(folder.join("objects/pack"))? {
        let path = entry?.path();
        let has = |other: &str| path.with_extension(other).exists();
        let is_named = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("pack-"));
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("pack") if is_named && has("idx") => {
                let bytes = fs::metadata(&path)?.len();
                packs.push(Pack { path, bytes });
            }
            Some("idx") if is_named && has("pack") => {}
            _ => fs::remove_file(&path)?,
        }
    }
    Ok(packs)
}

/// How many bytes the packs take.
pub(super) fn bytes(packs: &[Pack]) -> u64 {
    packs.iter().map(|pack| pack.bytes).sum()
}

/// Puts the small ones of too many packs into one. Fails where one cannot be read.
pub(super) fn roll(folder: &Path, packs: Vec<Pack>) -> io::Result<()> {
    if packs.len() <= MAX_PACKS {
        return Ok(());
    }
    let total = bytes(&packs);
    // A repository of its own, so that files are not held open that are deleted after.
    let repository = Repository::open_bare(folder).map_err(io::Error::other)?;
    let format = ObjectFormat::of(repository.object_format());
    let mut small = Vec::new();
    let mut objects = HashSet::new();
    for pack in packs.into_iter().filter(|pack| pack.bytes < total.div_ceil(2)) {
        let ids = ids(&pack.path.with_extension("idx"), format)?;
        if are_small(&repository, &ids).map_err(io::Error::other)? {
            objects.extend(ids);
            small.push(pack);
        }
    }
    if small.len() < 2 {
        return Ok(());
    }
    let written = write(&repository, folder, &objects).map_err(io::Error::other)?;
    if !is_whole(&written, &objects, format)? {
        return Err(io::Error::other("the new pack is not whole"));
    }
    // The index goes first: a pack without one is swept away, an index without its pack would be looked into.
    for pack in small.iter().filter(|pack| pack.path != written) {
        fs::remove_file(pack.path.with_extension("idx"))?;
        fs::remove_file(&pack.path)?;
    }
    Ok(())
}

/// Whether none of these objects is too large to be written again.
fn are_small(repository: &Repository, ids: &[ObjectId]) -> Result<bool, git2::Error> {
    let odb = Objects::of(repository)?;
    for id in ids {
        if odb.head(*id)?.0 > MAX_ROLLED {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Writes a pack of these objects beside the others and returns its path. libgit2 gives it its name when it is complete.
fn write(repository: &Repository, folder: &Path, objects: &HashSet<ObjectId>) -> Result<PathBuf, git2::Error> {
    let format = ObjectFormat::of(repository.object_format());
    let mut builder = repository.packbuilder()?;
    builder.set_threads(1);
    for id in objects {
        builder.insert_object(id.oid(format)?, None)?;
    }
    let packs = folder.join("objects/pack");
    builder.write(&packs, 0)?;
    let name = builder.name()?.ok_or_else(|| git2::Error::from_str("a pack without a name"))?;
    Ok(packs.join(format!("pack-{name}.pack")))
}

/// Whether a pack is complete and has all these objects.
fn is_whole(pack: &Path, objects: &HashSet<ObjectId>, format: ObjectFormat) -> io::Result<bool> {
    let index = pack.with_extension("idx");
    let found: HashSet<ObjectId> = ids(&index, format)?.into_iter().collect();
    Ok(ends_well(pack, format)? && found.is_superset(objects))
}

/// Whether each pack ends as its index says. One that was cut off is seen without reading it.
pub(super) fn end_well(packs: &[Pack], format: ObjectFormat) -> bool {
    packs.iter().all(|pack| ends_well(&pack.path, format).unwrap_or(false))
}

fn ends_well(pack: &Path, format: ObjectFormat) -> io::Result<bool> {
    // The index ends with the checksum of its pack, and with its own.
    let (end_of_pack, ends) = (end(pack, format.bytes())?, end(&pack.with_extension("idx"), 2 * format.bytes())?);
    Ok(ends.starts_with(&end_of_pack))
}

/// Reads the last bytes of a file.
fn end(path: &Path, length: usize) -> io::Result<Vec<u8>> {
    let mut file = fs::File::open(path)?;
    let mut bytes = vec![0; length];
    file.seek(SeekFrom::End(-(length as i64)))?;
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Reads the ids of an index.
fn ids(index: &Path, format: ObjectFormat) -> io::Result<Vec<ObjectId>> {
    let bytes = fs::read(index)?;
    let read = || {
        let count = bytes.strip_prefix(INDEX_MAGIC)?.get(255 * 4..256 * 4)?;
        let count = u32::from_be_bytes(count.try_into().ok()?) as usize;
        let ids = bytes.get(INDEX_IDS..INDEX_IDS.checked_add(count.checked_mul(format.bytes())?)?)?;
        ids.chunks_exact(format.bytes()).map(ObjectId::from_bytes).collect::<Option<Vec<_>>>()
    };
    read().ok_or_else(|| io::Error::other("an index that cannot be read"))
}
