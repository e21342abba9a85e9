//! Pieces of the work.

use std::fmt;

use sha2::{Digest, Sha256};

/// One of the pieces that the work is cut into, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard(u16);

impl Shard {
    /// The shard of `key` among `count`: the first eight bytes of its SHA-256, read with the most significant byte first, modulo
    /// `count`. It never changes, since replicas of two versions must agree about it.
    ///
    /// ```
    /// use kubernetes::shards::Shard;
    /// let shard = Shard::of("https://git.example.org/fleet.git", 64);
    /// assert_eq!(shard.number(), 41);
    /// ```
    #[must_use]
    pub fn of(key: &str, count: u16) -> Shard {
        let number = hash(key.as_bytes()) % u64::from(count.max(1));
        Shard(u16::try_from(number).unwrap_or_default())
    }

    /// All of them.
    pub(crate) fn all(count: u16) -> impl Iterator<Item = Shard> {
        (0..count).map(Shard)
    }

    /// The one that is written like this, if there is one among `count`.
    pub(crate) fn named(text: &str, count: u16) -> Option<Shard> {
        let shard = text.parse().ok().filter(|number| *number < count).map(Shard)?;
        (shard.to_string() == text).then_some(shard)
    }

    /// Which one it is.
    #[must_use]
    pub fn number(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}", self.0)
    }
}

/// The first eight bytes of the SHA-256.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    Sha256::digest(bytes).iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_the_same_shard_for_ever() {
        for (key, count, expect) in [
            ("", 64, 20),
            ("https://git.example.org/fleet.git", 64, 41),
            ("ssh://git@git.example.org/fleet.git", 64, 44),
            ("registry.example.org/app", 64, 6),
            ("registry.example.org/app", 1, 0),
            ("registry.example.org/app", 7, 1),
            ("registry.example.org/äpp", u16::MAX, 49_290),
            ("registry.example.org/app", 0, 0),
        ] {
            assert_eq!(Shard::of(key, count).number(), expect, "{key} of {count}");
        }
    }

    #[test]
    fn keys_are_spread() {
        let mut counts = [0; 64];
        for key in 0..6_400 {
            let shard = Shard::of(&format!("registry.example.org/app-{key}"), 64);
            counts[usize::from(shard.number())] += 1;
        }
        assert!(counts.iter().all(|count| (60..=145).contains(count)), "{counts:?}");
    }
}
