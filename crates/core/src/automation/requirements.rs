//! What a policy requires of the image behind a tag, as configured. What these mean is in [`crate::guard::admit()`].

use std::fmt;
use std::sync::Arc;

use image::Repository;
use thiserror::Error;

use crate::advisory::Advisory;

/// The longest part of a platform, in bytes. Go's names are much shorter.
const MAX_PART: usize = 32;

/// What an image must be for, in the words of Go: `linux/arm64`, `linux/arm/v7`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Platform {
    /// The operating system.
    pub os: String,
    /// The processor.
    pub architecture: String,
    /// The variant of the processor; none is any.
    pub variant: Option<String>,
}

/// A text is no platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("is not a platform")]
pub struct NoPlatform;

impl Platform {
    /// Reads `OS/ARCHITECTURE` or `OS/ARCHITECTURE/VARIANT`.
    ///
    /// # Errors
    /// The text is none of these, or has other characters than letters, digits, `.`, `_` and `-`.
    pub fn parse(text: &str) -> Result<Self, NoPlatform> {
        let is_word = |part: &&str| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
            !part.is_empty() && part.len() <= MAX_PART && part.bytes().all(is_plain)
        };
        let parts: Vec<&str> = text.split('/').collect();
        if !parts.iter().all(is_word) {
            return Err(NoPlatform);
        }
        let (os, architecture, variant) = match parts[..] {
            [os, architecture] => (os, architecture, None),
            [os, architecture, variant] => (os, architecture, Some(variant.to_owned())),
            _ => return Err(NoPlatform),
        };
        Ok(Self { os: os.to_owned(), architecture: architecture.to_owned(), variant })
    }

    /// Whether an image that says that it is for another platform is for this one. An image for `arm64` that names no variant is
    /// for `v8`, which is the only one that there is of most.
    #[must_use]
    pub fn is_met_by(&self, other: &Self) -> bool {
        let variant = |platform: &Self| match (&*platform.architecture, &platform.variant) {
            ("arm64", None) => Some("v8".to_owned()),
            (_, variant) => variant.clone(),
        };
        let is_same = self.os == other.os && self.architecture == other.architecture;
        is_same && (self.variant.is_none() || variant(self) == variant(other))
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

/// That an image can be pulled, wherever it is pulled from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Pullable {
    /// The other repositories that must have it: mirrors and regions.
    pub mirrors: Vec<Repository>,
}

/// What says that a release fixes a vulnerability, so that it need not wait for its age.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct FastLane {
    /// Documents that name what is fixed.
    pub documents: Vec<Arc<Advisory>>,
    /// The label of an image that does; none where images have no say.
    pub label: Option<String>,
    /// Names of packages that mean the image in documents, beside its own.
    pub packages: Vec<String>,
}

impl FastLane {
    /// The label that counts where neither a document nor another label is given.
    pub const LABEL: &str = "dev.tagwright.fixes";
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::Platform;

    #[test]
    fn platforms_are_read_and_compared() {
        for wrong in ["", "linux", "linux/", "/amd64", "linux/arm/v7/x", "linux/am d64", "linux/a\n", "li\u{e9}/amd64"]
        {
            assert!(Platform::parse(wrong).is_err(), "{wrong:?}");
        }
        let meets = |wanted: &str, other: &str| {
            let (wanted, other) = (Platform::parse(wanted).unwrap(), Platform::parse(other).unwrap());
            assert_eq!(wanted.to_string().split('/').count(), if wanted.variant.is_some() { 3 } else { 2 });
            wanted.is_met_by(&other)
        };
        assert!(meets("linux/amd64", "linux/amd64") && meets("linux/amd64", "linux/amd64/v3"));
        assert!(meets("linux/arm64/v8", "linux/arm64") && meets("linux/arm64", "linux/arm64/v8"));
        assert!(meets("linux/arm/v7", "linux/arm/v7"));
        assert!(!meets("linux/arm/v7", "linux/arm/v6") && !meets("linux/arm/v7", "linux/arm"));
        assert!(!meets("linux/amd64", "windows/amd64") && !meets("linux/amd64", "linux/arm64"));
    }
}
