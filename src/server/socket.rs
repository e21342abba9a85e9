//! The Unix socket in the data folder: private, and owned by one process at a time.
//!
//! Whoever holds the lock on `tagwright.lock` owns the socket, so that a file a killed process has left behind can be told
//! from a living bot. The socket is made under another name, closed to others, and then moved to its place: it is never
//! there with the wrong permissions, and never missing while an old one is replaced.

use std::fs::{self, File, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

use super::Error;
use super::address::{Address, SOCKET};

/// The file whose lock says who owns the socket.
const LOCK: &str = "tagwright.lock";

/// The permissions of the socket: commands are for the user who runs the bot.
const MODE: u32 = 0o600;

/// A bound socket; the file goes when this is dropped.
pub(super) struct Socket {
    pub(super) listener: UnixListener,
    path: PathBuf,
    /// Held as long as the socket is ours.
    _lock: File,
}

impl Socket {
    /// Makes the socket of a data folder, which exists.
    pub(super) fn bind(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(SOCKET);
        let failed = |source| Error::Socket { path: path.clone(), source };
        let lock = lock(&folder.join(LOCK)).map_err(failed)?;
        let lock = lock.ok_or_else(|| Error::Taken { folder: folder.to_owned() })?;
        let new = format!("{SOCKET}.new");
        remove(&folder.join(&new)).map_err(failed)?;
        let address = Address::new(folder).map_err(failed)?;
        let listener = UnixListener::bind(address.of(&new)).map_err(failed)?;
        fs::set_permissions(folder.join(&new), Permissions::from_mode(MODE)).map_err(failed)?;
        fs::rename(folder.join(&new), &path).map_err(failed)?;
        Ok(Self { listener, path, _lock: lock })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Left behind it does no harm: nobody listens, and the next bot replaces it.
        let _ = fs::remove_file(&self.path);
    }
}

/// Locks a file, or tells that another process has it. Where the file system knows no locks, nobody can have it.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let file = File::options().create(true).truncate(false).write(true).open(path)?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Ok(None),
        Ok(()) | Err(TryLockError::Error(_)) => Ok(Some(file)),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[tokio::test]
    async fn a_socket_is_private_and_goes_with_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let socket = Socket::bind(folder.path()).unwrap();
        let path = folder.path().join(SOCKET);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        UnixStream::connect(&path).unwrap();
        let other = Socket::bind(folder.path());
        assert!(matches!(other, Err(Error::Taken { .. })));
        UnixStream::connect(&path).expect("the other has not taken it away");
        drop(socket);
        assert!(!path.exists());
        Socket::bind(folder.path()).unwrap();
    }

    #[tokio::test]
    async fn what_a_killed_process_leaves_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(SOCKET);
        for name in [SOCKET, "tagwright.sock.new"] {
            drop(std::os::unix::net::UnixListener::bind(folder.path().join(name)).unwrap());
        }
        UnixStream::connect(&path).unwrap_err();
        let _socket = Socket::bind(folder.path()).unwrap();
        UnixStream::connect(&path).unwrap();
    }

    #[tokio::test]
    async fn a_long_path_is_no_obstacle() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a".repeat(120)).join("b".repeat(120));
        fs::create_dir_all(&deep).unwrap();
        let _socket = Socket::bind(&deep).unwrap();
        UnixStream::connect(Address::new(&deep).unwrap().of(SOCKET)).unwrap();
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_written_is_an_error_that_names_the_socket() {
        let error = Socket::bind(Path::new("/nonexistent/state")).err().unwrap();
        assert_eq!(error.to_string(), "cannot listen on /nonexistent/state/tagwright.sock");
    }
}
