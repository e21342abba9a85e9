//! Transactions, and going on after the disk was full.
//!
//! After a failure of the disk the library wants its file to be opened anew. That is done by the next call, so that a disk
//! that has space again is all it takes. A folder that somebody deletes takes the names of open files away and not the files,
//! so that writing goes on into nowhere: [`Engine::look`] notices it, and begins anew.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};

use redb::{Database, Durability, ReadTransaction, ReadableDatabase as _, WriteTransaction};

use super::error::Error;
use super::files::{Files, Identity, Lock};
use super::notice::Notice;
use super::open;
use super::ordered::Waiting;

/// After so many transactions that were not put onto the disk, the next one is. Without it, the space that they free is not
/// used again.
const MOST_RELAXED: u32 = 256;

/// The durability of a transaction: how soon it must be on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// Before the call returns.
    Now,
    /// With what is written next.
    Relaxed,
}

/// A database that is opened again when it has failed.
#[derive(Debug)]
pub(super) struct Engine {
    database: RwLock<Option<Database>>,
    relaxed: AtomicU32,
    waiting: Waiting,
    /// None in memory. Behind the database, so that the lock is dropped after it.
    disk: Option<Disk>,
}

/// Where a database is kept.
#[derive(Debug)]
struct Disk {
    files: Files,
    held: Mutex<Held>,
}

/// What a process has of a folder.
#[derive(Debug)]
struct Held {
    /// Of a folder that was deleted, until the one in its place could be locked.
    lock: Lock,
    /// The file of the database as it was opened.
    file: Option<Identity>,
}

impl Engine {
    pub(super) fn on_disk(database: Database, files: Files, lock: Lock, waiting: Waiting) -> Self {
        let held = Held { lock, file: files.identity().ok().flatten() };
        let disk = Disk { files, held: Mutex::new(held) };
        Self { database: RwLock::new(Some(database)), relaxed: AtomicU32::new(0), waiting, disk: Some(disk) }
    }

    pub(super) fn in_memory() -> Self {
        let database = RwLock::new(open::in_memory().ok());
        Self { database, relaxed: AtomicU32::new(0), waiting: Waiting::default(), disk: None }
    }

    pub(super) fn is_durable(&self) -> bool {
        self.disk.is_some()
    }

    /// Looks whether the folder can be written, and begins anew where it, or the file in it, was deleted. The notice says that
    /// it did.
    pub(super) fn look(&self) -> Result<Option<Notice>, Error> {
        let Some(disk) = &self.disk else { return Ok(None) };
        if disk.is_there() {
            return disk.files.probe().map(|()| None).map_err(|error| self.failed(error.into()));
        }
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        self.open(&mut database)
    }

    /// Runs one reading transaction.
    pub(super) fn read<T>(&self, work: impl Fn(&ReadTransaction) -> Result<T, redb::Error>) -> Result<T, Error> {
        self.with(|database| work(&database.begin_read()?))
    }

    /// Runs one writing transaction: all of it happens, or nothing.
    pub(super) fn write<T>(&self, work: impl Fn(&WriteTransaction) -> Result<T, redb::Error>) -> Result<T, Error> {
        self.write_at(|transaction| Ok((work(transaction)?, Pace::Now)))
    }

    /// As [`Engine::write`], for work that knows how soon it must be on the disk.
    pub(super) fn write_at<T>(
        &self,
        work: impl Fn(&WriteTransaction) -> Result<(T, Pace), redb::Error>,
    ) -> Result<T, Error> {
        self.with(|database| {
            let mut transaction = database.begin_write()?;
            let (answer, pace) = work(&transaction)?;
            let relaxed = match pace {
                Pace::Now => 0,
                Pace::Relaxed => (self.relaxed.load(Ordering::Relaxed) + 1) % MOST_RELAXED,
            };
            if relaxed > 0 {
                transaction.set_durability(Durability::None)?;
                transaction.commit()?;
            } else {
                self.waiting.during(|| transaction.commit())?;
            }
            self.relaxed.store(relaxed, Ordering::Relaxed);
            Ok(answer)
        })
    }

    fn with<T>(&self, work: impl Fn(&Database) -> Result<T, redb::Error>) -> Result<T, Error> {
        {
            let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(database) = database.as_ref() {
                match work(database) {
                    Err(error) if must_reopen(&error) => {}
                    answer => return answer.map_err(|error| self.failed(error)),
                }
            }
        }
        self.reopened(work)
    }

    /// Opens the file anew and tries once more.
    fn reopened<T>(&self, work: impl Fn(&Database) -> Result<T, redb::Error>) -> Result<T, Error> {
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(notice) = self.open(&mut database)? {
            tracing::warn!("{notice}");
        }
        let Some(fresh) = database.as_ref() else { return Err(self.failed(redb::Error::DatabaseClosed)) };
        let answer = work(fresh);
        if answer.as_ref().is_err_and(must_reopen) {
            *database = None;
        }
        answer.map_err(|error| self.failed(error))
    }

    /// Opens the file anew; in its folder, which is locked again where it was deleted. The notice says that it was.
    fn open(&self, database: &mut Option<Database>) -> Result<Option<Notice>, Error> {
        // Dropped first: the file has a lock.
        *database = None;
        let Some(disk) = &self.disk else {
            *database = Some(open::in_memory().map_err(|error| self.failed(error))?);
            return Ok(None);
        };
        let was_there = disk.is_there();
        let mut held = disk.held.lock().unwrap_or_else(PoisonError::into_inner);
        if !held.lock.is_of(&disk.files) {
            let lock = Lock::acquire(&disk.files).map_err(|error| self.failed(error.into()))?;
            held.lock = lock.ok_or_else(|| Error::InUse { path: disk.files.file.clone() })?;
        }
        let (fresh, notice) = open::database(&disk.files, &self.waiting).map_err(|error| self.failed(error))?;
        held.file = disk.files.identity().ok().flatten();
        *database = Some(fresh);
        let deleted = || (!was_there).then(|| Notice::Deleted { path: disk.files.file.clone() });
        Ok(notice.or_else(deleted))
    }

    fn failed(&self, source: redb::Error) -> Error {
        let path = self.disk.as_ref().map_or_else(|| PathBuf::from("memory"), |disk| disk.files.file.clone());
        Error::File { path, source: Box::new(source) }
    }
}

impl Disk {
    /// Whether lock and file are those in the folder, as far as that can be looked at.
    fn is_there(&self) -> bool {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let is_file = self.files.identity().map_or(true, |file| file == held.file);
        held.file.is_some() && is_file && held.lock.is_of(&self.files)
    }
}

/// Whether the database is of no use any more until its file is opened anew.
fn must_reopen(error: &redb::Error) -> bool {
    use redb::Error::{Corrupted, DatabaseClosed, Io, LockPoisoned, PreviousIo, TransactionPoisoned};
    matches!(error, Corrupted(_) | DatabaseClosed | Io(_) | LockPoisoned(_) | PreviousIo | TransactionPoisoned)
}
