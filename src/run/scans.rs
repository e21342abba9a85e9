//! Marked files as they were scanned, so that those that stay as they are need not be read again.
//!
//! They are kept under the ids of their blobs, which name contents. A process has those of its remotes in memory; a new one
//! takes them from the notes beside the mirror. Nothing here is ever needed: without it, files are read and scanned.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use git::{self, Criteria, Found, Mirror, ObjectId, Snapshot};
use sha2::{Digest, Sha256};
use tagwright_core::automation::Automation;
use tagwright_core::marker::{Embedded, kept};
use tagwright_core::plan::MarkedFile;

use super::apart;

/// The most bytes of marked files that are kept, all remotes together.
const MAX_KEPT_BYTES: usize = 16 << 20;

/// About what is kept beside the bytes of a file, its path and its scan: two keys and where they are.
const KEPT_BESIDE: usize = 256;

/// Notes are written again when more than one file of so many is not in them. What is missing is scanned by the next process.
const UNSAVED_SHARE: usize = 32;

/// A blob, and which of its embedded YAML counts.
type Key = (ObjectId, Embedded);

/// Marked files as they were scanned, by remote.
#[derive(Debug, Default)]
pub struct Scans {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    mirrors: HashMap<PathBuf, OfMirror>,
    /// About what all of them take.
    bytes: usize,
}

#[derive(Debug, Default)]
struct OfMirror {
    files: HashMap<Key, Packed>,
    /// What is known at each path.
    at: HashMap<Arc<str>, Vec<Key>>,
    /// How many were scanned since notes were written.
    unsaved: usize,
}

/// A marked file as it is kept: its scan is packed, which takes a quarter of the room and is undone in microseconds.
#[derive(Debug, Clone)]
struct Packed {
    path: Arc<str>,
    bytes: Arc<[u8]>,
    scan: Arc<[u8]>,
}

impl Packed {
    fn of(file: &MarkedFile) -> Self {
        let (path, bytes) = (file.path.as_str().into(), Arc::clone(&file.bytes));
        Self { path, bytes, scan: kept::pack(&file.scan).into() }
    }

    fn unpacked(&self) -> Option<MarkedFile> {
        let scan = kept::unpack(&self.scan)?.into();
        Some(MarkedFile { path: self.path.to_string(), bytes: Arc::clone(&self.bytes), scan })
    }

    fn size(&self) -> usize {
        self.path.len() + self.bytes.len() + self.scan.len() + KEPT_BESIDE
    }
}

impl Scans {
    /// Finds the marked files of a commit: what `criteria` say of files, scanned. Only what is not known yet is read. Beside
    /// them is what else the search came to, its lists of files emptied.
    ///
    /// # Errors
    /// As [`Snapshot::search`].
    pub async fn marked_files(
        &self,
        mirror: &Mirror,
        snapshot: &Snapshot,
        paths: &[String],
        criteria: Criteria,
        embedded: Embedded,
    ) -> Result<(Vec<MarkedFile>, Found), git::Error> {
        self.load(mirror).await;
        let known: Arc<Mutex<HashMap<ObjectId, MarkedFile>>> = Arc::default();
        let (kept, folder, passed) = (Arc::clone(&self.kept), mirror.folder().to_owned(), Arc::clone(&known));
        let is_known = move |blob| {
            let packed = lock(&kept).find(&folder, (blob, embedded)).cloned();
            // It is taken at once: another remote's files may drive it out before the search is over.
            let file = packed.as_ref().and_then(Packed::unpacked);
            file.map(|file| {
                let bytes = file.bytes.len();
                lock(&passed).insert(blob, file);
                bytes
            })
        };
        let mut found = snapshot.search_new(paths, criteria, is_known).await?;
        let known = std::mem::take(&mut *lock(&known));
        let old = std::mem::take(&mut found.known).into_iter();
        let mut files: Vec<MarkedFile> = old.filter_map(|(path, blob)| Some(known.get(&blob)?.at(path))).collect();
        let new = std::mem::take(&mut found.files);
        if !new.is_empty() {
            let scanned = apart("scan", move || scan(new, embedded)).await;
            let (packed, new) = scanned.map_err(|_| git::Error::Task)?;
            files.extend(new);
            lock(&self.kept).add(mirror.folder(), packed, true);
        }
        Ok((files, found))
    }

    /// Does the same for an automation: the files in its paths, and those of its targets, which are scanned each time.
    ///
    /// # Errors
    /// As [`Snapshot::search`].
    pub async fn files_of(
        &self,
        mirror: &Mirror,
        snapshot: &Snapshot,
        automation: &Automation,
        criteria: Criteria,
    ) -> Result<(Vec<MarkedFile>, Found), git::Error> {
        let embedded = Embedded::everywhere(automation.embedded);
        let (mut files, mut found) = self.marked_files(mirror, snapshot, &automation.paths, criteria, embedded).await?;
        for path in automation.target_paths() {
            let Some(bytes) = snapshot.read(path, criteria.max_bytes).await? else {
                found.missing.push(path.to_owned());
                continue;
            };
            let (path, marking) = (path.to_owned(), automation.marking(path));
            let scanned = apart("scan", move || MarkedFile::with(path, bytes, marking)).await;
            let file = scanned.map_err(|_| git::Error::Task)?;
            files.retain(|known| known.path != file.path);
            files.push(file);
        }
        Ok((files, found))
    }

    /// Takes what an earlier process has noted, once.
    async fn load(&self, mirror: &Mirror) {
        if lock(&self.kept).mirrors.contains_key(mirror.folder()) {
            return;
        }
        let notes = mirror.notes(*FORM).await.unwrap_or_default();
        let files = apart("read notes", move || read(&notes)).await.unwrap_or_default();
        let mut kept = lock(&self.kept);
        if !kept.mirrors.contains_key(mirror.folder()) {
            kept.add(mirror.folder(), files, false);
        }
    }

    /// Notes what is known beside the mirror, when enough of it is new.
    pub async fn save(&self, mirror: &Mirror) {
        let files: Vec<(Key, Packed)> = {
            let mut kept = lock(&self.kept);
            let Some(of_mirror) = kept.mirrors.get_mut(mirror.folder()) else { return };
            if of_mirror.unsaved <= of_mirror.files.len() / UNSAVED_SHARE {
                return;
            }
            of_mirror.unsaved = 0;
            of_mirror.files.iter().map(|(key, file)| (*key, file.clone())).collect()
        };
        if let Ok(bytes) = apart("write notes", move || write(&files)).await {
            mirror.note(*FORM, bytes).await;
        }
    }
}

/// Scans files, those with the same content once, and packs one of each content.
fn scan(files: Vec<git::FoundFile>, embedded: Embedded) -> (Vec<(Key, Packed)>, Vec<MarkedFile>) {
    let mut packed = Vec::new();
    let mut scanned: HashMap<ObjectId, MarkedFile> = HashMap::new();
    let mut all = Vec::with_capacity(files.len());
    for file in files {
        let known = scanned.get(&file.id).map(|known| known.at(file.path.clone()));
        all.push(known.unwrap_or_else(|| {
            let new = MarkedFile::with(file.path, file.bytes, embedded);
            packed.push(((file.id, embedded), Packed::of(&new)));
            scanned.insert(file.id, new.clone());
            new
        }));
    }
    (packed, all)
}

impl Kept {
    fn find(&self, mirror: &Path, key: Key) -> Option<&Packed> {
        self.mirrors.get(mirror)?.files.get(&key)
    }

    /// Adds files, each in place of what was at its path before. When they are too many, what was known goes.
    fn add(&mut self, mirror: &Path, files: Vec<(Key, Packed)>, is_new: bool) {
        let added: usize = files.iter().map(|(_, file)| file.size()).sum();
        let of_mirror = self.mirrors.entry(mirror.to_owned()).or_default();
        for (_, file) in &files {
            for key in of_mirror.at.remove(&file.path).unwrap_or_default() {
                self.bytes -= of_mirror.files.remove(&key).as_ref().map_or(0, Packed::size);
            }
        }
        if self.bytes + added > MAX_KEPT_BYTES {
            // The mirrors stay, since what they have noted was seen.
            self.mirrors.values_mut().for_each(|of_mirror| *of_mirror = OfMirror::default());
            self.bytes = 0;
        }
        let Some(of_mirror) = self.mirrors.get_mut(mirror).filter(|_| added <= MAX_KEPT_BYTES) else { return };
        for (key, file) in files {
            // Most have one content.
            of_mirror.at.entry(Arc::clone(&file.path)).or_insert_with(|| Vec::with_capacity(1)).push(key);
            self.bytes += file.size();
            self.bytes -= of_mirror.files.insert(key, file).as_ref().map_or(0, Packed::size);
            of_mirror.unsaved += usize::from(is_new);
        }
    }
}

/// What notes depend on beside the blobs: this version, and how it scans and packs.
static FORM: LazyLock<[u8; 32]> = LazyLock::new(|| {
    let hash = Sha256::new().chain_update(concat!("marked files 2 ", env!("CARGO_PKG_VERSION"), "\n"));
    hash.chain_update(kept::form()).finalize().into()
});

/// Writes files one after the other: blob after its length, embedding, and path, bytes and scan after theirs.
fn write(files: &[(Key, Packed)]) -> Vec<u8> {
    let mut out = Vec::new();
    for ((blob, embedded), file) in files {
        out.push(blob.bytes().len() as u8);
        out.extend_from_slice(blob.bytes());
        out.push(u8::from(*embedded == Embedded::Everywhere));
        for part in [file.path.as_bytes(), &file.bytes, &file.scan] {
            out.extend_from_slice(&(part.len() as u64).to_le_bytes());
            out.extend_from_slice(part);
        }
    }
    out
}

/// Reads what [`write()`] has written, up to what cannot be read.
fn read(notes: &[u8]) -> Vec<(Key, Packed)> {
    let mut rest = notes;
    std::iter::from_fn(|| file(&mut rest)).collect()
}

fn file(rest: &mut &[u8]) -> Option<(Key, Packed)> {
    let [length] = *take(rest, 1)?.first_chunk()?;
    let blob = ObjectId::from_bytes(take(rest, length.into())?)?;
    let embedded = Embedded::everywhere(take(rest, 1)? == [1]);
    let mut part = || {
        let length = u64::from_le_bytes(*take(rest, 8)?.first_chunk()?);
        take(rest, usize::try_from(length).ok()?)
    };
    let (path, bytes, scan) = (part()?, part()?, part()?);
    let path = std::str::from_utf8(path).ok()?.into();
    Some(((blob, embedded), Packed { path, bytes: bytes.into(), scan: scan.into() }))
}

fn take<'b>(rest: &mut &'b [u8], length: usize) -> Option<&'b [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
