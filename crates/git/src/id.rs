//! Object and commit ids: hexadecimal digits on the outside, bytes inside, as many as the object format of their repository has.

use std::fmt;

use git2::Oid;
use sha1::{Digest, Sha1};
use sha2::Sha256;

/// The bytes of the longest id.
const LONGEST: usize = 32;

/// How a repository names its objects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ObjectFormat {
    /// SHA-1: ids of 20 bytes. What a repository has that does not say.
    #[default]
    Sha1,
    /// SHA-256: ids of 32 bytes. The default of Git 3.0.
    Sha256,
}

impl ObjectFormat {
    /// All that are known.
    pub(super) const ALL: [Self; 2] = [Self::Sha1, Self::Sha256];

    /// The bytes of an id.
    pub(super) const fn bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => LONGEST,
        }
    }

    /// The hexadecimal digits of an id.
    pub(super) const fn digits(self) -> usize {
        2 * self.bytes()
    }

    /// As the protocol calls it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
        }
    }

    /// The capability that says so.
    pub(super) const fn capability(self) -> &'static str {
        match self {
            Self::Sha1 => "object-format=sha1",
            Self::Sha256 => "object-format=sha256",
        }
    }

    pub(super) const fn of(format: git2::ObjectFormat) -> Self {
        match format {
            git2::ObjectFormat::Sha1 => Self::Sha1,
            git2::ObjectFormat::Sha256 => Self::Sha256,
        }
    }

    pub(super) const fn git2(self) -> git2::ObjectFormat {
        match self {
            Self::Sha1 => git2::ObjectFormat::Sha1,
            Self::Sha256 => git2::ObjectFormat::Sha256,
        }
    }
}

/// The id of any Git object.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId {
    /// Zeros behind those of a shorter format.
    bytes: [u8; LONGEST],
    format: ObjectFormat,
}

/// The id of a commit.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CommitId(pub(super) ObjectId);

impl ObjectId {
    /// What the protocol writes for "no object".
    pub(super) const fn zero(format: ObjectFormat) -> Self {
        Self { bytes: [0; LONGEST], format }
    }

    /// Parses forty hexadecimal digits of either case, or the sixty-four of SHA-256.
    ///
    /// ```
    /// use git::{ObjectFormat, ObjectId};
    /// let id = ObjectId::parse("b53BF1E5e7ee33cb5a4cd3d4d9ad3a1f84dd7d4f").unwrap();
    /// assert_eq!(id.to_string(), "b53bf1e5e7ee33cb5a4cd3d4d9ad3a1f84dd7d4f");
    /// assert!(ObjectId::parse("b53bf1e").is_none());
    /// let empty_tree = "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321";
    /// assert_eq!(ObjectId::parse(empty_tree).unwrap().format(), ObjectFormat::Sha256);
    /// ```
    #[must_use]
    pub fn parse(hex: &str) -> Option<Self> {
        Self::from_hex(hex.as_bytes())
    }

    pub(super) fn from_hex(hex: &[u8]) -> Option<Self> {
        let format = ObjectFormat::ALL.into_iter().find(|format| format.digits() == hex.len())?;
        let mut id = Self::zero(format);
        for (byte, pair) in id.bytes.iter_mut().zip(hex.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(id)
    }

    /// The id with these bytes, of which there are 20 or 32.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let format = ObjectFormat::ALL.into_iter().find(|format| format.bytes() == bytes.len())?;
        let mut id = Self::zero(format);
        id.bytes[..bytes.len()].copy_from_slice(bytes);
        Some(id)
    }

    /// Returns the bytes, 20 or 32.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.format.bytes()]
    }

    /// The first twenty bytes.
    pub(super) fn first(&self) -> [u8; 20] {
        std::array::from_fn(|at| self.bytes[at])
    }

    /// Returns the format that it is of.
    #[must_use]
    pub const fn format(&self) -> ObjectFormat {
        self.format
    }

    /// The id for libgit2, in a repository of this format. It believes that all are of that, and writes past its own memory where
    /// one is not, while ids come from configurations and from objects of others.
    pub(super) fn oid(self, repository: ObjectFormat) -> Result<Oid, git2::Error> {
        match self.format == repository {
            true => Oid::from_bytes(self.bytes()),
            false => Err(git2::Error::from_str(&format!("the id {self} is of another object format"))),
        }
    }

    pub(super) fn of(oid: Oid) -> Self {
        Self::from_bytes(oid.as_bytes()).unwrap_or(Self::zero(ObjectFormat::Sha1))
    }
}

/// Makes ids of objects, and checksums of packs, which are made in the same way.
pub(super) enum Hasher {
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Hasher {
    pub(super) fn new(format: ObjectFormat) -> Self {
        match format {
            ObjectFormat::Sha1 => Self::Sha1(Sha1::new()),
            ObjectFormat::Sha256 => Self::Sha256(Sha256::new()),
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha1(hash) => hash.update(bytes),
            Self::Sha256(hash) => hash.update(bytes),
        }
    }

    pub(super) fn finish(self) -> ObjectId {
        let made = match self {
            Self::Sha1(hash) => ObjectId::from_bytes(&hash.finalize()),
            Self::Sha256(hash) => ObjectId::from_bytes(&hash.finalize()),
        };
        made.unwrap_or(ObjectId::zero(ObjectFormat::Sha1))
    }
}

impl CommitId {
    /// Parses as [`ObjectId::parse`] does. Whether such a commit exists is not known yet.
    #[must_use]
    pub fn parse(hex: &str) -> Option<Self> {
        ObjectId::parse(hex).map(Self)
    }

    /// Returns the first seven digits, as people quote commits.
    #[must_use]
    pub fn short(&self) -> String {
        let mut hex = self.to_string();
        hex.truncate(7);
        hex
    }

    /// Returns the id as that of an object of any kind.
    #[must_use]
    pub const fn object(&self) -> ObjectId {
        self.0
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

const fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}
