//! The right to use a mirror's folder.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::Error;

/// How often a lock that another process holds is tried again.
const INTERVAL: Duration = Duration::from_millis(25);

/// Nobody else may write, or read, what the bot takes for its mirrors.
const FOLDER_MODE: u32 = 0o700;

/// The right to use a mirror's folder, until dropped. The operating system frees the lock when its holder dies.
pub(crate) struct Lease {
    _file: File,
    path: PathBuf,
}

impl Lease {
    /// Takes the lock beside `folder`, waiting for at most `patience`. Blocks.
    pub(crate) fn acquire(folder: &Path, patience: Duration) -> Result<Self, Error> {
        let path = folder.with_extension("lock");
        let failed = |source| Error::File { what: "lock", path: path.clone(), source };
        if let Some(parent) = path.parent() {
            DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(parent).map_err(failed)?;
        }
        let start = Instant::now();
        loop {
            if let Some(lease) = Self::attempt(&path).map_err(failed)? {
                return Ok(lease);
            }
            if start.elapsed() >= patience {
                return Err(Error::Locked { path, waited: patience });
            }
            std::thread::sleep(INTERVAL.min(patience.saturating_sub(start.elapsed())));
        }
    }

    /// Takes the lock if it is free.
    fn attempt(path: &Path) -> io::Result<Option<Self>> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // The file may have been deleted between the two. Then the lock is one on a file that nobody else will find.
        let (held, found) = (file.metadata()?, fs::metadata(path));
        let is_same = found.is_ok_and(|found| (found.dev(), found.ino()) == (held.dev(), held.ino()));
        Ok(is_same.then(|| Self { _file: file, path: path.to_owned() }))
    }

    /// Deletes the lock file and gives up the lock. The mirror must be gone.
    pub(super) fn delete(self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}
