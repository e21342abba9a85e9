//! What happened, as it is told.

use std::fmt;

use jiff::Timestamp;

/// How grave something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Somebody should look.
    Error,
}

impl Severity {
    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Error => "error",
        }
    }
}

/// What kind of thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A commit was pushed.
    Pushed,
    /// An update is held back.
    Held,
    /// A remote does not take what is pushed.
    Rejected,
    /// Something fails.
    Failing,
    /// What has failed, or was rejected, works again.
    Recovered,
    /// Something in a repository has no effect, or not the one that was meant.
    Finding,
    /// A tag of a release points to something else than it did.
    MovedTag,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 7] =
        [Self::Pushed, Self::Held, Self::Rejected, Self::Failing, Self::Recovered, Self::Finding, Self::MovedTag];

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pushed => "pushed",
            Self::Held => "held",
            Self::Rejected => "rejected",
            Self::Failing => "failing",
            Self::Recovered => "recovered",
            Self::Finding => "finding",
            Self::MovedTag => "moved-tag",
        }
    }
}

/// Namespace and name of an object. Printed, a slash is between them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What an event is about: whatever somebody may have chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// Automations.
    pub automations: Vec<Name>,
    /// Policies.
    pub policies: Vec<Name>,
    /// Image repositories.
    pub repositories: Vec<Name>,
    /// The URL of a Git remote, without credentials.
    pub remote: Option<String>,
    /// What the first of the automations is; one of ours, where nothing is known of it.
    pub object: Option<Object>,
}

/// A kind of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Object {
    /// The version of its API, with the group.
    pub api_version: &'static str,
    /// The kind.
    pub kind: &'static str,
}

/// Something that goes on for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// What fails; the same text when it works again.
    pub subject: String,
    /// The host that is to blame, if it fails whatever it is asked.
    pub host: Option<String>,
}

/// A commit that was pushed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Commit {
    /// Its full hash.
    pub id: String,
    /// The branch that it was pushed to.
    pub branch: String,
    /// Its page, where the forge is known.
    pub page: Option<String>,
    /// What it changes.
    pub changes: Vec<Change>,
}

/// One field that has another value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The value before.
    pub old: String,
    /// The value after.
    pub new: String,
    /// The marker, `namespace:policy`, perhaps with a field behind it.
    pub policy: String,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What kind of thing it is.
    pub kind: Kind,
    /// How grave it is.
    pub severity: Severity,
    /// What it is about.
    pub about: About,
    /// One sentence, without a final period.
    pub message: String,
    /// What to do about it, where that is known.
    pub hint: Option<String>,
    /// When.
    pub at: Timestamp,
    /// The commit, where it is about one.
    pub commit: Option<Commit>,
    /// What goes on from now, or no longer.
    pub incident: Option<Incident>,
}

/// An image that a commit has put to use, and the commit of the source that it was built from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployed {
    /// What it is about.
    pub about: About,
    /// The sentence of the event that tells of the commit.
    pub message: String,
    /// The image, with its tag.
    pub image: String,
    /// The address of its source.
    pub source: String,
    /// The full hash of the commit in there.
    pub revision: String,
    /// The commit that put it to use.
    pub commit: String,
    /// The page of that commit, where the forge is known.
    pub page: Option<String>,
}
