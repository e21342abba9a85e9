//! The validated description of one job: where the marked files are, which policies apply, how to commit and push.
//!
//! Everything here was checked when it was made (`config`): a value of these types can be run. Automations share image
//! repositories and policies by [`Arc`], so that a repository is polled once however many policies look at it.

mod cron;
mod guards;
mod origin;
mod requests;
mod requirements;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use gotext::pattern::Pattern;
use gotext::template::Template;
use image::Repository;

use crate::freeze::Period;
use crate::marker::{Embedded, Marking, Target};
use crate::policy::Policy;

pub use self::cron::{Cron, Error as CronError};
pub use self::guards::{Batch, Deny, Gather, Guards, OnUnverified, Verify, Window};
pub use self::origin::{Element, Origins};
pub use self::requests::{AutoMerge, Forge, Grouping, MergeMethod, Proof, Requests};
pub use self::requirements::{FastLane, NoPlatform, Platform, Pullable};

/// Namespace and name of a configured object; `namespace/name` when printed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName {
    /// The namespace; `default` where none was given.
    pub namespace: String,
    /// The name, unique in the namespace among objects of one kind.
    pub name: String,
}

impl ObjectName {
    /// `namespace:name`, as markers, the store and everything about policies write it.
    #[must_use]
    pub fn marker(&self) -> String {
        format!("{}:{}", self.namespace, self.name)
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// An image repository to poll.
#[derive(Debug)]
pub struct ImageRepository {
    /// The name of the `ImageRepository`, or of the native automation's image.
    pub id: ObjectName,
    /// The repository, its name as written.
    pub image: Repository,
    /// Tags that match any of these are dropped before a policy sees them.
    pub exclusions: Vec<Pattern>,
    /// Credentials, certificates, proxy, deadline.
    pub access: access::Registry,
    /// The interval or the times at which its tags are listed.
    pub schedule: Schedule,
    /// How far the interval is stretched while the list gets no new tags; none is not at all.
    pub max_interval: Option<Duration>,
    /// Suspended repositories are not polled, and their policies select nothing.
    pub suspended: bool,
}

/// A rule that chooses one tag of an image repository, with all that it needs.
#[derive(Debug)]
pub struct ImagePolicy {
    /// The object's name; its marker is `namespace:name`.
    pub id: ObjectName,
    /// Labels, for `policySelector`.
    pub labels: BTreeMap<String, String>,
    /// The repository whose tags are looked at.
    pub repository: Arc<ImageRepository>,
    /// Filter and order.
    pub policy: Policy,
    /// Conditions between the tags and a commit.
    pub guards: Guards,
    /// Whether the selection carries a digest.
    pub digest: DigestReflection,
    /// How often an [`DigestReflection::Always`] digest is looked up between polls of the repository; none is not at all.
    pub refresh: Option<Duration>,
    /// The fields that are set without a marker, in the order of their files.
    pub targets: Vec<Target>,
    /// Suspended policies select nothing.
    pub suspended: bool,
}

/// All that decides what a policy selects of a list of tags.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Terms<'p> {
    policy: &'p Policy,
    guards: &'p Guards,
    digest: DigestReflection,
    suspended: bool,
    image: &'p Repository,
    exclusions: &'p [Pattern],
    repository_suspended: bool,
}

impl ImagePolicy {
    /// Returns all that decides what the policy selects of a list of tags.
    #[must_use]
    pub fn terms(&self) -> Terms<'_> {
        let Self { policy, guards, digest, suspended, repository, .. } = self;
        let ImageRepository { image, exclusions, suspended: repository_suspended, .. } = &**repository;
        let (digest, suspended, repository_suspended) = (*digest, *suspended, *repository_suspended);
        Terms { policy, guards, digest, suspended, image, exclusions, repository_suspended }
    }

    /// Whether the policy could select a tag if it were listed, whatever its age.
    #[must_use]
    pub fn could_select(&self, tag: &str) -> bool {
        let is_excluded = self.repository.exclusions.iter().any(|pattern| pattern.is_match(tag));
        !is_excluded && self.guards.denial(tag).is_none() && self.policy.select(&[tag]).is_some()
    }

    /// Whether its selection has a digest.
    #[must_use]
    pub fn writes_digests(&self) -> bool {
        self.digest != DigestReflection::Never
    }

    /// Whether another reading of the policy selects what this one does.
    #[must_use]
    pub fn selects_as(&self, other: &Self) -> bool {
        self.terms() == other.terms()
    }
}

/// Whether the selection carries a digest, and when that is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DigestReflection {
    /// Never.
    #[default]
    Never,
    /// When the field has none, or another tag was selected.
    IfNotPresent,
    /// At every poll, and at the policy's interval in between.
    Always,
}

/// An interval, or moments in a calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Schedule {
    /// This long after the last time.
    Every(Duration),
    /// At fixed times.
    Cron(Cron),
}

/// One configured job.
#[derive(Debug)]
pub struct Automation {
    /// The name of the automation, which messages and trailers repeat.
    pub id: ObjectName,
    /// What kind of object says so.
    pub origin: Origin,
    /// The Git remote that is read.
    pub remote: Remote,
    /// The commit whose files are read.
    pub checkout: Checkout,
    /// Files or folders below the root of the repository, cleaned: no `..`, no leading slash; empty is everything.
    pub paths: Vec<String>,
    /// The folder that templates see file names relative to; empty is the root. Flux's `update.path`.
    pub base: String,
    /// Whether markers in embedded YAML count in every object that does not decline.
    pub embedded: bool,
    /// The policies in scope.
    pub policies: Vec<Arc<ImagePolicy>>,
    /// The commit to write.
    pub commit: Commit,
    /// The branches and refspecs that the commit is pushed to.
    pub push: Push,
    /// The pull request that proposes what is pushed, if there is to be one; the push branch is its own then.
    pub requests: Option<Requests>,
    /// The interval or the times at which it runs without being asked.
    pub schedule: Schedule,
    /// The changes that share one commit.
    pub batch: Batch,
    /// How long changes wait for each other.
    pub gather: Gather,
    /// When commits may be made; always, if there are none.
    pub windows: Vec<Window>,
    /// When nothing may be written, whatever windows say.
    pub freeze: Vec<Period>,
    /// Suspended automations do nothing.
    pub suspended: bool,
}

/// The kind of object that an automation is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The native document.
    ImageAutomation,
    /// Flux's.
    ImageUpdateAutomation,
    /// KubeVela's.
    Application,
    /// What is submitted.
    GitSync,
}

impl Origin {
    /// The kind, as documents have it.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::ImageAutomation => "ImageAutomation",
            Self::ImageUpdateAutomation => "ImageUpdateAutomation",
            Self::Application => "Application",
            Self::GitSync => "GitSync",
        }
    }

    /// The version of its API, with the group.
    #[must_use]
    pub const fn api_version(self) -> &'static str {
        match self {
            Self::ImageAutomation | Self::GitSync => "tagwright.dev/v1alpha1",
            Self::ImageUpdateAutomation => "image.toolkit.fluxcd.io/v1",
            Self::Application => "core.oam.dev/v1beta1",
        }
    }
}

impl Automation {
    /// The forge that it has to do with: the one of its pull requests, or that which makes its commits.
    #[must_use]
    pub fn forge(&self) -> &Forge {
        self.requests.as_ref().map_or(&self.commit.forge, |requests| &requests.forge)
    }

    /// Whether its changes are proposed in groups, each on a branch of its own.
    #[must_use]
    pub fn is_grouped(&self) -> bool {
        self.requests.as_ref().is_some_and(|requests| requests.grouping != Grouping::Automation)
    }

    /// Whether it reads a file, by its path from the root of the repository.
    #[must_use]
    pub fn reads(&self, path: &str) -> bool {
        self.paths.is_empty()
            || self.paths.iter().any(|folder| is_below(path, folder))
            || self.targets().any(|it| it.path == path)
    }

    /// What counts as marked in a file, by its path from the root of the repository.
    #[must_use]
    pub fn marking(&self, path: &str) -> Marking {
        let targets = self.targets().filter(|target| target.path == path).cloned().collect();
        Marking { embedded: Embedded::everywhere(self.embedded), targets }
    }

    /// The fields that are set without a marker.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        self.policies.iter().flat_map(|policy| &policy.targets)
    }

    /// The files that targets are in, each once.
    #[must_use]
    pub fn target_paths(&self) -> BTreeSet<&str> {
        self.targets().map(|target| target.path.as_str()).collect()
    }
}

/// Whether a path is a folder's, or the folder itself.
#[must_use]
pub(crate) fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || folder.is_empty())
}

/// A Git remote and how to reach it.
#[derive(Debug, Clone)]
pub struct Remote {
    /// The URL without credentials: `https://`, `http://`, `ssh://`, `user@host:path`, `file://` or a local path.
    pub url: String,
    /// Credentials, certificates, proxy, deadline.
    pub access: access::Git,
}

/// The commit whose files are read. Flux's order of precedence is applied when the configuration is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checkout {
    /// The remote's default branch.
    DefaultBranch,
    /// The newest commit of a branch.
    Branch(String),
    /// The commit behind a tag.
    Tag(String),
    /// The highest tag in a range.
    Semver(gotext::version::Range),
    /// A full reference name such as `refs/pull/1/head`.
    Reference(String),
    /// A commit, perhaps on a branch.
    Commit {
        /// The full hash, in hexadecimal.
        id: String,
        /// The branch it is on.
        branch: Option<String>,
    },
}

/// Where the commit goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Push {
    /// The branch; none is the checkout branch.
    pub branch: Option<String>,
    /// A second destination, `SOURCE:DESTINATION`.
    pub refspec: Option<String>,
    /// Push options, sent as `key=value`.
    pub options: BTreeMap<String, String>,
}

/// The commit to write.
#[derive(Debug)]
pub struct Commit {
    /// Author and committer.
    pub author: Author,
    /// The template of the message, parsed and tried.
    pub message: Template,
    /// `.Values` of the message.
    pub values: BTreeMap<String, String>,
    /// Whether the message ends with trailers that name the automation and the policies.
    pub trailers: bool,
    /// Whether the author signs off, as `git commit -s` does.
    pub signed_off: bool,
    /// What signs it, if anything does.
    pub signing: Option<Arc<signing::Key>>,
    /// Whether the forge makes it, and signs it; its author is whoever asks the forge then.
    pub by_forge: bool,
    /// The forge that makes it, where there is no pull request whose forge does.
    pub forge: Forge,
}

impl Commit {
    /// Whatever makes two commits with the same changes differ. Automations may share a commit where it is equal.
    pub fn style(&self) -> impl Ord + use<'_> {
        let Author { name, email } = &self.author;
        let signing = self.signing.as_ref().map(|key| (key.format(), key.id()));
        let by_forge = self.by_forge.then(|| self.forge.names());
        (name, email, self.message.source(), &self.values, self.trailers, self.signed_off, signing, by_forge)
    }
}

/// Who commits.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Author {
    /// The name, which may be empty.
    pub name: String,
    /// The address, which tells the bot's commits from others.
    pub email: String,
}

#[cfg(test)]
mod tests {
    use super::is_below;

    #[test]
    fn folders_hold_what_is_below_them() {
        assert!(is_below("apps/web.yaml", "apps") && is_below("apps", "apps") && is_below("apps", ""));
        assert!(!is_below("apps2/web.yaml", "apps") && !is_below("web/apps", "apps"));
    }
}
