//! Tells when the files of a configuration have changed.
//!
//! Paths, sizes, times and inodes are compared, which costs no reading and needs nothing of the file system: it works for
//! ConfigMaps, where a symbolic link is swapped, and over a network. Some changes take several steps, so a change counts
//! once two looks have seen the same.

use std::fs::{self, Metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::{MAX_FILES, MAX_FOLDER_DEPTH, Sources};

/// How often the files are looked at.
pub(super) const LOOK: Duration = Duration::from_secs(2);

/// A hash of which files there are and when they were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fingerprint {
    sources: u64,
    /// Of the files that the sources name.
    beside: u64,
}

impl Fingerprint {
    /// Looks at the files. Blocks.
    pub(super) fn of(sources: &Sources) -> Self {
        let mut look = Look { hasher: DefaultHasher::new(), left: MAX_FILES };
        for path in &sources.paths {
            look.at(path, MAX_FOLDER_DEPTH, Links::Files);
        }
        for path in &sources.imports {
            look.at(path, MAX_FOLDER_DEPTH, Links::Files);
            // Of a large checkout not every file is looked at, but Git writes here whenever it changes one.
            look.at(&path.join(".git/index"), 0, Links::Files);
        }
        for path in &sources.calendars {
            look.at(path, 0, Links::Files);
        }
        if let Some(secrets) = &sources.secrets {
            // NAMESPACE, NAME, KEY
            look.at(secrets, 3, Links::All);
        }
        Self { sources: look.hasher.finish(), beside: 0 }
    }

    /// Looks at the files that the sources name, too. Blocks.
    pub(super) fn with(self, beside: &[PathBuf]) -> Self {
        let mut look = Look { hasher: DefaultHasher::new(), left: MAX_FILES };
        for path in beside {
            look.at(path, 0, Links::Files);
        }
        Self { beside: look.hasher.finish(), ..self }
    }
}

/// Which symbolic links are followed.
#[derive(Debug, Clone, Copy)]
enum Links {
    /// Those to files, as those to folders are not read.
    Files,
    /// All of them.
    All,
}

struct Look {
    hasher: DefaultHasher,
    /// The number of files that may still be looked at.
    left: usize,
}

impl Look {
    fn at(&mut self, path: &Path, depth: usize, links: Links) {
        path.hash(&mut self.hasher);
        let Ok(metadata) = fs::metadata(path) else { return };
        if metadata.is_dir() {
            self.folder(path, depth, links);
        } else {
            self.file(&metadata);
        }
    }

    fn folder(&mut self, folder: &Path, depth: usize, links: Links) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        let mut entries: Vec<fs::DirEntry> = entries.flatten().collect();
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            if self.left == 0 || depth == 0 || entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            self.left -= 1;
            let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
            let path = entry.path();
            if is_link && matches!(links, Links::Files) && path.is_dir() {
                continue;
            }
            self.at(&path, depth - 1, links);
        }
    }

    fn file(&mut self, metadata: &Metadata) {
        let time = (metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec());
        (metadata.len(), time, metadata.ino(), metadata.dev(), metadata.mode()).hash(&mut self.hasher);
    }
}

/// The last fingerprints of a configuration's files.
#[derive(Debug)]
pub(super) struct Watch {
    /// As they were when they were last read.
    read: Fingerprint,
    /// As they were at the last look.
    seen: Fingerprint,
}

impl Watch {
    /// Begins with the files as they were when they were read.
    pub(super) fn new(read: Fingerprint) -> Self {
        Self { read, seen: read }
    }

    /// Takes in a look. Returns whether the files have changed since they were read, and do so no more.
    pub(super) fn look(&mut self, now: Fingerprint) -> bool {
        let calm = std::mem::replace(&mut self.seen, now) == now;
        calm && now != self.read
    }

    /// Takes in that the files were read as they were at the last look.
    pub(super) fn read(&mut self, fingerprint: Fingerprint) {
        self.read = fingerprint;
        self.seen = fingerprint;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::symlink;

    use super::*;

    fn sources(folder: &Path) -> Sources {
        Sources {
            paths: vec![folder.join("policies")],
            imports: vec![folder.join("checkout")],
            secrets: Some(folder.join("secrets")),
            ..Sources::default()
        }
    }

    /// Whether a step changes the fingerprint.
    fn changes(folder: &Path, step: impl FnOnce()) -> bool {
        let before = Fingerprint::of(&sources(folder));
        assert_eq!(before, Fingerprint::of(&sources(folder)));
        step();
        before != Fingerprint::of(&sources(folder))
    }

    #[test]
    fn files_are_seen_to_change() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let file = root.join("policies/shop.yaml");
        assert!(
            changes(root, || fs::create_dir(root.join("policies")).unwrap_or(())) || root.join("policies").exists()
        );
        assert!(changes(root, || fs::write(&file, "a").unwrap()));
        assert!(changes(root, || fs::write(&file, "bc").unwrap()));
        assert!(changes(root, || fs::rename(&file, root.join("policies/web.yaml")).unwrap()));
        assert!(changes(root, || fs::create_dir_all(root.join("secrets/default/git")).unwrap()));
        assert!(changes(root, || fs::write(root.join("secrets/default/git/password"), "x").unwrap()));
        assert!(changes(root, || fs::remove_dir_all(root.join("policies")).unwrap()));
        assert!(!changes(root, || fs::write(root.join("other"), "x").unwrap()));
        fs::create_dir_all(root.join("checkout/.git")).unwrap();
        assert!(changes(root, || fs::write(root.join("checkout/.git/index"), "x").unwrap()));
        assert!(changes(root, || fs::write(root.join("checkout/fleet.yaml"), "x").unwrap()));
        assert!(!changes(root, || fs::write(root.join("checkout/.git/HEAD"), "x").unwrap()));
        // What the configuration names belongs to it, wherever it is.
        let beside = [root.join("other"), root.join("missing")];
        let look = || Fingerprint::of(&sources(root)).with(&beside);
        let before = look();
        assert_eq!(before, look());
        fs::write(root.join("other"), "xy").unwrap();
        let changed = look();
        assert_ne!(before, changed);
        fs::write(root.join("missing"), "x").unwrap();
        assert_ne!(changed, look());
    }

    #[test]
    fn a_swapped_link_is_seen() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        for version in ["..1", "..2"] {
            fs::create_dir_all(root.join("policies").join(version)).unwrap();
            fs::write(root.join("policies").join(version).join("shop.yaml"), "a").unwrap();
        }
        symlink("..1", root.join("policies/..data")).unwrap();
        symlink("..data/shop.yaml", root.join("policies/shop.yaml")).unwrap();
        assert!(changes(root, || {
            symlink("..2", root.join("policies/..new")).unwrap();
            fs::rename(root.join("policies/..new"), root.join("policies/..data")).unwrap();
        }));
    }

    #[test]
    fn a_folder_that_contains_itself_ends() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        fs::create_dir_all(root.join("secrets/a")).unwrap();
        symlink("..", root.join("secrets/a/again")).unwrap();
        fs::create_dir(root.join("policies")).unwrap();
        symlink(".", root.join("policies/again")).unwrap();
        Fingerprint::of(&sources(root));
    }

    #[test]
    fn a_change_counts_once_it_is_over() {
        let [a, b, c] = [1, 2, 3].map(|sources| Fingerprint { sources, beside: 0 });
        let mut watch = Watch::new(a);
        let seen: Vec<bool> = [a, b, c, c, c].into_iter().map(|look| watch.look(look)).collect();
        assert_eq!(seen, [false, false, false, true, true]);
        watch.read(c);
        assert!(!watch.look(c) && !watch.look(a) && watch.look(a));
    }
}
