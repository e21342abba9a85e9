//! A plain directory as source and target of edits.
//!
//! Nothing but regular files below the root is read or written: no symbolic link is followed, `.git` is left alone, and a
//! file is replaced in one step (written beside, then renamed), so that a reader sees the old or the new file, never half.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::failure::{Failure, Kind};

/// Folders may nest this deep.
pub(crate) const MAX_DEPTH: usize = 256;

/// Larger files are not read; [`Found::oversized`] names them.
pub(crate) const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// From how many files on a second thread pays.
const FILES_PER_THREAD: usize = 500;

/// A file system operation that failed.
#[derive(Debug, Error)]
pub(crate) enum Error {
    /// A file or folder could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The root is a symbolic link to a file, which a write would replace.
    #[error("{} is a symbolic link, which is not followed", path.display())]
    Link {
        /// Where.
        path: PathBuf,
    },
    /// The root is a pipe, a socket or a device.
    #[error("{} is neither a file nor a folder", path.display())]
    Special {
        /// Where.
        path: PathBuf,
    },
    /// Folders nest deeper than [`MAX_DEPTH`].
    #[error("{} nests more than {MAX_DEPTH} folders deep", path.display())]
    TooDeep {
        /// Where.
        path: PathBuf,
    },
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match &error {
            Error::Read { source, .. } | Error::Write { source, .. } => Self::from(source).under(error.to_string()),
            Error::Link { .. } => Self::of(Kind::Config, &error).with_hint(Some("name the file that it leads to")),
            Error::Special { .. } => Self::of(Kind::Config, &error),
            Error::TooDeep { .. } => Self::of(Kind::Denied, &error),
        }
    }
}

/// Which files are looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Search {
    /// By the path below the root, with `/` between folders.
    pub(crate) is_candidate: fn(&str) -> bool,
    /// By content.
    pub(crate) contains: fn(&[u8]) -> bool,
}

/// What a search found, in lexical order.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Paths below the root with the files' bytes.
    pub(crate) files: Vec<(String, Vec<u8>)>,
    /// Candidates larger than [`MAX_FILE_BYTES`].
    pub(crate) oversized: Vec<String>,
    /// Candidates that are symbolic links to files with what is searched for. They are not followed.
    pub(crate) links: Vec<String>,
}

/// Finds the files below `root` that a search asks for; `root` may be a file itself, or a link to a folder.
///
/// # Errors
/// The root, a folder or a candidate below it cannot be read, the root is no file and no folder, or folders nest too deep.
pub(crate) fn search(root: &Path, search: Search) -> Result<Found, Error> {
    let metadata = fs::metadata(root).map_err(|source| Error::Read { path: root.to_owned(), source })?;
    let mut candidates = Candidates::default();
    if metadata.is_dir() {
        walk(root, "", 0, search, &mut candidates)?;
    } else if !metadata.is_file() {
        return Err(Error::Special { path: root.to_owned() });
    } else if root.is_symlink() {
        return Err(Error::Link { path: root.to_owned() });
    } else {
        let name = root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if (search.is_candidate)(&name) {
            candidates.files.push((name, root.to_owned()));
        }
    }
    let matters = |path: &String| leads_to_match(&root.join(path), search);
    let mut found = Found { links: candidates.links.into_iter().filter(matters).collect(), ..Found::default() };
    for look in read_all(&candidates.files, search)? {
        match look {
            Look::Match(path, bytes) => found.files.push((path, bytes)),
            Look::Oversized(path) => found.oversized.push(path),
        }
    }
    Ok(found)
}

/// Whether a file in the place of a link would have been found. One that cannot be read would not.
fn leads_to_match(link: &Path, search: Search) -> bool {
    let is_small = |metadata: &fs::Metadata| metadata.is_file() && metadata.len() <= MAX_FILE_BYTES;
    fs::metadata(link).is_ok_and(|metadata| is_small(&metadata))
        && fs::read(link).is_ok_and(|it| (search.contains)(&it))
}

/// Whether something is at a path below `root`, with `/` between folders, without following a link on the way.
#[must_use]
pub(crate) fn exists(root: &Path, path: &str) -> bool {
    let mut at = root.to_owned();
    let mut parts = path.split('/').filter(|part| !part.is_empty()).peekable();
    while let Some(part) = parts.next() {
        at.push(part);
        let Ok(metadata) = fs::symlink_metadata(&at) else { return false };
        if parts.peek().is_some() && !metadata.is_dir() {
            return false;
        }
    }
    true
}

/// Reads one file below `root`, with `/` between folders, without following a link; none where it is no file, cannot be read,
/// or is larger than [`MAX_FILE_BYTES`].
#[must_use]
pub(crate) fn read_one(root: &Path, path: &str) -> Option<Vec<u8>> {
    let at = root.join(path);
    let is_file =
        exists(root, path) && fs::symlink_metadata(&at).is_ok_and(|it| it.is_file() && it.len() <= MAX_FILE_BYTES);
    if is_file { fs::read(&at).ok() } else { None }
}

/// What is to be looked at.
#[derive(Default)]
struct Candidates {
    /// Below the root, and as the file system names it.
    files: Vec<(String, PathBuf)>,
    links: Vec<String>,
}

fn walk(folder: &Path, prefix: &str, depth: usize, search: Search, found: &mut Candidates) -> Result<(), Error> {
    if depth > MAX_DEPTH {
        return Err(Error::TooDeep { path: folder.to_owned() });
    }
    let failed = |source| Error::Read { path: folder.to_owned(), source };
    let mut entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(failed)?;
    entries.sort_by_cached_key(fs::DirEntry::file_name);
    for entry in entries {
        // A name that is no UTF-8 cannot be one of a commit's paths either, so it is passed over.
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
        let kind = entry.file_type().map_err(|source| Error::Read { path: entry.path(), source })?;
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
        if kind.is_dir() && name != ".git" {
            walk(&entry.path(), &path, depth + 1, search, found)?;
        } else if kind.is_file() && (search.is_candidate)(&path) {
            found.files.push((path, entry.path()));
        } else if kind.is_symlink() && (search.is_candidate)(&path) {
            found.links.push(path);
        }
    }
    Ok(())
}

/// A candidate that was looked into and is worth mentioning.
enum Look {
    Match(String, Vec<u8>),
    Oversized(String),
}

/// Looks into all candidates, with two threads when they are many.
fn read_all(candidates: &[(String, PathBuf)], search: Search) -> Result<Vec<Look>, Error> {
    if candidates.len() < FILES_PER_THREAD {
        return read(candidates, search);
    }
    let (mine, theirs) = candidates.split_at(candidates.len() / 2);
    std::thread::scope(|scope| {
        let other = scope.spawn(move || read(theirs, search));
        let mut looks = read(mine, search)?;
        looks.extend(match other.join() {
            Ok(looks) => looks?,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        Ok(looks)
    })
}

fn read(candidates: &[(String, PathBuf)], search: Search) -> Result<Vec<Look>, Error> {
    let mut looks = Vec::new();
    let mut bytes = Vec::new();
    for (path, file) in candidates {
        bytes.clear();
        let opened = fs::File::open(file).and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes));
        opened.map_err(|source| Error::Read { path: file.clone(), source })?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            looks.push(Look::Oversized(path.clone()));
        } else if (search.contains)(&bytes) {
            looks.push(Look::Match(path.clone(), bytes.clone()));
        }
    }
    Ok(looks)
}

/// Replaces a file below `root` (or `root` itself, if that is a file) in one step, keeping its permissions.
///
/// # Errors
/// The file's folder is not writable, or the disk is full; the old file is then as it was.
pub(crate) fn replace(root: &Path, path: &str, bytes: &[u8]) -> Result<(), Error> {
    let target = if root.is_dir() { root.join(path) } else { root.to_owned() };
    let failed = |source| Error::Write { path: target.clone(), source };
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut temporary = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    temporary.write_all(bytes).map_err(failed)?;
    let permissions = fs::metadata(&target).map_err(failed)?.permissions();
    temporary.as_file().set_permissions(permissions).map_err(failed)?;
    temporary.persist(&target).map_err(|error| failed(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const YAML: Search = Search { is_candidate: |path| path.ends_with(".yaml"), contains: |bytes| !bytes.is_empty() };

    fn paths(found: &Found) -> Vec<&str> {
        found.files.iter().map(|(path, _)| path.as_str()).collect()
    }

    #[test]
    fn finds_regular_files_in_lexical_order_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        for path in ["b/x.yaml", "a.yaml", "b/.hidden/y.yaml", ".git/config.yaml", "c/.git/z.yaml", "no.txt"] {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "a: 1\n").unwrap();
        }
        fs::write(root.path().join("empty.yaml"), "").unwrap();
        std::os::unix::fs::symlink(root.path().join("a.yaml"), root.path().join("link.yaml")).unwrap();
        std::os::unix::fs::symlink(root.path().join("b"), root.path().join("folder")).unwrap();
        for (link, target) in [("idle.yaml", "empty.yaml"), ("gone.yaml", "nowhere"), ("endless.yaml", "/dev/zero")] {
            std::os::unix::fs::symlink(target, root.path().join(link)).unwrap();
        }
        let found = search(root.path(), YAML).unwrap();
        assert_eq!(paths(&found), ["a.yaml", "b/.hidden/y.yaml", "b/x.yaml"]);
        assert_eq!(found.links, ["link.yaml"]);
        assert!(exists(root.path(), "b/.hidden") && exists(root.path(), "") && exists(root.path(), "folder"));
        assert!(!exists(root.path(), "folder/x.yaml") && !exists(root.path(), "b/none"));
    }

    #[test]
    fn many_files_are_read_by_two_threads_in_the_same_order() {
        let root = tempfile::tempdir().unwrap();
        for n in 0..FILES_PER_THREAD * 2 {
            fs::write(root.path().join(format!("{n:05}.yaml")), "a: 1\n").unwrap();
        }
        let found = search(root.path(), YAML).unwrap();
        assert!(found.files.len() == FILES_PER_THREAD * 2 && found.files.is_sorted());
    }

    #[test]
    fn a_file_is_a_root_too() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("a.yaml");
        fs::write(&file, "a: 1\n").unwrap();
        assert_eq!(paths(&search(&file, YAML).unwrap()), ["a.yaml"]);
        replace(&file, "a.yaml", b"a: 2\n").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"a: 2\n");
    }

    #[test]
    fn replacing_keeps_permissions_and_leaves_nothing_behind() {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("a.yaml");
        fs::write(&file, "a: 1\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        replace(root.path(), "a.yaml", b"a: 2\n").unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_to_a_folder_is_a_root_and_one_to_a_file_is_not() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("folder")).unwrap();
        fs::write(root.path().join("folder/a.yaml"), "a: 1\n").unwrap();
        for (link, target) in [("to-folder", "folder"), ("to-file.yaml", "folder/a.yaml")] {
            std::os::unix::fs::symlink(target, root.path().join(link)).unwrap();
        }
        assert_eq!(paths(&search(&root.path().join("to-folder"), YAML).unwrap()), ["a.yaml"]);
        let error = search(&root.path().join("to-file.yaml"), YAML).unwrap_err();
        assert!(error.to_string().ends_with("to-file.yaml is a symbolic link, which is not followed"), "{error}");
    }

    #[test]
    fn a_missing_root_is_named() {
        let error = search(Path::new("/nonexistent/tagwright"), YAML).unwrap_err();
        assert_eq!(error.to_string(), "cannot read /nonexistent/tagwright");
    }
}
