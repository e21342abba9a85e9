//! Where the Unix socket of a bot is.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// The name of the socket in the data folder.
pub const SOCKET: &str = "tagwright.sock";

/// Names for the sockets of a folder that the system takes however long the folder's own name is.
///
/// An address of a Unix socket has room for about a hundred bytes. Linux has a short name for every open folder, which is
/// good as long as this value lives.
#[derive(Debug)]
pub(crate) struct Address {
    folder: PathBuf,
    open: Option<File>,
}

impl Address {
    /// Opens a folder.
    ///
    /// # Errors
    /// The folder cannot be opened.
    pub(crate) fn new(folder: &Path) -> io::Result<Self> {
        let open = cfg!(target_os = "linux").then(|| File::open(folder)).transpose()?;
        Ok(Self { folder: folder.to_owned(), open })
    }

    /// The path to bind or connect to for a file of the folder.
    #[must_use]
    pub(crate) fn of(&self, name: &str) -> PathBuf {
        match &self.open {
            Some(open) => PathBuf::from(format!("/proc/self/fd/{}/{name}", open.as_raw_fd())),
            None => self.folder.join(name),
        }
    }
}
