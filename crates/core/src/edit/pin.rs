//! How digests are written, alone and behind tags.

use image::Digest;

/// How a field for a tag is written.
pub(crate) enum TagForm {
    Tag,
    /// `tag@digest`; where the `@` is.
    Pinned(usize),
    /// Nothing but a digest.
    Digest,
}

impl TagForm {
    pub(crate) fn of(text: &str) -> Self {
        match text.find('@') {
            Some(at) if at > 0 => Self::Pinned(at),
            None if DigestForm::of(text) == DigestForm::Other => Self::Tag,
            _ => Self::Digest,
        }
    }
}

/// How a digest is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DigestForm {
    /// `sha256:…`
    Full,
    /// `@sha256:…`
    At,
    /// 64 hexadecimal digits, which are one of SHA-256.
    Hex,
    /// Not at all.
    Other,
}

impl DigestForm {
    pub(crate) fn of(text: &str) -> Self {
        match text.strip_prefix('@') {
            Some(rest) if Digest::parse(rest).is_ok() => Self::At,
            _ if Digest::parse(text).is_ok() => Self::Full,
            _ if is_hex(text) => Self::Hex,
            _ => Self::Other,
        }
    }

    pub(crate) fn digest(self, text: &str) -> Option<Digest> {
        match self {
            Self::Full => Digest::parse(text).ok(),
            Self::At => Digest::parse(&text[1..]).ok(),
            Self::Hex => Digest::parse(&format!("sha256:{text}")).ok(),
            Self::Other => None,
        }
    }

    pub(crate) fn write(self, digest: &Digest) -> String {
        match (self, digest.as_str().strip_prefix("sha256:")) {
            (Self::Hex, Some(hex)) => hex.to_owned(),
            (Self::At, _) => format!("@{digest}"),
            _ => digest.to_string(),
        }
    }
}

/// Whether a text is a digest, with its algorithm or, as SHA-256 gives it, without.
pub(crate) fn is_digest(text: &str) -> bool {
    DigestForm::of(text) != DigestForm::Other
}

/// Whether a digest stands in a text, or something in its place.
pub(crate) fn has_pin(text: &str) -> bool {
    ["@", "sha256:", "sha512:"].iter().any(|sign| text.contains(sign))
}

/// The digest that a text is, whatever its form.
pub(crate) fn digest(text: &str) -> Option<Digest> {
    DigestForm::of(text).digest(text)
}

/// Whether a text is what SHA-256 gives, in lower-case digits.
pub(crate) fn is_hex(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}
