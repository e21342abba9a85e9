//! The Unix socket in the data folder: private, and owned by one process at a time.
//!
//! Whoever holds the lock on `tagwright.lock` owns the socket, so that a file a killed process has left behind can be told
//! from a living bot. The socket is made under another name, closed to others, and then moved to its place: it is never
//! there with the wrong permissions, and never missing while an old one is replaced.

use std::fs::{self, File, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::UnixListener;

use super::Error;
use super::address::{Address, SOCKET};

/// The file whose lock says who owns the socket.
const LOCK: &str = "tagwright.lock";

/// How often it is looked whether the socket is still there.
pub(super) const LOOK: Duration = Duration::from_secs(2);

/// The permissions of the socket: commands are for the user who runs the bot.
const MODE: u32 = 0o600;

/// A bound socket; the file goes when this is dropped.
pub(super) struct Socket {
    pub(super) listener: UnixListener,
    path: PathBuf,
    /// Its file, by device and inode.
    file: (u64, u64),
    /// Held as long as the socket is ours.
    lock: File,
}

impl Socket {
    /// Makes the socket of a data folder, which exists.
    pub(super) fn bind(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(SOCKET);
        let failed = |source| Error::Socket { path: path.clone(), source };
        let lock = lock(&folder.join(LOCK)).map_err(failed)?;
        let lock = lock.ok_or_else(|| Error::Taken { folder: folder.to_owned() })?;
        let (listener, file) = listen(folder).map_err(failed)?;
        Ok(Self { listener, path, file, lock })
    }

    /// Makes it anew after somebody has deleted it, perhaps with its folder. The lock is not let go of meanwhile.
    pub(super) fn renew(&mut self) -> Result<(), Error> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let failed = |source| Error::Socket { path: self.path.clone(), source };
        let ours = self.lock.metadata().map(|metadata| (metadata.dev(), metadata.ino())).map_err(failed)?;
        let other = match identity(&folder.join(LOCK)) {
            Ok(there) if there == ours => None,
            _ => Some(lock(&folder.join(LOCK)).map_err(failed)?),
        };
        let other = other.map(|lock| lock.ok_or_else(|| Error::Taken { folder: folder.to_owned() })).transpose()?;
        let (listener, file) = listen(folder).map_err(failed)?;
        (self.listener, self.file) = (listener, file);
        if let Some(other) = other {
            self.lock = other;
        }
        Ok(())
    }

    /// Waits until somebody has deleted it. What cannot be looked at, in a folder that was closed to us, is still there.
    pub(super) async fn gone(&self) {
        let is_there = || match identity(&self.path) {
            Ok(file) => file == self.file,
            Err(error) => !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory),
        };
        while is_there() {
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// Makes the socket of a folder, and tells which file it is.
fn listen(folder: &Path) -> io::Result<(UnixListener, (u64, u64))> {
    let new = format!("{SOCKET}.new");
    remove(&folder.join(&new))?;
    let address = Address::new(folder)?;
    let listener = UnixListener::bind(address.of(&new))?;
    fs::set_permissions(folder.join(&new), Permissions::from_mode(MODE))?;
    fs::rename(folder.join(&new), folder.join(SOCKET))?;
    Ok((listener, identity(&folder.join(SOCKET))?))
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Left behind it does no harm: nobody listens, and the next bot replaces it. What is in its place is another's.
        if identity(&self.path).is_ok_and(|file| file == self.file) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// What tells a file from another one of its name: device and inode.
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
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

    /// As in a folder that was given to somebody else, which root may look into all the same: here a link to itself stands in its place.
    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_looked_at_is_still_there() {
        let folder = tempfile::tempdir().unwrap();
        let (data, aside) = (folder.path().join("data"), folder.path().join("aside"));
        fs::create_dir(&data).unwrap();
        let mut socket = Socket::bind(&data).unwrap();
        fs::rename(&data, &aside).unwrap();
        std::os::unix::fs::symlink(&data, &data).unwrap();
        tokio::time::timeout(LOOK * 3, socket.gone()).await.expect_err("it is taken for gone");
        socket.renew().unwrap_err();
        assert!(matches!(Socket::bind(&aside), Err(Error::Taken { .. })), "the lock is let go of");

        fs::remove_file(&data).unwrap();
        fs::rename(&aside, &data).unwrap();
        fs::remove_file(data.join(SOCKET)).unwrap();
        socket.gone().await;
        socket.renew().unwrap();
        UnixStream::connect(data.join(SOCKET)).unwrap();
        assert!(matches!(Socket::bind(&data), Err(Error::Taken { .. })));
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
