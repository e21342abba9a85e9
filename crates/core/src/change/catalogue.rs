//! What is known about each code: its name, how grave it is, and what it is about in one line.

use crate::change::Code;

/// The severity of a finding, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Good to know; nothing has to change.
    Note,
    /// It works, and most likely not as it was meant.
    Warning,
    /// It cannot work as it is written.
    Error,
}

impl Severity {
    /// The word for it, which SARIF and workflow annotations share.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl Code {
    /// Every code, in the order of its number.
    pub const ALL: [Self; 32] = [
        Self::UnknownPolicy,
        Self::UnknownField,
        Self::MalformedMarker,
        Self::MisplacedMarker,
        Self::UnparsableDocument,
        Self::NotText,
        Self::FileTooLarge,
        Self::NoSelection,
        Self::NoDigest,
        Self::EditRefused,
        Self::PathMissing,
        Self::InvalidReference,
        Self::SymbolicLink,
        Self::Disagreement,
        Self::UnusedPolicy,
        Self::NothingMarked,
        Self::UnreachableValue,
        Self::MessageFails,
        Self::NothingMatches,
        Self::NoEffect,
        Self::UnmarkedImage,
        Self::NotRead,
        Self::Sealed,
        Self::Variable,
        Self::PinnedValue,
        Self::UnmarkedDigest,
        Self::PushBranchLeft,
        Self::MovedRepository,
        Self::EmbeddedOff,
        Self::EmbeddedUnsupported,
        Self::TargetMissing,
        Self::WouldUpdate,
    ];

    /// A name for programs, such as `UnknownPolicy`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.facts().0
    }

    /// The severity that `check` gives it. To a run, every finding is a warning.
    #[must_use]
    pub const fn severity(self) -> Severity {
        self.facts().1
    }

    /// Its subject: one sentence, lower case, no final period.
    #[must_use]
    pub const fn summary(self) -> &'static str {
        self.facts().2
    }

    /// What to do about it, where that can be said without the place; one instruction, lower case, no final period. `check`
    /// knows more of the place, and has hints of its own.
    #[must_use]
    pub const fn hint(self) -> Option<&'static str> {
        Some(match self {
            Self::UnknownPolicy => "name a policy that an automation of this remote has, as `namespace:name`",
            Self::MalformedMarker => {
                "write it like `# {\"$imagepolicy\": \"default:web\"}`; `tagwright check` shows the one that was meant"
            }
            Self::NoSelection => "`tagwright explain` with the name of the policy shows what becomes of every tag",
            Self::NoDigest | Self::PinnedValue => "set `digestReflectionPolicy: IfNotPresent` in the policy",
            Self::PathMissing => "paths count from the root of the repository, on the branch that is read",
            Self::NothingMarked => "`tagwright mark` puts markers on images",
            Self::NotText => "save the file as UTF-8",
            Self::FileTooLarge => "split the file",
            Self::Sealed => "encrypt the file with `mac_only_encrypted: true`, or move the value to a file of its own",
            Self::Variable => {
                "give it a default that can be updated, such as `${TAG:-1.4.2}`, or mark the value where it is set"
            }
            Self::UnmarkedDigest => "mark the digest too, with a marker that ends in `:digest`",
            Self::PushBranchLeft => "merge the branch, or delete it",
            Self::UnparsableDocument | Self::EmbeddedUnsupported => "`tagwright check` shows the place",
            _ => return None,
        })
    }

    /// Whether what it is about will never do anything as it is written: a marker that sets nothing, a path that is not
    /// there, a policy that can select nothing.
    #[must_use]
    pub const fn is_dead_end(self) -> bool {
        match self {
            Self::UnknownPolicy
            | Self::UnknownField
            | Self::MalformedMarker
            | Self::MisplacedMarker
            | Self::UnparsableDocument
            | Self::NotText
            | Self::FileTooLarge
            | Self::NoSelection
            | Self::NoDigest
            | Self::EditRefused
            | Self::PathMissing
            | Self::UnusedPolicy
            | Self::NothingMarked
            | Self::MessageFails
            | Self::NothingMatches
            | Self::NoEffect
            | Self::NotRead
            | Self::Sealed
            | Self::Variable
            | Self::PinnedValue
            | Self::EmbeddedUnsupported
            | Self::TargetMissing => true,
            Self::InvalidReference
            | Self::SymbolicLink
            | Self::Disagreement
            | Self::UnreachableValue
            | Self::UnmarkedImage
            | Self::UnmarkedDigest
            | Self::PushBranchLeft
            | Self::MovedRepository
            | Self::EmbeddedOff
            | Self::WouldUpdate => false,
        }
    }

    const fn facts(self) -> (&'static str, Severity, &'static str) {
        use Severity::{Error, Note, Warning};
        match self {
            Self::UnknownPolicy => ("UnknownPolicy", Error, "a marker names a policy that is not in scope"),
            Self::UnknownField => {
                ("UnknownField", Error, "a marker ends in something else than :tag, :name or :digest")
            }
            Self::MalformedMarker => ("MalformedMarker", Error, "a comment mentions $imagepolicy and is not a marker"),
            Self::MisplacedMarker => ("MisplacedMarker", Error, "a marker stands where there is no scalar to set"),
            Self::UnparsableDocument => ("UnparsableDocument", Error, "a document with a marker cannot be parsed"),
            Self::NotText => ("NotText", Error, "a file with a marker is not UTF-8 text"),
            Self::FileTooLarge => ("FileTooLarge", Error, "a file with a marker is too large"),
            Self::NoSelection => ("NoSelection", Note, "a policy selects nothing"),
            Self::NoDigest => ("NoDigest", Error, "a :digest marker of a policy that gives no digest"),
            Self::EditRefused => ("EditRefused", Error, "an edit of the file is not confirmed by the second parser"),
            Self::PathMissing => ("PathMissing", Error, "a path of an automation does not exist"),
            Self::InvalidReference => {
                ("InvalidReference", Warning, "a value is not a reference, tag or digest that OCI allows")
            }
            Self::SymbolicLink => ("SymbolicLink", Note, "a YAML file is a symbolic link, which is not followed"),
            Self::Disagreement => ("Disagreement", Error, "markers of one image name different policies"),
            Self::UnusedPolicy => ("UnusedPolicy", Warning, "no marker names a policy"),
            Self::NothingMarked => ("NothingMarked", Warning, "an automation's path holds no marker"),
            Self::UnreachableValue => ("UnreachableValue", Warning, "a policy would never choose the value of a field"),
            Self::MessageFails => ("MessageFails", Error, "a commit message fails on a sample change"),
            Self::NothingMatches => ("NothingMatches", Warning, "a range or pattern matches nothing that it is shown"),
            Self::NoEffect => ("NoEffect", Warning, "a field of the configuration has no effect"),
            Self::UnmarkedImage => ("UnmarkedImage", Note, "an image has no marker"),
            Self::NotRead => ("NotRead", Warning, "a marked file is in no automation's paths"),
            Self::Sealed => ("Sealed", Warning, "a marked value is encrypted with SOPS, or covered by its MAC"),
            Self::Variable => ("Variable", Warning, "a marked value has a variable that cannot be updated"),
            Self::PinnedValue => {
                ("PinnedValue", Warning, "a marked value is pinned to a digest, and its policy gives none")
            }
            Self::UnmarkedDigest => ("UnmarkedDigest", Warning, "a digest without a marker stands beside a marked tag"),
            Self::PushBranchLeft => {
                ("PushBranchLeft", Warning, "a push branch with commits of others lacks what is read")
            }
            Self::MovedRepository => ("MovedRepository", Warning, "an image repository has moved"),
            Self::EmbeddedOff => ("EmbeddedOff", Note, "markers in embedded YAML, which nobody asked to be edited"),
            Self::EmbeddedUnsupported => {
                ("EmbeddedUnsupported", Error, "markers in embedded YAML that cannot be edited")
            }
            Self::TargetMissing => ("TargetMissing", Error, "a target names nothing that can be set"),
            Self::WouldUpdate => ("WouldUpdate", Note, "a change of the repository would update a field"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Code;

    #[test]
    fn codes_come_in_the_order_of_their_numbers() {
        assert!(Code::ALL.map(Code::as_str).is_sorted_by(|a, b| a < b));
    }
}
