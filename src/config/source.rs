//! Finds and reads the files of a configuration.
//!
//! A file that is named is read whatever its name. A folder gives its `*.yaml`, `*.yml` and `*.json`, directly and below,
//! in the order of their names. Hidden files and folders are left out, and so is a symbolic link, unless it leads to a
//! file inside the same folder (which is how clusters mount a ConfigMap).

use std::collections::HashSet;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::report::{Finding, Report};

/// The largest file that is read.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// How much is read in all.
const MAX_TOTAL_BYTES: u64 = 64 << 20;

/// How many files are read.
pub(crate) const MAX_FILES: usize = 10_000;

/// How many folders deep files are looked for.
pub(crate) const MAX_FOLDER_DEPTH: usize = 32;

/// A text that was read.
#[derive(Debug)]
pub(super) struct Source {
    /// The path as it was named, or below the folder that was named.
    pub(super) path: String,
    pub(super) text: String,
    pub(super) origin: Origin,
}

/// Why a file was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// It was named, so it must be right.
    Named,
    /// It was in a folder, perhaps among files that are not for us.
    Found,
}

/// Reads all files; whatever cannot be read is reported.
pub(super) fn read(report: &mut Report, paths: &[PathBuf]) {
    let mut reader = Reader { report, seen: HashSet::new(), bytes: 0, stopped: false };
    for path in paths {
        reader.path(path);
    }
}

struct Reader<'a> {
    report: &'a mut Report,
    /// What was read, so that a file named twice is read once.
    seen: HashSet<PathBuf>,
    bytes: u64,
    stopped: bool,
}

impl Reader<'_> {
    fn path(&mut self, path: &Path) {
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => match path.canonicalize() {
                Ok(root) => self.folder(&root, path, 0),
                Err(error) => self.fail(path, &error),
            },
            Ok(_) => self.file(path, Origin::Named),
            Err(error) => self.fail(path, &error),
        }
    }

    fn folder(&mut self, root: &Path, folder: &Path, depth: usize) {
        if depth > MAX_FOLDER_DEPTH {
            self.report.notice(format!("passed over {}: more than {MAX_FOLDER_DEPTH} folders deep", folder.display()));
            return;
        }
        let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut entries = match entries {
            Ok(entries) => entries,
            Err(error) => return self.fail(folder, &error),
        };
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => self.folder(root, &path, depth + 1),
                Ok(kind)
                    if is_document(&path) && (kind.is_file() || kind.is_symlink() && leads_inside(root, &path)) =>
                {
                    self.file(&path, Origin::Found);
                }
                Ok(_) => {}
                Err(error) => self.fail(&path, &error),
            }
        }
    }

    fn file(&mut self, path: &Path, origin: Origin) {
        let identity = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if !self.seen.insert(identity) {
            return;
        }
        if self.seen.len() > MAX_FILES || self.bytes > MAX_TOTAL_BYTES {
            return self.stop(path);
        }
        match read_text(path) {
            Ok(text) => {
                self.bytes = self.bytes.saturating_add(text.len() as u64);
                self.report.source(Source { path: path.display().to_string(), text, origin });
            }
            Err(error) if origin == Origin::Found && error.kind() == io::ErrorKind::InvalidData => {
                self.report.notice(format!("passed over {}: {error}", path.display()));
            }
            Err(error) => self.fail(path, &error),
        }
    }

    /// Says once that there is too much.
    fn stop(&mut self, path: &Path) {
        if !std::mem::replace(&mut self.stopped, true) {
            let limit = format!("more than {MAX_FILES} files or {MAX_TOTAL_BYTES} bytes of configuration");
            self.report.add(Finding::file(path.display().to_string(), limit));
        }
    }

    fn fail(&mut self, path: &Path, error: &io::Error) {
        let finding = Finding::file(path.display().to_string(), format!("cannot read the configuration: {error}"));
        self.report.add(match error.kind() {
            io::ErrorKind::NotFound => finding.hint("name the file or folder with `--config`"),
            _ => finding,
        });
    }
}

fn is_document(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml" || extension == "json")
}

fn leads_inside(root: &Path, link: &Path) -> bool {
    link.canonicalize().is_ok_and(|target| target.starts_with(root) && target.is_file())
}

/// Opens a file, and nothing else: a pipe would keep us waiting, and a device never end.
pub(super) fn open(path: &Path) -> io::Result<fs::File> {
    let metadata = fs::metadata(path)?;
    // That something is a folder the system says itself.
    match metadata.is_file() || metadata.is_dir() {
        true => fs::File::open(path),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file")),
    }
}

/// Reads a bounded UTF-8 text.
fn read_text(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("larger than {MAX_FILE_BYTES} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not UTF-8 text"))
}
