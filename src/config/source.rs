//! Finds and reads the files of a configuration.
//!
//! A file that is named is read whatever its name. A folder gives its `*.yaml`, `*.yml` and `*.json`, directly and below,
//! in the order of their names. Hidden files and folders are left out, and so is a symbolic link, unless it leads to a
//! file inside the same folder (which is how clusters mount a ConfigMap). `-` is standard input.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use tagwright_core::import::Left;

use super::report::{Finding, Report};
use crate::{files, imports};

/// The largest file that is read.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// How much is read in all.
const MAX_TOTAL_BYTES: u64 = 64 << 20;

/// How much of a setting is shown, in characters.
const MAX_SHOWN: usize = 200;

/// How many files are read.
pub(crate) const MAX_FILES: usize = 10_000;

/// How many folders deep files are looked for.
pub(crate) const MAX_FOLDER_DEPTH: usize = 32;

/// The path that stands for standard input, and its name in messages.
const INPUT: (&str, &str) = ("-", "standard input");

/// What standard input held: it can be read once, and a bot reads its configuration again.
static READ: OnceLock<Result<String, String>> = OnceLock::new();

/// A text that was read.
#[derive(Debug)]
pub(super) struct Source {
    /// The path as it was named, or below the folder that was named.
    pub(super) path: String,
    pub(super) text: Arc<str>,
    pub(super) origin: Origin,
}

/// Why a file was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// It was named, so it must be right.
    Named,
    /// It was in a folder, perhaps among files that are not for us.
    Found,
    /// It is an object of a cluster, and its path is the object's kind and name.
    Object,
}

/// Reads all files; whatever cannot be read is reported.
pub(super) fn read(report: &mut Report, paths: &[PathBuf]) {
    let mut reader = Reader { report, seen: HashSet::new(), bytes: 0, others: 0, stopped: false };
    for path in paths {
        reader.path(path);
    }
}

/// Reads what other image updaters are told in checkouts, as documents; what has no counterpart is a notice.
pub(super) fn import(report: &mut Report, checkouts: &[PathBuf]) {
    for path in checkouts {
        let name = format!("{} (imported)", path.display());
        let followed = match imports::follow(path) {
            Ok(followed) => followed,
            Err(failure) => {
                let finding = Finding::file(name, format!("cannot import: {}", failure.line()));
                report.add(if let Some(hint) = failure.hint() { finding.hint(hint) } else { finding });
                continue;
            }
        };
        for Left { spot, what, why, .. } in &followed.left {
            let what = words::one_line(what, MAX_SHOWN);
            report.notice(format!("{}:{}: {what}: {why}", words::escape(&spot.file), spot.line));
        }
        for path in &followed.oversized {
            let limit = files::MAX_FILE_BYTES;
            report.notice(format!("{}: larger than {limit} bytes, and not read", words::escape(path)));
        }
        if followed.document.is_empty() {
            report.notice(format!("nothing in {} tells another image updater what to do", path.display()));
            continue;
        }
        report.source(Source { path: name, text: followed.document.into(), origin: Origin::Named });
    }
}

struct Reader<'a> {
    report: &'a mut Report,
    /// What was read, so that a file named twice is read once.
    seen: HashSet<PathBuf>,
    bytes: u64,
    /// How many files were passed over for their names.
    others: usize,
    stopped: bool,
}

impl Reader<'_> {
    fn path(&mut self, path: &Path) {
        if path.as_os_str() == INPUT.0 {
            return self.input();
        }
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => match path.canonicalize() {
                Ok(root) => self.named_folder(&root, path),
                Err(error) => self.fail(path, &error),
            },
            Ok(_) => self.file(path, Origin::Named),
            Err(error) => self.fail(path, &error),
        }
    }

    /// Reads a folder, and says so where it has files and none that is read.
    fn named_folder(&mut self, root: &Path, folder: &Path) {
        let before = (self.seen.len(), self.others);
        self.folder(root, folder, 0);
        if self.seen.len() == before.0 && self.others > before.1 {
            let message =
                format!("nothing in {} is read: its files are not named .yaml, .yml or .json", folder.display());
            self.report.notice(message);
        }
    }

    fn input(&mut self) {
        if !self.seen.insert(INPUT.0.into()) {
            return;
        }
        match READ.get_or_init(|| text_of(io::stdin().lock()).map_err(|error| words::system(&error.to_string()))) {
            Ok(text) => {
                self.bytes = self.bytes.saturating_add(text.len() as u64);
                self.report.source(Source {
                    path: INPUT.1.to_owned(),
                    text: text.as_str().into(),
                    origin: Origin::Named,
                });
            }
            Err(error) => {
                self.report.add(Finding::file(INPUT.1, format!("cannot read the configuration: {error}")));
            }
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
                Ok(_) => self.others += 1,
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
                self.report.source(Source { path: path.display().to_string(), text: text.into(), origin });
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
        let message = format!("cannot read the configuration: {}", words::system(&error.to_string()));
        let finding = Finding::file(path.display().to_string(), message);
        self.report.add(match error.kind() {
            io::ErrorKind::NotFound => {
                finding.hint("name the file or folder with `--config`; `tagwright mark` writes one")
            }
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
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file")),
    }
}

/// Reads a bounded UTF-8 text.
pub(super) fn read_text(path: &Path) -> io::Result<String> {
    text_of(open(path)?)
}

fn text_of(source: impl Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    source.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("larger than {MAX_FILE_BYTES} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not UTF-8 text"))
}
