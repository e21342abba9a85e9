//! What an edit did to one field, and what an observer has to say about a place in a file.

mod catalogue;
mod location;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::catalogue::Severity;
pub(crate) use self::location::MAX_LINE;
pub use self::location::{Excerpt, Location};

/// The Kubernetes identity of a YAML document; fields the document lacks are empty.
///
/// The order is that of the fields as declared, which is the order in which templates see objects.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ObjectIdentity {
    /// `apiVersion`.
    pub api_version: String,
    /// `kind`.
    pub kind: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.namespace`.
    pub namespace: String,
}

/// One field that has another value now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The file, relative to the automation's path, with `/` between folders.
    pub file: String,
    /// The line of the value in the old text, from 1.
    pub line: usize,
    /// The document the field is in, read after the edit.
    pub object: ObjectIdentity,
    /// The decoded value before.
    pub old: String,
    /// The decoded value after.
    pub new: String,
    /// The marker's whole value: `namespace:policy`, perhaps with `:tag`, `:name` or `:digest`.
    pub setter: String,
}

impl Change {
    /// The policy of the marker, `namespace:name`.
    #[must_use]
    pub fn policy(&self) -> &str {
        policy_of(&self.setter)
    }
}

/// The policy of a marker's whole value: what stands before the second colon.
pub(crate) fn policy_of(setter: &str) -> &str {
    let field = setter.match_indices(':').nth(1);
    field.map_or(setter, |(at, _)| &setter[..at])
}

/// A kind of finding; its code is stable and documented in docs/reference/findings.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Code {
    /// TW001: the marker names a policy that is not in scope.
    UnknownPolicy,
    /// TW002: the marker ends in something else than `:tag`, `:name` or `:digest`.
    UnknownField,
    /// TW003: the comment mentions `$imagepolicy` and is no marker.
    MalformedMarker,
    /// TW004: the marker stands where it has no scalar to set.
    MisplacedMarker,
    /// TW005: a document with a marker cannot be parsed.
    UnparsableDocument,
    /// TW006: a file with a marker is no UTF-8 text.
    NotText,
    /// TW007: a file with markers is larger than the limit, or has more of them.
    FileTooLarge,
    /// TW008: the policy has no selection, so the field stays.
    NoSelection,
    /// TW009: a `:digest` marker, and the selection has no digest.
    NoDigest,
    /// TW010: the edited file did not verify; it was left alone.
    EditRefused,
    /// TW011: the automation's path does not exist.
    PathMissing,
    /// TW012: a selected reference or a registry's tag is not one that OCI allows.
    InvalidReference,
    /// TW013: the file with the marker is a symbolic link, which is not followed.
    SymbolicLink,
    /// TW014: the markers of one image name different policies.
    Disagreement,
    /// TW015: no marker names the policy.
    UnusedPolicy,
    /// TW016: the automation's path holds no marker.
    NothingMarked,
    /// TW017: the policy would never choose the value that the field has.
    UnreachableValue,
    /// TW018: the commit message fails on a sample change.
    MessageFails,
    /// TW019: a range or pattern matches nothing that it is shown.
    NothingMatches,
    /// TW020: what is configured has no effect.
    NoEffect,
    /// TW021: an image has no marker.
    UnmarkedImage,
    /// TW022: the file with the marker is in no automation's paths.
    NotRead,
    /// TW023: the marked value is encrypted with SOPS, or its MAC covers it.
    Sealed,
    /// TW024: the marked value has a variable without a default that could be updated.
    Variable,
    /// TW025: the marked value is pinned to a digest, and the selection has none.
    PinnedValue,
    /// TW026: a digest without a marker stands beside a marked tag.
    UnmarkedDigest,
    /// TW027: the push branch lacks what is read, and does not begin anew.
    PushBranchLeft,
    /// TW028: the image repository of a policy has moved.
    MovedRepository,
    /// TW030: markers in embedded YAML, which nobody asked to be edited. A note.
    EmbeddedOff,
    /// TW031: markers in embedded YAML that cannot be edited.
    EmbeddedUnsupported,
    /// TW032: a target names nothing that can be set.
    TargetMissing,
    /// TW040: a change of the repository would update the field. A note.
    WouldUpdate,
}

impl Code {
    /// The code as it is printed and documented; it never changes its meaning.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownPolicy => "TW001",
            Self::UnknownField => "TW002",
            Self::MalformedMarker => "TW003",
            Self::MisplacedMarker => "TW004",
            Self::UnparsableDocument => "TW005",
            Self::NotText => "TW006",
            Self::FileTooLarge => "TW007",
            Self::NoSelection => "TW008",
            Self::NoDigest => "TW009",
            Self::EditRefused => "TW010",
            Self::PathMissing => "TW011",
            Self::InvalidReference => "TW012",
            Self::SymbolicLink => "TW013",
            Self::Disagreement => "TW014",
            Self::UnusedPolicy => "TW015",
            Self::NothingMarked => "TW016",
            Self::UnreachableValue => "TW017",
            Self::MessageFails => "TW018",
            Self::NothingMatches => "TW019",
            Self::NoEffect => "TW020",
            Self::UnmarkedImage => "TW021",
            Self::NotRead => "TW022",
            Self::Sealed => "TW023",
            Self::Variable => "TW024",
            Self::PinnedValue => "TW025",
            Self::UnmarkedDigest => "TW026",
            Self::PushBranchLeft => "TW027",
            Self::MovedRepository => "TW028",
            Self::EmbeddedOff => "TW030",
            Self::EmbeddedUnsupported => "TW031",
            Self::TargetMissing => "TW032",
            Self::WouldUpdate => "TW040",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A finding about a place in a file. It never stops a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// The file, relative to the automation's path; empty when it is about no file.
    pub file: String,
    /// The line, from 1; 0 when it is about the whole file.
    pub line: usize,
    /// The column in characters, from 1; 0 when it is about the whole line.
    pub column: usize,
    /// The kind of finding.
    pub code: Code,
    /// One sentence, lower case, no final period.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::policy_of;

    #[test]
    fn a_policy_ends_where_the_field_of_its_marker_begins() {
        for setter in ["shop:web", "shop:web:tag", "shop:web:digest", "shop:web:no:field"] {
            assert_eq!(policy_of(setter), "shop:web");
        }
        assert_eq!(policy_of("web"), "web");
    }
}
