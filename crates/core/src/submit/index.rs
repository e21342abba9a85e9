//! The list of what a submitter has written, which stands beside it in its folder.
//!
//! A line is what `sha256sum` prints: the hash of the file as it was written, two spaces, and the path from the folder. So
//! `sha256sum --check` in the folder tells what others have changed since. The list has no extension, so that nothing that applies a
//! folder takes it for a manifest.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::automation::ObjectName;

/// The folder of the lists, below that of the submitter.
pub const FOLDER: &str = ".tagwright";

/// The largest list that is read, in bytes.
pub const MAX_BYTES: usize = 8 << 20;

/// What a submitter has written: the hash of each file, by its path from the folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Index {
    /// In hexadecimal digits.
    pub files: BTreeMap<String, String>,
}

/// Where the list of a submitter is, from its folder.
#[must_use]
pub fn path(id: &ObjectName) -> String {
    format!("{FOLDER}/{}_{}", id.namespace, id.name)
}

/// The hash of a file.
#[must_use]
pub fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl Index {
    /// Reads a list; none where it is none. What it says is somebody's text: paths are looked at where they are used.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut files = BTreeMap::new();
        for line in std::str::from_utf8(bytes).ok()?.lines() {
            let line = line.trim_end_matches('\r');
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (hash, path) = line.split_once("  ")?;
            let is_hash =
                hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
            if !is_hash {
                return None;
            }
            files.insert(path.to_owned(), hash.to_owned());
        }
        Some(Self { files })
    }

    /// The list as a file.
    #[must_use]
    pub fn written(&self, id: &ObjectName) -> String {
        let mut text = format!("# What `tagwright submit` has written here for {id}; `sha256sum --check` reads it.\n");
        for (path, hash) in &self.files {
            let _ = writeln!(text, "{hash}  {path}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let id = ObjectName { namespace: "default".into(), name: "rendered".into() };
        let index = Index { files: [("a b/c.yaml".to_owned(), hash(b"x"))].into() };
        assert_eq!(Index::read(index.written(&id).as_bytes()), Some(index.clone()));
        assert_eq!(Index::read(index.written(&id).replace('\n', "\r\n").as_bytes()), Some(index));
        assert_eq!(Index::read(b"abc  x\n"), None);
        assert_eq!(path(&id), ".tagwright/default_rendered");
    }
}
