//! Why a field keeps its value, in words.

use crate::change::Code;
use crate::edit::value;
use crate::marker::{Field, Marker};
use crate::sops;

/// Why a field keeps its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kept {
    /// The selection has no tag.
    NoTag,
    /// The selection has no digest for a field that is one.
    NoDigest,
    /// The value has a digest and the selection has none, or there is no place for one. With the value that would drop it.
    Pinned(String),
    /// The value has this variable.
    Variable(String),
    /// The key beside it has another registry than the selection.
    Registry(String),
    /// There is no image to keep the name of, and the selection is one of a folder, which has none.
    Nameless,
    /// It is encrypted, or in an encrypted file.
    Sealed(Seal),
}

/// What SOPS has to do with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seal {
    /// It is plain, and the file's MAC covers it.
    Mac,
    /// It is encrypted.
    Value,
}

impl Seal {
    /// What keeps a field from being written; nothing where SOPS has no part in it.
    pub(crate) fn of(marker: &Marker) -> Option<Self> {
        match marker.scalar.sealed {
            _ if sops::is_encrypted(&marker.value) => Some(Self::Value),
            true => Some(Self::Mac),
            false => None,
        }
    }

    /// One sentence about a field.
    pub(crate) const fn sentence(self) -> &'static str {
        match self {
            Self::Mac => {
                "the file is encrypted with SOPS, and its MAC covers the plain values, too, so that a change of any makes the \
                 file unreadable; the field stays"
            }
            Self::Value => "the value is encrypted with SOPS; the field stays",
        }
    }
}

impl Kept {
    pub(crate) const fn code(&self) -> Code {
        match self {
            Self::NoTag => Code::NoSelection,
            Self::NoDigest => Code::NoDigest,
            Self::Pinned(_) => Code::PinnedValue,
            Self::Variable(_) => Code::Variable,
            Self::Registry(_) | Self::Nameless => Code::UnreachableValue,
            Self::Sealed(_) => Code::Sealed,
        }
    }

    /// One sentence about a field of a policy.
    pub(crate) fn sentence(&self, policy: &str) -> String {
        match self {
            Self::NoTag => format!("the selection of policy {policy:?} has no tag; the field stays"),
            Self::NoDigest => format!("the selection of policy {policy:?} has no digest; the field stays"),
            Self::Pinned(_) => {
                format!(
                    "the value is pinned to a digest, and the selection of policy {policy:?} has none; the field stays"
                )
            }
            Self::Variable(variable) => {
                format!("the value has the variable {variable}, which is never written over; the field stays")
            }
            Self::Registry(registry) => {
                format!("the registry beside it is {registry:?}, not that of policy {policy:?}; the field stays")
            }
            Self::Nameless => {
                format!(
                    "policy {policy:?} selects from a folder, which has no name to write; write an image to begin with; the field stays"
                )
            }
            Self::Sealed(seal) => seal.sentence().to_owned(),
        }
    }

    /// Whether the other parts of an image have to stay because of this one.
    pub(crate) fn holds_others(&self, marker: &Marker) -> bool {
        match self {
            Self::NoTag => false,
            // An empty field for a digest waits to be filled in.
            Self::NoDigest => value::current(marker).is_ok_and(|current| current.digest.is_some()),
            Self::Variable(_) => marker.field != Field::Name,
            Self::Pinned(_) | Self::Registry(_) | Self::Nameless | Self::Sealed(_) => true,
        }
    }

    /// One sentence about another part of the image.
    pub(crate) fn beside(&self, policy: &str) -> String {
        let part = match self {
            Self::NoDigest | Self::Pinned(_) => {
                "the digest beside it cannot be written, because the selection has none"
            }
            Self::Variable(_) => "a part of the image beside it is a variable",
            Self::Sealed(_) => "a part of the image beside it is encrypted with SOPS",
            Self::Nameless => "there is no name beside it",
            Self::NoTag | Self::Registry(_) => "the registry beside it is another one",
        };
        format!("{part}; the fields of policy {policy:?} stay together")
    }
}
