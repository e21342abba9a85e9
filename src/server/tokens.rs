//! Who may ask and who may order over TCP: bearer tokens, of which only hashes are known here.
//!
//! A line for each in the file of `--api-token-file`: a name, `read` or `act`, and the SHA-256 of the token in hexadecimal digits.
//! A token has no structure that could be guessed by parts; it is compared by its hash, with all of them and in constant time. The file
//! is read again when it changes. One that cannot be read lets nobody in.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use thiserror::Error;

use super::sessions::Hash;

/// The largest file with tokens, in bytes.
const MAX_BYTES: u64 = 256 * 1024;

/// How many tokens there may be.
const MAX_TOKENS: usize = 1000;

/// The longest name of a token.
const MAX_NAME: usize = 64;

/// Why a file with tokens cannot be used. Nothing of the file is repeated but the number of a line.
#[derive(Debug, Error)]
pub enum Error {
    /// It cannot be read.
    #[error("cannot read the tokens in {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason of the system.
        source: io::Error,
    },
    /// A line is no token.
    #[error("line {line} of {} is no token: {reason}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        reason: &'static str,
    },
}

/// What the holder of a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Right {
    /// Ask.
    Read,
    /// Ask and order.
    Act,
}

/// A token that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    name: String,
    right: Right,
    hash: Hash,
}

/// The tokens of a file.
#[derive(Debug)]
pub(crate) struct Tokens {
    path: PathBuf,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    /// What the file was like when it was read.
    seen: Option<Seen>,
    tokens: Vec<Token>,
}

/// What tells that a file is another than it was.
type Seen = (u64, i64, i64, i64, i64, u64, u64);

fn seen(metadata: &Metadata) -> Seen {
    let (modified, changed) = ((metadata.mtime(), metadata.mtime_nsec()), (metadata.ctime(), metadata.ctime_nsec()));
    (metadata.len(), modified.0, modified.1, changed.0, changed.1, metadata.ino(), metadata.dev())
}

impl Tokens {
    /// Reads a file with tokens.
    ///
    /// # Errors
    /// It cannot be read, or a line of it is none.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let known = Mutex::new(load(path)?);
        Ok(Self { path: path.to_owned(), known })
    }

    /// The name of the token with this hash, and what its holder may do; none where it is not known. Looks whether the file is another
    /// by now.
    pub(super) fn of(&self, hash: &Hash) -> Option<(String, Right)> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let now = std::fs::metadata(&self.path).ok().map(|metadata| seen(&metadata));
        if now.is_none() || now != known.seen {
            *known = load(&self.path).unwrap_or_else(|error| {
                tracing::error!(%error, "nobody is let in by a token");
                Known { seen: now, tokens: Vec::new() }
            });
        }
        let mut found = None;
        for token in &known.tokens {
            // All of them are compared, so that the time tells neither which one it is nor how much of it is right.
            if bool::from(token.hash.ct_eq(hash)) {
                found = Some((token.name.clone(), token.right));
            }
        }
        found
    }
}

/// What a token is known by.
pub(super) fn hash(token: &str) -> Hash {
    Sha256::digest(token.as_bytes()).into()
}

fn load(path: &Path) -> Result<Known, Error> {
    let failed = |source| Error::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let seen = seen(&file.metadata().map_err(failed)?);
    let mut text = String::new();
    file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidData, format!("it is larger than {MAX_BYTES} bytes"))));
    }
    let tokens = parse(&text).map_err(|(line, reason)| Error::Line { path: path.to_owned(), line, reason })?;
    Ok(Known { seen: Some(seen), tokens })
}

/// Reads the lines of a file; an error is the number of a line, and what is wrong with it.
fn parse(text: &str) -> Result<Vec<Token>, (usize, &'static str)> {
    let mut tokens: Vec<Token> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let wrong = |reason| (at + 1, reason);
        let words: Vec<&str> = line.split_whitespace().collect();
        if words.first().is_none_or(|word| word.starts_with('#')) {
            continue;
        }
        let [name, right, hash] = words.as_slice() else {
            return Err(wrong("write NAME, read or act, and the SHA-256 of the token"));
        };
        let is_name = |c: char| c.is_ascii_alphanumeric() || "._@-".contains(c);
        if name.len() > MAX_NAME || !name.chars().all(is_name) {
            return Err(wrong("a name has at most 64 letters, digits and . _ @ -"));
        }
        let right = match *right {
            "read" => Right::Read,
            "act" => Right::Act,
            _ => return Err(wrong("the second word is read or act")),
        };
        let hash = hash.strip_prefix("sha256:").unwrap_or(hash);
        let hash = digits(hash).ok_or_else(|| wrong("the third word is a SHA-256, 64 hexadecimal digits"))?;
        if tokens.iter().any(|token| token.name == *name || token.hash == hash) {
            return Err(wrong("its name or its hash is there twice"));
        }
        tokens.push(Token { name: (*name).to_owned(), right, hash });
        if tokens.len() > MAX_TOKENS {
            return Err(wrong("a file has at most 1000 tokens"));
        }
    }
    Ok(tokens)
}

fn digits(text: &str) -> Option<Hash> {
    let mut hash = [0; 32];
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, at) in hash.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The hash of a token as the file has it.
    fn hash(token: &str) -> String {
        super::hash(token).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn holder(tokens: &Tokens, token: &str) -> Option<(String, Right)> {
        tokens.of(&super::hash(token))
    }

    #[test]
    fn lines_are_tokens_or_an_error_that_repeats_nothing_of_them() {
        let (one, two) = (hash("one"), hash("two"));
        let text =
            format!("# who may what\n\ngrafana read {one}\nann@example.com  act  sha256:{}\n", two.to_uppercase());
        let tokens = parse(&text).unwrap();
        let rows: Vec<_> = tokens.iter().map(|token| (token.name.as_str(), token.right)).collect();
        assert_eq!(rows, [("grafana", Right::Read), ("ann@example.com", Right::Act)]);
        for (text, line) in [
            ("grafana read".to_owned(), 1),
            (format!("grafana write {one}"), 1),
            (format!("\ngrafana read {one} x"), 2),
            ("grafana read secret-in-the-open".to_owned(), 1),
            (format!("grafana read {one}\nother act {one}"), 2),
            (format!("grafana read {one}\ngrafana act {two}"), 2),
            (format!("gra/fana read {one}"), 1),
            (format!("grafana read {}", "ä".repeat(32)), 1),
        ] {
            let (found, reason) = parse(&text).unwrap_err();
            assert_eq!(found, line, "{text}");
            assert!(!reason.contains("secret"), "{reason}");
        }
    }

    #[test]
    fn a_file_that_changes_is_read_again_and_one_that_is_gone_lets_nobody_in() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        std::fs::write(&path, format!("grafana read {}\n", hash("one"))).unwrap();
        let tokens = Tokens::read(&path).unwrap();
        assert_eq!(holder(&tokens, "one"), Some(("grafana".to_owned(), Right::Read)));
        assert_eq!(holder(&tokens, "two"), None);
        assert_eq!(holder(&tokens, &hash("one")), None, "the hash is no token");
        std::fs::write(&path, format!("grafana act {}\n# changed\n", hash("two"))).unwrap();
        assert_eq!(holder(&tokens, "one"), None);
        assert_eq!(holder(&tokens, "two"), Some(("grafana".to_owned(), Right::Act)));
        std::fs::write(&path, "nonsense\n").unwrap();
        assert_eq!(holder(&tokens, "two"), None);
        std::fs::write(&path, format!("grafana act {}\n", hash("two"))).unwrap();
        assert!(holder(&tokens, "two").is_some());
        std::fs::remove_file(&path).unwrap();
        assert_eq!(holder(&tokens, "two"), None);
        assert!(Tokens::read(&path).is_err());
    }
}
