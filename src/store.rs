//! The state that outlives a run: tag lists, when a tag was first seen, what was done, and what people asked for.
//!
//! An edge: it knows one file, `state.redb` in the data directory, and decides nothing. Git stays the source of truth; with
//! this file deleted, the bot makes the same commits. Opening it therefore never fails: a file that cannot be used is set
//! aside, and where nothing can be written, memory takes its place. The [`Notice`] says what happened and what cannot be
//! known again.
//!
//! Every call blocks, for one transaction. What people asked for, what was done, and a tag list that has changed are on the
//! disk when a call returns. That a tag list was polled and had not changed is written with what is written next, so that
//! a thousand polls a minute do not wear out a disk; after a kill, such a poll is forgotten, and nothing else. The same goes for
//! one of a process that has just ended, when the power fails.
//!
//! | file | subject |
//! |---|---|
//! | `place`, `open` | folder, lock, file, and what is put in its place |
//! | `schema` | tables, versions, migration |
//! | `engine` | transactions, and going on after the disk was full |
//! | `ordered` | how the file reaches the disk |
//! | `image`, `digests`, `history`, `switch`, `freeze`, `status`, `failing`, `owed` | what is kept |
//! | `error`, `notice` | what is said |
//! | `tags`, `time` | how tags and times are written |

mod digests;
mod engine;
mod error;
mod failing;
mod files;
mod freeze;
mod history;
mod image;
mod notice;
mod open;
mod order;
mod ordered;
mod owed;
mod requests;
mod schema;
mod status;
mod switch;
mod tags;
mod time;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use digests::Digests;
use engine::Engine;
use files::{Files, Lock};
use ordered::Waiting;
use tokio::sync::watch;

pub use error::Error;
pub(crate) use failing::Failing;
pub(crate) use files::LOCK;
pub use freeze::MAX_FREEZES;
pub use history::{Event, Filter, MAX_ANSWER_BYTES, MAX_RECORD_BYTES, MAX_RECORDS, Numbered, Pushes, Record, Toggle};
pub use image::{Image, Known, SeenTag};
pub use notice::Notice;
pub(crate) use order::obey;
pub(crate) use owed::Owed;
pub(crate) use requests::{OpenRequest, RequestState};
pub use schema::VERSION;
pub use status::MAX_STATUS_BYTES;
pub use switch::{MAX_REASON_BYTES, MAX_SWITCHES, Release, SeenBranch, Switch, Switches};

/// The longest text that is kept as a key or a field, in bytes. Longer ones are cut.
const MAX_TEXT: usize = 4 * 1024;

/// How long a store that is in use is waited for.
const PATIENCE: Duration = Duration::from_millis(500);

/// How often it is tried meanwhile.
const RETRY: Duration = Duration::from_millis(20);

/// The state that outlives a run. Cheap to clone; all clones share one file.
#[derive(Debug, Clone)]
pub struct Store {
    engine: Arc<Engine>,
    /// How often records were written, for those who wait for more.
    written: watch::Sender<u64>,
}

/// The result of opening a data directory. It is never a failure: a bot works without its memory, too.
#[derive(Debug)]
pub enum Opened {
    /// The store can be used.
    Ready {
        /// The store, in the directory or, as the notice then says, in memory.
        store: Store,
        /// The notice to show, where the state is not what it was.
        notice: Option<Notice>,
    },
    /// Another process uses the directory, such as a running bot.
    InUse {
        /// The file that it holds.
        path: PathBuf,
    },
}

impl Store {
    /// Opens the store in a data directory, which is made where it is missing. Blocks, for a time that grows with the file:
    /// all of it is read and verified. Whoever has it gets a moment to let go of it: a command that looks into it for
    /// an instant, a bot that is ending.
    pub fn open(folder: &Path) -> Opened {
        patiently(|| Self::attempt(folder))
    }

    /// Opens a copy of the store in a data directory, made in the folder `into`: what is known can be read, and nothing in the
    /// directory is changed or made. Blocks as [`open`](Self::open) does.
    pub fn open_copy(folder: &Path, into: &Path) -> Opened {
        let (original, copy) = (Files::new(folder), Files::new(into));
        patiently(|| match original.copy_to(&copy) {
            Ok(true) => Self::attempt(into),
            Ok(false) => Opened::InUse { path: original.file.clone() },
            Err(error) => Self::instead(&original, &error),
        })
    }

    fn attempt(folder: &Path) -> Opened {
        let files = Files::new(folder);
        let lock = match Lock::acquire(&files) {
            Ok(Some(lock)) => lock,
            Ok(None) => return Opened::InUse { path: files.file },
            Err(error) => return Self::instead(&files, &error),
        };
        let waiting = Waiting::default();
        let opened = files.probe().map_err(redb::Error::from).and_then(|()| open::database(&files, &waiting));
        match opened {
            Ok((database, notice)) => {
                let engine = Engine::on_disk(database, files, lock, waiting);
                Opened::Ready { store: Self::of(engine), notice }
            }
            Err(redb::Error::DatabaseAlreadyOpen) => Opened::InUse { path: files.file },
            Err(error) => Self::instead(&files, &error),
        }
    }

    /// Memory in place of files that cannot be used.
    fn instead(files: &Files, error: &dyn std::error::Error) -> Opened {
        let notice = Notice::InMemory { path: files.file.clone(), reason: error.to_string() };
        Opened::Ready { store: Self::in_memory(), notice: Some(notice) }
    }

    /// Returns a store that is gone with its last clone.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::of(Engine::in_memory())
    }

    fn of(engine: Engine) -> Self {
        Self { engine: Arc::new(engine), written: watch::Sender::new(0) }
    }

    /// Looks whether the data directory can still be used, and begins anew where it was deleted, which the notice says. Blocks.
    ///
    /// # Errors
    /// The directory cannot be written, for instance since the disk is full. The next look tries again.
    pub fn look(&self) -> Result<Option<Notice>, Error> {
        self.engine.look()
    }

    /// Whether what is kept here is still there when the process has ended.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        self.engine.is_durable()
    }
}

/// Whoever has the store gets a moment to let go of it.
fn patiently(attempt: impl Fn() -> Opened) -> Opened {
    let start = Instant::now();
    loop {
        match attempt() {
            Opened::InUse { .. } if start.elapsed() < PATIENCE => std::thread::sleep(RETRY),
            opened => return opened,
        }
    }
}

/// Cuts a text to at most `most` bytes, between characters.
fn cut(text: &mut String, most: usize) {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most));
    }
}
