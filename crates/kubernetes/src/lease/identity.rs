//! Who holds a Lease.

use std::fmt;
use std::hash::{BuildHasher, RandomState};

/// The longest host name that becomes part of an identity, and of the name of an object, which may have 253 characters.
const HOST_MAX: usize = 150;

/// A process, as `holderIdentity` says it: `<host name>_<random UUID>`. No two are the same, also not on one host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity(String);

impl Identity {
    /// A new one on this host.
    #[must_use]
    pub fn new(host: &str) -> Identity {
        let host: String = host.chars().take(HOST_MAX).collect();
        Identity(format!("{host}_{}", uuid(random())))
    }

    /// That of the same process when it has joined anew: `-2`, `-3` and so on behind the first.
    pub(crate) fn again(&self, number: u32) -> Identity {
        Identity(format!("{}-{number}", self.0))
    }

    /// As a Lease has it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
impl From<&str> for Identity {
    fn from(text: &str) -> Identity {
        Identity(text.to_owned())
    }
}

/// 128 bits that no one else has. The keys of `RandomState` are the operating system's randomness.
fn random() -> u128 {
    let keys = RandomState::new();
    u128::from(keys.hash_one(0u8)) << 64 | u128::from(keys.hash_one(1u8))
}

/// A UUID of version 4 (RFC 9562).
fn uuid(random: u128) -> String {
    let bits = random & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let hex = format!("{bits:032x}");
    let (time, rest) = hex.split_at(8);
    let (mid, rest) = rest.split_at(4);
    let (version, rest) = rest.split_at(4);
    let (variant, node) = rest.split_at(4);
    format!("{time}-{mid}-{version}-{variant}-{node}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_as_flux_writes_it() {
        assert_eq!(uuid(0), "00000000-0000-4000-8000-000000000000");
        assert_eq!(uuid(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        let identity = Identity::new("pod-1");
        assert_eq!(identity.as_str().strip_prefix("pod-1_").map(str::len), Some(36));
    }

    #[test]
    fn two_lives_are_two() {
        assert_ne!(Identity::new("pod"), Identity::new("pod"));
    }
}
