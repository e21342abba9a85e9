//! How a run ended, for each automation and each policy.

use std::fmt;
use std::sync::Arc;

use gotext::template;
use image::{Digest, Reference, Tag};
use jiff::Timestamp;
use tagwright_core::automation::{ImagePolicy, ObjectName};
use tagwright_core::change::{Code, Diagnostic};
use tagwright_core::guard::{Held, Hold, PassedOver};
use tagwright_core::moves;
use tagwright_core::plan::FileEdit;
use thiserror::Error;

use crate::failure::Failure;

pub use crate::failure::Kind;

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
            | Self::Unsigned(_)
            | Self::NoPushBranch
            | Self::NoTagInRange { .. }
            | Self::NotACommitId { .. }
            | Self::NoForgeLogin { .. }
            | Self::SharedBranch { .. }
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
            Self::Forge { .. } | Self::NoForgeLogin { .. } => "but its pull request is not as it should be",
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
            Error::SharedBranch { .. } => Some("give each its own `pullRequest.branch`"),
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

/// How one automation ended.
#[derive(Debug)]
pub enum Outcome {
    /// A commit was pushed.
    Pushed {
        /// Its full hash.
        commit: String,
        /// Why the second destination did not get it, or why its pull request is not as it should be. The next run tries again.
        missed: Option<Error>,
    },
    /// Every marked field has its value already.
    Unchanged,
    /// Nothing was tried, on purpose.
    Held {
        /// The reason in one sentence.
        reason: String,
    },
    /// A dry run that found something to commit.
    WouldPush,
    /// Nothing was pushed, since something failed.
    Failed(Error),
}

impl Outcome {
    /// The word for this outcome in JSON and logs.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Pushed { .. } => "pushed",
            Self::Unchanged => "unchanged",
            Self::Held { .. } => "held",
            Self::WouldPush => "would-push",
            Self::Failed(_) => "failed",
        }
    }

    /// What failed: all of it, or the second destination of a commit that was pushed.
    #[must_use]
    pub const fn error(&self) -> Option<&Error> {
        match self {
            Self::Failed(error) => Some(error),
            Self::Pushed { missed, .. } => missed.as_ref(),
            Self::Unchanged | Self::Held { .. } | Self::WouldPush => None,
        }
    }
}

/// What happened to one automation.
#[derive(Debug)]
pub struct AutomationReport {
    /// The namespace and the name of the automation.
    pub id: ObjectName,
    /// The Git remote, without credentials.
    pub url: String,
    /// The push branch; empty when it could not be told.
    pub branch: String,
    /// How it ended.
    pub outcome: Outcome,
    /// The files edited, or to edit in a dry run.
    pub edits: Vec<FileEdit>,
    /// Why what is selected for them did not have to become older, each in one sentence that begins with the policy.
    pub remarks: Vec<String>,
    /// The commit message, if there is a commit.
    pub message: String,
    /// What was noticed in the files.
    pub diagnostics: Vec<Diagnostic>,
    /// The fields that would have another value, and keep theirs.
    pub holds: Vec<Held>,
    /// How many of its policies the registries gave no answer for.
    pub unanswered: usize,
    /// The commit that decided what there was to do, where it got so far.
    pub read: Option<String>,
    /// Why nothing can ever be written as things are, in one sentence.
    pub idle: Option<String>,
    /// What was done of its pull request, or noticed about it: `pull request #12 was opened, https://…`.
    pub request: Option<String>,
}

impl AutomationReport {
    /// Whether the repository was looked into, so that what it has no finding or hold of is not there.
    #[must_use]
    pub fn has_looked(&self) -> bool {
        match &self.outcome {
            Outcome::Pushed { .. } | Outcome::Unchanged | Outcome::WouldPush => true,
            // One that is suspended has none.
            Outcome::Held { .. } => !self.holds.is_empty(),
            // A push may have failed, after all was seen.
            Outcome::Failed(_) => !self.holds.is_empty() || !self.diagnostics.is_empty(),
        }
    }
}

/// Why a policy selects nothing, in one sentence each.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Error)]
pub enum Lack {
    /// The registry gave no answer, which is a failure of its own.
    #[error("{0}")]
    NoAnswer(String),
    /// Nobody wants it to: the policy or its image repository is suspended.
    #[error("{0}")]
    Suspended(String),
    /// It will once others can, with which it moves together.
    #[error("{0}")]
    Apart(String),
    /// It will in a while: tags are too young.
    #[error("{0}")]
    Waiting(String),
    /// The list of tags is not believed yet.
    #[error("{0}")]
    Doubted(String),
    /// None of the tags that there are can be selected.
    #[error("{0}")]
    NoTag(String),
}

/// What one policy made of its repository's tags.
#[derive(Debug, Clone)]
pub struct PolicyReport {
    /// The policy's name.
    pub id: ObjectName,
    /// The policy as it was.
    pub policy: Arc<ImagePolicy>,
    /// The image repository's name.
    pub image: String,
    /// How many tags were listed, after exclusions; none when the poll failed.
    pub tags: Option<usize>,
    /// Among how many of them it selects: those neither denied nor too young; none when the poll failed.
    pub considered: Option<usize>,
    /// In one sentence, which listed tags were dropped because OCI does not allow them; safe to print.
    pub refused: Option<String>,
    /// The selection, or why there is none.
    pub selection: Result<Reference, Lack>,
    /// Tags that rank equal to the selected one, so that where one of them is in use it is selected in its place.
    pub as_good: Vec<String>,
    /// What stands in the way of another selection: a tag that is too young, an image that is passed over, or a list that is
    /// not believed yet.
    pub hold: Option<Hold>,
    /// Better images than the selected one, best first, as far as there are not very many, and why each is passed over.
    pub passed_over: Vec<PassedOver>,
    /// When the next of them comes of age, perhaps one that a tag had before, so that it is looked at again then.
    pub wakes: Option<Timestamp>,
    /// By whose word the selection did not have to become older first, in one sentence; none where it did not have to.
    pub hurried: Option<String>,
    /// By which clock the selection is the newest, in one sentence, where that is the order.
    pub dated: Option<String>,
    /// Tags that came after the selected one, where that is the order.
    pub newer: Vec<String>,
    /// Tags of releases that were found to have moved.
    pub moved: Vec<MovedTag>,
    /// What else it could select where it moves together with others, best first: the selection, and as many as they may need.
    pub alternatives: Vec<Reference>,
    /// How far the tags came of which none is selected.
    pub short: Option<Short>,
}

/// How far the tags came of which none is selected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Short {
    /// There are none.
    Empty,
    /// The filter matches none of them.
    Filtered,
    /// None has a place in the order, as one that is not in the range of versions.
    Unordered,
    /// This one is no number, and the others are none either.
    NotANumber(String),
    /// This one would be selected, and its digest could not be had.
    WithoutDigest(String),
}

/// A tag that names a release, and points to something else than it did. Printed, it is one sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedTag {
    /// The image repository's name.
    pub image: String,
    /// The tag.
    pub tag: Tag,
    /// What it pointed to.
    pub before: Digest,
    /// What it points to.
    pub now: Digest,
}

impl fmt::Display for MovedTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { image, tag, before, now } = self;
        write!(f, "{image}:{tag} moved from {} to {}, though tags like it name one release", short(before), short(now))
    }
}

/// A digest with the first twelve digits of its hash.
fn short(digest: &Digest) -> &str {
    let text = digest.as_str();
    text.find(':').and_then(|colon| text.get(..colon + 13)).unwrap_or(text)
}

impl PolicyReport {
    /// What else is to say about the selection, each in one sentence.
    #[must_use]
    pub fn remarks(&self) -> Vec<String> {
        let about_it = self.dated.iter().chain(&self.hurried).cloned();
        let moved = moves::moved(&self.policy.repository.image);
        about_it.chain(self.moved.iter().map(MovedTag::to_string)).chain(moved).collect()
    }

    /// What a policy selects according to somebody else.
    pub(crate) fn published(policy: &Arc<ImagePolicy>, selection: &Reference) -> Self {
        Self {
            id: policy.id.clone(),
            policy: Arc::clone(policy),
            image: policy.repository.image.name().to_owned(),
            tags: None,
            considered: None,
            refused: None,
            selection: Ok(selection.clone()),
            as_good: Vec::new(),
            hold: None,
            passed_over: Vec::new(),
            wakes: None,
            hurried: None,
            dated: None,
            newer: Vec::new(),
            moved: Vec::new(),
            alternatives: vec![selection.clone()],
            short: None,
        }
    }
}

/// What a run did.
#[derive(Debug, Default)]
pub struct Report {
    /// The policies that were evaluated, in the configuration's order.
    pub policies: Vec<Arc<PolicyReport>>,
    /// Polls and digest look-ups that failed.
    pub failures: Vec<Error>,
    /// The automations, in the configuration's order.
    pub automations: Vec<AutomationReport>,
}

impl Report {
    /// How many findings say that something will never be done as things are, with the policies of which no tag can be
    /// selected.
    #[must_use]
    pub fn dead_ends(&self) -> usize {
        // That a policy selects nothing is a finding at each of its fields, whatever the reason; it counts once, by its reason.
        let findings =
            self.automations.iter().flat_map(|automation| &automation.diagnostics).map(|finding| finding.code);
        let findings = findings.filter(|code| code.is_dead_end() && *code != Code::NoSelection).count();
        findings + self.policies.iter().filter(|policy| matches!(policy.selection, Err(Lack::NoTag(_)))).count()
    }

    /// The gravest failure, if anything failed.
    #[must_use]
    pub fn worst(&self) -> Option<Kind> {
        let automations = self.automations.iter().filter_map(|automation| automation.outcome.error()).map(Error::kind);
        self.failures.iter().map(Error::kind).chain(automations).max()
    }
}
