//! `ImageUpdateAutomation`: what was pushed, and what is said of it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::draft::{Draft, End, Told};
use crate::shape::{Field, Shape};
use crate::{ImageRef, Remarks, Seen, Verdict, reason};

const FIELDS: [Field; 5] = [
    ("lastAutomationRunTime", Shape::Time),
    ("lastPushCommit", Shape::Text),
    ("lastPushTime", Shape::Time),
    ("observedPolicies", Shape::Images),
    ("observedSourceRevision", Shape::Text),
];

/// What `Ready` says of an automation with nothing left to do.
pub(crate) const UP_TO_DATE: &str = "repository up-to-date";

/// A run of an automation.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// When it began.
    pub started: Timestamp,
    /// What it came to.
    pub outcome: Outcome<'a>,
}

/// What a run came to.
#[derive(Debug, Clone, Copy)]
pub enum Outcome<'a> {
    /// Neither the policies nor the remote changed since the last run, so there was none.
    Skipped,
    /// There was nothing to change.
    UpToDate(Observed<'a>),
    /// A commit was pushed.
    Pushed(Observed<'a>, Push<'a>),
    /// The selector of policies cannot be understood.
    InvalidSelector(&'a str),
    /// The source is of another kind than `GitRepository`.
    UnsupportedSource {
        /// Its kind.
        kind: &'a str,
    },
    /// There is no `spec.git`.
    WithoutGit,
    /// The source cannot be understood, as where the data of a GitHub App are not where they belong.
    InvalidSource(&'a str),
    /// The source is of another namespace, and nobody may use anything of another namespace.
    Blocked {
        /// The source's namespace.
        namespace: &'a str,
        /// The source's name.
        name: &'a str,
    },
    /// The source's service account is to log in to a cloud, and the gate for that is off.
    FeatureGate,
    /// There is no Git repository object of this name.
    SourceMissing {
        /// Its name.
        name: &'a str,
    },
    /// No branch to push to is named.
    NoPushBranch,
    /// A secret, a key or something else of the source cannot be used.
    SourceUnusable(&'a str),
    /// The remote could not be fetched.
    CheckoutFailed(&'a str),
    /// There is no update strategy.
    NoStrategy,
    /// There is no such update strategy.
    UnsupportedStrategy(&'a str),
    /// Files could not be rewritten.
    RewriteFailed(&'a str),
    /// The message, the commit or the push failed.
    PushFailed(&'a str),
    /// The message template uses a field that there is no more.
    RemovedField(RemovedField),
    /// Something else went wrong.
    Failed(&'a str),
}

/// What a run that got through has seen.
#[derive(Debug, Clone, Copy)]
pub struct Observed<'a> {
    /// The selections of all policies that it considered, by the names of the policies.
    pub policies: &'a BTreeMap<&'a str, ImageRef<'a>>,
    /// The commit that the next run may compare the remote with, as `branch@sha1:hash`: the one pushed, or the one checked out
    /// where nothing was pushed or another branch was. Empty where nobody knows.
    pub revision: &'a str,
}

/// A push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Push<'a> {
    /// The hash of the commit.
    pub commit: &'a str,
    /// The branch that it went to.
    pub branch: &'a str,
    /// The refspecs with which it went elsewhere as well.
    pub refspecs: &'a [&'a str],
    /// The message of the commit.
    pub message: &'a str,
    /// When.
    pub at: Timestamp,
}

/// A field that message templates cannot use any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemovedField {
    /// `.Updated`.
    Updated,
    /// `.Changed.ImageResult`.
    ImageResult,
}

impl Push<'_> {
    /// Returns what is told of a push, with the commit's message below.
    #[must_use]
    pub fn summary(&self) -> String {
        let commit = self.commit.get(..7).unwrap_or(self.commit);
        let mut summary = format!("pushed commit '{commit}' to branch '{}'", self.branch);
        if !self.refspecs.is_empty() {
            summary += &format!(" and refspecs '{}'", self.refspecs.join("', '"));
        }
        if !self.message.is_empty() {
            summary += "\n";
            summary += self.message;
        }
        summary
    }
}

/// Returns what is to be written and said.
#[must_use]
pub fn verdict(seen: &Seen<'_>, run: &Run<'_>, remarks: &Remarks<'_>) -> Verdict {
    let mut draft = Draft::new(seen, &FIELDS);
    draft.set("lastAutomationRunTime", crate::time(run.started));
    draft.pass(|draft| end(draft, &run.outcome), remarks)
}

/// Returns the status of a suspended object as [`crate::suspended`] does; but this kind does not answer the annotation.
#[must_use]
pub fn suspended(seen: &Seen<'_>) -> Value {
    crate::suspended(&Seen { requested: None, ..*seen })
}

/// Returns the selections as a status has them.
pub(crate) fn policies(policies: &BTreeMap<&str, ImageRef<'_>>) -> Value {
    policies.iter().map(|(name, latest)| ((*name).to_owned(), latest.value())).collect::<Map<_, _>>().into()
}

/// Takes a push over.
pub(crate) fn pushed(draft: &mut Draft<'_>, push: &Push<'_>) -> End {
    draft.set("lastPushCommit", push.commit);
    draft.set("lastPushTime", crate::time(push.at));
    up_to_date(Told::News(push.summary()), UP_TO_DATE)
}

/// A run that left nothing to do.
pub(crate) fn up_to_date(told: Told, trace: &str) -> End {
    End::Success { message: UP_TO_DATE.to_owned(), told, trace: trace.to_owned() }
}

fn end(draft: &mut Draft<'_>, outcome: &Outcome<'_>) -> End {
    match outcome {
        Outcome::Skipped => up_to_date(Told::Nothing, "no change since last reconciliation"),
        Outcome::UpToDate(observed) => {
            observe(draft, observed);
            up_to_date(Told::Nothing, UP_TO_DATE)
        }
        Outcome::Pushed(observed, push) => {
            observe(draft, observed);
            pushed(draft, push)
        }
        Outcome::InvalidSelector(error) => {
            End::stalled(reason::INVALID_POLICY_SELECTOR, format!("failed to parse policy selector: {error}"))
        }
        Outcome::UnsupportedSource { kind } => invalid(&format!("source kind '{kind}' not supported")),
        Outcome::WithoutGit => invalid("source kind 'GitRepository' necessitates field .spec.git"),
        Outcome::InvalidSource(error) => invalid(error),
        Outcome::Blocked { namespace, name } => {
            let source = format!("GitRepository/{namespace}/{name}");
            let message = format!("can't access '{source}', cross-namespace references have been blocked");
            End::stalled(reason::ACCESS_DENIED, message)
        }
        Outcome::FeatureGate => End::stalled(
            reason::FEATURE_GATE_DISABLED,
            "to use spec.serviceAccountName for provider authentication please enable the ObjectLevelWorkloadIdentity \
             feature gate in the controller",
        ),
        Outcome::SourceMissing { name } => {
            let missing = format!("GitRepository.source.toolkit.fluxcd.io {name:?} not found");
            unusable(&format!("referenced git repository does not exist: {missing}"))
        }
        Outcome::NoPushBranch => unusable(
            "push spec not provided, and cannot be inferred from .spec.git.checkout.ref or GitRepository .spec.ref",
        ),
        Outcome::SourceUnusable(error) => unusable(error),
        Outcome::CheckoutFailed(error) => git(&format!("failed to checkout source: {error}")),
        Outcome::PushFailed(error) => git(&format!("failed to update source: {error}")),
        Outcome::NoStrategy => End::stalled(reason::INVALID_UPDATE_STRATEGY, "no update strategy"),
        Outcome::UnsupportedStrategy(name) => {
            End::stalled(reason::INVALID_UPDATE_STRATEGY, format!("unsupported update strategy: {name}"))
        }
        Outcome::RewriteFailed(error) => {
            End::failure(reason::UPDATE_FAILED, format!("failed to apply policies: {error}"))
        }
        Outcome::RemovedField(field) => End::stalled(reason::REMOVED_TEMPLATE_FIELD, field.sentence()),
        Outcome::Failed(error) => End::failure(reason::FAILED, *error),
    }
}

/// Remembers what the next run is compared with.
fn observe(draft: &mut Draft<'_>, observed: &Observed<'_>) {
    let seen = (!observed.policies.is_empty()).then(|| policies(observed.policies));
    draft.set_or_remove("observedPolicies", seen);
    draft.set_or_remove("observedSourceRevision", (!observed.revision.is_empty()).then(|| observed.revision.into()));
}

fn invalid(error: &str) -> End {
    End::stalled(reason::INVALID_SOURCE_CONFIGURATION, format!("{error}: invalid source configuration"))
}

fn unusable(error: &str) -> End {
    End::failure(reason::SOURCE_MANAGER_FAILED, format!("failed configuring source manager: {error}"))
}

fn git(message: &str) -> End {
    End::failure(reason::GIT_OPERATION_FAILED, message)
}

impl RemovedField {
    fn sentence(self) -> String {
        let (field, instead) = match self {
            Self::Updated => (".Updated", "'.Changed'"),
            Self::ImageResult => (".Changed.ImageResult", "'.Changed.FileChanges' or '.Changed.Objects'"),
        };
        let page = "https://fluxcd.io/flux/components/image/imageupdateautomations/#message-template";
        format!("template uses removed '{field}' field. Please use {instead} instead. See: {page}")
    }
}
