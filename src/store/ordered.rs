//! The file of the database, put onto the disk no more often than it has to be.
//!
//! The library waits for the disk after whatever it writes about itself: that the file is open, that it was verified, that it is
//! closed. Each such wait may take longer than all else that a run does which finds nothing to do. What the file needs to stay
//! whole is an order: the pages before the header that refers to them, and that header before the pages of the next one. So a
//! header that nobody waits for is put onto the disk with the next pages, and before them.

use std::io;
use std::ops::Bound;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};

/// Where the header ends, in bytes, which is rewritten in its place. The first page of the library's has it and nothing else.
const HEADER_END: u64 = 4096;

/// How many wait until what they write is on the disk. All clones count together.
#[derive(Debug, Clone, Default)]
pub(super) struct Waiting(Arc<AtomicUsize>);

impl Waiting {
    /// Somebody waits for what is written while `work` runs.
    pub(super) fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        self.0.fetch_add(1, Ordering::SeqCst);
        let done = work();
        self.0.fetch_sub(1, Ordering::SeqCst);
        done
    }

    fn is_any(&self) -> bool {
        self.0.load(Ordering::SeqCst) > 0
    }
}

/// A file that reaches the disk in order. Without a file in tests.
#[derive(Debug)]
pub(super) struct Ordered<F = FileBackend> {
    file: F,
    waiting: Waiting,
    ahead: Mutex<Ahead>,
}

/// What of a file may not be on the disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Ahead {
    /// Something was written since the library last asked for it to be there.
    header: bool,
    /// As for the header.
    pages: bool,
    /// It was asked for a header alone, which is still to come.
    put_off: bool,
}

impl<F: StorageBackend> Ordered<F> {
    pub(super) fn new(file: F, waiting: &Waiting) -> Self {
        Self { file, waiting: waiting.clone(), ahead: Mutex::default() }
    }

    fn ahead(&self) -> MutexGuard<'_, Ahead> {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Before pages change, a header that was put off has its turn.
    fn before_pages(&self) -> io::Result<()> {
        let mut ahead = self.ahead();
        if std::mem::take(&mut ahead.put_off) {
            self.file.sync_data()?;
        }
        ahead.pages = true;
        Ok(())
    }
}

impl<F: StorageBackend> StorageBackend for Ordered<F> {
    fn sync_data(&self) -> io::Result<()> {
        let mut ahead = self.ahead();
        let was = std::mem::take(&mut *ahead);
        if was == Ahead::default() {
            return Ok(());
        }
        if was.pages || self.waiting.is_any() {
            return self.file.sync_data();
        }
        ahead.put_off = true;
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        match offset < HEADER_END {
            true => self.ahead().header = true,
            false => self.before_pages()?,
        }
        self.file.write(offset, data)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.before_pages()?;
        self.file.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};

    use redb::{Builder, Database, Durability, ReadableDatabase as _, TableDefinition};

    use super::*;

    const TABLE: TableDefinition<'_, u64, u64> = TableDefinition::new("rows");

    /// What reached a disk, and what somebody was told.
    #[derive(Debug, Clone)]
    enum Step {
        Write(u64, Vec<u8>),
        Length(u64),
        Sync,
        /// Somebody was told that this number is kept.
        Kept(u64),
    }

    /// A file in memory that remembers how it came about.
    #[derive(Debug, Clone, Default)]
    struct Recorder {
        bytes: Arc<Mutex<Vec<u8>>>,
        steps: Arc<Mutex<Vec<Step>>>,
    }

    impl Recorder {
        fn step(&self, step: Step) {
            apply(&mut self.bytes.lock().unwrap(), &step);
            self.steps.lock().unwrap().push(step);
        }
    }

    fn apply(bytes: &mut Vec<u8>, step: &Step) {
        match step {
            Step::Write(offset, data) => {
                let start = usize::try_from(*offset).unwrap();
                bytes[start..start + data.len()].copy_from_slice(data);
            }
            Step::Length(length) => bytes.resize(usize::try_from(*length).unwrap(), 0),
            Step::Sync | Step::Kept(_) => {}
        }
    }

    impl StorageBackend for Recorder {
        fn len(&self) -> io::Result<u64> {
            Ok(self.bytes.lock().unwrap().len() as u64)
        }

        fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
            let start = usize::try_from(offset).unwrap();
            out.copy_from_slice(&self.bytes.lock().unwrap()[start..start + out.len()]);
            Ok(())
        }

        fn set_len(&self, length: u64) -> io::Result<()> {
            self.step(Step::Length(length));
            Ok(())
        }

        fn sync_data(&self) -> io::Result<()> {
            self.step(Step::Sync);
            Ok(())
        }

        fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
            self.step(Step::Write(offset, data.to_vec()));
            Ok(())
        }
    }

    fn open(file: impl StorageBackend) -> Database {
        let mut database = Builder::new().create_with_backend(file).unwrap();
        database.check_integrity().unwrap();
        database
    }

    fn newest(database: &Database) -> u64 {
        let transaction = database.begin_read().unwrap();
        let Ok(table) = transaction.open_table(TABLE) else { return 0 };
        table.get(0).unwrap().map_or(0, |number| number.value())
    }

    /// A process that writes so many numbers, of which somebody waits for each third, and then ends.
    fn process(file: &Recorder, numbers: u64) {
        let waiting = Waiting::default();
        let database = open(Ordered::new(file.clone(), &waiting));
        let first = newest(&database) + 1;
        for number in first..first + numbers {
            let mut transaction = database.begin_write().unwrap();
            {
                let mut table = transaction.open_table(TABLE).unwrap();
                table.insert(0, number).unwrap();
                table.insert(number % 40, number).unwrap();
            }
            match number % 3 == 0 {
                true => waiting.during(|| transaction.commit().unwrap()),
                false => {
                    transaction.set_durability(Durability::None).unwrap();
                    transaction.commit().unwrap();
                }
            }
            if number % 3 == 0 {
                file.step(Step::Kept(number));
            }
        }
    }

    #[test]
    fn what_somebody_waited_for_is_there_whenever_the_power_fails() {
        let file = Recorder::default();
        let waiting = Waiting::default();
        waiting.during(|| drop(open(Ordered::new(file.clone(), &waiting))));
        let begin = file.steps.lock().unwrap().len();
        for numbers in [0, 1, 7, 1, 1, 20, 2, 0, 1, 9] {
            process(&file, numbers);
        }
        let steps = file.steps.lock().unwrap().clone();
        // What is certainly on the disk, and what came after it.
        let (mut certain, mut after, mut kept) = (Vec::new(), Vec::new(), 0);
        for (at, step) in steps.iter().enumerate() {
            match step {
                Step::Sync => after.drain(..).for_each(|step| apply(&mut certain, step)),
                Step::Kept(number) => kept = *number,
                Step::Write(..) | Step::Length(_) => after.push(step),
            }
            if at < begin {
                continue;
            }
            for trial in 0..4 {
                let arrived = |which: usize| match trial {
                    0 => false,
                    1 => true,
                    _ => {
                        let mut hasher = DefaultHasher::new();
                        (at, trial, which).hash(&mut hasher);
                        hasher.finish().is_multiple_of(2)
                    }
                };
                let mut bytes = certain.clone();
                // A length is the file system's, which keeps its own order.
                let some =
                    after.iter().enumerate().filter(|(which, step)| matches!(step, Step::Length(_)) || arrived(*which));
                some.for_each(|(_, step)| apply(&mut bytes, step));
                let database = open(Recorder { bytes: Arc::new(Mutex::new(bytes)), ..Recorder::default() });
                assert!(
                    newest(&database) >= kept,
                    "{} < {kept} after {at} of {} steps",
                    newest(&database),
                    steps.len()
                );
            }
        }
        assert!(kept > 30);
    }

    #[test]
    fn a_run_that_nobody_waits_for_costs_two_waits() {
        let file = Recorder::default();
        process(&file, 1);
        file.steps.lock().unwrap().clear();
        process(&file, 1);
        let syncs = file.steps.lock().unwrap().iter().filter(|step| matches!(step, Step::Sync)).count();
        assert_eq!(syncs, 2);
    }
}
