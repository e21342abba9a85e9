//! A mirror on disk: a bare repository that one process at a time may use.
//!
//! Beside the folder lies a lock file; the operating system frees the lock when its holder dies, so that no lock is ever
//! stale. Everything is written in an order that leaves a usable mirror behind when the process is killed: the ends of the
//! history, then objects, then references. A mirror that cannot be read is thrown away; it holds nothing that the remote lacks.
//!
//! What is fetched stays, wanted or not, so that a mirror only grows. One that has become several times as large as it was at
//! first is thrown away as well, and with it the branches that were replaced and the history that is not needed.

mod lease;
mod packs;
mod retain;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use git2::{Repository, RepositoryInitOptions};
use sha2::{Digest, Sha256};

use super::clean::{CleanSet, Kept};
use super::error::Error;
use super::id::{ObjectFormat, ObjectId};
use super::object::{self, Objects};
use super::tree::Large;

pub(super) use self::lease::Lease;
pub(super) use self::retain::retain;

/// How many times as large as at first a mirror may become.
const GROWTH: u64 = 4;

/// How much more a mirror may take, which is what matters where it was small at first: 32 MiB.
const ROOM: u64 = 32 << 20;

/// The most tips told to the remote in a fetch.
const MAX_HAVES: usize = 256;

/// In front of all other backends of the object database.
const MEMORY_FIRST: i32 = 1_000;

/// libgit2's pack builder reads this setting as the size above which objects are not compared with each other. Comparing takes
/// most of the time of a push and finds little: new files and folders resemble their older selves, which are not in the pack.
const DELTA_LIMIT: &str = "pack.deltaCacheSize";

/// The file of what is known to hold no match.
const CLEAN: &str = "tagwright-clean";

/// The file that says how large the mirror was, in bytes.
const SIZE: &str = "tagwright-size";

/// The file that condemns a mirror whose damage was found while reading.
const BROKEN: &str = "tagwright-broken";

/// The file that says why the mirror was built anew, one reason a line; its age is how long ago that was.
const REBUILT: &str = "tagwright-rebuilt";

/// How long a mirror is not built anew again for the same reason: a day. What is damaged a second time came so.
const REBUILD_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// The most bytes of reasons that are kept.
const MAX_REASONS: usize = 4 << 10;

/// How many bytes are written to see whether there is room.
const PROBE: usize = 64 << 10;

/// Where those names are that are too long for a file.
pub(super) const NAMED: &str = "refs/named/";

/// The longest part of a name that is a file or a folder of the mirror, in bytes. File systems take 255, and the lock has an ending.
const MAX_PART: usize = 200;

/// The longest such name.
const MAX_NAME: usize = 1_000;

/// Returns the name that a reference of the remote has in the mirror, where each is a file.
pub(super) fn tip_name(reference: &str) -> String {
    match reference.len() > MAX_NAME || reference.split('/').any(|part| part.len() > MAX_PART) {
        true => {
            let hash = Sha256::digest(reference);
            format!("{NAMED}{}", hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect::<String>())
        }
        false => reference.to_owned(),
    }
}

/// What a mirror has by name.
pub(super) type Tips = BTreeMap<String, ObjectId>;

/// An open mirror.
pub(super) struct Store {
    folder: PathBuf,
    pub(super) repository: Repository,
    /// Objects that were built here and that no remote is known to have.
    pub(super) built: HashSet<ObjectId>,
    clean: Option<CleanSet>,
    /// The large folder that was last looked into.
    pub(super) large: RefCell<Option<Large>>,
    /// What the mirror has by name, once it was read: nobody else may write while the lease is held.
    tips: RefCell<Option<Arc<Tips>>>,
    kept: Arc<Kept>,
    _lease: Lease,
}

/// The next one to open the mirror finds what was known.
impl Drop for Store {
    fn drop(&mut self) {
        if let Some(clean) = self.clean.take() {
            self.kept.put(self.folder.join(CLEAN), clean);
        }
    }
}

impl Store {
    /// Opens the mirror, made anew where it is missing or cannot be used.
    pub(super) fn open(folder: &Path, lease: Lease, kept: Arc<Kept>) -> Result<Self, Error> {
        let repository = match open_existing(folder) {
            Some(repository) => repository,
            None => match fs::read_to_string(folder.join(BROKEN)) {
                Ok(reason) => recreate(folder, format_of(folder), &reason)?,
                Err(_) => create(folder, ObjectFormat::default())?,
            },
        };
        let (folder, built, large) = (folder.to_owned(), HashSet::new(), RefCell::new(None));
        let tips = RefCell::default();
        Ok(Self { folder, repository, built, clean: None, large, tips, kept, _lease: lease })
    }

    /// Throws everything away because it is damaged. What was built and not pushed goes with it.
    pub(super) fn rebuild(&mut self, reason: &str) -> Result<(), Error> {
        let fresh = recreate(&self.folder, self.format(), reason)?;
        self.replace(fresh);
        Ok(())
    }

    /// Makes the mirror anew where its remote names objects in another way, which a mirror does not know before it is first
    /// fetched into.
    pub(super) fn set_format(&mut self, format: ObjectFormat) -> Result<(), Error> {
        if format != self.format() {
            let fresh = create(&self.folder, format)?;
            self.replace(fresh);
        }
        Ok(())
    }

    fn replace(&mut self, fresh: Repository) {
        self.repository = fresh;
        self.built.clear();
        self.clean = None;
        self.large.take();
        self.tips.take();
    }

    /// How the mirror names its objects.
    pub(super) fn format(&self) -> ObjectFormat {
        ObjectFormat::of(self.repository.object_format())
    }

    /// Throws everything away when damage was found since it was opened.
    pub(super) fn rebuild_if_broken(&mut self) -> Result<(), Error> {
        match fs::read_to_string(self.folder.join(BROKEN)) {
            Ok(reason) => self.rebuild(&reason),
            Err(_) => Ok(()),
        }
    }

    /// Takes down how large the mirror is, from which on it may grow. That it cannot be written costs room, nothing else.
    pub(super) fn measure(&self) {
        let bytes = packs::sweep(&self.folder).map(|packs| packs::bytes(&packs));
        let _unsaved = bytes.and_then(|bytes| replace(&self.folder.join(SIZE), format!("{bytes}\n").as_bytes()));
    }

    /// Takes down how large the mirror is after its first fetch.
    pub(super) fn measure_once(&self) {
        if size(&self.folder).is_none() {
            self.measure();
        }
    }

    /// The folder of the packs.
    pub(super) fn packs(&self) -> PathBuf {
        self.folder.join("objects/pack")
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Takes the set of what is known to hold no match out, so that the store can be used beside it.
    pub(super) fn take_clean(&mut self, rule: &str) -> CleanSet {
        let clean = self.clean.take().filter(|clean| clean.is_for(rule));
        clean.unwrap_or_else(|| self.kept.take(&self.folder.join(CLEAN), rule))
    }

    /// Puts the set back, and onto the disk where it has changed. That it cannot be written costs time, nothing else.
    pub(super) fn put_clean(&mut self, mut clean: CleanSet) {
        let _unsaved = clean.save(&self.folder.join(CLEAN));
        self.clean = Some(clean);
    }

    /// The object database.
    pub(super) fn odb(&self) -> Result<Objects<'_>, Error> {
        Objects::of(&self.repository).map_err(|source| self.damaged(source))
    }

    /// Wraps a failure of libgit2 as damage of the mirror, and has it built anew the next time it is opened: unless the disk is
    /// to blame, or the remote, which gives the same again.
    pub(super) fn damaged(&self, source: git2::Error) -> Error {
        let path = self.folder.clone();
        if let Err(error) = self.probe() {
            return error;
        }
        if self.was_rebuilt(source.message()) {
            return Error::Incomplete { path, source };
        }
        match fs::write(path.join(BROKEN), source.message()) {
            Ok(()) => Error::Mirror { path, source },
            Err(source) => Error::File { what: "write", path: path.join(BROKEN), source },
        }
    }

    /// Forgets the reasons that begin so. That they cannot be forgotten costs a later fetch, nothing else.
    pub(super) fn forget_reasons(&self, prefix: &str) {
        let reasons = reasons(&self.folder);
        let kept = reasons.lines().filter(|line| !line.starts_with(prefix)).map(|line| format!("{line}\n"));
        let _unmarked = fs::write(self.folder.join(REBUILT), kept.collect::<String>());
    }

    /// Whether the mirror was built anew for this reason not long ago.
    pub(super) fn was_rebuilt(&self, reason: &str) -> bool {
        reasons(&self.folder).lines().any(|line| line == flat(reason))
    }

    /// Finds out whether files can be read and written in the mirror at all. libgit2 does not tell a full disk, or too many open
    /// files, from damage.
    pub(super) fn probe(&self) -> Result<(), Error> {
        let path = self.folder.join("tagwright-tmp-probe");
        let written = fs::write(&path, [0; PROBE]).and_then(|()| fs::remove_file(&path));
        let read = written.and_then(|()| File::open(self.folder.join("HEAD")).map(drop));
        read.map_err(|source| Error::File { what: "use the mirror", path: self.folder.clone(), source })
    }

    /// Returns what the mirror has been given by name. Each is a file, so that all are read once.
    pub(super) fn tips(&self) -> Result<Arc<Tips>, Error> {
        if let Some(tips) = &*self.tips.borrow() {
            return Ok(Arc::clone(tips));
        }
        let read = || {
            let mut tips = Tips::new();
            for reference in self.repository.references()? {
                let reference = reference?;
                if let (Ok(name), Some(id)) = (reference.name(), reference.target()) {
                    tips.insert(name.to_owned(), ObjectId::of(id));
                }
            }
            Ok(tips)
        };
        let tips = Arc::new(read().map_err(|source| self.damaged(source))?);
        Ok(Arc::clone(self.tips.borrow_mut().insert(tips)))
    }

    /// Takes in what became of a name.
    fn note_tip(&self, name: &str, id: Option<ObjectId>) {
        if let Some(tips) = &mut *self.tips.borrow_mut() {
            let tips = Arc::make_mut(tips);
            match id {
                Some(id) => drop(tips.insert(name.to_owned(), id)),
                None => drop(tips.remove(name)),
            }
        }
    }

    /// Returns the commits to tell a remote about.
    pub(super) fn haves(&self) -> Result<Vec<ObjectId>, Error> {
        let odb = self.odb()?;
        let commit = |id: ObjectId| {
            let peeled = odb.exists(id).then(|| object::peel(self, &odb, id));
            Some(peeled?.ok()??.object())
        };
        let haves: BTreeSet<_> = self.tips()?.values().take(MAX_HAVES).filter_map(|id| commit(*id)).collect();
        Ok(haves.into_iter().collect())
    }

    /// Makes `name` stand for `id`.
    pub(super) fn set_tip(&self, name: &str, id: ObjectId) -> Result<(), Error> {
        let set = || self.repository.reference(name, id.oid(self.format())?, true, "fetched");
        if set().is_ok() {
            self.note_tip(name, Some(id));
            return Ok(());
        }
        // A branch `a` that was deleted stands in the way of `a/b`, and the other way round.
        let beneath = |long: &str, short: &str| long.strip_prefix(short).is_some_and(|rest| rest.starts_with('/'));
        self.drop_tips(|tip| beneath(tip, name) || beneath(name, tip))?;
        set().map_err(|source| self.damaged(source))?;
        self.note_tip(name, Some(id));
        Ok(())
    }

    /// Forgets the names for which `unwanted` holds.
    pub(super) fn drop_tips(&self, unwanted: impl Fn(&str) -> bool) -> Result<(), Error> {
        for name in self.tips()?.keys().filter(|name| unwanted(name)) {
            let gone = self.repository.find_reference(name).and_then(|mut reference| reference.delete());
            gone.map_err(|source| self.damaged(source))?;
            self.note_tip(name, None);
        }
        Ok(())
    }

    /// Returns the commits whose parents the mirror does not have.
    pub(super) fn shallow(&self) -> BTreeSet<ObjectId> {
        let text = fs::read_to_string(self.folder.join("shallow")).unwrap_or_default();
        text.lines().filter_map(ObjectId::parse).collect()
    }

    /// Replaces the list of commits whose parents the mirror does not have.
    pub(super) fn set_shallow(&self, shallow: &BTreeSet<ObjectId>) -> Result<(), Error> {
        let text: String = shallow.iter().map(|id| format!("{id}\n")).collect();
        let path = self.folder.join("shallow");
        match text.is_empty() {
            true => fs::remove_file(&path).or_else(absent_is_fine),
            false => replace(&path, text.as_bytes()),
        }
        .map_err(|source| Error::File { what: "write", path, source })
    }
}

/// Writes a file so that it is there whole or not at all.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix("tagwright-tmp-").tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

fn open_existing(folder: &Path) -> Option<Repository> {
    let packs = packs::sweep(folder).ok().filter(|_| !folder.join(BROKEN).exists())?;
    let most = size(folder).map_or(u64::MAX, |at_first| at_first.saturating_mul(GROWTH).saturating_add(ROOM));
    let repository = Repository::open_bare(folder).ok()?;
    let format = ObjectFormat::of(repository.object_format());
    if packs::bytes(&packs) > most || !packs::end_well(&packs, format) || !is_list(&folder.join("shallow"), format) {
        return None;
    }
    packs::roll(folder, packs).ok()?;
    prepare(&repository).ok()?;
    Some(repository)
}

/// Makes an empty mirror in place of one that is damaged, and takes down why. That it cannot be written costs a fetch, nothing else.
fn recreate(folder: &Path, format: ObjectFormat, reason: &str) -> Result<Repository, Error> {
    let mut reasons = reasons(folder);
    if reasons.len() + reason.len() > MAX_REASONS {
        reasons.clear();
    }
    reasons.push_str(&flat(reason));
    reasons.push('\n');
    let repository = create(folder, format)?;
    let _unmarked = fs::write(folder.join(REBUILT), reasons);
    Ok(repository)
}

/// Why the mirror was built anew within the last day.
fn reasons(folder: &Path) -> String {
    let path = folder.join(REBUILT);
    let at = fs::metadata(&path).and_then(|file| file.modified());
    let age = at.ok().and_then(|at| SystemTime::now().duration_since(at).ok());
    let is_fresh = age.is_some_and(|age| age < REBUILD_INTERVAL);
    is_fresh.then(|| fs::read_to_string(&path).ok()).flatten().unwrap_or_default()
}

/// A reason on one line.
fn flat(reason: &str) -> String {
    reason.replace('\n', " ")
}

fn size(folder: &Path) -> Option<u64> {
    fs::read_to_string(folder.join(SIZE)).ok()?.trim().parse().ok()
}

/// Whether a file is absent or a list of ids. A remote that is not told where a history ends leaves out what is beyond.
fn is_list(path: &Path, format: ObjectFormat) -> bool {
    match fs::read_to_string(path) {
        Ok(text) => text.lines().all(|line| ObjectId::parse(line).is_some_and(|id| id.format() == format)),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// How the mirror in a folder names its objects, as far as it can be told.
fn format_of(folder: &Path) -> ObjectFormat {
    let repository = Repository::open_bare(folder);
    repository.map(|repository| ObjectFormat::of(repository.object_format())).unwrap_or_default()
}

/// Makes an empty mirror beside the old one and puts it in its place.
fn create(folder: &Path, format: ObjectFormat) -> Result<Repository, Error> {
    let failed = |source| Error::File { what: "create", path: folder.to_owned(), source };
    let damaged = |source| Error::Mirror { path: folder.to_owned(), source };
    let parent = folder.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(failed)?;
    // The mirror's name says whose lock is held by the process that makes these folders.
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    retain::clear(parent, &name).map_err(failed)?;
    let fresh = tempfile::Builder::new().prefix(&format!("new-{name}-")).tempdir_in(parent).map_err(failed)?;
    let mut options = RepositoryInitOptions::new();
    options.bare(true).external_template(false).no_reinit(true).object_format(format.git2());
    let repository = Repository::init_opts(fresh.path(), &options).map_err(damaged)?;
    repository.config().and_then(|mut config| config.set_i64(DELTA_LIMIT, 1)).map_err(damaged)?;
    if folder.exists() {
        // Renamed first, so that a kill while deleting leaves no half mirror behind.
        let old = tempfile::Builder::new().prefix(&format!("old-{name}-")).tempdir_in(parent).map_err(failed)?;
        fs::rename(folder, old.path().join("mirror")).map_err(failed)?;
    }
    fs::rename(fresh.path(), folder).map_err(failed)?;
    let _moved = fresh.keep();
    let repository = Repository::open_bare(folder).map_err(damaged)?;
    prepare(&repository).map_err(damaged)?;
    Ok(repository)
}

/// Puts the memory for new objects in front of the files.
fn prepare(repository: &Repository) -> Result<(), git2::Error> {
    repository.odb()?.add_new_mempack_backend(MEMORY_FIRST).map(drop)
}

fn absent_is_fine(error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    }
}
