//! The folder, the file in it, and the lock beside it.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Nobody else may read which images and repositories a machine follows.
const FOLDER_MODE: u32 = 0o700;
/// As for the folder.
const FILE_MODE: u32 = 0o600;
/// That others than the owner and the group may write.
const OTHERS_WRITE: u32 = 0o002;
/// That in a folder that many may write, each may only delete what is its own.
const STICKY: u32 = 0o1000;
/// How much is written to find out whether something can be, in bytes: a block, so that a full disk is noticed.
const PROBE_BYTES: usize = 4096;
/// The folder of the Git mirrors.
const MIRRORS: &str = "mirrors";
/// How many files of newer versions are kept before no name is found for one more.
const MAX_ASIDE: usize = 100;

/// The name of the file in a data directory that is locked as long as a process uses the directory.
pub(crate) const LOCK: &str = "state.lock";

/// What tells a file from another one of its name: device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity(u64, u64);

impl From<&fs::Metadata> for Identity {
    fn from(metadata: &fs::Metadata) -> Self {
        Self(metadata.dev(), metadata.ino())
    }
}

/// The paths of the state.
#[derive(Debug, Clone)]
pub(super) struct Files {
    pub(super) folder: PathBuf,
    pub(super) file: PathBuf,
}

impl Files {
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), file: folder.join("state.redb") }
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let mut name = OsString::from(&self.file);
        name.push(ending);
        PathBuf::from(name)
    }

    /// Which file is at the path of the state now, if there is one.
    ///
    /// # Errors
    /// It cannot be looked at.
    pub(super) fn identity(&self) -> io::Result<Option<Identity>> {
        identity(&self.file)
    }

    /// Finds out whether files can be written in the folder, and in that of the mirrors where there is one.
    pub(super) fn probe(&self) -> io::Result<()> {
        let mirrors = Some(self.folder.join(MIRRORS)).filter(|mirrors| !matches!(mirrors.try_exists(), Ok(false)));
        for folder in [Some(self.folder.clone()), mirrors].into_iter().flatten() {
            let path = folder.join(".probe");
            let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(FILE_MODE).open(&path)?;
            let written = file.write_all(&[0; PROBE_BYTES]);
            fs::remove_file(&path)?;
            written?;
        }
        Ok(())
    }

    /// Opens the file. None if there is none, or if nothing was ever written into it.
    pub(super) fn existing(&self) -> io::Result<Option<File>> {
        let file = match OpenOptions::new().read(true).write(true).open(&self.file) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let metadata = file.metadata()?;
        // Another user's file may be writable all the same, and then has the mode that its owner wants.
        let _unchanged = file.set_permissions(fs::Permissions::from_mode(FILE_MODE));
        Ok((metadata.len() > 0).then_some(file))
    }

    /// Copies the file, if there is one, into another folder, and changes nothing in this one. False if another process uses it.
    pub(super) fn copy_to(&self, other: &Self) -> io::Result<bool> {
        let lock = match File::open(self.folder.join(LOCK)) {
            Ok(lock) => Some(lock),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        match lock.as_ref().map_or(Ok(()), File::try_lock) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(false),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        match fs::copy(&self.file, &other.file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(true),
        }
    }

    /// Makes an empty file under a passing name.
    pub(super) fn fresh(&self) -> io::Result<File> {
        let path = self.beside(".new");
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        OpenOptions::new().read(true).write(true).create_new(true).mode(FILE_MODE).open(path)
    }

    /// Puts the file with the passing name in its place.
    pub(super) fn put_fresh(&self) -> io::Result<()> {
        fs::rename(self.beside(".new"), &self.file)?;
        File::open(&self.folder)?.sync_all()
    }

    /// Sets a damaged file aside, in place of the last one: it is there for whoever wants to know why.
    pub(super) fn set_damaged_aside(&self) -> io::Result<PathBuf> {
        let aside = self.beside(".damaged");
        fs::rename(&self.file, &aside)?;
        Ok(aside)
    }

    /// Sets a file of a newer version aside, beside those that are there.
    pub(super) fn set_newer_aside(&self, version: u64) -> io::Result<PathBuf> {
        let name = |number: usize| match number {
            0 => self.beside(&format!(".newer-{version}")),
            _ => self.beside(&format!(".newer-{version}.{number}")),
        };
        let is_free = |path: &PathBuf| matches!(path.try_exists(), Ok(false));
        let aside = (0..MAX_ASIDE).map(name).find(is_free).ok_or(io::ErrorKind::AlreadyExists)?;
        fs::rename(&self.file, &aside)?;
        Ok(aside)
    }
}

/// Takes from others the right to write into the folder, and says so: whoever can put files there decides what the bot takes for
/// its own state and mirrors. Where that cannot be, because the folder is somebody else's or one like `/tmp`, it is only said.
fn close(folder: &Path) -> io::Result<()> {
    let mode = fs::metadata(folder)?.permissions().mode();
    if mode & OTHERS_WRITE == 0 {
        return Ok(());
    }
    let closed = fs::Permissions::from_mode(mode & !OTHERS_WRITE & 0o7777);
    let shown = folder.display();
    match mode & STICKY == 0 && fs::set_permissions(folder, closed).is_ok() {
        true => tracing::warn!(
            "the data directory {shown} could be written by everybody on this machine; it cannot any more"
        ),
        false => tracing::warn!(
            "the data directory {shown} can be written by everybody on this machine, who can change what is remembered there; \
             use one of your own"
        ),
    }
    Ok(())
}

/// The right to use the folder, until dropped. The operating system frees it when the process dies.
///
/// The file of the state has a lock of its own, but that goes with the file when it is set aside.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
}

impl Lock {
    /// Takes the lock; none if another process has it.
    pub(super) fn acquire(files: &Files) -> io::Result<Option<Self>> {
        if files.folder.exists() && !files.folder.is_dir() {
            return Err(io::Error::new(io::ErrorKind::NotADirectory, "it is not a folder"));
        }
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(&files.folder)?;
        close(&files.folder)?;
        let path = files.folder.join(LOCK);
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(FILE_MODE).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Whether this is the lock of the folder, and not of one that was deleted. That cannot be told of a folder that somebody has
    /// closed to us; then it is, since whoever may look into it would take us for dead otherwise.
    pub(super) fn is_of(&self, files: &Files) -> bool {
        match (identity(&files.folder.join(LOCK)), self.file.metadata()) {
            (Ok(there), Ok(ours)) => there == Some(Identity::from(&ours)),
            _ => true,
        }
    }
}

fn identity(path: &Path) -> io::Result<Option<Identity>> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(Identity::from(&metadata))),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}
