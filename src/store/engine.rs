//! Transactions, and going on after the disk was full.
//!
//! After a failure of the disk the library wants its file to be opened anew. That is done by the next call, so that a disk
//! that has space again is all it takes.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{PoisonError, RwLock};

use redb::{Database, Durability, ReadTransaction, ReadableDatabase as _, WriteTransaction};

use super::error::Error;
use super::files::{Files, Lock};
use super::open;

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
    /// None in memory.
    files: Option<Files>,
    relaxed: AtomicU32,
    // Behind the database, so that it is dropped after it.
    _lock: Option<Lock>,
}

impl Engine {
    pub(super) fn on_disk(database: Database, files: Files, lock: Lock) -> Self {
        let database = RwLock::new(Some(database));
        Self { database, files: Some(files), relaxed: AtomicU32::new(0), _lock: Some(lock) }
    }

    pub(super) fn in_memory() -> Self {
        Self { database: RwLock::new(open::in_memory().ok()), files: None, relaxed: AtomicU32::new(0), _lock: None }
    }

    pub(super) fn is_durable(&self) -> bool {
        self.files.is_some()
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
            let waiting = match pace {
                Pace::Now => 0,
                Pace::Relaxed => (self.relaxed.load(Ordering::Relaxed) + 1) % MOST_RELAXED,
            };
            if waiting > 0 {
                transaction.set_durability(Durability::None)?;
            }
            transaction.commit()?;
            self.relaxed.store(waiting, Ordering::Relaxed);
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
        // Dropped first: the file has a lock.
        *database = None;
        let fresh = match &self.files {
            Some(files) => {
                let (fresh, notice) = open::database(files).map_err(|error| self.failed(error))?;
                if let Some(notice) = notice {
                    tracing::warn!("{notice}");
                }
                fresh
            }
            None => open::in_memory().map_err(|error| self.failed(error))?,
        };
        let answer = work(database.insert(fresh));
        if answer.as_ref().is_err_and(must_reopen) {
            *database = None;
        }
        answer.map_err(|error| self.failed(error))
    }

    fn failed(&self, source: redb::Error) -> Error {
        let path = self.files.as_ref().map_or_else(|| PathBuf::from("memory"), |files| files.file.clone());
        Error::File { path, source: Box::new(source) }
    }
}

/// Whether the database is of no use any more until its file is opened anew.
fn must_reopen(error: &redb::Error) -> bool {
    use redb::Error::{Corrupted, DatabaseClosed, Io, LockPoisoned, PreviousIo, TransactionPoisoned};
    matches!(error, Corrupted(_) | DatabaseClosed | Io(_) | LockPoisoned(_) | PreviousIo | TransactionPoisoned)
}
