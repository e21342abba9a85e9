//! A tag as a row of pieces: what counts, what identifies a commit, and what is literal.
//!
//! The doubtful cases lean towards literal: a number taken for literal makes a policy that stands still, a literal taken
//! for a number makes one that changes the base image.

use super::moment::{self, Moment};

/// A part of a tag. Together the pieces are the tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    /// Text that every tag of this kind has.
    Literal(&'t str),
    /// Two or three numbers with dots.
    Version(&'t str),
    /// A commit hash, or a number among other numbers that is one.
    Hash(&'t str),
    /// A date, perhaps with a time.
    Moment(Moment<'t>),
    /// A number that grows.
    Number(&'t str),
}

/// Words before a number that is counted up.
const COUNTED: &[&str] = &[
    "alpha",
    "b",
    "beta",
    "bld",
    "branch",
    "build",
    "ci",
    "dev",
    "develop",
    "development",
    "head",
    "m",
    "main",
    "master",
    "milestone",
    "nightly",
    "p",
    "patch",
    "pipeline",
    "pre",
    "preview",
    "prod",
    "production",
    "r",
    "rc",
    "rel",
    "release",
    "rev",
    "revision",
    "run",
    "snapshot",
    "sp",
    "stage",
    "staging",
    "trunk",
    "u",
    "update",
    "w",
    "week",
];

/// Words before a number that names something, however large it is.
const NAMED: &[&str] = &[
    "alpine", "arm", "cuda", "debian", "el", "fedora", "go", "java", "jdk", "jre", "mr", "node", "php", "pr", "python",
    "rhel", "ruby", "ubi", "ubuntu", "v", "windows", "x",
];

/// Words before a commit hash.
const HASHED: &[&str] = &["commit", "git", "sha"];

/// From this many digits on, a lone number is a counter; `16` and `21` are rather major versions.
const COUNTER_DIGITS: usize = 3;

/// How short an abbreviated hash may be.
const HASH_DIGITS: usize = 7;

/// Reads a valid tag.
pub(super) fn read(tag: &str) -> Vec<Piece<'_>> {
    let mut reader = Reader { pieces: Vec::new(), word: "", has_version: false };
    let mut rest = tag;
    while !rest.is_empty() {
        let taken = reader.next(rest);
        rest = &rest[taken..];
    }
    settle(reader.pieces)
}

struct Reader<'t> {
    pieces: Vec<Piece<'t>>,
    /// The last word, while nothing but separators followed it.
    word: &'t str,
    has_version: bool,
}

impl<'t> Reader<'t> {
    /// Takes the next piece and returns its length, which is at least 1.
    fn next(&mut self, rest: &'t str) -> usize {
        if rest.starts_with(['-', '_', '.']) {
            self.pieces.push(Piece::Literal(&rest[..1]));
            return 1;
        }
        if let Some((moment, taken)) = moment::read(rest) {
            self.pieces.push(Piece::Moment(moment));
            self.word = "";
            return taken;
        }
        if let (false, Some(version)) = (self.has_version, version(rest)) {
            self.pieces.push(Piece::Version(version));
            self.has_version = true;
            self.word = "";
            return version.len();
        }
        self.atom(rest)
    }

    fn atom(&mut self, rest: &'t str) -> usize {
        let atom = &rest[..rest.find(['-', '_', '.']).unwrap_or(rest.len())];
        let letters = &atom[..atom.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(atom.len())];
        if let Some(hash) = hash(atom, self.word) {
            self.pieces.extend([Piece::Literal(&atom[..atom.len() - hash.len()]), Piece::Hash(hash)]);
            self.word = "";
            return atom.len();
        }
        if letters.is_empty() {
            let digits = &atom[..atom.find(|c: char| !c.is_ascii_digit()).unwrap_or(atom.len())];
            let counts = digits.len() == atom.len() && self.counts(digits);
            self.pieces.push(if counts { Piece::Number(digits) } else { Piece::Literal(atom) });
            self.word = "";
            return atom.len();
        }
        let behind = &rest[letters.len()..];
        let is_number =
            behind.len() > rest.len() - atom.len() && atom[letters.len()..].bytes().all(|b| b.is_ascii_digit());
        let counted = is_number && is_one_of(COUNTED, letters);
        let starts_count = moment::read(behind).is_some() || (!self.has_version && version(behind).is_some());
        if counted || letters.len() == atom.len() || starts_count {
            self.pieces.push(Piece::Literal(letters));
            self.word = letters;
            return letters.len();
        }
        // `alpine3.19` and `jdk17` are names; the dots and numbers behind belong to them.
        let name = name(rest, atom.len());
        self.pieces.push(Piece::Literal(name));
        self.word = "";
        name.len()
    }

    fn counts(&self, digits: &str) -> bool {
        if is_one_of(NAMED, self.word) {
            return false;
        }
        let follows = self.pieces.iter().rev().find(|piece| !is_separator(piece));
        let follows_count =
            matches!(follows, Some(Piece::Version(_) | Piece::Number(_) | Piece::Moment(_) | Piece::Hash(_)));
        follows_count
            || is_one_of(COUNTED, self.word)
            || is_timestamp(digits)
            || (!self.has_version && digits.len() >= COUNTER_DIGITS)
    }
}

/// Numbers as long as a hash, beside a timestamp and not behind a version, are hashes without a letter by chance.
fn settle(mut pieces: Vec<Piece<'_>>) -> Vec<Piece<'_>> {
    let is_time = |piece: &Piece<'_>| match piece {
        Piece::Moment(_) => true,
        Piece::Number(digits) => is_timestamp(digits),
        _ => false,
    };
    let has_version = pieces.iter().any(|piece| matches!(piece, Piece::Version(_)));
    if !has_version && pieces.iter().any(is_time) {
        for piece in &mut pieces {
            if let Piece::Number(digits) = piece
                && digits.len() >= HASH_DIGITS
                && !is_timestamp(digits)
            {
                *piece = Piece::Hash(digits);
            }
        }
    }
    pieces.retain(|piece| *piece != Piece::Literal(""));
    pieces
}

fn is_separator(piece: &Piece<'_>) -> bool {
    matches!(piece, Piece::Literal("-" | "_" | "." | ""))
}

fn is_one_of(words: &[&str], word: &str) -> bool {
    words.iter().any(|known| known.eq_ignore_ascii_case(word))
}

/// Seconds, milliseconds, microseconds or nanoseconds since 1970, in this century's first half or so.
pub(super) fn is_timestamp(digits: &str) -> bool {
    matches!(digits.len(), 10 | 13 | 16 | 19) && matches!(digits.as_bytes()[0], b'1' | b'2')
}

/// Two or three numbers at the start of a text.
fn version(text: &str) -> Option<&str> {
    let digits = |from: usize| text[from..].bytes().take_while(u8::is_ascii_digit).count();
    let major = digits(0);
    if major == 0 || !text[major..].starts_with('.') {
        return None;
    }
    let minor = digits(major + 1);
    if minor == 0 {
        return None;
    }
    let end = major + 1 + minor;
    let patch = if text[end..].starts_with('.') { digits(end + 1) } else { 0 };
    Some(if patch > 0 { &text[..end + 1 + patch] } else { &text[..end] })
}

/// The hash at the end of an atom: all of it, or what follows a `g` as git describes commits.
fn hash<'t>(atom: &'t str, word: &str) -> Option<&'t str> {
    let hex = |text: &str| text.len() >= HASH_DIGITS && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let mixed = |text: &str| {
        text.len() >= 40 || (text.bytes().any(|b| b.is_ascii_digit()) && text.bytes().any(|b| b.is_ascii_alphabetic()))
    };
    if hex(atom) && (mixed(atom) || is_one_of(HASHED, word)) {
        return Some(atom);
    }
    atom.strip_prefix('g').filter(|rest| hex(rest) && rest.bytes().any(|b| b.is_ascii_digit()))
}

/// A name that starts with an atom and goes on with `.19`, `.19.1`.
fn name(rest: &str, atom: usize) -> &str {
    let mut end = atom;
    while let Some(more) = rest[end..].strip_prefix('.') {
        let digits = more.bytes().take_while(u8::is_ascii_digit).count();
        let stops = !more[digits..].starts_with(|c: char| c.is_ascii_alphanumeric());
        if digits == 0 || !stops {
            break;
        }
        end += 1 + digits;
    }
    &rest[..end]
}
