//! Object and commit ids: forty hexadecimal digits on the outside, twenty bytes inside.

use std::fmt;

/// The id of any Git object (SHA-1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId(pub(super) [u8; 20]);

/// The id of a commit.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CommitId(pub(super) ObjectId);

impl ObjectId {
    /// What the protocol writes for "no object".
    pub(super) const ZERO: Self = Self([0; 20]);

    /// Parses forty hexadecimal digits of either case.
    ///
    /// ```
    /// use git::ObjectId;
    /// let id = ObjectId::parse("b53BF1E5e7ee33cb5a4cd3d4d9ad3a1f84dd7d4f").unwrap();
    /// assert_eq!(id.to_string(), "b53bf1e5e7ee33cb5a4cd3d4d9ad3a1f84dd7d4f");
    /// assert!(ObjectId::parse("b53bf1e").is_none());
    /// ```
    #[must_use]
    pub fn parse(hex: &str) -> Option<Self> {
        Self::from_hex(hex.as_bytes())
    }

    pub(super) fn from_hex(hex: &[u8]) -> Option<Self> {
        let mut bytes = [0; 20];
        if hex.len() != 40 {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self(bytes))
    }

    pub(super) fn from_slice(bytes: &[u8]) -> Option<Self> {
        Some(Self(bytes.try_into().ok()?))
    }

    /// Returns the twenty bytes.
    pub const fn bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// The id with these bytes.
    pub const fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    pub(super) fn oid(self) -> git2::Oid {
        // Twenty bytes are always an id, so the zero id stands for what cannot happen.
        git2::Oid::from_bytes(&self.0).unwrap_or(git2::Oid::ZERO_SHA1)
    }

    pub(super) fn of(oid: git2::Oid) -> Self {
        Self::from_slice(oid.as_bytes()).unwrap_or(Self::ZERO)
    }
}

impl CommitId {
    /// Parses forty hexadecimal digits of either case. Whether such a commit exists is not known yet.
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

    pub(super) fn oid(self) -> git2::Oid {
        self.0.oid()
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
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
