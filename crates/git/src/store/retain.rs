//! Deleting the mirrors that nobody needs any more.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use super::lease::Lease;
use crate::error::Error;

/// The length of a mirror's name.
const NAME: usize = 32;

/// Deletes every mirror below `mirrors` whose name is not in `kept` and which nobody uses, and what killed processes have
/// left of any. Returns how many mirrors were deleted. Blocks.
pub(crate) fn retain(mirrors: &Path, kept: &BTreeSet<String>) -> Result<usize, Error> {
    let failed = |source| Error::File { what: "clean up", path: mirrors.to_owned(), source };
    let mut deleted = 0;
    for name in names(mirrors).map_err(failed)? {
        let folder = mirrors.join(&name);
        // What is in use stays until the next time.
        let Ok(lease) = Lease::acquire(&folder, Duration::ZERO) else { continue };
        clear(mirrors, &name).map_err(failed)?;
        if kept.contains(&name) {
            continue;
        }
        if folder.exists() {
            deleted += 1;
            // Renamed first, so that a kill leaves no half mirror behind.
            let old = mirrors.join(format!("old-{name}-retired"));
            fs::rename(&folder, &old).and_then(|()| remove(&old)).map_err(failed)?;
        }
        lease.delete().map_err(failed)?;
    }
    Ok(deleted)
}

/// Deletes what a killed process has left beside the mirror with this name. The caller has its lease.
pub(super) fn clear(mirrors: &Path, name: &str) -> io::Result<()> {
    for entry in fs::read_dir(mirrors)? {
        let entry = entry?.file_name();
        let left = |prefix: &str| {
            entry.to_string_lossy().strip_prefix(prefix).is_some_and(|rest| rest.strip_prefix(name).is_some())
        };
        if left("new-") || left("old-") {
            remove(&mirrors.join(&entry))?;
        }
    }
    Ok(())
}

/// The names of all mirrors that there is anything of.
fn names(mirrors: &Path) -> io::Result<BTreeSet<String>> {
    let entries = match fs::read_dir(mirrors) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(error),
    };
    let mut names = BTreeSet::new();
    for entry in entries {
        let entry = entry?.file_name();
        let text = entry.to_string_lossy();
        let name = ["new-", "old-"].iter().find_map(|prefix| text.strip_prefix(prefix)).unwrap_or(&text);
        let (name, rest) = name.split_at_checked(NAME).unwrap_or_default();
        let is_ours = rest.is_empty() || rest == ".lock" || rest.starts_with('-');
        if is_ours && name.len() == NAME && name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            names.insert(name.to_owned());
        }
    }
    Ok(names)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
