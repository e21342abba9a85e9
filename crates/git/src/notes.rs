//! What somebody found out about the contents of a mirror, kept beside it as bytes.
//!
//! What the bytes say is their owner's business. It has to be true of contents, by their ids, whatever becomes of the mirror; and
//! it is given back only to who names the form it was written in. A file that is broken is as good as none: a hash over all of
//! it tells, and it is written aside and moved into place, so that a kill leaves the one before.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::store::replace;

/// The first bytes of the file, with the version of its own form.
const MAGIC: &[u8; 8] = b"twnotes1";

/// The most bytes of notes: 32 MiB.
const MAX_BYTES: u64 = 32 << 20;

/// A hash.
type Hash = [u8; 32];

/// The magic bytes, the form, and the hash of what follows.
const HEADER: usize = MAGIC.len() + 2 * size_of::<Hash>();

/// Returns the bytes that were written in this form.
pub(super) fn read(path: &Path, form: Hash) -> Option<Vec<u8>> {
    let mut file = File::open(path).ok()?;
    let mut header = [0; HEADER];
    file.read_exact(&mut header).ok()?;
    let hash = header.strip_prefix(MAGIC)?.strip_prefix(&form)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= MAX_BYTES && hash == Sha256::digest(&bytes).as_slice()).then_some(bytes)
}

/// Writes bytes in place of those before. Too many are not written.
pub(super) fn write(path: &Path, form: Hash, bytes: &[u8]) -> io::Result<()> {
    if bytes.len() as u64 > MAX_BYTES {
        return Err(io::Error::from(io::ErrorKind::FileTooLarge));
    }
    let hash: Hash = Sha256::digest(bytes).into();
    replace(path, &[MAGIC, form.as_slice(), &hash, bytes].concat())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use super::*;

    #[test]
    fn a_broken_file_is_as_good_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes");
        let (form, other) = ([7; 32], [8; 32]);
        assert_eq!(read(&path, form), None);
        write(&path, form, b"what was found").unwrap();
        assert_eq!(read(&path, form).as_deref(), Some(&b"what was found"[..]));
        assert_eq!(read(&path, other), None);
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(&path, &damaged).unwrap();
            assert_eq!(read(&path, form), None, "damaged at {at}");
            fs::write(&path, &whole[..at]).unwrap();
            assert_eq!(read(&path, form), None, "cut at {at}");
        }
        fs::write(&path, [whole.as_slice(), b"!"].concat()).unwrap();
        assert_eq!(read(&path, form), None);
        write(&path, other, b"").unwrap();
        assert_eq!(read(&path, other), Some(Vec::new()));
        assert_eq!(read(&path, form), None);
        write(&path, form, &vec![0; MAX_BYTES as usize + 1]).unwrap_err();
        assert_eq!(read(&path, other), Some(Vec::new()));
    }
}
