//! Why an automation or a poll failed.

use std::fmt;
use std::sync::Arc;

use gotext::template;
use tagwright_core::automation::ObjectName;
use tagwright_core::submit::Refused;
use thiserror::Error;

use crate::failure::{Failure, Kind};

/// Why an automation or a poll failed.
#[derive(Debug, Error)]
pub enum Error {
    /// The registry did not give what was asked for.
    #[error("cannot poll {image}")]
    Registry {
        /// The image repository's name, perhaps with a tag.
        image: String,
        /// The registry's authority.
        registry: String,
        /// The failure of the registry's client; boxed, since it is by far the largest.
        source: Box<registry::Error>,
    },
    /// The Git remote could not be read or written.
    #[error("cannot {doing} {url}")]
    Git {
        /// What was being done.
        doing: Doing,
        /// The remote, without credentials.
        url: String,
        /// Why; shared by the automations of one remote.
        source: Arc<git::Error>,
    },
    /// The message template failed on the changes at hand.
    #[error("cannot render the commit message")]
    Message(#[source] template::RenderError),
    /// What is submitted cannot be written.
    #[error("cannot submit to {sync}")]
    Submit {
        /// Whom it is submitted to.
        sync: ObjectName,
        /// Why not.
        source: Box<Refused>,
    },
    /// The commit cannot be signed.
    #[error("cannot sign the commit: {0}")]
    Unsigned(String),
    /// The checkout is no branch, and no push branch is given.
    #[error("no push branch is given, and none can be inferred from the checkout reference")]
    NoPushBranch,
    /// No tag of the remote is in the checkout range.
    #[error("no tag of {url} is in the range {range}")]
    NoTagInRange {
        /// The Git remote, without credentials.
        url: String,
        /// The range as written.
        range: String,
    },
    /// The remote refused the push.
    #[error("{url} refused the push to {}: {}{}", git::in_words(reference), reason.replace('\n', "; "), quoted(words))]
    Declined {
        /// The Git remote, without credentials.
        url: String,
        /// The reference that was not updated.
        reference: String,
        /// The remote's reason.
        reason: String,
        /// What the remote wrote for the user, safe to print.
        words: String,
    },
    /// The branch has not moved, and the remote could not move it either.
    #[error("{url} cannot update {} at the moment: {}{}", git::in_words(reference), reason.replace('\n', "; "), quoted(words))]
    Busy {
        /// The Git remote, without credentials.
        url: String,
        /// The reference that was not updated.
        reference: String,
        /// The remote's reason.
        reason: String,
        /// What the remote wrote for the user, safe to print.
        words: String,
    },
    /// The checkout commit is no full hash.
    #[error("{text:?} is not a commit id; it has forty hexadecimal digits")]
    NotACommitId {
        /// The text as configured.
        text: String,
    },
    /// The refspec's source is neither the push branch nor a reference of the remote.
    #[error("the source of the refspec {refspec} does not exist on {url}")]
    NoRefspecSource {
        /// The Git remote, without credentials.
        url: String,
        /// The refspec as written.
        refspec: String,
    },
    /// The second destination has commits that ours does not build on.
    #[error("{destination} of {url} has moved on its own, and is not overwritten")]
    Diverged {
        /// The Git remote, without credentials.
        url: String,
        /// The destination of the refspec.
        destination: String,
    },
    /// It is not known whether ours builds on what the second destination has.
    #[error(
        "{destination} of {url} is at {commit}, which is not in the history of what goes there, as far as that is looked at"
    )]
    FarBehind {
        /// The Git remote, without credentials.
        url: String,
        /// The destination of the refspec.
        destination: String,
        /// What it is at.
        commit: String,
    },
    /// The forge did not do what it was asked.
    #[error("cannot {asking} {url}")]
    Forge {
        /// What it was asked.
        asking: Asking,
        /// The Git remote, without credentials.
        url: String,
        /// Why not; boxed, since it is large.
        source: Box<forge::Error>,
    },
    /// Nothing proves to the forge who asks.
    #[error("there is no token for the forge of {url}")]
    NoForgeLogin {
        /// The Git remote, without credentials.
        url: String,
    },
    /// The forge was to make the commit, and sign it.
    #[error("the forge of {url} has made no signed commit, so that nothing is pushed: {why}")]
    Unsealed {
        /// The Git remote, without credentials.
        url: String,
        /// Why not.
        why: String,
    },
    /// Two automations push to the branch of a pull request.
    #[error("{branch} of {url} is the push branch of {other}, too, and a pull request is one automation's")]
    SharedBranch {
        /// The Git remote, without credentials.
        url: String,
        /// The branch.
        branch: String,
        /// The other automation.
        other: ObjectName,
    },
    /// A group of changes has no branch of its own.
    #[error("the changes for the {group} have no branch of {url} of their own: {why}")]
    GroupBranch {
        /// The Git remote, without credentials.
        url: String,
        /// The group: `policy shop:web`.
        group: String,
        /// Why not.
        why: String,
    },
    /// The work is somebody else's by now.
    #[error("the lease for {url} was lost before the push, which is left to whoever has it now")]
    LeaseLost {
        /// The Git remote, without credentials.
        url: String,
    },
    /// The branch moved during every attempt.
    #[error("{reference} of {url} moved during each of {attempts} attempts to push")]
    RaceLost {
        /// The Git remote, without credentials.
        url: String,
        /// The full name of the push branch.
        reference: String,
        /// How many pushes were tried.
        attempts: usize,
    },
}

/// What a forge is asked. Printed, it stands before the remote's URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asking {
    /// What became of a request.
    Look,
    /// A new request.
    Open,
    /// Another title and text.
    Update,
    /// Labels, reviewers and assignees.
    Adorn,
    /// A merge.
    Merge,
    /// The end of a request.
    Close,
    /// The end of its branch.
    DeleteBranch,
    /// What somebody has written below it, or an answer.
    Comment,
    /// A commit that it signs.
    Commit,
}

impl fmt::Display for Asking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Look => "look at the pull request of",
            Self::Open => "open a pull request at",
            Self::Update => "update the pull request of",
            Self::Adorn => "give labels, reviewers and assignees to the pull request of",
            Self::Merge => "merge the pull request of",
            Self::Close => "close the pull request of",
            Self::DeleteBranch => "delete the branch of the pull request of",
            Self::Comment => "read or write a comment on a pull request of",
            Self::Commit => "have a signed commit made at the forge of",
        })
    }
}

/// What is done with a Git remote. Printed, it stands before the remote's URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// Its mirror is opened.
    Open,
    /// Its references are asked for, or what was fetched of it is read.
    Read,
    /// It is looked for what people and other bots have done.
    ReadHistory,
    /// Commits are fetched.
    Fetch,
    /// Ours are pushed.
    Push,
    /// They are pushed to the second destination.
    PushRefspec,
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Read => "read",
            Self::ReadHistory => "read the history of",
            Self::Fetch => "fetch from",
            Self::Push => "push to",
            Self::PushRefspec => "push the refspec to",
        })
    }
}

impl Error {
    /// A failure of the Git edge, with what was being done.
    pub(crate) fn git(doing: Doing, url: &str, source: git::Error) -> Self {
        match source {
            // It has nothing to do with the remote.
            git::Error::Unsigned { why } => Self::Unsigned(why),
            source => Self::Git { doing, url: url.to_owned(), source: source.into() },
        }
    }

    /// Whether a registry was not even asked, since nobody gave out the login for it.
    #[must_use]
    pub(crate) fn lacks_login(&self) -> bool {
        matches!(self, Self::Registry { source, .. } if matches!(source.cause(), registry::Error::Cloud { .. }))
    }

    /// What this failure calls for.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Registry { source, .. } => source.kind().into(),
            Self::Git { source, .. } => source.kind().into(),
            Self::Message(_)
            | Self::Submit { .. }
            | Self::Unsigned(_)
            | Self::NoPushBranch
            | Self::NoTagInRange { .. }
            | Self::NotACommitId { .. }
            | Self::NoForgeLogin { .. }
            | Self::Unsealed { .. }
            | Self::SharedBranch { .. }
            | Self::GroupBranch { .. }
            | Self::NoRefspecSource { .. } => Kind::Config,
            Self::Forge { source, .. } => source.kind().into(),
            // The commit is on the push branch already, so this is no configuration with which nothing happened.
            Self::Declined { .. } | Self::Diverged { .. } | Self::FarBehind { .. } => Kind::Denied,
            Self::Busy { .. } | Self::RaceLost { .. } | Self::LeaseLost { .. } => Kind::Transient,
        }
    }

    /// What a commit that was pushed lacks all the same.
    #[must_use]
    pub(crate) const fn missed(&self) -> &'static str {
        match self {
            Self::Forge { .. } | Self::NoForgeLogin { .. } | Self::SharedBranch { .. } => {
                "but its pull request is not as it should be"
            }
            _ => "but not to the second destination",
        }
    }

    /// The whole story on one line: this error and what caused it.
    #[must_use]
    pub fn chain(&self) -> String {
        Failure::from(self).line()
    }
}

/// The remote's words on one line: a line of theirs must not look like one of ours.
fn quoted(words: &str) -> String {
    let lines: Vec<&str> = words.lines().collect();
    if lines.is_empty() { String::new() } else { format!(" (remote: {})", lines.join("; ")) }
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        let hint = match error {
            Error::Registry { source, .. } => return Self::from(&**source).under(error.to_string()),
            Error::Git { source, .. } => return Self::of_it(source).under(error.to_string()),
            Error::Message(source) => {
                let failure = Self::from(source).under(error.to_string());
                let hint = failure.hint().unwrap_or("`tagwright message` renders a template with changes of your own");
                let hint = hint.to_owned();
                return failure.with_hint(Some(hint));
            }
            Error::Submit { source, .. } => source.hint(),
            Error::Unsigned(_) => Some("put a key that is valid into the secret that `git.commit.signingKey` names"),
            Error::NoPushBranch => Some("name the branch that commits go to: `push.branch`"),
            Error::RaceLost { .. } => Some("nothing was pushed; the next run tries again"),
            Error::Busy { .. } => Some(
                "nothing was pushed; if this stays, a push that broke off has left a file that ends in .lock beside the reference on the server",
            ),
            Error::Declined { .. } => Some(
                "let the bot's user push there, or name another branch in `push.branch` and merge it as you merge other changes",
            ),
            Error::Diverged { .. } | Error::FarBehind { .. } => {
                Some("move it to a commit of the refspec's source, or delete it; the next run pushes to it again")
            }
            Error::NoForgeLogin { .. } => Some(
                "name a secret with a `token` in `pullRequest.secretRef`; the login of the remote is for the remote's own server alone",
            ),
            Error::Unsealed { .. } => Some(
                "GitHub signs what it makes for a GitHub App, and for no other token; `git.commit.signingKey` signs with a key, whoever pushes",
            ),
            Error::SharedBranch { .. } => Some("give each its own `pullRequest.branch`"),
            Error::GroupBranch { .. } => {
                Some("have the template in `pullRequest.branch` name the group: `{{ .Group }}`")
            }
            Error::Forge { source, .. } => source.hint(),
            Error::LeaseLost { .. }
            | Error::NoTagInRange { .. }
            | Error::NotACommitId { .. }
            | Error::NoRefspecSource { .. } => None,
        };
        Self::of(error.kind(), error).with_hint(hint)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}
