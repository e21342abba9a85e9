//! From a folder to a database that can be used.

use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use redb::backends::FileBackend;
use redb::{Builder, Database, ReadableDatabase as _};

use super::files::Files;
use super::notice::Notice;
use super::ordered::{Ordered, Waiting};
use super::schema::{self, Layout};

/// How much of the file is kept in memory. The default of the library is a gigabyte.
const CACHE_BYTES: usize = 2 * 1024 * 1024;
/// A file smaller than this is never made smaller.
const COMPACT_ABOVE: u64 = 8 * 1024 * 1024;

/// Opens the database in its file, or makes one. Fails where the machine does not let it, never for what is in the file.
///
/// The caller has the lock beside it.
pub(super) fn database(files: &Files, waiting: &Waiting) -> Result<(Database, Option<Notice>), redb::Error> {
    let path = files.file.clone();
    match load(files, waiting)? {
        Loaded::Whole(database) => Ok((database, None)),
        Loaded::Absent => Ok((create(files, waiting)?, None)),
        Loaded::Newer(version) => {
            let aside = files.set_newer_aside(version)?;
            Ok((create(files, waiting)?, Some(Notice::Newer { path, aside, version })))
        }
        Loaded::Damaged(reason) => {
            let aside = files.set_damaged_aside()?;
            Ok((create(files, waiting)?, Some(Notice::Damaged { path, aside, reason })))
        }
    }
}

/// Returns a database that is not in a file.
pub(super) fn in_memory() -> Result<Database, redb::Error> {
    let database = builder().create_with_backend(redb::backends::InMemoryBackend::new())?;
    schema::create(&database)?;
    Ok(database)
}

enum Loaded {
    Whole(Database),
    Absent,
    Newer(u64),
    Damaged(String),
}

fn load(files: &Files, waiting: &Waiting) -> Result<Loaded, redb::Error> {
    let Some(file) = files.existing()? else { return Ok(Loaded::Absent) };
    // The library has assertions about what it reads, so that damage may also be a panic.
    let verified = catch_unwind(AssertUnwindSafe(|| verify(file, waiting)));
    match verified.unwrap_or_else(|_| Err(redb::Error::Corrupted("it breaks the library's assumptions".to_owned()))) {
        Ok(loaded) => Ok(loaded),
        Err(error) if is_damage(&error) => Ok(Loaded::Damaged(error.to_string())),
        Err(error) => Err(error),
    }
}

fn verify(file: File, waiting: &Waiting) -> Result<Loaded, redb::Error> {
    let length = file.metadata()?.len();
    let mut database = on(file, waiting)?;
    database.check_integrity()?;
    match schema::layout(&database)? {
        Layout::Newer(version) => return Ok(Loaded::Newer(version)),
        Layout::Older(version) => waiting.during(|| schema::migrate(&database, version))?,
        Layout::Current => {}
    }
    schema::verify(&database.begin_read()?)?;
    if length > COMPACT_ABOVE && used(&database)? < length / 2 {
        // That it cannot be made smaller, for want of space, is no reason not to use it.
        let _larger = database.compact();
    }
    Ok(Loaded::Whole(database))
}

/// Returns how many bytes of the file hold something.
fn used(database: &Database) -> Result<u64, redb::Error> {
    let transaction = database.begin_write()?;
    let stats = transaction.stats()?;
    transaction.abort()?;
    Ok(stats.allocated_pages() * stats.page_size() as u64)
}

/// Makes an empty database. It gets its name when it is whole, so that a kill leaves none that is half made.
fn create(files: &Files, waiting: &Waiting) -> Result<Database, redb::Error> {
    let file = files.fresh()?;
    let database = waiting.during(|| {
        let database = on(file, waiting)?;
        schema::create(&database).map(|()| database)
    })?;
    files.put_fresh()?;
    Ok(database)
}

fn on(file: File, waiting: &Waiting) -> Result<Database, redb::Error> {
    Ok(builder().create_with_backend(Ordered::new(FileBackend::new(file)?, waiting))?)
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

/// Whether the file is to blame, and not the machine.
fn is_damage(error: &redb::Error) -> bool {
    match error {
        redb::Error::Io(error) => matches!(
            error.kind(),
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput
        ),
        redb::Error::DatabaseAlreadyOpen | redb::Error::PreviousIo | redb::Error::Unsupported => false,
        _ => true,
    }
}
